//! What was acknowledged to somebody, and what has to be so in the end.

use super::world::{CommitId, State, World};
use crate::digest::{Digest, KeyId};
use crate::merge::Remark;
use crate::name::{AgentName, GroupName, SecretPath};
use crate::recipient::Recipient;
use std::collections::{BTreeMap, BTreeSet};

/// Something that an owner did, and the document that says so.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Value {
        path: SecretPath,
        value: u64,
        doc: Digest,
    },
    Removal {
        path: SecretPath,
        doc: Digest,
    },
    Allowed {
        path: SecretPath,
        name: AgentName,
        key: Recipient,
        doc: Digest,
    },
    Disallowed {
        path: SecretPath,
        key: Recipient,
        doc: Digest,
    },
    Added {
        name: AgentName,
        key: Recipient,
        doc: Digest,
    },
    /// An agent was removed, or a key of one.
    Left {
        key: Recipient,
        doc: Digest,
    },
    Granted {
        key: Recipient,
        group: GroupName,
        doc: Digest,
    },
    Revoked {
        key: Recipient,
        group: GroupName,
        doc: Digest,
    },
}

/// Everything that was acknowledged: in which commit, and on which branch.
#[derive(Default)]
pub(super) struct Ledger(Vec<(CommitId, usize, Entry)>);

impl Ledger {
    pub fn acknowledge(&mut self, commit: CommitId, branch: usize, entries: Vec<Entry>) {
        self.0.extend(entries.into_iter().map(|entry| (commit, branch, entry)));
    }
}

impl World {
    /// All that was promised of a branch on which everybody agrees.
    pub fn check_end(&self, branch: usize, tip: CommitId) {
        let state = self.state(tip);
        self.check_readers(&state);
        self.check_exposed(&state, tip);
        for (commit, at, entry) in &self.ledger.0 {
            if *at == branch {
                assert!(
                    self.reaches(tip, *commit),
                    "{entry:?} was acknowledged in {commit}, and is not in the history"
                );
            }
            if self.reaches(tip, *commit) {
                self.check_entry(&state, tip, entry);
            }
        }
    }

    /// The acknowledged writes that are part of a history.
    fn entries(&self, tip: CommitId) -> impl Iterator<Item = &Entry> {
        self.ledger.0.iter().filter(move |(commit, ..)| self.reaches(tip, *commit)).map(|(.., entry)| entry)
    }

    /// The remarks that were made in a history.
    fn remarks(&self, tip: CommitId) -> impl Iterator<Item = &Remark> {
        (0..=tip).filter(move |commit| self.reaches(tip, *commit)).flat_map(|commit| &self.commits[commit].remarks)
    }

