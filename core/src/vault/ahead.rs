//! Reading from a verified commit what the work tree does not have: it is older, or the remote is ahead.

use super::past::{Ground, Past, judged};
use super::{Notice, Vault};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::history::document::{Doc, Record};
use crate::layout::{self, Part, limit};
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::{Repo, blob_id};
use crate::trust::{Age, Seen, age};
use git2::Oid;

/// A secret as a verified commit has it.
pub(super) struct Elsewhere {
    pub metadata: Metadata,
    pub digest: Digest,
    pub ciphertext: Vec<u8>,
}

/// A document of a commit, with the ciphertext of a secret that is there.
type Found = (Oid, Doc, Option<Vec<u8>>);

impl Vault {
    /// The newest document of a secret in verified commits, if it is newer than revision `local` and not older than what
    /// was seen. With `all`, every commit that was proven last is asked, else only what the last fetch found.
    ///
    /// # Errors
    /// [`Error::NotFound`] when what is newest is its removal.
    pub(super) fn elsewhere(&self, path: &SecretPath, local: u64, all: bool) -> Result<Option<Elsewhere>> {
        let commits = self.ahead(all);
        if commits.is_empty() {
            return Ok(None);
        }
        let (repo, past) = (Repo::open(&self.dir)?, Past::new(self));
        let found = commits.iter().filter_map(|commit| self.in_commit(&repo, &past, *commit, path).ok().flatten());
        let Some((commit, doc, ciphertext)) = found.max_by_key(|(_, doc, _)| doc.number()) else { return Ok(None) };
        if doc.number() <= local {
            return Ok(None);
        }
        let found = Seen { name: path.clone(), revision: doc.number(), digest: doc.digest };
        if matches!(age(self.memory().seen(self.id, path)?.as_ref(), &found), Age::Older | Age::Forked) {
            return Ok(None);
        }
        self.notify(Notice::Ahead { path: path.clone(), commit: commit.to_string() });
        self.see(&[found]);
        match (doc.record, ciphertext) {
            (Record::Meta(metadata), Some(ciphertext)) => {
                Ok(Some(Elsewhere { metadata: *metadata, digest: doc.digest, ciphertext }))
            }
            _ => Err(Error::NotFound { what: "secret", name: path.to_string(), near: None }),
        }
    }

    /// Whether a secret's files are those of the commit that is checked out.
    pub(super) fn is_checked_out(&self, path: &SecretPath) -> Result<bool> {
        let repo = Repo::open(&self.dir)?;
        let Some(tree) = repo.vault_tree(repo.head()?.commit)? else { return Ok(false) };
        let files = repo.secret_files(tree, path)?;
        for part in [Part::Enc, Part::Meta, Part::Gone] {
            let bytes = self.folder.read(&layout::secret(path, part), limit::CIPHERTEXT)?;
            let here = bytes.map(|bytes| blob_id(&bytes)).transpose()?;
            if here != files.file(part).map(|entry| entry.oid) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A secret in one commit, verified under the root in force there, which must hold the pinned one.
    fn in_commit(&self, repo: &Repo, past: &Past<'_>, commit: Oid, path: &SecretPath) -> Result<Option<Found>> {
        if !repo.knows(commit) {
            return Ok(None);
        }
        let Some(tree) = repo.commit(commit)?.tree else { return Ok(None) };
        let Ground::Signed(chain) = past.ground(repo, Some(tree))? else { return Ok(None) };
        if !chain.holds(&self.pin()) {
            return Ok(None);
        }
        let files = repo.secret_files(tree, path)?;
        let Ok(Some(doc)) = judged(past.document(repo, path, &files, Some(&chain.root)))? else { return Ok(None) };
        let ciphertext = match doc.metadata() {
            None => None,
            Some(metadata) => match judged(past.ciphertext(repo, metadata, &files))? {
                Ok(ciphertext) => Some(ciphertext),
                Err(_) => return Ok(None),
            },
        };
        Ok(Some((commit, doc, ciphertext)))
    }
}
