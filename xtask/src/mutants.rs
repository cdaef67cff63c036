//! `cargo xtask mutants`: changes the code that decides, one place at a time, to see whether a test notices.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::failure::{Context as _, Failure};
use crate::peers::{Build, Peer};
use crate::workspace::{root, target_dir};

const HELP: &str = "\
Changes the code one place at a time and runs the tests of the core on each: what they let pass is listed.
First the core's fast unit tests; what passes those meets all of the core's tests.

Usage: cargo xtask mutants [ARGS]...

ARGS go to `cargo mutants`; `.cargo/mutants.toml` says which files are changed, docs/mutants.md what may survive.
It takes ten seconds a change, and more where the fast tests notice nothing. What it finds lies in target/mutants.

Examples:
  cargo xtask mutants --re core/src/policy.rs
  cargo xtask mutants --list";

/// For most changes: one program to link, and a few seconds of tests. Remotes and the long walk through the transaction's
/// model come with the rest.
const FIRST: [&str; 9] = [
    "--minimum-test-timeout=60",
    "--cargo-arg=--lib",
    "--",
    "--",
    "--skip=remote::",
    "--skip=laws::",
    "--skip=a_reader_between_any_two_steps",
    "--skip=a_listing_is_whole_while",
    "--skip=no_value_is_read_from_a_journal_before",
];

/// For what the first let pass.
const THEN: [&str; 3] = ["--iterate", "--minimum-test-timeout=300", "--cargo-arg=--tests"];

/// What cargo-mutants says by its exit code: some were missed; some took too long.
const LEFT: [Option<i32>; 2] = [Some(2), Some(3)];

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
    let stage = |tests: &[&str]| stage(&cargo_mutants, &rage, args, tests);
    let mut code = stage(&FIRST)?;
    if LEFT.contains(&code) {
        println!("xtask: once more, with all tests of the core, for what those let pass");
        code = stage(&THEN)?;
    }
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// One run of cargo-mutants; its exit code.
fn stage(cargo_mutants: &Path, rage: &Path, args: &[String], tests: &[&str]) -> Result<Option<i32>, Failure> {
    let out = target_dir().join("mutants");
    let mut command = Command::new(cargo_mutants);
    command.args(["mutants", "--package", "agent-vault-core", "--output"]).arg(&out).args(args).args(tests);
    command.current_dir(root()).env(Peer::TEST_RAGE.instead, rage);
    // Built often and run once each: what takes long is the compiler. The dependencies are built once and for all.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    command.env("CARGO_TARGET_DIR", out.join("build"));
    Ok(command.status().context("cannot run cargo-mutants")?.code())
}
