//! E1: SIGKILL in place of every file-system call of every writing command.
//!
//! A clean run under `strace` lists the calls; then, for each that changes files, the program runs on a fresh copy and
//! is killed as it makes that call. Between two such calls nothing on disk changes, so every state that a kill can
//! leave is met.
#![cfg(target_os = "linux")]

mod support_crash;

use std::process::Command;
use support_crash::{Call, Fault, NAMES, Rehearsed, State, World, run};

/// Kills a command at every call; `after` looks at what is left. Until one call, the point of no return, every kill
/// leaves the old state; from then on the new one.
fn kill_everywhere(act: &Rehearsed<'_>, after: impl Fn() -> Result<State, String>) -> Vec<State> {
    let mut failures = Vec::new();
    let mut states = Vec::new();
    for call in &act.calls {
        match kill(act, call).and_then(|()| after()) {
            Ok(state) if state == act.old || state == act.new => states.push(state),
            Ok(state) => failures.push((call, format!("neither old nor new: {state:#?}"))),
            Err(text) => failures.push((call, text)),
        }
    }
    for (call, text) in &failures {
        eprintln!("{:?} killed at {} {}: {}\n  {text}", act.args, call.name, call.nth, call.line);
    }
    assert!(failures.is_empty(), "{:?}: {} of {} kills", act.args, failures.len(), act.calls.len());
    assert!(states.is_sorted_by_key(|state| *state == act.new), "the new state came and went");
    states
}

/// Runs a command on a fresh copy and kills it as it makes `call`.
fn kill(act: &Rehearsed<'_>, call: &Call) -> Result<(), String> {
    let traced = act.again(&Fault::Kill(call));
    let last = traced.calls.iter().rev().find(|last| !last.line.starts_with("+++"));
    match last {
        Some(last) if traced.done.killed() && (&last.name, last.nth) == (&call.name, call.nth) => Ok(()),
        _ => Err(format!("it was not killed there: {:?}, last call {last:?}", traced.done)),
    }
}

/// Readers, before anybody has recovered: each gets the old or the new value, and no failure.
fn read(act: &Rehearsed<'_>) -> Result<(), String> {
    let now = State::of(&act.world, NAMES)?;
    for (key, cell) in &now.values {
        if *cell != act.old.values[key] && *cell != act.new.values[key] {
            return Err(format!("{key:?} read {cell:?}, which is neither old nor new"));
        }
    }
    for key in ["owner.key", "agents/ci.key"] {
        let file = act.world.keys().join(key).display().to_string();
        let done = act.world.vault(&["get", "a/one", "--key", &file]);
        if !matches!(done.code(), Some(0 | 3 | 4)) {
            return Err(format!("get a/one with {key}: {:?} {}", done.code(), done.err));
        }
    }
    Ok(())
}

/// The whole test for one command.
#[track_caller]
fn survives(args: &[&str], input: Option<&[u8]>) {
    survives_in(World::small(), args, input);
}

#[track_caller]
fn survives_in(world: World, args: &[&str], input: Option<&[u8]>) {
    let act = Rehearsed::new(world, args, input);
    let states = kill_everywhere(&act, || {
        read(&act)?;
        act.settle()
    });
    assert_eq!(states.first(), Some(&act.old), "the first call already made the change");
    assert_eq!(states.last(), Some(&act.new), "the last call had still not made the change");
}

#[test]
fn e1_set_of_a_new_secret_survives_a_kill_at_every_call() {
    survives(&["set", "c/new"], Some(b"new c/new"));
}

#[test]
fn e1_set_of_a_changed_value_survives_a_kill_at_every_call() {
    survives(&["set", "a/one"], Some(b"new a/one"));
}

#[test]
fn e1_set_of_a_removed_secret_survives_a_kill_at_every_call() {
    survives(&["set", "a/gone"], Some(b"new a/gone"));
}

#[test]
fn e1_set_of_metadata_survives_a_kill_at_every_call() {
    survives(&["set", "a/one", "--description", "new"], None);
}

#[test]
fn e1_set_of_a_group_survives_a_kill_at_every_call() {
    survives(&["set", "a/one", "--group", "b"], None);
}

#[test]
fn e1_rm_survives_a_kill_at_every_call() {
    survives(&["rm", "a/one", "--yes"], None);
}

#[test]
fn e1_mv_survives_a_kill_at_every_call() {
    survives(&["mv", "a/one", "c/new", "--yes"], None);
}

#[test]
fn e1_grant_survives_a_kill_at_every_call() {
    survives(&["grant", "bob", "a"], None);
}

/// A small vault with ada, a second owner, who set a value and removed another one.
fn two_owners() -> World {
    let world = World::small();
    let key = world.keys().join("agents/ada.key").display().to_string();
    let card = world.keys().join("ada.card").display().to_string();
    run(Command::new("age-keygen").arg("-o").arg(&key), None).ok();
    world.vault(&["owner", "card", "--name", "ada", "--key", &key, "-o", &card]).ok();
    world.vault(&["add-owner", "--card", &card, "--yes"]).ok();
    world.feed(&["set", "a/two", "--key", &key], b"old a/two").ok();
    world.feed(&["set", "c/adas", "--key", &key], b"ada's").ok();
    world.vault(&["rm", "c/adas", "--yes", "--key", &key]).ok();
    world
}

