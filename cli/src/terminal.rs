//! The terminal's etiquette.
//!
//! Questions go to the controlling terminal, never to standard output, and are asked only when standard input or
//! standard error is a terminal: a program that captured both is alone, and must be told which flag to use. Hidden
//! input turns echo off; it comes back when the answer is read, and also when a signal ends the program meanwhile.

use agent_vault_core::prompt::Prompt;
use agent_vault_core::{Error, Result, SecretBytes};
use std::io::{IsTerminal, Read};
use zeroize::Zeroizing;

#[cfg(unix)]
pub use system::leave_signals;
pub use system::{settle_signals, watch_signals};

/// The most bytes of an answer.
const MAX_ANSWER: usize = 64 << 10;

/// The person at the terminal, if there is one.
pub struct Terminal;

impl Terminal {
    /// Whether somebody can be asked.
    pub fn is_there() -> bool {
        (std::io::stdin().is_terminal() || std::io::stderr().is_terminal()) && system::open().is_ok()
    }

    /// Asks for a secret twice.
    ///
    /// # Errors
    /// [`Error::NobodyToAsk`], [`Error::Refused`] when the two differ or input ended.
    pub fn new_secret(question: &str, flag: &str) -> Result<SecretBytes> {
        let first = hidden(&format!("{question}: "), flag)?;
        let second = hidden("Again: ", flag)?;
        if first.expose() == second.expose() {
            Ok(first)
        } else {
            Err(Error::Refused { what: "the two inputs differ".into() })
        }
    }

    /// Asks yes or no; only `y` and `yes` are yes.
    ///
    /// # Errors
    /// [`Error::NobodyToAsk`].
    pub fn confirm(question: &str, flag: &str) -> Result<bool> {
        let mut terminal = open(question, flag)?;
        let answer = terminal.ask(&format!("{question} [y/N] ")).map_err(gone(question))?;
        Ok(matches!(std::str::from_utf8(&answer).map(str::trim), Ok("y" | "Y" | "yes" | "Yes" | "YES")))
    }
}

impl Prompt for Terminal {
    fn passphrase(&self, question: &str) -> Result<SecretBytes> {
        hidden(&format!("{question}: "), "use a key without a passphrase here, or run this on a terminal")
    }

    fn confirm(&self, question: &str) -> Result<bool> {
        Terminal::confirm(question, "answer it beforehand: AGENT_VAULT_OWNER=SHA256:…, or `agent-vault trust add`")
    }

    fn tell(&self, message: &str) {
        crate::output::note(message);
    }
}

fn open(question: &str, flag: &str) -> Result<system::Tty> {
    if Terminal::is_there()
        && let Ok(terminal) = system::open()
    {
        return Ok(terminal);
    }
    Err(Error::NobodyToAsk { question: question.trim_end_matches([':', ' ']).to_owned(), answer: flag.to_owned() })
}

fn hidden(question: &str, flag: &str) -> Result<SecretBytes> {
    let mut terminal = open(question, flag)?;
    let answer = terminal.without_echo(|terminal| terminal.ask(question)).map_err(gone(question))?;
    Ok(SecretBytes::new(answer.to_vec()))
}

/// The terminal vanished, or input ended, in the middle of a question.
fn gone(question: &str) -> impl FnOnce(std::io::Error) -> Error {
    let what = format!("{} (no answer)", question.trim_end_matches([':', ' ']));
    move |_| Error::Refused { what }
}

/// Reads one line without its end. Byte by byte: nothing of it stays behind in a buffer.
fn read_line(mut input: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(256));
    let mut byte = [0u8; 1];
    loop {
        match input.read(&mut byte)? {
            0 if line.is_empty() => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            _ if byte[0] == b'\n' || byte[0] == b'\r' => break,
            _ if line.len() >= MAX_ANSWER => return Err(std::io::ErrorKind::InvalidData.into()),
            _ => line.push(byte[0]),
        }
    }
    Ok(line)
}

/// The columns of the terminal that results or help are shown on; none where there is no terminal, or it does not say.
#[cfg(unix)]
pub fn width() -> Option<usize> {
    let columns = |stream: &dyn std::os::fd::AsFd| rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col);
    columns(&std::io::stdout()).or_else(|| columns(&std::io::stderr())).filter(|columns| *columns > 0).map(usize::from)
}

/// As above; here the terminal is not asked, and folds long lines itself.
#[cfg(not(unix))]
pub fn width() -> Option<usize> {
    None
}

