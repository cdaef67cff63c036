//! `log`: who changed what, when, for whom, in the vault's own terms.

use super::Vault;
use super::past::{Ground, Past, judged, reopened};
use crate::error::{Error, Result, printable};
use crate::history::chain::Chain;
use crate::history::document::{Doc, moved};
use crate::history::{Event, LogEntry, SignatureStatus, events};
use crate::layout;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::{Commit, Differences, Repo, SecretFiles};
use crate::root::Root;
use crate::time::Timestamp;
use git2::Oid;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many commits are read at once: one that is asked for few does not read many.
const PORTION: usize = 64;

/// A state that one secret had.
pub(super) struct Traced {
    pub commit: Oid,
    pub name: SecretPath,
    pub files: SecretFiles,
    /// `Err` says why its document does not count.
    pub doc: Result<Option<Doc>, String>,
    /// The document that it replaced, and the name that it was moved from.
    before: Option<Doc>,
    from: Option<SecretPath>,
    pub chain: Arc<Chain>,
}

impl Vault {
    /// What happened in the vault, newest first, at most `limit` commits: those that changed it, read from the documents
    /// in HEAD's history and never from the commits' messages. What no owner signed is told as such; whether all of it
    /// fits together is for [`Vault::verify_history`] to say.
    ///
    /// # Errors
    /// What keeps the history from being read.
    pub fn log(&self, limit: usize) -> Result<Vec<LogEntry>> {
        let (repo, past) = (Repo::open(&self.dir)?, Past::new(self));
        let Some(head) = repo.head()?.commit else { return Ok(Vec::new()) };
        let mut log = Vec::new();
        for portion in repo.order(head, &[], false)?.chunks(PORTION) {
            let entries: Vec<Result<Option<LogEntry>>> = portion
                .par_iter()
                .map_init(|| past.open(), |repo, id| entry(&past, repo.as_ref().map_err(reopened)?, *id))
                .collect();
            for entry in entries {
                log.extend(entry?);
            }
            if log.len() >= limit {
                break;
            }
        }
        log.truncate(limit);
        Ok(log)
    }

    /// What happened to one secret, newest first, at most `limit` commits. Moves are followed.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a secret that never was; what keeps the history from being read.
    pub fn log_of(&self, path: &SecretPath, limit: usize) -> Result<Vec<LogEntry>> {
        let (repo, past) = (Repo::open(&self.dir)?, Past::new(self));
        let Some(head) = repo.head()?.commit else { return Ok(Vec::new()) };
        let traced = past.trace(&repo, path, [head], limit)?;
        if traced.is_empty() {
            return Err(Error::NotFound { what: "secret", name: path.to_string(), near: self.nearest_secret(path) });
        }
        traced.iter().map(|traced| told(&past, &repo, traced)).collect()
    }
}

/// The commit itself, as far as anything can be said of it.
fn framed(repo: &Repo, commit: Oid, signature: SignatureStatus, events: Vec<Event>) -> Result<LogEntry> {
    let said = repo.authorship(commit)?;
    Ok(LogEntry {
        commit: commit.to_string(),
        time: Timestamp::from_unix(said.time),
        author: printable(&said.author),
        signature,
        events,
        revision: None,
        message: printable(&said.summary),
    })
}

/// A secret's state in its history.
fn told(past: &Past<'_>, repo: &Repo, traced: &Traced) -> Result<LogEntry> {
    let events = match (&traced.doc, &traced.from) {
        (Err(reason), _) => vec![Event::Unproven { file: traced.name.to_string(), reason: reason.clone() }],
        (Ok(Some(doc)), Some(from)) => {
            vec![Event::Moved { from: from.to_string(), secret: traced.name.to_string(), revision: doc.number() }]
        }
        (Ok(doc), None | Some(_)) => {
            events::secret(&traced.name, traced.before.as_ref(), doc.as_ref(), &[&traced.chain.root])
        }
    };
    let signature = past.signature(repo, traced.commit, &traced.chain.root)?;
    let revision = traced.doc.as_ref().ok().and_then(Option::as_ref).map(|doc| doc.revision(&traced.name));
    Ok(LogEntry { revision, ..framed(repo, traced.commit, signature, events)? })
}

