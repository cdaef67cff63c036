//! A temporary directory outside the source tree, and commands that know nothing but it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::failure::{Context as _, Failure};
use crate::workspace::root;

/// Where everything happens; gone when dropped.
pub struct Sandbox {
    dir: TempDir,
}

/// A vault's directory and the HOME of the person who owns it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The working copy.
    pub dir: PathBuf,
    /// The owner's HOME.
    pub home: PathBuf,
}

impl Place {
    /// The owner's identity file, the same for 0.1.0 and for us.
    pub fn owner_key(&self) -> PathBuf {
        self.home.join(".agent-vault").join("owner.key")
    }

    /// The file of a secret's ciphertext.
    pub fn ciphertext(&self, secret: &str) -> PathBuf {
        self.dir.join(".agent-vault").join("secrets").join(format!("{secret}.enc"))
    }

    /// A program called in the working copy, with this HOME and nothing of the caller's environment but PATH.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("LC_ALL", "C")
            .current_dir(&self.dir);
        command
    }
}

impl Sandbox {
    /// A fresh one, below `TMPDIR`.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or `TMPDIR` lies in the source tree, whose own vault would be found from there.
    pub fn new() -> Result<Self, Failure> {
        let dir =
            tempfile::Builder::new().prefix("agent-vault-").tempdir().context("cannot make a temporary directory")?;
        let real = dir.path().canonicalize().context(dir.path().display())?;
        if root().canonicalize().is_ok_and(|root| real.starts_with(root)) {
            return Err(Failure::usage("TMPDIR lies inside the source tree")
                .with_hint("point it to a directory elsewhere, on a real disk"));
        }
        Ok(Self { dir })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A new, empty place with a Git identity of its own. Git's background housekeeping is off, in favour of Git.
    ///
    /// # Errors
    ///
    /// When it exists already or cannot be made.
    pub fn place(&self, name: &str) -> Result<Place, Failure> {
        let place = Place { dir: self.path().join(name).join("repo"), home: self.path().join(name).join("home") };
        for dir in [&place.dir, &place.home] {
            std::fs::create_dir_all(dir).context(dir.display())?;
        }
        let config = place.home.join(".gitconfig");
        std::fs::write(
            &config,
            "[user]\n\tname = bench\n\temail = bench@localhost\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n",
        )
        .context(config.display())?;
        Ok(place)
    }
}
