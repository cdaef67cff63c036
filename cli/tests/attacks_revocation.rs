//! Threats D0 and D1: revocation that is real, judged with stock `age` and the agent's old key.
#![cfg(unix)]

mod support;

use serde_json::{Value, json};
use std::path::PathBuf;
use support::{VALUE, World};

fn exposed(world: &World, path: &str) -> Value {
    world.run(&format!("show {path} --json")).ok().json()["exposed_to"].clone()
}

fn id(world: &World, agent: &str) -> String {
    let list = world.run("list-agents --json").ok().json();
    let agent = list.as_array().unwrap().iter().find(|entry| entry["name"] == agent).unwrap().clone();
    agent["fingerprint"].as_str().unwrap().to_owned()
}

/// Every ciphertext of the work tree.
fn ciphertexts(world: &World) -> Vec<PathBuf> {
    world.sh("find .agent-vault -name '*.enc'").lines().map(|file| world.repo.join(file)).collect()
}

/// A vault in which `ci` reads by group, explicitly, by both, and not at all.
fn many_ways() -> World {
    let world = World::story();
    for path in ["stripe/both", "ops/explicit", "ops/never", "stripe/other-group"] {
        world.set(path, VALUE);
    }
    world.run("set stripe/both --agents ci").ok();
    world.run("set ops/explicit --agents ci").ok();
    world.run("set stripe/other-group --group ops").ok();
    world
}

fn opens(world: &World, key: &str) -> Vec<String> {
    let mut names: Vec<String> = ciphertexts(world)
        .into_iter()
        .filter(|file| world.age_opens(file, key.as_ref()).is_some())
        .map(|file| file.strip_prefix(world.file("secrets")).unwrap().with_extension("").display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn d1_after_revoke_no_current_ciphertext_of_the_group_opens_with_the_agents_key() {
    let world = many_ways();
    let key = world.key("ci");
    assert_eq!(opens(&world, &key), ["ops/explicit", "stripe/api-key", "stripe/both"]);
    world.run("revoke ci stripe").ok();
    assert_eq!(opens(&world, &key), ["ops/explicit"]);
    world.run("revoke ci ops").ok();
    assert_eq!(opens(&world, &key), Vec::<String>::new());
    assert_eq!(opens(&world, &world.owner_key().display().to_string()).len(), 5, "the owner reads all of them");
}

#[test]
fn d1_after_remove_agent_no_current_ciphertext_opens_with_its_key() {
    let world = many_ways();
    world.run("remove-agent ci").ok();
    assert_eq!(opens(&world, &world.key("ci")), Vec::<String>::new());
    let committed = world.sh("git ls-tree -r --name-only HEAD | grep 'enc$'; git status --porcelain");
    for file in committed.lines() {
        world.sh(&format!("git show HEAD:{file} > ../tmp/committed"));
        assert_eq!(world.age_opens(&world.tmp("committed"), world.key("ci").as_ref()), None, "{file}");
    }
}

#[test]
fn d1_after_recover_agent_the_old_key_opens_nothing_and_the_new_one_what_the_old_one_did() {
    let world = many_ways();
    let old = world.key("ci");
    world.run("recover-agent ci").ok();
    let new = format!("{}/agents/ci-{}.key", world.keys().display(), &id(&world, "ci")[..8]);
    assert_eq!(opens(&world, &old), Vec::<String>::new());
    assert_eq!(opens(&world, &new), ["ops/explicit", "stripe/api-key", "stripe/both"]);
}

#[test]
fn d1_what_is_written_later_is_closed_to_the_revoked_key_too() {
    let world = many_ways();
    world.run("remove-agent ci").ok();
    world.set("stripe/api-key", "new");
    world.set("stripe/later", "new");
    world.run("set stripe/both --group elsewhere").ok();
    assert_eq!(opens(&world, &world.key("ci")), Vec::<String>::new());
}

#[test]
fn d1_a_revocation_passes_no_secret_by_whose_files_are_not_there_for_the_moment() {
    let world = many_ways();
    for script in
        ["rm .agent-vault/secrets/stripe/api-key.*", "rm -r .agent-vault/secrets/stripe", "rm -r .agent-vault/secrets"]
    {
        world.sh(script);
        let before = world.state();
        for line in ["revoke ci stripe", "remove-agent ci", "recover-agent ci"] {
            world.run(line).fails(7).says("its files are not there");
        }
        assert_eq!(world.state(), before);
        world.git("checkout -q -- .agent-vault");
    }
    world.run("revoke ci stripe").ok();
    assert_eq!(opens(&world, &world.key("ci")), ["ops/explicit"]);
}

#[test]
fn d3_history_stays_readable_which_is_why_the_program_says_so() {
    let world = World::story();
    world.run("revoke ci stripe").ok();
    world.sh("git show HEAD~1:.agent-vault/secrets/stripe/api-key.enc > ../tmp/former");
    let former = world.age_opens(&world.tmp("former"), world.key("ci").as_ref());
    assert_eq!(former.as_deref(), Some(VALUE.as_bytes()));
    world.run("show stripe/api-key").ok().shows("rotate");
    world.run("check").ok().shows("history and copies stay readable");
}

#[test]
fn d0_exposed_to_names_exactly_the_keys_that_could_read_and_no_longer_may() {
    let world = World::story();
    world.run("add-agent two").ok();
    let (ci, two) = (format!("ci@{}", id(&world, "ci")), format!("two@{}", id(&world, "two")));
    assert_eq!(exposed(&world, "stripe/api-key"), json!([]));
    world.run("revoke ci stripe").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([ci]));
    // One that never could is not named; one that comes and goes is added.
    world.run("grant two stripe").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([ci]));
    world.run("revoke two stripe").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([ci, two]));
    // One that may again is none of them.
    world.run("grant ci stripe").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([two]));
    // Metadata changes nothing; a new value ends it.
    world.run("set stripe/api-key --description x").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([two]));
    world.set("stripe/api-key", "new");
    assert_eq!(exposed(&world, "stripe/api-key"), json!([]));
}

