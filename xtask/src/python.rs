//! What the tests have of PyPI: virtual environments of their own, below `target/peers`, from lock files.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Context as _, Failure};
use crate::workspace::{exe, root, target_dir};

/// Names a `pre-commit` to use instead of installing one.
pub const PRE_COMMIT: &str = "AGENT_VAULT_TEST_PRE_COMMIT";
const VERSION: &str = "4.7.0";

/// The pre-commit framework's program, for the tests of the commit hook, installed on the first call and kept in
/// `target/peers/pre-commit`.
///
/// # Errors
///
/// When the program that the environment names is not there, or it cannot be installed.
pub fn pre_commit() -> Result<PathBuf, Failure> {
    if let Some(given) = env::var_os(PRE_COMMIT).filter(|given| !given.is_empty()) {
        let given = PathBuf::from(given);
        return if given.is_file() {
            std::path::absolute(&given).context(given.display())
        } else {
            Err(Failure::usage(format!("{PRE_COMMIT} names no file: {}", given.display()))
                .with_hint(format!("unset {PRE_COMMIT} to have pre-commit {VERSION} installed")))
        };
    }
    let environment = Environment::named("pre-commit");
    let program = environment.program("pre-commit");
    if !is_installed(&program) {
        eprintln!("xtask: installing pre-commit {VERSION} from PyPI (once, into {})", environment.home.display());
        environment.make()?;
        environment.install([&format!("pre-commit=={VERSION}")])?;
    }
    Ok(program)
}

fn is_installed(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == format!("pre-commit {VERSION}"))
}

/// A virtual environment.
pub struct Environment {
    /// Its folder.
    pub home: PathBuf,
}

impl Environment {
    /// That of a name, which may not be there yet.
    fn named(name: &str) -> Self {
        Self { home: target_dir().join("peers").join(name) }
    }

    /// That of a name with exactly what a lock file names, which has a hash for everything. Made when it is not there or the
    /// lock file is another one.
    ///
    /// # Errors
    ///
    /// When it cannot be made or filled.
    pub fn locked(name: &str, lock: &str) -> Result<Self, Failure> {
        let environment = Self::named(name);
        let file = root().join(lock);
        let wanted = std::fs::read_to_string(&file).context(file.display())?;
        let stamp = environment.home.join("lock.txt");
        if std::fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == wanted) {
            return Ok(environment);
        }
        eprintln!("xtask: installing {lock} from PyPI (once, into {})", environment.home.display());
        environment.make()?;
        environment.install([OsStr::new("--require-hashes"), OsStr::new("-r"), file.as_os_str()])?;
        std::fs::write(&stamp, wanted).context(stamp.display())?;
        Ok(environment)
    }

    /// A program in it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.home.join(if cfg!(windows) { "Scripts" } else { "bin" }).join(exe(name))
    }

    fn make(&self) -> Result<(), Failure> {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&self.home))
    }

    /// Installs packages; the words are `pip install`'s.
    ///
    /// # Errors
    ///
    /// When `pip` does not end well.
    pub fn install(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<(), Failure> {
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(self.program("python")).args(quiet).args(words))
    }
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().context(format_args!("cannot run {command:?}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("this did not end well: {command:?}"))
        .with_hint("look at the message above; it needs PyPI once (Debian: apt-get install python3-venv)"))
}
