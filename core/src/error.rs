//! One typed error for the whole library.
//!
//! Each variant says what happened and to which path or name; [`Error::hint`] says what to do next, and
//! [`Error::class`] is what a face maps to an exit code or to an exception of its language. No variant
//! ever holds a secret, and what came from outside is printed without control characters ([`printable`]).

use std::fmt;
use std::path::{Path, PathBuf};

mod code;

/// What this library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The coarse kind of an [`Error`], one for each documented exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// None of the others: input and output, a damaged file, a bug.
    Other,
    /// The call itself is wrong: a name, a flag, a value.
    Usage,
    /// No such vault, secret, agent or group.
    NotFound,
    /// The identity is not among the recipients, or is not an owner.
    NotAuthorized,
    /// Forged, swapped, replaced, or older than what was seen.
    Tampered,
    /// No identity, or one that cannot be used.
    NoKey,
    /// Exists already, is busy, or has diverged.
    Conflict,
    /// A remote could not be reached or refused.
    Remote,
    /// A check ended with errors.
    Findings,
    /// A person said no.
    Refused,
    /// An identity is locked and could not be unlocked.
    Locked,
    /// A question has to be answered and nobody is there to ask.
    NobodyToAsk,
}

/// Everything that can go wrong in a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A secret path, group, agent or owner name that the format does not allow.
    #[error("{input:?} is not a valid {what}: {reason}")]
    InvalidName {
        /// "secret path", "group", …
        what: &'static str,
        /// The input, without control characters, at most 80 characters.
        input: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// An argument of another kind that cannot be used.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: String,
    },
    /// A value that was asked for as text and is none.
    #[error("the value of {name:?} is not UTF-8 text")]
    NotText {
        /// The secret.
        name: String,
    },
    /// No vault here or above.
    #[error("no vault found in {} or any folder above it", .start.display())]
    VaultNotFound {
        /// Where the search began.
        start: PathBuf,
    },
    /// A vault without signatures (agent-vault 0.1.0).
    #[error("{} is an unsigned vault of agent-vault 0.1.0", .vault.display())]
    UnsignedVault {
        /// The vault's folder.
        vault: PathBuf,
    },
    /// A secret, agent, group or owner that is not there.
    #[error("no {what} {name:?}{}", .near.as_deref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    NotFound {
        /// "secret", "agent", "group", …
        what: &'static str,
        /// Its name.
        name: String,
        /// The nearest existing name.
        near: Option<String>,
    },
    /// The identity is not among the recipients of a secret.
    #[error("not authorised to read {name:?}: none of your keys ({keys}) is among its recipients")]
    NotAuthorized {
        /// The secret.
        name: String,
        /// Fingerprints of what was tried.
        keys: String,
    },
    /// A value that its owner signed for other uses than this one.
    #[error("{name:?} is withheld: {reason}")]
    Withheld {
        /// The secret.
        name: String,
        /// What it is for, and what this is.
        reason: String,
        /// How it is used, or who can show it.
        hint: String,
    },
    /// A writing call by somebody who is no owner.
    #[error("only an owner can do this, and {keys} belongs to none")]
    NotOwner {
        /// Fingerprints of what was tried.
        keys: String,
    },
    /// A file that is not what an owner signed.
    #[error("{}: {reason}", .file.display())]
    Tampered {
        /// The file (or the vault's folder).
        file: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A document older than one that this machine has seen.
    #[error("{}: revision {found}, but this machine has seen revision {seen}: an older state was put back", .file.display())]
    Rollback {
        /// The file.
        file: PathBuf,
        /// Its revision.
        found: u64,
        /// The highest revision seen.
        seen: u64,
    },
    /// Two different documents with one number.
    #[error("{}: revision {revision} differs from the revision {revision} that this machine has seen", .file.display())]
    Diverged {
        /// The file.
        file: PathBuf,
        /// The revision that both carry.
        revision: u64,
    },
    /// A remote's branch that went back to a commit from before one that this machine has seen.
    #[error("branch {branch} went back to {}, and this machine has seen {}, which comes after it", short(.found), short(.seen))]
    WentBack {
        /// The branch, and whose.
        branch: String,
        /// Where it is.
        found: String,
        /// Where it was.
        seen: String,
    },
    /// A remote's branch that no longer holds what this machine has seen of it.
    #[error("branch {branch} was rewritten: {} does not come after {}, which this machine has seen", short(.found), short(.seen))]
    Rewritten {
        /// The branch, and whose.
        branch: String,
        /// Where it is.
        found: String,
        /// Where it was.
        seen: String,
    },
    /// A vault met for the first time where only known ones are allowed.
    #[error("this vault is unknown here (owner {fingerprint}), and unknown vaults are refused")]
    Untrusted {
        /// Fingerprint of the owner's signing key.
        fingerprint: String,
    },
    /// A file that is damaged, too large, or not of its format.
    #[error("{}: {reason}", .file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No identity was found.
    #[error("no key found: {tried}")]
    NoKey {
        /// What was tried.
        tried: String,
    },
    /// A named identity that cannot be used.
    #[error("the key from {origin} cannot be used: {reason}")]
    KeyUnusable {
        /// Where it came from: a path or a variable's name, never its text.
        origin: String,
        /// Why not.
        reason: String,
    },
    /// An encrypted identity that nobody unlocked.
    #[error("the key from {origin} is locked: {reason}")]
    Locked {
        /// Where it came from.
        origin: String,
        /// Why it stayed locked.
        reason: String,
    },
    /// A public key that is none.
    #[error("{input:?} is not a public key: {reason}")]
    InvalidRecipient {
        /// The input's beginning, printable.
        input: String,
        /// Why not.
        reason: String,
    },
    /// Something of that name is there already.
    #[error("{what} {name:?} already exists{}", if .detail.is_empty() { String::new() } else { format!(" ({})", .detail) })]
    Exists {
        /// "secret", "agent", "file", …
        what: &'static str,
        /// Its name.
        name: String,
        /// More about it.
        detail: String,
    },
    /// A request that contradicts the vault's state; nothing was changed.
    #[error("{message}")]
    Conflict {
        /// What contradicts what.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Another process holds a lock.
    #[error("{what} is locked by another process ({})", .file.display())]
    Busy {
        /// "the vault", "the Git index"
        what: &'static str,
        /// The lock.
        file: PathBuf,
    },
    /// The repository is in the middle of something.
    #[error("the repository is in the middle of a {state}")]
    GitBusy {
        /// "merge", "rebase", …
        state: &'static str,
    },
    /// A value larger than the vault's setting.
    #[error("the value has {size} bytes; this vault takes {limit} at most")]
    TooLarge {
        /// Bytes of the value (or more than that many).
        size: u64,
        /// `settings.max_secret_size`.
        limit: u64,
    },
    /// A person said no.
    #[error("refused: {what}")]
    Refused {
        /// What was asked.
        what: String,
    },
    /// A question, and nobody to answer it.
    #[error("there is no terminal to ask on: {question}")]
    NobodyToAsk {
        /// What would have been asked.
        question: String,
        /// The flag or variable that answers it beforehand.
        answer: String,
    },
    /// An operation of the file system failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// "read", "create", …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// An operation of libgit2 failed.
    #[error("git: cannot {action}: {}", safe(.source.message()))]
    Git {
        /// "open the repository", …
        action: &'static str,
        /// libgit2's word.
        source: git2::Error,
    },
    /// A remote that could not be reached, did not answer in time, or did not let us in.
    #[error("remote {url}: {reason}")]
    Remote {
        /// Its address, without user and password.
        url: String,
        /// Git's word, or ssh's, on one line.
        reason: String,
    },
    /// The user's `git`, which talks to remotes, is missing or too old.
    #[error("git cannot be used to talk to remotes: {reason}")]
    GitProgram {
        /// Why not.
        reason: String,
    },
    /// Encryption failed: a recipient's plugin, or keys that cannot be used together.
    #[error("cannot encrypt: {reason}")]
    Encrypt {
        /// age's word.
        reason: String,
    },
    /// This machine's log is not what was written.
    #[error("{}: {reason}", .file.display())]
    Altered {
        /// The file.
        file: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A read that this vault wants recorded, and that could not be.
    #[error("this vault lets nothing be read that is not recorded, and it cannot be recorded here: {reason}")]
    Unrecorded {
        /// Why not.
        reason: String,
    },
    /// The change is made but its last steps failed, of which the first is the flush of the moved branch; the next command
    /// finishes them.
    #[error("the change is saved, but its last step failed: {reason}")]
    Unfinished {
        /// What failed.
        reason: String,
    },
}

/// Whether libgit2 looked for an object in vain.
fn is_missing(source: &git2::Error) -> bool {
    source.code() == git2::ErrorCode::NotFound && source.class() == git2::ErrorClass::Odb
}

impl Error {
    /// The kind of this error.
    pub fn class(&self) -> Class {
        match self {
            Error::InvalidName { .. }
            | Error::Usage { .. }
            | Error::NotText { .. }
            | Error::InvalidRecipient { .. }
            | Error::TooLarge { .. } => Class::Usage,
            Error::VaultNotFound { .. } | Error::NotFound { .. } => Class::NotFound,
            Error::NotAuthorized { .. } | Error::Withheld { .. } | Error::NotOwner { .. } => Class::NotAuthorized,
            Error::Tampered { .. }
            | Error::Rollback { .. }
            | Error::WentBack { .. }
            | Error::Untrusted { .. }
            | Error::Altered { .. } => Class::Tampered,
            Error::NoKey { .. } | Error::KeyUnusable { .. } => Class::NoKey,
            Error::Locked { .. } => Class::Locked,
            Error::Exists { .. }
            | Error::Conflict { .. }
            | Error::Busy { .. }
            | Error::GitBusy { .. }
            | Error::UnsignedVault { .. }
            | Error::Rewritten { .. }
            | Error::Diverged { .. } => Class::Conflict,
            Error::Remote { .. } | Error::GitProgram { .. } => Class::Remote,
            Error::Refused { .. } => Class::Refused,
            Error::NobodyToAsk { .. } => Class::NobodyToAsk,
            Error::Corrupt { .. }
            | Error::Io { .. }
            | Error::Git { .. }
            | Error::Encrypt { .. }
            | Error::Unrecorded { .. }
            | Error::Unfinished { .. } => Class::Other,
        }
    }

    /// The next step for whoever meets this error.
    pub fn hint(&self) -> String {
        match self {
            Error::InvalidName { .. } => {
                "use 1 to 8 segments of letters, digits, '.', '_' and '-', joined by '/', such as stripe/api-key".into()
            }
            Error::NotText { .. } => "read its bytes".into(),
            Error::Usage { hint, .. } | Error::Conflict { hint, .. } | Error::Withheld { hint, .. } => hint.clone(),
            Error::VaultNotFound { .. } => "run `agent-vault init` in a repository, or name a vault with -C DIR".into(),
            Error::UnsignedVault { .. } => "nothing in it can be verified, so it is read with a warning and never written; its owner signs it with `agent-vault upgrade`".into(),
            Error::NotFound { what: "secret", .. } => "see `agent-vault list`".into(),
            Error::NotFound { what: "agent", .. } => "see `agent-vault list-agents`".into(),
            Error::NotFound { what: "group", .. } => "see `agent-vault list`; `--create` makes a new group".into(),
            Error::NotFound { what: "owner", .. } => "see `agent-vault trust show`".into(),
            Error::NotFound { what: "commit", .. } => "name one by its id, a branch or a tag: see `git log --oneline`".into(),
            Error::NotFound { what: "former value", name, .. } => {
                format!("see `agent-vault log {}` for those that there are", name.split('@').next().unwrap_or_default())
            }
            Error::NotFound { what: "vault alias", name, .. } => {
                format!("`agent-vault config set vaults.{name} DIR-OR-URL` says where it is")
            }
            Error::NotFound { what: "program", .. } => "name a program that is on PATH, or its path".into(),
            Error::NotFound { what: "setting", .. } => "see `agent-vault config get` for those that there are".into(),
            Error::NotFound { what: "Git repository", .. } => "run it inside a repository, or name one with -C DIR".into(),
            Error::NotFound { .. } => "check the name".into(),
            Error::NotAuthorized { .. } => "an owner can grant it: `agent-vault grant AGENT GROUP`; see `agent-vault whoami`".into(),
            Error::NotOwner { .. } => "use the owner's key: --key FILE, AGENT_VAULT_KEY, or owner.key in the vault's home".into(),
            Error::Tampered { .. } => {
                "do not use it; compare with a copy that you trust (`git log`, `agent-vault verify`), and if the change was meant, see `agent-vault trust --help`".into()
            }
            Error::Rollback { .. } => "update this copy (`agent-vault sync`, or `git pull`), or read the old state on purpose with --allow-old".into(),
            Error::Diverged { .. } => "two changes were made apart from each other; let an owner merge them (`agent-vault sync`), or read this copy on purpose with --allow-old".into(),
            Error::WentBack { .. } => {
                "ask who put it back. Nothing was taken; `agent-vault sync --rewritten` gives the branch what was seen here".into()
            }
            Error::Rewritten { .. } => {
                "ask who rewrote it. Nothing was taken; `agent-vault sync --rewritten` merges what it has now with what was seen here".into()
            }
            Error::Untrusted { fingerprint } => {
                format!("compare the fingerprint with the owner, then set AGENT_VAULT_OWNER={fingerprint} or run `agent-vault trust add`")
            }
            Error::Corrupt { .. } => "bring the file back from Git (`git checkout -- FILE`) or from another copy, then run `agent-vault check`".into(),
            Error::NoKey { .. } => "name one with --key FILE, set AGENT_VAULT_KEY, or run `agent-vault init` to create an owner key".into(),
            Error::KeyUnusable { .. } => "name a file that holds an age identity or an SSH private key".into(),
            Error::Locked { .. } => "unlock it on a terminal, or name a key that needs no passphrase".into(),
            Error::InvalidRecipient { .. } => "give an age recipient (age1…) or an SSH public key (ssh-ed25519 …, ssh-rsa …)".into(),
            Error::Exists { what: "vault", .. } => "use it as it is, or name another folder: `agent-vault init DIR`".into(),
            Error::Exists { what: "key", .. } => "each key is one agent's or one owner's: use another, or make one".into(),
            Error::Exists { .. } => "choose another name, or remove the old one first".into(),
            Error::Busy { .. } => "wait for it to end and try again; nothing was changed".into(),
            Error::GitBusy { .. } => "finish or abort it with git, then try again; nothing was changed".into(),
            Error::TooLarge { .. } => "store a smaller value, such as a key that decrypts the large one".into(),
            Error::Refused { .. } => "nothing was changed".into(),
            Error::NobodyToAsk { answer, .. } => answer.clone(),
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "check the owner and mode of the file and of its folder".into()
            }
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => "free some space, then try again".into(),
            Error::Io { .. } => "check the path, then try again".into(),
            Error::Git { source, .. } if is_missing(source) => {
                "an object is not here: in a partial clone, `agent-vault sync` fetches what the vault has; else see `git fsck`"
                    .into()
            }
            Error::Git { .. } => "check the repository with `git status` and `git fsck`".into(),
            Error::Remote { .. } => "see whether `git fetch` works here: the address, the network, your rights".into(),
            Error::GitProgram { .. } => "install Git 2.29 or newer, and see that `git` is on PATH".into(),
            Error::Encrypt { .. } => "check the public keys with `agent-vault list-agents`".into(),
            Error::Altered { .. } => {
                "keep the folder as it is, find out who could write to it, and do not rely on what it says".into()
            }
            Error::Unrecorded { .. } => {
                "make the folder writable, or set AGENT_VAULT_HOME to one that is; an owner can lift it with `agent-vault settings audit-required false`".into()
            }
            Error::Unfinished { .. } => "run `agent-vault check`: it finishes the change".into(),
        }
    }

    /// An [`Error::Io`] maker for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// Why a repository does not open: it is of a kind that libgit2 cannot read, or something is wrong with it.
    pub fn unopened(source: git2::Error) -> Error {
        let kinds = [
            ("object format", "object ids of another kind (SHA-256)", "--object-format=sha1"),
            ("extensions.refstorage", "another store of references (reftable)", "--ref-format=files"),
        ];
        let found = kinds.into_iter().find(|(said, ..)| source.message().contains(said));
        match found {
            Some((_, kind, option)) => Error::Conflict {
                message: format!("this repository has {kind}, which agent-vault cannot read"),
                hint: format!("keep the vault in a repository of the usual kind: `git init {option}`"),
            },
            None => Error::git("open the repository")(source),
        }
    }

    /// An [`Error::Git`] maker for `map_err`.
    pub fn git(action: &'static str) -> impl FnOnce(git2::Error) -> Error {
        move |source| {
            // libgit2 has no word for a write that is cut short, which is what a disk does as it becomes full.
            let silent = source.class() == git2::ErrorClass::None && source.message() == "no error";
            let full = || git2::Error::from_str("a file could not be written whole: is the disk full?");
            Error::Git { action, source: if silent { full() } else { source } }
        }
    }

    /// An [`Error::Tampered`].
    pub(crate) fn tampered(file: impl AsRef<Path>, reason: impl Into<String>) -> Error {
        Error::Tampered { file: file.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// An [`Error::Corrupt`].
    pub fn corrupt(file: impl AsRef<Path>, reason: impl Into<String>) -> Error {
        Error::Corrupt { file: file.as_ref().to_path_buf(), reason: reason.into() }
    }
}

/// `text` fit for a terminal: control characters (and what could reorder a line) become `?`, at most 80 characters.
pub fn printable(text: &str) -> String {
    let out: String = safe(text).chars().take(80).collect();
    if text.chars().nth(80).is_some() { out + "…" } else { out }
}

/// All of a text, fit for a terminal: libgit2 gives the reason at the end, after a path.
pub(crate) fn safe(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { '?' }).collect()
}

/// The first digits of a commit's id.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Whether a character is shown as itself: no control character, and none of Unicode's bidirectional controls and line
/// separators, which could make a line read as another.
pub fn is_printable(c: char) -> bool {
    let directional =
        matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}');
    !c.is_control() && !directional
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Other => "other",
            Class::Usage => "usage",
            Class::NotFound => "not-found",
            Class::NotAuthorized => "not-authorized",
            Class::Tampered => "tampered",
            Class::NoKey => "no-key",
            Class::Conflict => "conflict",
            Class::Remote => "remote",
            Class::Findings => "findings",
            Class::Refused => "refused",
            Class::Locked => "locked",
            Class::NobodyToAsk => "nobody-to-ask",
        })
    }
}
