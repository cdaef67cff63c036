//! Git servers for tests, each with one bare repository, on 127.0.0.1 and in a temporary directory of its own: Debian's
//! sshd, lighttpd in front of `git http-backend`, `git daemon`, or only a folder.
//!
//! A [`Host`] that is dropped, also while a test panics, stops its server with all that the server started and removes its
//! files. What can go wrong on the way goes wrong on demand: [`Host::kill`], [`Host::hold_push`], [`Host::hold_fetch`],
//! [`Host::lose_answers`], and [`Silence`], which takes connections and says nothing. [`writes`] is what competing machines
//! write there.
#![cfg(unix)]

mod client;
mod controls;
mod processes;
mod programs;
mod servers;
mod silence;
pub mod writes;

pub use client::{Credentials, PASSWORD, USER};
pub use controls::Held;
pub use programs::{copy_program, executable};
pub use silence::Silence;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How a [`Host`] is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `file://`, without a server.
    File,
    /// `ssh://`, with a key of its own.
    Ssh,
    /// `http://`, with a user and a password.
    Http,
    /// `git://`, open to everybody.
    Daemon,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 4] = [Transport::File, Transport::Ssh, Transport::Http, Transport::Daemon];
}

/// So long may anything take that is waited for, before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bare repository, and the server through which it is reached.
pub struct Host {
    transport: Transport,
    server: Option<Child>,
    port: u16,
    dir: TempDir,
}

impl Host {
    /// Makes an empty repository, whose first branch is to be `main`, and starts its server.
    ///
    /// # Panics
    /// When a program is missing or the server does not start; what it said is in the message.
    pub fn start(transport: Transport) -> Self {
        let dir = tempfile::Builder::new().prefix("remote-").tempdir().expect("a temporary directory");
        let mut host = Self { transport, server: None, port: 0, dir };
        std::fs::create_dir(host.path("repos")).expect("a folder");
        // Whoever asks the server for something comes from this machine's other user: nobody's repository is foreign.
        let server = "[safe]\n\tdirectory = *\n[http]\n\treceivepack = true\n";
        std::fs::write(host.path("server.gitconfig"), server).expect("a configuration");
        let bare = host.bare();
        host.run(host.git().args(["init", "-q", "--bare", "-b", "main"]).arg(bare));
        host.prepare();
        host.restart();
        host
    }

    /// How it is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The bare repository's folder.
    pub fn bare(&self) -> PathBuf {
        self.path("repos/vault.git")
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    fn url_at(&self, port: u16) -> String {
        let path = self.bare();
        match self.transport {
            Transport::File => format!("file://{}", path.display()),
            Transport::Ssh => format!("ssh://{}@127.0.0.1:{port}{}", client::user(), path.display()),
            Transport::Http => format!("http://127.0.0.1:{port}/git/vault.git"),
            Transport::Daemon => format!("git://127.0.0.1:{port}/vault.git"),
        }
    }

    /// Where a branch, or anything that Git can name, is in the bare repository; empty where it is not.
    pub fn tip(&self, name: &str) -> String {
        let output = self.git().arg("-C").arg(self.bare()).args(["rev-parse", "-q", "--verify", name]).output();
        String::from_utf8(output.expect("git").stdout).expect("text").trim().to_owned()
    }

    /// Git as the server runs it.
    fn git(&self) -> Command {
        let mut command = Command::new("git");
        command.env_clear().envs(self.environment()).stdin(Stdio::null());
        command
    }

    /// All that a server and what it starts gets to see.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let path = std::env::var("PATH").expect("PATH");
        let config = self.path("server.gitconfig").display().to_string();
        let home = self.dir.path().display().to_string();
        vec![
            ("PATH", path),
            ("HOME", home),
            ("LC_ALL", "C".into()),
            ("GIT_CONFIG_GLOBAL", config),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, command: &mut Command) -> String {
        let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} failed ({}): {said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        // What still waits in a hook stops waiting when its folder is gone.
    }
}

/// Waits until something is so.
///
/// # Panics
/// When it is not so after a minute.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
