//! `cargo xtask load`: many clones that write and sync at once, as real processes over a real remote.
//!
//! Each clone has a HOME of its own and the owner's key. All begin together; each runs its share of every kind of write
//! and syncs after every second one. Then all sync until nothing moves, and what every clone has is compared with what
//! was acknowledged. What is lost is named, and the exit code is 1. A cost is printed and judged by a person.
//!
//! With `--simulate`, the simulation in memory runs for longer than a test may take.

mod judge;
mod machines;
mod options;
mod round;
mod simulate;
mod table;

use std::process::ExitCode;

use agent_vault_test_remotes::Transport;

use crate::failure::Failure;
use crate::sandbox::Sandbox;
use crate::workspace::build_ours;

use options::Options;
use round::Size;

/// The clones of the table, each with one turn of values or access.
const TABLE: [usize; 5] = [1, 2, 4, 8, 16];
/// Writes of each clone in the table.
const WRITES: usize = 8;
/// The long run.
const LONG: Size = Size { clones: 8, writes: 25, transport: Transport::Ssh };

/// Runs the table and the long run, or what was asked for.
///
/// # Errors
///
/// When something does not build or start. What is lost is exit code 1.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    let Some(options) = Options::parse(args)? else {
        println!("{}", options::HELP);
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(steps) = options.steps {
        return simulate::run(steps);
    }
    let program = options.program.clone().map_or_else(build_ours, Ok)?;
    let sizes = options.size.map_or_else(usual, |size| vec![size]);
    let sandbox = Sandbox::new()?;
    let mut rows = Vec::new();
    for size in sizes {
        eprintln!("xtask: {size}");
        let row = round::run(&sandbox, &program, size)?;
        eprintln!("{}", table::line(&row));
        rows.push(row);
    }
    println!("{}", table::markdown(&rows));
    let lost: Vec<String> =
        rows.iter().flat_map(|row| row.wrong.iter().map(move |wrong| format!("{}: {wrong}", row.size))).collect();
    for wrong in &lost {
        eprintln!("xtask: wrong: {wrong}");
    }
    Ok(if lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn usual() -> Vec<Size> {
    let table = TABLE.map(|clones| Size { clones, writes: WRITES, transport: Transport::File });
    table.into_iter().chain([LONG]).collect()
}
