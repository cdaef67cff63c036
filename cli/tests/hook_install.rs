//! Where the hook goes, what it does to a hook that is there, and how it goes away.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::executable;
use support::{PROGRAM, World};

fn token() -> String {
    format!("gh{}_{}", "p", "R7xKq2Lm9TzVb4NcW8sYd3FhJ6gPaE5uXo1Q")
}

/// Every file and link of the hooks' folder, with mode and content.
fn hooks(world: &World, folder: &str) -> String {
    world.sh(&format!(
        "cd {folder}; for f in $(ls -A); do stat -c '%n %f' $f; cat $f 2>/dev/null | md5sum; readlink $f || true; done"
    ))
}

/// Whether a commit of a harmless file, and one of a token, are made.
fn commits(world: &World) -> (bool, bool) {
    let attempt = |text: &str| {
        std::fs::write(world.repo.join("f"), text).unwrap();
        let done = world.sh(
            "git add f; git commit -q -m x >/dev/null 2>../tmp/err && echo made || { git reset -q f; echo blocked; }",
        );
        done == "made"
    };
    let number = world.sh("date +%s%N");
    (attempt(&number), attempt(&token()))
}

#[test]
fn init_installs_the_hook_unless_it_is_told_not_to() {
    let world = World::vault();
    assert_eq!(commits(&world), (true, false));
    let other = World::repository();
    other.run("init --no-hook").ok();
    assert_eq!(commits(&other), (true, true));
    let third = World::repository();
    third.sh("rm -r .git/hooks; echo file > .git/hooks");
    third.run("init").ok().says("warning: no commit hook");
    assert!(third.folder().join("roots/1.yaml").is_file());
}

#[test]
fn f5_a_hook_that_was_there_runs_whatever_it_is_and_however_it_ends() {
    for (what, script) in [
        ("exit 0", "#!/bin/sh\ntouch ran\nexit 0\n"),
        ("exec", "#!/bin/sh\ntouch ran\nexec true\n"),
        ("another interpreter", "#!/usr/bin/env python3\nopen('ran', 'w')\n"),
        ("bash with options", "#!/bin/bash -eu\ntouch ran\n"),
        ("no interpreter named", "touch ran\n"),
        (
            "its own name and folder",
            "#!/bin/sh\n[ \"$(basename \"$0\")\" = pre-commit ] && [ -d \"$(dirname \"$0\")\" ] && touch ran\n",
        ),
    ] {
        let world = World::repository();
        executable(&world.repo.join(".git/hooks/pre-commit"), script);
        let before = hooks(&world, ".git/hooks");
        world.run("hook install").ok().says("kept and runs first");
        assert_eq!(commits(&world), (true, false), "{what}");
        world.sh("test -e ran && rm ran");
        world.run("hook install").ok().says("installed already");
        world.run("hook uninstall").ok().says("is back");
        assert_eq!(hooks(&world, ".git/hooks"), before, "{what}");
    }
}

#[test]
fn a_hook_that_was_there_can_still_refuse_and_is_not_run_when_git_would_not_run_it() {
    let world = World::repository();
    world.sh("printf '#!/bin/sh\\nexit 3\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit");
    world.run("hook install").ok();
    assert_eq!(commits(&world), (false, false));
    let told = std::fs::read_to_string(world.tmp("err")).unwrap();
    assert!(told.contains("blocked"), "ours ran all the same: {told}");
    world.run("hook uninstall").ok();
    world.sh("chmod -x .git/hooks/pre-commit");
    world.run("hook install").ok();
    assert_eq!(commits(&world), (true, false), "a hook that cannot be executed is none");
}

#[test]
fn a_program_and_a_link_that_were_there_stay_what_they_were() {
    let world = World::repository();
    world.sh("mkdir scripts; printf '#!/bin/bash\\ntouch ran\\n' > scripts/check; chmod +x scripts/check; ln -s ../../scripts/check .git/hooks/pre-commit");
    let before = hooks(&world, ".git/hooks");
    world.run("hook install").ok();
    assert_eq!(commits(&world), (true, false));
    world.sh("test -e ran; grep -q 'touch ran' scripts/check");
    assert_eq!(world.sh("wc -l < scripts/check"), "2", "nothing is written through the link");
    world.run("hook uninstall").ok();
    assert_eq!(hooks(&world, ".git/hooks"), before);
    world.sh("rm .git/hooks/pre-commit; cp $(which true) .git/hooks/pre-commit");
    world.run("hook install").ok();
    assert_eq!(commits(&world), (true, false));
}

