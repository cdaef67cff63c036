//! A world for one test: a temporary directory with a HOME and a repository, in which the program runs as a person
//! would run it. Nothing of the caller's environment gets in, and nothing ever runs inside the source tree.
#![allow(dead_code, unused_imports)] // each test program uses a part of it

mod attacker;
mod call;
mod clones;
mod old;
mod traces;

pub use attacker::Attacker;
pub use call::{Call, Done};
pub use clones::{Clones, Hub, check_same, executable, head, opens_anything, set_mode, with_program};
pub use old::{OLD_AGENTS, OLD_SECRETS, golden};
pub use traces::{Call as SystemCall, State, read_trace};

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_agent-vault");

/// The value of `stripe/api-key` in [`World::story`].
pub const VALUE: &str = "sk_live_8f3a2c91d7";

/// One test's temporary directory: `home`, `repo` and `tmp`.
pub struct World {
    _dir: Arc<TempDir>,
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
        let world = Self { home: root.join("home"), repo: root.join("repo"), root, _dir: Arc::new(dir) };
        for folder in [world.home.clone(), world.repo.clone(), world.root.join("tmp")] {
            std::fs::create_dir(folder).expect("a folder");
        }
        world
    }

    /// Another machine: an empty HOME in which Git knows a user of that name, and no repository yet. The directory is
    /// shared, as a network would be.
    pub fn machine(&self, name: &str) -> Self {
        let dir = self.root.join(name);
        let world =
            Self { home: dir.join("home"), repo: dir.join("repo"), root: self.root.clone(), _dir: self._dir.clone() };
        std::fs::create_dir_all(&world.home).expect("a home");
        let config = format!("[user]\n\tname = {name}\n\temail = {name}@example.org\n");
        std::fs::write(world.home.join(".gitconfig"), config).expect("a Git configuration");
        world
    }

    /// The same machine, with another folder to start in.
    pub fn within(&self, repo: impl Into<PathBuf>) -> Self {
        Self { home: self.home.clone(), repo: repo.into(), root: self.root.clone(), _dir: self._dir.clone() }
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
        Call::new(self, args.into_iter().map(|arg| arg.as_ref().to_os_string()).collect())
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
    pub fn surround(&self, command: &mut Command, home: &Path) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("TMPDIR", self.root.join("tmp"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C.UTF-8");
    }
}
