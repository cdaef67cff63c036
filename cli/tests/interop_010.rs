//! agent-vault 0.1.0, the real one from crates.io, beside this program: `cargo xtask interop` builds it and runs this.
//! What works and what does not stands in docs/old-vaults.md; each of its lines has its test here.
#![cfg(unix)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::World;

/// The program that came before.
fn before() -> PathBuf {
    let given = std::env::var_os("AGENT_VAULT_TEST_010").map(PathBuf::from);
    let given =
        given.expect("AGENT_VAULT_TEST_010 must name agent-vault 0.1.0; `cargo xtask interop` builds and sets it");
    assert!(given.is_file(), "AGENT_VAULT_TEST_010 names no file: {}", given.display());
    given
}

/// Runs 0.1.0 in the world's repository, as its owner.
fn old(world: &World, args: &[&str]) -> Output {
    let mut command = Command::new(before());
    command.args(args).current_dir(&world.repo).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &world.home).env("USER", "erika");
    command.env("GIT_CONFIG_NOSYSTEM", "1").output().expect("0.1.0 runs")
}

/// What 0.1.0 prints, which must succeed.
#[track_caller]
fn prints(world: &World, args: &[&str]) -> String {
    let output = old(world, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A key file without comments, which is all that 0.1.0 reads.
fn bare(world: &World, key: &Path) -> String {
    let bare = world.tmp("bare.key");
    world.sh(&format!("grep -v '^#' '{}' > '{}'", key.display(), bare.display()));
    bare.display().to_string()
}

#[test]
fn it_reads_our_values_with_key_files_without_comments() {
    let world = World::story();
    world.set("token", "slashless");
    world.set("deep/er/secret", "deep");
    world.set("empty/one", "");
    let (owner, ci) = (bare(&world, &world.owner_key()), world.tmp("ci.key").display().to_string());
    world.sh(&format!("grep -v '^#' '{}' > '{ci}'", world.key("ci")));
    for (name, value) in
        [("stripe/api-key", support::VALUE), ("token", "slashless"), ("deep/er/secret", "deep"), ("empty/one", "")]
    {
        assert_eq!(prints(&world, &["get", name, "--key", &owner]), value, "{name}");
    }
    assert_eq!(prints(&world, &["get", "stripe/api-key", "--key", &ci]), support::VALUE);
    assert!(!old(&world, &["get", "token", "--key", &ci]).status.success());
    world.run("revoke ci stripe").ok();
    assert!(!old(&world, &["get", "stripe/api-key", "--key", &ci]).status.success());
}

#[test]
fn it_does_not_read_our_key_files_as_they_are() {
    let world = World::story();
    for key in [world.owner_key().display().to_string(), world.key("ci")] {
        let output = old(&world, &["get", "stripe/api-key", "--key", &key]);
        assert!(!output.status.success() && output.stdout.is_empty());
    }
}

#[test]
fn it_does_not_read_values_that_are_not_utf_8() {
    let world = World::story();
    world.set("odd/bytes", b"\xff\0");
    let owner = bare(&world, &world.owner_key());
    assert!(!old(&world, &["get", "odd/bytes", "--key", &owner]).status.success());
}

#[test]
fn it_lists_our_agents_and_the_secrets_of_two_segments() {
    let world = World::story();
    world.set("token", "slashless");
    world.set("deep/er/secret", "deep");
    let list: serde_json::Value = serde_json::from_str(&prints(&world, &["list", "--json"])).unwrap();
    let mut names: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    // It looks one folder deep.
    assert_eq!(names, ["stripe/api-key", "token"]);
    assert_eq!(
        list.as_array().unwrap().iter().find(|row| row["name"] == "stripe/api-key").unwrap()["authorized_agents"][0],
        "ci"
    );
    assert_eq!(prints(&world, &["list-agents"]), "ci  [stripe]\n");
    // Our manifest lists no secrets, which it takes for a flaw, not for an error.
    assert!(prints(&world, &["check"]).contains("Orphaned secret file: stripe/api-key"));
}

#[test]
fn what_it_writes_into_a_signed_vault_is_refused() {
    let world = World::story();
    assert!(old(&world, &["set", "stripe/api-key", "forged"]).status.success());
    world.run("get stripe/api-key").fails(5).prints("");
    world.run("verify").fails(5);
    world.git("checkout -q HEAD~1 -- .agent-vault");
    world.run("get stripe/api-key").ok().prints(support::VALUE);
}

#[test]
fn a_vault_that_it_has_just_made_is_read_upgraded_and_then_read_by_both() {
    let world = World::repository();
    for args in [
        &["init"][..],
        &["add-agent", "ci"],
        &["add-agent", "idle"],
        &["set", "stripe/api-key", "sk_1", "--expires", "2031-01-01T00:00:00Z"],
        &["grant", "ci", "stripe"],
        &["set", "token", "t_1", "--agents", "ci"],
        &["set", "alone/one", "a_1"],
    ] {
        prints(&world, args);
    }
    let ci = world.key("ci");
    world.run(&format!("get token --key {ci}")).ok().prints("t_1").says("is not signed");
    world.run("check").code(9);
    let plan = world.run("upgrade --dry-run --json").ok().json()["plan"].clone();
    assert_eq!(plan["owner"], "erika");
    assert!(
        plan["agents"]
            .as_array()
            .unwrap()
            .iter()
            .all(|agent| agent["known_here"] == true && agent["left_out"].is_null())
    );
    assert!(plan["secrets"].as_array().unwrap().iter().all(|secret| secret["reencrypt"] == false));
    assert_eq!(plan["findings"].to_string(), "[]");
    world.run("upgrade --yes").ok();
    world.run("verify").ok();
    world.run("check").ok();
    for (name, value) in [("stripe/api-key", "sk_1"), ("token", "t_1")] {
        world.run(&format!("get {name} --key {ci}")).ok().prints(value).keeps_silent_about("not signed");
        assert_eq!(prints(&world, &["get", name, "--key", &ci]), value);
    }
    assert_eq!(prints(&world, &["get", "alone/one"]), "a_1");
    world.run(&format!("get alone/one --key {ci}")).fails(4);
    // The hook that it left does not hinder.
    world.set("alone/two", "a_2");
    assert_eq!(prints(&world, &["get", "alone/two"]), "a_2");
}