#[test]
fn core_hooks_path_is_honoured_relative_absolute_and_with_a_tilde() {
    for (path, folder) in [(".githooks", ".githooks"), ("$PWD/abs", "abs"), ("'~/mine'", "$HOME/mine")] {
        let world = World::repository();
        world.sh(&format!("git config core.hooksPath {path}"));
        world.run("hook install").ok();
        world.sh(&format!("test -x {folder}/pre-commit && ! test -e .git/hooks/pre-commit"));
        assert_eq!(commits(&world), (true, false), "{path}");
        world.run("hook uninstall").ok();
        world.sh(&format!("! test -e {folder}"));
    }
}

#[test]
fn a_hooks_path_that_leads_out_through_a_link_is_refused() {
    let world = World::repository();
    world.sh("mkdir ../outside; ln -s ../outside hooks; git config core.hooksPath hooks");
    world.run("hook install").fails(7).says("through a link");
    assert_eq!(world.sh("ls -A ../outside"), "");
}

#[test]
fn linked_work_trees_share_the_hook() {
    let world = World::vault();
    world.sh("git worktree add -q ../linked 2>/dev/null");
    let linked = world.root.join("linked");
    std::fs::write(linked.join("f"), token()).unwrap();
    let done = world.sh("cd ../linked; git add f; git commit -m x 2>&1 || true");
    assert!(done.contains("f:1:1: github-token"), "{done}");
    world.line("hook uninstall").dir(&linked).run().ok();
    assert!(!world.repo.join(".git/hooks/pre-commit").exists());
}

#[test]
fn without_the_program_the_hook_blocks_and_says_how_to_install_it() {
    let world = World::repository();
    world.run("hook install").ok();
    world.sh("sed -i \"s|^installed=.*|installed='/nowhere/agent-vault'|\" .git/hooks/pre-commit");
    assert_eq!(commits(&world), (false, false));
    let told = std::fs::read_to_string(world.tmp("err")).unwrap();
    for said in ["agent-vault is not found", "cargo build --release", "--no-verify"] {
        assert!(told.contains(said), "{told}");
    }
    // On the PATH it is found first.
    let bin = world.root.join("bin");
    world.sh(&format!(
        "mkdir {0}; ln -s {PROGRAM} {0}/agent-vault; echo new > f; git add f; PATH={0}:$PATH git commit -q -m x",
        bin.display()
    ));
}

#[test]
fn another_tool_that_owns_the_hook_is_chained_husky_s_way_too() {
    let world = World::repository();
    world.sh(
        "mkdir -p .husky/_; printf 'echo husky ran > ran\\n' > .husky/pre-commit\n\
         printf '#!/usr/bin/env sh\\n. \"$(dirname \"$0\")/h\"\\n' > .husky/_/pre-commit; chmod +x .husky/_/pre-commit\n\
         printf 'n=$(basename \"$0\")\\ns=$(dirname \"$(dirname \"$0\")\")/$n\\n[ ! -f \"$s\" ] && exit 0\\nsh -e \"$s\" \"$@\"\\nexit $?\\n' > .husky/_/h\n\
         git config core.hooksPath .husky/_",
    );
    world.run("hook install").ok();
    assert_eq!(commits(&world), (true, false));
    world.sh("test -e ran");
}

#[test]
fn two_hooks_and_a_replaced_one_are_never_lost() {
    let world = World::repository();
    let write = |text: &str| executable(&world.repo.join(".git/hooks/pre-commit"), text);
    write("#!/bin/sh\nexit 0\n");
    world.run("hook install").ok();
    write("#!/bin/sh\n# newer\nexit 0\n");
    let before = hooks(&world, ".git/hooks");
    world.run("hook install").fails(7).says("is kept already");
    world.run("hook uninstall").ok().says("no hook of agent-vault");
    assert_eq!(hooks(&world, ".git/hooks"), before);
}

#[test]
fn a_global_hooks_path_is_told_and_no_repository_is_an_error() {
    let world = World::repository();
    world.sh("git config --global core.hooksPath $HOME/all");
    world.run("hook install").ok().says("more than this repository");
    world.line("hook install").dir(&world.root).run().fails(3);
}
