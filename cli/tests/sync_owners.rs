//! Owners that change on two machines at once: two successors of one root, and what an owner did who was removed meanwhile.
#![cfg(unix)]

mod support;

use std::path::PathBuf;
use support::{Clones, Done, VALUE, World, head, opens_anything};

/// A card of somebody who has been nowhere yet.
fn card(clones: &Clones, name: &str) -> String {
    let machine = clones.stranger(name);
    let file = clones[0].tmp(&format!("{name}.card")).display().to_string();
    machine.run(&format!("owner card --name {name} -o {file}")).ok();
    file
}

/// Eric and bob, both owners, have each taken in somebody else, and work on. Eric's is at the hub first.
fn two_successors() -> Clones {
    let clones = Clones::of_owners(&["bob"]);
    for (at, name) in [(0, "carol"), (1, "dave")] {
        let card = card(&clones, name);
        clones[at].run(&format!("add-owner --card {card} --yes")).ok();
    }
    clones[0].set("of/eric", "eric's");
    clones[1].set("of/bob", "bob's");
    clones[1].set("stripe/api-key", "bob's own");
    clones[1].run("set stripe/api-key --description words").ok();
    clones[1].run("add-agent bobs").ok();
    clones[0].run("sync").ok();
    clones
}

/// The owners' names that are pinned.
fn pinned(world: &World) -> Vec<String> {
    let known = world.run("trust show --json").ok().json();
    let owners = known[0]["owners"].as_array().expect("owners").clone();
    owners.iter().map(|owner| owner.as_str().expect("a name").to_owned()).collect()
}

/// It stops, names both sides, and nothing here has changed.
#[track_caller]
fn stops(world: &World, here: &str, there: &str) -> Done {
    let before = (world.state(), head(world));
    let done = world.run("sync").fails(7).says("root 2 has two successors");
    let done = done.says(&format!("here they are {here}")).says(&format!("there {there}")).says("trust replace");
    assert_eq!((world.state(), head(world)), before);
    done
}

#[test]
fn f4_two_successors_of_one_root_stop_sync_on_both_sides_until_one_gives_way() {
    let clones = two_successors();
    stops(&clones[1], "eric, bob, dave", "eric, bob, carol");
    // Eric meets bob's where bob has put it.
    clones[1].git("push -q origin main:refs/heads/bobs");
    clones[0].git("config branch.main.merge refs/heads/bobs");
    stops(&clones[0], "eric, bob, carol", "eric, bob, dave");
    clones[0].git("config branch.main.merge refs/heads/main");

    // Both go on with what they have.
    assert_eq!(pinned(&clones[0]), ["eric", "bob", "carol"]);
    assert_eq!(pinned(&clones[1]), ["eric", "bob", "dave"]);
    clones[1].run("get stripe/api-key --fresh").fails(7).says("two successors");
    let done = clones[1].run("get stripe/api-key").ok().prints("bob's own");
    assert!(done.err().lines().count() <= 1, "{done}");
    clones[1].set("of/bob", "bob's, again");
    clones[1].run("verify --history").ok();
    clones[0].run("verify --history").ok();
    clones[0].run("sync").ok();

    // Bob gives way: with stock Git, and one word of trust.
    let apart = head(&clones[1]);
    clones[1].git("branch apart && git reset -q --hard @{upstream}");
    clones[1].run("get of/eric").fails(5).says("owners were changed twice").says("trust replace");
    clones[1].run("sync").fails(5);
    let done = clones[1].run("trust replace --yes").ok().shows("root 3 of eric, bob, carol");
    let done = done.says(&apart[..7]).says("added: of/bob").says("changed: stripe/api-key").says("added: bobs");
    assert_eq!(pinned(&clones[1]), ["eric", "bob", "carol"]);
    clones[1].run("sync").ok();
    clones.settle();
    assert_eq!(clones[1].get("of/eric"), b"eric's", "nothing of the winner's is lost");
    assert_eq!(clones[1].get("stripe/api-key"), VALUE.as_bytes());
    clones[1].run("get of/bob").fails(3);

    // What bob wrote comes back by the command that was named: he is an owner on both sides.
    let remedy =
        done.err().split('`').find(|word| word.starts_with("agent-vault restore ")).expect("a remedy").to_owned();
    clones[1].run(remedy.strip_prefix("agent-vault ").unwrap()).ok();
    for name in ["of/bob", "stripe/api-key"] {
        clones[1].run(&format!("restore {name}@{apart}")).ok();
    }
    clones.settle();
    assert_eq!(clones[0].get("of/bob"), b"bob's, again");
    assert_eq!(clones[0].get("stripe/api-key"), b"bob's own");
    let dave = clones[0].root.join("dave/home/.agent-vault/owner.key");
    assert_eq!(opens_anything(&clones[0], &dave), Vec::<String>::new(), "who was an owner there only reads nothing");
    clones[0].run("list-agents").ok().keeps_silent_about("bobs");
}

