//! `grant` and `revoke`: plan, apply, one signed commit.
#![cfg(unix)]

mod support;

use serde_json::json;
use support::{VALUE, World};

#[test]
fn grant_lets_an_agent_read_a_group_in_one_signed_commit() {
    let world = World::vault();
    world.run("add-agent ci").ok();
    for path in ["stripe/a", "stripe/b", "other/c"] {
        world.set(path, path);
    }
    let commits = world.commits();
    let done = world.run("grant ci stripe").ok().says("ci has group stripe: 2 secrets re-encrypted for it");
    assert!(done.err().contains("  + stripe/a: ci@") && !done.err().contains("other/c"), "{done}");
    assert_eq!(world.commits(), commits + 1);
    let signers = world.file("allowed_signers");
    world.git(&format!("-c gpg.ssh.allowedSignersFile={} verify-commit HEAD", signers.display()));
    let key = world.key("ci");
    world.run(&format!("get stripe/a --key {key}")).ok().prints("stripe/a");
    world.run(&format!("get other/c --key {key}")).fails(4);
    world.set("stripe/later", "later");
    world.run(&format!("get stripe/later --key {key}")).ok().prints("later");
}

#[test]
fn a_grant_that_is_so_already_says_so_and_makes_no_commit() {
    let world = World::story();
    let before = world.state();
    world.run("grant ci stripe").ok().says("ci has group stripe already");
    assert_eq!(world.run("grant ci stripe --json").ok().json(), json!({"gains": [], "loses": [], "commit": null}));
    assert_eq!(world.state(), before);
}

#[test]
fn an_unknown_group_needs_create_and_is_told_apart_from_a_mistyped_one() {
    let world = World::story();
    let before = world.state();
    world.run("grant ci stirpe").fails(3).says("no group \"stirpe\"; did you mean \"stripe\"?").says("--create");
    world.run("grant ci payments").fails(3).says("--create").keeps_silent_about("did you mean");
    assert_eq!(world.state(), before);
    world.run("grant ci payments --create").ok();
    // From now on the manifest names it.
    world.run("add-agent two").ok();
    world.run("grant two payments").ok();
    world.set("payments/key", "v");
    world.run(&format!("get payments/key --key {}", world.key("two"))).ok().prints("v");
}

#[test]
fn a_dry_run_names_gains_and_losses_and_changes_nothing() {
    let world = World::story();
    world.set("ops/key", "v");
    let before = world.state();
    let gain = world.run("grant ci ops --dry-run").ok().says("ci would get group ops: 1 secret");
    assert!(gain.err().contains("  + ops/key: ci@"), "{gain}");
    let json = world.run("grant ci ops --dry-run --json").ok().json();
    assert_eq!(json["gains"][0]["secret"], "ops/key");
    assert!(json["gains"][0]["keys"][0].as_str().unwrap().starts_with("ci@"));
    assert_eq!((&json["loses"], &json["commit"]), (&json!([]), &json!(null)));
    let loss = world.run("revoke ci stripe --dry-run").ok().says("would be revoked");
    assert!(loss.err().contains("  - stripe/api-key: ci@"), "{loss}");
    let json = world.run("revoke ci stripe --dry-run --json").ok().json();
    assert_eq!((&json["loses"][0]["secret"], &json["commit"]), (&json!("stripe/api-key"), &json!(null)));
    world.run("grant ci new --create --dry-run").ok().says("0 secrets");
    assert_eq!(world.state(), before);
    world.run("grant ci new").fails(3);
}

#[test]
fn d3_revoke_says_that_history_stays_readable_and_that_the_value_must_be_rotated() {
    let world = World::story();
    let done =
        world.run("revoke ci stripe").ok().says("group stripe revoked from ci; 1 secret re-encrypted without it");
    for text in ["warning: 1 secret marked for rotation", "history and copies stay readable", "at its source"] {
        assert!(done.err().contains(text), "{text}\n{done}");
    }
    world
        .run("check")
        .ok()
        .shows("warning [rotation-due] stripe/api-key: ci@")
        .shows("rotate the credential at its source");
    world.set("stripe/api-key", "new");
    world.run("check").ok().keeps_silent_about("rotation-due");
    assert_eq!(world.run("show stripe/api-key --json").ok().json()["exposed_to"], json!([]));
}

