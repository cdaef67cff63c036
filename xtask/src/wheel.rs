//! The Python package as people get it: a wheel, installed into an environment of its own.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Context as _, Failure};
use crate::python::Environment;
use crate::workspace::{cargo, given, root, target_dir};

/// Names the Python of the environment that the wheel is installed in.
pub const PYTHON: &str = "AGENT_VAULT_TEST_PYTHON";
/// Names the Python of the environment that mypy and pyright are installed in.
pub const TOOLS: &str = "AGENT_VAULT_TEST_PYTHON_TOOLS";

/// How a wheel is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For tests.
    Dev,
    /// As people get it.
    Wheel,
}

/// Two environments, each named by its Python.
pub struct Installed {
    /// The wheel, and pytest.
    pub python: PathBuf,
    /// What builds the wheel and judges its types.
    pub tools: PathBuf,
}

/// Builds the wheel and installs it, unless the environment names both Pythons already.
///
/// # Errors
///
/// When it does not build, or PyPI has not what the lock files name.
pub fn installed(profile: Profile) -> Result<Installed, Failure> {
    if let (Some(python), Some(tools)) = (given(PYTHON), given(TOOLS)) {
        return Ok(Installed { python, tools });
    }
    let tools = Environment::locked("python-build", "sdk-python/locks/build.txt")?;
    let (clean, lock) = match profile {
        Profile::Dev => ("python-test", "sdk-python/locks/test.txt"),
        Profile::Wheel => ("python-bench", "sdk-python/locks/bench.txt"),
    };
    let clean = Environment::locked(clean, lock)?;
    let wheel = build(&tools, profile)?;
    clean.install(["--force-reinstall".into(), "--no-deps".into(), "--no-index".into(), wheel])?;
    Ok(Installed { python: clean.program("python"), tools: tools.program("python") })
}

/// Builds the wheel; where it is then.
fn build(tools: &Environment, profile: Profile) -> Result<PathBuf, Failure> {
    let (name, out) = match profile {
        Profile::Dev => ("dev", "wheels"),
        Profile::Wheel => ("wheel", "wheels-release"),
    };
    let out = target_dir().join(out);
    if out.exists() {
        std::fs::remove_dir_all(&out).context(out.display())?;
    }
    // Not for an index: what a system must have to run it is that of this machine.
    let mut command = Command::new(tools.program("maturin"));
    command.args(["build", "--locked", "--quiet", "--compatibility", "linux", "--profile", name, "--out"]).arg(&out);
    command.arg("--manifest-path").arg(root().join("sdk-python/Cargo.toml"));
    command.arg("--target-dir").arg(target_dir()).arg("--interpreter").arg(tools.program("python"));
    command.env("CARGO", cargo().get_program());
    let status = command.status().context("cannot run maturin")?;
    if !status.success() {
        return Err(Failure::new("the wheel does not build").with_hint("the message above says why"));
    }
    let wheels = std::fs::read_dir(&out).context(out.display())?;
    let wheel =
        wheels.flatten().map(|entry| entry.path()).find(|file| file.extension().is_some_and(|end| end == "whl"));
    wheel.ok_or_else(|| Failure::new("maturin left no wheel").with_hint(format!("look into {}", out.display())))
}
