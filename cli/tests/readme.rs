//! The shell blocks of README.md, docs/*.md and examples/*/README.md, run as a reader would run them.
//!
//! A block that begins with ```` ```sh ```` is run with `bash -euo pipefail`. All blocks of a document are one script: they
//! share the working directory and the shell's state, and a line of the script has the number that it has in the
//! document, so bash's own messages point there. Blocks of text are marked `text` and are not run.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::executable;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{PROGRAM, World};

/// Info strings of shell blocks that would be left out without a word.
const NOT_RUN: [&str; 5] = ["bash", "shell", "console", "zsh", "shell-session"];

/// `cargo` as documents call it. `cargo run --release -- …` is the program itself, already built. Building again and
/// running all tests inside a test would take long and prove nothing that `.ci/run` does not: it runs those very
/// commands. So they are accepted as they stand, and anything else that is not known here is a mistake in a document.
const CARGO: &str = r#"#!/bin/sh
echo "$*" >> "$CARGO_LOG"
case "$*" in
    "run --release -- "*) shift 3; exec agent-vault "$@" ;;
    "build --release" | "xtask test" | "xtask test "* | "xtask bench" | "xtask bench "*) ;;
    *) echo "no document should say: cargo $*" >&2; exit 1 ;;
esac
"#;

/// A document's shell lines, each on its own line, and nothing on all others. `None` when it has no block to run.
fn script(text: &str) -> Result<Option<String>, String> {
    let mut lines = Vec::new();
    let mut block: Option<(usize, String)> = None;
    let mut runs = false;
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let fence = line.trim_start().strip_prefix("```");
        let kept = match (&block, fence) {
            (None, Some(info)) if NOT_RUN.contains(&info.trim()) => {
                return Err(format!("line {at}: mark the block `sh` to have it run, or `text`"));
            }
            (None, Some(info)) => {
                block = Some((at, info.trim().to_owned()));
                ""
            }
            (Some(_), Some("")) => {
                block = None;
                ""
            }
            (Some((_, info)), _) if info == "sh" => line,
            _ => "",
        };
        runs |= !kept.is_empty();
        lines.push(kept);
    }
    match block {
        Some((at, _)) => Err(format!("line {at}: the block has no end")),
        None => Ok(runs.then(|| lines.join("\n") + "\n")),
    }
}

