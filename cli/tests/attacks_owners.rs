//! Threat A7: another owner, another vault, no signatures at all, and the files that repeat what is signed.
#![cfg(unix)]

mod support;

use serde_json::Value;
use support::{Attacker, VALUE, World};

const LOOKS: [&str; 9] = [
    "get stripe/api-key",
    "list",
    "show stripe/api-key",
    "list-agents",
    "verify",
    "set a/b v",
    "grant ci stripe",
    "check",
    "whoami",
];

/// A root 2 that names the attacker as owner, beside or in place of the true one, signed by the attacker.
fn second_root(world: &World, attacker: &Attacker<'_>, keep_owner: bool) -> (String, String) {
    let digest = world.sh("sha256sum .agent-vault/roots/1.yaml | cut -d' ' -f1");
    let owner = world.text("roots/1.yaml").lines().last().unwrap().to_owned();
    let kept = if keep_owner { format!("{owner}\n") } else { String::new() };
    let root = format!(
        "version: 1\nroot: 2\nprevious: \"sha256:{digest}\"\nowners:\n{kept}  - {{name: mallory, public_key: {}, signing_key: \"{}\"}}\n",
        attacker.recipient, attacker.signing
    );
    let signature = attacker.sign("agent-vault.root", &root);
    (root, signature)
}

#[test]
fn a7_a_new_owner_in_a_root_signed_by_that_owner_is_refused() {
    for keep_owner in [true, false] {
        let world = World::story();
        let attacker = Attacker::new(&world);
        let (root, signature) = second_root(&world, &attacker, keep_owner);
        world.plant("roots/2.yaml", root);
        world.plant("roots/2.sig", signature);
        attacker.commit();
        let before = world.state();
        for line in LOOKS {
            world.run(line).fails(5).says("roots/2.yaml").keeps_silent_about(VALUE);
        }
        assert_eq!(world.state(), before);
        let fresh = world.fresh_home("fresh");
        world.line("list").home(&fresh).run().fails(5).says("roots/2.yaml");
        let key = world.key("ci");
        world.line("get stripe/api-key").home(&fresh).env("AGENT_VAULT_KEY", key).run().fails(5);
    }
}

#[test]
fn a7_a_root_without_signature_or_with_the_signature_of_another_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let (root, _) = second_root(&world, &attacker, true);
    world.plant("roots/2.yaml", &root);
    world.run("list").fails(5).says("its signature is missing");
    world.plant("roots/2.sig", world.text("roots/1.sig"));
    world.run("list").fails(5).says("it was altered");
    // Root 1 again, under a number that is not its own: genuine bytes, genuine signature.
    world.plant("roots/2.yaml", world.text("roots/1.yaml"));
    world.run("list").fails(5);
}

#[test]
fn a7_an_edited_root_1_is_another_vault_and_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let genuine = world.text("roots/1.yaml");
    let edited = genuine.replace(world.text("owner.pub").trim(), &attacker.recipient);
    assert_ne!(edited, genuine);
    world.plant("roots/1.yaml", &edited);
    for line in LOOKS {
        world.run(line).fails(5).keeps_silent_about(VALUE);
    }
    // Signed by its own new key, as anybody can.
    let own =
        edited.replace(genuine.split("signing_key: \"").nth(1).unwrap().split('"').next().unwrap(), &attacker.signing);
    world.plant("roots/1.sig", attacker.sign("agent-vault.root", &own));
    world.plant("roots/1.yaml", own);
    for line in LOOKS {
        world.run(line).fails(5).keeps_silent_about(VALUE);
    }
}

/// The attacker's own vault, with a value for the victim's keys, in place of the true one.
fn replaced(world: &World) -> World {
    let theirs = World::vault();
    let agent = world.text("agents/ci/public.key");
    theirs.call(["add-agent", "ci", "--public-key", agent.trim()]).run().ok();
    theirs.set("stripe/api-key", "forged");
    theirs.run("grant ci stripe").ok();
    world.sh("rm -rf .agent-vault");
    world.sh(&format!("cp -r {} .agent-vault; git add -A -f; git commit -qm tidy", theirs.folder().display()));
    theirs
}

#[test]
fn a7_a_whole_vault_in_place_of_the_known_one_is_refused() {
    let world = World::story();
    let fingerprint = world.run("verify --json").ok().json()["owner_fingerprint"].as_str().unwrap().to_owned();
    replaced(&world);
    for line in LOOKS {
        world.run(line).fails(5).says("this working copy held vault").keeps_silent_about("forged");
    }
    // On a machine that has never seen the place, the agent's key knows which vault it was made for.
    let agent = world.fresh_home("agent");
    let key = world.key("ci");
    let text = std::fs::read_to_string(&key).unwrap();
    for key in [&key, &text] {
        let call = world.line("get stripe/api-key").home(&agent).env("AGENT_VAULT_KEY", key);
        call.run().fails(5).says("your key was made for vault").prints("").keeps_silent_about("forged");
    }
    // And a raw key with the owner's fingerprint beside it.
    let raw = text.lines().last().unwrap();
    let call = world.line("get stripe/api-key").home(&agent).env("AGENT_VAULT_KEY", raw);
    call.env("AGENT_VAULT_OWNER", &fingerprint).run().fails(5).says(&fingerprint).prints("");
    let call = world.line("get stripe/api-key").home(&agent).env("AGENT_VAULT_KEY", raw);
    call.env("AGENT_VAULT_TRUST", "strict").run().fails(5).says("unknown here").prints("");
}

