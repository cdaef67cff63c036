//! The whole program, from its arguments to its exit code: `agent-vault-mcp` and the console script of the Python package.

use crate::install;
use crate::options::{Action, Options};
use crate::server::serve;
use agent_vault_core::{Class, Error};
use agent_vault_open::words::safe;
use clap::Parser;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// How a client starts this server.
#[derive(Debug)]
pub struct Program {
    /// The file of the program, for the configuration of one user; an error where the system does not tell.
    pub place: std::io::Result<PathBuf>,
    /// Its name and first arguments, for the configuration of a project, which names no place of one machine.
    pub words: &'static [&'static str],
}

/// Does what the arguments say, the first of which is the program's own name: serves until the input ends, or changes a
/// client's configuration. The exit code: 0; 2 for arguments that make no sense; 1 for other failures. What went wrong is
/// told on standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>, program: Program) -> u8 {
    // Who runs as the same user reads no key out of this process's memory.
    agent_vault_sys::forbid_dumps();
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(told) => {
            // Nobody has to read it. Help is told this way too.
            let _ = told.print().and_then(|()| std::io::stdout().flush());
            return if told.use_stderr() { 2 } else { 0 };
        }
    };
    match act(&options, program) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {}", safe(&error.to_string()));
            eprintln!("hint: {}", safe(&error.hint()));
            if error.class() == Class::Usage { 2 } else { 1 }
        }
    }
}

fn act(options: &Options, program: Program) -> Result<(), Error> {
    let Some(Action::Install(wanted)) = &options.action else { return serve(options) };
    let text = install::run(options, wanted, program)?;
    // Inside Python nothing else flushes it.
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}