#[test]
fn d0_removing_and_adding_an_agent_of_the_same_name_keeps_the_old_key_exposed() {
    let world = World::story();
    let old = format!("ci@{}", id(&world, "ci"));
    world.run("remove-agent ci").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([old]));
    world.run("add-agent ci").ok();
    world.run("grant ci stripe").ok();
    assert_ne!(format!("ci@{}", id(&world, "ci")), old);
    assert_eq!(exposed(&world, "stripe/api-key"), json!([old]));
    // Whether the name is known again or not: the key is what counts.
    world.run("remove-agent ci").ok();
    assert_eq!(exposed(&world, "stripe/api-key").as_array().unwrap().len(), 2);
}

#[test]
fn d0_an_agent_that_comes_back_with_its_old_key_is_no_longer_exposed() {
    let world = World::story();
    let public = world.text("agents/ci/public.key");
    world.run("remove-agent ci").ok();
    world.call(["add-agent", "renamed", "--public-key", public.trim()]).run().ok();
    world.run("grant renamed stripe").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([]));
    world.run("revoke renamed stripe").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([format!("renamed@{}", id(&world, "renamed"))]));
}

#[test]
fn d0_a_new_key_for_an_agent_exposes_the_old_one() {
    let world = many_ways();
    let old = format!("ci@{}", id(&world, "ci"));
    world.run("recover-agent ci").ok();
    for path in ["stripe/api-key", "stripe/both", "ops/explicit"] {
        assert_eq!(exposed(&world, path), json!([old]), "{path}");
    }
    assert_eq!(exposed(&world, "ops/never"), json!([]));
}

#[test]
fn d0_moving_a_secret_between_groups_exposes_it_to_the_members_it_leaves() {
    let world = World::story();
    world.run("add-agent two").ok();
    world.run("grant two ops --create").ok();
    let (ci, two) = (format!("ci@{}", id(&world, "ci")), format!("two@{}", id(&world, "two")));
    let done = world.run("set stripe/api-key --group ops").ok().says("marked for rotation");
    assert!(done.err().contains(&format!("  - {ci}")) && done.err().contains(&format!("  + {two}")), "{done}");
    assert_eq!(exposed(&world, "stripe/api-key"), json!([ci]));
    assert_eq!(opens(&world, &world.key("ci")), Vec::<String>::new());
    // Back again: now the other one is.
    world.run("mv stripe/api-key stripe/back --yes").ok();
    world.run("set stripe/back --group stripe").ok();
    assert_eq!(exposed(&world, "stripe/back"), json!([two]));
}

#[test]
fn d0_dropping_an_explicit_grant_exposes_and_a_group_that_still_gives_it_does_not() {
    let world = many_ways();
    let ci = format!("ci@{}", id(&world, "ci"));
    world.call(["set", "stripe/both", "--agents", ""]).run().ok();
    assert_eq!(exposed(&world, "stripe/both"), json!([]), "the group still gives it");
    world.call(["set", "ops/explicit", "--agents", ""]).run().ok();
    assert_eq!(exposed(&world, "ops/explicit"), json!([ci]));
}

#[test]
fn d0_a_new_value_under_new_readers_exposes_nothing() {
    let world = World::story();
    world.pipe("new", "set stripe/api-key --group ops").ok();
    assert_eq!(exposed(&world, "stripe/api-key"), json!([]), "the former readers never saw this value");
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).fails(4);
}
