//! F4 and D1: two machines change who may read at once. What either took away is gone, for what the other made besides.
#![cfg(unix)]

mod support;

use std::path::{Path, PathBuf};
use support::{Clones, Done, VALUE, World, opens_anything};

/// One syncs, then the other, which merges; both come to the same.
fn merged(clones: &Clones, first: usize) -> Done {
    clones[first].run("sync").ok();
    let done = clones[1 - first].run("sync").ok();
    clones.settle();
    done
}

fn key(world: &World, agent: &str) -> PathBuf {
    PathBuf::from(world.key(agent))
}

/// The key file of an agent that has a new key.
#[track_caller]
fn new_key(world: &World, agent: &str) -> PathBuf {
    let files = std::fs::read_dir(world.keys().join("agents")).expect("keys").map(|file| file.expect("a file").path());
    let mut new = files.filter(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&format!("{agent}-"))
    });
    new.next().expect("a new key")
}

/// Nothing that is current opens with a key, for stock `age` nor for us.
#[track_caller]
fn opens_nothing(clones: &Clones, key: &Path) {
    for machine in clones.all() {
        assert_eq!(opens_anything(machine, key), Vec::<String>::new(), "in {}", machine.repo.display());
    }
}

/// What stock `age` makes of a secret with a key.
#[track_caller]
fn opened(world: &World, path: &str, key: &Path) -> Option<Vec<u8>> {
    world.age_opens(&world.file(&format!("secrets/{path}.enc")), key)
}

#[test]
fn d1_an_agent_revoked_here_reads_nothing_that_was_new_there() {
    for first in [0, 1] {
        let clones = Clones::of_one_owner(2);
        clones[0].run("revoke ci stripe").ok();
        clones[1].set("stripe/new", "new");
        clones[1].set("stripe/api-key", "set anew");
        let ci = key(&clones[0], "ci");
        assert!(opened(&clones[1], "stripe/new", &ci).is_some(), "there it could be read");
        merged(&clones, first).says("encrypted anew");
        opens_nothing(&clones, &ci);
        for machine in clones.all() {
            assert_eq!(machine.get("stripe/new"), b"new");
            assert_eq!(machine.get("stripe/api-key"), b"set anew");
            // Who could read the value once is not forgotten.
            let shown = machine.run("check").ok();
            shown.shows("stripe/new").shows("ci");
        }
    }
}

#[test]
fn f4_an_agent_granted_here_reads_what_was_new_there() {
    for first in [0, 1] {
        let clones = Clones::of_one_owner(2);
        clones[0].run("add-agent bob").ok();
        clones[0].run("grant bob stripe").ok();
        clones[1].set("stripe/new", "new");
        merged(&clones, first);
        let bob = key(&clones[0], "bob");
        for machine in clones.all() {
            assert_eq!(opened(machine, "stripe/new", &bob).as_deref(), Some(&b"new"[..]));
            assert_eq!(opened(machine, "stripe/api-key", &bob).as_deref(), Some(VALUE.as_bytes()));
            machine.run(&format!("get stripe/new --key {}", bob.display())).ok().prints("new");
        }
    }
}

#[test]
fn f4_two_agents_of_one_name_are_both_kept_each_with_its_own_access() {
    for first in [0, 1] {
        let clones = Clones::of_one_owner(2);
        for (at, path) in [(0, "a/key"), (1, "b/key")] {
            clones[at].run("add-agent deploy").ok();
            clones[at].set(path, path);
            clones[at].run(&format!("grant deploy {}", &path[..1])).ok();
        }
        let keys = [0, 1].map(|at| key(&clones[at], "deploy"));
        merged(&clones, first).says("two agents were called deploy").says("deploy-2");
        let listed = clones[0].run("list-agents").ok();
        assert!(listed.out().contains("deploy-2"), "{listed}");
        for machine in clones.all() {
            for (at, path) in [(0, "a/key"), (1, "b/key")] {
                assert_eq!(opened(machine, path, &keys[at]).as_deref(), Some(path.as_bytes()));
                assert_eq!(opened(machine, path, &keys[1 - at]), None, "it got no more than it had");
            }
        }
        // Both can be brought back from escrow.
        for name in ["deploy", "deploy-2"] {
            clones[first]
                .run(&format!("restore-agent {name} --to {}", clones[0].tmp(&format!("{name}-{first}")).display()))
                .ok();
        }
    }
}

#[test]
fn d1_an_agent_removed_here_and_granted_there_is_gone() {
    for first in [0, 1] {
        let clones = Clones::of_one_owner(2);
        let ci = key(&clones[0], "ci");
        clones[0].run("remove-agent ci").ok();
        clones[1].set("db/password", "hunter2");
        clones[1].run("grant ci db").ok();
        clones[1].run("set stripe/api-key --agents ci").ok();
        merged(&clones, first);
        opens_nothing(&clones, &ci);
        for machine in clones.all() {
            assert!(!machine.run("list-agents").ok().out().contains("ci"));
            assert!(!machine.file("agents/ci").exists());
        }
    }
}

