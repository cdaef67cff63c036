//! Where findings are, and which of them stand.

use crate::baseline::{self, Baseline};
use crate::excuse::{self, AllowList};
use crate::finding::{Finding, Marker};
use crate::fingerprints::{Fingerprints, SecretTag};
use crate::rules::{NOT_SCANNED, Rules};
use agent_vault_core::home::Home;
use agent_vault_core::root::VaultId;
use agent_vault_core::{SecretPath, trust};
use std::path::PathBuf;

/// Everything that looking needs. Shared by threads.
#[derive(Default)]
pub struct Scanner {
    /// Keys and tokens.
    pub rules: Rules,
    /// The vaults' own values.
    pub fingerprints: Fingerprints,
}

/// Where some bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file; none for the message of a commit or tag.
    pub path: Option<PathBuf>,
    /// The commit or tag that brought it, where a history is looked at.
    pub commit: Option<String>,
}

impl Place {
    /// A file, without a history.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), commit: None }
    }

    /// The path as text, for people, JSON and baselines; what is no Unicode in it becomes U+FFFD.
    pub fn name(&self) -> String {
        match &self.path {
            Some(path) => path.to_string_lossy().into_owned(),
            None => "(message)".into(),
        }
    }
}

/// A finding and where it is.
#[derive(Debug, Clone)]
pub struct Located {
    /// Where.
    pub place: Place,
    /// What.
    pub finding: Finding,
}

impl Scanner {
    /// What is found in the bytes of a place.
    pub fn look(&self, place: &Place, bytes: &[u8]) -> Vec<Located> {
        let findings = crate::scan(bytes, &self.rules, &self.fingerprints);
        findings.into_iter().map(|finding| Located { place: place.clone(), finding }).collect()
    }

    /// The finding for bytes that nobody looked at.
    pub(crate) fn not_scanned(place: &Place, size: u64) -> Located {
        let finding = Finding {
            rule: NOT_SCANNED,
            what: "too large to be looked at".into(),
            line: None,
            column: 1,
            span: 0..0,
            excerpt: format!("{size} bytes"),
            marker: Marker::None,
            hash: baseline::hash(NOT_SCANNED, &size.to_le_bytes()),
            secret: None,
        };
        Located { place: place.clone(), finding }
    }
}

/// What excuses findings, besides a marker on their line.
#[derive(Default)]
pub struct Excuses {
    /// The allow list.
    pub allow: AllowList,
    /// What was accepted before.
    pub baseline: Baseline,
}

impl Excuses {
    /// Reads the repository's own excuses from wherever `read` finds [`excuse::FILE`] and [`baseline::FILE`].
    ///
    /// # Errors
    /// Those of `read`, and [`agent_vault_core::Error::Usage`] for a file that cannot be understood.
    pub fn read(
        read: impl Fn(&str, usize) -> agent_vault_core::Result<Option<Vec<u8>>>,
    ) -> agent_vault_core::Result<Self> {
        let allow =
            read(excuse::FILE, excuse::LIMIT)?.map(|bytes| AllowList::parse(excuse::FILE, &bytes)).transpose()?;
        let baseline =
            read(baseline::FILE, baseline::LIMIT)?.map(|bytes| Baseline::parse(baseline::FILE, &bytes)).transpose()?;
        Ok(Self { allow: allow.unwrap_or_default(), baseline: baseline.unwrap_or_default() })
    }

    /// Whether a finding is excused.
    pub fn excuse(&self, located: &Located) -> bool {
        let Located { place, finding } = located;
        finding.marker == Marker::Excused
            || place.path.as_deref().is_some_and(|path| self.allow.excuses(path, finding))
            || self.baseline.accepts(&place.name(), finding)
    }

    /// Parts what stands from what is excused, both in order.
    pub fn part(&self, mut found: Vec<Located>) -> (Vec<Located>, Vec<Located>) {
        found.sort_by(|a, b| (&a.place, a.finding.span.start).cmp(&(&b.place, b.finding.span.start)));
        found.into_iter().partition(|located| !self.excuse(located))
    }
}

/// The name of the secret whose value was found, if this machine has seen it in one of these vaults.
pub fn secret_name(home: &Home, vaults: &[VaultId], fingerprints: &Fingerprints, tag: SecretTag) -> Option<SecretPath> {
    let key = fingerprints.key()?;
    vaults.iter().flat_map(|vault| trust::seen_names(home, *vault)).find(|name| key.secret(name) == tag)
}
