//! A4, A7, A8, A9: somebody who can push rewrites, reverts, merges and mixes. `verify --history` on a machine that never
//! saw the vault names the commit that did it.
#![cfg(unix)]

mod support;

use support::{Attacker, Done, World};

/// A machine that has the owner's key and has never seen the vault.
fn fresh_home(world: &World) -> std::path::PathBuf {
    let home = world.tmp("fresh");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(home.join(".agent-vault")).unwrap();
    std::fs::copy(world.owner_key(), home.join(".agent-vault/owner.key")).unwrap();
    home
}

/// What such a machine says of the history.
fn on_a_fresh_machine(world: &World) -> Done {
    world.line("verify --history --json").home(fresh_home(world)).run()
}

/// The history is refused, and the commit `culprit` is named for `reason`.
#[track_caller]
fn refused(world: &World, culprit: &str, reason: &str) {
    let culprit = world.git(&format!("rev-parse {culprit}"));
    let done = on_a_fresh_machine(world).fails(5);
    let told = done.json();
    assert_eq!(told["ok"], false, "{done}");
    let violations = told["history"]["violations"].as_array().expect("violations").clone();
    let fits = |one: &serde_json::Value| {
        one["commit"] == culprit.as_str() && one["reason"].as_str().is_some_and(|text| text.contains(reason))
    };
    assert!(violations.iter().any(fits), "{culprit} {reason}\n{done}");
    let first = violations[0]["commit"].as_str().expect("a commit").to_owned();
    done.says(&first);
}

/// A vault whose agent `ci` was revoked, with a value that was set twice.
fn revoked() -> World {
    let world = World::story();
    world.run("revoke ci stripe").ok();
    world.set("stripe/api-key", "second");
    world.set("other/key", "x");
    on_a_fresh_machine(&world).ok();
    world
}

const MALLORY: &str = "git -c user.name=mallory -c user.email=m@x -c commit.gpgsign=false";

#[test]
fn a4_a_reverted_commit_is_named() {
    let world = revoked();
    world.sh(&format!("{MALLORY} revert --no-edit HEAD~1"));
    refused(&world, "HEAD", "went back");
    refused(&world, "HEAD", "no owner signed it");
    world.run("verify --history").fails(5).says(&world.git("rev-parse HEAD"));
}

#[test]
fn a4_a_tombstone_put_back_in_place_of_what_was_made_again_is_a_rollback_for_whoever_saw_it() {
    let world = revoked();
    world.run("rm other/key --yes").ok();
    world.set("other/key", "again");
    world.sh(&format!("{MALLORY} revert --no-edit HEAD"));
    refused(&world, "HEAD", "revision 2 took the place of revision 3");
    world.run("verify").fails(5).says("an older state was put back");
}

#[test]
fn a4_an_older_state_under_a_new_commit_is_named_also_when_it_was_put_right_again() {
    let world = revoked();
    world.sh(&format!("git checkout -q HEAD~3 -- .agent-vault && git rm -rq --cached .agent-vault && git add .agent-vault && {MALLORY} commit -qam 'Tidy up'"));
    refused(&world, "HEAD", "went back");
    world.sh(&format!("git checkout -q HEAD~1 -- . && git add -A && {MALLORY} commit -qm back"));
    refused(&world, "HEAD~1", "went back");
    refused(&world, "HEAD", "no owner signed it");
}

#[test]
fn a4_a_branch_that_was_reset_to_an_older_commit_and_went_on_is_consistent_and_only_memory_tells() {
    let world = revoked();
    world.git("reset -q --hard HEAD~2");
    world.sh(&format!("touch code && git add code && {MALLORY} commit -qm code"));
    // Every step of it is true. That it is not the newest, a machine knows that has seen the rest.
    on_a_fresh_machine(&world).ok();
    world.run("verify --history").fails(5);
}

#[test]
fn a9_a_merge_that_takes_the_older_of_two_states_is_named() {
    for strategy in ["ours", "theirs"] {
        let world = revoked();
        world.sh(&format!(
            "git branch old HEAD~3 && git checkout -q old && echo code > code && git add code && {MALLORY} commit -qm code"
        ));
        match strategy {
            "ours" => world.sh(&format!("{MALLORY} merge -q -s ours --no-edit main")),
            _ => world.sh(&format!(
                "git checkout -q main && tree=$(git rev-parse 'old^{{tree}}') && commit=$({MALLORY} commit-tree $tree -p main -p old -m merge) && git reset -q --hard $commit"
            )),
        };
        refused(&world, "HEAD", "it does not come after the document that another parent of this commit has");
    }
}

