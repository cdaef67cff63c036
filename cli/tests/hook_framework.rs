//! The hook under the `pre-commit` framework, the real one from PyPI, with the `.pre-commit-hooks.yaml` of this repository.
//!
//! `cargo xtask test` installs it and names it in `AGENT_VAULT_TEST_PRE_COMMIT`; `cargo test` by itself takes it from PATH.
#![cfg(unix)]

mod support;

use std::path::{Path, PathBuf};
use support::{PROGRAM, World};

fn framework() -> PathBuf {
    std::env::var_os("AGENT_VAULT_TEST_PRE_COMMIT").map_or_else(|| "pre-commit".into(), PathBuf::from)
}

fn token() -> String {
    format!("gh{}_{}", "p", "R7xKq2Lm9TzVb4NcW8sYd3FhJ6gPaE5uXo1Q")
}

/// A repository that uses ours by its `.pre-commit-hooks.yaml`, with the framework's own hook installed.
fn world() -> World {
    let world = World::repository();
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(".pre-commit-hooks.yaml");
    let ours = world.root.join("ours");
    world.sh(&format!(
        "git init -q -b main {0}; cp {1} {0}/; cd {0}; git add .; git commit -q -m hooks",
        ours.display(),
        hooks.display()
    ));
    let rev = world.sh(&format!("git -C {} rev-parse HEAD", ours.display()));
    let config = format!("repos:\n- repo: {}\n  rev: {rev}\n  hooks:\n  - id: agent-vault\n", ours.display());
    std::fs::write(world.repo.join(".pre-commit-config.yaml"), config).unwrap();
    let bin = world.root.join("bin");
    world.sh(&format!("mkdir {0}; ln -s {PROGRAM} {0}/agent-vault", bin.display()));
    world.sh(&format!("git add .; {} install", framework().display()));
    world
}

/// `git commit` with our program on the PATH; what it said when it was refused.
fn commit(world: &World) -> Result<(), String> {
    let bin = world.root.join("bin");
    let script = format!("PATH={}:$PATH git commit -m x 2>&1 && echo COMMITTED || true", bin.display());
    let said = world.sh(&script);
    if said.ends_with("COMMITTED") { Ok(()) } else { Err(said) }
}

#[test]
fn the_framework_blocks_what_our_hook_finds_and_lets_the_rest_pass() {
    let world = world();
    commit(&world).unwrap();
    std::fs::write(world.repo.join("f"), token()).unwrap();
    world.git("add f");
    let said = commit(&world).unwrap_err();
    assert!(said.contains("f:1:1: github-token") && said.contains("Failed"), "{said}");
    std::fs::write(world.repo.join("f"), "fine").unwrap();
    world.git("add f");
    commit(&world).unwrap();
}

#[test]
fn our_hook_and_the_framework_s_stand_each_other_in_either_order() {
    let world = world();
    commit(&world).unwrap();
    let before = world.sh("cat .git/hooks/pre-commit");
    world.run("hook install").ok().says("kept and runs first");
    std::fs::write(world.repo.join("f"), token()).unwrap();
    world.git("add f");
    let said = commit(&world).unwrap_err();
    assert!(said.contains("Failed") && said.contains("the commit is blocked"), "{said}");
    world.run("hook uninstall").ok();
    assert_eq!(world.sh("cat .git/hooks/pre-commit"), before);
    // The other way round: the framework finds ours, and keeps it as its legacy hook.
    world.sh(&format!("{0} uninstall; rm -f .git/hooks/pre-commit.legacy", framework().display()));
    world.run("hook install").ok();
    world.sh(&format!("{0} install", framework().display()));
    let said = commit(&world).unwrap_err();
    assert!(said.contains("the commit is blocked"), "{said}");
    world.run("hook install").ok().says("installed already");
    world.run("hook uninstall").fails(7).says("pre-commit uninstall");
    world.sh(&format!("{0} uninstall", framework().display()));
    world.run("hook uninstall").ok();
}