#[test]
fn a7_where_nothing_is_known_the_replaced_vault_is_announced_as_new() {
    let world = World::story();
    let theirs = replaced(&world);
    let fingerprint = theirs.run("verify --json").ok().json()["owner_fingerprint"].as_str().unwrap().to_owned();
    let raw = std::fs::read_to_string(world.key("ci")).unwrap().lines().last().unwrap().to_owned();
    let nowhere = world.fresh_home("nowhere");
    let call = world.line("get stripe/api-key").home(&nowhere).env("AGENT_VAULT_KEY", raw);
    call.run().ok().says("this vault is new here").says(&fingerprint);
}

#[test]
fn a7_a_vault_that_claims_the_victim_as_its_owner_is_refused_by_the_owners_key() {
    // The attacker's root 1 names the victim's public key and copies the victim's proof, with a signing key of its own.
    let world = World::story();
    let attacker = Attacker::new(&world);
    let genuine = world.text("roots/1.yaml");
    let key = genuine.split("signing_key: \"").nth(1).unwrap().split('"').next().unwrap();
    let claimed = genuine.replace(key, &attacker.signing);
    let without_proof = claimed.split(", proof: ").next().unwrap().to_owned() + "}\n";
    for root in [claimed, without_proof] {
        let theirs = World::repository();
        theirs.plant("roots/1.yaml", &root);
        theirs.plant("roots/1.sig", attacker.sign("agent-vault.root", &root));
        let owner = theirs.fresh_home("owner");
        std::fs::create_dir(owner.join(".agent-vault")).unwrap();
        std::fs::copy(world.owner_key(), owner.join(".agent-vault/owner.key")).unwrap();
        for line in ["list", "get stripe/api-key", "set a/b v"] {
            theirs.line(line).home(&owner).run().fails(5).says("the proof");
        }
    }
}

#[test]
fn a7_a_copied_proof_makes_no_vault_known_that_somebody_else_signed() {
    // Two owners, the true one first and with the genuine proof, and signed by the second.
    let world = World::story();
    let attacker = Attacker::new(&world);
    let second =
        format!("  - {{name: mallory, public_key: {}, signing_key: \"{}\"}}\n", attacker.recipient, attacker.signing);
    let root = world.text("roots/1.yaml") + &second;
    let theirs = World::repository();
    theirs.plant("roots/1.yaml", &root);
    theirs.plant("roots/1.sig", attacker.sign("agent-vault.root", &root));
    let owner = theirs.fresh_home("owner");
    std::fs::create_dir(owner.join(".agent-vault")).unwrap();
    std::fs::copy(world.owner_key(), owner.join(".agent-vault/owner.key")).unwrap();
    theirs.line("list").home(&owner).env("AGENT_VAULT_TRUST", "strict").run().fails(5).says("unknown here");
    let fingerprint = theirs.sh(&format!("ssh-keygen -l -f {}.pub | cut -d' ' -f2", attacker.signing_key().display()));
    theirs.line("list").home(&owner).run().ok().says("this vault is new here").says(&fingerprint);
}

#[test]
fn a7_a_vault_stripped_of_its_signatures_is_refused_wherever_it_is_known() {
    let world = World::story();
    let strip =
        "rm -rf .agent-vault/roots .agent-vault/manifest.sig; sed -i /^signature:/d .agent-vault/secrets/*/*.meta";
    world.sh(strip);
    for line in LOOKS {
        world.run(line).fails(5).keeps_silent_about(VALUE);
    }
    let fresh = world.fresh_home("fresh");
    let key = world.key("ci");
    world.line("get stripe/api-key").home(&fresh).env("AGENT_VAULT_KEY", key).run().fails(5).prints("");
    world.line("list").home(&fresh).env("AGENT_VAULT_OWNER", "SHA256:x").run().fails(5);
    // Where nothing is known, what is left of the signatures tells.
    world.line("list").home(&fresh).run().fails(5).says("it was signed");
}

#[test]
fn a7_only_some_signatures_taken_away_are_missed_everywhere() {
    for script in [
        "rm .agent-vault/roots/1.sig",
        "rm .agent-vault/manifest.sig",
        "sed -i /^signature:/d .agent-vault/secrets/stripe/api-key.meta",
        "rm .agent-vault/roots/1.*",
    ] {
        let world = World::story();
        world.sh(script);
        let check = world.run("check").run_code();
        assert!(matches!(check, 5 | 9), "{script}: {check}");
        world.run("verify").fails(5);
        // Pushed, as it would be: no commit of an owner's is built on it.
        world.sh("git add -A -f; git commit -qm tidy");
        world.run("remove-agent ci").fails(5);
    }
}

#[test]
fn a7_files_that_repeat_what_is_signed_must_agree_with_it() {
    for (file, append) in [
        ("allowed_signers", "mallory namespaces=\"git\" SIGNING\n"),
        ("config.yaml", "trust: everybody\n"),
        ("owner.pub", "RECIPIENT\n"),
        (".gitattributes", "** text eol=crlf filter=evil\n"),
    ] {
        let world = World::story();
        let attacker = Attacker::new(&world);
        let append = append.replace("SIGNING", &attacker.signing).replace("RECIPIENT", &attacker.recipient);
        world.plant(file, world.text(file) + &append);
        let report = world.run("check --json").code(9).json();
        let named = |finding: &Value| finding["subject"].as_str().is_some_and(|subject| subject.ends_with(file));
        assert!(report["findings"].as_array().unwrap().iter().any(named), "{file}: {report}");
        attacker.commit();
        let before = world.state();
        world.run("revoke ci stripe").fails(5).says(file);
        world.pipe("v", "set a/b").fails(5).says(file);
        assert_eq!(world.state(), before);
    }
}
