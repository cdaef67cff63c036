//! Names that differ only in case: both secrets are kept, and the later one is called something else.

use crate::digest::Digest;
use crate::history::document::Doc;
use crate::metadata::{Metadata, Tombstone};
use crate::name::SecretPath;
use std::collections::{BTreeMap, BTreeSet};

/// `name-2`, `name-3` and so on.
pub(crate) fn numbered(name: &str) -> impl Iterator<Item = String> + '_ {
    (2..10_000).map(move |number| format!("{name}-{number}"))
}

/// Which of the `live` secrets have to be renamed, and how. `held` are names of removed secrets, whose tombstones lie there.
///
/// In the order of their names, the first to use a spelling of a name or of a folder keeps it.
pub(crate) fn collisions(live: &BTreeSet<SecretPath>, held: &BTreeSet<SecretPath>) -> Vec<(SecretPath, SecretPath)> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut later = Vec::new();
    for path in live {
        match fits(&known, path) {
            true => take(&mut known, path),
            false => later.push(path),
        }
    }
    for path in held {
        take(&mut known, path);
    }
    let mut renamed = Vec::new();
    for from in later {
        let spelled = respelled(&known, from);
        let free = |to: &SecretPath| fits(&known, to) && !known.contains_key(&to.stored().to_ascii_lowercase());
        let mut names = std::iter::once(spelled.clone()).chain(numbered(&spelled));
        let Some(to) = names.find_map(|text| SecretPath::parse(&text).ok().filter(free)) else { continue };
        take(&mut known, &to);
        renamed.push((from.clone(), to));
    }
    renamed
}

/// What a renamed secret leaves at its old name, and what it is at the new one. `docs` are what the merge's parents have at
/// the old name; the secret is one of theirs as it is where it is `taken`.
pub(crate) fn renaming(fact: &Metadata, to: &SecretPath, taken: Option<Digest>, docs: &[Doc]) -> (Tombstone, Metadata) {
    let mut parents: Vec<Digest> = docs.iter().map(|doc| doc.digest).collect();
    if let (true, Some(digest)) = (parents.is_empty(), taken) {
        parents.push(digest);
    }
    parents.sort_unstable();
    parents.dedup();
    // What was merged counts on from both already.
    let newest = docs.iter().map(Doc::number).max().unwrap_or(fact.revision);
    // The document that the new name continues.
    let moved = docs.iter().filter_map(Doc::metadata).find(|old| old.digest == fact.digest);
    let revision = 1 + moved.map_or(fact.revision, |old| old.revision);
    let gone = Tombstone::new(fact.vault, fact.name.clone(), 1 + newest, parents);
    let value_revision = moved.map_or(fact.value_revision, |old| old.value_revision);
    (gone, Metadata { name: to.clone(), revision, value_revision, parents: Vec::new(), ..fact.clone() })
}

/// The prefixes of a name: its folders end with a slash, for a folder and a secret of one name are different files.
fn prefixes(path: &SecretPath) -> Vec<String> {
    let stored = path.stored();
    let folders = stored.match_indices('/').map(|(at, slash)| at + slash.len());
    folders.chain([stored.len()]).map(|end| stored[..end].to_owned()).collect()
}

/// Whether no prefix of a name is spelled otherwise already.
fn fits(known: &BTreeMap<String, String>, path: &SecretPath) -> bool {
    prefixes(path).iter().all(|prefix| known.get(&prefix.to_ascii_lowercase()).is_none_or(|spelled| spelled == prefix))
}

fn take(known: &mut BTreeMap<String, String>, path: &SecretPath) {
    for prefix in prefixes(path) {
        known.entry(prefix.to_ascii_lowercase()).or_insert(prefix);
    }
}

/// The name with its folders spelled as they are known.
fn respelled(known: &BTreeMap<String, String>, path: &SecretPath) -> String {
    let stored = path.stored();
    let Some((folders, name)) = stored.rsplit_once('/') else { return stored };
    let mut at = String::new();
    for folder in folders.split('/') {
        at.push_str(folder);
        at.push('/');
        if let Some(spelled) = known.get(&at.to_ascii_lowercase()) {
            at.clone_from(spelled);
        }
    }
    at + name
}
