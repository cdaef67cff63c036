//! `rm` and `mv`.
#![cfg(unix)]

mod support;

use serde_json::json;
use support::{VALUE, World};

#[test]
fn rm_leaves_a_signed_tombstone_and_says_that_history_keeps_the_value() {
    let world = World::story();
    world.run("rm stripe/api-key --yes").ok().says("removed stripe/api-key").says("history");
    assert!(world.file("secrets/stripe/api-key.gone").is_file());
    for part in ["enc", "meta"] {
        assert!(!world.file(&format!("secrets/stripe/api-key.{part}")).exists());
    }
    world.run("get stripe/api-key").fails(3);
    assert_eq!(world.run("list --json").ok().json(), json!([]));
    world.run("check").ok();
    world.run("verify").ok().shows("3 signatures, 0 digests");
}

#[test]
fn rm_and_mv_without_a_terminal_want_yes_and_change_nothing() {
    let world = World::story();
    let before = world.state();
    for line in ["rm stripe/api-key", "mv stripe/api-key stripe/key"] {
        world.run(line).fails(12).says("--yes");
        world.pipe("y\n", line).fails(12);
    }
    assert_eq!(world.state(), before);
}

#[test]
fn rm_and_mv_of_what_is_not_there_say_what_was_meant() {
    let world = World::story();
    let before = world.state();
    world.run("rm stripe/api-ky --yes").fails(3).says("did you mean \"stripe/api-key\"?");
    world.run("mv stripe/api-ky a/b --yes").fails(3).says("did you mean \"stripe/api-key\"?");
    // Asked for before anybody is asked.
    world.run("rm stripe/api-ky").fails(3);
    assert_eq!(world.state(), before);
}

#[test]
fn rm_and_mv_are_for_owners() {
    let world = World::story();
    let before = world.state();
    for line in ["rm stripe/api-key --yes", "mv stripe/api-key a/b --yes"] {
        world.run(&format!("{line} --key {}", world.key("ci"))).fails(4).says("only an owner");
    }
    assert_eq!(world.state(), before);
}

#[test]
fn mv_keeps_the_value_and_what_is_known_of_it() {
    let world = World::story();
    world.call(["set", "stripe/api-key", "--description", "live", "--expires", "2099-01-01"]).run().ok();
    let before = world.run("show stripe/api-key --json").ok().json();
    world.run("mv stripe/api-key stripe/live/key --yes").ok().says("renamed").says("group stripe");
    let after = world.run("show stripe/live/key --json").ok().json();
    for field in ["group", "created", "rotated", "expires", "description", "value_revision", "authorized_agents"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert!(after["revision"].as_u64() > before["revision"].as_u64());
    assert_eq!(after["exposed_to"], json!([]));
    world.run(&format!("get stripe/live/key --key {}", world.key("ci"))).ok().prints(VALUE);
    world.run("get stripe/api-key").fails(3);
    world.run("check").ok();
}

#[test]
fn mv_to_another_group_says_who_loses_it_and_marks_it_for_rotation() {
    let world = World::story();
    let done = world.run("mv stripe/api-key ops/key --yes").ok().says("group ops").says("marked for rotation");
    assert!(done.err().contains("  - ci@"), "{done}");
    world.run(&format!("get ops/key --key {}", world.key("ci"))).fails(4);
    let exposed = world.run("show ops/key --json").ok().json()["exposed_to"].clone();
    assert!(exposed[0].as_str().unwrap().starts_with("ci@"), "{exposed}");
}

#[test]
fn mv_keeps_a_group_that_was_chosen_and_not_taken_from_the_name() {
    let world = World::story();
    world.set("a/b", "v");
    world.run("set a/b --group stripe").ok();
    world.run("mv a/b c/d --yes").ok().says("group stripe");
    world.run(&format!("get c/d --key {}", world.key("ci"))).ok().prints("v");
}

#[test]
fn mv_onto_an_existing_name_or_onto_itself_is_refused() {
    let world = World::story();
    world.set("a/b", "other");
    let before = world.state();
    world.run("mv stripe/api-key a/b --yes").fails(7).says("already exists");
    world.run("mv stripe/api-key stripe/api-key --yes").fails(7);
    world.run("mv stripe/api-key A/b2 --yes").fails(7).says("differs only in case");
    world.run("mv stripe/api-key stripe/API-KEY --yes").fails(7).says("differs only in case");
    assert_eq!(world.state(), before);
}

#[test]
fn mv_back_and_forth_goes_on_counting() {
    let world = World::story();
    world.run("mv stripe/api-key stripe/b --yes").ok();
    world.run("mv stripe/b stripe/api-key --yes").ok();
    assert_eq!(world.get("stripe/api-key"), VALUE.as_bytes());
    world.run("check").ok();
    let other = world.fresh_home("other");
    world.line("verify").home(&other).run().ok();
}
