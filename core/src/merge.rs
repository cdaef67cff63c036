//! Merging two states of a vault by meaning, pure: documents go in, and what becomes of each comes out.
//!
//! Git merges lines; a vault's documents say what they mean. Nothing here looks at a clock, and nothing depends on which
//! of the two sides is called ours: whoever merges the same two states gets the same one. What is decided here is signed
//! and committed by [`crate::Owner::merge`]; the rules stand in docs/sync.md, as a table.

use crate::digest::Digest;
use crate::name::{AgentName, SecretPath};
use serde::Serialize;

pub(crate) mod agents;
mod bounds;
pub mod driver;
pub(crate) mod moves;
pub(crate) mod names;
pub(crate) mod policy;
pub(crate) mod secret;
#[cfg(test)]
mod tests;

/// One of the two states that are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    Ours,
    Theirs,
}

impl Side {
    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Side::Ours => Side::Theirs,
            Side::Theirs => Side::Ours,
        }
    }
}

/// Something of a merge that a person should hear of: a choice was made, and this is what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "RemarkFields")]
#[non_exhaustive]
pub enum Remark {
    /// A secret was given two values at once. One is current; the other is in the history.
    OtherValue {
        /// The secret.
        path: SecretPath,
        /// A commit that has the other value: `restore PATH@COMMIT` brings it back.
        commit: String,
    },
    /// A secret was removed on one side and given a new value on the other: the value stays.
    Kept {
        /// The secret.
        path: SecretPath,
    },
    /// Two secrets have names that differ only in case: this one was renamed.
    Renamed {
        /// The name that it had.
        from: SecretPath,
        /// The name that it has now.
        to: SecretPath,
    },
    /// Two agents have one name, or names that differ only in case: this one was renamed.
    AgentRenamed {
        /// The name that it had.
        from: AgentName,
        /// The name that it has now.
        to: AgentName,
    },
    /// Two agents, or an agent and an owner, have the same key: this one went.
    AgentDropped {
        /// Its name.
        name: AgentName,
        /// Who has the key.
        holder: String,
    },
    /// What an owner signed whom the other side has removed: it does not count.
    Quarantined {
        /// The secret; none for the policy.
        path: Option<SecretPath>,
        /// The commit that has it.
        commit: String,
    },
}

/// The same fields for every [`Remark`].
#[derive(Default, Serialize)]
struct RemarkFields {
    kind: &'static str,
    path: Option<String>,
    commit: Option<String>,
    from: Option<String>,
    to: Option<String>,
    holder: Option<String>,
}

impl From<Remark> for RemarkFields {
    fn from(remark: Remark) -> Self {
        let none = Self::default();
        let renamed = |kind, from: String, to: String| Self { kind, from: Some(from), to: Some(to), ..Self::default() };
        match remark {
            Remark::OtherValue { path, commit } => {
                Self { kind: "other-value", path: Some(path.to_string()), commit: Some(commit), ..none }
            }
            Remark::Kept { path } => Self { kind: "kept", path: Some(path.to_string()), ..none },
            Remark::Renamed { from, to } => renamed("renamed", from.to_string(), to.to_string()),
            Remark::AgentRenamed { from, to } => renamed("agent-renamed", from.to_string(), to.to_string()),
            Remark::AgentDropped { name, holder } => {
                Self { kind: "agent-dropped", from: Some(name.to_string()), holder: Some(holder), ..none }
            }
            Remark::Quarantined { path, commit } => {
                Self { kind: "quarantined", path: path.map(|path| path.to_string()), commit: Some(commit), ..none }
            }
        }
    }
}

/// The digests of both, in an order that does not depend on whose they are.
fn parents(a: Digest, b: Digest) -> Vec<Digest> {
    let mut both = vec![a, b];
    both.sort_unstable();
    both
}
