//! Threats A3 and A4: somebody without keys replaces, swaps, moves or brings back values.
#![cfg(unix)]

mod support;

use support::{Attacker, VALUE, World};

const ENC: &str = "secrets/stripe/api-key.enc";
const META: &str = "secrets/stripe/api-key.meta";

/// Nobody gets a value out of `path`: neither owner nor agent, neither here nor on a machine without memory.
#[track_caller]
fn is_refused(world: &World, path: &str, home: &str) {
    let fresh = world.fresh_home(home);
    let ci = world.key("ci");
    let owner = world.owner_key().display().to_string();
    for key in [&ci, &owner] {
        let line = format!("get {path} --key {key}");
        world.run(&line).fails(5).prints("").keeps_silent_about("forged");
        world.line(&line).home(&fresh).run().fails(5).prints("").keeps_silent_about("forged");
    }
    world.run("check").code(9);
}

/// A ciphertext that anyone can make: encrypted to the very recipients of the genuine one.
fn forged(world: &World, attacker: &Attacker<'_>) -> Vec<u8> {
    let recipients = [world.text("owner.pub"), world.text("agents/ci/public.key")];
    attacker.encrypt(&[&recipients[0], &recipients[1]], "forged")
}

#[test]
fn a3_a_value_replaced_by_one_for_the_same_recipients_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    world.plant(ENC, forged(&world, &attacker));
    let naive = world.age_opens(&world.file(ENC), world.key("ci").as_ref());
    assert_eq!(naive.as_deref(), Some(&b"forged"[..]), "a reader that only decrypts believes it");
    is_refused(&world, "stripe/api-key", "fresh");
    world.run("set stripe/api-key --group other").fails(5).says("api-key.enc");
    world.run("revoke ci stripe").fails(5).says("api-key.enc");
}