#[test]
fn f4_a_longer_chain_of_roots_gives_way_to_a_shorter_one_as_well() {
    let clones = two_successors();
    clones[1].run("rotate-owner").ok();
    clones[1].set("of/bob", "with the new key");
    clones[1].run("sync").fails(7).says("root 2 has two successors");
    let apart = head(&clones[1]);
    clones[1].git("reset -q --hard @{upstream}");
    clones[1].run("trust replace --yes").ok().says("added: of/bob").says(&apart[..7]);
    clones[1].run("sync").ok();
    clones.settle();
    assert_eq!(clones[1].get("of/eric"), b"eric's");
    // Signed by a key that was never an owner's on this side: not for the program to take.
    clones[1].run(&format!("restore of/bob@{apart}")).fails(5);
    let value = clones[1].sh(&format!(
        "git show {apart}:.agent-vault/secrets/of/bob.enc | age -d -i {}",
        clones[1].owner_key().display()
    ));
    assert_eq!(value, "with the new key", "it is bob's to read by hand");
}

#[test]
fn d1_what_an_owner_granted_who_was_removed_meanwhile_does_not_count() {
    let clones = Clones::of_owners(&["bob"]);
    for line in ["add-agent spy", "grant spy stripe", "add-agent twin", "grant ci of --create"] {
        clones[1].run(line).ok();
    }
    clones[1].git("push -q origin main:refs/heads/bobs");
    clones[0].set("of/eric", "eric's");
    clones[0].run("remove-owner bob --yes").ok();
    clones[0].run("sync").ok();
    clones[0].git("config branch.main.merge refs/heads/bobs");
    let bobs = head(&clones[1]);
    let done = clones[0].run("sync --pull").ok();
    let done = done.says("agents and access").says("does not count").says(&bobs[..7]).says("agent-vault log");
    let json = |line: &str| clones[0].run(line).ok().json();
    let agents = json("list-agents --json");
    let agents: Vec<&str> = agents.as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    assert_eq!(agents, ["ci"], "{done}");
    // He may have opened the keys of agents before, and reads with none of his own.
    for key in ["agents/spy.key", "agents/twin.key", "owner.key"] {
        let key: PathBuf = clones[1].keys().join(key);
        assert_eq!(opens_anything(&clones[0], &key), Vec::<String>::new(), "{}", key.display());
    }
    let ci = PathBuf::from(clones[0].key("ci"));
    assert!(clones[0].age_opens(&clones[0].file("secrets/of/eric.enc"), &ci).is_none(), "nor does ci have his grant");
    // It is told what he had done, by name.
    let log = clones[0].run("log").ok();
    assert!(log.out().contains("spy") && log.out().contains("twin"), "{log}");
    clones[0].run("verify --history").ok();
    clones[0].run("check").ok();
    clones[0].git("config branch.main.merge refs/heads/main");
    clones[0].run("sync").ok();
    let fresh = clones.stranger("fresh");
    clones.lend_key(&fresh);
    fresh.run("verify --history").ok();
    assert_eq!(fresh.get("of/eric"), b"eric's");
}
