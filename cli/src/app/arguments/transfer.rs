//! The arguments of `import` and `export`.

use super::Json;
use agent_vault_core::{Error, GroupName, SecretPath};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What an import reads.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceFormat {
    /// A .env file, one of sops too
    Dotenv,
    /// JSON, a file of sops too
    Json,
    /// YAML, a file of sops too
    Yaml,
    /// A store of pass, opened by your gpg
    Pass,
    /// A store of passage
    Passage,
}

/// `--rename`
#[derive(Clone)]
pub struct Renaming {
    /// What the source calls it.
    pub source: String,
    /// What it is to be called.
    pub path: SecretPath,
}

impl std::str::FromStr for Renaming {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (source, path) = text.rsplit_once('=').ok_or_else(|| Error::Usage {
            message: format!("{:?} has no '='", agent_vault_core::error::printable(text)),
            hint: "SOURCE=PATH: what the source calls it, and the secret it becomes".into(),
        })?;
        Ok(Self { source: source.to_owned(), path: path.parse()? })
    }
}

/// `import`
#[derive(Args)]
pub struct Import {
    /// The file or folder; "-" is standard input [default with --from pass or passage: where those keep it]
    #[arg(required_unless_present = "from")]
    pub source: Option<PathBuf>,
    /// What it is [default: what its name says]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub from: Option<SourceFormat>,
    /// What stands before each name, such as billing/prod
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<SecretPath>,
    /// The group of new secrets [default: the first segment of their names]
    #[arg(long)]
    pub group: Option<GroupName>,
    /// Give one entry a name of its own (without the prefix)
    #[arg(long, value_name = "SOURCE=PATH")]
    pub rename: Vec<Renaming>,
    /// Leave an entry out, or all entries of an object or folder
    #[arg(long, value_name = "SOURCE")]
    pub exclude: Vec<String>,
    /// Take the names that are suggested where a name is not allowed
    #[arg(long)]
    pub fix_names: bool,
    /// Name the items of lists 0, 1, …
    #[arg(long)]
    pub index_lists: bool,
    /// Replace the values of secrets that are there
    #[arg(long, conflicts_with = "keep")]
    pub update: bool,
    /// Leave secrets that are there as they are
    #[arg(long)]
    pub keep: bool,
    /// Drop one trailing newline of each value
    #[arg(long)]
    pub trim: bool,
    /// Take the first line of each value, without its end: the password of an entry of pass
    #[arg(long, conflicts_with = "trim")]
    pub first_line: bool,
    /// The age identities for a file of sops or a store of passage [default: those that sops or passage would use]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// What an export writes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// NAME='value' lines
    Dotenv,
    /// Nested objects
    Json,
    /// Nested objects
    Yaml,
    /// A Secret of Kubernetes
    Kubernetes,
}

/// `export`
#[derive(Args)]
pub struct Export {
    /// The secrets; "*" in a name stands for any characters
    #[arg(value_name = "PATH", required_unless_present_any = ["group", "all"])]
    pub paths: Vec<String>,
    /// All secrets of this group
    #[arg(long, conflicts_with_all = ["paths", "all"])]
    pub group: Option<GroupName>,
    /// All secrets of the vault
    #[arg(long, conflicts_with = "paths")]
    pub all: bool,
    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// What is taken off the beginning of each name, such as billing/prod
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<SecretPath>,
    /// Name each secret by its whole path, without objects in each other (json, yaml)
    #[arg(long)]
    pub flat: bool,
    /// Write every value in base64: for values that the format cannot hold
    #[arg(long)]
    pub base64: bool,
    /// The Secret's name (kubernetes)
    #[arg(long, value_name = "NAME", required_if_eq("format", "kubernetes"))]
    pub name: Option<String>,
    /// The Secret's namespace (kubernetes)
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Write to a new file, 0600, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the output file; or write to a terminal, or to a file that others can read
    #[arg(long)]
    pub force: bool,
    /// Look at the remote first, and fail when it cannot be reached
    #[arg(long, conflicts_with = "offline")]
    pub fresh: bool,
    /// Do not look at the remote
    #[arg(long)]
    pub offline: bool,
}
