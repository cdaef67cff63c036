//! The program `agent-vault-mcp`.

use agent_vault_mcp::program::{self, Program};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A project's file says what everybody has who builds both programs.
    let program = Program { place: std::env::current_exe(), words: &["agent-vault", "mcp"] };
    ExitCode::from(program::run(std::env::args_os(), program))
}
