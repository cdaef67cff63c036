//! A working copy in a sync: what this machine remembers of it and of the remote's branch, and how it moves forward.

use crate::error::{Error, Result};
use crate::history::document::Doc;
use crate::layout::Part;
use crate::name::SecretPath;
use crate::remote::Remote;
use crate::repo::{Differences, Head, Repo};
use crate::trust::{Mark, Seen};
use crate::txn::{Txn, Wait};
use crate::vault::past::{Ground, Past, judged};
use crate::vault::{Notice, Vault};
use crate::{parallel, remote};
use git2::Oid;

/// Keeps what was verified last from being collected, and says where readers find it.
pub(in crate::vault) const VERIFIED: &str = "refs/agent-vault/verified";

/// The commits whose histories were proven here.
pub(in crate::vault) struct Proven {
    /// Of this working copy.
    here: Option<Oid>,
    /// Of the remote's branch, with the serial of the manifest there.
    there: Option<(Oid, u64)>,
    branch: String,
}

impl Proven {
    pub(in crate::vault) fn all(&self) -> Vec<Oid> {
        self.here.into_iter().chain(self.there.map(|(commit, _)| commit)).collect()
    }

    /// Refuses a branch that no longer holds what this machine has seen of it.
    pub(in crate::vault) fn check_remote(&self, vault: &Vault, repo: &Repo, theirs: Oid) -> Result<()> {
        let Some((seen, serial)) = self.there else { return Ok(()) };
        let (found, branch) = (theirs.to_string(), self.branch.clone());
        if !repo.knows(seen) {
            // Another clone of this machine saw it: the policy's number is all there is to compare.
            return match vault.serial_at(repo, theirs)? {
                Some(now) if now < serial => Err(Error::WentBack { branch, found, seen: seen.to_string() }),
                _ => Ok(()),
            };
        }
        if repo.reaches(theirs, seen)? {
            Ok(())
        } else if repo.reaches(seen, theirs)? {
            Err(Error::WentBack { branch, found, seen: seen.to_string() })
        } else {
            Err(Error::Rewritten { branch, found, seen: seen.to_string() })
        }
    }
}

impl Vault {
    /// What was proven of this working copy and of a remote's branch.
    pub(in crate::vault) fn proven(&self, repo: &Repo, remote: &Remote, branch: &str) -> Result<Proven> {
        let commit = |mark: &Mark| mark.commit.as_deref().and_then(|text| Oid::from_str(text).ok());
        let memory = self.memory();
        let here = memory.mark(self.id, &self.dir)?.as_ref().and_then(commit);
        let there = memory.branch_mark(self.id, &remote.url(), branch)?;
        let there = there.and_then(|mark| Some((commit(&mark)?, mark.serial)));
        let branch = format!("{} of {}", branch.trim_start_matches("refs/heads/"), remote.name());
        Ok(Proven { here: here.filter(|commit| repo.knows(*commit)), there, branch })
    }

    /// Remembers a remote's branch that was proven; a home that cannot be written is a notice.
    pub(in crate::vault) fn remember_remote(&self, repo: &Repo, remote: &Remote, branch: &str, commit: Oid) {
        let (memory, url) = (self.memory(), remote.url());
        let remember = || -> Result<()> {
            // Mostly nothing is new: a manifest of many agents is not parsed to write what is there.
            let known = memory.branch_mark(self.id, &url, branch)?.and_then(|mark| mark.commit);
            if known != Some(commit.to_string())
                && let Some(mark) = self.mark_of(repo, commit, true)?
            {
                memory.set_branch_mark(self.id, &url, branch, &mark)?;
            }
            if repo.commit_of(VERIFIED)? != Some(commit) { repo.keep(VERIFIED, commit) } else { Ok(()) }
        };
        if let Err(error) = remember() {
            self.notify(Notice::NotRemembered { reason: error.to_string() });
        }
    }

    /// Remembers a remote's branch that was pushed to, unless another process has seen a later state of it by now.
    pub(in crate::vault) fn remember_pushed(&self, repo: &Repo, remote: &Remote, branch: &str, commit: Oid) {
        let seen = self.proven(repo, remote, branch).ok().and_then(|known| known.there);
        let is_later =
            |seen: Oid| seen != commit && repo.knows(seen) && repo.reaches(seen, commit).is_ok_and(|reaches| reaches);
        if !seen.is_some_and(|(seen, _)| is_later(seen)) {
            self.remember_remote(repo, remote, branch, commit);
        }
    }

    /// The mark of a proven commit; without its tree where somebody has yet to plan it.
    fn mark_of(&self, repo: &Repo, commit: Oid, planned: bool) -> Result<Option<Mark>> {
        let past = Past::new(self);
        let Some(tree) = repo.commit(commit)?.tree else { return Ok(None) };
        let Ground::Signed(chain) = past.ground(repo, Some(tree))? else { return Ok(None) };
        let found = judged(past.manifest(repo, tree, &chain.root))?.ok();
        Ok(found.map(|(manifest, digest)| Mark {
            serial: manifest.serial,
            manifest: digest,
            tree: if planned { tree.to_string() } else { String::new() },
            commit: Some(commit.to_string()),
        }))
    }

