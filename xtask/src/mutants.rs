//! `cargo xtask mutants`: changes the code that decides, one place at a time, to see whether a test notices.

use std::process::{Command, ExitCode};

use crate::failure::{Context as _, Failure};
use crate::peers::{Build, Peer};
use crate::workspace::{root, target_dir};

const HELP: &str = "\
Changes the code one place at a time and runs the tests of the core on each: what they let pass is listed.

Usage: cargo xtask mutants [ARGS]...

ARGS go to `cargo mutants`; `.cargo/mutants.toml` says which files are changed, docs/mutants.md what may survive.
It takes hours: name a file. What it finds lies in target/mutants.

Examples:
  cargo xtask mutants --file core/src/policy.rs
  cargo xtask mutants --list";

/// Runs `cargo mutants` over what its configuration names.
///
/// # Errors
///
/// When cargo-mutants cannot be built or run.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    if matches!(args.first().map(String::as_str), Some("--help" | "-h")) {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let cargo_mutants = Peer::CARGO_MUTANTS.ensure(Build::Tool)?;
    let rage = Peer::TEST_RAGE.ensure(Build::Quick)?;
    let mut command = Command::new(cargo_mutants);
    command.args(["mutants", "--package", "agent-vault-core", "--output"]).arg(target_dir().join("mutants"));
    // Built often and run once each: what takes long is the compiler.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    let status = command.args(args).current_dir(root()).env(Peer::TEST_RAGE.instead, rage).status();
    let code = status.context("cannot run cargo-mutants")?.code().and_then(|code| u8::try_from(code).ok());
    // Its own codes: 2 for what was missed, 3 for what took too long.
    Ok(ExitCode::from(code.unwrap_or(1)))
}
