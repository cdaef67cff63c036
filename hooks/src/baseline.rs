//! What was accepted when the scan began to be used: findings by rule, path and a hash.
//!
//! The hash of a key or token is SHA-256: both are so long that nobody finds them by trying, so the hash tells nothing
//! that the repository, which holds them, does not. Values of a vault may be as short as a password. Their hash is keyed
//! with this machine's key, so a baseline accepts them on this machine only.

use crate::finding::Finding;
use crate::fingerprints::Key;
use agent_vault_core::error::{Error, Result, printable};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The name that `hook pre-commit` looks for at the top of the repository.
pub const FILE: &str = ".agent-vault-baseline.json";
/// The largest baseline that is read, in bytes.
pub const LIMIT: usize = 64 << 20;
/// The version of the form below.
const VERSION: u32 = 1;

/// Accepted findings.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    findings: BTreeSet<Entry>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    rule: String,
    hash: String,
}

impl Baseline {
    /// Reads the text of a baseline.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is none, with the name that it is told under.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        let wrong = |reason: String| Error::Usage {
            message: format!("{}: {reason}", printable(file)),
            hint: "name a baseline of `agent-vault scan --write-baseline FILE`, or write it anew".into(),
        };
        if bytes.len() > LIMIT {
            return Err(wrong("a baseline of more than 64 MiB is not read".into()));
        }
        let read: Self = serde_json::from_slice(bytes).map_err(|error| wrong(format!("it is no baseline: {error}")))?;
        if read.version != VERSION {
            return Err(wrong(format!("baseline version {} is not known here", read.version)));
        }
        Ok(read)
    }

    /// Accepts these findings, by the paths they were found at.
    pub fn of<'f>(findings: impl IntoIterator<Item = (&'f str, &'f Finding)>) -> Self {
        let entry = |(path, finding): (&str, &Finding)| Entry {
            path: path.to_owned(),
            rule: finding.rule.to_owned(),
            hash: finding.hash.clone(),
        };
        Self { version: VERSION, findings: findings.into_iter().map(entry).collect() }
    }

    /// The text of a baseline: sorted, so that it is the same for the same findings.
    pub fn render(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// How many findings it accepts.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether it accepts none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether a finding is accepted: the same secret, at the same path, by the same rule.
    pub fn accepts(&self, path: &str, finding: &Finding) -> bool {
        let entry = Entry { path: path.to_owned(), rule: finding.rule.to_owned(), hash: finding.hash.clone() };
        !finding.hash.is_empty() && self.findings.contains(&entry)
    }
}

/// What a baseline calls a key or token.
pub(crate) fn hash(rule: &str, secret: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(b"agent-vault baseline 1\0");
    digest.update(rule.as_bytes());
    digest.update([0]);
    digest.update(secret);
    hex(&digest.finalize()[..16])
}

/// What a baseline calls a vault's value.
pub(crate) fn keyed(key: &Key, secret: &[u8]) -> String {
    format!("here:{}", hex(&key.baseline(secret)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
