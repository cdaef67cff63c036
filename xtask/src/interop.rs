//! `cargo xtask interop`: agent-vault 0.1.0, the real one, reads what we write, and we upgrade what it wrote.
//!
//! Not part of `test`: it builds somebody else's program from crates.io, with that program's own dependencies.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::peers::{Build, Peer};
use crate::programs;
use crate::test::{finish, forget_surroundings};
use crate::workspace::cargo;

/// Builds 0.1.0, or takes the one that `AGENT_VAULT_TEST_010` names, and runs the tests that call it.
///
/// # Errors
///
/// When a program is missing (exit code 2) or 0.1.0 cannot be built.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    if matches!(args.first().map(String::as_str), Some("--help" | "-h")) {
        println!(
            "Usage: cargo xtask interop [ARGS]...\n\nTests beside agent-vault 0.1.0. ARGS go to `cargo test`.\n\n\
             AGENT_VAULT_TEST_010 names a 0.1.0 that is already there."
        );
        return Ok(ExitCode::SUCCESS);
    }
    programs::check()?;
    let before = Peer::TEST_BEFORE.ensure(Build::Quick)?;
    let mut command = cargo();
    command.args(["test", "--locked", "-p", "agent-vault-cli", "--test", "interop_010"]).args(args);
    forget_surroundings(&mut command);
    command.env(Peer::TEST_BEFORE.instead, before);
    finish(&mut command)
}
