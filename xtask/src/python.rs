//! The `pre-commit` framework from PyPI, for the tests, at a fixed version in a virtual environment of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Context as _, Failure};
use crate::workspace::target_dir;

/// Names a `pre-commit` to use instead of installing one.
pub const PRE_COMMIT: &str = "AGENT_VAULT_TEST_PRE_COMMIT";
const VERSION: &str = "4.7.0";

/// The framework's program, installed on the first call and kept in `target/peers/pre-commit`.
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
    let home = target_dir().join("peers").join("pre-commit");
    let programs = home.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let program = programs.join(crate::workspace::exe("pre-commit"));
    if !is_installed(&program) {
        eprintln!("xtask: installing pre-commit {VERSION} from PyPI (once, into {})", home.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let package = format!("pre-commit=={VERSION}");
        let pip = programs.join(crate::workspace::exe("python"));
        run(Command::new(pip).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package]))?;
    }
    Ok(program)
}

fn is_installed(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == format!("pre-commit {VERSION}"))
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().context(format_args!("cannot run {command:?}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("cannot install pre-commit {VERSION} from PyPI")).with_hint(format!(
        "look at the message above (Debian: apt-get install python3-venv); without a network, set {PRE_COMMIT}"
    )))
}
