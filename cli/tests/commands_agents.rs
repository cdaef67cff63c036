//! `add-agent`, `remove-agent`, `list-agents`.
#![cfg(unix)]

mod support;

use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use support::World;

#[test]
fn add_agent_makes_a_private_key_and_says_what_to_do_with_it() {
    let world = World::vault();
    let done = world.run("add-agent ci").ok();
    for text in ["~/.agent-vault/agents/ci.key", "escrow", "scp ", "AGENT_VAULT_KEY", "agent-vault grant ci GROUP"] {
        assert!(done.err().contains(text), "{text}\n{done}");
    }
    let key = std::fs::read_to_string(world.key("ci")).unwrap();
    let secret = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    done.keeps_silent_about(secret);
    assert_eq!(std::fs::metadata(world.key("ci")).unwrap().permissions().mode() & 0o7777, 0o600);
    let public = world.text("agents/ci/public.key");
    assert_eq!(world.sh(&format!("age-keygen -y {}", world.key("ci"))), public.trim(), "stock age reads the file");
    let vault = world.run("whoami --json").ok().json();
    assert!(key.contains(&format!("# vault: {}\n", vault["vault"].as_str().unwrap())), "{key}");
    assert!(key.contains(&format!("# owner: {}\n", vault["owner_fingerprint"].as_str().unwrap())));
}

#[test]
fn add_agent_as_json_says_where_the_key_is_and_never_what() {
    let world = World::vault();
    let added = world.run("add-agent ci --json").ok().keeps_silent_about("AGE-SECRET-KEY").json();
    assert_eq!(added["name"], "ci");
    assert_eq!(added["key_file"], world.key("ci"));
    assert_eq!(added["public_key"].as_str().unwrap(), world.text("agents/ci/public.key").trim());
    assert!(added["owner_fingerprint"].as_str().unwrap().starts_with("SHA256:"));
}

#[test]
fn an_agent_with_an_age_key_of_its_own_has_no_escrow_and_is_told_so() {
    let world = World::vault();
    world.sh("age-keygen -o ../tmp/mine.key 2>/dev/null");
    let public = world.sh("age-keygen -y ../tmp/mine.key");
    let done = world.run(&format!("add-agent laptop --public-key {public}")).ok();
    for text in ["keeps its own private key", "no copy in escrow", "AGENT_VAULT_OWNER=SHA256:"] {
        assert!(done.err().contains(text), "{text}\n{done}");
    }
    assert!(!world.file("agents/laptop/private.key.escrow").exists());
    assert!(!world.keys().join("agents").exists(), "no key is written");
    world.set("a/b", "value");
    world.run("grant laptop a").ok();
    world.run("get a/b --key ../tmp/mine.key").ok().prints("value");
    assert_eq!(world.run("list-agents --json").ok().json()[0]["escrow"], false);
    world.run("restore-agent laptop --to ../tmp/x").fails(3).says("escrow");
}

#[test]
fn ssh_keys_of_both_kinds_can_be_agents() {
    let world = World::vault();
    world.set("a/b", "value");
    for (kind, options) in [("ed25519", ""), ("rsa", "-b 2048")] {
        world.sh(&format!("ssh-keygen -q -t {kind} {options} -N '' -C me@host -f ../tmp/{kind}"));
        let public = std::fs::read_to_string(world.tmp(&format!("{kind}.pub"))).unwrap();
        world.call(["add-agent", kind, "--public-key", &public]).run().ok();
        world.run(&format!("grant {kind} a")).ok();
        world.run(&format!("get a/b --key ../tmp/{kind}")).ok().prints("value");
        let opened = world.age_opens(&world.file("secrets/a/b.enc"), &world.tmp(kind));
        assert_eq!(opened.as_deref(), Some(&b"value"[..]), "stock age opens it too");
    }
    let list = world.run("list-agents --json").ok().json();
    assert!(!list[0]["public_key"].as_str().unwrap().contains("me@host"), "the comment is not part of a key");
}

#[test]
fn keys_that_are_none_or_private_or_of_another_kind_are_refused() {
    let world = World::vault();
    world.sh("ssh-keygen -q -t ecdsa -N '' -f ../tmp/ecdsa; ssh-keygen -q -t ed25519 -N '' -f ../tmp/ed");
    let private_ssh = std::fs::read_to_string(world.tmp("ed")).unwrap();
    let private_age = std::fs::read_to_string(world.owner_key()).unwrap();
    let private_line = private_age.lines().last().unwrap().to_owned();
    let ecdsa = std::fs::read_to_string(world.tmp("ecdsa.pub")).unwrap();
    let before = world.state();
    for public in ["", "age1abc", "hello", "ssh-ed25519", "ssh-ed25519 AAAA", "\u{1b}[31mage1", &ecdsa] {
        world.call(["add-agent", "ci", "--public-key", public]).run().fails(2).says("not a public key");
    }
    for private in [&private_ssh, &private_age, &private_line] {
        let done = world.call(["add-agent", "ci", "--public-key", private]).run().fails(2).says("private key");
        done.keeps_silent_about(&private_line).keeps_silent_about("b3BlbnNzaC1rZXktdjE");
    }
    assert_eq!(world.state(), before);
}

