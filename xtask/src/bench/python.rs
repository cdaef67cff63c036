//! The Python package, from its wheel as people get it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::Failure;
use crate::wheel::{self, Profile};
use crate::workspace::root;

use super::Bench;
use super::fixture::{self, Shape, secret};
use super::harness::{in_turn, time};
use super::inprocess::Times;
use super::report::{Figure, Goal, Report, Row};
use super::resident;
use super::sandbox::Place;

/// What measures inside Python, from the top of the tree.
const SCRIPT: &str = "sdk-python/bench.py";

/// Measures the rows of the Python package.
///
/// # Errors
///
/// When the wheel does not build, or the script fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let python = Python { program: wheel::installed(Profile::Wheel)?.python };
    // The wheel's `get` beside one decryption of the same ciphertext.
    for (recipients, most) in [(2, 0.5), (100, 0.02)] {
        let place = bench.sandbox.place(&format!("python-{recipients}"))?;
        fixture::vault(bench, &place, Shape { secrets: 1, agents: recipients - 1, readers: recipients - 1 })?;
        let rounds = bench.options.size(if recipients == 2 { 2_000 } else { 100 }).max(11);
        let times = Times::of(
            python
                .script(&place, "get")
                .args([&place.dir, &PathBuf::from(secret(0)), &place.ciphertext(&secret(0)), &place.owner_key()])
                .arg(rounds.to_string()),
        )?;
        report.compare(
            format!("Python `get`, warm, {recipients} recipients"),
            times.get("ours")?,
            ("pyrage.decrypt", times.get("pyrage")?),
            Goal::Ratio(most),
        );
        if recipients == 2 {
            starts(bench, report, &python, &place)?;
            threads(bench, report, &python, &place)?;
            memory(bench, report, &python, &place)?;
        }
    }
    list(bench, report, &python)
}

struct Python {
    program: PathBuf,
}

impl Python {
    fn script(&self, place: &Place, what: &str) -> Command {
        let mut command = place.command(&self.program);
        command.arg("-P").arg(root().join(SCRIPT)).arg(what);
        command
    }

    fn code(&self, place: &Place, code: &str) -> Command {
        let mut command = place.command(&self.program);
        command.args(["-P", "-c", code]).stdin(Stdio::null());
        command
    }
}

/// Import and first read, as a process, beside an interpreter that does nothing.
fn starts(bench: &Bench, report: &mut Report, python: &Python, place: &Place) -> Result<(), Failure> {
    let read = format!("from agent_vault import Vault; Vault('.', auto_pull=False).get('{}')", secret(0));
    let [ours, bare] = in_turn(
        bench.options.short(),
        [&mut || time(&mut python.code(place, &read)), &mut || time(&mut python.code(place, "pass"))],
    )?;
    report.compare(
        "Python: import and first `get`, whole process",
        ours.median(),
        ("the bare interpreter", bare.median()),
        Goal::Above(Duration::from_millis(10)),
    );
    Ok(())
}

fn threads(bench: &Bench, report: &mut Report, python: &Python, place: &Place) -> Result<(), Failure> {
    let reads = bench.options.size(20_000);
    let times = Times::of(python.script(place, "threads").arg(&place.dir).arg(secret(0)).arg(reads.to_string()))?;
    report.compare(
        format!("Python: {reads} `get` by 4 threads"),
        times.get("four")?,
        ("one thread", times.get("one")?),
        Goal::Ratio(1.0 / 1.8),
    );
    report.compare(
        "this machine: SHA-256 by 2 processes, half of it each",
        times.get("halves")?,
        ("by one process", times.get("hashes")?),
        Goal::None,
    );
    Ok(())
}

fn memory(bench: &Bench, report: &mut Report, python: &Python, place: &Place) -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        report.skip("no memory of Python: it is read from /proc");
        return Ok(());
    }
    let reads = bench.options.size(1_000_000);
    let mut command = python.script(place, "memory");
    command.arg(&place.dir).arg(secret(0)).arg(reads.to_string());
    resident::flat(report, format!("Python: resident after {reads} `get`"), &mut command)
}

fn list(bench: &Bench, report: &mut Report, python: &Python) -> Result<(), Failure> {
    let secrets = bench.options.size(10_000);
    let place = bench.sandbox.place("python-list")?;
    fixture::vault(bench, &place, Shape { secrets, agents: 2, readers: 2 })?;
    let times = Times::of(python.script(&place, "list").arg(&place.dir).arg("25"))?;
    report.add(Row {
        what: format!("Python `list_secrets()` of {secrets}, warm"),
        ours: Figure::Time(times.get("list")?),
        peer: None,
        goal: Goal::Under(Figure::Time(Duration::from_millis(60))),
    });
    Ok(())
}
