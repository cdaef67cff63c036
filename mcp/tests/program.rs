//! The program's own face: flags, help, and how it ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-vault-mcp"));
    command.args(words).current_dir(dir).env("HOME", dir).env_remove("AGENT_VAULT_KEY").env_remove("AGENT_VAULT_HOME");
    command.stdin(Stdio::null()).output().expect("the program runs")
}

#[test]
fn help_fits_a_terminal_and_flags_that_make_no_sense_are_refused_before_anything_is_served() {
    let temp = tempfile::tempdir().expect("a folder");
    for words in [&["--help"][..], &["install", "--help"], &["--version"]] {
        let output = run(temp.path(), words);
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && !text.is_empty(), "{words:?}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    for (words, said) in [
        (&["--tools", "gett"][..], "did you mean"),
        (&["--tools", "exec"], "--exec-allow"),
        (&["--tools", "list", "--exec-allow", "cat"], "exec is not among"),
        (&["--allow", ""], "--allow"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["install"], "--client"),
        (&["install", "--client", "emacs"], "claude-code"),
    ] {
        let output = run(temp.path(), words);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty() && err.contains(said), "{words:?}: {err}");
    }
    let output = run(temp.path(), &["--exec-allow", "no-such-program-anywhere"]);
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("hint: "));
}

#[test]
fn it_ends_well_when_nobody_ever_says_anything() {
    let temp = tempfile::tempdir().expect("a folder");
    let output = run(temp.path(), &[]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
