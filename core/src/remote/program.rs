//! One run of the user's `git`: its environment, what it says, and its end.

use super::{Manner, Sink, words};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How git ends when it does not know an option.
pub(super) const USAGE: i32 = 129;
/// How git ends when what it was asked for failed in part, where 128 means that it had to give up.
pub(super) const FAILED: i32 = 1;

/// So many bytes of what git says are kept, the last ones.
const KEPT: usize = 64 << 10;
/// So long may git put away its lock files once it was told to stop.
#[cfg(unix)]
const GRACE: Duration = Duration::from_millis(500);
/// So long is standard error read whose other end somebody holds on to after git has ended, such as ssh's
/// `ControlPersist`, where all went well and nothing of it decides anything.
const DRAIN: Duration = Duration::from_millis(200);
/// As long after a failure, of which it tells the reason: on a busy machine it can come late.
const DRAIN_OF_FAILED: Duration = Duration::from_secs(2);
/// So long may standard output be open after git has ended. It decides what came of a push, and nobody whom git starts
/// has it: this is for a machine that stands still, not for one who holds on.
const DRAIN_OF_REPORT: Duration = Duration::from_secs(60);

/// What names another repository than the one we start in: a hook, in which we may run, has these set
/// (`git rev-parse --local-env-vars`). `GIT_CONFIG_COUNT` and `GIT_CONFIG_PARAMETERS` stay: they carry the caller's own
/// settings, such as a CI's credentials.
pub(super) const OTHER_REPOSITORY: [&str; 14] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// What a machine wants of git. The last: committed files that look like a repository are none (Git 2.38 and newer).
const SETTINGS: [&str; 5] = [
    "color.ui=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "safe.bareRepository=explicit",
];

/// May hold a private key, which is no business of git's, nor of what it starts.
const OUR_KEY: &str = "AGENT_VAULT_KEY";

/// A call that is being prepared.
pub(super) struct Call {
    command: Command,
    limit: Option<Duration>,
}

/// How a call ended.
pub(super) struct Ended {
    pub status: ExitStatus,
    /// Standard output, to its end; of a long one, the last part.
    pub out: Vec<u8>,
    /// The end of standard error, as far as it was heard in time.
    pub said: Vec<u8>,
}

impl Call {
    /// `git` in a folder, without what would be in the way of a machine.
    pub fn new(dir: &Path, manner: Manner) -> Self {
        let mut command = Command::new("git");
        for variable in OTHER_REPOSITORY.into_iter().chain([OUR_KEY]) {
            command.env_remove(variable);
        }
        #[cfg(test)]
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        // Its messages as they are in its source; the names of files stay what they are.
        command.env("LC_ALL", "C").env("LANGUAGE", "");
        command.arg("-C").arg(dir);
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        let limit = match manner {
            Manner::Asked => None,
            Manner::Implicit { limit } => Some(limit),
        };
        Self { command, limit }
    }

    /// Adds arguments.
    pub fn arguments<A: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = A>) {
        self.command.args(arguments);
    }

    /// Closes every way to ask a person: git's own prompt, its and ssh's graphical one, those of credential helpers that
    /// can be told, and the terminal itself. To be called before the arguments.
    pub fn never_ask(&mut self, ssh: Option<String>) {
        agent_vault_sys::detach(&mut self.command);
        self.command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GCM_INTERACTIVE", "never")
            .env_remove("SSH_ASKPASS")
            .args(["-c", "core.askPass="]);
        if let Some(ssh) = ssh {
            self.command.env("GIT_SSH_COMMAND", ssh);
        }
    }

    /// Runs it to its end; `Ok(Err(limit))` when it was stopped at its limit.
    ///
    /// # Errors
    /// It cannot be started or waited for, or its standard output stays open after its end.
    pub fn run(mut self, progress: Option<Sink>) -> io::Result<Result<Ended, Duration>> {
        let started = Instant::now();
        let mut child = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let out = Listener::to(child.stdout.take(), None);
        let said = Listener::to(child.stderr.take(), progress);
        let status = match self.limit {
            None => child.wait()?,
            Some(limit) => match wait(&mut child, started + limit)? {
                Some(status) => status,
                None => {
                    stop(&mut child, &said)?;
                    return Ok(Err(limit));
                }
            },
        };
        let patience = self
            .limit
            .map_or(DRAIN_OF_REPORT, |limit| (started + limit).saturating_duration_since(Instant::now()).max(DRAIN));
        if !out.ends_within(patience) {
            return match self.limit {
                Some(limit) => Ok(Err(limit)),
                None => Err(io::Error::other("something that it started keeps its output open")),
            };
        }
        said.ends_within(if status.success() { DRAIN } else { DRAIN_OF_FAILED });
        Ok(Ok(Ended { status, out: out.heard(), said: said.heard() }))
    }
}

