//! What it costs to record what is read and written, and to look at it.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::Failure;

use super::Bench;
use super::fixture::{self, Shape, secret};
use super::harness::{in_turn, time};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// The part of a whole-process `get` that its record may cost.
const PART: u32 = 20;

/// Measures the rows of the log.
///
/// # Errors
///
/// When a measured program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let Some(inprocess) = &bench.inprocess else {
        return Ok(());
    };
    let place = bench.sandbox.place("audit")?;
    fixture::vault(bench, &place, Shape { secrets: 1, agents: 2, readers: 2 })?;
    let [get] = in_turn(bench.options.short(), [&mut || time(&mut get(bench, &place))])?;
    let segments = bench.options.size(10_000);
    let times = inprocess.record(&place, segments)?;
    report.compare(
        "recording a `get`, with the process's segment",
        times.get("begin")?,
        ("5 % of a whole-process `get`", get.median() / PART),
        Goal::Ratio(1.0),
    );
    for (what, name, most) in [
        ("recording, in process".to_owned(), "append", Duration::from_micros(30)),
        (format!("`audit`, in process, {segments} segments"), "show", Duration::from_secs(1)),
        (format!("`audit verify`, in process, {segments} segments"), "prove", Duration::from_secs(1)),
    ] {
        report.add(Row {
            what,
            ours: Figure::Time(times.get(name)?),
            peer: None,
            goal: Goal::Under(Figure::Time(most)),
        });
    }
    Ok(())
}

fn get(bench: &Bench, place: &Place) -> Command {
    let mut command = place.command(&bench.ours);
    command.args(["get", &secret(0)]).stdin(Stdio::null());
    command
}
