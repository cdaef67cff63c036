//! What people and forges do to a repository with a vault in it, and must not be told off for; and what is told where a
//! proof ends.
#![cfg(unix)]

mod support;

use support::World;

/// Somebody who commits code and has never heard of the vault.
const BOB: &str = "git -c user.name=bob -c user.email=b@x -c commit.gpgsign=false";

/// Commits code.
fn code(world: &World, name: &str) {
    world.sh(&format!("echo {name} > {name} && git add {name} && {BOB} commit -qm {name}"));
}

/// Stores a value from another machine of the owner, which knows this branch only.
fn set_elsewhere(world: &World, path: &str, value: &str) {
    let home = world.tmp(&format!("machine-{}", path.replace('/', "-")));
    std::fs::create_dir_all(home.join(".agent-vault")).unwrap();
    std::fs::copy(world.owner_key(), home.join(".agent-vault/owner.key")).unwrap();
    world.line(&format!("set {path}")).input(value).home(&home).run().ok();
}

#[test]
fn every_command_that_changes_a_vault_makes_a_history_that_is_proven() {
    let world = World::story();
    world.run("set stripe/api-key --description text --expires 90d").ok();
    world.run("set stripe/api-key --group billing").ok();
    world.run("set stripe/api-key --agents ci").ok();
    world.run("mv stripe/api-key billing/key --yes").ok();
    world.run("recover-agent ci").ok();
    world.run("revoke ci --secret billing/key").ok();
    world.run("rm billing/key --yes").ok();
    world.set("billing/key", "again");
    world.set("stripe/api-key", "anew");
    world.run("mv stripe/api-key billing/other --yes").ok();
    world.run("mv billing/other stripe/api-key --yes").ok();
    world.run("restore billing/key@r1").code.expect("an end");
    world.run("remove-agent ci").ok();
    let done = world.run("verify --history --json").ok();
    let history = &done.json()["history"];
    assert_eq!(history["changes"].as_u64().unwrap() as usize, world.commits(), "{done}");
    assert_eq!(history["signed"], history["changes"], "{done}");
    assert_eq!(history["begins"]["at"], "creation");
}

#[test]
fn a_forges_merge_of_branches_that_changed_different_secrets_passes_unsigned() {
    let world = World::story();
    world.git("checkout -q -b feature");
    set_elsewhere(&world, "feature/key", "f");
    code(&world, "feature-code");
    world.git("checkout -q main");
    set_elsewhere(&world, "main/key", "m");
    world.sh(&format!("{BOB} merge -q --no-edit feature"));
    let done = world.run("verify --history").ok().shows("1 merge without a signature");
    done.shows("nothing went back");
    // One that is signed with a key of the forge is as good.
    world.sh("ssh-keygen -q -t ed25519 -N '' -f ../forge; git checkout -q -b more HEAD~1");
    set_elsewhere(&world, "more/key", "x");
    world.sh("git checkout -q main; git -c gpg.format=ssh -c user.signingkey=../forge.pub merge -q -S --no-edit more");
    world.run("verify --history").ok().shows("2 merges without a signature");
}

#[test]
fn merging_code_and_being_merged_into_code_changes_nothing() {
    let world = World::repository();
    code(&world, "first");
    world.git("branch before");
    world.run("init --owner eric").ok();
    world.set("a/b", "x");
    world.sh("git checkout -q --orphan pages && git rm -rfq . && git clean -dfq");
    code(&world, "page");
    world.git("checkout -q before");
    code(&world, "later");
    world.sh(&format!("git checkout -q main && {BOB} merge -q --no-edit before && {BOB} merge -q --no-edit --allow-unrelated-histories pages"));
    world.set("a/b", "y");
    let done = world.run("verify --history --json").ok();
    assert_eq!(done.json()["history"]["changes"], 3, "{done}");
    // The vault's branch, fast, into one that had none.
    world.sh(&format!("git checkout -q before && {BOB} merge -q --no-ff --no-edit main"));
    world.run("verify --history").ok();
}

