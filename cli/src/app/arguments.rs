//! The arguments of each command.

use agent_vault_core::vault::Former;
use agent_vault_core::{AgentName, Error, GroupName, OwnerName, SecretPath};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

mod config;
mod deliver;
mod owners;
mod remote;
mod seal;
mod shell;
mod transfer;

pub use config::*;
pub use deliver::*;
pub use owners::*;
pub use remote::*;
pub use seal::*;
pub use shell::*;
pub use transfer::*;

/// `--json`.
#[derive(Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `init`
#[derive(Args)]
pub struct Init {
    /// Where [default: here]
    pub dir: Option<PathBuf>,
    /// The owner's name [default: from Git's user.name]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<OwnerName>,
    /// Do not install the commit hook
    #[arg(long)]
    pub no_hook: bool,
}

/// The characters of a generated value.
#[derive(Clone, Copy, ValueEnum)]
pub enum Charset {
    /// A-Z a-z 0-9
    Alphanumeric,
    /// 0-9 a-f
    Hex,
    /// 0-9
    Digits,
    /// A-Z a-z 0-9 - _
    Urlsafe,
    /// Every printable ASCII character but space
    Ascii,
}

/// `set`
#[derive(Args)]
pub struct Set {
    /// The secret, such as stripe/api-key
    pub path: SecretPath,
    /// The value; better piped, typed at the prompt, or --from-file: shells keep a history
    pub value: Option<std::ffi::OsString>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["value", "generate"])]
    pub from_file: Option<PathBuf>,
    /// Generate a random value
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, require_equals = true, default_missing_value = "32", conflicts_with = "value")]
    pub generate: Option<u16>,
    /// The characters of a generated value
    #[arg(long, value_enum, default_value = "alphanumeric", requires = "generate")]
    pub charset: Charset,
    /// The group whose members read it [default: the first segment of its name]
    #[arg(long)]
    pub group: Option<GroupName>,
    /// Agents that read it beyond the group, comma-separated; replaces the list ("" empties it)
    #[arg(long, value_name = "A,B")]
    pub agents: Option<String>,
    /// When it expires: a date, a time, or a span such as 90d; "never" clears it
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// One line for people; "" clears it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Hand it over to programs and hosts, and never show it
    #[arg(long, conflicts_with = "no_use_only")]
    pub use_only: bool,
    /// Let it be shown again
    #[arg(long)]
    pub no_use_only: bool,
    /// The programs that get a use-only value, comma-separated: paths, or names to be looked up here and now
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "no_use_only")]
    pub programs: Option<Vec<PathBuf>>,
    /// The hosts that Git may send it to over https, comma-separated; replaces the list ("" empties it)
    #[arg(long, value_name = "A,B")]
    pub hosts: Option<String>,
    /// Drop one trailing newline of a piped or read value
    #[arg(long)]
    pub trim: bool,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
}

impl Set {
    /// Whether anything but a value is asked for.
    pub fn changes_metadata(&self) -> bool {
        let what =
            self.group.is_some() || self.agents.is_some() || self.expires.is_some() || self.description.is_some();
        what || self.use_only || self.no_use_only || self.programs.is_some() || self.hosts.is_some()
    }
}

/// `get`
#[derive(Args)]
pub struct Get {
    /// The secret
    pub path: SecretPath,
    /// Write to a new file, 0600, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the output file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Show a use-only value all the same; only owners can
    #[arg(long)]
    pub reveal: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub looking: Looking,
}

/// Which state is read, and whether the remote is looked at first.
#[derive(Args)]
pub struct Looking {
    /// Read a state older than one seen here, on purpose
    #[arg(long)]
    pub allow_old: bool,
    /// Look at the remote first, and fail when it cannot be reached
    #[arg(long, conflicts_with = "offline")]
    pub fresh: bool,
    /// Do not look at the remote
    #[arg(long)]
    pub offline: bool,
}

