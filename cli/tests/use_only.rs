//! Use-only secrets: handed to the programs that their owner signed, and shown to nobody by mistake.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::{copy_program, executable};
use std::path::{Path, PathBuf};
use support::{Call, VALUE, World};

/// A story whose secret is use-only, for these programs.
fn bound_to(programs: &str) -> World {
    let world = World::story();
    world.line("set stripe/api-key --use-only --programs").arg(programs).run().ok();
    world
}

fn cp() -> PathBuf {
    real("cp")
}

/// Where a program of this machine lies, without links.
fn real(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("PATH");
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    found.expect(name).canonicalize().expect("its real path")
}

/// A program of our own below the world's directory: not a link, and not at a path that is signed.
fn fake(world: &World, name: &str) -> PathBuf {
    let folder = world.tmp("early");
    std::fs::create_dir_all(&folder).expect("a folder");
    copy_program(&cp(), &folder.join(name));
    folder
}

/// The program copies what it finds in its environment.
fn copying<'w>(world: &'w World, program: impl AsRef<Path>) -> Call<'w> {
    world
        .line("run --env TOKEN=stripe/api-key --")
        .arg(program.as_ref())
        .arg("/proc/self/environ")
        .arg(world.tmp("got"))
}

fn got(world: &World) -> Vec<u8> {
    std::fs::read(world.tmp("got")).unwrap_or_default()
}

#[test]
fn a_use_only_value_is_shown_by_no_command() {
    let world = bound_to("cp");
    let ci = world.key("ci");
    world.run("get stripe/api-key").fails(4).says("is use-only, for").says("agent-vault run").keeps_silent_about(VALUE);
    world.run("get stripe/api-key --output out").fails(4).keeps_silent_about(VALUE);
    world.run("get stripe/api-key --allow-old").fails(4).keeps_silent_about(VALUE);
    world.line("get stripe/api-key --key").arg(&ci).run().fails(4).says("use-only").keeps_silent_about(VALUE);
    world.run("env --env TOKEN=stripe/api-key --format json").fails(4).keeps_silent_about(VALUE);
    world.run("edit stripe/api-key").fails(4).keeps_silent_about(VALUE);
    std::fs::write(world.repo.join("in"), "key = ${av://stripe/api-key}\n").unwrap();
    world.run("inject -i in -o filled").fails(4).keeps_silent_about(VALUE);
    assert!(!world.repo.join("out").exists() && !world.repo.join("filled").exists());
    world.run("show stripe/api-key").ok().shows("use-only: for").keeps_silent_about(VALUE);
    let audit = world.run("audit --json").ok();
    assert!(audit.out().contains("not-authorized"), "{audit}");
}

#[test]
fn only_an_owner_reveals_it_and_that_is_recorded() {
    let world = bound_to("cp");
    world.line("get stripe/api-key --reveal --key").arg(world.key("ci")).run().fails(4).keeps_silent_about(VALUE);
    world.run("get stripe/api-key --reveal").ok().prints(VALUE);
    assert!(world.run("audit --json").ok().out().contains("\"reveal\""));
    let editor = world.tmp("editor");
    executable(&editor, "#!/bin/sh\nprintf changed >\"$1\"\n");
    world.line("edit stripe/api-key --reveal").env("EDITOR", &editor).run().ok();
    world.run("get stripe/api-key").fails(4);
    world.run("get stripe/api-key --reveal").ok().prints("changed");
}

#[test]
fn the_listed_program_gets_it_and_no_other() {
    let world = bound_to("cp");
    copying(&world, "cp").run().ok();
    assert!(contains(&got(&world), format!("TOKEN={VALUE}").as_bytes()));
    std::fs::remove_file(world.tmp("got")).unwrap();
    // Also for the agent, with nothing but its own key.
    copying(&world, cp()).env("AGENT_VAULT_KEY", world.key("ci")).run().ok();
    assert!(contains(&got(&world), VALUE.as_bytes()) && !contains(&got(&world), b"AGENT_VAULT_KEY"));
    for other in ["cat", "true", "sh", "env", "/bin/sh"] {
        copying(&world, other).run().fails(4).says("use-only").keeps_silent_about(VALUE);
    }
}

#[test]
fn a_program_early_on_path_gets_nothing() {
    let world = bound_to("cp");
    let early = fake(&world, "cp");
    let path = format!("{}:{}", early.display(), std::env::var("PATH").unwrap());
    copying(&world, "cp").env("PATH", &path).run().fails(4).says(&early.display().to_string());
    // A link of that name to the listed program is the listed program.
    std::fs::remove_file(early.join("cp")).unwrap();
    std::os::unix::fs::symlink(real("cat"), early.join("cp")).unwrap();
    copying(&world, "cp").env("PATH", &path).run().fails(4);
    std::fs::remove_file(early.join("cp")).unwrap();
    executable(&early.join("cp"), "#!/bin/sh\nprintf %s \"$TOKEN\"\n");
    copying(&world, "cp").env("PATH", &path).run().fails(4).keeps_silent_about(VALUE);
    assert!(got(&world).is_empty());
}