#[test]
fn a_name_or_a_key_that_is_taken_is_a_conflict() {
    let world = World::vault();
    world.run("add-agent ci").ok();
    let key = std::fs::read(world.key("ci")).unwrap();
    let before = world.state();
    for name in ["ci", "CI", "Ci"] {
        world.run(&format!("add-agent {name}")).fails(7).says("already exists");
    }
    let public = world.text("agents/ci/public.key");
    world.call(["add-agent", "twin", "--public-key", public.trim()]).run().fails(7).says("it is ci's");
    let owner = world.text("owner.pub");
    world.call(["add-agent", "boss", "--public-key", owner.trim()]).run().fails(7).says("it is eric's");
    assert_eq!(world.state(), before);
    assert_eq!(std::fs::read(world.key("ci")).unwrap(), key);
}

#[test]
fn list_agents_as_json_has_the_documented_fields() {
    let world = World::story();
    world.run("add-agent zoe").ok();
    world.run("grant ci postgres --create").ok();
    let list = world.run("list-agents --json").ok().json();
    let fields: Vec<&String> = list[0].as_object().unwrap().keys().collect();
    for documented in ["name", "groups", "public_key", "fingerprint"] {
        assert!(fields.iter().any(|field| *field == documented), "{documented}");
    }
    assert_eq!(list[0]["name"], "ci");
    assert_eq!(list[0]["groups"], json!(["postgres", "stripe"]));
    assert_eq!(list[1]["groups"], json!([]));
    let public = list[0]["public_key"].as_str().unwrap();
    let stock = world.sh(&format!("printf %s {public} | sha256sum | cut -c-16"));
    assert_eq!(list[0]["fingerprint"], stock, "the fingerprint is the one that metadata names");
}

#[test]
fn list_agents_prints_an_aligned_table_or_says_that_there_are_none() {
    let world = World::vault();
    assert_eq!(world.run("list-agents").ok().says("no agents yet").out(), "");
    assert_eq!(world.run("list-agents --json").ok().json(), json!([]));
    world.run("add-agent ci").ok();
    world.run("add-agent a-much-longer-name").ok();
    let done = world.run("list-agents").ok();
    let lines: Vec<&str> = done.out().lines().collect();
    assert_eq!(lines.len(), 3, "{done}");
    let column = lines[0].find("KEY").unwrap();
    assert!(lines.iter().all(|line| line[..column].ends_with("  ")), "{done}");
}

#[test]
fn remove_agent_takes_every_access_and_warns_of_what_stays() {
    let world = World::story();
    world.set("other/secret", "v");
    world.run("set other/secret --agents ci").ok();
    let planned = world.run("remove-agent ci --dry-run").ok().says("would remove").says("2 secrets");
    assert!(!planned.err().contains("marked for rotation"), "{planned}");
    assert_eq!(world.run("list-agents --json").ok().json()[0]["name"], "ci");
    let done = world.run("remove-agent ci").ok().says("removed agent ci").says("2 secrets marked for rotation");
    assert!(done.err().contains("history and copies stay readable"), "{done}");
    assert_eq!(world.run("list-agents --json").ok().json(), json!([]));
    assert!(!world.file("agents").exists());
    for path in ["stripe/api-key", "other/secret"] {
        world.run(&format!("get {path} --key {}", world.key("ci"))).fails(4);
        assert_eq!(world.run(&format!("show {path} --json")).ok().json()["agents"], json!([]));
    }
    world.run("remove-agent ci").fails(3);
}

#[test]
fn remove_agent_as_json_says_who_loses_what() {
    let world = World::story();
    let before = world.state();
    let change = world.run("remove-agent ci --dry-run --json").ok().json();
    assert_eq!(change["commit"], json!(null));
    assert_eq!(change["loses"][0]["secret"], "stripe/api-key");
    assert!(change["loses"][0]["keys"][0].as_str().unwrap().starts_with("ci@"));
    assert_eq!(world.state(), before);
    let change = world.run("remove-agent ci --json").ok().json();
    assert_eq!(change["commit"], world.git("rev-parse HEAD"));
}

#[test]
fn agents_that_do_not_exist_are_said_to_be_unknown_with_the_nearest_name() {
    let world = World::story();
    let before = world.state();
    for line in
        ["remove-agent cu", "recover-agent cu", "grant cu stripe", "revoke cu stripe", "restore-agent cu --to x"]
    {
        world.run(line).fails(3).says("no agent \"cu\"; did you mean \"ci\"?");
    }
    assert_eq!(world.state(), before);
}

#[test]
fn only_owners_change_agents() {
    let world = World::story();
    let before = world.state();
    for line in ["add-agent x", "remove-agent ci", "recover-agent ci", "grant ci stripe", "revoke ci stripe"] {
        world.run(&format!("{line} --key {}", world.key("ci"))).fails(4).says("only an owner");
    }
    assert_eq!(world.state(), before);
}
