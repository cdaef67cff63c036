//! A vault in a temporary place that can be saved and brought back, and the program run on it: plainly, or under
//! `strace`, which kills it or makes a system call fail.
#![allow(dead_code, unused_imports)] // each test program uses a part of it

mod rehearsed;
mod screen;
mod seen;
mod traced;

pub use rehearsed::{NAMES, Rehearsed, fan_out};
pub use screen::Screen;
pub use seen::State;
pub use traced::{Call, Fault, Traced};

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_agent-vault");

/// A temporary directory in memory where there is one: thousands of small copies are made in it.
fn scratch() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("agent-vault-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a temporary directory")
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: String,
}

impl Done {
    /// Its exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether SIGKILL ended it.
    pub fn killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Itself, if it ended with `code`.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}\n{}", self.text(), self.err);
        self
    }

    /// Itself, if all went well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ended(0)
    }
}

/// Runs a command to its end with `input` as its standard input.
pub fn run(command: &mut Command, input: Option<&[u8]>) -> Done {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // Who dies early, or has failed already, does not read it.
        let _ = pipe.write_all(input);
    }
    finish(child)
}

/// Waits for a process whose output is piped.
pub fn finish(child: Child) -> Done {
    let output = child.wait_with_output().expect("the command ends");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Done { status: output.status, out: output.stdout, err }
}

/// A home and a repository with a vault, always at the same path: what a machine remembers of a vault hangs on it.
pub struct World {
    dir: TempDir,
}

impl World {
    /// A new vault of the owner `eric`, in a repository of its own.
    pub fn new() -> Self {
        let world = Self { dir: scratch() };
        std::fs::create_dir_all(world.home()).expect("a home");
        std::fs::create_dir_all(world.repo()).expect("a folder");
        world.git(&["init", "-q", "-b", "main", "--template="]).ok();
        world.git(&["config", "user.name", "Eric Example"]).ok();
        world.git(&["config", "user.email", "eric@example.org"]).ok();
        world.vault(&["init", "--owner", "eric"]).ok();
        world
    }

    /// A new vault with the agents `ci`, who has the group `a`, and `bob`, who has none; the secrets `a/one`, `a/two`
    /// and `b/three`; and `a/gone`, which was removed.
    pub fn small() -> Self {
        let world = Self::new();
        world.vault(&["add-agent", "ci"]).ok();
        world.vault(&["add-agent", "bob"]).ok();
        for name in ["a/one", "a/two", "b/three", "a/gone"] {
            world.feed(&["set", name], format!("old {name}").as_bytes()).ok();
        }
        world.vault(&["rm", "a/gone", "--yes"]).ok();
        world.vault(&["grant", "ci", "a"]).ok();
        world
    }

    /// A part of the golden vault of agent-vault 0.1.0, committed, with its owner's key: secrets that stay as they are,
    /// that are encrypted anew, and that lost their value; agents that stay and that go.
    pub fn old() -> Self {
        let world = Self { dir: scratch() };
        std::fs::create_dir_all(world.keys()).expect("a home");
        std::fs::create_dir_all(world.repo()).expect("a folder");
        world.git(&["init", "-q", "-b", "main", "--template="]).ok();
        world.git(&["config", "user.name", "Eric Example"]).ok();
        world.git(&["config", "user.email", "eric@example.org"]).ok();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden/v0");
        let vault = world.repo().join(".agent-vault");
        copy(&golden.join("vault"), &vault);
        copy(&golden.join("owner.test-key"), &world.keys().join("owner.key"));
        run(Command::new("chmod").arg("600").arg(world.keys().join("owner.key")), None).ok();
        copy(&golden.join("ci.test-key"), &world.now().join("ci.key"));
        for gone in
            ["agents/deploy", "agents/renewed", "agents/my bot", "secrets/odd", "secrets/deep", "secrets/postgres"]
        {
            remove(&vault.join(gone));
        }
        remove(&vault.join("secrets/default/other.enc"));
        world.git(&["add", "-A", "-f", "."]).ok();
        world.git(&["commit", "-q", "-m", "old"]).ok();
        world
    }