#[test]
fn names_that_git_only_just_allows_do_not_break_a_signature() {
    let world = World::repository();
    world.sh("git config user.name \"$(printf 'Eric \\303\\251 \\r <x')\"");
    world.run("init --owner eric").ok();
    world.set("a/b", "x");
    world.sh("printf 'x' > code && git add code && git -c user.name=\"$(printf 'a\\rb')\" commit -qm \"$(printf 'a\\r\\nb\\033[31m')\"");
    world.run("verify --history").ok();
    assert!(!world.run("log").ok().out().chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn a_folder_that_was_moved_keeps_its_history() {
    let world = World::story();
    world.sh(&format!("mkdir sub && git mv .agent-vault sub/.agent-vault && {BOB} commit -qm move"));
    let sub = world.repo.join("sub");
    world.line("set stripe/api-key").input("moved").dir(&sub).run().ok();
    let done = world.line("verify --history --json").dir(&sub).run().ok();
    let history = &done.json()["history"];
    assert_eq!(history["begins"]["commits"][0], world.git("rev-list --max-parents=0 HEAD").as_str(), "{done}");
    assert_eq!(history["changes"], 5, "{done}");
    world.line("log").dir(&sub).run().ok().shows("brought the vault");
}

#[test]
fn a_shallow_clone_says_where_its_history_ends() {
    let world = World::story();
    world.set("stripe/api-key", "two");
    let clone = world.root.join("clone");
    world.sh(&format!("git clone -q --depth 2 file://{} {}", world.repo.display(), clone.display()));
    let done = world.line("verify --history").dir(&clone).run().ok().says("this clone is shallow");
    done.shows("where this shallow clone ends");
    let done = world.line("verify --history --json").dir(&clone).run().ok();
    assert_eq!(done.json()["history"]["begins"]["at"], "shallow");
    assert_eq!(done.json()["history"]["begins"]["commits"][0], world.git("rev-parse HEAD~1").as_str());
    // What is wrong after its edge is named all the same.
    world.sh(&format!("cd {} && {BOB} revert --no-edit HEAD", clone.display()));
    world.line("verify --history").dir(&clone).run().fails(5).says("went back");
}

#[test]
fn a_proof_from_a_given_commit_on_wants_a_commit_of_this_history() {
    let world = World::story();
    let head = world.git("rev-parse HEAD");
    world.set("stripe/api-key", "two");
    world.run(&format!("verify --history --since {head}")).ok().shows("2 commits, 1 change");
    world.run("verify --history --since nothing").fails(3);
    world.sh(&format!(
        "git checkout -q -b other HEAD~1 && echo x > x && git add x && {BOB} commit -qm x && git checkout -q main"
    ));
    world.run("verify --history --since other").fails(7);
    world.run("verify --since HEAD").code(2);
}

#[test]
fn commits_before_the_first_root_are_told_and_are_no_violation() {
    let world = World::repository();
    // What agent-vault 0.1.0 leaves: a vault without roots.
    world.sh(&format!(
        "mkdir .agent-vault && echo 'version: 1' > .agent-vault/config.yaml && git add -A && {BOB} commit -qm old"
    ));
    world.sh(&format!("echo '# more' >> .agent-vault/config.yaml && {BOB} commit -qam old"));
    // The first root comes in one signed commit.
    world.sh("rm -r .agent-vault");
    world.run("init --owner eric").ok();
    world.set("a/b", "x");
    let done = world.run("verify --history --json").ok().says("2 commits changed the vault before its first root");
    let history = &done.json()["history"];
    assert_eq!((&history["unsigned_before"], &history["signed"]), (&2.into(), &2.into()), "{done}");
    world.run("log").ok().shows("signed the vault for the first time").shows("a vault without signatures");
    // Going back to what was before is no innocent commit.
    world.sh(&format!("git rm -rq .agent-vault && git checkout -q HEAD~2 -- .agent-vault && {BOB} commit -qm back && git checkout -q HEAD~1 -- .agent-vault && {BOB} commit -qm again"));
    world
        .run("verify --history")
        .fails(5)
        .says(&world.git("rev-parse HEAD~1"))
        .says("roots and signatures were removed");
}
