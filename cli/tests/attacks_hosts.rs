//! A4, A6, A9, F1: what a host, or whoever may push, makes of the repository itself: its layout, the edge of its history, its
//! merges and its trees.
#![cfg(unix)]

mod support;

use support::{Clones, Hub, VALUE, World, executable, head};

/// A vault in a folder of a larger repository, on two machines.
fn in_a_folder() -> (Clones, World) {
    let world = World::repository();
    world.sh("mkdir -p services/shop");
    let owner = world.within(world.repo.join("services/shop"));
    owner.run("init --owner eric").ok();
    owner.set("stripe/api-key", VALUE);
    let hub = Hub::bare(&world);
    world.git(&format!("remote add origin {}", hub.url));
    owner.run("sync --yes").ok();
    let clones = Clones::only(world, hub);
    let mallory = clones.stranger("mallory");
    (clones, mallory)
}

#[test]
fn a6_files_that_look_like_a_repository_are_not_taken_for_one() {
    let (clones, mallory) = in_a_folder();
    let (trap, sprung) = (clones[0].tmp("trap"), clones[0].tmp("sprung"));
    executable(&trap, &format!("touch {}", sprung.display()));
    mallory.sh(&format!(
        "cd services/shop; mkdir -p objects refs/heads; touch objects/keep refs/heads/keep; echo 'ref: refs/heads/main' > HEAD
         printf '[core]\n\tbare = false\n\tworktree = .\n\tsshCommand = {0}\n\tfsmonitor = {0}\n[remote \"origin\"]\n\turl = ssh://host/x\n' > config
         git -C ../.. add -A -f . && git -C ../.. commit -q -m tidy && git -C ../.. push -q origin HEAD:main",
        trap.display()
    ));
    let victim = clones[0].within(clones[0].repo.join("services/shop"));
    clones[0].git("pull -q origin main");
    victim.run("get stripe/api-key").ok().prints(VALUE).says("take this folder for a repository");
    for line in ["get stripe/api-key --fresh", "sync", "set a/b --generate=24"] {
        victim.run(line).fails(5).says("take this folder for a repository");
    }
    for line in ["check", "list", "log", "verify"] {
        victim.run(line);
    }
    assert!(!sprung.exists(), "nothing that a push brought is run");
}

/// A commit of HEAD's tree with headers of the attacker's choice after the committer.
fn forged(mallory: &World, parent: &str, extra: &str) -> String {
    mallory.sh(&format!(
        "git add -A -f .; tree=$(git write-tree); printf 'tree %s\\nparent %s\\nauthor m <m@x> 1 +0000\\ncommitter m <m@x> 1 +0000\\n{extra}\\nx\\n' $tree {parent} | git hash-object -t commit -w --stdin --literally"
    ))
}

#[test]
fn a9_a_commit_does_not_make_itself_the_edge_of_a_shallow_clone() {
    let clones = Clones::of_one_owner(1);
    let mallory = clones.stranger("mallory");
    let old = mallory.text("secrets/stripe/api-key.meta");
    let enc = std::fs::read(mallory.file("secrets/stripe/api-key.enc")).unwrap();
    clones[0].set("stripe/api-key", "second");
    clones[0].run("sync").ok();
    let shallow = clones[0].machine("shallow");
    clones.lend_key(&shallow);
    clones[0].git(&format!("clone -q --depth 1 {} {}", clones.hub.url, shallow.repo.display()));
    shallow.run("sync").ok();
    mallory.git("pull -q");
    mallory.plant("secrets/stripe/api-key.meta", old);
    mallory.plant("secrets/stripe/api-key.enc", enc);
    let commit = forged(&mallory, "$(git rev-parse HEAD)", "parent 0123456789012345678901234567890123456789\\n");
    mallory.git(&format!("push -q origin {commit}:main"));
    shallow.run("sync").fails(5).says(&commit);
    shallow.run("get stripe/api-key").ok().prints("second");
    // Neither does what checks a pull request take it.
    shallow.git(&format!("branch before HEAD && git fetch -q origin && git reset -q --hard {commit}"));
    shallow.run("verify --against before").fails(5).says(&commit);
}

#[test]
fn a9_a_remote_that_cuts_its_history_off_is_not_cloned_as_a_whole_one() {
    let clones = Clones::of_one_owner(1);
    let mallory = clones.stranger("mallory");
    let old = mallory.text("secrets/stripe/api-key.meta");
    let enc = std::fs::read(mallory.file("secrets/stripe/api-key.enc")).unwrap();
    clones[0].set("stripe/api-key", "second");
    clones[0].run("sync").ok();
    mallory.git("pull -q");
    mallory.plant("secrets/stripe/api-key.meta", old);
    mallory.plant("secrets/stripe/api-key.enc", enc);
    mallory.git("add -A -f . && git commit -q -m tidy && git push -q origin HEAD:main");
    std::fs::write(clones.hub.dir.join("shallow"), clones.hub.tip(&mallory) + "\n").unwrap();
    let new = clones[0].machine("new");
    clones.lend_key(&new);
    let repo = new.repo.display().to_string();
    for line in ["clone URL DIR", "--vault URL get stripe/api-key", "--vault URL get stripe/api-key"] {
        let line = line.replace("URL", &clones.hub.url).replace("DIR", &repo);
        new.within(&new.root).run(&line).fails(5).says("only the end of its history").keeps_silent_about(VALUE);
    }
}

