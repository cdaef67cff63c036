//! A program that runs below this one: where what it prints is masked, or files have to be taken away after it.
//!
//! It is as if it had been started directly. It stays in this process's group, so the terminal's signals (Ctrl-C, Ctrl-Z,
//! Ctrl-\) reach it without us, and we do not end of them; what is sent to us alone is sent on. When it stops, we
//! stop, and it goes on when we do. We end as it ends: with its code, or of its signal. Standard input is its own.

use agent_vault_deliver::Masker;
use agent_vault_deliver::mask::Patterns;
use std::io::{IsTerminal, PipeReader};
use std::process::{Command, Stdio};

pub use system::run;

/// Which streams are masked, and with what.
pub struct Masking {
    patterns: Patterns,
    out: bool,
    err: bool,
}

impl Masking {
    /// All streams, or those that go to no terminal.
    pub fn new(patterns: Patterns, all: bool) -> Self {
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        Self { patterns, out: all || !out, err: all || !err }
    }

    /// Whether any stream is to be masked.
    pub fn is_wanted(&self) -> bool {
        self.out || self.err
    }

    /// Whether any is, and there is something to look for.
    pub fn is_needed(&self) -> bool {
        self.is_wanted() && !self.patterns.is_empty()
    }
}

/// Becomes the program: nothing stands between it and its terminal, its signals and whoever waits for it. Returns only what
/// kept it from being started.
#[cfg(unix)]
pub fn become_it(mut command: Command) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    command.exec()
}

/// Starts the program and ends as it does. Returns only what kept it from being started.
#[cfg(not(unix))]
pub fn become_it(mut command: Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(source) => source,
    }
}

/// Where masked output goes.
#[derive(Clone, Copy)]
enum To {
    Out,
    Err,
}

/// A pipe from the program, on its way to where it is masked.
struct Stream {
    from: PipeReader,
    to: To,
    masker: Masker,
}

/// Puts pipes in the place of the streams that are masked. Two streams that go to the same place share one, so that their
/// order stays.
fn connect(command: &mut Command, masking: Option<&Masking>) -> std::io::Result<Vec<Stream>> {
    let mut streams = Vec::new();
    let Some(masking) = masking.filter(|masking| masking.is_needed()) else { return Ok(streams) };
    let mut stream = |to| -> std::io::Result<std::io::PipeWriter> {
        let (from, into) = std::io::pipe()?;
        streams.push(Stream { from, to, masker: Masker::new(&masking.patterns) });
        Ok(into)
    };
    if masking.out && masking.err && system::are_one() {
        let into = stream(To::Out)?;
        command.stdout(Stdio::from(into.try_clone()?)).stderr(Stdio::from(into));
        return Ok(streams);
    }
    if masking.out {
        command.stdout(Stdio::from(stream(To::Out)?));
    }
    if masking.err {
        command.stderr(Stdio::from(stream(To::Err)?));
    }
    Ok(streams)
}