#[cfg(unix)]
mod system {
    use super::*;
    use rustix::process::{Pid, Signal, kill_process};
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, MutexGuard};
    use std::time::{Duration, Instant};

    /// The controlling terminal.
    pub struct Tty(File);

    pub fn open() -> std::io::Result<Tty> {
        OpenOptions::new().read(true).write(true).open("/dev/tty").map(Tty)
    }

    impl Tty {
        /// Asks and reads a line.
        pub fn ask(&mut self, question: &str) -> std::io::Result<Zeroizing<Vec<u8>>> {
            self.0.write_all(question.as_bytes())?;
            self.0.flush()?;
            read_line(&self.0)
        }

        /// Runs `question` with echo off. Echo is back afterwards, whatever happens: a signal that ends the program
        /// restores it first and then ends the program as it would have.
        pub fn without_echo<T>(
            &mut self,
            question: impl FnOnce(&mut Self) -> std::io::Result<T>,
        ) -> std::io::Result<T> {
            let before = tcgetattr(&self.0)?;
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            silent.local_modes.insert(LocalModes::ECHONL);
            watch_signals()?;
            *silenced() = Some((self.0.try_clone()?, before));
            let answer =
                tcsetattr(&self.0, OptionalActions::Flush, &silent).map_err(Into::into).and_then(|()| question(self));
            restore();
            answer
        }
    }

    /// How long an editor gets to end when it is told to, before its files are taken from it.
    const FAREWELL: Duration = Duration::from_secs(2);

    /// Ends the editor: it must not go on writing where everything is wiped.
    fn end(editor: u32) {
        crate::editor::ending();
        let pid = i32::try_from(editor).ok().and_then(Pid::from_raw);
        let told = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let start = Instant::now();
        while told && !crate::editor::has_ended() && start.elapsed() < FAREWELL {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The terminal whose echo is off, and how it was before.
    static SILENCED: Mutex<Option<(File, Termios)>> = Mutex::new(None);

    fn silenced() -> MutexGuard<'static, Option<(File, Termios)>> {
        SILENCED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gives the terminal back, without what was typed and not read: half a value is not for the shell. Says whether
    /// there was one to give back.
    fn restore() -> Option<File> {
        silenced().take().map(|(terminal, modes)| {
            let _ = tcsetattr(&terminal, OptionalActions::Flush, &modes);
            terminal
        })
    }

    /// Waits until the signals that came before this call were dealt with: one more, which ends nothing, is sent after them,
    /// and the thread that watches calls `done`, which clears [`crate::editor::running`], when it comes to it. (Signals that
    /// come together are told in the order of their numbers, and of these this one has the greatest.)
    pub fn settle_signals(done: fn()) {
        if kill_process(rustix::process::getpid(), Signal::CHILD).is_err() {
            return done();
        }
        while crate::editor::running().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// From here on signals are somebody else's: those who run a child hand them to it.
    pub fn leave_signals() {
        LEFT.store(true, Ordering::SeqCst);
    }

    static LEFT: AtomicBool = AtomicBool::new(false);

    /// From the first hidden question (or editor) to the program's end, a thread waits for the signals that end a program:
    /// a handler that was installed once cannot be taken away again, and without the thread these signals would do nothing
    /// any more. While an editor runs, Ctrl-C and Ctrl-\\ are its own.
    pub fn watch_signals() -> std::io::Result<()> {
        static WATCHED: Mutex<bool> = Mutex::new(false);
        let mut watched = WATCHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *watched {
            return Ok(());
        }
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD])?;
        std::thread::Builder::new().spawn(move || {
            for signal in signals.forever() {
                if LEFT.load(Ordering::SeqCst) {
                    continue;
                }
                if signal == SIGCHLD {
                    crate::editor::forget();
                    continue;
                }
                if let Some(editor) = crate::editor::running() {
                    if matches!(signal, SIGINT | SIGQUIT) {
                        continue;
                    }
                    end(editor);
                }
                crate::scratch::wipe_open();
                if let Some(mut terminal) = restore() {
                    let _ = terminal.write_all(b"\n");
                }
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        })?;
        *watched = true;
        Ok(())
    }
}

#[cfg(not(unix))]
mod system {
    use super::*;

    /// Nothing is watched here, so nothing is on its way.
    pub fn settle_signals(done: fn()) {
        done();
    }

    /// No hidden input is possible here yet, so nobody is asked.
    pub struct Tty;

    /// Nothing is watched here yet.
    pub fn watch_signals() -> std::io::Result<()> {
        Ok(())
    }

    pub fn open() -> std::io::Result<Tty> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    impl Tty {
        pub fn ask(&mut self, _question: &str) -> std::io::Result<Zeroizing<Vec<u8>>> {
            let _ = read_line(std::io::empty());
            Err(std::io::ErrorKind::Unsupported.into())
        }

        pub fn without_echo<T>(
            &mut self,
            question: impl FnOnce(&mut Self) -> std::io::Result<T>,
        ) -> std::io::Result<T> {
            question(self)
        }
    }
}
