//! `get`, `list` and `show`: what is told of a secret, to whom, and in which form.
#![cfg(unix)]

mod support;

use serde_json::json;
use std::os::unix::fs::{PermissionsExt, symlink};
use support::{VALUE, World};

#[test]
fn get_writes_exactly_the_value_and_nothing_else() {
    let world = World::story();
    for key in [world.owner_key().display().to_string(), world.key("ci")] {
        let done = world.run(&format!("get stripe/api-key --key {key}")).ok().prints(VALUE);
        assert!(done.err().is_empty(), "{done}");
    }
}

#[test]
fn get_to_a_file_creates_it_private_and_byte_exact() {
    let world = World::story();
    let file = world.tmp("value");
    let line = format!("get stripe/api-key -o {}", file.display());
    // The permissive umask is the caller's; the file is private all the same.
    world.line(&line).under(["bash", "-c", "umask 0; exec \"$@\"", "bash"]).run().ok().prints("");
    assert_eq!(std::fs::read(&file).unwrap(), VALUE.as_bytes());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn get_keeps_an_existing_file_unless_forced() {
    let world = World::story();
    let file = world.tmp("value");
    std::fs::write(&file, "precious").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let line = format!("get stripe/api-key -o {}", file.display());
    world.run(&line).fails(7).says("already exists").keeps_silent_about(VALUE);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    world.run(&format!("{line} --force")).ok();
    assert_eq!(std::fs::read(&file).unwrap(), VALUE.as_bytes());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600, "a replaced file is private too");
    world.run("get stripe/api-key --force").fails(2);
}

#[test]
fn b2_get_follows_no_link_when_it_writes_a_file() {
    let world = World::story();
    let target = world.tmp("target");
    let link = world.tmp("link");
    symlink(&target, &link).unwrap();
    let line = format!("get stripe/api-key -o {}", link.display());
    world.run(&line).fails(7);
    assert!(!target.exists() && link.is_symlink());
    std::fs::write(&target, "precious").unwrap();
    world.run(&line).fails(7);
    world.run(&format!("{line} --force")).ok();
    assert_eq!(std::fs::read(&target).unwrap(), b"precious", "the link is replaced, not followed");
    assert!(!link.is_symlink());
    assert_eq!(std::fs::read(&link).unwrap(), VALUE.as_bytes());
}

#[test]
fn a_file_that_get_cannot_write_leaves_nothing_half_done() {
    let world = World::story();
    std::fs::write(world.tmp("file"), "").unwrap();
    for place in ["tmp/file/below", "tmp"] {
        let done = world.call(["get", "stripe/api-key", "-o"]).arg(world.root.join(place)).run();
        assert!(matches!(done.code, Some(1 | 7)), "{done}");
        done.says("hint: ").keeps_silent_about(VALUE);
    }
    assert_eq!(world.sh("ls $TMPDIR"), "file");
}

#[test]
fn an_expired_secret_is_returned_with_one_line_of_warning() {
    let world = World::story();
    world.run("set stripe/api-key --expires 2020-01-01").ok();
    let done = world.run("get stripe/api-key").ok().prints(VALUE);
    assert_eq!(done.err(), "warning: stripe/api-key expired at 2020-01-01T00:00:00Z\n");
    assert!(world.run("--quiet get stripe/api-key").ok().prints(VALUE).err().is_empty());
}

#[test]
fn get_says_which_key_was_tried_and_which_name_was_meant() {
    let world = World::story();
    world.set("postgres/password", "p");
    let key = world.run("list-agents --json").ok().json()[0]["fingerprint"].as_str().unwrap().to_owned();
    world.run(&format!("get postgres/password --key {}", world.key("ci"))).fails(4).says(&key).says("grant");
    world.run("get stripe/api-kye").fails(3).says("did you mean \"stripe/api-key\"?");
    world.run("get nothing/like-it").fails(3).keeps_silent_about("did you mean");
}

#[test]
fn list_as_json_has_the_documented_fields() {
    let world = World::story();
    world.set("postgres/password", "p");
    world.run("set postgres/password --expires 2099-01-01 --description main").ok();
    world.run("set postgres/password --agents ci").ok();
    let list = world.run("list --json").ok().json();
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["postgres/password", "stripe/api-key"], "sorted by name");
    let row = list[0].as_object().unwrap();
    let mut fields: Vec<&str> = row.keys().map(String::as_str).collect();
    fields.sort_unstable();
    let documented =
        "agents authorized_agents created description expires exposed_to group hosts name programs revision";
    assert_eq!(fields.join(" "), format!("{documented} rotated use_only value_revision"));
    for (field, value) in [
        ("group", json!("postgres")),
        ("expires", json!("2099-01-01T00:00:00Z")),
        ("description", json!("main")),
        ("authorized_agents", json!(["ci"])),
        ("agents", json!(["ci"])),
        ("revision", json!(3)),
        ("value_revision", json!(1)),
        ("exposed_to", json!([])),
        ("use_only", json!(false)),
        ("programs", json!([])),
        ("hosts", json!([])),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    for field in ["created", "rotated"] {
        let time = row[field].as_str().unwrap();
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    }
    assert_eq!(list[1]["expires"], json!(null));
}