#[test]
fn a_listed_path_that_leads_to_a_shell_gets_nothing() {
    let world = World::story();
    let place = fake(&world, "gh").join("gh");
    world.line("set stripe/api-key --use-only --programs").arg(&place).run().ok();
    copying(&world, &place).run().ok();
    std::fs::remove_file(world.tmp("got")).unwrap();
    for shell in ["sh", "env"] {
        std::fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(real(shell), &place).unwrap();
        copying(&world, &place).run().fails(4).says("runs whatever it is told").keeps_silent_about(VALUE);
    }
}

#[test]
fn a_script_gets_it_only_under_its_own_path_and_with_an_interpreter_that_path_does_not_choose() {
    let world = World::story();
    let script = world.tmp("deploy");
    executable(&script, "#!/bin/sh\nprintf %s \"$TOKEN\" >\"$2\"\n");
    world.line("set stripe/api-key --use-only --programs").arg(&script).run().ok();
    copying(&world, &script).run().ok();
    assert_eq!(got(&world), VALUE.as_bytes());
    std::fs::remove_file(world.tmp("got")).unwrap();
    copying(&world, "sh").arg(&script).run().fails(4);
    executable(&script, "#!/usr/bin/env sh\nprintf %s \"$TOKEN\" >\"$2\"\n");
    copying(&world, &script).run().fails(4).says("leaves it to PATH");
    executable(&script, "printf %s \"$TOKEN\" >\"$2\"\n");
    copying(&world, &script).run().fails(4).says("neither a program");
    assert!(got(&world).is_empty());
}

#[test]
fn shells_interpreters_and_what_is_no_path_are_never_listed() {
    let world = World::story();
    let link = world.tmp("gh");
    std::os::unix::fs::symlink(real("sh"), &link).unwrap();
    let link = link.display().to_string();
    for program in ["sh", "/bin/bash", "env", "/usr/bin/python3", "/bin/../bin/cp", "./cp", &link] {
        world.line("set stripe/api-key --use-only --programs").arg(program).run().fails(2);
    }
    world.run("set stripe/api-key --use-only --programs no-such-program").fails(3);
    world.run("set stripe/api-key --use-only").fails(2).says("of no use");
    world.run("set stripe/api-key --programs cp").fails(2).says("not use-only");
    world.run("set stripe/api-key --use-only --hosts *.example.org").fails(2).says("wildcards");
    assert_eq!(world.get("stripe/api-key"), VALUE.as_bytes(), "nothing was changed");
}

#[test]
fn nothing_that_the_caller_says_is_loaded_into_the_program() {
    let world = bound_to("cp");
    let done = copying(&world, "cp")
        .env("LD_LIBRARY_PATH", "/nowhere")
        .env("BASH_ENV", "/nowhere/rc")
        .env("GIT_SSH_COMMAND", "/nowhere/ssh")
        .env("KEPT", "yes")
        .run();
    done.ok().says("LD_LIBRARY_PATH");
    let got = got(&world);
    assert!(contains(&got, b"KEPT=yes") && contains(&got, VALUE.as_bytes()) && contains(&got, b"HOME="));
    assert!(!contains(&got, b"/nowhere"), "{}", String::from_utf8_lossy(&got));
}

#[test]
fn it_is_in_no_argument_and_masked_in_what_the_program_prints() {
    let world = bound_to("cat");
    let run = "run --env TOKEN=stripe/api-key";
    world.line(&format!("{run} -- cat /proc/self/environ")).run().ok().shows("TOKEN=").keeps_silent_about(VALUE);
    world.line(&format!("{run} --no-mask -- cat /proc/self/environ")).run().fails(2).keeps_silent_about(VALUE);
    world.line("run -- cat av://stripe/api-key").run().fails(2).says("arguments").keeps_silent_about(VALUE);
}

#[test]
fn moving_rotating_and_restoring_keep_the_bound_and_lifting_it_is_told() {
    let world = bound_to("cp");
    world.run("mv stripe/api-key stripe/key --yes").ok();
    world.run("get stripe/key").fails(4);
    world.pipe("second", "set stripe/key").ok().says("use-only: for");
    world.run("get stripe/key").fails(4);
    world.run("restore stripe/key@HEAD~1").ok();
    world.run("get stripe/key").fails(4);
    world.run("rm stripe/key --yes").ok();
    world.run("restore stripe/key@HEAD~1").ok();
    world.run("get stripe/key").fails(4);
    world.run("set stripe/key --no-use-only").ok();
    world.run("get stripe/key").ok().prints(VALUE);
    world.run("log stripe/key").ok().shows("changed use of stripe/key: not use-only");
    world.run("check").ok();
    world.run("verify --history").ok();
}

#[test]
fn the_hook_knows_a_use_only_value_without_showing_it() {
    let world = bound_to("cp");
    world.run("hook refresh").ok().says("recognises 1 value").keeps_silent_about(VALUE);
    std::fs::write(world.repo.join("config"), format!("key = {VALUE}\n")).unwrap();
    world.run("scan config").code(9).keeps_silent_about(VALUE);
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