/// `list`
#[derive(Args)]
pub struct List {
    /// Only this group
    #[arg(long)]
    pub group: Option<GroupName>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub looking: Looking,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `show`
#[derive(Args)]
pub struct Show {
    /// The secret
    pub path: SecretPath,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub looking: Looking,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `rm`
#[derive(Args)]
pub struct Rm {
    /// The secret
    pub path: SecretPath,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `mv`
#[derive(Args)]
pub struct Mv {
    /// The secret
    pub from: SecretPath,
    /// Its new name
    pub to: SecretPath,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `add-agent`
#[derive(Args)]
pub struct AddAgent {
    /// Its name
    pub name: AgentName,
    /// A public key that the agent already has: age1… or ssh-… [default: make a key]
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub public_key: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `remove-agent`
#[derive(Args)]
pub struct RemoveAgent {
    /// Its name
    pub name: AgentName,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `list-agents`
#[derive(Args)]
pub struct ListAgents {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `recover-agent`
#[derive(Args)]
pub struct RecoverAgent {
    /// Its name
    pub name: AgentName,
}

/// `restore-agent`
#[derive(Args)]
pub struct RestoreAgent {
    /// Its name
    pub name: AgentName,
    /// The file to write, 0600
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// `grant`
#[derive(Args)]
pub struct Grant {
    /// The agent
    pub agent: AgentName,
    /// The group
    pub group: GroupName,
    /// Make the group if there is none of that name
    #[arg(long)]
    pub create: bool,
    /// Change nothing; say who would gain and lose what
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `revoke`
#[derive(Args)]
pub struct Revoke {
    /// The agent
    pub agent: AgentName,
    /// The group
    #[arg(required_unless_present = "secret", conflicts_with = "secret")]
    pub group: Option<GroupName>,
    /// One secret that it was granted beyond its group
    #[arg(long, value_name = "PATH")]
    pub secret: Option<SecretPath>,
    /// Change nothing; say who would gain and lose what
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `check`
#[derive(Args)]
pub struct Check {
    /// Announce expiries this many days ahead
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(i64).range(0..=36_500))]
    pub within: i64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `verify`
#[derive(Args)]
pub struct Verify {
    /// Prove, commit by commit, that nothing in the vault ever went back
    #[arg(long)]
    pub history: bool,
    /// Take the state in this commit, and what lies before it, as it is
    #[arg(long, value_name = "COMMIT", requires = "history")]
    pub since: Option<String>,
    /// Prove that owners signed, step by step, what HEAD adds to this branch or commit: for the check of a pull request
    #[arg(long, value_name = "REF", conflicts_with = "history")]
    pub against: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `log`
#[derive(Args)]
pub struct Log {
    /// Only this secret, by its former names too
    pub path: Option<SecretPath>,
    /// At most this many commits
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `upgrade`
#[derive(Args)]
pub struct Upgrade {
    /// The owner's name in the signed vault [default: the one in the old manifest]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<OwnerName>,
    /// Change nothing; show what would be signed
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `edit`
#[derive(Args)]
pub struct Edit {
    /// The secret; one that is not there is made
    pub path: SecretPath,
    /// Open a use-only value all the same
    #[arg(long)]
    pub reveal: bool,
}

/// `restore`
#[derive(Args)]
pub struct Restore {
    /// The secret, and where its value is taken from: a commit in any way that Git knows, or r7 for revision 7
    #[arg(value_name = "PATH@COMMIT")]
    pub former: FormerValue,
    /// Change nothing; say what would happen
    #[arg(long)]
    pub dry_run: bool,
}

/// `PATH@COMMIT`
#[derive(Clone)]
pub struct FormerValue {
    /// The secret.
    pub path: SecretPath,
    /// Which of its values.
    pub which: Former,
}

impl std::str::FromStr for FormerValue {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let (path, which) =
            text.split_once('@').filter(|(_, which)| !which.is_empty()).ok_or_else(|| Error::Usage {
                // clap shows the message alone.
                message: "no commit is named: give PATH@COMMIT or PATH@r7, which `agent-vault log PATH` lists".into(),
                hint: "`agent-vault log PATH` lists what can be named".into(),
            })?;
        let Ok(which) = which.parse();
        Ok(Self { path: path.parse()?, which })
    }
}

/// `trust`
#[derive(Args)]
pub struct Trust {
    /// What to do [default: show]
    #[command(subcommand)]
    pub command: Option<TrustCommand>,
}

/// `trust …`
#[derive(Subcommand)]
pub enum TrustCommand {
    /// Show the vaults that are trusted here
    Show {
        #[command(flatten)]
        #[allow(missing_docs)]
        json: Json,
    },
    /// Trust the vault found here; AGENT_VAULT_OWNER or --owner says whom to expect
    Add {
        /// The owner's fingerprint, SHA256:…
        #[arg(long, value_name = "FINGERPRINT")]
        owner: Option<String>,
    },
    /// Trust the vault found here in place of the one that this working copy held before, or its owners in place of
    /// others that were made apart from them
    Replace {
        /// The owner's fingerprint, SHA256:…
        #[arg(long, value_name = "FINGERPRINT")]
        owner: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Forget a vault and everything seen of it
    Forget {
        /// Its id [default: the vault found here]
        id: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// `settings`
#[derive(Args)]
pub struct Settings {
    /// Which one to change [default: show all]
    #[arg(requires = "value")]
    pub name: Option<SettingName>,
    /// What it should be
    pub value: Option<bool>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// The settings that can be changed.
#[derive(Clone, Copy, ValueEnum)]
pub enum SettingName {
    /// Whether a read that this machine cannot record is refused
    AuditRequired,
}

/// `audit`
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// What to do [default: show]
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    /// Only this agent or owner, or the key with this id
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Only secrets whose name fits; * stands for any characters
    #[arg(long, value_name = "PATTERN")]
    pub path: Option<String>,
    /// Not before: a date, a time, or how long ago, such as 90m, 36h, 2d or 1w
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `audit …`
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Prove that nothing in the log was altered, removed, inserted or moved; exit code 5 when it was
    Verify {
        #[command(flatten)]
        #[allow(missing_docs)]
        json: Json,
    },
}

/// `whoami`
#[derive(Args)]
pub struct Whoami {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}

/// `mcp`
#[derive(Args)]
pub struct Mcp {
    /// What agent-vault-mcp is told
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<std::ffi::OsString>,
}

/// `completions`
#[derive(Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, ValueEnum)]
#[allow(missing_docs)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

/// `hook`
#[derive(Args)]
pub struct Hook {
    /// What to do
    #[command(subcommand)]
    pub command: HookCommand,
}

/// `hook …`
#[derive(Subcommand)]
pub enum HookCommand {
    /// Install the hook of this repository; one that is there already is kept and runs first
    Install,
    /// Remove the hook and put back what was there before
    Uninstall,
    /// Learn to recognise every value of this vault that you can read
    Refresh,
    /// Look at what is staged, as the hook does; exit code 9 when a secret is found
    PreCommit {
        #[command(flatten)]
        #[allow(missing_docs)]
        json: Json,
    },
}

/// `scan`
#[derive(Args)]
pub struct Scan {
    /// Files and folders [default: what Git has or would take of this work tree]
    #[arg(value_name = "PATH", conflicts_with_all = ["history", "range"])]
    pub paths: Vec<PathBuf>,
    /// Everything that any branch or tag reaches, messages included
    #[arg(long)]
    pub history: bool,
    /// What the commits of B brought that A does not have
    #[arg(long, value_name = "A..B", conflicts_with = "history", allow_hyphen_values = true)]
    pub range: Option<String>,
    /// Accept what this file lists
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write what is found to this file, to be accepted from now on
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "json"])]
    pub write_baseline: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub json: Json,
}
