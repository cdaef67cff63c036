//! The command line.

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

mod arguments;
mod overview;

pub use arguments::*;
pub use overview::{GROUPS, WIDTH, definition, group_of};

/// Secrets for agents, CI and people: encrypted in Git, granted by signed policy.
#[derive(Parser)]
#[command(name = "agent-vault", version, about, max_term_width = WIDTH, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 other, 2 usage, 3 not found, 4 not authorised, 5 tampered,\n6 no usable key, 7 conflict, 8 remote, 9 findings, 10 refused, 11 locked,\n12 nobody to ask.\n\nExample: agent-vault demo"
)]
pub struct App {
    #[command(flatten)]
    pub common: Common,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args)]
pub struct Common {
    /// The vault's folder, one inside its repository, or a repository's address [default: search upwards from here]
    #[arg(short = 'C', long = "vault", value_name = "DIR|URL", global = true)]
    pub vault: Option<PathBuf>,
    /// The identity file to use [default: AGENT_VAULT_KEY, then owner.key]
    #[arg(long, value_name = "FILE", global = true)]
    pub key: Option<PathBuf>,
    /// Print results and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl App {
    /// Reads the command line. `get` is what programs call in a loop, and `shell-hook` what shells call before each prompt,
    /// so they are read without building the other
    /// commands first; whatever that cannot read (a mistake, `--help`) is the whole command line's to answer.
    ///
    /// `width` is asked for the terminal's columns where help is to be shown.
    ///
    /// # Errors
    /// A mistake in the call, and also what `--help` and `--version` answer: [`clap::Error::use_stderr`] tells them apart.
    pub fn read(width: impl FnOnce() -> Option<usize>) -> Result<Self, clap::Error> {
        let mut args = std::env::args_os();
        let program = args.next();
        let command = args.next().unwrap_or_default();
        let rest = program.into_iter().chain(args);
        let read = match command.to_str() {
            Some("get") => OnlyGet::try_parse_from(rest).map(|read| (read.common, Command::Get(read.get))).ok(),
            Some("shell-hook") => {
                OnlyHook::try_parse_from(rest).map(|read| (read.common, Command::ShellHook(read.hook))).ok()
            }
            _ => None,
        };
        if let Some((common, command)) = read {
            return Ok(Self { common, command });
        }
        Self::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                // The overview is made only for those who ask for it.
                definition(width().unwrap_or(WIDTH)).try_get_matches().err().unwrap_or(error)
            }
            _ => error,
        })
    }
}

/// `shell-hook` and nothing else, with the same arguments.
#[derive(Parser)]
struct OnlyHook {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    hook: ShellHook,
}

