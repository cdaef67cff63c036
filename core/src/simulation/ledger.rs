//! What was acknowledged to somebody, and what has to be so in the end.

use super::world::{Commit, CommitId, State, World};
use crate::digest::{Digest, KeyId};
use crate::manifest::Agent;
use crate::merge::Remark;
use crate::name::{AgentName, GroupName, SecretPath};
use crate::recipient::Recipient;
use std::collections::BTreeSet;

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
        /// The key that this one is instead of.
        instead: Option<Recipient>,
    },
    /// An agent was removed, or a key of one.
    Left {
        key: Recipient,
    },
    Granted {
        key: Recipient,
        group: GroupName,
    },
    Revoked {
        key: Recipient,
        group: GroupName,
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
        self.check_exposed(&state);
        for (commit, at, entry) in &self.ledger.0 {
            if *at == branch {
                assert!(
                    self.reaches(tip, *commit),
                    "{entry:?} was acknowledged in {commit}, and is not in the history"
                );
            }
            if self.reaches(tip, *commit) {
                self.check_entry(&state, tip, *commit, entry);
            }
        }
    }

    /// The acknowledged writes that are part of a history.
    fn entries(&self, tip: CommitId) -> impl Iterator<Item = (CommitId, &Entry)> {
        let all = self.ledger.0.iter().filter(move |(commit, ..)| self.reaches(tip, *commit));
        all.map(|(commit, _, entry)| (*commit, entry))
    }

    /// The remarks that were made in a history.
    fn remarks(&self, tip: CommitId) -> impl Iterator<Item = &Remark> {
        self.remarked(tip).map(|(_, remark)| remark)
    }

    /// The same, with the commits.
    fn remarked(&self, tip: CommitId) -> impl Iterator<Item = (CommitId, &Remark)> {
        let all = (0..=tip).filter(move |commit| self.reaches(tip, *commit));
        all.flat_map(|commit| self.commits[commit].remarks.iter().map(move |remark| (commit, remark)))
    }

    fn check_entry(&self, state: &State, tip: CommitId, at: CommitId, entry: &Entry) {
        let agent = |key: &Recipient| state.manifest.agents.iter().find(|agent| agent.public_key == *key);
        // Whether something came after this, or was done at the same time by somebody who did not know of it.
        let unknown = |undoes: &dyn Fn(&Entry) -> bool| {
            self.entries(tip).any(|(then, other)| !self.reaches(at, then) && undoes(other))
        };
        match entry {
            Entry::Value { path, value, doc } => {
                let there = state.live().any(|metadata| self.sealed[&metadata.digest].value == *value);
                let replaced = self.entries(tip).any(|(_, other)| match other {
                    Entry::Value { doc: new, .. } | Entry::Removal { doc: new, .. } => {
                        new != doc && self.descends(*new, *doc)
                    }
                    _ => false,
                });
                let told = self.remarks(tip).any(|remark| match remark {
                    Remark::OtherValue { path, commit } => {
                        let then = self.state(commit.parse().unwrap());
                        let metadata = then.secrets.get(path).and_then(|doc| doc.metadata());
                        metadata.is_some_and(|metadata| self.sealed[&metadata.digest].value == *value)
                    }
                    _ => false,
                });
                let alike = self.alike.contains(value);
                assert!(there || replaced || told || alike, "{path}: value {value} is lost");
            }
            Entry::Removal { path, doc } => {
                let gone = state.secrets.get(path).is_none_or(|doc| doc.metadata().is_none());
                let set = self.entries(tip).any(|(_, other)| match other {
                    Entry::Value { doc: new, .. } => self.descends(*new, *doc),
                    _ => false,
                });
                let told = self.remarks(tip).any(|remark| match remark {
                    Remark::Kept { path: of } | Remark::Renamed { to: of, .. } => of == path,
                    _ => false,
                });
                assert!(gone || set || told, "{path}: it was removed, and is there");
            }
            Entry::Added { name, key, .. } => {
                let left = unknown(&|other| matches!(other, Entry::Left { key: left } if left == key));
                let has = |state: &State| state.manifest.agents.iter().any(|agent| agent.public_key == *key);
                assert!(left || agent(key).is_some() || self.crossed(tip, at, has), "agent {name} is lost");
            }
            Entry::Left { key } => {
                let added = unknown(&|other| matches!(other, Entry::Added { key: added, .. } if added == key));
                assert!(added || agent(key).is_none(), "an agent that was removed is there: {key}");
            }
            Entry::Granted { key, group } => {
                let taken = self.entries(tip).any(|(then, other)| match other {
                    Entry::Left { key: whose } => !self.reaches(at, then) && self.is_of((key, at), (whose, then)),
                    Entry::Revoked { key: whose, group: from } => {
                        from == group && !self.reaches(at, then) && self.is_of((key, at), (whose, then))
                    }
                    _ => false,
                });
                let has = agent(key).is_some_and(|agent| agent.groups.contains(group));
                let had = |state: &State| {
                    // Or who was called so: it may be the same with another key.
                    let then = self.state(at);
                    let named = then.manifest.agents.iter().find(|agent| agent.public_key == *key);
                    let is =
                        |agent: &Agent| agent.public_key == *key || named.is_some_and(|then| then.name == agent.name);
                    state.manifest.agents.iter().any(|agent| is(agent) && agent.groups.contains(group))
                };
                assert!(taken || has || self.crossed(tip, at, had), "the grant of {group} to {key} is lost");
            }
            Entry::Revoked { key, group } => {
                let had = |then: CommitId| {
                    let has = |agent: &Agent| {
                        agent.groups.contains(group) && self.is_of((key, at), (&agent.public_key, then))
                    };
                    self.bases(at, then).into_iter().any(|base| self.state(base).manifest.agents.iter().any(has))
                };
                // Whoever granted had revoked the same, or knew of another who had: the grant takes back both.
                let again = |then: CommitId| {
                    self.entries(tip).any(|(revoked, other)| {
                        let same = |whose: &Recipient| self.is_of((key, at), (whose, revoked));
                        let taken = match other {
                            Entry::Revoked { key: whose, group: of } => of == group && same(whose),
                            Entry::Left { key: whose } => same(whose),
                            _ => false,
                        };
                        taken && self.reaches(then, revoked) && !self.reaches(at, revoked)
                    })
                };
                // A grant beside a revocation counts only where nobody had anything to revoke when the two parted.
                let given = self.entries(tip).any(|(then, other)| match other {
                    Entry::Granted { key: to, group: of } => {
                        of == group
                            && !self.reaches(at, then)
                            && self.is_of((key, at), (to, then))
                            && (self.reaches(then, at) || !had(then) || again(then))
                    }
                    // The key of somebody who has the group.
                    Entry::Added { key: added, .. } => added == key && !self.reaches(at, then),
                    _ => false,
                });
                let has = agent(key).is_some_and(|agent| agent.groups.contains(group));
                assert!(given || !has, "{key} has {group}, which was revoked");
            }
            Entry::Allowed { path, name, key, doc } => {
                let taken = self.entries(tip).any(|(then, other)| match other {
                    Entry::Disallowed { path: of, key: whose, .. } => {
                        of == path && whose == key && !self.reaches(at, then)
                    }
                    Entry::Removal { path: of, .. } => of == path && !self.reaches(at, then),
                    Entry::Left { key: whose } | Entry::Revoked { key: whose, .. } => {
                        !self.reaches(at, then) && self.is_of((key, at), (whose, then))
                    }
                    _ => false,
                });
                // A merge that renames a secret moves it: of what was changed meanwhile only a value stays.
                let renamed = self.remarked(tip).any(|(then, remark)| {
                    !self.reaches(at, then) && matches!(remark, Remark::Renamed { from, .. } if from == path)
                });
                // Documents name agents, and a merge that nobody signed takes documents as they are, beside a policy that
                // calls the agent otherwise: what they say goes with the name. Only an owner's merge can put that right.
                let misnamed = self.remarked(tip).any(|(then, remark)| {
                    !self.reaches(at, then)
                        && matches!(remark, Remark::AgentRenamed { from, .. } if from == name)
                        && (0..=tip).any(|merge| {
                            let Commit { parents, signed, .. } = &self.commits[merge];
                            !signed && parents.len() > 1 && self.reaches(merge, at) && self.reaches(merge, then)
                        })
                });
                // Under whichever name.
                let reads = state.live().any(|metadata| {
                    metadata.recipients.contains(&key.id()) && self.descends(state.secrets[&metadata.name].digest, *doc)
                });
                let named = |state: &State| {
                    let metadata = state.secrets.get(path).and_then(|doc| doc.metadata());
                    metadata.is_some_and(|metadata| metadata.agents.contains(name))
                };
                let excused = taken || renamed || misnamed || self.crossed(tip, at, named);
                assert!(excused || reads, "{path}: {name} was allowed to read it, and cannot");
            }
            Entry::Disallowed { path, key, doc } => {
                let given = unknown(&|other| match other {
                    Entry::Allowed { path: of, key: whose, .. } => of == path && whose == key,
                    Entry::Added { key: added, .. } => added == key,
                    _ => false,
                });
                let now = state.secrets.get(path).filter(|now| self.descends(now.digest, *doc));
                let named = agent(key).is_some_and(|agent| {
                    now.and_then(|now| now.metadata()).is_some_and(|metadata| metadata.agents.contains(&agent.name))
                });
                assert!(given || !named, "{path}: {key} reads it, from whom it was taken");
            }
        }
    }

    /// Whether a key, in a commit, is another's, in a commit, or took its place: what was called so where the two parted
    /// had the other key.
    fn is_of(&self, (key, at): (&Recipient, CommitId), (other, then): (&Recipient, CommitId)) -> bool {
        let state = self.state(at);
        let name = state.manifest.agents.iter().find(|agent| agent.public_key == *key).map(|agent| &agent.name);
        let before = |commit: CommitId| {
            let state = self.state(commit);
            name.and_then(|name| state.manifest.agent(name)).is_some_and(|agent| agent.public_key == *other)
        };
        // Somebody's new key may be a new agent's for somebody else.
        let instead = self.ledger.0.iter().any(|(.., entry)| match entry {
            Entry::Added { key: new, instead: Some(old), .. } => new == key && old == other,
            _ => false,
        });
        key == other || instead || (0..=at).any(|old| self.reaches(at, old) && self.reaches(then, old) && before(old))
    }

    /// Whether a merge of two that had crossed before takes part in a history, after something was done and beside it: of
    /// the states that both come from some have it, and some do not. There the rules take away what any of them has and a
    /// side lacks, also what was given again: rather nobody reads than somebody whom an owner has shut out.
    fn crossed(&self, tip: CommitId, at: CommitId, has: impl Fn(&State) -> bool) -> bool {
        (0..=tip).filter(|merge| self.reaches(tip, *merge) && self.reaches(*merge, at)).any(|merge| {
            let [ours, theirs] = self.commits[merge].parents[..] else { return false };
            let bases = self.bases(ours, theirs);
            let having = bases.iter().filter(|base| has(&self.state(**base))).count();
            0 < having && having < bases.len()
        })
    }

    /// No key that could read a current value is forgotten: not in any document that the present one comes after, under
    /// whichever name, and not in one that a merge saw beside it. Two things are beyond that: what somebody had removed
    /// before the merge, for a tombstone names no readers, and a value that had given way to another and came back by a
    /// merge of two that had crossed, for the other's document names its own readers only.
    fn check_exposed(&self, state: &State) {
        for metadata in state.live() {
            let value = self.sealed[&metadata.digest].value;
            if self.alike.contains(&value) {
                continue;
            }
            let named = metadata.exposed_to.iter().map(|exposure| exposure.key);
            let known: BTreeSet<KeyId> = metadata.recipients.iter().copied().chain(named).collect();
            let of_it = |doc: &Digest| {
                let sealed = self.ciphertexts.get(doc).map(|digest| &self.sealed[digest]);
                sealed.filter(|sealed| sealed.value == value)
            };
            let doc = state.secrets[&metadata.name].digest;
            for sealed in self.ancestors(doc, |doc| of_it(doc).is_some()).iter().filter_map(of_it) {
                for key in &sealed.recipients {
                    assert!(known.contains(key), "{}: {key} could read this value, and is forgotten", metadata.name);
                }
            }
        }
    }
}