    /// The folder of home and repository.
    pub fn now(&self) -> PathBuf {
        self.dir.path().join("now")
    }

    fn saved(&self) -> PathBuf {
        self.dir.path().join("saved")
    }

    /// The directory that holds everything: for a test's own files.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// HOME.
    pub fn home(&self) -> PathBuf {
        self.now().join("home")
    }

    /// The agent-vault home.
    pub fn keys(&self) -> PathBuf {
        self.home().join(".agent-vault")
    }

    /// An agent's key file.
    pub fn key(&self, agent: &str) -> String {
        self.keys().join(format!("agents/{agent}.key")).display().to_string()
    }

    /// The work tree.
    pub fn repo(&self) -> PathBuf {
        self.now().join("repo")
    }

    /// A command that starts in the work tree and knows nothing of the test's own surroundings.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.repo()).env_clear().env("HOME", self.home()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// The program, to be run by the test itself.
    pub fn program(&self, args: &[&str]) -> Command {
        let mut command = self.command(PROGRAM);
        command.args(args);
        command
    }

    /// Runs the program without input.
    pub fn vault(&self, args: &[&str]) -> Done {
        run(&mut self.program(args), None)
    }

    /// Runs the program with input.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Done {
        run(&mut self.program(args), Some(input))
    }

    /// Runs Git.
    pub fn git(&self, args: &[&str]) -> Done {
        run(self.command("git").args(args), None)
    }

    /// Moves the repository aside, and puts a linked work tree of it, on a branch of its own, in its place.
    pub fn link_work_tree(&self) {
        let main = self.now().join("main");
        std::fs::rename(self.repo(), &main).expect("the repository moves");
        let add = ["worktree", "add", "-q", "-b", "topic"];
        let repo = self.repo();
        let mut git = self.command("git");
        run(git.current_dir(main).args(add).arg(repo), None).ok();
    }

    /// How many commits the branch has.
    pub fn commits(&self) -> usize {
        self.git(&["rev-list", "--count", "HEAD"]).ok().text().trim().parse().expect("a number")
    }

    /// Saves home and repository, to be brought back by [`World::restore`].
    pub fn save(&self) {
        remove(&self.saved());
        copy(&self.now(), &self.saved());
    }

    /// Brings back what was saved. The folder itself stays: another disk may be mounted there.
    pub fn restore(&self) {
        for entry in std::fs::read_dir(self.now()).expect("a folder").flatten() {
            remove(&entry.path());
        }
        copy(&self.saved().join("."), &self.now());
    }

    /// Whether nothing of an unfinished change is left in the repository; `Err` says what is.
    pub fn tidy(&self) -> Result<(), String> {
        let status = self.git(&["status", "--porcelain"]);
        if status.code() != Some(0) || !status.out.is_empty() {
            return Err(format!("git status: {}{}", status.text(), status.err));
        }
        let fsck = self.git(&["fsck", "--no-dangling", "--no-progress"]);
        if fsck.code() != Some(0) || !fsck.out.is_empty() {
            return Err(format!("git fsck: {}{}", fsck.text(), fsck.err));
        }
        match leftovers(&self.now()).first() {
            Some(path) => Err(format!("{} is left", path.display())),
            None => Ok(()),
        }
    }
}

/// Every lock below a folder, and every file by which a transaction works, but for Git's objects.
fn leftovers(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let ours = dir.ends_with("agent-vault") && (name == "journal.json" || name == "stage" || name == "index");
        if ours || path.extension().is_some_and(|extension| extension == "lock") {
            found.push(path);
        } else if name != "objects" && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(leftovers(&path));
        }
    }
    found
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path).expect("a folder is removed"),
        Ok(_) => std::fs::remove_file(path).expect("a file is removed"),
        Err(_) => {}
    }
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from).arg(to), None).ok();
}
