//! The simulation of owners, a reader and a hostile host, for longer than a test may take.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::test::{finish, forget_surroundings};
use crate::workspace::cargo;

/// How many steps, unless somebody says otherwise.
pub const STEPS: u64 = 1_000_000;
/// What repeats a run; the caller's.
const SEED: &str = "AGENT_VAULT_SIMULATION_SEED";

/// Takes that many steps, in the profile of tests: what it asserts must be compiled in. The test prints the seed, and at the
/// end the steps, the worlds, and how often each thing happened.
///
/// # Errors
///
/// When cargo cannot be run. What must not be and was found is exit code 101, as for any test.
pub fn run(steps: u64) -> Result<ExitCode, Failure> {
    let mut command = cargo();
    command.args(["test", "--locked", "--package", "agent-vault-core", "--lib", "--", "--nocapture", "simulation::"]);
    forget_surroundings(&mut command);
    command.env("AGENT_VAULT_SIMULATION_STEPS", steps.to_string());
    if let Some(seed) = std::env::var_os(SEED) {
        command.env(SEED, seed);
    }
    finish(&mut command)
}
