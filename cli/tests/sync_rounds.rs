//! F4, E2: many machines write and sync at once, for several rounds. In the end all have the same, and everything that was
//! acknowledged is there.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::writes::{Acknowledged, QUARREL, TURN, Write, writes};
use std::collections::BTreeSet;
use std::path::PathBuf;
use support::{Clones, VALUE, World, head, opens_anything};

#[test]
fn f4_machines_that_merge_each_other_again_and_again_come_to_the_same() {
    let clones = Clones::of_one_owner(2);
    let branches = ["a", "b"];
    for at in [0, 1] {
        clones[at].git(&format!("config branch.main.merge refs/heads/{}", branches[1 - at]));
    }
    for round in 0..3 {
        for (at, branch) in branches.iter().enumerate() {
            clones[at].set("stripe/api-key", format!("{branch} {round}"));
            clones[at].set(&format!("{branch}/{round}"), format!("{branch} {round}"));
            clones[at].git(&format!("push -q origin main:refs/heads/{branch}"));
        }
        // Each merges what the other had, so that there are two merges of the same two states.
        for done in clones.at_once("sync --pull --json") {
            assert_eq!(done.ok().json()["merged"], true);
        }
        assert_ne!(head(&clones[0]), head(&clones[1]));
        assert_eq!(clones[0].get("stripe/api-key"), clones[1].get("stripe/api-key"), "whoever merges gets the same");
    }
    clones.all().iter().for_each(|machine| drop(machine.git("config branch.main.merge refs/heads/main")));
    clones.settle();
    for (branch, round) in branches.iter().flat_map(|branch| (0..3).map(move |round| (branch, round))) {
        assert_eq!(clones[0].get(&format!("{branch}/{round}")), format!("{branch} {round}").as_bytes());
    }
}

#[test]
fn d1_a_revocation_amid_merges_that_cross_holds() {
    let clones = Clones::of_one_owner(2);
    for at in [0, 1] {
        clones[at].git(&format!("config branch.main.merge refs/heads/{}", ["a", "b"][1 - at]));
    }
    let give =
        || (0..2).for_each(|at| drop(clones[at].git(&format!("push -q origin main:refs/heads/{}", ["a", "b"][at]))));
    clones[0].run("revoke ci stripe").ok();
    clones[1].set("stripe/one", "1");
    give();
    clones.at_once("sync --pull").into_iter().for_each(|done| drop(done.ok()));
    clones[0].set("stripe/two", "2");
    clones[1].set("stripe/three", "3");
    give();
    clones.at_once("sync --pull").into_iter().for_each(|done| drop(done.ok()));
    clones.all().iter().for_each(|machine| drop(machine.git("config branch.main.merge refs/heads/main")));
    clones.settle();
    let ci = PathBuf::from(clones[0].key("ci"));
    for machine in clones.all() {
        assert_eq!(opens_anything(machine, &ci), Vec::<String>::new());
        assert!(!machine.run("list-agents").ok().out().contains("stripe"));
    }
}

/// Writes and syncs on one machine; syncs that others beat may fail, writes may not.
fn work(world: &World, writes: &[Write], at: usize) {
    for (number, write) in writes.iter().enumerate() {
        let call = world.call(write.words());
        if let Some(value) = write.input() { call.input(value) } else { call }.run().ok();
        if number % 2 == at % 2 {
            world.run("sync").ok();
        }
    }
}

/// The key files of an agent of this machine: the current one, and the one that `recover-agent` replaced.
fn keys_of(world: &World, agent: &str) -> (PathBuf, Option<PathBuf>) {
    let first = PathBuf::from(world.key(agent));
    let folder = first.parent().expect("a folder").read_dir().expect("it").map(|file| file.expect("a file").path());
    let name = format!("{agent}-");
    match folder.into_iter().find(|file| file.file_name().expect("a name").to_string_lossy().starts_with(&name)) {
        Some(recovered) => (recovered, Some(first)),
        None => (first, None),
    }
}

