//! The arguments of what loads variables into a person's shell.

use agent_vault_deliver::dotenv::Profile;
use agent_vault_deliver::shell::Shell;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `shell-hook`
#[derive(Args)]
pub struct ShellHook {
    /// What to do
    #[command(subcommand)]
    pub command: ShellHookCommand,
}

/// `shell-hook …`
#[derive(Subcommand)]
pub enum ShellHookCommand {
    /// Add a few lines to the shell's rc file
    Install {
        /// The shell
        shell: HookedShell,
    },
    /// Take these lines away
    Remove {
        /// The shell
        shell: HookedShell,
    },
    /// Print what these lines run, for rc files that something else writes
    Print {
        /// The shell
        shell: HookedShell,
    },
    /// Say what to set and to put back: shells call it before each prompt
    #[command(hide = true)]
    Prompt {
        /// The shell
        shell: HookedShell,
    },
}

/// The shells that can be hooked.
#[derive(Clone, Copy, ValueEnum)]
#[allow(missing_docs)]
pub enum HookedShell {
    Bash,
    Zsh,
    Fish,
}

impl From<HookedShell> for Shell {
    fn from(shell: HookedShell) -> Self {
        match shell {
            HookedShell::Bash => Shell::Bash,
            HookedShell::Zsh => Shell::Zsh,
            HookedShell::Fish => Shell::Fish,
        }
    }
}

/// `allow`
#[derive(Args)]
pub struct Allow {
    /// The folder with the .agent-vault.env, or one below it [default: here]
    pub folder: Option<PathBuf>,
    /// Add what the file has under this heading
    #[arg(long, value_name = "NAME", value_parser = super::deliver::profile)]
    pub profile: Option<Profile>,
}

/// `deny`
#[derive(Args)]
pub struct Deny {
    /// The folder with the .agent-vault.env, or one below it [default: here]
    pub folder: Option<PathBuf>,
}
