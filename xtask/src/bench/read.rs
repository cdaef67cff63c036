//! `get`, the whole process: beside a bare decryption, and in vaults of every size.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;

use super::Bench;
use super::fixture::{self, Shape, count, secret};
use super::harness::{in_turn, time};
use super::report::{Goal, Report};
use super::sandbox::Place;

/// One secret, and two agents who can read it: what `get` is compared on.
const SMALL: Shape = Shape { secrets: 1, agents: 2, readers: 2 };

/// Measures the rows of `get`.
///
/// # Errors
///
/// When a measured program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let small = bench.sandbox.place("get-small")?;
    fixture::vault(bench, &small, SMALL)?;
    beside_decryption(bench, report, &small)?;
    beside_before(bench, report, &small)?;

    let secrets = bench.options.size(10_000);
    let many_secrets = bench.sandbox.place("get-secrets")?;
    fixture::vault(bench, &many_secrets, Shape { secrets, ..SMALL })?;
    let what = format!("`get` in a vault of {}", count(secrets, "secret"));
    grown(bench, report, (&what, "1 secret"), &many_secrets, &small)?;

    let agents = bench.options.size(1_000);
    let many_agents = bench.sandbox.place("get-agents")?;
    fixture::vault(bench, &many_agents, Shape { agents, ..SMALL })?;
    let what = format!("`get` in a vault of {}", count(agents, "agent"));
    grown(bench, report, (&what, "2 agents"), &many_agents, &small)
}

fn get(place: &Place, program: &Path) -> Command {
    let mut command = place.command(program);
    command.args(["get", &secret(0)]).stdin(Stdio::null());
    command
}

fn decrypt(place: &Place, program: &Path) -> Command {
    let mut command = place.command(program);
    command.args(["-d", "-i"]).arg(place.owner_key()).arg(place.ciphertext(&secret(0))).stdin(Stdio::null());
    command
}

/// The same ciphertext and the same identity, once verified by us and once merely opened.
fn beside_decryption(bench: &Bench, report: &mut Report, place: &Place) -> Result<(), Failure> {
    let peers = [
        Some(("rage -d", bench.rage.as_path(), Goal::Ratio(1.0))),
        bench.age.as_deref().map(|age| ("age -d", age, Goal::None)),
    ];
    for (name, program, goal) in peers.into_iter().flatten() {
        let [ours, theirs] = in_turn(
            bench.options.short(),
            [&mut || time(&mut get(place, &bench.ours)), &mut || time(&mut decrypt(place, program))],
        )?;
        report.compare("`get`, whole process, everything verified", ours.median(), (name, theirs.median()), goal);
    }
    Ok(())
}

fn beside_before(bench: &Bench, report: &mut Report, place: &Place) -> Result<(), Failure> {
    let Some(before) = bench.before.as_deref() else {
        return Ok(());
    };
    let old = bench.sandbox.place("get-before")?;
    fixture::vault_of_before(before, &old, SMALL)?;
    let [ours, theirs] = in_turn(
        bench.options.short(),
        [&mut || time(&mut get(place, &bench.ours)), &mut || time(&mut get(&old, before))],
    )?;
    report.compare(
        "`get`, whole process, everything verified",
        ours.median(),
        ("0.1.0's `get`, verifying nothing", theirs.median()),
        Goal::None,
    );
    Ok(())
}

/// A read must not notice what else is in the vault.
fn grown(
    bench: &Bench,
    report: &mut Report,
    (what, beside): (&str, &str),
    big: &Place,
    small: &Place,
) -> Result<(), Failure> {
    let [big, small] = in_turn(
        bench.options.short(),
        [&mut || time(&mut get(big, &bench.ours)), &mut || time(&mut get(small, &bench.ours))],
    )?;
    report.compare(what, big.median(), (format!("ours, {beside}"), small.median()), Goal::Ratio(1.1));
    Ok(())
}