/// What one commit did; nothing when the vault is as in one of its parents.
fn entry(past: &Past<'_>, repo: &Repo, id: Oid) -> Result<Option<LogEntry>> {
    let commit = repo.commit(id)?;
    let parents = commit.parents.iter().map(|parent| Ok(repo.commit(*parent)?.tree)).collect::<Result<Vec<_>>>()?;
    if parents.contains(&commit.tree) || (commit.tree.is_none() && parents.is_empty()) {
        return Ok(None);
    }
    let ground = past.ground(repo, commit.tree)?;
    let (signature, events) = match (&ground, commit.tree) {
        (Ground::Signed(chain), Some(tree)) => {
            (past.signature(repo, id, &chain.root)?, happened(past, repo, tree, chain, &parents)?)
        }
        (Ground::Unsigned, _) => (unknown(repo, id)?, vec![Event::VaultUnsigned]),
        (Ground::Broken(reason), _) => {
            (unknown(repo, id)?, vec![Event::Unproven { file: layout::ROOTS.into(), reason: reason.clone() }])
        }
        _ => (unknown(repo, id)?, vec![Event::VaultRemoved]),
    };
    framed(repo, id, signature, events).map(Some)
}

/// The signature of a commit in which nobody is an owner.
fn unknown(repo: &Repo, id: Oid) -> Result<SignatureStatus> {
    Ok(match repo.signature_of(id)? {
        None => SignatureStatus::Unsigned,
        Some(_) => SignatureStatus::UnknownKey { fingerprint: None },
    })
}

