//! A world for one test: a temporary directory with a HOME and a repository, in which the program runs as a person
//! would run it. Nothing of the caller's environment gets in, and nothing ever runs inside the source tree.
#![allow(dead_code, unused_imports)] // each test program uses a part of it

mod attacker;
mod traces;

pub use attacker::Attacker;
pub use traces::{Call as SystemCall, State, read_trace};

use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_agent-vault");

/// A call that takes as long as this hangs. A cap that ends a stuck test run, not a measurement.
const HANGS: Duration = Duration::from_secs(180);

/// The value of `stripe/api-key` in [`World::story`].
pub const VALUE: &str = "sk_live_8f3a2c91d7";

/// One test's temporary directory: `home`, `repo` and `tmp`.
pub struct World {
    _dir: TempDir,
    /// The directory itself.
    pub root: PathBuf,
    /// HOME of every call.
    pub home: PathBuf,
    /// Where calls start.
    pub repo: PathBuf,
}

impl World {
    /// Folders, and no repository in them.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().canonicalize().expect("its real path");
        let world = Self { home: root.join("home"), repo: root.join("repo"), root, _dir: dir };
        for folder in [world.home.clone(), world.repo.clone(), world.root.join("tmp")] {
            std::fs::create_dir(folder).expect("a folder");
        }
        world
    }

    /// A Git repository without commits, and a user whom Git knows.
    pub fn repository() -> Self {
        let world = Self::bare();
        let config = "[user]\n\tname = Eric Example\n\temail = eric@example.org\n";
        std::fs::write(world.home.join(".gitconfig"), config).expect("a Git configuration");
        world.git("init -q -b main");
        world
    }

    /// A vault of the owner `eric`.
    pub fn vault() -> Self {
        let world = Self::repository();
        world.run("init --owner eric").ok();
        world
    }

    /// A vault with the agent `ci`, who has the group `stripe`, and the secret `stripe/api-key` in it.
    pub fn story() -> Self {
        let world = Self::vault();
        world.run("add-agent ci").ok();
        world.set("stripe/api-key", VALUE);
        world.run("grant ci stripe").ok();
        world
    }

    /// The vault's folder.
    pub fn folder(&self) -> PathBuf {
        self.repo.join(".agent-vault")
    }

    /// A file of the vault.
    pub fn file(&self, relative: &str) -> PathBuf {
        self.folder().join(relative)
    }

    /// The text of a file of the vault.
    #[track_caller]
    pub fn text(&self, relative: &str) -> String {
        std::fs::read_to_string(self.file(relative)).expect(relative)
    }

    /// Writes a file of the vault behind the program's back.
    #[track_caller]
    pub fn plant(&self, relative: &str, bytes: impl AsRef<[u8]>) {
        let file = self.file(relative);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("its folder");
        std::fs::write(&file, bytes).expect(relative);
    }

    /// The home's own folder.
    pub fn keys(&self) -> PathBuf {
        self.home.join(".agent-vault")
    }

    /// The owner's key file.
    pub fn owner_key(&self) -> PathBuf {
        self.keys().join("owner.key")
    }

    /// An agent's key file, as `add-agent` leaves it.
    pub fn key(&self, agent: &str) -> String {
        self.keys().join("agents").join(format!("{agent}.key")).display().to_string()
    }

    /// A file outside repository and home.
    pub fn tmp(&self, name: &str) -> PathBuf {
        self.root.join("tmp").join(name)
    }

    /// Another HOME, empty: a machine that has no memory and no key.
    pub fn fresh_home(&self, name: &str) -> PathBuf {
        let home = self.root.join(name);
        std::fs::create_dir(&home).expect("a home");
        home
    }

    /// Prepares a call with these arguments.
    pub fn call<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Call<'_> {
        let args = args.into_iter().map(|arg| arg.as_ref().to_os_string()).collect();
        Call {
            world: self,
            args,
            wrapper: Vec::new(),
            input: None,
            dir: self.repo.clone(),
            home: self.home.clone(),
            env: Vec::new(),
        }
    }

    /// Prepares a call of a line's words.
    pub fn line(&self, line: &str) -> Call<'_> {
        self.call(line.split_whitespace())
    }

    /// Runs a line's words; standard input is /dev/null.
    pub fn run(&self, line: &str) -> Done {
        self.line(line).run()
    }

    /// Runs a line's words with `input` on standard input.
    pub fn pipe(&self, input: impl AsRef<[u8]>, line: &str) -> Done {
        self.line(line).input(input).run()
    }

    /// Stores a value.
    #[track_caller]
    pub fn set(&self, path: &str, value: impl AsRef<[u8]>) {
        self.pipe(value, &format!("set {path}")).ok();
    }

    /// Reads a value as the owner.
    #[track_caller]
    pub fn get(&self, path: &str) -> Vec<u8> {
        self.run(&format!("get {path}")).ok().out
    }

    /// Runs the words of a Git command line, which must succeed; returns what it prints.
    #[track_caller]
    pub fn git(&self, line: &str) -> String {
        self.sh(&format!("git {line}"))
    }

    /// Runs a script of stock tools in the repository, which must succeed; returns what it prints.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(&self.repo);
        self.surround(&mut command, &self.home);
        let output = command.stdin(Stdio::null()).output().expect("bash runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{err}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Whether stock `age` opens a ciphertext with a key file, and to what.
    pub fn age_opens(&self, ciphertext: &Path, key: &Path) -> Option<Vec<u8>> {
        let output = Command::new("age").arg("-d").arg("-i").arg(key).arg(ciphertext).output().expect("age runs");
        output.status.success().then_some(output.stdout)
    }

    /// The environment of every process: nothing of the caller's but PATH.
    fn surround(&self, command: &mut Command, home: &Path) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("TMPDIR", self.root.join("tmp"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8");
    }
}

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
