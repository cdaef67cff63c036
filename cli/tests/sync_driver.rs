//! F4: plain `git merge` of a vault. The driver keeps a secret's two files together; the next write or `sync` merges by
//! meaning. And a forge's merge button, which knows of no driver.
#![cfg(unix)]

mod support;

use std::path::PathBuf;
use support::{Clones, World, head, opens_anything, with_program};

/// `git` with the program on PATH, as whoever installed it has it.
fn git(world: &World, line: &str) -> String {
    world.sh(&format!("export PATH='{}'; git {line}", with_program()))
}

/// Each secret's files are a pair that verifies.
#[track_caller]
fn pairs_are_whole(world: &World) {
    let listed = world.run("list --json").ok().json();
    for row in listed.as_array().expect("secrets") {
        world.run(&format!("get --offline {}", row["name"].as_str().expect("a name"))).ok();
    }
}

/// What two people may do to one secret and who reads it.
const ACTS: [&str; 6] = [
    "set stripe/api-key",
    "set stripe/api-key --description words",
    "revoke ci stripe",
    "rm stripe/api-key --yes",
    "add-agent bob",
    "mv stripe/api-key stripe/moved --yes",
];

fn act(world: &World, act: &str, value: &str) {
    if act == "set stripe/api-key" { world.set("stripe/api-key", value) } else { drop(world.run(act).ok()) }
}

/// Merges by `git pull` whatever the two did at once, then by meaning: nothing false is ever read, and all come to the same.
fn whatever_two_did(first: &str) {
    for second in ACTS {
        let clones = Clones::of_one_owner(2);
        act(&clones[0], first, "of the first");
        act(&clones[1], second, "of the second");
        clones[0].run("sync").ok();
        let told = format!("{first} and {second}");
        let merged = clones[1].sh(&format!(
            "export PATH='{}'; git pull -q --no-rebase --no-edit >/dev/null 2>&1 && echo merged || echo conflict",
            with_program()
        ));
        if merged == "conflict" {
            // A removal beside a change is for a person to answer, in Git's terms: the merge is undone, and sync makes it.
            clones[1].git("merge --abort");
        } else if told.contains("mv ") {
            // Git takes a file and its new name for one, and may put what is another's there: that is never read.
            for name in ["stripe/api-key", "stripe/moved"] {
                let read = clones[1].run(&format!("get --offline {name}"));
                assert!(matches!(read.code, Some(0 | 3 | 5)), "{told}: {read}");
            }
        } else {
            pairs_are_whole(&clones[1]);
        }
        assert_eq!(clones[1].git("status --porcelain"), "", "{told}");
        clones[1].run("sync").ok();
        clones.settle();
        let names = clones[0].run("list").ok().out().to_owned();
        match (first, second) {
            (a, b) if a.starts_with("revoke") || b.starts_with("revoke") => {
                assert_eq!(
                    opens_anything(&clones[0], &PathBuf::from(clones[0].key("ci"))),
                    Vec::<String>::new(),
                    "{told}"
                );
            }
            (a, b) if a.starts_with("mv") || b.starts_with("mv") => assert!(names.contains("stripe/moved"), "{told}"),
            _ => {}
        }
    }
}

#[test]
fn f4_a_new_value_merged_by_git_with_whatever_another_did() {
    whatever_two_did(ACTS[0]);
}

#[test]
fn f4_a_description_merged_by_git_with_whatever_another_did() {
    whatever_two_did(ACTS[1]);
}

#[test]
fn f4_a_revocation_merged_by_git_with_whatever_another_did() {
    whatever_two_did(ACTS[2]);
}

#[test]
fn f4_a_removal_merged_by_git_with_whatever_another_did() {
    whatever_two_did(ACTS[3]);
}

#[test]
fn f4_a_new_agent_merged_by_git_with_whatever_another_did() {
    whatever_two_did(ACTS[4]);
}

#[test]
fn f4_a_move_merged_by_git_with_whatever_another_did() {
    whatever_two_did(ACTS[5]);
}

/// Both changed one secret, and `git pull` merged on the second machine.
fn merged_by_git() -> Clones {
    let clones = Clones::of_one_owner(2);
    clones[0].set("stripe/api-key", "of the first");
    clones[0].set("stripe/api-key", "of the first, again");
    clones[1].set("stripe/api-key", "of the second");
    clones[0].run("sync").ok();
    git(&clones[1], "pull -q --no-rebase --no-edit");
    assert_eq!(clones[1].git("rev-list --count --min-parents=2 HEAD -1"), "1");
    clones
}

