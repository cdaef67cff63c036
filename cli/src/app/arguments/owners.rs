//! The arguments of the owners' commands.

use super::Json;
use agent_vault_core::OwnerName;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `owner`
#[derive(Args)]
pub struct OwnerArgs {
    /// What to do
    #[command(subcommand)]
    pub command: OwnerCommand,
}

/// `owner …`
#[derive(Subcommand)]
pub enum OwnerCommand {
    /// Make a card: what somebody who shall become an owner hands to one who is
    #[command(
        after_help = "Example: agent-vault owner card --name bob -o bob.card\n\nNothing in a card is secret. Tell an owner its fingerprint over another channel, such as the phone."
    )]
    Card {
        /// What you want to be called [default: from Git's user.name]
        #[arg(long, value_name = "NAME")]
        name: Option<OwnerName>,
        /// Write to a new file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// `add-owner`
#[derive(Args)]
pub struct AddOwner {
    /// The card that the new owner made with `agent-vault owner card`
    #[arg(long, value_name = "FILE")]
    pub card: PathBuf,
    /// The card's fingerprint, SHA256:…, as its maker has told it
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Option<String>,
    /// Change nothing; say what the new owner would gain
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long, conflicts_with = "fingerprint")]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `remove-owner`
#[derive(Args)]
pub struct RemoveOwner {
    /// Their name, as `agent-vault trust show` has it
    pub name: OwnerName,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `rotate-owner`
#[derive(Args)]
pub struct RotateOwner {
    /// A file with the key that you want to use from now on [default: make one, and put it into owner.key]
    #[arg(long, value_name = "FILE")]
    pub new_key: Option<PathBuf>,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}