fn many_machines(count: usize) {
    let clones = Clones::of_one_owner(count);
    clones[0].set("own/first", "of the founder");
    clones[0].set(QUARREL, "of the founder");
    clones.settle();
    std::thread::scope(|scope| {
        for (at, world) in clones.all().iter().enumerate() {
            scope.spawn(move || work(world, &writes(at, TURN), at));
        }
    });
    clones.settle();
    let last = &clones[count - 1];
    let agents = last.run("list-agents").ok().out().to_owned();
    let opens = |path: &str, key: &PathBuf| last.age_opens(&last.file(&format!("secrets/{path}.enc")), key).is_some();
    let mut set = BTreeSet::from(["of the founder".to_owned()]);
    for at in 0..count {
        let mut all = Acknowledged::default();
        writes(at, TURN).iter().for_each(|write| all.take(write));
        set.extend(all.quarrel.iter().cloned());
        for path in all.values.keys() {
            assert_eq!(Some(&*last.get(path)), all.value(path).map(str::as_bytes), "{path}");
            let shown = last.run(&format!("show {path} --json")).ok().json();
            assert!(shown["description"].is_string() && shown["expires"].is_string(), "{shown}");
        }
        all.gone.iter().for_each(|path| drop(last.run(&format!("get {path}")).code(3)));
        for (agent, groups) in &all.agents {
            assert!(agents.contains(agent.as_str()), "{agents}");
            let (key, former) = keys_of(&clones[at], agent);
            // Each reads its groups, whoever wrote what is in them, and nothing that was taken away.
            let held = last.sh("git ls-files '.agent-vault/secrets/*.enc'");
            for path in
                held.lines().map(|file| file.trim_start_matches(".agent-vault/secrets/").trim_end_matches(".enc"))
            {
                let granted = groups.iter().any(|group| path.starts_with(&format!("{group}/")));
                assert_eq!(opens(path, &key), granted, "{agent} {path}");
                assert!(former.iter().all(|key| !opens(path, key)), "{agent} with its former key {path}");
            }
        }
        for agent in &all.former {
            assert!(!agents.contains(agent.as_str()), "{agents}");
            assert_eq!(opens_anything(last, &keys_of(&clones[at], agent).0), Vec::<String>::new());
        }
    }
    let value = String::from_utf8(last.get(QUARREL)).expect("text");
    assert!(set.contains(&value), "{value} is none of those that were set");
    assert_eq!(last.get("stripe/api-key"), VALUE.as_bytes());
}

#[test]
fn e2_two_machines_with_every_kind_of_write_lose_nothing() {
    many_machines(2);
}

#[test]
fn e2_four_machines_with_every_kind_of_write_lose_nothing() {
    many_machines(4);
}

#[test]
fn e2_processes_of_one_clone_that_sync_and_write_at_once_lose_nothing() {
    let clones = Clones::of_one_owner(2);
    clones[1].set("there/first", "1");
    clones[1].run("sync").ok();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let clones = &clones;
            scope.spawn(move || clones[0].set(&format!("here/{n}"), format!("{n}")));
            // One that meets another's move of the branch says so; nothing is lost.
            scope.spawn(move || {
                let done = clones[0].run("sync");
                assert!(matches!(done.code, Some(0 | 7)), "{done}");
            });
        }
    });
    clones.settle();
    for n in 0..4 {
        assert_eq!(clones[1].get(&format!("here/{n}")), format!("{n}").as_bytes());
    }
    assert_eq!(clones[0].get("there/first"), b"1");
}

#[test]
fn f4_a_users_next_commit_after_a_sync_never_reverts_the_vault() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("stripe/api-key", "of the first");
    clones[1].set("db/password", "of the second");
    clones[1].sh("echo staged > staged.txt; git add staged.txt; echo more > untracked.txt");
    clones[0].run("sync").ok();
    clones[1].run("sync").ok();
    assert_eq!(clones[1].git("status --porcelain"), "A  staged.txt\n?? untracked.txt");
    clones[1].git("commit -q -m 'my work'");
    assert_eq!(clones[1].git("show --format= --name-only HEAD"), "staged.txt");
    clones[1].sh("git add -A; git commit -q -am 'the rest'");
    assert_eq!(clones[1].git("show --format= --name-only HEAD"), "untracked.txt");
    clones[1].run("sync --yes").ok();
    clones[0].run("sync --yes").ok();
    clones.settle();
    assert_eq!(clones[1].get("stripe/api-key"), b"of the first");
    assert_eq!(clones[0].get("db/password"), b"of the second");
}
