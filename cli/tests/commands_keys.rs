//! Keys: `recover-agent`, `restore-agent`, and the sources that an identity is taken from.
#![cfg(unix)]

mod support;

use std::os::unix::fs::PermissionsExt;
use support::{VALUE, World};

#[test]
fn recover_agent_makes_a_new_key_and_takes_every_access_from_the_old_one() {
    let world = World::story();
    let old = world.run("list-agents --json").ok().json()[0]["fingerprint"].as_str().unwrap().to_owned();
    let done = world.run("recover-agent ci").ok().says("agent ci has a new key").says("1 secret marked for rotation");
    let list = world.run("list-agents --json").ok().json();
    let new = list[0]["fingerprint"].as_str().unwrap();
    assert_ne!(new, old);
    assert_eq!(list[0]["groups"], serde_json::json!(["stripe"]));
    let file = format!("{}/agents/ci-{}.key", world.keys().display(), &new[..8]);
    assert!(done.err().contains(&format!("ci-{}.key", &new[..8])), "{done}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    world.run(&format!("get stripe/api-key --key {file}")).ok().prints(VALUE);
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).fails(4);
    let exposed = world.run("show stripe/api-key --json").ok().json()["exposed_to"].clone();
    assert_eq!(exposed, serde_json::json!([format!("ci@{old}")]));
    world.run("check").ok();
}

#[test]
fn restore_agent_writes_the_original_key_private_and_only_once() {
    let world = World::story();
    let original = std::fs::read(world.key("ci")).unwrap();
    std::fs::remove_file(world.key("ci")).unwrap();
    let file = world.tmp("ci.key");
    let line = format!("restore-agent ci --to {}", file.display());
    world.line(&line).under(["bash", "-c", "umask 0; exec \"$@\"", "bash"]).run().ok();
    assert_eq!(std::fs::read(&file).unwrap(), original);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    std::fs::write(&file, "precious").unwrap();
    world.run(&line).fails(7).says("already exists");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    world.run(&format!("{line} --force")).ok();
    assert_eq!(std::fs::read(&file).unwrap(), original);
    world.run(&format!("get stripe/api-key --key {}", file.display())).ok().prints(VALUE);
}

#[test]
fn b2_restore_agent_follows_no_link() {
    let world = World::story();
    let (target, link) = (world.tmp("target"), world.tmp("link"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let line = format!("restore-agent ci --to {}", link.display());
    world.run(&line).fails(7);
    assert!(!target.exists());
    std::fs::write(&target, "precious").unwrap();
    world.run(&format!("{line} --force")).ok();
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    assert!(!link.is_symlink());
}

#[test]
fn restore_agent_is_for_owners() {
    let world = World::story();
    let file = world.tmp("x");
    let line = format!("restore-agent ci --to {} --key {}", file.display(), world.key("ci"));
    world.run(&line).fails(4).says("only an owner");
    assert!(!file.exists());
}

#[test]
fn c6_recover_agent_without_the_owner_key_changes_nothing() {
    let world = World::story();
    std::fs::rename(world.owner_key(), world.tmp("owner.key")).unwrap();
    let before = world.state();
    world.run("recover-agent ci").fails(6);
    world.run(&format!("recover-agent ci --key {}", world.key("ci"))).fails(4);
    world.sh("age-keygen -o ../tmp/stranger.key 2>/dev/null");
    world.run("recover-agent ci --key ../tmp/stranger.key").fails(4);
    assert_eq!(world.state(), before);
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).ok().prints(VALUE);
}

#[test]
fn a_key_comes_from_the_flag_then_from_the_variable_then_from_the_home() {
    let world = World::story();
    let origin = |call: support::Call<'_>| {
        let who = call.run().ok().json();
        (who["role"].as_str().unwrap().to_owned(), who["origin"].as_str().unwrap().to_owned())
    };
    let (ci, owner) = (world.key("ci"), world.owner_key().display().to_string());
    assert_eq!(origin(world.line("whoami --json")), ("owner".into(), owner.clone()));
    let with_variable = || world.line("whoami --json").env("AGENT_VAULT_KEY", &ci);
    assert_eq!(origin(with_variable()), ("agent".into(), ci.clone()));
    assert_eq!(origin(with_variable().arg("--key").arg(&owner)), ("owner".into(), owner));
}

#[test]
fn the_variable_takes_a_path_a_raw_key_or_a_key_files_text() {
    let world = World::story();
    let text = std::fs::read_to_string(world.key("ci")).unwrap();
    let raw = text.lines().last().unwrap();
    assert!(raw.starts_with("AGE-SECRET-KEY-1"));
    let home = world.fresh_home("container");
    for value in [world.key("ci").as_str(), raw, &format!("{raw}\n"), &text] {
        let call = world.line("get stripe/api-key").home(&home).env("AGENT_VAULT_KEY", value);
        call.run().ok().prints(VALUE).keeps_silent_about(raw);
    }
    assert!(std::fs::read_dir(&home).unwrap().count() <= 1);
}

