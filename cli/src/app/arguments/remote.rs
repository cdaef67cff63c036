//! The arguments of what talks to a remote.

use super::Json;
use clap::Args;

/// `sync`
#[derive(Args)]
pub struct Sync {
    /// Only take what the remote has
    #[arg(long, conflicts_with = "push")]
    pub pull: bool,
    /// Only give the remote what is here
    #[arg(long)]
    pub push: bool,
    /// Push to this branch of the remote, for a pull request
    #[arg(long, value_name = "NAME", conflicts_with = "pull")]
    pub branch: Option<String>,
    /// Take a branch that was rewritten or put back, on purpose
    #[arg(long)]
    pub rewritten: bool,
    /// Let commits travel that touch other files, without asking
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `clone`
#[derive(Args)]
pub struct Clone {
    /// The repository's address, as `git clone` takes it
    #[arg(value_hint = clap::ValueHint::Url)]
    pub url: String,
    /// Where to [default: the address's last part]
    pub dir: Option<std::path::PathBuf>,
}

/// `merge-driver`, which Git calls.
#[derive(Args)]
pub struct MergeDriver {
    /// The common ancestor's file
    pub base: std::path::PathBuf,
    /// Our file, and where the result goes
    pub ours: std::path::PathBuf,
    /// Their file
    pub theirs: std::path::PathBuf,
    /// The path in the repository
    pub path: String,
}
