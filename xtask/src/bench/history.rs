//! `verify --history`: every commit of a vault proven, beside what Git takes to look at the same objects.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::Failure;

use super::Bench;
use super::fixture::{self, Shape, count, run};
use super::harness::{in_turn, time};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// Measures the rows of `verify --history`.
///
/// # Errors
///
/// When a measured program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let Some(inprocess) = &bench.inprocess else {
        report.skip("no figures of `verify --history`: its commits are made in process");
        return Ok(());
    };
    let commits = bench.options.size(10_000);
    let place = bench.sandbox.place("history")?;
    fixture::vault(bench, &place, Shape { secrets: 100, agents: 2, readers: 2 })?;
    eprintln!("xtask: making {}", count(commits, "commit"));
    inprocess.commits(&place, commits)?;
    // As a clone has it: 10,000 commits are not left as loose objects.
    run(place.command("git").arg("-C").arg(&place.dir).args(["gc", "--quiet"]))?;
    let git = |args: &[&str]| {
        let mut command = place.command("git");
        command.arg("-C").arg(&place.dir).args(args).stdin(Stdio::null());
        command
    };
    let [ours, log, fsck] = in_turn(
        bench.options.long(),
        [
            &mut || time(&mut verify(bench, &place)),
            &mut || time(&mut git(&["log", "--format=%H", "--name-only", "--", ".agent-vault"])),
            &mut || time(&mut git(&["fsck", "--no-progress", "--no-dangling"])),
        ],
    )?;
    let what = format!("`verify --history` of {}", count(commits, "commit"));
    report.add(Row {
        what: what.clone(),
        ours: Figure::Time(ours.median()),
        peer: None,
        goal: Goal::Under(Figure::Time(Duration::from_secs(10))),
    });
    let beside = "`git log --name-only`, which verifies nothing";
    report.compare(what.clone(), ours.median(), (beside, log.median()), Goal::None);
    report.compare(what, ours.median(), ("`git fsck`, which verifies no signature", fsck.median()), Goal::None);
    Ok(())
}

fn verify(bench: &Bench, place: &Place) -> Command {
    let mut command = place.command(&bench.ours);
    command.args(["verify", "--history"]).stdin(Stdio::null());
    command
}
