//! A program that runs for the model: its output is masked and capped as it comes, it has a time to end in, and all that it
//! started ends with it, also when this server does.

use crate::capped::Capped;
use agent_vault_deliver::Masker;
use agent_vault_deliver::mask::Patterns;
use std::collections::BTreeSet;
use std::io::{PipeReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most programs at once.
pub const MOST: usize = 8;
/// Of each stream, so many bytes are kept.
pub const KEPT: usize = 64 << 10;
/// How long what a program left behind may hold its output open.
const LINGER: Duration = Duration::from_millis(500);
/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// How it went.
pub struct Done {
    /// How the program ended; none where it was made to, because its time was up or nobody waited any more.
    pub status: Option<ExitStatus>,
    /// What it printed.
    pub out: Capped,
    /// What it printed as errors.
    pub err: Capped,
}

/// The programs that run, each with a group of its own.
#[derive(Default)]
pub struct Running {
    places: Mutex<usize>,
    groups: Mutex<BTreeSet<u32>>,
}

/// Room for one program, until it is dropped.
pub struct Place<'r>(&'r Running);

impl Running {
    /// Room for one more; none while [`MOST`] run.
    pub fn place(&self) -> Option<Place<'_>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        (*places < MOST).then(|| {
            *places += 1;
            Place(self)
        })
    }

    /// Ends all of them, at once.
    pub fn end(&self) {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|group| kill(*group, true));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.places.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

/// Runs a program to its end, or for as long as it may; `stop` says that nobody waits any more.
///
/// # Errors
/// Those of starting it.
pub fn run(
    mut command: Command,
    patterns: &Patterns,
    limit: Duration,
    place: &Place<'_>,
    stop: &dyn Fn() -> bool,
) -> std::io::Result<Done> {
    let (out, into_out) = std::io::pipe()?;
    let (err, into_err) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(into_out).stderr(into_err);
    apart(&mut command);
    let mut child = command.spawn()?;
    // Our ends of its pipes are in the command.
    drop(command);
    let group = child.id();
    let groups = || place.0.groups.lock().unwrap_or_else(PoisonError::into_inner);
    groups().insert(group);
    let (ended, closed) = channel();
    let [out, err] = [out, err].map(|stream| {
        let (kept, masker, ended) = (Arc::new(Mutex::new(Capped::new(KEPT))), Masker::new(patterns), ended.clone());
        let pumped = kept.clone();
        std::thread::spawn(move || {
            pump(stream, masker, &pumped);
            let _ = ended.send(());
        });
        kept
    });
    drop(ended);
    let ended = wait(&mut child, group, limit, stop);
    settle(&closed, group);
    // The group's number is nobody else's before its first program is taken off.
    let status = child.wait();
    groups().remove(&group);
    let status = Some(status?).filter(|_| ended);
    let take = |kept: &Mutex<Capped>| {
        std::mem::replace(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner), Capped::new(0))
    };
    Ok(Done { status, out: take(&out), err: take(&err) })
}

/// Waits for the program; whether it ended by itself, before its time was up and while somebody waited for it.
fn wait(child: &mut Child, group: u32, limit: Duration, stop: &dyn Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < limit && !stop() {
        if has_ended(child) {
            return true;
        }
        // Short programs are not made to wait.
        std::thread::sleep(GLANCE.min(begun.elapsed() / 4 + Duration::from_micros(100)));
    }
    kill(group, false);
    let asked = Instant::now();
    while asked.elapsed() < GRACE && !has_ended(child) {
        std::thread::sleep(GLANCE);
    }
    kill(group, true);
    let _ = child.kill();
    false
}

/// Gives what the program left behind a moment to print its last, and ends it then.
fn settle(closed: &Receiver<()>, group: u32) {
    let begun = Instant::now();
    for _ in 0..2 {
        match closed.recv_timeout(LINGER.saturating_sub(begun.elapsed())) {
            Err(RecvTimeoutError::Timeout) => {
                kill(group, true);
                // What left the group is not waited for: its output is nobody's any more.
                let _ = closed.recv_timeout(LINGER);
                return;
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
        }
    }
    // What keeps no stream open ends as well.
    kill(group, true);
}

/// Masks a stream to its end, and keeps what there is room for.
fn pump(mut stream: PipeReader, mut masker: Masker, kept: &Mutex<Capped>) {
    let (mut buffer, mut out) = (vec![0; 64 << 10], Vec::new());
    let keep = |out: &[u8]| kept.lock().unwrap_or_else(PoisonError::into_inner).push(out);
    loop {
        out.clear();
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => masker.push(&buffer[..count], &mut out),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        }
        keep(&out);
    }
    out.clear();
    masker.flush(&mut out);
    keep(&out);
}

/// Has the program begin a group of its own: what it starts ends with it.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn apart(_command: &mut Command) {}

/// Whether a program has ended; it is left where it is.
#[cfg(unix)]
fn has_ended(child: &mut Child) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return true };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // One that cannot be looked at is nobody's to wait for.
    waitid(WaitId::Pid(pid), options).map_or(true, |found| found.is_some())
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> bool {
    child.try_wait().map_or(true, |status| status.is_some())
}

#[cfg(unix)]
fn kill(group: u32, at_once: bool) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, if at_once { Signal::KILL } else { Signal::TERM });
    }
}

/// Elsewhere only the program itself is ended, by whoever started it.
#[cfg(not(unix))]
fn kill(_group: u32, _at_once: bool) {}
