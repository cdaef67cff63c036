//! The arguments of commands that hand secrets to programs.

use super::Looking;
use agent_vault_core::{Error, Result};
use agent_vault_deliver::dotenv::Profile;
use agent_vault_deliver::{Name, Text};
use clap::{Args, ValueEnum};
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
    /// Resolve nothing in variables that are set already: text from outside may read like a reference
    #[arg(long)]
    pub no_inherit: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub looking: Looking,
}

/// `run`
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub delivery: Delivery,
    /// Give the program a file in memory that holds a secret, and its path in a variable
    #[arg(long, value_name = "VAR=PATH")]
    pub file: Vec<Assigned>,
    /// The same with a file that has no name: the variable holds /dev/fd/N
    #[arg(long, value_name = "VAR=PATH")]
    pub fd: Vec<Assigned>,
    /// Mask what the program prints, on a terminal too
    #[arg(long, conflicts_with = "no_mask")]
    pub mask: bool,
    /// Mask nothing [default: mask what goes to no terminal]
    #[arg(long)]
    pub no_mask: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `env`
#[derive(Args)]
pub struct Env {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub delivery: Delivery,
    /// Who reads it
    #[arg(long, value_enum, default_value = "bash")]
    pub format: EnvFormat,
}

/// Who reads variables.
#[derive(Clone, Copy, ValueEnum)]
#[allow(missing_docs)]
pub enum EnvFormat {
    Bash,
    Zsh,
    Fish,
    Powershell,
    /// Env files
    Dotenv,
    Json,
    /// docker run --env-file
    Docker,
    /// GitHub Actions: masks on standard output, variables to the file GITHUB_ENV names
    Github,
}

/// `inject`
#[derive(Args)]
pub struct Inject {
    /// The template; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub input: PathBuf,
    /// The file to write, 0600 [default: standard output, as - is]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the output file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub looking: Looking,
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
        let (name, text) = agent_vault_deliver::environment::assigned(name, value)?;
        Ok(Self { name, text })
    }
}

pub(super) fn profile(name: &str) -> Result<Profile, &'static str> {
    name.parse()
}

/// `git-credential`
#[derive(Args)]
pub struct GitCredential {
    /// What Git wants: get, store or erase
    pub operation: String,
}