#[test]
fn f1_what_a_merge_itself_changes_outside_the_vault_does_not_travel_unasked() {
    let clones = Clones::of_one_owner(2);
    let mallory = clones.stranger("mallory");
    mallory.sh(
        "git checkout -q -b side && git commit -q --allow-empty -m side && git checkout -q main && git commit -q --allow-empty -m main
         git merge -q --no-ff --no-commit side; echo evil > Makefile; git add Makefile; git commit -q -m merge; git push -q origin main",
    );
    let before = head(&clones[0]);
    clones[0].run("sync").fails(12).says("merge");
    assert_eq!(head(&clones[0]), before);
}

#[test]
fn f1_a_merge_that_takes_a_change_outside_the_vault_back_does_not_travel_unasked() {
    let clones = Clones::of_one_owner(2);
    clones[1].sh("echo good > Makefile; git add Makefile; git commit -q -m makefile; git push -q origin main");
    clones[0].run("sync --yes").ok();
    let mallory = clones.stranger("mallory");
    mallory.sh(
        "git checkout -q -b old HEAD~1; git commit -q --allow-empty -m old; git checkout -q main
         git merge -q -s ours --no-ff -m undo old; git rm -q Makefile; git commit -q --amend --no-edit; git push -q origin main",
    );
    let before = head(&clones[0]);
    clones[0].run("sync").fails(12).says("undo");
    assert_eq!(head(&clones[0]), before);
    clones[0].run("sync --yes").ok();
    assert_eq!(head(&clones[0]), clones.hub.tip(&mallory));
}

/// So many MiB has a read where somebody wants it to need more than there is.
const MEMORY: u64 = 2048;

/// A tree of `depth` folders with `wide` entries each, all the same one.
fn bomb(world: &World, leaf: &str, depth: usize) -> String {
    world.sh(&format!(
        "tree={leaf}; for level in $(seq {depth}); do tree=$(for n in $(seq 10 30); do printf '040000 tree %s\\td%s\\n' $tree $n; done | git mktree); done; echo $tree"
    ))
}

#[test]
fn a6_a_tree_of_trees_costs_a_read_nothing() {
    let clones = Clones::of_one_owner(2);
    let mallory = clones.stranger("mallory");
    let leaf = mallory.sh("printf '100644 blob %s\\tx\\n' $(echo | git hash-object -w --stdin) | git mktree");
    let tree = bomb(&mallory, &leaf, 8);
    let commit = mallory.sh(&format!(
        "top=$( (git ls-tree HEAD; printf '040000 tree {tree}\\tbomb\\n') | git mktree); git commit-tree -p HEAD -m x $top"
    ));
    mallory.git(&format!("push -q origin {commit}:main"));
    clones[1].sh("rm -rf ~/.agent-vault/vaults/*/fetched");
    clones[1].line("get stripe/api-key").with_memory(MEMORY).run().ok().prints(VALUE);
}

#[test]
fn a6_a_history_of_many_vaults_is_refused_in_bounded_memory() {
    let clones = Clones::of_one_owner(2);
    let mallory = clones.stranger("mallory");
    let leaf = mallory.sh("printf '040000 tree %s\\t.agent-vault\\n' $(git rev-parse HEAD:.agent-vault) | git mktree");
    let tree = bomb(&mallory, &leaf, 8);
    let commit = mallory.sh(&format!(
        "top=$(printf '040000 tree {tree}\\tbomb\\n' | git mktree); gone=$(git commit-tree -p HEAD -m x $top); git commit-tree -p $gone -m y HEAD^{{tree}}"
    ));
    mallory.git(&format!("push -q origin {commit}:main"));
    clones[1].sh("rm -rf ~/.agent-vault/vaults/*/fetched");
    clones[1].line("get stripe/api-key").with_memory(MEMORY).run().ok().prints(VALUE);
}

#[test]
fn a6_a_vault_of_many_files_is_refused_in_bounded_memory() {
    let clones = Clones::of_one_owner(2);
    let mallory = clones.stranger("mallory");
    let leaf = mallory.sh("printf '100644 blob %s\\tx.enc\\n' $(echo | git hash-object -w --stdin) | git mktree");
    let tree = bomb(&mallory, &leaf, 7);
    let commit = mallory.sh(&format!(
        "vault=$( (git ls-tree HEAD:.agent-vault | grep -v secrets; printf '040000 tree {tree}\\tsecrets\\n') | git mktree)
         top=$(printf '040000 tree %s\\t.agent-vault\\n' $vault | git mktree); git commit-tree -p HEAD -m x $top"
    ));
    mallory.git(&format!("push -q origin {commit}:main"));
    clones[1].sh("rm -rf ~/.agent-vault/vaults/*/fetched");
    clones[1].line("get stripe/api-key").with_memory(MEMORY).run().ok().prints(VALUE).says("than a vault can have");
}

#[test]
fn a7_an_address_without_a_vault_is_no_other_vault() {
    let clones = Clones::of_one_owner(1);
    let world = &clones[0];
    world.sh("git init -q --bare -b main ../empty.git; git clone -q ../empty.git ../e; cd ../e; git commit -q --allow-empty -m x; git push -q origin HEAD:main");
    let url = world.root.join("empty.git");
    world.run(&format!("--vault file://{} get stripe/api-key", url.display())).fails(3);
}