#[test]
fn list_names_the_keys_that_a_value_is_exposed_to() {
    let world = World::story();
    let key = world.run("list-agents --json").ok().json()[0]["fingerprint"].as_str().unwrap().to_owned();
    world.run("revoke ci stripe").ok();
    let list = world.run("list --json").ok().json();
    assert_eq!(list[0]["exposed_to"], json!([format!("ci@{key}")]));
    world.run("list").ok().shows("rotate");
    world.run("show stripe/api-key").ok().shows(&format!("due: ci@{key} could read this value"));
}

#[test]
fn the_table_aligns_shows_expiry_at_a_glance_and_has_no_colour_in_a_pipe() {
    let world = World::story();
    world.set("a/very/long/name-of-a-secret", "v");
    world.run("set a/very/long/name-of-a-secret --expires 2020-01-01").ok();
    world.run("set stripe/api-key --expires 10d").ok();
    let done = world.run("list").ok().shows("expired 2020-01-01").keeps_silent_about("\u{1b}");
    assert!(done.out().contains("in 10 days") || done.out().contains("in 9 days"), "{done}");
    let lines: Vec<&str> = done.out().lines().collect();
    let column = lines[0].find("GROUP").unwrap();
    for (line, group) in lines[1..].iter().zip(["a ", "stripe "]) {
        assert!(line[column..].starts_with(group) && line[..column].ends_with("  "), "{done}");
        assert_eq!(*line, line.trim_end(), "no spaces at the end");
    }
}

#[test]
fn list_shows_one_group_only_when_asked_and_says_when_there_is_nothing() {
    let world = World::vault();
    assert_eq!(world.run("list").ok().says("no secrets yet").out(), "");
    assert_eq!(world.run("list --json").ok().json(), json!([]));
    world.set("stripe/key", "v");
    world.set("postgres/password", "v");
    let done = world.run("list --group postgres").ok().shows("postgres/password").keeps_silent_about("stripe");
    assert_eq!(done.out().lines().count(), 2);
    assert_eq!(world.run("list --group none").ok().says("no secret in this group").out(), "");
    assert_eq!(world.run("list --group stripe --json").ok().json()[0]["name"], "stripe/key");
}

#[test]
fn list_and_show_never_tell_a_value_and_work_without_any_key() {
    let world = World::story();
    let home = world.fresh_home("reader");
    for line in ["list", "list --json", "show stripe/api-key", "show stripe/api-key --json", "list-agents", "check"] {
        world.run(line).ok().keeps_silent_about(VALUE);
        world.line(line).home(&home).run().ok().keeps_silent_about(VALUE);
    }
}

#[test]
fn list_says_the_same_after_the_cache_is_deleted() {
    let world = World::story();
    let first = world.run("list --json").ok().out;
    assert_eq!(world.run("list --json").ok().out, first);
    world.sh("rm -rf $HOME/.agent-vault/cache");
    assert_eq!(world.run("list --json").ok().out, first);
    world.sh("for f in $(find $HOME/.agent-vault/cache -type f); do echo garbage > $f; done");
    assert_eq!(world.run("list --json").ok().out, first);
}

#[test]
fn show_tells_what_is_known_of_one_secret() {
    let world = World::story();
    world.call(["set", "stripe/api-key", "--description", "live key", "--expires", "2020-01-01"]).run().ok();
    let done = world.run("show stripe/api-key").ok();
    for text in [
        "name         stripe/api-key",
        "group        stripe",
        "description  live key",
        "owners, ci",
        "(expired)",
        "3 (value 1)",
    ] {
        assert!(done.out().contains(text), "{text}\n{done}");
    }
    world.run("show stripe/api-kee").fails(3).says("did you mean");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let world = World::story();
    for command in ["list --json", "get stripe/api-key", "completions bash", "--help", "check --json"] {
        let line = format!("{} {command} 2>err | head -c 0; echo ${{PIPESTATUS[0]}}", support::PROGRAM);
        let code = world.sh(&format!("set +o pipefail; {line}"));
        assert!(["0", "141"].contains(&code.as_str()), "{command}: {code}");
        assert_eq!(std::fs::read_to_string(world.repo.join("err")).unwrap(), "", "{command}");
    }
}