#[cfg(unix)]
mod system {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::fstat;
    use rustix::io::Errno;
    use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
    use signal_hook::consts::*;
    use signal_hook::iterator::SignalsInfo;
    use signal_hook::iterator::exfiltrator::origin::WithOrigin;
    use signal_hook::low_level::emulate_default_handler;
    use signal_hook::low_level::siginfo::{Cause, Origin};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    /// What is handed on. SIGTTIN and SIGTTOU stop whoever uses the terminal from the background, us too.
    const HANDED_ON: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT];

    /// Standard output and standard error.
    pub fn are_one() -> bool {
        let place = |fd: BorrowedFd<'_>| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).ok();
        place(std::io::stdout().as_fd()) == place(std::io::stderr().as_fd())
    }

    enum Event {
        /// The program ended.
        Ended(WaitStatus),
        /// A stream ended, or nobody reads it any more.
        Closed,
        /// After the program ended, somebody wants us to end too.
        Interrupted,
    }

    /// Runs the program, and returns what is left to do: to end as it ended.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn run(mut command: Command, masking: Option<&Masking>) -> std::io::Result<impl FnOnce()> {
        crate::terminal::leave_signals();
        let streams = connect(&mut command, masking)?;
        let (sender, events) = channel();
        // What was ignored before us stays so, for the program too: `nohup`, and what a script runs with `&`.
        let ignored = ignored();
        let watched = HANDED_ON.into_iter().filter(|signal| !ignored.contains(signal)).chain([SIGCHLD]);
        let signals = SignalsInfo::<WithOrigin>::new(watched)?;
        let child = command.spawn()?;
        // Our ends of its pipes are in the command.
        drop(command);
        let mut open = streams.len();
        for stream in streams {
            let sender = sender.clone();
            std::thread::Builder::new().spawn(move || {
                pump(stream);
                let _ = sender.send(Event::Closed);
            })?;
        }
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        std::thread::Builder::new().spawn(move || watch(signals, pid, &sender))?;
        let status = ended(&events, &mut open);
        Ok(move || end_as(status))
    }

    /// Waits until the program has ended, and until what it started and left behind prints nothing any more.
    fn ended(events: &Receiver<Event>, open: &mut usize) -> Option<WaitStatus> {
        let mut status = None;
        while status.is_none() || *open > 0 {
            match events.recv() {
                Ok(Event::Ended(how)) => status = Some(how),
                Ok(Event::Closed) => *open -= 1,
                Ok(Event::Interrupted) => break,
                Err(_) => break,
            }
        }
        status
    }

    fn end_as(status: Option<WaitStatus>) {
        match status.map(|status| (status.exit_status(), status.terminating_signal())) {
            Some((Some(code), _)) => std::process::exit(code),
            Some((_, Some(signal))) => {
                // Who waits for us sees what it would have seen of the program.
                let _ = emulate_default_handler(signal);
                std::process::exit(128 + signal);
            }
            _ => std::process::exit(1),
        }
    }

    /// Deals with signals, until this program ends.
    fn watch(mut signals: SignalsInfo<WithOrigin>, child: Pid, sender: &Sender<Event>) {
        let mut has_ended = look(child, sender);
        for Origin { signal, process, cause, .. } in signals.forever() {
            match signal {
                SIGCHLD if !has_ended => has_ended = look(child, sender),
                SIGHUP | SIGINT | SIGQUIT | SIGTERM if has_ended => drop(sender.send(Event::Interrupted)),
                _ if has_ended => {}
                _ => {
                    let sent = matches!(cause, Cause::Sent(_));
                    let by_it = process.is_some_and(|process| process.pid == child.as_raw_nonzero().get());
                    // Who wakes us wakes it, whoever stopped it.
                    if ((sent && !by_it) || signal == SIGCONT)
                        && let Some(signal) = Signal::from_named_raw(signal)
                    {
                        let _ = kill_process(child, signal);
                    }
                }
            }
        }
    }

    /// Looks what became of the child: whether it ended. Where it stopped, so do we, until somebody lets us go on.
    fn look(child: Pid, sender: &Sender<Event>) -> bool {
        loop {
            match waitpid(Some(child), WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((_, status))) if status.stopped() => {
                    let _ = emulate_default_handler(SIGSTOP);
                    let _ = kill_process(child, Signal::CONT);
                }
                Ok(Some((_, status))) => {
                    let _ = sender.send(Event::Ended(status));
                    return true;
                }
                Err(Errno::INTR) => {}
                Ok(None) | Err(_) => return false,
            }
        }
    }

    /// Masks a stream to its end.
    fn pump(stream: Stream) {
        let Stream { from, to, mut masker } = stream;
        let (mut buffer, mut out) = (vec![0; 64 << 10], Vec::with_capacity(64 << 10));
        loop {
            out.clear();
            let is_quiet = !wait(&from, PollFlags::IN, masker.patience());
            let count = if is_quiet { None } else { Some(rustix::io::read(&from, &mut buffer)) };
            match count {
                None => masker.flush(&mut out),
                Some(Ok(0)) => break,
                Some(Ok(count)) => masker.push(&buffer[..count], &mut out),
                Some(Err(Errno::INTR)) => continue,
                Some(Err(_)) => break,
            }
            // Nobody reads any more: without our end of the pipe, the program hears of it as it would have.
            if write(to, &out).is_err() {
                return;
            }
        }
        out.clear();
        masker.flush(&mut out);
        let _ = write(to, &out);
    }

    /// Waits until a descriptor is ready; whether it is.
    fn wait(fd: &impl AsFd, flags: PollFlags, limit: Option<Duration>) -> bool {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        loop {
            match poll(&mut [PollFd::new(fd, flags)], limit.as_ref()) {
                Err(Errno::INTR) => {}
                Ok(0) => return false,
                _ => return true,
            }
        }
    }

    /// Writes all of it, past the buffer of standard output, which nobody wipes.
    fn write(to: To, mut bytes: &[u8]) -> Result<(), Errno> {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let fd = match to {
            To::Out => out.as_fd(),
            To::Err => err.as_fd(),
        };
        while !bytes.is_empty() {
            match rustix::io::write(fd, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                // Somebody else who has this pipe wants no waiting.
                Err(Errno::AGAIN) => drop(wait(&fd, PollFlags::OUT, None)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The signals that this process was started to ignore. Linux tells; elsewhere none is known.
    fn ignored() -> Vec<i32> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
        let mask = mask.unwrap_or(0);
        HANDED_ON.into_iter().filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
    }
}

#[cfg(not(unix))]
mod system {
    use super::*;
    use std::io::{Read, Write};

    /// Standard output and standard error: not known here.
    pub fn are_one() -> bool {
        false
    }

    /// Runs the program, and returns what is left to do: to end as it ended.
    ///
    /// # Errors
    /// Those of starting it.
    pub fn run(mut command: Command, masking: Option<&Masking>) -> std::io::Result<impl FnOnce()> {
        let streams = connect(&mut command, masking)?;
        let mut child = command.spawn()?;
        drop(command);
        let pumps: Vec<_> = streams.into_iter().map(|stream| std::thread::spawn(move || pump(stream))).collect();
        let status = child.wait()?;
        pumps.into_iter().for_each(|pump| drop(pump.join()));
        Ok(move || std::process::exit(status.code().unwrap_or(1)))
    }

    /// Masks a stream to its end. What is held back waits for what comes next.
    fn pump(stream: Stream) {
        let Stream { mut from, to, mut masker } = stream;
        let (mut buffer, mut out) = (vec![0; 64 << 10], Vec::new());
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            out.clear();
            masker.push(&buffer[..count], &mut out);
            if write(to, &out).is_err() {
                return;
            }
        }
        out.clear();
        masker.flush(&mut out);
        let _ = write(to, &out);
    }

    fn write(to: To, bytes: &[u8]) -> std::io::Result<()> {
        match to {
            To::Out => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
            To::Err => std::io::stderr().write_all(bytes),
        }
    }
}
