//! `trust` and `whoami`: what this machine remembers, and who it is.
#![cfg(unix)]

mod support;

use serde_json::json;
use support::{Done, World};

fn fingerprint(world: &World) -> String {
    world.run("verify --json").ok().json()["owner_fingerprint"].as_str().unwrap().to_owned()
}

fn id(world: &World) -> String {
    world.run("verify --json").ok().json()["vault"].as_str().unwrap().to_owned()
}

#[test]
fn trust_shows_every_vault_that_is_pinned_with_its_places() {
    let world = World::vault();
    let done = world.run("trust").ok();
    assert_eq!(world.run("trust show").ok().out(), done.out());
    for text in [id(&world), fingerprint(&world), world.folder().display().to_string(), "eric".into(), "root 1".into()]
    {
        assert!(done.out().contains(&text), "{text}\n{done}");
    }
    let json = world.run("trust show --json").ok().json();
    assert_eq!(
        json,
        json!([{
            "vault": id(&world),
            "owner_fingerprint": fingerprint(&world),
            "root": 1,
            "owners": ["eric"],
            "places": [world.folder()],
        }])
    );
    let home = world.fresh_home("new");
    assert_eq!(world.line("trust").home(&home).run().ok().says("no vault is known here yet").out(), "");
    assert_eq!(world.line("trust show --json").home(&home).run().ok().json(), json!([]));
}

#[test]
fn a_first_contact_is_accepted_with_one_line_that_names_the_fingerprint_and_the_variable() {
    let world = World::story();
    let fingerprint = fingerprint(&world);
    let home = world.fresh_home("new");
    let meet = |line: &str| world.line(line).home(&home).run().ok();
    let first = meet("list").says("warning: this vault is new here").says(&format!("AGENT_VAULT_OWNER={fingerprint}"));
    assert_eq!(first.err().lines().count(), 1, "{first}");
    assert!(meet("list").err().is_empty(), "the second time nothing is new");
}

#[test]
fn a_first_contact_is_refused_where_trust_is_strict() {
    let world = World::story();
    let home = world.fresh_home("new");
    let strict = |line: &str| world.line(line).home(&home).env("AGENT_VAULT_TRUST", "strict").run();
    let fingerprint = fingerprint(&world);
    let refused = strict("list").fails(5).says(&fingerprint);
    assert!(refused.out.is_empty(), "{refused}");
    assert_eq!(world.line("trust show --json").home(&home).run().ok().json(), json!([]), "nothing is remembered");
    strict("trust add").ok().shows(&format!("owner {fingerprint}"));
    strict("list").ok();
    world.line("list").env("AGENT_VAULT_TRUST", "strikt").run().fails(2).says("strict");
}

#[test]
fn a_key_made_by_add_agent_needs_no_first_contact() {
    let world = World::story();
    let home = world.fresh_home("agent");
    let key = world.key("ci");
    let call = world.line(&format!("get stripe/api-key --key {key}")).home(&home);
    let done = call.env("AGENT_VAULT_TRUST", "strict").run().ok().prints(support::VALUE);
    assert!(done.err().is_empty(), "{done}");
}

#[test]
fn an_owner_with_nothing_but_the_key_needs_no_first_contact() {
    let world = World::story();
    let raw = std::fs::read_to_string(world.owner_key()).unwrap().lines().last().unwrap().to_owned();
    let home = world.fresh_home("owner");
    let call = world.line("get stripe/api-key").home(&home).env("AGENT_VAULT_KEY", raw);
    let done = call.env("AGENT_VAULT_TRUST", "strict").run().ok();
    assert!(done.err().is_empty(), "the proof in root 1 is his\n{done}");
}

#[test]
fn an_expected_owner_is_compared_in_every_command() {
    let world = World::story();
    let fingerprint = fingerprint(&world);
    let home = world.fresh_home("new");
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let expecting = |owner: &str, line: &str| -> Done { world.line(line).env("AGENT_VAULT_OWNER", owner).run() };
    for line in ["get stripe/api-key", "list", "set a/b v", "check", "verify", "grant ci stripe", "whoami"] {
        expecting(other, line).fails(5).says(other).says(&fingerprint);
    }
    expecting(&fingerprint, "get stripe/api-key").ok().prints(support::VALUE);
    let met = world.line("list").home(&home).env("AGENT_VAULT_OWNER", &fingerprint).run().ok();
    assert!(met.err().is_empty(), "{met}");
}

