//! Where things are, and how cargo is called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context as _, Failure};

/// The top of the source tree.
pub fn root() -> PathBuf {
    // Set by `cargo run`; the compiled-in value serves a binary that is run by hand.
    let here =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_path_buf).unwrap_or(here)
}

/// Where cargo puts what it builds: `target`, unless `CARGO_TARGET_DIR` moves it.
pub fn target_dir() -> PathBuf {
    let root = root();
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

/// A file name of a program on this system.
pub fn exe(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

/// The cargo that runs us, called at the top of the source tree.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What `cargo run` set for this process is not for the next one.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(&name);
        }
    }
    command
}

/// Builds the release of this workspace's program; where it is then.
///
/// # Errors
///
/// When it does not build.
pub fn build_ours() -> Result<PathBuf, Failure> {
    let status = cargo()
        .args(["build", "--release", "--locked", "--package", "agent-vault-cli"])
        .status()
        .context("cannot run cargo build")?;
    if !status.success() {
        return Err(Failure::new("the release build failed")
            .with_hint("cargo's message is above; `cargo xtask test` may tell more"));
    }
    Ok(target_dir().join("release").join(exe("agent-vault")))
}

/// What the environment names in the place of something that would be made.
pub fn given(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|given| !given.is_empty()).map(PathBuf::from)
}
