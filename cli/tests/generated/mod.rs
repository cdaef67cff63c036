//! What is written from the command line's definition and from the schemas of its JSON.
#![allow(dead_code, unused_imports)] // each test program uses a part of it

mod man;
mod markdown;
mod schema;

pub use man::{Page, UNRELEASED, pages};
pub use markdown::cli;
pub use schema::Schema;

use agent_vault_cli::app::{WIDTH, definition};
use clap::Command;
use std::path::{Path, PathBuf};

/// Set by `cargo xtask docs`: write what is generated instead of comparing it.
pub const WRITE: &str = "AGENT_VAULT_TEST_WRITE_DOCS";

/// The top of the source tree.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// The whole command line, with all that clap adds by itself.
pub fn app() -> Command {
    let mut app = definition(WIDTH);
    app.build();
    app
}

/// A command's visible subcommands; `help` says only what there is.
pub fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

/// Whether a command prints JSON.
pub fn has_json(command: &Command) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some("json"))
}

/// Every command that does something, as one types it without the program's name: `get`, `trust show`.
pub fn commands() -> Vec<(String, Command)> {
    fn collect(command: &Command, path: &str, into: &mut Vec<(String, Command)>) {
        for sub in subcommands(command) {
            let path = format!("{path} {}", sub.get_name()).trim_start().to_owned();
            into.push((path.clone(), sub.clone()));
            collect(sub, &path, into);
        }
    }
    let mut all = Vec::new();
    collect(&app(), "", &mut all);
    all
}
