//! `list` of a big vault: with every signature checked, and with nothing changed since.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context as _, Failure};

use super::Bench;
use super::fixture::{self, Shape};
use super::harness::{Side, in_turn, time};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// Measures the rows of `list`.
///
/// # Errors
///
/// When the program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let secrets = bench.options.size(10_000);
    let place = bench.sandbox.place("list")?;
    fixture::vault(bench, &place, Shape { secrets, agents: 2, readers: 2 })?;
    let mut cold = || {
        forget(&place)?;
        time(&mut list(bench, &place))
    };
    let mut warm = || time(&mut list(bench, &place));
    let sides: [Side<'_>; 2] = [&mut cold, &mut warm];
    let [cold, warm] = in_turn(bench.options.long(), sides)?;
    for (state, sample, most) in [("every signature checked", cold, 600), ("nothing changed since", warm, 40)] {
        report.add(Row {
            what: format!("`list` of {secrets}, {state}"),
            ours: Figure::Time(sample.median()),
            peer: None,
            goal: Goal::Under(Figure::Time(Duration::from_millis(most))),
        });
    }
    Ok(())
}

fn list(bench: &Bench, place: &Place) -> Command {
    let mut command = place.command(&bench.ours);
    command.args(["list", "--json"]).stdin(Stdio::null());
    command
}

/// Deletes what the program remembers to be quick; it is safe to delete.
fn forget(place: &Place) -> Result<(), Failure> {
    let cache = place.home.join(".agent-vault").join("cache");
    match std::fs::remove_dir_all(&cache) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context(cache.display()),
        _ => Ok(()),
    }
}
