//! Threats A1 and A2: somebody without keys edits public keys, or the policy.
#![cfg(unix)]

mod support;

use serde_json::Value;
use support::{Attacker, VALUE, World};

/// Every writing command, each of which must refuse.
const WRITES: [&str; 8] = [
    "set stripe/api-key new",
    "set stripe/api-key --group other",
    "grant ci stripe",
    "revoke ci stripe",
    "add-agent another",
    "remove-agent ci",
    "recover-agent ci",
    "rm stripe/api-key --yes",
];

/// Every write is refused as tampering and changes nothing; `check` and `verify` report it, naming `file`.
#[track_caller]
fn is_refused_and_reported(world: &World, file: &str) {
    let before = world.state();
    for line in WRITES {
        world.run(line).fails(5).says(file);
    }
    assert_eq!(world.state(), before);
    let report = world.run("check --json").code(9).json();
    let found = report["findings"].as_array().unwrap();
    let named = |finding: &&Value| {
        finding["severity"] == "error" && finding["subject"].as_str().is_some_and(|subject| subject.ends_with(file))
    };
    assert!(found.iter().any(|finding| named(&finding)), "{file}: {report}");
    world.run("verify").fails(5).says(file);
}

#[test]
fn a1_a_swapped_public_key_is_refused_at_the_next_write_and_reported_by_check() {
    for file in ["agents/ci/public.key", "owner.pub"] {
        for committed in [false, true] {
            let world = World::story();
            let attacker = Attacker::new(&world);
            world.plant(file, format!("{}\n", attacker.recipient));
            if committed {
                attacker.commit();
            }
            is_refused_and_reported(&world, file);
            let opened = world.age_opens(&world.file("secrets/stripe/api-key.enc"), &attacker.key());
            assert_eq!(opened, None, "nobody new can read anything");
        }
    }
}

#[test]
fn a1_a_public_key_beside_the_right_one_is_refused_too() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let genuine = world.text("agents/ci/public.key");
    world.plant("agents/ci/public.key", format!("{genuine}{}\n", attacker.recipient));
    is_refused_and_reported(&world, "agents/ci/public.key");
}

#[test]
fn a1_a_clone_made_after_the_swap_refuses_it_as_well() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    world.plant("agents/ci/public.key", format!("{}\n", attacker.recipient));
    attacker.commit();
    world.git("clone -q . ../clone");
    let clone = || world.root.join("clone");
    world.line("set stripe/api-key new").dir(clone()).run().fails(5);
    world.line("check").dir(clone()).run().code(9).shows("public.key");
}

/// The manifest with one text replaced.
fn edited(world: &World, from: &str, to: &str) -> String {
    let manifest = world.text("manifest.yaml");
    assert!(manifest.contains(from), "{from}\n{manifest}");
    manifest.replace(from, to)
}

/// The ways in which the policy is bent.
fn bent(world: &World, attacker: &Attacker<'_>) -> Vec<(&'static str, String)> {
    let key = &attacker.recipient;
    let owner = world.text("owner.pub");
    let agent =
        format!("agents:\n  - {{name: a, public_key: {key}, groups: [stripe], created: 2026-01-01T00:00:00Z}}\n");
    let serial = world.text("manifest.yaml").lines().find(|line| line.starts_with("serial: ")).unwrap().to_owned();
    let number: u64 = serial.trim_start_matches("serial: ").parse().unwrap();
    vec![
        ("an agent more", edited(world, "agents:\n", &agent)),
        ("the agent's key exchanged", edited(world, world.text("agents/ci/public.key").trim(), key)),
        ("a group more", edited(world, "groups: [stripe]", "groups: [ops, stripe]")),
        ("the owner exchanged", edited(world, owner.trim(), key)),
        ("a larger limit", edited(world, "max_secret_size: 1048576", "max_secret_size: 16777216")),
        ("the serial raised", edited(world, &serial, &format!("serial: {}", number + 1))),
        ("the serial lowered", edited(world, &serial, &format!("serial: {}", number - 1))),
        ("the serial at its end", edited(world, &serial, "serial: 18446744073709551615")),
        ("another version", edited(world, "version: 1\n", "version: 99\n")),
        ("another root", edited(world, "root: 1\n", "root: 2\n")),
        ("nothing at all", String::new()),
    ]
}

