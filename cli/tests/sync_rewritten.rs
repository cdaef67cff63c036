//! A4, A9: the hub's branch goes back, or is rewritten with what owners signed. It is noticed by whoever saw more.
#![cfg(unix)]

mod support;

use support::{Clones, VALUE, World, check_same, head};

/// Sets and syncs a second value on a machine; returns the hub's commit before it.
fn moved_on(clones: &Clones, at: usize) -> String {
    let before = clones.hub.tip(&clones[0]);
    clones[at].set("stripe/api-key", "second");
    clones[at].run("sync").ok();
    before
}

/// Puts the hub's branch somewhere, as whoever owns the host.
fn put(clones: &Clones, commit: &str) {
    clones.hub.git(&clones[0], &format!("update-ref refs/heads/main {commit}"));
}

/// Forgets when the remote was looked at last.
fn due(world: &World) {
    world.sh("rm -rf ~/.agent-vault/vaults/*/fetched");
}

#[test]
fn a4_a_branch_that_went_back_is_refused_and_reading_and_writing_go_on() {
    let clones = Clones::of_one_owner(2);
    let old = moved_on(&clones, 0);
    let seen = head(&clones[0]);
    put(&clones, &old);
    let before = (clones[0].state(), clones[0].git("for-each-ref refs/heads"));
    clones[0].run("sync").fails(5).says("went back").says(&seen[..7]).says("--rewritten");
    clones[0].run("sync --pull").fails(5);
    clones[0].run("get stripe/api-key --fresh").fails(5).says("went back");
    assert_eq!((clones[0].state(), clones[0].git("for-each-ref refs/heads")), before);
    assert_eq!(clones[0].git("rev-parse refs/agent-vault/verified"), seen, "what was verified is kept");
    assert_eq!(clones[0].git("rev-parse refs/agent-vault/fetched/origin/main"), old, "and what was found");
    due(&clones[0]);
    clones[0].run("get stripe/api-key").ok().says("went back").prints("second");
    clones[0].set("more/work", "goes on");
    clones[0].run("sync").fails(5).says("went back");
    // On purpose, the hub gets back what it lost.
    clones[0].run("sync --rewritten").ok();
    clones.settle();
    assert_eq!(clones[1].get("stripe/api-key"), b"second");
    assert_eq!(clones[1].get("more/work"), b"goes on");
}

#[test]
fn a4_a_local_branch_that_was_put_back_with_the_hub_does_not_hide_it() {
    let clones = Clones::of_one_owner(2);
    let old = moved_on(&clones, 0);
    put(&clones, &old);
    clones[0].git(&format!("reset -q --hard {old}"));
    clones[0].run("sync").fails(5).says("went back");
    due(&clones[0]);
    // The newest that was verified is read, wherever the work tree stands.
    let value = clones[0].run("get stripe/api-key");
    assert!(value.code == Some(5) || value.out == b"second", "{value}");
}

#[test]
fn a9_a_branch_rewritten_with_signed_commits_is_refused_and_merged_on_purpose() {
    let clones = Clones::of_one_owner(2);
    let old = moved_on(&clones, 0);
    let seen = head(&clones[0]);
    put(&clones, &old);
    // The other machine never saw what was lost, and goes on from before it.
    clones[1].set("db/password", "of the other");
    clones[1].run("sync").ok();
    let before = (clones[0].state(), clones[0].git("for-each-ref refs/heads"));
    clones[0].run("sync").fails(7).says("was rewritten").says(&seen[..7]).says("--rewritten");
    clones[0].run("get stripe/api-key --fresh").fails(7);
    assert_eq!((clones[0].state(), clones[0].git("for-each-ref refs/heads")), before);
    due(&clones[0]);
    clones[0].run("get stripe/api-key").ok().says("was rewritten").prints("second");
    clones[0].run("sync --rewritten").ok();
    clones.settle();
    for machine in clones.all() {
        assert_eq!(machine.get("stripe/api-key"), b"second");
        assert_eq!(machine.get("db/password"), b"of the other");
    }
}

#[test]
fn a9_a_fork_that_hides_a_revocation_is_refused_and_the_revocation_holds_after_a_merge() {
    let clones = Clones::of_one_owner(2);
    let old = clones.hub.tip(&clones[0]);
    clones[0].run("revoke ci stripe").ok();
    clones[0].run("sync").ok();
    put(&clones, &old);
    // Higher numbers on the other branch do not make it newer.
    for n in 0..4 {
        clones[1].set("stripe/api-key", format!("value {n}"));
        clones[1].run(&format!("add-agent extra{n}")).ok();
    }
    clones[1].run("sync").ok();
    clones[0].run("sync").fails(7).says("was rewritten");
    clones[0].run("sync --rewritten").ok();
    clones.settle();
    let ci = std::path::PathBuf::from(clones[0].key("ci"));
    assert_eq!(support::opens_anything(&clones[1], &ci), Vec::<String>::new());
    assert_eq!(clones[0].get("stripe/api-key"), b"value 3");
}