#[test]
fn d3_revoke_of_a_group_without_secrets_warns_of_nothing() {
    let world = World::story();
    world.run("grant ci empty --create").ok();
    world.run("revoke ci empty").ok().says("0 secrets").keeps_silent_about("warning");
}

#[test]
fn d2_revoking_what_an_agent_does_not_have_is_never_called_revoked() {
    let world = World::story();
    world.set("ops/key", "v");
    world.run("add-agent two").ok();
    let before = world.state();
    let no = |line: &str, code: i32, text: &str| {
        world.run(line).fails(code).says(text).keeps_silent_about("re-encrypted");
    };
    no("revoke nobody stripe", 3, "no agent \"nobody\"");
    no("revoke ci stirpe", 3, "did you mean \"stripe\"?");
    no("revoke two stripe", 7, "agent two does not have group stripe: nothing was revoked");
    no("revoke ci ops", 7, "agent ci does not have group ops: nothing was revoked");
    no("revoke ci --secret ops/key", 7, "agent ci cannot read ops/key: nothing was revoked");
    no("revoke ci --secret stripe/nothing", 3, "no secret");
    no("revoke nobody --secret ops/key", 3, "no agent");
    assert_eq!(world.state(), before);
}

#[test]
fn d2_an_access_that_a_group_still_gives_is_named_with_that_group() {
    let world = World::story();
    world.run("set stripe/api-key --agents ci").ok();
    let before = world.state();
    let done = world.run("revoke ci --secret stripe/api-key").fails(7);
    assert!(done.err().contains("reads stripe/api-key through group stripe: nothing was revoked"), "{done}");
    assert!(done.err().contains("agent-vault revoke ci stripe"), "the next step is named\n{done}");
    assert_eq!(world.state(), before);
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).ok().prints(VALUE);
}

#[test]
fn revoke_of_one_secret_takes_an_explicit_grant_back() {
    let world = World::story();
    world.set("ops/key", "v");
    world.run("set ops/key --agents ci").ok();
    let key = world.key("ci");
    world.run(&format!("get ops/key --key {key}")).ok().prints("v");
    world.run("revoke ci --secret ops/key --dry-run").ok().says("would be revoked");
    let done = world.run("revoke ci --secret ops/key").ok().says("ops/key revoked from ci").says("marked for rotation");
    assert!(done.err().contains("  - ops/key: ci@"), "{done}");
    world.run(&format!("get ops/key --key {key}")).fails(4);
    world.run(&format!("get stripe/api-key --key {key}")).ok().prints(VALUE);
}

#[test]
fn d1_revoke_of_a_group_takes_its_explicit_grants_with_it() {
    let world = World::story();
    world.run("set stripe/api-key --agents ci").ok();
    world.run("revoke ci stripe").ok();
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).fails(4);
    let shown = world.run("show stripe/api-key --json").ok().json();
    assert_eq!((&shown["agents"], &shown["authorized_agents"]), (&json!([]), &json!([])));
    // An explicit grant alone is revoked by its group as well.
    world.run("set stripe/api-key --agents ci").ok();
    world.run("revoke ci stripe").ok().says("1 secret re-encrypted");
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).fails(4);
}

#[test]
fn revoke_wants_exactly_one_of_group_and_secret() {
    let world = World::story();
    world.run("revoke ci").fails(2);
    world.run("revoke ci stripe --secret stripe/api-key").fails(2);
    world.run("grant ci").fails(2);
}

#[test]
fn a_change_as_json_names_its_commit() {
    let world = World::story();
    let json = world.run("revoke ci stripe --json").ok().json();
    assert_eq!(json["commit"], world.git("rev-parse HEAD"));
    assert_eq!(json["loses"][0]["secret"], "stripe/api-key");
    let json = world.run("grant ci stripe --json").ok().json();
    assert_eq!(json["commit"], world.git("rev-parse HEAD"));
    assert_eq!(json["gains"][0]["secret"], "stripe/api-key");
}
