//! The command line of `agent-vault-mcp`. `--repo` and `--key` are called as in 0.1.0.

use crate::rules::{Rules, Tool};
use agent_vault_core::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// MCP server: a model uses secrets of an agent-vault, and reads those that you allow.
///
/// It speaks MCP on standard input and output; a client starts it. Where there is no vault or no key, it starts all the same,
/// and each call answers what to do.
#[derive(Debug, Parser)]
#[command(
    name = "agent-vault-mcp",
    version,
    max_term_width = 80,
    args_conflicts_with_subcommands = false,
    after_help = "Examples:\n  agent-vault-mcp --repo . --key ~/.agent-vault/agents/ci.key --tools list,whoami\n  agent-vault-mcp --repo . --allow 'stripe/*' --exec-allow curl\n  agent-vault mcp install --client claude-code --print    (the same program)"
)]
pub struct Options {
    /// The vault's folder, one inside its repository, or a repository's address
    #[arg(long, visible_alias = "vault", value_name = "DIR|URL", default_value = ".", global = true)]
    pub repo: PathBuf,
    /// The identity file to use [default: AGENT_VAULT_KEY, then owner.key]
    #[arg(long, value_name = "FILE", global = true)]
    pub key: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: Limits,
    /// What to do instead of serving
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What the model may do.
#[derive(Debug, Clone, Default, Args)]
pub struct Limits {
    /// The tools that there are [default: get,list,whoami,check, and exec with --exec-allow]
    #[arg(long, value_name = "TOOL", value_delimiter = ',', value_parser = Tool::parse, global = true)]
    pub tools: Vec<Tool>,
    /// Only secrets whose names fit; `*` stands for any characters. May be repeated
    #[arg(long, value_name = "PATTERN", global = true)]
    pub allow: Vec<String>,
    /// A program that the model may run with secrets in its environment. May be repeated
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',', global = true)]
    pub exec_allow: Vec<String>,
}

impl Limits {
    /// As rules.
    ///
    /// # Errors
    /// As [`Rules::new`].
    pub fn rules(&self) -> Result<Rules> {
        Rules::new(&self.tools, &self.allow, &self.exec_allow)
    }
}

/// What there is beside serving.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Put the server into a client's configuration
    #[command(
        after_help = "Examples:\n  agent-vault-mcp install --client claude-code\n  agent-vault-mcp install --client cursor --repo ~/app --allow 'stripe/*' --exec-allow curl\n  agent-vault-mcp install --client vscode --remove\n\nOther servers and settings in the file stay as they are. Without --with-get the model cannot read a value."
    )]
    Install(Install),
}

/// `install`
#[derive(Debug, Args)]
pub struct Install {
    /// The client
    #[arg(long, value_enum)]
    pub client: Client,
    /// Print what would be written, and write nothing
    #[arg(long, conflicts_with = "remove")]
    pub print: bool,
    /// Take the server out again
    #[arg(long)]
    pub remove: bool,
    /// Let the model read values as plain text
    #[arg(long)]
    pub with_get: bool,
    /// The file to change [default: where the client looks]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The clients whose configuration is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// Claude Code: `.mcp.json` of this project
    ClaudeCode,
    /// Claude Desktop: its own file
    ClaudeDesktop,
    /// Cursor: `.cursor/mcp.json` of this project
    Cursor,
    /// VS Code: `.vscode/mcp.json` of this project
    Vscode,
}