#[test]
fn e1_add_owner_survives_a_kill_at_every_call() {
    let world = World::small();
    let key = world.keys().join("agents/ada.key").display().to_string();
    let card = world.keys().join("ada.card").display().to_string();
    run(Command::new("age-keygen").arg("-o").arg(&key), None).ok();
    world.vault(&["owner", "card", "--name", "ada", "--key", &key, "-o", &card]).ok();
    survives_in(world, &["add-owner", "--card", &card, "--yes"], None);
}

#[test]
fn e1_remove_owner_survives_a_kill_at_every_call() {
    survives_in(two_owners(), &["remove-owner", "ada", "--yes"], None);
}

#[test]
fn e1_rotate_owner_survives_a_kill_at_every_call() {
    survives_in(two_owners(), &["rotate-owner"], None);
}

#[test]
fn e1_a_grant_of_many_survives_a_kill_at_every_call_that_makes_its_pack() {
    let world = World::small();
    for number in 0..32 {
        world.feed(&["set", &format!("a/n{number}")], b"value").ok();
    }
    let mut act = Rehearsed::new(world, &["grant", "bob", "a"], None);
    // The other calls are those of a small grant, a hundred times as many.
    act.calls.retain(|call| call.line.contains("/pack"));
    assert!(act.calls.len() >= 4, "many files are packed: {:?}", act.calls);
    let packs = act.world.repo().join(".git/objects/pack");
    let states = kill_everywhere(&act, || {
        read(&act)?;
        let state = act.settle()?;
        let names = std::fs::read_dir(&packs).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        match names.into_iter().find(|name| !name.to_string_lossy().starts_with("pack-")) {
            Some(name) => Err(format!("half a pack is left among Git's: {name:?}")),
            None => Ok(state),
        }
    });
    assert!(states.iter().all(|state| *state == act.old), "packs are made before anything is changed");
}

#[test]
fn e1_revoke_survives_a_kill_at_every_call() {
    survives(&["revoke", "ci", "a"], None);
}

#[test]
fn e1_add_agent_survives_a_kill_at_every_call() {
    survives(&["add-agent", "new"], None);
}

#[test]
fn e1_remove_agent_survives_a_kill_at_every_call() {
    survives(&["remove-agent", "ci"], None);
}

#[test]
fn e1_recover_agent_survives_a_kill_at_every_call() {
    survives(&["recover-agent", "ci"], None);
}

#[test]
fn e1_a_change_on_a_detached_head_survives_a_kill_at_every_call() {
    let world = World::small();
    world.git(&["checkout", "-q", "--detach"]).ok();
    survives_in(world, &["set", "a/one"], Some(b"new a/one"));
}

#[test]
fn e1_a_change_in_a_linked_work_tree_survives_a_kill_at_every_call() {
    let world = World::small();
    world.link_work_tree();
    survives_in(world, &["set", "a/one"], Some(b"new a/one"));
}

/// A world in which `grant bob a` was killed as it put its first file in place.
fn interrupted() -> World {
    let act = Rehearsed::new(World::small(), &["grant", "bob", "a"], None);
    let call = act.calls.iter().find(|call| call.name.starts_with("renameat")).unwrap();
    kill(&act, call).unwrap();
    assert!(act.world.repo().join(".git/agent-vault/journal.json").exists(), "there is something to recover");
    act.world
}

#[test]
fn e1_recovery_itself_survives_a_kill_at_every_call() {
    let act = Rehearsed::new(interrupted(), &["check"], None);
    let states = kill_everywhere(&act, || {
        read(&act)?;
        act.settle()
    });
    assert!(states.iter().all(|state| *state == act.new), "the change was made before; nothing takes it back");
}

#[test]
fn e1_the_next_writer_recovers_as_well_as_check_does() {
    let act = Rehearsed::new(World::small(), &["rm", "a/one", "--yes"], None);
    kill_everywhere(&act, || {
        let done = act.world.feed(&["set", "z/next"], b"next");
        if done.code() != Some(0) {
            return Err(format!("the next set: {:?} {}", done.code(), done.err));
        }
        act.world.tidy()?;
        Ok(State::of(&act.world, NAMES)?.without("z/next"))
    });
}

#[test]
fn e1_verify_after_a_kill_at_any_call_never_speaks_of_tampering() {
    for text in ["mv a/one c/new --yes", "recover-agent ci"] {
        let args: Vec<&str> = text.split(' ').collect();
        let act = Rehearsed::new(World::small(), &args, None);
        kill_everywhere(&act, || {
            let done = act.world.vault(&["verify"]);
            if done.code() != Some(0) {
                return Err(format!("verify: {:?} {}", done.code(), done.err));
            }
            act.settle()
        });
    }
}
