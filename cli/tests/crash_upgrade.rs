//! E1 for `upgrade`: SIGKILL in place of every file-system call. What is left is a vault of 0.1.0 or a signed one, and
//! readers find either.
#![cfg(target_os = "linux")]

mod support_crash;

use support_crash::{Call, Fault, World, fan_out};

const UPGRADE: &[&str] = &["upgrade", "--yes"];

/// The vault is as it was, or signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Now {
    Old,
    Signed,
}

/// A world before the upgrade, saved, and the calls by which the upgrade changes files.
fn rehearsed() -> (World, Vec<Call>) {
    let world = World::old();
    fan_out(&world);
    world.save();
    let traced = world.traced(&Fault::Nothing, UPGRADE, None);
    traced.done.ok();
    let calls: Vec<Call> = traced.calls.into_iter().filter(Call::changed).collect();
    assert!(calls.len() > 50, "the trace shows what the upgrade does");
    world.vault(&["verify"]).ok();
    world.tidy().unwrap();
    (world, calls)
}

fn kill(world: &World, call: &Call) -> Result<(), String> {
    world.restore();
    let traced = world.traced(&Fault::Kill(call), UPGRADE, None);
    let last = traced.calls.iter().rev().find(|last| !last.line.starts_with("+++"));
    match last {
        Some(last) if traced.done.killed() && (&last.name, last.nth) == (&call.name, call.nth) => Ok(()),
        _ => Err(format!("it was not killed there: {:?}, last call {last:?}", traced.done)),
    }
}

/// Readers, before anybody has recovered.
fn read(world: &World) -> Result<(), String> {
    let ci = world.now().join("ci.key").display().to_string();
    for (args, value) in [
        (&["get", "stripe/api-key"][..], "sk_golden_0"),
        (&["get", "stripe/api-key", "--key", &ci], "sk_golden_0"),
        (&["get", "lone/one"], "one_golden_0"),
        (&["get", "lone/one", "--key", &ci], "one_golden_0"),
        (&["get", "token"], "token_golden_0"),
    ] {
        let done = world.vault(args);
        if done.code() != Some(0) || done.text() != value {
            return Err(format!("{args:?}: {:?} {}{}", done.code(), done.text(), done.err));
        }
    }
    for args in [["list"], ["list-agents"]] {
        let done = world.vault(&args);
        if done.code() != Some(0) {
            return Err(format!("{args:?}: {:?} {}{}", done.code(), done.text(), done.err));
        }
    }
    Ok(())
}

/// What `check` leaves, which finishes what has to be finished.
fn settle(world: &World, commits: usize) -> Result<Now, String> {
    let check = world.vault(&["check"]);
    let verify = world.vault(&["verify"]);
    let now = match (check.code(), verify.code(), world.commits() - commits) {
        (Some(9), Some(7), 0) if check.text().contains("[unsigned]") => Now::Old,
        (Some(0), Some(0), 1) => Now::Signed,
        (_, _, more) => {
            return Err(format!("{more} commits more\n{}{}\n{}{}", check.text(), check.err, verify.text(), verify.err));
        }
    };
    world.tidy()?;
    read(world)?;
    Ok(now)
}

/// Kills at every call and looks with `after`; until one call each kill leaves the old vault, from then on the new one.
#[track_caller]
fn survives(after: impl Fn(&World, usize) -> Result<Now, String>) -> Vec<Now> {
    let (world, calls) = rehearsed();
    world.restore();
    let commits = world.commits();
    let mut failures = Vec::new();
    let mut states = Vec::new();
    for call in &calls {
        match kill(&world, call).and_then(|()| read(&world)).and_then(|()| after(&world, commits)) {
            Ok(now) => states.push(now),
            Err(text) => failures.push(format!("killed at {} {}: {}\n  {text}", call.name, call.nth, call.line)),
        }
    }
    failures.iter().for_each(|failure| eprintln!("{failure}"));
    assert!(failures.is_empty(), "{} of {} kills", failures.len(), calls.len());
    assert!(states.is_sorted(), "the signed vault came and went");
    states
}

#[test]
fn e1_upgrade_survives_a_kill_at_every_call() {
    let states = survives(settle);
    assert_eq!((states.first(), states.last()), (Some(&Now::Old), Some(&Now::Signed)));
}

#[test]
fn e1_a_second_upgrade_after_a_kill_at_any_call_ends_in_one_signed_vault() {
    let states = survives(|world, commits| {
        let done = world.vault(UPGRADE);
        if done.code() != Some(0) {
            return Err(format!("the second upgrade: {:?} {}", done.code(), done.err));
        }
        settle(world, commits)
    });
    assert!(states.iter().all(|now| *now == Now::Signed));
}
