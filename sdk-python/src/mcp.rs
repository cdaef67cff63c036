//! The MCP server, for the console script of the package.

use agent_vault_mcp::program::{self, Program};
use pyo3::prelude::*;
use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;

/// Does what the arguments of `agent-vault-mcp` say, from the program's name on; the exit code. `place` is the script's file.
#[pyfunction]
pub fn serve_mcp(py: Python<'_>, arguments: Vec<OsString>, place: Option<PathBuf>) -> u8 {
    // Whoever has this package has that script, and need not have the command line.
    let place = place.ok_or_else(|| Error::from(ErrorKind::NotFound));
    let program = Program { place, words: &["agent-vault-mcp"] };
    py.detach(|| program::run(arguments, program))
}
