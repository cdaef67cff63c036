//! One secret that both sides have, or that one has and the other does not.

use super::{Side, bounds, parents};
use crate::digest::{Digest, KeyId};
use crate::history::document::{Doc, Record, same_value};
use crate::metadata::{Exposure, Metadata, Tombstone};
use crate::name::AgentName;
use std::collections::BTreeSet;

/// What becomes of a secret.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// All its files are those of this side: it comes after the other's.
    Taken(Side),
    /// New metadata continue both. The ciphertext is this side's; encrypted anew, so that it is another, where its value
    /// counts as a new one.
    Woven { fact: Box<Metadata>, side: Side, anew: bool },
    /// A new tombstone continues both.
    Buried(Tombstone),
}

/// What a person should hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Both sides set a value: this side's is not the current one.
    OtherValue(Side),
    /// The value stays although the other side removed the secret.
    Kept,
}

/// Merges the documents of one secret. `bases` are those of the states that both sides come from; `owner_name` knows the
/// owners' names by their keys.
///
/// Both sides' histories are proven, so each comes after every base: one that is still a base's document has not changed,
/// and the other continues it.
pub(crate) fn merge(
    bases: &[Option<&Doc>],
    ours: Option<&Doc>,
    theirs: Option<&Doc>,
    owner_name: impl Fn(KeyId) -> Option<AgentName>,
) -> (Outcome, Option<Said>) {
    let (ours, theirs) = match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours, theirs),
        (None, Some(_)) => return (Outcome::Taken(Side::Theirs), None),
        (_, None) => return (Outcome::Taken(Side::Ours), None),
    };
    let is_base = |doc: &Doc| bases.iter().flatten().any(|base| base.digest == doc.digest);
    if ours.digest == theirs.digest || is_base(theirs) {
        return (Outcome::Taken(Side::Ours), None);
    }
    if is_base(ours) {
        return (Outcome::Taken(Side::Theirs), None);
    }
    let (parents, revision) = (parents(ours.digest, theirs.digest), 1 + ours.number().max(theirs.number()));
    match (&ours.record, &theirs.record) {
        (Record::Meta(a), Record::Meta(b)) => {
            let (woven, side, said) = weave(bases, (a, ours.digest), (b, theirs.digest), owner_name);
            let anew = woven.value_revision > a.value_revision.max(b.value_revision);
            (Outcome::Woven { fact: Box::new(Metadata { revision, parents, ..woven }), side, anew }, said)
        }
        (Record::Gone(gone), Record::Gone(_)) => (buried(gone, revision, parents), None),
        (Record::Meta(meta), Record::Gone(gone)) => survive(bases, meta, Side::Ours, gone, (revision, parents)),
        (Record::Gone(gone), Record::Meta(meta)) => survive(bases, meta, Side::Theirs, gone, (revision, parents)),
    }
}

fn buried(gone: &Tombstone, revision: u64, parents: Vec<Digest>) -> Outcome {
    Outcome::Buried(gone.clone().continuing(revision, parents))
}

/// A removal beside something else: only a value that is new outlives it.
fn survive(
    bases: &[Option<&Doc>],
    meta: &Metadata,
    side: Side,
    gone: &Tombstone,
    (revision, parents): (u64, Vec<Digest>),
) -> (Outcome, Option<Said>) {
    if is_new(bases, meta) {
        let fact = Box::new(Metadata { revision, parents, ..meta.clone() });
        (Outcome::Woven { fact, side, anew: false }, Some(Said::Kept))
    } else {
        (buried(gone, revision, parents), None)
    }
}

/// Whether no base has this value.
fn is_new(bases: &[Option<&Doc>], meta: &Metadata) -> bool {
    !bases.iter().flatten().filter_map(|base| base.metadata()).any(|base| same_value(base, meta))
}

/// Two metadata become one: the value of one, and of each other field what was changed.
fn weave(
    bases: &[Option<&Doc>],
    ours: (&Metadata, Digest),
    theirs: (&Metadata, Digest),
    owner_name: impl Fn(KeyId) -> Option<AgentName>,
) -> (Metadata, Side, Option<Said>) {
    // Numbers and times alone do not tell: both sides may have set a value in one second. One that no base has is a
    // side's own.
    let alike = same_value(ours.0, theirs.0);
    let same = alike && (ours.0.digest == theirs.0.digest || !is_new(bases, ours.0));
    // Of two values the higher number, then the greater digest; of one value in two documents the newer.
    let rank = |(meta, document): (&Metadata, Digest)| {
        let number = if same { meta.revision } else { meta.value_revision };
        (number, meta.digest, document)
    };
    let (side, first, second) = match rank(ours) >= rank(theirs) {
        true => (Side::Ours, ours.0, theirs.0),
        false => (Side::Theirs, theirs.0, ours.0),
    };
    let olds: Vec<&Metadata> = bases.iter().flatten().filter_map(|base| base.metadata()).collect();
    let (use_only, programs, hosts) = bounds::merge(&olds, first, second, same);
    let mut woven = Metadata {
        use_only,
        programs,
        hosts,
        group: field(&olds, first, second, |meta| &meta.group),
        expires: field(&olds, first, second, |meta| &meta.expires),
        description: field(&olds, first, second, |meta| &meta.description),
        agents: kept(&olds, first, second),
        ..first.clone()
    };
    // Two values that look alike: the one that stays counts as a new one, or a later merge took it for the other.
    if alike && !same {
        woven.value_revision += 1;
    }
    // Where two values look alike, so do their readers: none who could read either is forgotten.
    if alike {
        let now: BTreeSet<KeyId> = first.recipients.iter().copied().collect();
        let known = [first, second].into_iter().flat_map(|meta| {
            let readers = meta.readers(&owner_name);
            readers.into_iter().chain(meta.exposed_to.iter().cloned())
        });
        let exposed: BTreeSet<Exposure> = known.filter(|exposure| !now.contains(&exposure.key)).collect();
        woven.exposed_to = exposed.into_iter().collect();
    }
    let lost = !same && is_new(bases, second);
    (woven, side, lost.then_some(Said::OtherValue(side.other())))
}

/// A field that only one side changed is that side's; else it goes with the value.
fn field<T: PartialEq + Clone>(
    olds: &[&Metadata],
    first: &Metadata,
    second: &Metadata,
    of: impl Fn(&Metadata) -> &T,
) -> T {
    let unchanged = |meta: &Metadata| olds.iter().any(|old| of(old) == of(meta));
    if unchanged(first) { of(second).clone() } else { of(first).clone() }
}

/// Agents that both sides name, and those that one of them added: what either took away is gone.
fn kept(olds: &[&Metadata], first: &Metadata, second: &Metadata) -> Vec<AgentName> {
    let before = |agent: &AgentName| olds.iter().any(|old| old.agents.contains(agent));
    let all: BTreeSet<&AgentName> = first.agents.iter().chain(&second.agents).collect();
    let kept = all
        .into_iter()
        .filter(|agent| (first.agents.contains(agent) && second.agents.contains(agent)) || !before(agent));
    kept.cloned().collect()
}