/// Waits for a child until a moment; `None` when it still runs then.
fn wait(child: &mut Child, until: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Stops a detached child and all of its process group, first politely. The child itself is reaped last: until then its
/// number, which is the group's, is nobody else's.
fn stop(child: &mut Child, said: &Listener) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let tell = |signal| group.map(|group| kill_process_group(group, signal));
        tell(Signal::TERM);
        // Everybody in the group has its standard error, unless they closed it.
        said.ends_within(GRACE);
        tell(Signal::KILL);
    }
    #[cfg(not(unix))]
    {
        let _ = said;
        child.kill()?;
    }
    child.wait().map(drop)
}

/// Reads a pipe to its end and keeps the last [`KEPT`] bytes, so that the other side never waits.
struct Listener {
    heard: Arc<Mutex<Vec<u8>>>,
    /// Nothing is ever sent; it hangs up at the end.
    end: Receiver<()>,
}

impl Listener {
    fn to(pipe: Option<impl Read + Send + 'static>, progress: Option<Sink>) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (sender, end) = channel();
        if let Some(mut pipe) = pipe {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || {
                let _sender = sender;
                let mut relay = progress.map(words::Relay::new);
                let mut chunk = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                    relay.iter_mut().for_each(|relay| relay.pass(&chunk[..count]));
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.extend_from_slice(&chunk[..count]);
                    let excess = heard.len().saturating_sub(KEPT);
                    heard.drain(..excess);
                }
            });
        }
        Self { heard, end }
    }

    /// Whether the other end is closed, now or soon.
    fn ends_within(&self, limit: Duration) -> bool {
        self.end.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected)
    }

    fn heard(self) -> Vec<u8> {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A call of the real git, which runs this script in the shell.
    fn call(dir: &Path, script: &str, manner: Manner) -> io::Result<Result<Ended, Duration>> {
        let mut call = Call::new(dir, manner);
        call.arguments(["-c", &format!("alias.play=!{script}"), "play"]);
        call.run(None)
    }

    // A lost race was told as the refusal of a hook on a machine that was too busy to read the report in time.
    #[test]
    fn a_report_that_comes_late_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let late = "(sleep 1; printf 'the end') 2>/dev/null & printf 'a report, and '; exit 1";
        let ended = call(dir.path(), late, Manner::Asked).unwrap().unwrap();
        assert_eq!(ended.out, b"a report, and the end");
        assert_eq!(ended.status.code(), Some(FAILED));
    }

    #[test]
    fn a_report_whose_end_does_not_come_within_the_limit_is_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let limit = Duration::from_millis(700);
        let held = "(sleep 30) & exit 0";
        let Err(told) = call(dir.path(), held, Manner::Implicit { limit }).unwrap() else { panic!("it had an end") };
        assert_eq!(told, limit);
    }

    #[test]
    fn who_holds_on_to_standard_error_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = "(sleep 30) >/dev/null & echo why >&2; exit 1";
        let started = Instant::now();
        let ended = call(dir.path(), held, Manner::Asked).unwrap().unwrap();
        assert_eq!(ended.said, b"why\n");
        assert!(started.elapsed() < Duration::from_secs(25), "the sleep had ended");
    }
}