#[test]
fn f4_the_next_write_after_a_merge_by_git_merges_by_meaning_first() {
    let clones = merged_by_git();
    let merge = head(&clones[1]);
    let parents = clones[1].git("log -1 --format=%P");
    clones[1].pipe("more", "set more/work").ok().says("restore stripe/api-key@");
    assert_eq!(clones[1].git("log -1 --format=%P HEAD~1"), parents, "made anew, of the same two");
    assert_ne!(clones[1].git("rev-parse HEAD~1"), merge);
    assert_eq!(clones[1].get("stripe/api-key"), b"of the first, again");
    clones.settle();
    assert_eq!(clones[0].get("more/work"), b"more");
}

#[test]
fn f4_a_merge_by_git_keeps_what_it_brought_besides_the_vault() {
    let clones = Clones::of_one_owner(2);
    for (at, file) in [(0, "one"), (1, "two")] {
        clones[at].set("stripe/api-key", file);
        clones[at].sh(&format!("echo text > {file}.txt; git add {file}.txt; git commit -q -m {file}"));
    }
    clones[0].run("sync --yes").ok();
    git(&clones[1], "pull -q --no-rebase --no-edit");
    clones[1].run("sync --yes").ok();
    clones[0].run("sync --yes").ok();
    clones.settle();
    clones.all().iter().for_each(|machine| drop(machine.sh("cat one.txt two.txt")));
    assert_eq!(clones[0].git("status --porcelain"), "");
}

#[test]
fn f4_a_merge_by_git_that_was_pushed_already_is_named_and_not_taken() {
    let clones = merged_by_git();
    let merge = head(&clones[1]);
    clones[1].git("push -q");
    let before = clones[0].state();
    clones[0].run("sync").fails(5).says(&merge);
    assert_eq!(clones[0].state(), before);
}

/// Merges two branches as a forge does, in the bare repository, and makes it `main`.
fn button(clones: &Clones, branch: &str) -> String {
    let tree = clones.hub.git(&clones[0], &format!("merge-tree --write-tree main {branch}"));
    let identity = "-c user.name=forge -c user.email=forge@example.org";
    let merge =
        clones.hub.git(&clones[0], &format!("{identity} commit-tree -p main -p {branch} -m 'Merge {branch}' {tree}"));
    clones.hub.git(&clones[0], &format!("update-ref refs/heads/main {merge}"));
    merge
}

#[test]
fn f4_a_forges_merge_of_two_branches_is_taken_and_mended_by_the_next_owner() {
    let clones = Clones::of_one_owner(2);
    clones[0].run("revoke ci stripe").ok();
    clones[0].run("sync").ok();
    clones[1].set("stripe/new", "new");
    clones[1].git("push -q origin main:refs/heads/work");
    let merge = button(&clones, "work");
    let ci = PathBuf::from(clones[0].key("ci"));
    // Who has no key takes it, and says what is still to be done.
    let reader = clones.stranger("reader");
    let key = reader.tmp("ci.key");
    std::fs::copy(&ci, &key).unwrap();
    let key = key.display();
    reader.run(&format!("sync --key {key}")).ok().says("1 secret encrypted to other readers than policy names");
    clones[0].run("sync").ok().says("1 secret encrypted anew");
    clones.settle();
    assert_eq!(clones[1].git("rev-parse HEAD~1"), merge);
    assert_eq!(opens_anything(&clones[1], &ci), Vec::<String>::new());
    assert_eq!(clones[1].get("stripe/new"), b"new");
    reader.run(&format!("sync --key {key}")).ok();
    assert_eq!(opens_anything(&reader, &ci), Vec::<String>::new());
}

#[test]
fn f4_a_pull_request_goes_out_on_a_branch_and_comes_back_by_the_button() {
    let clones = Clones::of_one_owner(2);
    clones[1].set("db/password", "by pull request");
    clones[1].run("sync --branch work").ok();
    clones[0].set("web/key", "meanwhile");
    clones[0].run("sync").ok();
    button(&clones, "work");
    clones.settle();
    for machine in clones.all() {
        assert_eq!(machine.get("db/password"), b"by pull request");
        assert_eq!(machine.get("web/key"), b"meanwhile");
        machine.run("verify --against origin/main").ok();
    }
}
