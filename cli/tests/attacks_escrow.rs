//! Threats A5 and A7: forged, swapped and garbled escrow, of agents' keys and of the owner's signing key.
#![cfg(unix)]

mod support;

use support::{Attacker, World};

const AGENT: &str = "agents/ci/private.key.escrow";
const SIGNING: &str = "owners/eric/signing.key.escrow";

/// `restore-agent` refuses and writes nothing.
#[track_caller]
fn restore_is_refused(world: &World) {
    let file = world.tmp("restored.key");
    let line = format!("restore-agent ci --to {}", file.display());
    let done = world.run(&line).fails(5).says("private.key.escrow");
    done.keeps_silent_about("AGE-SECRET-KEY-1");
    assert!(!file.exists());
    std::fs::write(&file, "precious").unwrap();
    world.run(&format!("{line} --force")).fails(5);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious", "the old file is kept when the new key is refused");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a5_a_forged_escrow_is_refused_by_restore_agent() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let owner = world.text("owner.pub");
    let theirs = std::fs::read(attacker.key()).unwrap();
    world.plant(AGENT, attacker.encrypt(&[&owner], &theirs));
    let naive = world.age_opens(&world.file(AGENT), &world.owner_key());
    assert_eq!(naive.unwrap(), theirs, "whoever only decrypts hands out the attacker's key");
    restore_is_refused(&world);
}

#[test]
fn a5_an_escrow_that_pretends_with_comments_or_brings_a_second_key_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let owner = world.text("owner.pub");
    let genuine = std::fs::read_to_string(world.key("ci")).unwrap();
    let theirs = std::fs::read_to_string(attacker.key()).unwrap();
    let pretending = genuine.replace(genuine.lines().last().unwrap(), theirs.lines().last().unwrap());
    for text in [pretending, format!("{genuine}{theirs}"), format!("{theirs}{genuine}")] {
        world.plant(AGENT, attacker.encrypt(&[&owner], text));
        restore_is_refused(&world);
    }
}

#[test]
fn a5_the_escrow_of_another_agent_or_of_a_former_key_is_refused() {
    let world = World::story();
    world.run("add-agent two").ok();
    world.sh(&format!(
        "cp .agent-vault/{AGENT} ../tmp/former; cp .agent-vault/agents/two/private.key.escrow .agent-vault/{AGENT}"
    ));
    restore_is_refused(&world);
    world.sh(&format!("cp ../tmp/former .agent-vault/{AGENT}"));
    world.run("recover-agent ci").ok();
    world.sh(&format!("cp ../tmp/former .agent-vault/{AGENT}"));
    restore_is_refused(&world);
}

#[test]
fn a5_an_escrow_that_is_garbage_empty_or_not_for_the_owner_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let genuine = std::fs::read(world.file(AGENT)).unwrap();
    let not_for_the_owner = attacker.encrypt(&[&attacker.recipient], std::fs::read(world.key("ci")).unwrap());
    let text = attacker.encrypt(&[&world.text("owner.pub")], "hello");
    for bytes in [b"garbage".to_vec(), vec![], genuine[..genuine.len() - 1].to_vec(), not_for_the_owner, text] {
        world.plant(AGENT, bytes);
        restore_is_refused(&world);
    }
    world.plant(AGENT, genuine);
    world.run(&format!("restore-agent ci --to {}", world.tmp("k").display())).ok();
}

#[test]
fn a7_a_swapped_signing_key_escrow_is_refused_by_every_write() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let owner = world.text("owner.pub");
    let theirs = std::fs::read(attacker.signing_key()).unwrap();
    let genuine = std::fs::read(world.file(SIGNING)).unwrap();
    for (what, bytes) in [
        ("the attacker's key, sealed to the owner", attacker.encrypt(&[&owner], &theirs)),
        ("the attacker's key, sealed to the attacker", attacker.encrypt(&[&attacker.recipient], &theirs)),
        ("an agent's key, sealed to the owner", std::fs::read(world.file(AGENT)).unwrap()),
        ("garbage", b"garbage".to_vec()),
        ("nothing", vec![]),
        ("half of it", genuine[..genuine.len() / 2].to_vec()),
    ] {
        println!("{what}");
        world.plant(SIGNING, bytes);
        let before = world.state();
        for line in ["set a/b v", "grant ci stripe", "add-agent x", "revoke ci stripe", "recover-agent ci"] {
            world.run(line).fails(5).says("signing.key.escrow");
        }
        assert_eq!(world.state(), before);
    }
    std::fs::remove_file(world.file(SIGNING)).unwrap();
    world.run("set a/b v").fails(5).says("signing.key.escrow");
    world.plant(SIGNING, genuine);
    world.run("set a/b v").ok();
}

#[test]
fn a7_the_signing_key_of_another_vault_of_the_same_owner_is_refused() {
    let world = World::story();
    world.run("init other --owner eric").ok();
    world.sh(&format!("cp other/.agent-vault/{SIGNING} .agent-vault/{SIGNING}"));
    world.run("set a/b v").fails(5).says("signing.key.escrow");
}
