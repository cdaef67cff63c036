//! One call of the program, and how it ended.

use super::traces;
use super::{PROGRAM, World};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A call that takes as long as this hangs. A cap that ends a stuck test run, not a measurement.
const HANGS: Duration = Duration::from_secs(180);

/// A call of the program, to be completed and run.
pub struct Call<'w> {
    world: &'w World,
    args: Vec<OsString>,
    wrapper: Vec<OsString>,
    input: Option<Vec<u8>>,
    dir: PathBuf,
    home: PathBuf,
    env: Vec<(String, OsString)>,
}

impl<'w> Call<'w> {
    pub(super) fn new(world: &'w World, args: Vec<OsString>) -> Self {
        Self {
            world,
            args,
            wrapper: Vec::new(),
            input: None,
            dir: world.repo.clone(),
            home: world.home.clone(),
            env: Vec::new(),
        }
    }
}

impl Call<'_> {
    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    /// What is piped in.
    pub fn input(mut self, input: impl AsRef<[u8]>) -> Self {
        self.input = Some(input.as_ref().to_vec());
        self
    }

    /// Where it runs.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
        self
    }

    /// Its HOME.
    pub fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = home.into();
        self
    }

    /// A variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_os_string()));
        self
    }

    /// A program that runs ours, such as strace.
    pub fn under<A: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        self.wrapper = wrapper.into_iter().map(|arg| arg.as_ref().to_os_string()).collect();
        self
    }

    /// A hard cap of the address space: what reads without bounds dies of it.
    pub fn with_memory(self, mib: u64) -> Self {
        self.under(["bash", "-c", &format!("ulimit -v {}; exec \"$@\"", mib << 10), "bash"])
    }

    /// Runs it. Whatever happens, the program neither panics nor writes control characters to standard error.
    #[track_caller]
    pub fn run(self) -> Done {
        let line: Vec<String> = self.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let line = format!("agent-vault {:.300}", line.join(" "));
        let words: Vec<OsString> = self.wrapper.into_iter().chain([PROGRAM.into()]).chain(self.args).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&self.dir);
        self.world.surround(&mut command, &self.home);
        command.envs(self.env);
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let (pid, stdin, input) = (child.id(), child.stdin.take(), self.input.unwrap_or_default());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let feeder = std::thread::spawn(move || {
                // A program that refuses before it reads closes the pipe: its right.
                stdin.map(|mut stdin| stdin.write_all(&input))
            });
            let output = child.wait_with_output();
            let _ = feeder.join();
            let _ = sender.send(output);
        });
        let output = receiver.recv_timeout(HANGS).unwrap_or_else(|_| {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            panic!("{line}: it hangs");
        });
        let output = output.expect("its output");
        let done = Done { line, code: output.status.code(), out: output.stdout, err: output.stderr };
        let err = done.err();
        assert!(!err.contains("panicked at"), "{done}");
        assert!(!err.chars().any(|c| c.is_control() && c != '\n'), "{done}\n{err:?}");
        done
    }
}

/// How a call ended.
pub struct Done {
    line: String,
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: Vec<u8>,
    err: Vec<u8>,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\n{}{}(exit code {:?})", self.line, String::from_utf8_lossy(&self.out), self.err(), self.code)
    }
}

impl Done {
    /// Standard output as text.
    #[track_caller]
    pub fn out(&self) -> &str {
        std::str::from_utf8(&self.out).expect("text on standard output")
    }

    /// Standard error.
    #[track_caller]
    pub fn err(&self) -> &str {
        std::str::from_utf8(&self.err).expect("text on standard error")
    }

    /// It ended with this code.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "{self}");
        self
    }

    /// It succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// The exit code, whatever it is.
    #[track_caller]
    pub fn run_code(&self) -> i32 {
        self.code.unwrap_or_else(|| panic!("a signal ended it\n{self}"))
    }

    /// It failed with this code, said why, and what to do next.
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        let done = self.code(code);
        assert!(done.err().lines().any(|line| line.starts_with("error: ")), "no error is told\n{done}");
        assert!(done.err().lines().any(|line| line.starts_with("hint: ")), "no next step is told\n{done}");
        done
    }

    /// Standard error has this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.err().contains(text), "{text:?} is not said\n{self}");
        self
    }

    /// Neither stream has this text.
    #[track_caller]
    pub fn keeps_silent_about(self, text: &str) -> Self {
        let both = [&self.out[..], &self.err[..]].concat();
        assert!(!traces::contains(&both, text.as_bytes()), "{text:?} is told\n{self}");
        self
    }

    /// Standard output is exactly this.
    #[track_caller]
    pub fn prints(self, expected: impl AsRef<[u8]>) -> Self {
        assert_eq!(String::from_utf8_lossy(&self.out), String::from_utf8_lossy(expected.as_ref()), "{self}");
        assert_eq!(self.out, expected.as_ref());
        self
    }

    /// Standard output has this text.
    #[track_caller]
    pub fn shows(self, text: &str) -> Self {
        assert!(self.out().contains(text), "{text:?} is not shown\n{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}