#[test]
fn a3_metadata_signed_by_the_attacker_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let forged = forged(&world, &attacker);
    world.plant(ENC, &forged);
    let digest = world.sh(&format!("sha256sum .agent-vault/{ENC} | cut -d' ' -f1"));
    let meta = world.text(META);
    let body: String =
        meta.lines()
            .filter(|line| !line.starts_with("signature: "))
            .map(|line| {
                if line.starts_with("digest: ") {
                    format!("digest: \"sha256:{digest}\"\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
    world.plant(META, attacker.sign_inline(&body));
    let done = world.run("get stripe/api-key").fails(5);
    assert!(done.err().contains("no owner's key"), "stock ssh-keygen's signature is read, and its key refused\n{done}");
    is_refused(&world, "stripe/api-key", "fresh");
    world.run("list").fails(5).says("api-key.meta");
}

#[test]
fn a3_swapped_ciphertexts_are_refused() {
    let world = World::story();
    world.set("stripe/test-key", "for tests");
    world.sh("cd .agent-vault/secrets/stripe; mv api-key.enc x; mv test-key.enc api-key.enc; mv x test-key.enc");
    is_refused(&world, "stripe/api-key", "one");
    is_refused(&world, "stripe/test-key", "two");
}

#[test]
fn a3_a_pair_moved_to_another_name_is_refused() {
    let world = World::story();
    world.set("stripe/test-key", "for tests");
    world.sh("cd .agent-vault/secrets/stripe; cp api-key.enc test-key.enc; cp api-key.meta test-key.meta");
    is_refused(&world, "stripe/test-key", "one");
    world.run("get stripe/test-key").fails(5).says("the signed document of another secret (stripe/api-key)");
    // To a name that did not exist before, in another folder.
    world.sh(
        "cd .agent-vault/secrets; mkdir prod; cp stripe/api-key.enc prod/key.enc; cp stripe/api-key.meta prod/key.meta",
    );
    is_refused(&world, "prod/key", "two");
    let done = world.run("list").fails(5).says("prod/key.meta").says("test-key.meta");
    assert!(done.out().contains("stripe/api-key"), "what is genuine is listed all the same\n{done}");
}

#[test]
fn a3_edited_metadata_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let genuine = world.text(META);
    for (from, to) in [
        ("group: stripe\n", "group: other\n"),
        ("revision: 2\n", "revision: 9\n"),
        ("exposed_to: []", "exposed_to: [\"ci@0000000000000000\"]"),
        ("authorized_agents: [ci]", "authorized_agents: []"),
        ("agents: []", "agents: [ci]"),
        ("version: 1\n", "version: 2\n"),
        ("version: 1\n", "version: 1\ndescription: hello\n"),
    ] {
        assert!(genuine.contains(from), "{from}\n{genuine}");
        world.plant(META, genuine.replacen(from, to, 1));
        world.run("get stripe/api-key").fails(5).says("api-key.meta").says("it was altered");
        world.run("show stripe/api-key").fails(5);
        world.run("list --json").fails(5);
        world.pipe("new", "set stripe/api-key").fails(5);
        world.run("check").code(9);
    }
    attacker.commit();
    is_refused(&world, "stripe/api-key", "fresh");
}

#[test]
fn a3_the_pair_of_another_vault_is_refused() {
    let world = World::story();
    world.run("init other").ok();
    world.line("-C other set stripe/api-key").input("staging").run().ok();
    world.sh("cp other/.agent-vault/secrets/stripe/* .agent-vault/secrets/stripe/");
    is_refused(&world, "stripe/api-key", "fresh");
}

#[test]
fn a3_a_value_cut_off_or_extended_is_refused() {
    let world = World::story();
    let genuine = std::fs::read(world.file(ENC)).unwrap();
    for bytes in [
        vec![],
        genuine[..genuine.len() - 1].to_vec(),
        [&genuine[..], b"x"].concat(),
        b"age-encryption.org/v1\n".to_vec(),
    ] {
        world.plant(ENC, bytes);
        world.run("get stripe/api-key").fails(5).says("api-key.enc").prints("");
    }
}

/// Brings a secret's older files back, as a commit in the middle of newer ones.
fn story_with_rollback() -> World {
    let world = World::story();
    world.sh("cp -r .agent-vault/secrets ../tmp/old");
    world.set("stripe/api-key", "sk_live_rotated");
    assert_eq!(world.get("stripe/api-key"), b"sk_live_rotated");
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).ok();
    world.sh("cp ../tmp/old/stripe/* .agent-vault/secrets/stripe/");
    world
}

#[test]
fn a4_an_older_pair_is_a_rollback_on_a_machine_that_saw_the_newer_one() {
    let world = story_with_rollback();
    for key in [world.key("ci"), world.owner_key().display().to_string()] {
        let done = world.run(&format!("get stripe/api-key --key {key}")).fails(5).prints("");
        assert!(done.err().contains("revision 2, but this machine has seen revision 3"), "{done}");
        done.says("--allow-old").keeps_silent_about(VALUE);
    }
    world.run("show stripe/api-key").fails(5).says("an older state was put back");
    let before = world.state();
    world.pipe("v", "set stripe/api-key").fails(5);
    world.run("mv stripe/api-key stripe/other --yes").fails(5);
    assert_eq!(world.state(), before);
}

#[test]
fn a4_an_older_pair_can_be_read_on_purpose() {
    let world = story_with_rollback();
    world.run("get stripe/api-key --allow-old").ok().prints(VALUE).says("warning: stripe/api-key: an older state");
    world.run("run --no-mask --allow-old --env K=stripe/api-key -- printenv K").ok().prints(format!("{VALUE}\n"));
    world.run("env --allow-old --env K=stripe/api-key --format docker").ok().prints(format!("K={VALUE}\n"));
    // Reading on purpose is not forgetting.
    world.run("get stripe/api-key").fails(5);
    world.run("run --no-mask --env K=stripe/api-key -- printenv K").fails(5).keeps_silent_about(VALUE);
}

#[test]
fn a4_a_machine_without_memory_does_not_notice_a_rollback_as_is_documented() {
    let world = story_with_rollback();
    let home = world.fresh_home("container");
    world.line(&format!("get stripe/api-key --key {}", world.key("ci"))).home(&home).run().ok().prints(VALUE);
}

#[test]
fn a4_a_removed_secret_that_comes_back_is_a_rollback() {
    let world = World::story();
    world.sh("cp -r .agent-vault/secrets ../tmp/old");
    world.run("rm stripe/api-key --yes").ok();
    world.sh("cp ../tmp/old/stripe/* .agent-vault/secrets/stripe/");
    world.run("get stripe/api-key").fails(5).says("an older state was put back");
    world.run("check").code(9);
    world.sh("rm .agent-vault/secrets/stripe/api-key.gone");
    world.run("get stripe/api-key").fails(5).says("an older state was put back");
    world.run("get stripe/api-key --allow-old").ok().prints(VALUE);
}

#[test]
fn a4_a_secret_that_vanished_without_a_tombstone_is_a_rollback() {
    let world = World::story();
    assert_eq!(world.get("stripe/api-key"), VALUE.as_bytes());
    world.sh("rm -r .agent-vault/secrets/stripe");
    world.run("get stripe/api-key").fails(5).says("an older state was put back");
    let before = world.state();
    world.pipe("planted", "set stripe/api-key").fails(5);
    assert_eq!(world.state(), before);
}

#[test]
fn a4_two_states_with_one_number_are_diverged_and_never_the_one_for_the_other() {
    let world = World::story();
    let fork = world.root.join("fork");
    world.git("clone -q . ../fork");
    world.line("set stripe/api-key").dir(&fork).input("theirs").run().ok();
    let elsewhere = world.fresh_home("elsewhere");
    std::fs::create_dir_all(elsewhere.join(".agent-vault")).unwrap();
    std::fs::copy(world.owner_key(), elsewhere.join(".agent-vault/owner.key")).unwrap();
    world.line("set stripe/api-key").home(&elsewhere).input("mine").run().ok();
    world.run("get stripe/api-key").fails(7).says("differs from the revision 3").prints("");
    world.run("get stripe/api-key --allow-old").ok().prints("mine");
}