#[test]
fn a9_a_merge_that_mixes_one_older_pair_into_the_newest_state_is_named() {
    let world = revoked();
    world.sh(&format!(
        "git checkout -q -b side HEAD~3 && echo code > code && git add code && {MALLORY} commit -qm code && git checkout -q main
         {MALLORY} merge -q --no-commit --no-ff side && git checkout -q side -- .agent-vault/secrets/stripe && {MALLORY} commit -qm merge"
    ));
    refused(&world, "HEAD", "does not come after");
}

#[test]
fn a9_a_merge_that_puts_halves_of_a_pair_together_is_named() {
    let world = revoked();
    world.sh(&format!(
        "git checkout -q -b side HEAD~3 && echo code > code && git add code && {MALLORY} commit -qm code && git checkout -q main
         {MALLORY} merge -q --no-commit --no-ff side && git checkout -q side -- .agent-vault/secrets/stripe/api-key.enc && {MALLORY} commit -qm merge"
    ));
    refused(&world, "HEAD", "ciphertext");
    refused(&world, "HEAD", "no owner signed it");
}

#[test]
fn a9_an_octopus_that_drops_one_arm_is_named_and_an_honest_one_is_not() {
    let world = revoked();
    for arm in ["a", "b"] {
        world.sh(&format!("git checkout -q -b arm-{arm} main"));
        // Another machine of the owner, which knows nothing of the other arm.
        world.line(&format!("set arm-{arm}/key")).input(arm).home(fresh_home(&world)).run().ok();
    }
    world.sh(&format!("git checkout -q main && echo code > code && git add code && {MALLORY} commit -qm code"));
    let start = world.git("rev-parse HEAD");
    world.sh(&format!("{MALLORY} merge -q --no-edit arm-a arm-b"));
    on_a_fresh_machine(&world).ok();
    world.sh(&format!("git rm -rq .agent-vault/secrets/arm-a && tree=$(git write-tree) && commit=$({MALLORY} commit-tree $tree -p {start} -p arm-a -p arm-b -m octopus) && git reset -q --hard $commit"));
    refused(&world, "HEAD", "no signed tombstone took its place");
}

#[test]
fn a9_one_secret_frozen_inside_an_otherwise_new_state_is_named() {
    let world = revoked();
    let newest = world.git("rev-parse HEAD");
    // The attacker keeps back one secret of a later change, in a commit without a signature.
    world.set("stripe/api-key", "third");
    world.set("other/key", "y");
    world.sh(&format!(
        "git checkout -q main && tip=$(git rev-parse HEAD) && git reset -q --hard {newest} && git checkout -q $tip -- .agent-vault/secrets/other && {MALLORY} commit -qam update"
    ));
    refused(&world, "HEAD", "no owner signed it");
}

#[test]
fn a7_a_commit_signed_by_somebody_else_is_named() {
    let world = revoked();
    let attacker = Attacker::new(&world);
    let sign =
        format!("-c gpg.format=ssh -c user.signingkey={} -c commit.gpgsign=true", attacker.signing_key().display());
    world.sh(&format!("cp .agent-vault/secrets/stripe/api-key.meta .agent-vault/secrets/stripe/copy.meta; git add -A; git {sign} -c user.name=m -c user.email=m@x commit -qm x"));
    refused(&world, "HEAD", "which is no owner's key");
    refused(&world, "HEAD", "the ciphertext is missing");
}

#[test]
fn a7_a_forged_commit_signature_is_named() {
    let world = revoked();
    // What an owner signs next, with the signature of the commit before.
    world.set("other/key", "y");
    world.sh(
        "git cat-file commit HEAD~1 | sed -n '/^gpgsig/,/END SSH/p' > ../sig
         git cat-file commit HEAD | sed '/^gpgsig/,/END SSH/d' > ../plain
         sed '/^committer/r ../sig' ../plain > ../forged; git reset -q --hard $(git hash-object -t commit -w ../forged)",
    );
    refused(&world, "HEAD", "the commit's signature does not fit it");
}

