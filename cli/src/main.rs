//! The `agent-vault` program: parse, call the core, render. One file per command.

mod app;
mod commands;
mod editor;
mod exit;
mod output;
mod scratch;
mod setting;
mod table;
mod terminal;

fn main() -> std::process::ExitCode {
    agent_vault_sys::forbid_dumps();
    let app = match app::App::read() {
        Ok(app) => app,
        Err(error) => return exit::report_usage(error).into(),
    };
    match commands::run(&app) {
        Ok(code) => code.into(),
        Err(failure) => exit::report(&failure).into(),
    }
}