/// `get` and nothing else, with the same arguments.
#[derive(Parser)]
struct OnlyGet {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    get: Get,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Create a vault in a Git repository
    #[command(after_help = "Example: agent-vault init")]
    Init(Init),
    /// Store a value, or change what is known of one
    #[command(
        after_help = "Examples:\n  agent-vault set stripe/api-key                  (asks, unseen)\n  pass show stripe | agent-vault set stripe/api-key --trim\n  agent-vault set db/password --generate=40 --expires 90d\n  agent-vault set db/password --group postgres    (keeps the value)"
    )]
    Set(Set),
    /// Write a value to standard output, byte for byte
    #[command(after_help = "Example: agent-vault get stripe/api-key --key ~/.agent-vault/agents/ci.key")]
    Get(Get),
    /// Serve models over MCP, or set a client of theirs up
    #[command(
        disable_help_flag = true,
        disable_version_flag = true,
        after_help = "Examples:\n  agent-vault mcp --repo . --key ~/.agent-vault/agents/ci.key\n  agent-vault mcp install --client claude-code\n\nIt becomes the program agent-vault-mcp, which `agent-vault mcp --help` describes. docs/mcp.md tells the rest."
    )]
    Mcp(Mcp),
    /// List secrets, never values
    #[command(after_help = "Example: agent-vault list --group stripe --json")]
    List(List),
    /// Show what is known of one secret, never its value
    #[command(after_help = "Example: agent-vault show stripe/api-key")]
    Show(Show),
    /// Remove a secret
    #[command(after_help = "Example: agent-vault rm stripe/old-key --yes")]
    Rm(Rm),
    /// Rename a secret
    #[command(after_help = "Example: agent-vault mv stripe/key stripe/api-key --yes")]
    Mv(Mv),
    /// Take values over from .env, JSON, YAML, sops, pass, passage
    #[command(
        after_help = "Examples:\n  agent-vault import .env --prefix billing --dry-run\n  agent-vault import secrets.enc.yaml --prefix billing/prod\n  agent-vault import --from pass --prefix personal\n\nAll of it in one commit, or nothing. docs/import.md says how each format is read."
    )]
    Import(Import),
    /// Write secrets as .env, JSON, YAML or a Secret of Kubernetes
    #[command(
        after_help = "Examples:\n  agent-vault export --group billing --prefix billing --format dotenv -o .env\n  agent-vault export 'billing/*' --format kubernetes --name billing | kubectl apply -f -\n\nAll of them or nothing. What is written is in the clear. docs/export.md says how names become names."
    )]
    Export(Export),
    /// Run a program with the secrets that it needs
    #[command(
        after_help = "Examples:\n  agent-vault run --env STRIPE_KEY=stripe/api-key -- ./deploy\n  agent-vault run -- npm test           (with the references in .agent-vault.env)\n  agent-vault run --profile staging --only DB_URL -- psql\n\nWhat holds references, such as av://stripe/api-key or postgres://app:${av://db/password}@localhost, is resolved, all of\nit or nothing: in your environment, in env files, in arguments. AGENT_VAULT_KEY never reaches the program.\ndocs/run.md tells the rest."
    )]
    Run(Run),
    /// Print variables for a shell or a service to read
    #[command(
        after_help = "Examples:\n  eval \"$(agent-vault env)\"                     (bash)\n  agent-vault env --format fish | source\n  agent-vault env --env TOKEN=npm/token --format github    (in a step of GitHub Actions)"
    )]
    Env(Env),
    /// Fill a template with secrets
    #[command(
        after_help = "Example: agent-vault inject -i app.toml.in -o app.toml\n\nIn a template, references are written ${av://group/name}; $${ stands for ${ before one. The file is private (0600) and\nappears whole, or not at all."
    )]
    Inject(Inject),
    /// Have your shell set what a folder's .agent-vault.env names
    #[command(
        after_help = "Examples:\n  agent-vault shell-hook install bash\n  agent-vault allow                     (in a folder with a .agent-vault.env)\n  agent-vault shell-hook remove bash\n\nThe variables are set while you are in the folder, or below it. docs/shell.md says how, and how it is undone."
    )]
    ShellHook(ShellHook),
    /// Let a folder's .agent-vault.env set variables in your shell
    #[command(
        after_help = "Example: agent-vault allow --profile staging\n\nIt holds for the file as it is now: read it first."
    )]
    Allow(Allow),
    /// Let it set nothing, and be silent about it
    #[command(after_help = "Example: agent-vault deny")]
    Deny(Deny),
    /// Make a line of text that stands in a file of yours for a value
    #[command(
        after_help = "Examples:\n  printf %s \"$PASSWORD\" | agent-vault seal billing\n  agent-vault seal billing --from-file tls.key\n\nThe readers of the group open it. An owner who seals also signs. docs/seal.md says what that is worth."
    )]
    Seal(Seal),
    /// Write a sealed value to standard output, byte for byte
    #[command(after_help = "Example: agent-vault open avs://1/… --signed")]
    Open(Open),
    /// Seal what stands in files anew for those who may read it now
    #[command(after_help = "Example: agent-vault reseal config/*.yaml --dry-run")]
    Reseal(Reseal),
    /// Give Git credentials by the hosts that secrets are signed for
    #[command(
        after_help = "Example: git config --global credential.helper '!agent-vault -C ~/vault git-credential'\n\nGit calls it. docs/git-credential.md says which secret is found for which host."
    )]
    GitCredential(GitCredential),
    /// Add an agent
    #[command(
        after_help = "Examples:\n  agent-vault add-agent ci\n  agent-vault add-agent laptop --public-key \"$(cat ~/.ssh/id_ed25519.pub)\""
    )]
    AddAgent(AddAgent),
    /// Remove an agent and take every access from its key
    #[command(after_help = "Example: agent-vault remove-agent ci")]
    RemoveAgent(RemoveAgent),
    /// List agents
    #[command(after_help = "Example: agent-vault list-agents --json")]
    ListAgents(ListAgents),
    /// Give an agent a new key and take every access from the old one
    #[command(after_help = "Example: agent-vault recover-agent ci")]
    RecoverAgent(RecoverAgent),
    /// Write an agent's original key file from escrow
    #[command(after_help = "Example: agent-vault restore-agent ci --to ci.key")]
    RestoreAgent(RestoreAgent),
    /// Make yourself a card, to become an owner
    #[command(after_help = "Example: agent-vault owner card --name bob -o bob.card")]
    Owner(OwnerArgs),
    /// Make somebody an owner, by their card
    #[command(
        after_help = "Examples:\n  agent-vault add-owner --card bob.card\n  agent-vault add-owner --card bob.card --fingerprint SHA256:…\n\nCompare the fingerprint with its maker over another channel: an owner can do everything that you can."
    )]
    AddOwner(AddOwner),
    /// Remove an owner and take every access from their key
    #[command(after_help = "Example: agent-vault remove-owner bob --dry-run")]
    RemoveOwner(RemoveOwner),
    /// Replace your own keys as an owner
    #[command(
        after_help = "Examples:\n  agent-vault rotate-owner\n  agent-vault rotate-owner --new-key ~/.ssh/id_ed25519\n\nThe old key stays in owner.key, after the new one: history and other vaults open with nothing else."
    )]
    RotateOwner(RotateOwner),
    /// Let an agent read a group
    #[command(after_help = "Example: agent-vault grant ci stripe")]
    Grant(Grant),
    /// Take a group, or one secret, away from an agent
    #[command(
        after_help = "Examples:\n  agent-vault revoke ci stripe\n  agent-vault revoke ci --secret postgres/password"
    )]
    Revoke(Revoke),
    /// Say what is wrong, what soon will be, and what to do
    #[command(after_help = "Example: agent-vault check --within 14")]
    Check(Check),
    /// Verify every signature, digest and recipient set
    #[command(
        after_help = "Examples:\n  agent-vault verify\n  agent-vault verify --history             (every commit that changed the vault)\n  agent-vault verify --history --since v1.4\n  agent-vault verify --against origin/main   (in the check of a pull request)"
    )]
    Verify(Verify),
    /// Tell who changed what, when, for whom, and who signed it
    #[command(
        after_help = "Examples:\n  agent-vault log -n 20\n  agent-vault log stripe/api-key                  (every revision, with what `restore` takes)\n\nIt is read from the signed documents, never from the commits' messages. `agent-vault verify --history` proves them."
    )]
    Log(Log),
    /// Change a value in your editor
    #[command(
        after_help = "Example: EDITOR=nano agent-vault edit app/config.toml\n\nThe editor is $VISUAL, else $EDITOR, else vi. The file is private, lies in memory where there is a place for it\n(XDG_RUNTIME_DIR, /dev/shm), and is overwritten and removed afterwards, with whatever else the editor left beside it.\nWhat it writes elsewhere (a swap, undo or history file in your home) is the editor's to be told about.\nA newline that editors add at the end is dropped again when the value had none, or is new.\nAn editor that returns at once must be told to wait, such as EDITOR='code --wait'."
    )]
    Edit(Edit),
    /// Bring a former value back, as a new revision
    #[command(
        after_help = "Examples:\n  agent-vault restore stripe/api-key@HEAD~3\n  agent-vault restore stripe/api-key@r7           (its revision 7)\n  agent-vault restore stripe/api-key@v1.4 --dry-run\n\nWho may read it is decided by today's policy. Keys that could read the value then and may not now stay marked."
    )]
    Restore(Restore),
    /// Show or change the vault's settings
    #[command(
        after_help = "Examples:\n  agent-vault settings\n  agent-vault settings audit-required true    (what cannot be recorded is not read)"
    )]
    Settings(Settings),
    /// Sign a vault of agent-vault 0.1.0, in one commit
    #[command(after_help = "Examples:\n  agent-vault upgrade --dry-run\n  agent-vault upgrade --yes")]
    Upgrade(Upgrade),
    /// Fetch, verify, merge and push
    #[command(
        after_help = "Examples:\n  agent-vault sync\n  agent-vault sync --pull\n  agent-vault sync --branch rotate-keys    (for a pull request)\n\nIt uses your own `git` and what that knows of the remote. Nobody resolves a conflict: docs/sync.md says what becomes\nof each. Nothing that comes in counts before its whole history is verified."
    )]
    Sync(Sync),
    /// Clone a repository, and verify the whole history of its vault
    #[command(
        after_help = "Examples:\n  agent-vault clone git@example.org:team/vault.git\n  agent-vault --vault https://example.org/team/vault.git get stripe/api-key   (a cached clone)"
    )]
    Clone(Clone),
    /// Keep a secret's two files together under `git merge`: Git calls it
    #[command(hide = true)]
    MergeDriver(MergeDriver),
    /// Show or change which vaults this machine trusts
    #[command(after_help = "Example: agent-vault trust show")]
    Trust(Trust),
    /// Tell what was read and written on this machine, and by whom
    #[command(
        after_help = "Examples:\n  agent-vault audit --since 2d\n  agent-vault audit --agent ci --path 'stripe/*' --json\n  agent-vault audit verify\n\nThe log is this machine's own: docs/audit.md says what it proves, and what it cannot."
    )]
    Audit(Audit),
    /// Say which identity would be used and what it can read
    #[command(after_help = "Example: agent-vault whoami")]
    Whoami(Whoami),
    /// Show or change the settings of this machine
    #[command(
        after_help = "Examples:\n  agent-vault config get\n  agent-vault config set sync.max_age 5m\n\nThey stand in config.yaml in ~/.agent-vault, never in a repository."
    )]
    Config(Config),
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  eval \"$(agent-vault completions bash)\"       (in ~/.bashrc)\n  eval \"$(agent-vault completions zsh)\"        (in ~/.zshrc, after compinit)\n  agent-vault completions fish | source        (in ~/.config/fish/config.fish)"
    )]
    Completions(Completions),
    /// Keep secrets out of commits: look at what is staged
    #[command(
        after_help = "Examples:\n  agent-vault hook install\n  agent-vault hook refresh     (know the values that others have set)\n  agent-vault hook uninstall   (puts back what was there before)"
    )]
    Hook(Hook),
    /// Look for secrets in files or in a history
    #[command(
        after_help = "Examples:\n  agent-vault scan                        (this work tree)\n  agent-vault scan notes.txt ~/Downloads\n  agent-vault scan --history\n  agent-vault scan --range origin/main..HEAD\n  agent-vault scan --write-baseline .agent-vault-baseline.json"
    )]
    Scan(Scan),
    /// Show the whole story in a temporary directory
    #[command(after_help = "Example: agent-vault demo")]
    Demo,
}