#[test]
fn d1_an_agent_with_a_new_key_here_and_revoked_there_reads_with_neither_key() {
    for first in [0, 1] {
        let clones = Clones::of_one_owner(2);
        let old = key(&clones[0], "ci");
        clones[0].run("recover-agent ci").ok();
        clones[1].run("revoke ci stripe").ok();
        clones[1].set("stripe/new", "new");
        merged(&clones, first);
        opens_nothing(&clones, &old);
        opens_nothing(&clones, &new_key(&clones[0], "ci"));
        assert!(clones[1].run("list-agents").ok().out().contains("ci"), "the agent itself stays");
        clones[1].run("grant ci stripe").ok();
        clones.settle();
        assert_eq!(opened(&clones[0], "stripe/new", &new_key(&clones[0], "ci")).as_deref(), Some(&b"new"[..]));
        opens_nothing(&clones, &old);
    }
}

#[test]
fn f4_an_agent_with_a_new_key_here_keeps_what_was_granted_there() {
    for first in [0, 1] {
        let clones = Clones::of_one_owner(2);
        let old = key(&clones[0], "ci");
        clones[0].run("recover-agent ci").ok();
        clones[1].set("db/password", "hunter2");
        clones[1].run("grant ci db").ok();
        merged(&clones, first);
        opens_nothing(&clones, &old);
        for machine in clones.all() {
            let new = new_key(&clones[0], "ci");
            assert_eq!(opened(machine, "db/password", &new).as_deref(), Some(&b"hunter2"[..]));
            assert_eq!(opened(machine, "stripe/api-key", &new).as_deref(), Some(VALUE.as_bytes()));
        }
    }
}

#[test]
fn f4_grants_and_groups_of_both_sides_are_all_there() {
    let clones = Clones::of_one_owner(2);
    for (at, agent) in [(0, "alpha"), (1, "beta")] {
        clones[at].run(&format!("add-agent {agent}")).ok();
        clones[at].set(&format!("{agent}/key"), agent);
        clones[at].run(&format!("grant {agent} {agent}")).ok();
        clones[at].run(&format!("grant {agent} stripe")).ok();
        clones[at].run(&format!("grant ci {agent}")).ok();
    }
    merged(&clones, 0);
    let readers = [("ci", 0), ("alpha", 0), ("beta", 1)];
    for machine in clones.all() {
        for (agent, at) in readers {
            let key = key(&clones[at], agent);
            assert!(opened(machine, "stripe/api-key", &key).is_some(), "{agent} reads what it was granted");
            for other in ["alpha", "beta"] {
                let expected = agent == "ci" || agent == other;
                assert_eq!(opened(machine, &format!("{other}/key"), &key).is_some(), expected, "{agent}, {other}");
            }
        }
    }
}

#[test]
fn d1_revocations_of_both_sides_hold_after_a_merge() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("db/password", "hunter2");
    clones[0].run("grant ci db").ok();
    clones[0].run("set db/password --agents ci").ok();
    clones[0].set("web/key", "for one agent");
    clones[0].run("set web/key --agents ci").ok();
    clones.settle();
    clones[0].run("revoke ci stripe").ok();
    clones[0].run("revoke ci --secret web/key").ok();
    clones[1].line("set db/password --agents").arg("").run().ok();
    clones[1].run("revoke ci db").ok();
    merged(&clones, 1);
    opens_nothing(&clones, &key(&clones[0], "ci"));
}

#[test]
fn f4_two_owners_merge_what_each_of_them_did() {
    let clones = Clones::of_owners(&["bob"]);
    clones[0].set("of/eric", "eric's");
    clones[1].set("of/bob", "bob's");
    clones[1].run("revoke ci stripe").ok();
    merged(&clones, 1);
    for machine in clones.all() {
        assert_eq!(machine.get("of/eric"), b"eric's");
        assert_eq!(machine.get("of/bob"), b"bob's");
    }
    opens_nothing(&clones, &key(&clones[0], "ci"));
}

#[test]
fn d1_what_a_removed_owner_set_meanwhile_does_not_count_and_comes_back_by_name() {
    let clones = Clones::of_owners(&["bob"]);
    clones[1].set("stripe/api-key", "bob's");
    clones[1].set("bobs/own", "bob's own");
    clones[0].run("remove-owner bob --yes").ok();
    clones[0].run("sync").ok();
    // Bob cannot merge: he is no owner any more.
    let before = clones[1].state();
    clones[1].run("sync").fails(4);
    assert_eq!(clones[1].state(), before);
    // Eric takes bob's branch from where bob could put it.
    clones[1].git("push -q origin main:refs/heads/bobs");
    clones[0].set("more/work", "eric's");
    clones[0].git("config branch.main.merge refs/heads/bobs");
    let done = clones[0].run("sync --pull").ok().says("does not count");
    assert_eq!(clones[0].get("stripe/api-key"), VALUE.as_bytes());
    clones[0].run("get bobs/own").fails(3);
    let remedy = done
        .err()
        .split('`')
        .find(|word| word.starts_with("agent-vault restore bobs/own@"))
        .expect("a remedy")
        .to_owned();
    clones[0].run(remedy.strip_prefix("agent-vault ").unwrap()).ok();
    assert_eq!(clones[0].get("bobs/own"), b"bob's own");
    clones[0].run("verify --history").ok();
    let bob = clones[1].keys().join("owner.key");
    assert_eq!(opens_anything(&clones[0], &bob), Vec::<String>::new());
}
