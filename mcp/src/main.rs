//! The program `agent-vault-mcp`.

use agent_vault_mcp::options::{Action, Options};
use agent_vault_mcp::{install, serve};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Who runs as the same user reads no key out of this process's memory.
    agent_vault_sys::forbid_dumps();
    let options = Options::parse();
    let done = match &options.action {
        Some(Action::Install(wanted)) => install::run(&options, wanted).map(|text| {
            // Nobody has to read it.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }),
        None => serve(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", agent_vault_open::words::safe(&error.to_string()));
            eprintln!("hint: {}", agent_vault_open::words::safe(&error.hint()));
            ExitCode::from(if error.class() == agent_vault_core::Class::Usage { 2 } else { 1 })
        }
    }
}