#[test]
fn a4_a_second_clone_of_a_machine_knows_what_the_first_has_seen() {
    let clones = Clones::of_one_owner(2);
    let second = clones[0].within(clones[0].root.join("second"));
    clones[0].git(&format!("clone -q {} {}", clones.hub.url, second.repo.display()));
    second.run("sync").ok();
    let old = moved_on(&clones, 0);
    put(&clones, &old);
    clones[1].set("db/password", "of the other");
    clones[1].run("sync").ok();
    // It never had the commits, and the machine has seen the documents.
    let synced = second.run("sync");
    let read = second.run("get stripe/api-key");
    assert!(synced.code == Some(7) || synced.code == Some(5) || read.code == Some(5), "{synced}{read}");
    assert_ne!(read.out, VALUE.as_bytes(), "an older value is not given: {read}");
}

#[test]
fn a4_a_fresh_machine_takes_an_older_state_and_is_told_by_nobody_but_the_owner_merges_nothing_away() {
    let mut clones = Clones::of_one_owner(2);
    let old = moved_on(&clones, 0);
    put(&clones, &old);
    // Who has seen nothing cannot know; what it adds is merged by those who do.
    clones.join("fresh");
    assert_eq!(clones[2].get("stripe/api-key"), VALUE.as_bytes());
    clones[2].set("fresh/key", "of the fresh");
    clones[2].run("sync").ok();
    clones[0].run("sync").fails(7);
    clones[0].run("sync --rewritten").ok();
    clones.settle();
    for machine in clones.all() {
        assert_eq!(machine.get("stripe/api-key"), b"second");
        assert_eq!(machine.get("fresh/key"), b"of the fresh");
    }
    check_same(clones.all());
}

#[test]
fn a7_addresses_and_names_that_look_like_options_run_nothing() {
    let clones = Clones::of_one_owner(1);
    let machine = &clones[0];
    let mark = machine.tmp("mark");
    let touch = format!("touch {}", mark.display());
    for url in [
        format!("--upload-pack={touch}"),
        format!("ext::sh -c {}", touch.replace(' ', "% ")),
        format!("-oProxyCommand={touch}:x"),
    ] {
        machine.sh(&format!("git config remote.origin.url '{url}'"));
        let done = machine.run("sync");
        assert!(matches!(done.code, Some(7 | 8)), "{done}");
    }
    machine.sh(&format!("git config remote.origin.url '{}'", clones.hub.url));
    for (key, value, code) in [
        ("branch.main.remote", format!("--upload-pack={touch}"), 7),
        ("branch.main.remote", "-x".into(), 7),
        ("branch.main.merge", "--force".into(), 2),
        ("branch.main.merge", "refs/heads/-x".into(), 2),
        ("branch.main.merge", "refs/heads/*".into(), 2),
        ("branch.main.merge", "refs/heads/a:refs/heads/b".into(), 2),
        ("branch.main.merge", "refs/tags/v1".into(), 2),
    ] {
        machine.sh(&format!("git config {key} '{value}'"));
        machine.run("sync").fails(code);
        machine.run("get stripe/api-key").ok().prints(VALUE);
        machine.git(&format!("config --unset {key}"));
    }
    assert!(!mark.exists());
    machine.run("sync").ok();
}

#[test]
fn a6_a_hub_with_many_references_and_odd_names_is_synced_as_any_other() {
    let clones = Clones::of_one_owner(2);
    let tip = clones.hub.tip(&clones[0]);
    clones.hub.git(&clones[0], &format!("config uploadpack.allowTipSHA1InWant true; cd {}; for n in $(seq 5000); do echo \"create refs/heads/many/$n {tip}\"; done | git update-ref --stdin; git update-ref refs/heads/-x {tip}; git update-ref refs/heads/--exec=x {tip}; git pack-refs --all", clones.hub.dir.display()));
    clones[0].set("a/b", "one of many");
    clones.settle();
    assert_eq!(clones[1].get("a/b"), b"one of many");
}

#[test]
fn a6_a_branch_that_is_no_commit_is_refused() {
    let clones = Clones::of_one_owner(1);
    let before = clones[0].state();
    for object in ["main^{tree}", "main:.agent-vault/manifest.yaml"] {
        let oid = clones.hub.git(&clones[0], &format!("rev-parse '{object}'"));
        std::fs::write(clones.hub.dir.join("refs/heads/main"), format!("{oid}\n")).unwrap();
        clones[0].run("sync").fails(8);
        assert_eq!(clones[0].state(), before);
        due(&clones[0]);
        clones[0].run("get stripe/api-key").ok().prints(VALUE);
    }
}
