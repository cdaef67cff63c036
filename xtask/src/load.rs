//! `cargo xtask load`: what takes too long for every change.

use std::process::ExitCode;

use crate::failure::Failure;

mod simulate;

const HELP: &str = "\
What takes too long for every change.

Usage: cargo xtask load --simulate [STEPS]

Options:
  --simulate [STEPS]  Owners, a reader and a hostile host in memory: a million steps unless you say otherwise.
                      AGENT_VAULT_SIMULATION_SEED repeats a run";

/// Runs what was asked for.
///
/// # Errors
///
/// When the arguments are none of these, or cargo cannot be run.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--simulate"] => simulate::run(None),
        ["--simulate", steps] => match steps.replace('_', "").parse() {
            Ok(steps) => simulate::run(Some(steps)),
            Err(_) => Err(Failure::usage(format!("`{steps}` is no number of steps"))),
        },
        ["--help" | "-h"] => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(Failure::usage("what is to be loaded?").with_hint("`cargo xtask load --help` says what there is")),
    }
}
