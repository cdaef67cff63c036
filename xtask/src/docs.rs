//! `cargo xtask docs`: everything that is generated, written anew.
//!
//! The tests that compare it know how it is made; told to, they write instead. So there is one way to make a document,
//! and this program still depends on no crate of the vault.

use std::process::ExitCode;

use crate::failure::{Context as _, Failure};
use crate::programs;
use crate::workspace::{cargo, target_dir};

/// What the tests of the documents look at: write, and do not compare.
const WRITE: &str = "AGENT_VAULT_TEST_WRITE_DOCS";

/// Writes `docs/cli.md`, the sessions in `cli/tests/snapshots` and the man pages in `target/man`.
///
/// # Errors
///
/// When a program is missing, or something cannot be generated; the tests have said what.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    if let Some(other) = args.first() {
        return Err(Failure::usage(format!("docs takes no `{other}`")).with_hint("it writes all that is generated"));
    }
    programs::check()?;
    let mut command = cargo();
    // The whole workspace, as in `cargo xtask test`: with other features everything would be built anew.
    command.args(["test", "--locked", "--workspace", "--test", "docs", "--test", "snapshots"]);
    let status = command.env(WRITE, "1").status().context("cannot run cargo test")?;
    if !status.success() {
        return Err(Failure::new("not everything could be generated").with_hint("what the tests say is above"));
    }
    eprintln!("xtask: wrote docs/cli.md, cli/tests/snapshots and {}", target_dir().join("man").display());
    Ok(ExitCode::SUCCESS)
}