#[test]
fn a2_an_edited_manifest_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let genuine = world.text("manifest.yaml");
    for (what, manifest) in bent(&world, &attacker) {
        println!("{what}");
        world.plant("manifest.yaml", manifest);
        is_refused_and_reported(&world, "manifest.yaml");
        world.run("list-agents").fails(5).says("manifest.yaml").prints("");
        world.run("list-agents --json").fails(5).prints("");
    }
    world.plant("manifest.yaml", genuine);
    world.run("check").ok();
}

#[test]
fn a2_a_manifest_signed_by_the_attacker_is_refused_by_the_signers_name() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let fingerprint = world.sh("ssh-keygen -l -f ../attacker/sign.pub | cut -d' ' -f2");
    for (what, manifest) in bent(&world, &attacker) {
        println!("{what}");
        world.plant("manifest.sig", attacker.sign("agent-vault.manifest", &manifest));
        world.plant("manifest.yaml", &manifest);
        world.run("list-agents").fails(5);
        world.run("grant ci stripe").fails(5);
        world.run("check").code(9);
    }
    let done = world.run("list-agents").fails(5);
    assert!(done.err().contains(&fingerprint) || done.err().contains("SSH signature"), "{done}");
    // Readers do not depend on the manifest: the value is still the genuine one.
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).ok().prints(VALUE);
}

#[test]
fn a2_a_manifest_without_signature_or_with_one_for_another_purpose_is_refused() {
    let world = World::story();
    let genuine = (world.text("manifest.yaml"), world.text("manifest.sig"));
    let root_sig = world.text("roots/1.sig");
    for signature in ["", "garbage", &root_sig, &format!("{0}{0}", genuine.1), &format!("{}x", genuine.1)] {
        world.plant("manifest.sig", signature);
        world.run("list-agents").fails(5);
        world.run("grant ci stripe").fails(5);
        world.run("check").code(9);
    }
    // What the owner did sign: a commit. Its text and signature make no manifest.
    let commit = world.git("cat-file commit HEAD");
    let armored: String = commit
        .lines()
        .skip_while(|line| !line.starts_with("gpgsig "))
        .map(|line| line.trim_start_matches("gpgsig ").trim_start())
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    let signed: String = world.sh("git cat-file commit HEAD | sed '/^gpgsig /,/END SSH SIGNATURE/d'") + "\n";
    world.plant("manifest.sig", &armored);
    world.plant("manifest.yaml", signed);
    world.run("list-agents").fails(5).says("not made for agent-vault.manifest");
    // And what the root's signature covers is no manifest either.
    world.plant("manifest.sig", root_sig);
    world.plant("manifest.yaml", world.text("roots/1.yaml"));
    world.run("list-agents").fails(5).says("not made for agent-vault.manifest");
    world.plant("manifest.yaml", genuine.0);
    world.plant("manifest.sig", genuine.1);
    world.run("check").ok();
}

#[test]
fn a2_the_manifest_of_another_vault_of_the_same_owner_is_refused() {
    let world = World::story();
    world.run("init other").ok();
    world.sh("cp other/.agent-vault/manifest.* .agent-vault/");
    world.run("list-agents").fails(5);
    world.run("grant ci stripe").fails(5);
    world.run("check").code(9);
}

#[test]
fn a2_an_older_manifest_with_its_genuine_signature_is_a_rollback_where_the_newer_was_seen() {
    let world = World::story();
    world.sh("cp .agent-vault/manifest.* ../tmp/");
    world.run("revoke ci stripe").ok();
    world.sh("cp ../tmp/manifest.* .agent-vault/");
    let before = world.state();
    for line in ["list-agents", "set stripe/api-key new", "grant ci stripe", "add-agent x"] {
        world.run(line).fails(5).says("an older state was put back");
    }
    world.run("check").code(9).shows("error [rollback]");
    assert_eq!(world.state(), before);
    let opened = world.age_opens(&world.file("secrets/stripe/api-key.enc"), world.key("ci").as_ref());
    assert_eq!(opened, None, "the revoked agent got nothing back");
}
