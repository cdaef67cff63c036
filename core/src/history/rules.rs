//! What may follow what: the rules for one document of a commit, compared with those of the commit's parents.

use super::document::{Doc, Record, forgotten, moved, same_value};
use super::short;
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::metadata::Metadata;

/// How a document fits what was there before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Documents of the parents that it does not name itself: it must come after them all the same.
    pub after: Vec<Digest>,
    /// It continues nothing at its own name, and has the numbers of a secret that was moved here.
    pub moved: bool,
}

/// A secret's document in place of those of the commit's parents, none of which it is. `Err` says which rule it breaks.
pub(crate) fn secret(new: Option<&Doc>, olds: &[&Doc]) -> Result<Fit, String> {
    let Some(new) = new else {
        return Err(match olds {
            [] => "it left a file without its metadata".into(),
            _ => "it vanished, and no signed tombstone took its place".into(),
        });
    };
    let newest = olds.iter().map(|old| old.number()).max().unwrap_or(0);
    went_back("revision", new.number(), newest)?;
    let after = named_parents(new.parents(), olds.iter().map(|old| old.digest))?;
    let replaced: Vec<&Doc> = olds.iter().filter(|old| new.parents().contains(&old.digest)).copied().collect();
    let next = 1 + replaced.iter().map(|old| old.number()).max().unwrap_or(0);
    let metas: Vec<&Metadata> = replaced.iter().filter_map(|old| old.metadata()).collect();
    match &new.record {
        Record::Gone(_) if replaced.is_empty() => Err("it is a tombstone of a secret that was not there".into()),
        Record::Meta(metadata) if metas.is_empty() => {
            let created = metadata.revision == next && metadata.value_revision == next;
            Ok(Fit { after, moved: !created })
        }
        record => {
            follows("revision", new.number(), next)?;
            if let Record::Meta(metadata) = record {
                value(metadata, &metas)?;
            }
            Ok(Fit { after, moved: false })
        }
    }
}

/// A manifest in place of those of the commit's parents, none of which it is.
pub(crate) fn manifest(new: &Manifest, olds: &[(&Manifest, Digest)]) -> Result<Vec<Digest>, String> {
    let newest = olds.iter().map(|(old, _)| old.serial).max().unwrap_or(0);
    went_back("serial", new.serial, newest)?;
    let after = named_parents(&new.parents, olds.iter().map(|(_, digest)| *digest))?;
    let named = olds.iter().filter(|(_, digest)| new.parents.contains(digest));
    follows("serial", new.serial, 1 + named.map(|(old, _)| old.serial).max().unwrap_or(0))?;
    Ok(after)
}

fn went_back(what: &str, new: u64, old: u64) -> Result<(), String> {
    match new.cmp(&old) {
        std::cmp::Ordering::Less => Err(format!("{what} {new} took the place of {what} {old}: it went back")),
        std::cmp::Ordering::Equal if new > 0 => Err(format!("another document with {what} {new} took its place")),
        _ => Ok(()),
    }
}

fn follows(what: &str, new: u64, expected: u64) -> Result<(), String> {
    if new == expected { Ok(()) } else { Err(format!("its {what} is {new}, and {expected} was to follow")) }
}

/// Every parent that a document names must be one that it replaces, and it must name one of them if there are any. The
/// others, which a merge may have, are returned.
fn named_parents(named: &[Digest], olds: impl Iterator<Item = Digest> + Clone) -> Result<Vec<Digest>, String> {
    if let Some(stranger) = named.iter().find(|named| !olds.clone().any(|old| old == **named)) {
        return Err(format!("it names as its parent a document that it does not replace ({})", short(*stranger)));
    }
    let unnamed: Vec<Digest> = olds.clone().filter(|old| !named.contains(old)).collect();
    if named.is_empty() && !unnamed.is_empty() {
        return Err("it does not name the document that it replaces".into());
    }
    Ok(unnamed)
}

/// What becomes of a value and of the keys that could read it.
fn value(new: &Metadata, olds: &[&Metadata]) -> Result<(), String> {
    let newest = olds.iter().map(|old| old.value_revision).max().unwrap_or(0);
    if new.value_revision < newest {
        return Err(format!("value {} took the place of value {newest}: it went back", new.value_revision));
    }
    if new.value_revision > newest {
        follows("value_revision", new.value_revision, newest + 1)?;
        return match olds.iter().any(|old| old.digest == new.digest) {
            true => Err("it counts a new value, and the ciphertext is the old one".into()),
            false => Ok(()),
        };
    }
    let newest: Vec<&Metadata> = olds.iter().filter(|old| old.value_revision == newest).copied().collect();
    let (same, others): (Vec<&Metadata>, Vec<&Metadata>) = newest.into_iter().partition(|old| same_value(new, old));
    let Some(stays) = same.iter().map(|old| old.digest).max() else {
        return Err("its value counts as the same one, and was set at another time".into());
    };
    // A merge of two values that were set at once.
    if others.iter().any(|other| other.digest > stays) {
        return Err("of two values that were set at once the other was to stay".into());
    }
    for old in same {
        if old.digest == new.digest && old.recipients != new.recipients {
            return Err("it names other recipients for the same ciphertext".into());
        }
        exposure(new, old)?;
    }
    Ok(())
}

/// A secret that continues nothing at its own name, where a tombstone has the revision `before` (0 without one): it is one of
/// those that `left` in the same commit. Several may look alike, having been made within one second; one must fit.
pub(crate) fn arrival(new: &Metadata, before: u64, left: &[Metadata]) -> Result<(), String> {
    let (revision, value) = (new.revision, new.value_revision);
    let mut reason = format!("its numbers (revision {revision}, value {value}) continue nothing");
    for from in left.iter().filter(|from| moved(new, from, before)) {
        match exposure(new, from) {
            Ok(()) => return Ok(()),
            Err(forgets) => reason = forgets,
        }
    }
    Err(reason)
}

/// No key that could read a value may be forgotten while the value stays.
pub(crate) fn exposure(new: &Metadata, old: &Metadata) -> Result<(), String> {
    match forgotten(new, old).as_slice() {
        [] => Ok(()),
        [key, ..] => Err(format!("it forgets that the key {key} could read this value")),
    }
}

#[cfg(test)]
mod tests;
