//! The arguments of `seal`, `open` and `reseal`.

use super::Json;
use agent_vault_core::GroupName;
use clap::Args;
use std::path::PathBuf;

/// `seal`
#[derive(Args)]
pub struct Seal {
    /// Who can open it: the owners, and the agents that read this group
    pub group: GroupName,
    /// Read the value from a file [default: standard input, or a prompt]
    #[arg(long, value_name = "FILE")]
    pub from_file: Option<PathBuf>,
    /// Drop one trailing newline
    #[arg(long)]
    pub trim: bool,
    /// Do not sign it, though you could
    #[arg(long)]
    pub unsigned: bool,
}

/// `open`
#[derive(Args)]
pub struct Open {
    /// The sealed value, avs://… [default: standard input]
    pub sealed: Option<String>,
    /// Refuse it unless an owner has signed it
    #[arg(long)]
    pub signed: bool,
    /// Write to a new file, 0600, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `reseal`
#[derive(Args)]
pub struct Reseal {
    /// The files in which sealed values stand
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}
