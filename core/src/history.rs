//! The vault's history: what is proven of it, and what happened in it, in the vault's own terms.
//!
//! Everything here is pure: documents go in, verdicts and events come out. [`crate::Vault::verify_history`] and
//! [`crate::Vault::log`] walk Git's commits and call it. The rules are those of the format's section "A proven history".

use crate::digest::Digest;
use crate::name::SecretPath;
use crate::time::Timestamp;
use serde::Serialize;

pub(crate) mod chain;
pub(crate) mod document;
pub(crate) mod events;
pub(crate) mod lineage;
pub(crate) mod rules;

pub use events::Event;

/// What `verify --history` found.
#[derive(Debug, Clone, Serialize)]
pub struct History {
    /// The commit whose history it is: HEAD's.
    pub head: String,
    /// Where the proof begins.
    pub begins: Beginning,
    /// Commits that were looked at.
    pub commits: usize,
    /// Those of them that change the vault.
    pub changes: usize,
    /// Changes that an owner's signature attests.
    pub signed: usize,
    /// Merges that no owner signed, and in which every document is the newest of its parents'.
    pub merges: usize,
    /// Commits that changed the vault before it had signatures: they prove nothing, and nothing rests on them.
    pub unsigned_before: usize,
    /// Signed documents that were verified.
    pub documents: usize,
    /// What breaks the proof, in the order of the walk: parents before children.
    pub violations: Vec<Violation>,
    /// Files in the vault's folder that no vault has, by the commit that brought them.
    pub strangers: Vec<Stranger>,
}

/// Where a proof begins. As JSON `{"at": …, "commits": […]}`, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "BeginningFields")]
pub enum Beginning {
    /// At the commit that made the vault, or gave it its first root.
    Creation(String),
    /// At these commits, whose parents are not in this shallow clone: what they hold is verified, not where it came from.
    Shallow(Vec<String>),
    /// After a commit that was given: it and what lies before it are taken as they are.
    Given(String),
    /// Nowhere: no commit made this vault.
    Nowhere,
}

/// The same fields for every [`Beginning`].
#[derive(Serialize)]
struct BeginningFields {
    at: &'static str,
    commits: Vec<String>,
}

impl From<Beginning> for BeginningFields {
    fn from(beginning: Beginning) -> Self {
        let (at, commits) = match beginning {
            Beginning::Creation(commit) => ("creation", vec![commit]),
            Beginning::Shallow(commits) => ("shallow", commits),
            Beginning::Given(commit) => ("given", vec![commit]),
            Beginning::Nowhere => ("nowhere", Vec::new()),
        };
        Self { at, commits }
    }
}

/// One thing that breaks the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The full id of the commit that did it.
    pub commit: String,
    /// The file below the vault's folder (or the secret's files, without an ending); none for the whole vault.
    pub path: Option<String>,
    /// What is wrong. A full sentence without its end.
    pub reason: String,
}

/// A file that no vault has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stranger {
    /// The full id of the commit that brought it.
    pub commit: String,
    /// Below the vault's folder, printable.
    pub path: String,
}

/// A commit that changed the vault.
#[derive(Debug, Clone, Serialize)]
pub struct LogEntry {
    /// Its full id.
    pub commit: String,
    /// When its author says it was made.
    pub time: Option<Timestamp>,
    /// Whom it names as author, printable. Nothing proves it.
    pub author: String,
    /// Who signed it.
    pub signature: SignatureStatus,
    /// What happened in the vault.
    pub events: Vec<Event>,
    /// In the history of one secret: what it was after this commit. Its `name@commit` is what `restore` takes.
    #[serde(rename = "secret")]
    pub revision: Option<Revision>,
    /// The commit message's first line, printable. A message can say anything.
    pub message: String,
}

/// Who signed a commit. As JSON `{"status": …, "owner": …, "fingerprint": …}`, with null for what does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "SignatureFields")]
pub enum SignatureStatus {
    /// An owner of the root in force in that commit.
    Good {
        /// Which.
        owner: String,
    },
    /// Nobody.
    Unsigned,
    /// Somebody who was no owner, or in another way than with an owner's key.
    UnknownKey {
        /// The key's fingerprint, where it is an SSH key.
        fingerprint: Option<String>,
    },
    /// The signature does not fit the commit.
    Bad,
}

/// The same fields for every [`SignatureStatus`].
#[derive(Serialize)]
struct SignatureFields {
    status: &'static str,
    owner: Option<String>,
    fingerprint: Option<String>,
}

impl From<SignatureStatus> for SignatureFields {
    fn from(status: SignatureStatus) -> Self {
        let (status, owner, fingerprint) = match status {
            SignatureStatus::Good { owner } => ("good", Some(owner), None),
            SignatureStatus::Unsigned => ("unsigned", None, None),
            SignatureStatus::UnknownKey { fingerprint } => ("unknown-key", None, fingerprint),
            SignatureStatus::Bad => ("bad", None, None),
        };
        Self { status, owner, fingerprint }
    }
}

/// One revision of a secret, for `log PATH` and `restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// The secret's name then.
    pub name: SecretPath,
    /// Its revision.
    pub revision: u64,
    /// Of its value; none for a removal.
    pub value_revision: Option<u64>,
}

impl History {
    /// The first violation in the walk's order.
    pub fn first_violation(&self) -> Option<&Violation> {
        self.violations.first()
    }
}

/// A digest's first digits, for messages.
fn short(digest: Digest) -> String {
    digest.hex()[..12].to_owned()
}
