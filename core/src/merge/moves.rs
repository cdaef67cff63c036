//! A secret that one side moved while the other encrypted it for somebody, or changed what it may be used for: the old
//! name goes, and what is at the new one must not forget who could read the value, nor what bound it.
//!
//! A move looks like a removal and a new secret with the numbers and times of the old one. Several secrets may have those
//! by chance, where they were made within one second: then a key too many is named, and none is forgotten.

use super::bounds;
use crate::digest::KeyId;
use crate::history::document::Doc;
use crate::metadata::{Exposure, Metadata};
use crate::name::{AgentName, SecretPath};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What documents of one value have in common: see [`same_value`](crate::history::document::same_value).
type Value = (Timestamp, Timestamp, u64);

fn value(meta: &Metadata) -> Value {
    (meta.created, meta.rotated, meta.value_revision)
}

/// The values of the secrets that the sides of a merge do not have alike.
#[derive(Debug, Default)]
pub(crate) struct Moves(BTreeMap<Value, Kin>);

/// Everything that has one value.
#[derive(Debug, Default)]
struct Kin {
    /// Where and how it was in the states that both sides come from.
    before: BTreeMap<SecretPath, Vec<Metadata>>,
    /// As the sides have it.
    now: Vec<Metadata>,
}

impl Moves {
    /// Takes in what is known of one name.
    pub(crate) fn add(&mut self, bases: &[Option<&Doc>], sides: [Option<&Doc>; 2]) {
        for meta in bases.iter().flatten().filter_map(|doc| doc.metadata()) {
            let before = &mut self.0.entry(value(meta)).or_default().before;
            before.entry(meta.name.clone()).or_default().push(meta.clone());
        }
        for meta in sides.into_iter().flatten().filter_map(|doc| doc.metadata()) {
            self.0.entry(value(meta)).or_default().now.push(meta.clone());
        }
    }

    /// Of the secrets that there are after the merge, those that must name more keys in `exposed_to` or have other bounds,
    /// as they have to be.
    pub(crate) fn carried<'m>(
        &self,
        live: impl Iterator<Item = &'m Metadata>,
        owner_name: impl Fn(KeyId) -> Option<AgentName>,
    ) -> BTreeMap<SecretPath, Metadata> {
        let mut there: BTreeMap<Value, Vec<&Metadata>> = BTreeMap::new();
        for meta in live.filter(|meta| self.0.contains_key(&value(meta))) {
            there.entry(value(meta)).or_default().push(meta);
        }
        let mut all = BTreeMap::new();
        for (value, there) in there {
            let kin = &self.0[&value];
            let stayed: BTreeSet<&SecretPath> = there.iter().map(|meta| &meta.name).collect();
            let left: BTreeSet<&SecretPath> = kin.before.keys().filter(|name| !stayed.contains(name)).collect();
            if left.is_empty() {
                continue;
            }
            // What was made here has the number of its value; what was moved here has a greater one.
            let arrived = |meta: &Metadata| !kin.before.contains_key(&meta.name) && meta.revision > meta.value_revision;
            let concerns = |meta: &&Metadata| left.contains(&meta.name) || arrived(meta);
            let readers = |meta: &Metadata| {
                meta.readers(&owner_name).into_iter().chain(meta.exposed_to.iter().cloned()).collect::<Vec<_>>()
            };
            let could: BTreeSet<Exposure> = kin.now.iter().filter(concerns).flat_map(readers).collect();
            for meta in there.into_iter().filter(|meta| arrived(meta)) {
                let mut known: BTreeSet<KeyId> = meta.recipients.iter().copied().collect();
                known.extend(meta.exposed_to.iter().map(|exposure| exposure.key));
                let more: Vec<&Exposure> = could.iter().filter(|exposure| known.insert(exposure.key)).collect();
                let mut next = meta.clone();
                if !more.is_empty() {
                    let exposed: BTreeSet<&Exposure> = more.into_iter().chain(&meta.exposed_to).collect();
                    next.exposed_to = exposed.into_iter().cloned().collect();
                }
                for other in kin.now.iter().filter(|other| left.contains(&other.name)) {
                    let olds: Vec<&Metadata> = kin.before[&other.name].iter().collect();
                    let merged = bounds::merge(&olds, &next, other, true);
                    (next.use_only, next.programs, next.hosts) = merged;
                }
                if next != *meta {
                    all.insert(next.name.clone(), next);
                }
            }
        }
        all
    }
}
