//! Reading from a verified commit what the work tree does not have: it is older, or the remote is ahead.

use super::past::{Ground, Past, judged};
use super::sync::place::VERIFIED;
use super::{Notice, Vault};
use crate::error::{Error, Result};
use crate::history::chain::Chain;
use crate::history::document::Doc;
use crate::layout::{self, Part, limit};
use crate::manifest::Manifest;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::{Repo, SecretFiles, blob_id};
use crate::trust::{Age, Seen, age};
use git2::Oid;
use std::sync::Arc;

/// A commit that was proven here and may have what the work tree does not.
pub(super) struct Source {
    pub commit: Oid,
    pub tree: Oid,
    chain: Arc<Chain>,
    /// Whether it is what the last look at the remote found; else it is asked only about what is older here than what
    /// was seen.
    looked: bool,
}

/// How far the work tree is behind.
#[derive(Clone, Copy)]
pub(super) struct Behind {
    /// The revision that it has; 0 where it has none that counts.
    revision: u64,
    /// Whether every source is asked, or only what the last look found.
    all: bool,
}

/// A secret's document in a source.
pub(super) struct Elsewhere {
    pub commit: Oid,
    pub doc: Doc,
    /// With a live secret, if it was asked for.
    pub ciphertext: Option<Vec<u8>>,
}

impl Elsewhere {
    /// Its metadata, unless what is newest is its removal.
    pub(super) fn metadata(&self, path: &SecretPath) -> Result<Metadata> {
        let gone = || Error::NotFound { what: "secret", name: path.to_string(), near: None };
        self.doc.metadata().cloned().ok_or_else(gone)
    }
}

impl Vault {
    /// Whether a verified commit may have something newer than what the work tree has of a secret: always what the last
    /// look found; everything else that was proven where the work tree is older than what was seen, and is what is checked
    /// out (another branch, a bisect): what somebody put there is no checkout. What Git leaves amid a merge is nobody's work
    /// yet, and may be half of two. None where what the work tree has stands.
    pub(super) fn behind(
        local: Result<u64, &Error>,
        is_checked_out: impl Fn() -> Result<bool>,
        is_amid_merge: impl Fn() -> bool,
    ) -> Result<Option<Behind>> {
        Ok(match local {
            Ok(revision) => Some(Behind { revision, all: false }),
            Err(Error::NotFound { .. }) => Some(Behind { revision: 0, all: false }),
            Err(Error::Rollback { .. } | Error::Diverged { .. }) if is_checked_out()? => {
                Some(Behind { revision: 0, all: true })
            }
            Err(Error::Rollback { .. } | Error::Diverged { .. } | Error::Tampered { .. }) if is_amid_merge() => {
                Some(Behind { revision: 0, all: true })
            }
            Err(_) => None,
        })
    }

    /// The newest document of a secret in verified commits, where the work tree is behind it. It is remembered, and told.
    pub(super) fn elsewhere(
        &self,
        path: &SecretPath,
        local: Result<u64, &Error>,
        value: bool,
    ) -> Result<Option<Elsewhere>> {
        if self.context.allow_old {
            return Ok(None);
        }
        let is_amid_merge = || Repo::open(&self.dir).is_ok_and(|repo| repo.check_idle().is_err());
        let Some(behind) = Self::behind(local, || self.is_checked_out(path), is_amid_merge)? else { return Ok(None) };
        if !behind.all && self.last_look().is_none() {
            return Ok(None);
        }
        let (repo, past) = (Repo::open(&self.dir)?, Past::new(self));
        let sources = self.sources(&repo, &past, behind.all, None);
        let sides: Vec<(&Source, SecretFiles)> =
            sources.iter().filter_map(|source| Some((source, repo.secret_files(source.tree, path).ok()?))).collect();
        let found = self.newest_of(&repo, &past, path, &sides, behind, value)?;
        if let Some(Elsewhere { commit, doc, .. }) = &found {
            self.notify(Notice::Ahead { path: path.clone(), commit: commit.to_string() });
            self.see(&[Seen { name: path.clone(), revision: doc.number(), digest: doc.digest }]);
        }
        Ok(found)
    }