#[test]
fn c5_a_raw_key_never_reaches_the_disk() {
    let world = World::story();
    let raw = std::fs::read_to_string(world.key("ci")).unwrap().lines().last().unwrap().to_owned();
    let owner = std::fs::read_to_string(world.owner_key()).unwrap().lines().last().unwrap().to_owned();
    std::fs::remove_dir_all(world.keys().join("agents")).unwrap();
    std::fs::remove_file(world.owner_key()).unwrap();
    let home = world.fresh_home("container");
    let with = |key: &str, line: &str| world.line(line).home(&home).env("AGENT_VAULT_KEY", key).run();
    with(&raw, "get stripe/api-key").ok().prints(VALUE);
    with(&raw, "whoami").ok();
    with(&raw, "list").ok();
    with(&raw, "set a/b v").fails(4);
    with(&owner, "get stripe/api-key").ok().prints(VALUE);
    with(&owner, "set a/b v").ok();
    with(&owner, "add-agent two").ok();
    with(&owner, "grant two a").ok();
    with(&owner, "revoke ci stripe").ok();
    with(&owner, "check").ok();
    for key in [raw, owner] {
        assert_eq!(world.places_of(&key), Vec::<String>::new());
    }
}

#[test]
fn an_ssh_key_in_the_variable_is_a_key_too() {
    let world = World::story();
    world.sh("ssh-keygen -q -t ed25519 -N '' -f ../tmp/ssh");
    let public = std::fs::read_to_string(world.tmp("ssh.pub")).unwrap();
    world.call(["add-agent", "laptop", "--public-key", &public]).run().ok();
    world.run("grant laptop stripe").ok();
    let text = std::fs::read_to_string(world.tmp("ssh")).unwrap();
    world.line("get stripe/api-key").env("AGENT_VAULT_KEY", &text).run().ok().prints(VALUE);
}

#[test]
fn a_source_that_is_named_but_unusable_is_an_error_and_never_a_fall_through() {
    let world = World::story();
    std::fs::write(world.tmp("empty"), "").unwrap();
    std::fs::write(world.tmp("garbage"), b"\xff\x00garbage").unwrap();
    std::fs::write(world.tmp("comment"), "# only a comment\n").unwrap();
    std::fs::File::create(world.tmp("huge")).unwrap().set_len(1 << 30).unwrap();
    let at = |name: &str| world.tmp(name).display().to_string();
    for name in ["missing", "empty", "garbage", "comment", "huge", "."] {
        let line = format!("get stripe/api-key --key {}", at(name));
        world.line(&line).with_memory(256).run().fails(6).says("cannot be used").keeps_silent_about(VALUE);
        world.line("get stripe/api-key").env("AGENT_VAULT_KEY", at(name)).run().fails(6).prints("");
    }
    for value in
        ["", "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQ", "\n", "-----BEGIN OPENSSH PRIVATE KEY-----\n"]
    {
        let call = world.line("get stripe/api-key").env("AGENT_VAULT_KEY", value);
        call.run().fails(6).prints("").says("AGENT_VAULT_KEY").keeps_silent_about("QQQQ");
    }
    // Also where no key would have been needed.
    world.run(&format!("list --key {}", at("missing"))).fails(6);
}

#[test]
fn without_any_key_the_error_names_every_place_that_was_looked_at() {
    let world = World::story();
    let home = world.fresh_home("empty");
    let done = world.line("get stripe/api-key").home(&home).run().fails(6);
    for text in ["--key", "AGENT_VAULT_KEY", "owner.key"] {
        assert!(done.err().contains(text), "{text}\n{done}");
    }
}

#[test]
fn c5_a_private_key_given_in_place_of_a_name_or_file_is_not_repeated() {
    let world = World::story();
    let raw = std::fs::read_to_string(world.key("ci")).unwrap().lines().last().unwrap().to_owned();
    world.sh("ssh-keygen -q -t ed25519 -N '' -f ../tmp/ssh");
    let ssh = std::fs::read_to_string(world.tmp("ssh")).unwrap();
    let body = ssh.lines().nth(2).unwrap();
    for key in [raw.as_str(), &raw.to_lowercase(), &ssh] {
        let calls: [&[&str]; 9] = [
            &["get", "stripe/api-key", "--key", key],
            &["get", key],
            &["--key", key, "list"],
            &["-C", key, "list"],
            &["add-agent", key],
            &["add-agent", "x", "--public-key", key],
            &["grant", key, "stripe"],
            &["restore-agent", "ci", "--to", "/nonexistent/x", key],
            &[key],
        ];
        for args in calls {
            let done = world.call(args).run();
            assert_ne!(done.code, Some(0), "{done}");
            done.keeps_silent_about(&key[20..60]).keeps_silent_about(body).says("hint: ");
        }
    }
}
