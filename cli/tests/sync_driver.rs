//! F4: plain `git merge` of a vault. The driver keeps a secret's two files together; the next write or `sync` merges by
//! meaning. And a forge's merge button, which knows of no driver.
#![cfg(unix)]

mod support;

use std::path::PathBuf;
use support::{Clones, VALUE, World, head, opens_anything, with_program};

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
const ACTS: [&str; 7] = [
    "set stripe/api-key",
    "set stripe/api-key --description words",
    "revoke ci stripe",
    "rm stripe/api-key --yes",
    "add-agent bob",
    "mv stripe/api-key stripe/moved --yes",
    "mv stripe/api-key web/elsewhere --yes",
];

fn act(world: &World, act: &str, value: &str) {
    if act == "set stripe/api-key" { world.set("stripe/api-key", value) } else { drop(world.run(act).ok()) }
}

/// Merges by `git merge` with these options; whether it came to an end without a person.
fn merges(world: &World, options: &str) -> bool {
    let merge = format!("git fetch -q && git {options} --no-edit origin/main >/dev/null 2>&1");
    let script = format!("export PATH='{}'; if {merge}; then echo yes; else echo no; fi", with_program());
    world.sh(&script) == "yes"
}

/// Whatever lies there, no name is read as what is another's, nothing that is there is broken, and it is listed so.
#[track_caller]
fn nothing_is_mistaken(world: &World, told: &str) {
    for name in ["stripe/api-key", "stripe/moved", "web/elsewhere"] {
        let read = world.run(&format!("get --offline {name}"));
        assert!(matches!(read.code, Some(0 | 3)), "{told}: {read}");
    }
    world.run("list --offline").ok();
}

/// Merges by `git merge` whatever the two did at once, then by meaning: nothing is ever unreadable or another's, and all
/// come to the same.
fn whatever_two_did(first: &str) {
    for second in ACTS {
        let clones = Clones::of_one_owner(2);
        act(&clones[0], first, "of the first");
        act(&clones[1], second, "of the second");
        clones[0].run("sync").ok();
        let told = format!("{first} and {second}");
        let merged = merges(&clones[1], "merge -q");
        nothing_is_mistaken(&clones[1], &told);
        if merged {
            pairs_are_whole(&clones[1]);
        } else {
            // A removal beside a change is for a person to answer, in Git's terms: the merge is undone, and sync makes it.
            clones[1].git("merge --abort");
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
            _ => {
                let moved = [first, second].into_iter().filter_map(|act| act.strip_prefix("mv stripe/api-key "));
                moved.filter_map(|to| to.strip_suffix(" --yes")).for_each(|to| assert!(names.contains(to), "{told}"));
            }
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

/// On one side a secret is moved, on the other something else is done to it.
fn moved_here_and(other: &str) -> Clones {
    let clones = Clones::of_one_owner(2);
    clones[0].run("mv stripe/api-key stripe/moved --yes").ok();
    act(&clones[1], other, "of the second");
    clones[0].run("sync").ok();
    clones
}

#[test]
fn f4_however_far_git_goes_in_guessing_renames_nothing_is_mistaken() {
    for other in ACTS {
        let clones = moved_here_and(other);
        for options in [
            "merge -q -X find-renames=25%",
            "-c merge.directoryRenames=true merge -q -X find-renames=40%",
            "-c merge.renames=false merge -q",
            "-c merge.renames=copies -c diff.renames=copies merge -q",
            "merge -q -s recursive -X no-renames",
            "merge -q -X theirs",
        ] {
            let told = format!("{options}: {other}");
            if merges(&clones[1], options) {
                pairs_are_whole(&clones[1]);
            }
            nothing_is_mistaken(&clones[1], &told);
            clones[1].git("reset -q --hard ORIG_HEAD");
        }
        clones[1].run("sync").ok();
        clones.settle();
    }
}

#[test]
fn f4_a_conflict_that_a_person_commits_as_it_lies_there_is_made_anew_by_meaning() {
    for (other, value) in [("set stripe/api-key", "of the second"), ("mv stripe/api-key web/elsewhere --yes", "")] {
        let clones = moved_here_and(other);
        assert!(!merges(&clones[1], "merge -q"), "Git asks about {other}");
        clones[1].git("add -A && git commit -q --no-edit");
        nothing_is_mistaken(&clones[1], other);
        clones[1].run("sync").ok();
        clones.settle();
        assert_eq!(clones[0].get("stripe/moved"), VALUE.as_bytes(), "{other}");
        match value {
            "" => assert_eq!(clones[0].get("web/elsewhere"), VALUE.as_bytes()),
            value => assert_eq!(clones[0].get("stripe/api-key"), value.as_bytes(), "a new value outlives its removal"),
        }
    }
}

#[test]
fn f4_a_moved_folder_merged_by_git_with_a_new_secret_in_it() {
    for directories in ["false", "conflict", "true"] {
        let clones = Clones::of_one_owner(2);
        for name in ["one", "two", "three"] {
            clones[0].set(&format!("old/{name}"), name);
        }
        clones.settle();
        for name in ["one", "two", "three"] {
            clones[0].run(&format!("mv old/{name} new/{name} --yes")).ok();
        }
        clones[0].run("sync").ok();
        clones[1].set("old/four", "four");
        let options = format!("-c merge.directoryRenames={directories} merge -q -X find-renames=20%");
        assert!(merges(&clones[1], &options), "there is nothing to ask about");
        pairs_are_whole(&clones[1]);
        assert_eq!(clones[1].run("get --offline old/four").ok().out, b"four");
        clones[1].run("sync").ok();
        clones.settle();
        let names = clones[0].run("list --json").ok().json();
        let names: Vec<&str> = names.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["new/one", "new/three", "new/two", "old/four", "stripe/api-key"], "{directories}");
    }
}

#[test]
fn f4_a_move_makes_a_ciphertext_that_git_takes_for_no_other() {
    let clones = moved_here_and("add-agent bob");
    let renamed = clones[0].git("diff --find-renames=100% --diff-filter=R --name-only HEAD~1");
    assert_eq!(renamed, "", "no two files of one content");
    assert_eq!(clones[0].run("get stripe/moved").ok().out, VALUE.as_bytes());
    clones.settle();
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
