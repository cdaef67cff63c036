//! The arguments of commands that hand secrets to programs.

use agent_vault_core::{Error, Result, SecretPath};
use agent_vault_deliver::dotenv::Profile;
use agent_vault_deliver::{Name, Reference, Text};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Which variables there are to be.
#[derive(Args)]
pub struct Delivery {
    /// Set a variable to a secret: a path, a reference, or text with ${av://…} in it
    #[arg(long, value_name = "VAR=PATH")]
    pub env: Vec<Assigned>,
    /// Take variables from a file of NAME=value lines [default: .agent-vault.env, here or above]
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Add what the env files have under this heading
    #[arg(long, value_name = "NAME", value_parser = profile)]
    pub profile: Option<Profile>,
    /// Only these variables, comma-separated
    #[arg(long, value_name = "VAR,…", value_delimiter = ',')]
    pub only: Vec<Name>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: Reading,
}

/// How vaults are read.
#[derive(Args)]
pub struct Reading {
    /// Look at the remote first, and fail when it cannot be reached
    #[arg(long, conflicts_with = "offline")]
    pub fresh: bool,
    /// Do not look at the remote
    #[arg(long)]
    pub offline: bool,
}

/// `run`
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub delivery: Delivery,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `VAR=PATH`
#[derive(Clone)]
pub struct Assigned {
    /// The variable.
    pub name: Name,
    /// What it is set to.
    pub text: Text,
}

impl std::str::FromStr for Assigned {
    type Err = Error;

    fn from_str(assigned: &str) -> Result<Self> {
        let (name, value) = assigned.split_once('=').ok_or_else(|| Error::Usage {
            message: "write VAR=PATH, such as DB_PASSWORD=postgres/password".into(),
            hint: "`agent-vault run --help` has examples".into(),
        })?;
        let text = match value.contains("av://") {
            true => Text::of_value(value.as_bytes())?,
            false => Text::reference(Reference::here(&value.parse::<SecretPath>()?)),
        };
        Ok(Self { name: name.parse()?, text })
    }
}

fn profile(name: &str) -> Result<Profile, &'static str> {
    name.parse()
}
