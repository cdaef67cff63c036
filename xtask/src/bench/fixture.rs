//! Vaults to measure on.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Context as _, Failure};

use super::Bench;
use super::sandbox::Place;

/// The group that every secret of a fixture belongs to.
pub const GROUP: &str = "bench";

/// How big a vault is. Every secret lies in [`GROUP`] and holds 32 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Secrets in the vault.
    pub secrets: usize,
    /// Agents in the vault.
    pub agents: usize,
    /// How many of the agents, from the first on, may read every secret.
    pub readers: usize,
}

/// The name of the secret with this number, `bench/s00000` and on.
pub fn secret(number: usize) -> String {
    format!("{GROUP}/s{number:05}")
}

/// The name of the agent with this number, `agent-0000` and on.
pub fn agent(number: usize) -> String {
    format!("agent-{number:04}")
}

/// A value of 32 bytes that differs from run to run.
pub fn value(salt: usize) -> String {
    format!("{salt:032x}")
}

/// `1 secret`, `10000 secrets`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Makes a vault of this shape at an empty place.
///
/// With the workspace's in-process example it takes seconds; without, the program itself is called once per agent and
/// per secret, which is slow (minutes for 10,000) but ends in the same vault.
///
/// # Errors
///
/// When the program, or the example, fails.
pub fn vault(bench: &Bench, place: &Place, shape: Shape) -> Result<(), Failure> {
    eprintln!("xtask: making a vault of {} and {}", count(shape.secrets, "secret"), count(shape.agents, "agent"));
    match &bench.inprocess {
        Some(inprocess) => inprocess.fixture(place, shape),
        None => by_program(&bench.ours, place, shape),
    }
}

fn by_program(ours: &Path, place: &Place, shape: Shape) -> Result<(), Failure> {
    run(place.command(ours).arg("init").arg(&place.dir))?;
    for number in 0..shape.agents {
        run(place.command(ours).args(["add-agent", &agent(number)]))?;
    }
    // Granted while the group is empty: nothing to re-encrypt.
    for number in 0..shape.readers {
        run(place.command(ours).args(["grant", &agent(number), GROUP, "--create"]))?;
    }
    for number in 0..shape.secrets {
        feed(place.command(ours).args(["set", &secret(number)]), &value(number))?;
    }
    Ok(())
}

/// Makes a vault of the same shape with agent-vault 0.1.0.
///
/// # Errors
///
/// When that program fails.
pub fn vault_of_before(before: &Path, place: &Place, shape: Shape) -> Result<(), Failure> {
    eprintln!("xtask: making a 0.1.0 vault of {} and {}", count(shape.secrets, "secret"), count(shape.agents, "agent"));
    run(place.command("git").args(["init", "--quiet"]))?;
    run(place.command(before).arg("init"))?;
    // 0.1.0 knows a group only once a secret is in it, and takes a value as an argument only.
    let set = |number| run(place.command(before).args(["set", &secret(number), &value(number)]));
    set(0)?;
    for number in 0..shape.agents {
        run(place.command(before).args(["add-agent", &agent(number)]))?;
    }
    for number in 0..shape.readers {
        run(place.command(before).args(["grant", &agent(number), GROUP]))?;
    }
    (1..shape.secrets).try_for_each(set)
}

/// Runs a command that has to succeed, with nothing on its standard input.
///
/// # Errors
///
/// When it does not; with what it said.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output().context(format_args!("cannot run {command:?}"))?;
    judge(command, &output)
}

/// Runs a command that has to succeed, with a value on its standard input.
///
/// # Errors
///
/// When it does not; with what it said.
pub fn feed(command: &mut Command, value: &str) -> Result<(), Failure> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context(format_args!("cannot run {command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why on its own.
        let _ = stdin.write_all(value.as_bytes());
    }
    let output = child.wait_with_output().context("cannot wait")?;
    judge(command, &output)
}

fn judge(command: &Command, output: &std::process::Output) -> Result<(), Failure> {
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{command:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}