    fn check_entry(&self, state: &State, tip: CommitId, entry: &Entry) {
        let agent = |key: &Recipient| state.manifest.agents.iter().find(|agent| agent.public_key == *key);
        // Whether some other entry came after this one, or was made at the same time by somebody who did not know of it.
        let undone = |doc: Digest, undoes: &dyn Fn(&Entry) -> Option<Digest>| {
            self.entries(tip).filter_map(undoes).any(|other| other != doc && !self.descends(doc, other))
        };
        let later = |doc: Digest, undoes: &dyn Fn(&Entry) -> Option<Digest>| {
            self.entries(tip).filter_map(undoes).any(|other| other != doc && self.descends(other, doc))
        };
        match entry {
            Entry::Value { path, value, doc } => {
                let there = state.live().any(|metadata| self.sealed[&metadata.digest].value == *value);
                let replaced = later(*doc, &|other| match other {
                    Entry::Value { doc, .. } | Entry::Removal { doc, .. } => Some(*doc),
                    _ => None,
                });
                let told = self.remarks(tip).any(|remark| match remark {
                    Remark::OtherValue { path, commit } => {
                        let then = self.state(commit.parse().unwrap());
                        let metadata = then.secrets.get(path).and_then(|doc| doc.metadata());
                        metadata.is_some_and(|metadata| self.sealed[&metadata.digest].value == *value)
                    }
                    _ => false,
                });
                assert!(there || replaced || told, "{path}: value {value} is lost");
            }
            Entry::Removal { path, doc } => {
                let gone = state.secrets.get(path).is_none_or(|doc| doc.metadata().is_none());
                let set = later(*doc, &|other| match other {
                    Entry::Value { doc, .. } => Some(*doc),
                    _ => None,
                });
                let told = self.remarks(tip).any(|remark| match remark {
                    Remark::Kept { path: of } | Remark::Renamed { to: of, .. } => of == path,
                    _ => false,
                });
                assert!(gone || set || told, "{path}: it was removed, and is there");
            }
            Entry::Added { name, key, doc } => {
                let left = undone(*doc, &|other| match other {
                    Entry::Left { key: left, doc } if left == key => Some(*doc),
                    _ => None,
                });
                let told = self
                    .remarks(tip)
                    .any(|remark| matches!(remark, Remark::AgentDropped { name: dropped, .. } if dropped == name));
                assert!(left || told || agent(key).is_some(), "agent {name} is lost");
            }
            Entry::Left { key, doc } => {
                let added = undone(*doc, &|other| match other {
                    Entry::Added { key: added, doc, .. } if added == key => Some(*doc),
                    _ => None,
                });
                assert!(added || agent(key).is_none(), "an agent that was removed is there: {key}");
            }
            Entry::Granted { key, group, doc } => {
                let taken = undone(*doc, &|other| match other {
                    Entry::Left { doc, .. } => Some(*doc),
                    Entry::Revoked { key: of, group: from, doc } if of == key && from == group => Some(*doc),
                    _ => None,
                });
                let has = agent(key).is_some_and(|agent| agent.groups.contains(group));
                let dropped = self.remarks(tip).any(|remark| matches!(remark, Remark::AgentDropped { .. }));
                assert!(taken || has || dropped, "the grant of {group} to {key} is lost");
            }
            Entry::Revoked { key, group, doc } => {
                let given = undone(*doc, &|other| match other {
                    Entry::Granted { key: to, group: of, doc } if to == key && of == group => Some(*doc),
                    Entry::Added { doc, .. } => Some(*doc),
                    _ => None,
                });
                let has = agent(key).is_some_and(|agent| agent.groups.contains(group));
                assert!(given || !has, "{key} has {group}, which was revoked");
            }
            Entry::Allowed { path, name, key, doc } => {
                // What was set anew, moved or removed has readers of its own; a renamed agent keeps its grants.
                let concerns = undone(*doc, &|other| match other {
                    Entry::Disallowed { path: of, key: whose, doc } if of == path && whose == key => Some(*doc),
                    Entry::Removal { path: of, doc } if of == path => Some(*doc),
                    _ => None,
                });
                let policy = self.entries(tip).any(|other| match other {
                    Entry::Left { .. } => true,
                    Entry::Revoked { key: whose, .. } => whose == key,
                    _ => false,
                });
                let renamed = self.remarks(tip).any(|remark| {
                    matches!(remark, Remark::Renamed { from, .. } if from == path)
                        || matches!(remark, Remark::AgentDropped { name: dropped, .. } if dropped == name)
                });
                let metadata = state.secrets.get(path).and_then(|doc| doc.metadata());
                let reads = metadata.is_some_and(|metadata| metadata.recipients.contains(&key.id()));
                // Of a secret that was made twice, one's fields stay.
                let twice =
                    self.remarks(tip).any(|remark| matches!(remark, Remark::OtherValue { path: of, .. } if of == path));
                assert!(
                    concerns || policy || renamed || twice || reads,
                    "{path}: {name} was allowed to read it, and cannot"
                );
            }
            Entry::Disallowed { path, key, doc } => {
                let given = undone(*doc, &|other| match other {
                    Entry::Allowed { path: of, key: whose, doc, .. } if of == path && whose == key => Some(*doc),
                    _ => None,
                });
                let metadata = state.secrets.get(path).and_then(|doc| doc.metadata());
                let named = agent(key)
                    .is_some_and(|agent| metadata.is_some_and(|metadata| metadata.agents.contains(&agent.name)));
                assert!(given || !named, "{path}: {key} reads it, from whom it was taken");
            }
        }
    }

    /// No key that could read a current value in this history is forgotten.
    fn check_exposed(&self, state: &State, tip: CommitId) {
        let mut could: BTreeMap<u64, BTreeSet<KeyId>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for commit in (0..=tip).filter(|commit| self.reaches(tip, *commit)) {
            for metadata in self.commits[commit].state.live().filter(|metadata| seen.insert(metadata.digest)) {
                let sealed = &self.sealed[&metadata.digest];
                could.entry(sealed.value).or_default().extend(&sealed.recipients);
            }
        }
        for metadata in state.live() {
            let named = metadata.exposed_to.iter().map(|exposure| exposure.key);
            let known: BTreeSet<KeyId> = metadata.recipients.iter().copied().chain(named).collect();
            for key in &could[&self.sealed[&metadata.digest].value] {
                assert!(known.contains(key), "{}: {key} could read this value, and is forgotten", metadata.name);
            }
        }
    }
}