#[test]
fn trust_add_expects_the_fingerprint_that_is_given() {
    let world = World::story();
    let fingerprint = fingerprint(&world);
    let home = world.fresh_home("new");
    let add = |owner: &str| world.line(&format!("trust add --owner {owner}")).home(&home).run();
    add("SHA256:wrong").fails(5);
    assert_eq!(world.line("trust show --json").home(&home).run().ok().json(), json!([]));
    let id = id(&world);
    add(&fingerprint).ok().prints(format!("trusted: vault {id}, owner {fingerprint}\n"));
    assert_eq!(world.line("trust show --json").home(&home).run().ok().json()[0]["vault"], id);
}

#[test]
fn trust_replace_takes_the_new_vault_of_a_place_only_when_told_so() {
    let world = World::story();
    let other = World::vault();
    world.sh("mv .agent-vault ../tmp/old");
    world.sh(&format!("cp -r {} .agent-vault", other.folder().display()));
    world.run("list").fails(5).says("this working copy held vault");
    world.run("trust replace").fails(12).says("--yes");
    world.run("trust replace --yes --owner SHA256:wrong").fails(5);
    world.run("list").fails(5).says("this working copy held vault");
    let theirs = fingerprint(&other);
    world.run(&format!("trust replace --yes --owner {theirs}")).ok().shows(&theirs);
    world.run("list").ok();
}

#[test]
fn trust_forget_drops_pin_places_and_marks() {
    let world = World::story();
    let id = id(&world);
    world.run("trust forget").fails(12).says("--yes");
    world.run(&format!("trust forget {id} --yes")).ok().says(&format!("forgot vault {id}"));
    assert_eq!(world.run("trust show --json").ok().json(), json!([]));
    assert!(!world.keys().join("vaults").join(&id).exists());
    assert_eq!(world.run("list --json").ok().json()[0]["name"], "stripe/api-key");
    world.run("trust forget --yes").ok();
    assert_eq!(world.run("trust show --json").ok().json(), json!([]));
    for bad in ["x", "../../..", "00000000-0000-0000-0000-00000000000"] {
        world.run(&format!("trust forget {bad} --yes")).fails(2);
    }
    assert!(world.owner_key().exists());
}

#[test]
fn whoami_tells_owner_agent_and_stranger_apart() {
    let world = World::story();
    world.set("ops/key", "v");
    world.sh("age-keygen -o ../tmp/stranger.key 2>/dev/null");
    let owner = world.run("whoami --json").ok().json();
    let agent = world.run(&format!("whoami --json --key {}", world.key("ci"))).ok().json();
    let stranger = world.run("whoami --json --key ../tmp/stranger.key").ok().json();
    assert_eq!((&owner["role"], &owner["name"]), (&json!("owner"), &json!("eric")));
    assert_eq!(owner["readable"], json!(["ops/key", "stripe/api-key"]));
    assert_eq!((&agent["role"], &agent["name"]), (&json!("agent"), &json!("ci")));
    assert_eq!(agent["readable"], json!(["stripe/api-key"]));
    assert_eq!(agent["origin"], world.key("ci"));
    assert_eq!((&stranger["role"], &stranger["name"]), (&json!("stranger"), &json!(null)));
    assert_eq!(stranger["readable"], json!([]));
    assert_eq!(owner["vault"], id(&world));
    assert_eq!(owner["owner_fingerprint"], fingerprint(&world));
    let text = world.run(&format!("whoami --key {}", world.key("ci"))).ok().keeps_silent_about("AGE-SECRET-KEY");
    assert!(text.out().starts_with("agent ci\nkey "), "{text}");
    assert!(text.out().ends_with("can read 1 secret\n  stripe/api-key\n"), "{text}");
}
