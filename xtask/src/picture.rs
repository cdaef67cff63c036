//! `cargo xtask picture`: plays a session on a terminal and draws what it shows, `docs/terminal.svg`.

use std::env;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::failure::{Context as _, Failure};
use crate::programs;
use crate::workspace::{cargo, root, target_dir};

const HELP: &str = "\
Plays a session of the program in a temporary HOME, on a terminal of 100 columns, and draws it.

Usage: cargo xtask picture

Writes docs/terminal.svg. Needs `script` (Debian: bsdutils) and git.";

/// What is typed.
const SESSION: &[&str] = &[
    "agent-vault init --owner eric",
    "printf %s tok-8Zk7qP2wXr9LmT4b | agent-vault set stripe/api-key --expires 90d",
    "agent-vault set postgres/password --generate=40",
    "agent-vault add-agent ci",
    "agent-vault grant ci stripe",
    "agent-vault list",
    "agent-vault get postgres/password --key ~/.agent-vault/agents/ci.key",
    "echo \"key = $(agent-vault get stripe/api-key)\" > app.ini; git add app.ini; git commit -m 'Add settings'",
    "agent-vault revoke ci stripe",
    "agent-vault check",
];

/// Draws the session.
///
/// # Errors
///
/// When the program does not build, a needed program is missing, or the picture cannot be written.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    match args {
        [] => {}
        [arg] if arg == "--help" || arg == "-h" => {
            println!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        [other, ..] => {
            return Err(Failure::usage(format!("picture knows no `{other}`")).with_hint("it takes no arguments"));
        }
    }
    if programs::find("script").is_none() {
        return Err(Failure::usage("`script` is not there").with_hint("Debian: apt-get install bsdutils"));
    }
    let built =
        cargo().args(["build", "--locked", "-p", "agent-vault-cli"]).status().context("cannot run cargo build")?;
    if !built.success() {
        return Err(Failure::new("the program does not build"));
    }
    let screen = play(&target_dir().join("debug"))?;
    let svg = anstyle_svg::Term::new().render_svg(&screen);
    let file = root().join("docs").join("terminal.svg");
    std::fs::write(&file, svg).context(file.display())?;
    eprintln!("xtask: wrote {}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// The prompts, what is typed, and what the terminal shows, with its colours.
fn play(programs: &Path) -> Result<String, Failure> {
    let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
    let (home, project) = (dir.path().join("home"), dir.path().join("home").join("project"));
    std::fs::create_dir_all(&project).context(project.display())?;
    let config = home.join(".gitconfig");
    std::fs::write(&config, "[user]\n\tname = Eric Example\n\temail = eric@example.org\n").context(config.display())?;
    let mut path = vec![std::path::absolute(programs).context(programs.display())?];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).context("PATH")?;
    let mut screen = String::new();
    for line in SESSION {
        let _ = writeln!(screen, "\x1b[1;32m$\x1b[0m \x1b[1m{line}\x1b[0m");
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &format!("stty cols 100; {line}"), "/dev/null"])
            .env_clear()
            .env("HOME", &home)
            .env("PATH", &path)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env("SHELL", "/bin/bash")
            .current_dir(&project)
            .output()
            .context("cannot run script")?;
        screen.push_str(&lines_of(&String::from_utf8_lossy(&output.stdout)));
    }
    Ok(screen)
}

/// What stays on the screen: a line that was written over by a carriage return does not.
fn lines_of(output: &str) -> String {
    let shown = |line: &str| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default().replace("\x1b[K", "");
    output.lines().map(|line| shown(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_progress_line_wrote_over_is_not_in_the_picture() {
        assert_eq!(lines_of("1 of 2\r2 of 2\rdone\r\nnext\r\n"), "done\nnext\n");
    }
}
