//! A terminal that a program runs on, and the person who reads and types there.

use super::{Done, World};
use pty_process::blocking::{Command as PtyCommand, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What never comes. A cap that ends a stuck test, not a measurement.
const NEVER: Duration = Duration::from_secs(120);

/// A program on a terminal of its own.
pub struct Screen {
    child: Child,
    terminal: Arc<pty_process::blocking::Pty>,
    /// Keeps the terminal when the program has ended.
    line: OwnedFd,
    shown: Arc<Shown>,
    reader: std::thread::JoinHandle<()>,
}

/// What the terminal shows so far.
#[derive(Default)]
struct Shown {
    text: Mutex<String>,
    more: Condvar,
}

impl World {
    /// Runs the program on a terminal.
    pub fn on_screen(&self, args: &[&str]) -> Screen {
        Screen::new(self.program(args), false)
    }

    /// Runs the program on a terminal, but for its standard output.
    pub fn on_screen_with_piped_output(&self, args: &[&str]) -> Screen {
        Screen::new(self.program(args), true)
    }
}

impl Screen {
    /// Runs a command on a terminal of its own; `piped` takes standard output away from it.
    pub fn new(command: Command, piped: bool) -> Self {
        Self::of_width(command, piped, 80)
    }

    /// The same on a terminal with so many columns.
    pub fn of_width(command: Command, piped: bool, columns: u16) -> Self {
        let (terminal, line) = open().expect("a terminal");
        terminal.resize(pty_process::Size::new(24, columns)).expect("its size");
        let keep = line.as_fd().try_clone_to_owned().expect("a descriptor");
        let command = PtyCommand::from(command);
        let command = if piped { command.stdout(Stdio::piped()) } else { command };
        let child = command.spawn(line).expect("the program starts");
        let (terminal, shown) = (Arc::new(terminal), Arc::new(Shown::default()));
        let reader = std::thread::spawn({
            let (terminal, shown) = (terminal.clone(), shown.clone());
            move || read(&terminal, &shown)
        });
        Self { child, terminal, line: keep, shown, reader }
    }

    /// Waits until the terminal shows `text` after everything that was waited for before.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        let shown = self.shown.text.lock().expect("a lock");
        let (shown, late) =
            self.shown.more.wait_timeout_while(shown, NEVER, |shown| !shown.contains(text)).expect("a lock");
        assert!(!late.timed_out(), "{text:?} is never shown: {:?}", *shown);
    }

    /// Types.
    pub fn type_in(&self, text: &str) {
        (&*self.terminal).write_all(text.as_bytes()).expect("the terminal takes it");
    }

    /// Whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.line).expect("a terminal").local_modes.contains(LocalModes::ECHO)
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is alive");
    }

    /// Waits for the end; `err` is all that the terminal showed.
    pub fn end(self) -> Done {
        self.end_and_echoes().0
    }

    /// Waits for the end, and says whether the terminal shows then what is typed.
    pub fn end_and_echoes(mut self) -> (Done, bool) {
        let mut out = Vec::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_end(&mut out).expect("its output");
        }
        let status = self.child.wait().expect("it ends");
        let echoes = self.echoes();
        let Self { terminal, line, shown, reader, .. } = self;
        // With the last descriptor gone, the reader comes to the end of what was shown.
        drop((line, terminal));
        reader.join().expect("the reader ends");
        let err = shown.text.lock().expect("a lock").clone();
        (Done { status, out, err }, echoes)
    }
}

fn read(mut terminal: &pty_process::blocking::Pty, shown: &Shown) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        shown.text.lock().expect("a lock").push_str(&String::from_utf8_lossy(&bytes[..count]));
        shown.more.notify_all();
    }
}
