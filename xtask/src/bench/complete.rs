//! What a person who presses Tab waits for: the names that may come next in a big vault.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::Failure;

use super::Bench;
use super::fixture::{self, GROUP, Shape};
use super::harness::{in_turn, time};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// Measures the rows of completions: a few names that fit, and every name of the vault at once.
///
/// # Errors
///
/// When the program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let secrets = bench.options.size(10_000);
    let place = bench.sandbox.place("complete")?;
    fixture::vault(bench, &place, Shape { secrets, agents: 2, readers: 2 })?;
    // What the list remembers is there, as it is after a day's work.
    fixture::run(place.command(&bench.ours).arg("list"))?;
    let few = format!("{GROUP}/s0001");
    let all = format!("{GROUP}/");
    let [few, all, groups] = in_turn(
        bench.options.short(),
        [
            &mut || time(&mut question(bench, &place, &["get", &few])),
            &mut || time(&mut question(bench, &place, &["get", &all])),
            &mut || time(&mut question(bench, &place, &["list", "--group", ""])),
        ],
    )?;
    for (what, sample) in [("a secret's name", few), ("every name", all), ("a group", groups)] {
        report.add(Row {
            what: format!("completion of {what} among {secrets}"),
            ours: Figure::Time(sample.median()),
            peer: None,
            goal: Goal::Under(Figure::Time(Duration::from_millis(20))),
        });
    }
    Ok(())
}

/// The program asked as a shell's script asks it.
fn question(bench: &Bench, place: &Place, words: &[&str]) -> Command {
    let mut command = place.command(&bench.ours);
    command.args(["--", "agent-vault"]).args(words).env("AGENT_VAULT_COMPLETE", "fish").stdin(Stdio::null());
    command
}
