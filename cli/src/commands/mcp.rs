//! `mcp`: becomes the program `agent-vault-mcp`, which is a program of its own so that this one stays small.

use crate::app::{App, Mcp};
use crate::child;
use crate::exit::{Failure, Outcome};
use agent_vault_core::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The server's program.
const PROGRAM: &str = if cfg!(windows) { "agent-vault-mcp.exe" } else { "agent-vault-mcp" };

/// Becomes the server, with what it is told and what was said before `mcp`.
pub fn run(app: &App, args: &Mcp) -> Outcome {
    let program = beside().unwrap_or_else(|| PROGRAM.into());
    let mut command = Command::new(&program);
    command.args(common(app)).args(&args.args);
    Err(failed(child::become_it(command)))
}

/// The server that was installed with this program, wherever this one was called from.
fn beside() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    Some(here.with_file_name(PROGRAM)).filter(|program| program.is_file())
}

/// `--vault` and `--key`, as the server names them.
fn common(app: &App) -> Vec<OsString> {
    let named = [("--repo", &app.common.vault), ("--key", &app.common.key)];
    let words = named
        .into_iter()
        .flat_map(|(flag, value)| value.iter().flat_map(move |value| [flag.into(), value.clone().into_os_string()]));
    words.collect()
}

fn failed(source: std::io::Error) -> Failure {
    if source.kind() != std::io::ErrorKind::NotFound {
        return Failure::not_started(PROGRAM.as_ref(), source);
    }
    Error::Usage {
        message: format!("{PROGRAM} is neither beside this program nor on PATH"),
        hint: "build it with `cargo build --release -p agent-vault-mcp`, and put it beside agent-vault".into(),
    }
    .into()
}
