//! A merge that plain `git merge` made of a vault, made anew by meaning.
//!
//! The merge driver keeps pairs whole and knows nothing of what the documents mean. Nobody has such a merge yet but this
//! working copy, so it is replaced by one with the same parents, and the same files outside the vault.

use super::history::Range;
use super::past::Past;
use super::recorded::Act;
use super::weave::{Woven, at};
use super::{Notice, Owner, Progress, Vault};
use crate::error::{Error, Result};
use crate::repo::Repo;
use git2::Oid;

impl Vault {
    /// The parents of HEAD, when HEAD is a merge that lost something of the vault and that no remote has.
    pub(super) fn botched(&self, repo: &Repo) -> Result<Option<[Oid; 2]>> {
        let Some(head) = repo.head()?.commit else { return Ok(None) };
        let [first, second] = repo.commit(head)?.parents[..] else { return Ok(None) };
        // Not the tree is asked for: one in which all is one side's may be known well, and is what the driver leaves.
        let mark = self.memory().mark(self.id, &self.dir)?.and_then(|mark| mark.commit);
        if mark == Some(head.to_string()) || repo.is_published(head)? {
            return Ok(None);
        }
        let past = Past::new(self);
        let proof = self.walk(repo, &past, head, Range { given: None, hidden: &[first, second] }, &|_, _| {})?;
        if proof.history.violations.is_empty() {
            return Ok(None);
        }
        // What one side took may descend from the other's by way of what lies further back.
        let whole = self.walk(repo, &past, head, Range::default(), &|_, _| {})?;
        let own = whole.history.violations.iter().any(|violation| violation.commit == head.to_string());
        Ok(own.then_some([first, second]))
    }
}

impl Owner<'_> {
    /// Replaces HEAD, a botched merge, by the merge by meaning of its parents, whose histories must be proven.
    pub(super) fn remerge(&self, repo: &Repo, parents: [Oid; 2], progress: Progress<'_>) -> Result<Woven> {
        let head = repo.head()?;
        let mark = self.vault.memory().mark(self.vault.id, &self.vault.dir)?.and_then(|mark| mark.commit);
        let known: Vec<Oid> = mark.and_then(|text| Oid::from_str(&text).ok()).into_iter().collect();
        for parent in parents {
            if self.vault.admit(repo, parent, &known, progress)?.is_none() {
                return Err(Error::Conflict {
                    message: "HEAD merges a commit that has no vault, and changed the vault in doing so".into(),
                    hint: "undo that merge (`git reset --merge ORIG_HEAD`), then `agent-vault sync`".into(),
                });
            }
        }
        let woven = self.weave(repo, parents, Some(at(&head)?), progress);
        self.record_merge(&woven);
        let woven = woven?;
        self.vault.advance(&head, woven.commit)?;
        self.vault.settle_mark(repo, woven.commit, true);
        Ok(woven)
    }

    /// A merge in this machine's log: what it encrypted, it decrypted.
    pub(super) fn record_merge(&self, woven: &Result<Woven>) {
        let commit = woven.as_ref().ok().map(|woven| woven.commit.to_string());
        self.vault.wrote(&Act::new("merge"), Some(self.actor()), woven, commit.as_deref());
    }

    /// The same before a write, where the last commit is a botched merge. The repository as it is then.
    pub(super) fn remerged(&self, repo: Repo) -> Result<Repo> {
        let Some(parents) = self.vault.botched(&repo)? else { return Ok(repo) };
        let woven = self.remerge(&repo, parents, &|_, _| {})?;
        self.vault.notify(Notice::Remerged { commit: woven.commit.to_string(), remarks: woven.remarks });
        Repo::open(&self.vault.dir)
    }
}