    /// The newest document of a secret in these sources, if the work tree is behind it and it is not older than what was
    /// seen. With `value`, a source whose ciphertext is not the one that was signed for does not count.
    pub(super) fn newest_of(
        &self,
        repo: &Repo,
        past: &Past<'_>,
        path: &SecretPath,
        sides: &[(&Source, SecretFiles)],
        behind: Behind,
        value: bool,
    ) -> Result<Option<Elsewhere>> {
        let asked = sides.iter().filter(|(source, _)| behind.all || source.looked);
        let found =
            asked.filter_map(|(source, files)| in_source(repo, past, source, path, files, value).ok().flatten());
        let newest = found.max_by_key(|found| found.doc.number()).filter(|found| found.doc.number() > behind.revision);
        let Some(newest) = newest else { return Ok(None) };
        let seen = self.memory().seen(self.id, path)?;
        let found = Seen { name: path.clone(), revision: newest.doc.number(), digest: newest.doc.digest };
        Ok((!matches!(age(seen.as_ref(), &found), Age::Older | Age::Forked)).then_some(newest))
    }

    /// The manifest that counts for reads: that of the work tree, or a newer one of a verified commit.
    pub(super) fn newest_manifest(&self) -> Result<Manifest> {
        let local = self.manifest()?;
        // A folder that was copied has no repository around it.
        let Ok(repo) = Repo::open(&self.dir) else { return Ok(local) };
        let past = Past::new(self);
        let there = |source: &Source| judged(past.manifest(&repo, source.tree, &source.chain.root)).ok()?.ok();
        let sources = self.sources(&repo, &past, true, None);
        let newer = sources.iter().filter_map(there).map(|(manifest, _)| manifest);
        Ok(newer.fold(local, |newest, other| if other.serial > newest.serial { other } else { newest }))
    }

    /// The proven commits: the one that the last look found, and, with `all`, whatever else was proven last. Only those
    /// that hold the pinned root; without the commit `but`.
    pub(super) fn sources(&self, repo: &Repo, past: &Past<'_>, all: bool, but: Option<Oid>) -> Vec<Source> {
        let looked = self.last_look();
        let parsed = |text: String| Oid::from_str(&text).ok();
        let mut commits: Vec<Oid> = looked.into_iter().collect();
        if all {
            let mark = self.memory().mark(self.id, &self.dir).ok().flatten().and_then(|mark| mark.commit);
            commits.extend(mark.and_then(parsed));
            commits.extend(repo.commit_of(VERIFIED).ok().flatten());
        }
        commits.sort_unstable();
        commits.dedup();
        commits.retain(|commit| Some(*commit) != but);
        let source = |commit: Oid| {
            let tree = repo.knows(commit).then(|| repo.commit(commit).ok()).flatten()?.tree?;
            match past.ground(repo, Some(tree)).ok()? {
                Ground::Signed(chain) if chain.holds(&self.pin()) => {
                    Some(Source { commit, tree, chain, looked: looked == Some(commit) })
                }
                _ => None,
            }
        };
        commits.into_iter().filter_map(source).collect()
    }

    /// The commit that the last look at the remote found, where the work tree was not moved forward to it.
    fn last_look(&self) -> Option<Oid> {
        let text = self.memory().fetched(self.id, &self.dir).ok().flatten()?.ahead?;
        Oid::from_str(&text).ok()
    }

    /// Whether a secret's files are those of the commit that is checked out.
    fn is_checked_out(&self, path: &SecretPath) -> Result<bool> {
        let repo = Repo::open(&self.dir)?;
        let Some(tree) = repo.vault_tree(repo.head()?.commit)? else { return Ok(false) };
        self.lies_as(path, &repo.secret_files(tree, path)?)
    }

    /// Whether a secret's files in the work tree are these.
    pub(super) fn lies_as(&self, path: &SecretPath, files: &SecretFiles) -> Result<bool> {
        for part in [Part::Enc, Part::Meta, Part::Gone] {
            let bytes = self.folder.read(&layout::secret(path, part), limit::CIPHERTEXT)?;
            let here = bytes.map(|bytes| blob_id(&bytes)).transpose()?;
            if here != files.file(part).map(|entry| entry.oid) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A secret in one source, verified under the root in force there.
fn in_source(
    repo: &Repo,
    past: &Past<'_>,
    source: &Source,
    path: &SecretPath,
    files: &SecretFiles,
    value: bool,
) -> Result<Option<Elsewhere>> {
    let Ok(Some(doc)) = judged(past.document(repo, path, files, Some(&source.chain.root)))? else { return Ok(None) };
    let ciphertext = match doc.metadata().filter(|_| value) {
        None => None,
        Some(metadata) => match judged(past.ciphertext(repo, metadata, files))? {
            Ok(ciphertext) => Some(ciphertext),
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(Elsewhere { commit: source.commit, doc, ciphertext }))
}