#[test]
fn a7_changed_roots_stripped_signatures_and_another_vault_are_named() {
    let attacks: [(&str, &str); 5] = [
        ("git rm -rq .agent-vault/roots", "roots and signatures were removed"),
        ("git rm -rq .agent-vault", "the vault was removed"),
        ("sed -i s/eric/erik/ .agent-vault/roots/1.yaml", "roots/1.yaml"),
        ("echo x >> .agent-vault/roots/1.sig", "roots/1.yaml"),
        ("rm -r .agent-vault; cp -r ../other/.agent-vault .", "it is another vault"),
    ];
    for (attack, reason) in attacks {
        let world = revoked();
        let other = world.root.join("other");
        std::fs::create_dir(&other).unwrap();
        world.sh("git init -q ../other");
        world.line("init --owner mallory").dir(&other).home(world.fresh_home("theirs")).run().ok();
        world.sh(&format!("{attack}; git add -A; {MALLORY} commit -qm x"));
        // So that there is something to open: the attacker puts back what was there.
        world.sh(&format!("git checkout -q HEAD~1 -- .agent-vault; git add -A; {MALLORY} commit -qm back"));
        refused(&world, "HEAD~1", reason);
        refused(
            &world,
            "HEAD",
            if reason.contains("roots/1") || reason.contains("another") || reason.contains("removed") {
                "no owner signed it"
            } else {
                ""
            },
        );
    }
}

#[test]
fn a4_a_tombstone_that_vanished_and_a_secret_that_vanished_are_named() {
    for what in ["gone", "meta"] {
        let world = revoked();
        world.run("rm other/key --yes").ok();
        world.sh(&format!("git rm -q .agent-vault/secrets/*/*.{what} && git rm -q --ignore-unmatch .agent-vault/secrets/stripe/* && {MALLORY} commit -qm tidy"));
        refused(&world, "HEAD", "no signed tombstone took its place");
    }
}

#[test]
fn a4_a_history_that_was_cut_is_named() {
    let world = revoked();
    world.sh(&format!(
        "commit=$({MALLORY} commit-tree 'HEAD^{{tree}}' -m 'Initial commit') && git reset -q --hard $commit"
    ));
    refused(&world, "HEAD", "cut off");
    refused(&world, "HEAD", "no owner signed it");
}

#[test]
fn a8_planted_files_are_named_or_told() {
    let world = revoked();
    world
        .sh(&format!("echo '* text' > .agent-vault/secrets/.gitattributes && git add -A -f && {MALLORY} commit -qm x"));
    refused(&world, "HEAD", "a nested file of this name");

    let world = revoked();
    world.sh(&format!("ln -s /etc .agent-vault/secrets/link && git add -A -f && {MALLORY} commit -qm x && git rm -q .agent-vault/secrets/link && {MALLORY} commit -qm y"));
    refused(&world, "HEAD~1", "not a regular file");

    let world = revoked();
    world.sh(&format!("echo hello > .agent-vault/NOTES && git add -A -f && {MALLORY} commit -qm x"));
    let told = on_a_fresh_machine(&world).ok().says("NOTES, which is no file of a vault").json();
    assert_eq!(told["history"]["strangers"][0]["path"], "NOTES");
}

#[test]
fn a9_rebased_amended_and_cherry_picked_changes_of_the_vault_are_named() {
    for rewrite in [
        "commit --amend -qm other",
        "rebase -q --force-rebase HEAD~1",
        "reset -q --hard HEAD~1 && git cherry-pick --no-ff $tip",
    ] {
        let world = revoked();
        world.sh(&format!("tip=$(git rev-parse HEAD) && {MALLORY} {rewrite}"));
        refused(&world, "HEAD", "no owner signed it");
        // What cannot be proven can be taken as it is, by name.
        let head = world.git("rev-parse HEAD");
        world.set("other/key", "z");
        let done = world.run(&format!("verify --history --since {head}")).ok().shows("whose state is taken as it is");
        assert_eq!(done.out().lines().count(), 2);
    }
}

#[test]
fn a9_moving_the_folder_hides_no_going_back() {
    let world = revoked();
    // A copy of an older state, grown elsewhere, moved into the place of the true one.
    world.sh(&format!(
        "mkdir x && git archive HEAD~3 .agent-vault | tar -x -C x && git add -A -f && {MALLORY} commit -qm copy
         git rm -rq .agent-vault && {MALLORY} commit -qm away && git mv x/.agent-vault .agent-vault && {MALLORY} commit -qm here"
    ));
    refused(&world, "HEAD~2", "lies in two folders");
}