    fn serial_at(&self, repo: &Repo, commit: Oid) -> Result<Option<u64>> {
        Ok(self.mark_of(repo, commit, false)?.map(|mark| mark.serial))
    }

    /// Whether the vault of a commit is one that this machine made or planned.
    pub(in crate::vault) fn is_marked(&self, repo: &Repo, commit: Oid) -> Result<bool> {
        let tree = repo.vault_tree(Some(commit))?.map(|tree| tree.to_string());
        let mark = self.memory().mark(self.id, &self.dir)?;
        Ok(mark.is_some_and(|mark| Some(mark.tree) == tree))
    }

    /// The secrets of a commit that were not planned: those that differ from the vault which this machine made or planned
    /// last. `None` where that is not known or anything else differs, such as policy itself: then it is all of them.
    pub(in crate::vault) fn unplanned(&self, repo: &Repo, commit: Oid) -> Result<Option<Vec<SecretPath>>> {
        let Some(mark) = self.memory().mark(self.id, &self.dir)? else { return Ok(None) };
        let planned = Oid::from_str(&mark.tree).ok().filter(|tree| repo.knows_tree(*tree));
        let (Some(planned), Some(tree)) = (planned, repo.vault_tree(Some(commit))?) else { return Ok(None) };
        let Differences { secrets, others, .. } = repo.differences(Some(planned), Some(tree))?;
        let there = secrets.into_iter().filter(|(_, change)| change.new.file(Part::Meta).is_some());
        Ok(others.is_empty().then(|| there.map(|(path, _)| path).collect()))
    }

    /// Remembers HEAD, which is proven, and planned unless somebody has yet to do it.
    pub(in crate::vault) fn settle_mark(&self, repo: &Repo, head: Oid, planned: bool) {
        let settle = || -> Result<()> {
            let known = self.memory().mark(self.id, &self.dir)?.filter(|_| planned);
            if known.is_some_and(|mark| mark.commit == Some(head.to_string())) && self.is_marked(repo, head)? {
                return Ok(());
            }
            match self.mark_of(repo, head, planned)? {
                Some(mark) => self.memory().set_mark(self.id, &self.dir, &mark),
                None => Ok(()),
            }
        };
        if let Err(error) = settle() {
            self.notify(Notice::NotRemembered { reason: error.to_string() });
        }
    }

    /// Moves HEAD's branch forward to a proven commit that comes after it, with the files. Where other files than the
    /// vault's differ, the user's own `git` does it: those may have filters, and changes that it must not overwrite.
    pub(in crate::vault) fn advance(&self, head: &Head, to: Oid) -> Result<()> {
        let repo = Repo::open(&self.dir)?;
        let raised = self.raised(&repo, head.commit, to)?;
        if repo.differ_in_vault_only(head.commit, to)? {
            let (mut txn, recovered) = Txn::begin(&self.folder, repo, Wait::default())?;
            self.tell_recovered(&recovered);
            if txn.head() != head {
                return Err(moved());
            }
            txn.advance(to)?;
            self.see(&raised);
        } else {
            let _lock = self.settle()?;
            if repo.head()? != *head {
                return Err(moved());
            }
            remote::fast_forward(&repo, to)?;
            self.see(&raised);
        }
        self.current().map(drop)
    }

    /// The documents that differ between two commits, as they are to be remembered.
    fn raised(&self, repo: &Repo, from: Option<Oid>, to: Oid) -> Result<Vec<Seen>> {
        let past = Past::new(self);
        let tree = |commit: Oid| repo.commit(commit).map(|commit| commit.tree);
        let (old, new) = (from.map(tree).transpose()?.flatten(), tree(to)?);
        let mut raised = Vec::new();
        for (name, change) in repo.differences(old, new)?.secrets {
            let doc: Option<Doc> = judged(past.document(repo, &name, &change.new, None))?.ok().flatten();
            raised.extend(doc.map(|doc| Seen { revision: doc.number(), digest: doc.digest, name }));
        }
        Ok(raised)
    }

    /// Remembers documents as the newest that were seen.
    pub(in crate::vault) fn see(&self, raised: &[Seen]) {
        let memory = self.memory();
        if let Err(error) = parallel::try_each(raised, |seen| memory.raise_seen(self.id, seen)) {
            self.notify(Notice::NotRemembered { reason: error.to_string() });
        }
    }
}

fn moved() -> Error {
    Error::Conflict {
        message: "the branch moved while it was synced".into(),
        hint: "nothing is lost: run `agent-vault sync` again".into(),
    }
}
