//! The `agent-vault` program: parse, call the core, render. One file per command.

mod child;
mod commands;
mod complete;
mod delivery;
mod editor;
mod exit;
mod output;
mod rc;
mod replacing;
mod scratch;
mod setting;
mod table;
mod terminal;

use agent_vault_cli::app;

fn main() -> std::process::ExitCode {
    agent_vault_sys::forbid_dumps();
    if let Some(code) = complete::answer() {
        return code.into();
    }
    let app = match app::App::read(terminal::width) {
        Ok(app) => app,
        Err(error) => return exit::report_usage(error).into(),
    };
    let code = match commands::run(&app) {
        Ok(code) => code,
        Err(failure) => exit::report(&failure),
    };
    output::finish();
    code.into()
}
