//! Which values the hook knows: what `set` and `refresh` leave, and what they say.
#![cfg(unix)]

mod support;

use std::os::unix::fs::PermissionsExt;
use support::{PROGRAM, World};

fn finds(world: &World, text: &str) -> bool {
    let file = world.tmp("text");
    std::fs::write(&file, text).unwrap();
    world.call(["scan".as_ref(), file.as_os_str()]).run().run_code() == 9
}

#[test]
fn set_says_which_values_will_not_be_recognised_and_says_nothing_with_quiet() {
    let world = World::vault();
    for (value, why) in
        [("short", "fewer than 12 bytes"), ("000000000000", "easily guessed"), ("password1234", "easily guessed")]
    {
        world.pipe(value, "set a/b").ok().says("will not recognise this value").says(why);
        assert!(world.pipe(value, "set a/b --quiet").ok().err().is_empty());
        world.pipe(value, "set a/b --dry-run").ok().says("will not recognise");
        assert!(!finds(&world, value));
    }
    let done = world.pipe("Zk7!q9wPx2Rm", "set a/b").ok();
    assert!(!done.err().contains("recognise"), "{done}");
    assert!(finds(&world, "xZk7!q9wPx2Rmy"));
}

#[test]
fn what_edit_and_restore_store_is_recognised_without_a_refresh() {
    let world = World::vault();
    let (first, second) = ("Zk7!q9wPx2Rm", "wB4#nV8sLe1Q");
    world.set("a/b", first);
    let forget = || std::fs::remove_dir_all(world.keys().join("fingerprints")).expect("fingerprints");
    forget();
    world.line("edit a/b").env("EDITOR", format!("printf '%s' '{second}' >")).run().ok();
    assert!(finds(&world, second) && !finds(&world, first));
    forget();
    world.run("restore a/b@r1 --dry-run").ok();
    assert!(!finds(&world, first));
    world.run("restore a/b@r1").ok();
    assert!(finds(&world, first) && !finds(&world, second));
    world.line("edit a/b").env("EDITOR", "printf short >").run().ok().says("will not recognise this value");
    world.run("restore a/b@r1").ok();
    world.run("restore a/b@r4").ok().says("will not recognise this value");
}

#[test]
fn a_dry_run_and_a_refused_set_leave_no_fingerprint() {
    let world = World::vault();
    world.pipe("Zk7!q9wPx2Rm", "set a/b --dry-run").ok();
    world.sh("age-keygen -o ../tmp/other 2>/dev/null");
    world.pipe("Zk7!q9wPx2Rm", "set a/b --key ../tmp/other").fails(4);
    assert!(!world.keys().join("fingerprints").exists());
    assert!(!finds(&world, "Zk7!q9wPx2Rm"));
}

#[test]
fn refresh_learns_what_others_set_and_an_agent_learns_what_it_may_read() {
    let world = World::story();
    world.set("other/key", "Zk7!q9wPx2Rm");
    let machine = world.fresh_home("machine");
    let ci = world.key("ci");
    let line = format!("hook refresh --key {ci}");
    world.line(&line).home(&machine).run().ok().says("recognises 1 value").says("1 not yours to read");
    let file = world.tmp("text");
    for (text, code) in [(support::VALUE, 9), ("Zk7!q9wPx2Rm", 0)] {
        std::fs::write(&file, text).unwrap();
        world.call(["scan".as_ref(), file.as_os_str()]).home(&machine).run().code(code);
    }
    // What this key cannot read stays known to the machine that has it.
    world.run(&line).ok();
    assert!(finds(&world, "Zk7!q9wPx2Rm"));
    world.run("rm other/key --yes").ok();
    world.run("hook refresh").ok();
    assert!(!finds(&world, "Zk7!q9wPx2Rm"));
}

#[test]
fn thirty_two_sets_at_once_lose_no_fingerprint() {
    let world = World::vault();
    world.sh(&format!("for n in $(seq 10 41); do printf 'Zk7!q9w%sPx2Rm' $n | {PROGRAM} set -q a/n$n & done; wait"));
    for number in 10..42 {
        assert!(finds(&world, &format!("Zk7!q9w{number}Px2Rm")), "{number}");
    }
}

#[test]
fn fingerprints_are_private_and_hold_nothing_of_the_value_and_are_forgotten_with_the_vault() {
    let world = World::vault();
    world.set("a/b", "Zk7!q9wPx2Rm");
    for file in ["fingerprints/key", "fingerprints/lock"] {
        let mode = world.keys().join(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(world.sh("stat -c %a $HOME/.agent-vault/vaults/*/fingerprints"), "600");
    assert!(world.places_of("Zk7!q9wPx2Rm").is_empty());
    assert!(world.git("ls-files").lines().all(|file| !file.contains("fingerprints")));
    world.run("trust forget --yes").ok();
    assert_eq!(world.sh("ls $HOME/.agent-vault/vaults"), "");
}

#[test]
fn a_home_that_cannot_be_written_costs_a_warning_and_not_the_value() {
    let world = World::vault();
    world.sh("touch $HOME/.agent-vault/fingerprints");
    world.pipe("Zk7!q9wPx2Rm", "set a/b").ok().says("warning: the commit hook will not recognise this value");
    assert_eq!(world.get("a/b"), b"Zk7!q9wPx2Rm");
}

#[test]
fn install_learns_the_values_when_the_key_opens_without_a_question() {
    let world = World::vault();
    world.set("a/b", "Zk7!q9wPx2Rm");
    world.sh("rm -r $HOME/.agent-vault/fingerprints $HOME/.agent-vault/vaults/*/fingerprints");
    assert!(!finds(&world, "Zk7!q9wPx2Rm"));
    world.run("hook install").ok().says("recognises 1 value");
    assert!(finds(&world, "Zk7!q9wPx2Rm"));
    world.sh("ssh-keygen -q -t ed25519 -N passphrase -f ../tmp/locked");
    world.run("hook install --key ../tmp/locked").ok().says("hook refresh");
}