/// What happened between the parents' trees and this one.
fn happened(
    past: &Past<'_>,
    repo: &Repo,
    tree: Oid,
    chain: &Arc<Chain>,
    parents: &[Option<Oid>],
) -> Result<Vec<Event>> {
    let mut signed = Vec::new();
    let mut unsigned = false;
    for parent in parents {
        match (past.ground(repo, *parent)?, *parent) {
            (Ground::Signed(chain), Some(parent)) => signed.push((parent, chain)),
            (Ground::Absent, _) => {}
            _ => unsigned = true,
        }
    }
    let mut events = Vec::new();
    let vault = chain.id.to_string();
    match signed.first() {
        None if unsigned => events.push(Event::VaultSigned { vault }),
        None => {
            let past = judged(past.manifest(repo, tree, &chain.root))?.is_ok_and(|(manifest, _)| manifest.serial > 1);
            events.push(if past { Event::VaultArrived { vault } } else { Event::VaultCreated { vault } });
        }
        Some((_, old)) => events.extend(events::roots(old, chain)),
    }
    let first = signed.first().map(|(tree, _)| *tree);
    let mut changed = repo.differences(first, Some(tree))?;
    if signed.len() > 1 {
        let mut documents = changed.secrets.len();
        for (parent, _) in &signed[1..] {
            let other = repo.differences(Some(*parent), Some(tree))?;
            documents += other.secrets.keys().filter(|path| !changed.secrets.contains_key(*path)).count();
            changed.secrets.retain(|path, _| other.secrets.contains_key(path));
            changed.others.retain(|path, _| other.others.contains_key(path));
        }
        events.push(Event::Merged { documents });
    }
    events.extend(policy(past, repo, tree, chain, signed.first(), &changed)?);
    let roots: Vec<&Root> = signed.iter().map(|(_, old)| &old.root).chain([&chain.root]).collect();
    let (mut changes, mut arrived, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (path, change) in &changed.secrets {
        let old = judged(past.document(repo, path, &change.old, None))?.ok().flatten();
        let new = match judged(past.document(repo, path, &change.new, Some(&chain.root)))? {
            Ok(new) => new,
            Err(reason) => {
                changes.push(Event::Unproven { file: format!("{}/{path}", layout::SECRETS), reason });
                continue;
            }
        };
        changes.extend(events::secret(path, old.as_ref(), new.as_ref(), &roots));
        let (before, now) = (old.as_ref().and_then(Doc::metadata), new.as_ref().and_then(Doc::metadata));
        match (before, now) {
            (None, Some(new)) => arrived.push((new.clone(), old.as_ref().map_or(0, Doc::number))),
            (Some(old), None) => left.push(old.clone()),
            _ => {}
        }
    }
    events.extend(events::join_moves(changes, &pairs(&arrived, &left)));
    Ok(events)
}

/// Which secrets were moved, from where to where.
fn pairs(arrived: &[(Metadata, u64)], left: &[Metadata]) -> Vec<(SecretPath, SecretPath)> {
    let source =
        |new: &Metadata, last: u64| left.iter().find(|from| moved(new, from, last)).map(|from| from.name.clone());
    arrived.iter().filter_map(|(new, last)| Some((source(new, *last)?, new.name.clone()))).collect()
}

/// What happened outside `secrets/`.
fn policy(
    past: &Past<'_>,
    repo: &Repo,
    tree: Oid,
    chain: &Chain,
    before: Option<&(Oid, Arc<Chain>)>,
    changed: &Differences,
) -> Result<Vec<Event>> {
    let touched = changed.others.contains_key(layout::MANIFEST) || changed.others.contains_key(layout::MANIFEST_SIG);
    let mut events = Vec::new();
    if touched {
        let old = match before {
            Some((tree, chain)) => judged(past.manifest(repo, *tree, &chain.root))?.ok(),
            None => None,
        };
        match judged(past.manifest(repo, tree, &chain.root))? {
            Ok((new, _)) => events = events::manifest(old.as_ref().map(|(old, _)| old), &new),
            Err(reason) => events.push(Event::Unproven { file: layout::MANIFEST.into(), reason }),
        }
    }
    // What belongs to a manifest changes with it; alone, it is worth a word, and so is what no vault has.
    let told = |path: &&String| !layout::is_ours(path) || (!touched && before.is_some());
    let files: Vec<String> = changed.others.keys().filter(told).map(|path| printable(path)).collect();
    if !files.is_empty() {
        events.push(Event::Files { files });
    }
    Ok(events)
}

impl Past<'_> {
    /// The states that a secret had in the history of `tips`, newest first, at most `limit`. Moves are followed.
    pub(super) fn trace(
        &self,
        repo: &Repo,
        path: &SecretPath,
        tips: impl IntoIterator<Item = Oid>,
        limit: usize,
    ) -> Result<Vec<Traced>> {
        let (mut names, mut found, mut seen) = (BTreeSet::from([path.clone()]), Vec::new(), BTreeSet::new());
        for tip in tips {
            for id in repo.order(tip, &[], false)? {
                if seen.insert(id) && found.len() < limit {
                    found.extend(self.states(repo, &repo.commit(id)?, &mut names)?);
                }
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// What a commit made of the secrets of these names; a name that one of them was moved from is added.
    fn states(&self, repo: &Repo, commit: &Commit, names: &mut BTreeSet<SecretPath>) -> Result<Vec<Traced>> {
        let parents = commit.parents.iter().map(|parent| Ok(repo.commit(*parent)?.tree)).collect::<Result<Vec<_>>>()?;
        let Some(tree) = commit.tree.filter(|tree| !parents.contains(&Some(*tree))) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for name in names.clone() {
            let files = repo.secret_files(tree, &name)?;
            let olds: Vec<SecretFiles> = parents
                .iter()
                .map(|parent| parent.map_or_else(|| Ok(SecretFiles::default()), |tree| repo.secret_files(tree, &name)))
                .collect::<Result<_>>()?;
            if olds.iter().any(|old| old.same(&files)) || (olds.is_empty() && files == SecretFiles::default()) {
                continue;
            }
            let Ground::Signed(chain) = self.ground(repo, Some(tree))? else { continue };
            let doc = judged(self.document(repo, &name, &files, Some(&chain.root)))?;
            let before = match olds.first() {
                Some(old) => judged(self.document(repo, &name, old, None))?.ok().flatten(),
                None => None,
            };
            let from = match (&doc, before.as_ref().and_then(Doc::metadata), parents.first()) {
                (Ok(Some(doc)), None, Some(Some(parent))) => {
                    self.source(repo, *parent, tree, doc, before.as_ref().map_or(0, Doc::number))?
                }
                _ => None,
            };
            names.extend(from.clone());
            found.push(Traced { commit: commit.id, name, files, doc, before, from, chain });
        }
        // The tombstone that a move left at the old name is the same event.
        let sources: Vec<SecretPath> = found.iter().filter_map(|traced| traced.from.clone()).collect();
        found.retain(|traced| {
            !(sources.contains(&traced.name) && matches!(&traced.doc, Ok(Some(doc)) if doc.metadata().is_none()))
        });
        Ok(found)
    }

    /// The name that a secret without a past at its own was moved from.
    fn source(&self, repo: &Repo, parent: Oid, tree: Oid, doc: &Doc, last: u64) -> Result<Option<SecretPath>> {
        let Some(new) = doc.metadata().filter(|new| (new.revision, new.value_revision) != (last + 1, last + 1)) else {
            return Ok(None);
        };
        for (path, change) in repo.differences(Some(parent), Some(tree))?.secrets {
            if change.new.gone.is_none() || change.old.meta.is_none() {
                continue;
            }
            let old = judged(self.document(repo, &path, &change.old, None))?.ok().flatten();
            if old.as_ref().and_then(Doc::metadata).is_some_and(|old| moved(new, old, last)) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}