/// Runs a script in the world's repository, with our program and the `cargo` above first on PATH.
fn run(world: &World, name: &str, script: &str) -> Output {
    let bin = world.root.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PROGRAM, bin.join("agent-vault")).unwrap();
    executable(&bin.join("cargo"), CARGO);
    let file = world.root.join("script");
    std::fs::write(&file, script).unwrap();
    let trap = "trap 'echo \"$0:$LINENO: ended with $?: $BASH_COMMAND\" >&2' ERR; . \"$1\"";
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path))).unwrap();
    Command::new("bash")
        .args(["-euEo", "pipefail", "-c", trap, name])
        .arg(&file)
        .current_dir(&world.repo)
        .env_clear()
        .env("PATH", path)
        .env("HOME", &world.home)
        .env("TMPDIR", world.root.join("tmp"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C.UTF-8")
        .env("CARGO_LOG", world.tmp("cargo.log"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs")
}

/// Runs a document's blocks, which must all succeed.
#[track_caller]
fn is_true(world: &World, name: &str, text: &str) -> bool {
    let script = script(text).unwrap_or_else(|reason| panic!("{name}: {reason}"));
    let Some(script) = script else { return false };
    let output = run(world, name, &script);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} does not run as it is written.\n{err}\n--- standard output:\n{out}");
    true
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_newcomer_with_nothing_but_the_readme_gets_through_it_as_it_is_written() {
    let world = World::bare();
    assert!(is_true(&world, "README.md", &read("README.md")), "README.md has no block to run");
    let called = std::fs::read_to_string(world.tmp("cargo.log")).expect("README.md begins with cargo");
    for promised in ["run --release -- demo", "xtask test"] {
        assert!(called.lines().any(|line| line == promised), "README.md does not say: cargo {promised}");
    }
}

#[test]
fn the_documents_commands_work_in_a_vault_as_they_are_written() {
    for entry in std::fs::read_dir(top().join("docs")).expect("docs").flatten() {
        let name = format!("docs/{}", entry.file_name().to_string_lossy());
        if name.ends_with(".md") {
            let world = match name.as_str() {
                // The golden vault of 0.1.0 and its owner's key.
                "docs/old-vaults.md" => World::old(),
                // An agent `ci` with the group `stripe`, the secret `stripe/api-key`, and the owner's key in the home.
                _ => World::story(),
            };
            is_true(&world, &name, &read(&name));
        }
    }
}

#[test]
fn the_examples_readmes_work_in_a_vault_beside_a_clone_as_they_are_written() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(top().join("examples")).expect("examples").flatten() {
        let example = entry.file_name().to_string_lossy().into_owned();
        let name = format!("examples/{example}/README.md");
        // Where the packages are installed: by `test_docs.py` of `sdk-python/pytests`, and `docs.test.mjs` of `sdk-node/tests`.
        if !["node", "python"].contains(&&*example) {
            let world = World::story();
            std::os::unix::fs::symlink(top(), world.root.join("agent-vault")).unwrap();
            assert!(is_true(&world, &name, &read(&name)), "{name} has no block to run");
        }
        found.push(example);
    }
    found.sort();
    assert_eq!(found, ["claude-code", "docker", "github-actions", "node", "python"]);
}

#[test]
fn the_page_for_agents_knows_every_exit_code() {
    let (agents, readme) = (read("docs/for-agents.md"), read("README.md"));
    let codes: Vec<String> = (0..=12).map(|code| code.to_string()).chain(["126, 127".into()]).collect();
    for code in codes {
        assert!(readme.contains(&format!("| {code} | ")), "README.md: {code}");
        assert_eq!(agents.matches(&format!("\n| {code} | ")).count(), 1, "docs/for-agents.md: {code}");
    }
    assert!(!readme.contains("| 13 | "));
}

#[test]
fn only_sh_blocks_are_run_and_they_keep_their_line_numbers() {
    let text = "# Title\n```sh\necho one\n```\ntext\n```text\nno\n```\n- item\n  ```sh\n  echo two\n  ```\n";
    assert_eq!(script(text).unwrap().unwrap(), "\n\necho one\n\n\n\n\n\n\n\n  echo two\n\n");
    assert_eq!(script("# Title\n```text\nno\n```\n").unwrap(), None);
    assert_eq!(script("a\n```sh\necho\n").unwrap_err(), "line 2: the block has no end");
    assert!(script("```console\n$ echo\n```\n").unwrap_err().contains("line 1"));
}

#[test]
fn a_command_that_fails_is_told_with_its_document_and_line() {
    for (text, told) in [
        ("\n```sh\ntrue\nfalse\n```\n", "DOC.md:4: ended with 1: false"),
        ("```sh\nagent-vault get ../x | cat\n```\n", "DOC.md:2: ended with 2"),
        ("```sh\necho \"$not_there\"\n```\n", "line 2: not_there: unbound variable"),
        ("```sh\ncargo install agent-vault\n```\n", "no document should say: cargo install agent-vault"),
        ("```sh\n( cd nowhere )\n```\n", "line 2: cd: nowhere"),
    ] {
        let world = World::bare();
        let output = run(&world, "DOC.md", &script(text).unwrap().unwrap());
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && err.contains(told), "{told}\n{err}");
    }
}

#[test]
fn blocks_share_directory_variables_and_functions() {
    let text = "```sh\nmkdir sub; cd sub; x=1\nf() { echo \"$x\"; }\n```\ntext\n```sh\ntest \"$(f)\" = 1\ntest \"$(basename \"$PWD\")\" = sub\n```\n";
    assert!(is_true(&World::bare(), "DOC.md", text));
}
