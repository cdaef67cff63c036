//! Looking at the remote on the way to a read: seldom, briefly, and without a question.

use super::Vault;
use crate::error::{Error, Result};
use crate::home;
use crate::remote::{Manner, Remote};
use crate::repo::Repo;
use crate::trust::Fetched;
use git2::Oid;
use std::time::Duration;

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The remote is looked at when the last look is older than this; all processes of this machine share it.
    pub max_age: Duration,
    /// So long a look may take.
    pub limit: Duration,
    /// Look now, and fail where that is not possible.
    pub force: bool,
    /// Bring the work tree forward whatever else came in: it is a cached clone, and nobody works in it.
    pub whole: bool,
}

impl Default for Freshness {
    /// A minute, and five seconds for the look.
    fn default() -> Self {
        Self { max_age: Duration::from_secs(60), limit: Duration::from_secs(5), force: false, whole: false }
    }
}

/// What came of looking.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fresh {
    /// It was not yet time, or another process is looking.
    NotDue,
    /// There is no remote, or no branch that follows one.
    Alone,
    /// The work tree has all that the remote has.
    UpToDate,
    /// The work tree was moved forward to what the remote has.
    Advanced,
    /// The remote has more, verified: reads take it from there, and the work tree stays as it is.
    Ahead,
    /// It could not be looked at, or nothing of it could be taken; the reason.
    Failed(Error),
}

impl Vault {
    /// Looks at the remote, if it is time to. Nobody is asked anything. What it has is verified; where it touches nothing
    /// but the vault and comes after HEAD, the branch and the files move forward; else reads take what is newer from the
    /// verified commit.
    ///
    /// # Errors
    /// Only with [`Freshness::force`]: [`Error::Remote`], [`Error::Tampered`] and the like. Otherwise they are in
    /// [`Fresh::Failed`].
    pub fn freshen(&self, freshness: &Freshness) -> Result<Fresh> {
        match self.look(freshness) {
            Ok(Fresh::Failed(error)) | Err(error) if freshness.force => Err(error),
            Ok(Fresh::Alone) if freshness.force => Err(Error::Conflict {
                message: "there is no remote to look at, or HEAD is on no branch that follows one".into(),
                hint: "leave --fresh out, or check such a branch out".into(),
            }),
            Ok(fresh) => Ok(fresh),
            Err(error) => Ok(Fresh::Failed(error)),
        }
    }

    fn look(&self, freshness: &Freshness) -> Result<Fresh> {
        let now = self.context.now().unix().unsigned_abs();
        let memory = self.memory();
        let due = |last: &Option<Fetched>| {
            let age = last.as_ref().map(|last| now.checked_sub(last.time));
            // A clock that was put back makes it due.
            freshness.force || age.is_none_or(|age| age.is_none_or(|age| age >= freshness.max_age.as_secs()))
        };
        if !due(&memory.fetched(self.id, &self.dir).unwrap_or_default()) {
            return Ok(Fresh::NotDue);
        }
        // Where nothing can be noted, as in a read-only home, every read would look again: none does, unless it must.
        let file = memory.fetched_file(self.id, &self.dir);
        let claim = match home::try_lock(&file.with_extension("claim"), freshness.force.then_some(freshness.limit)) {
            Ok(Some(claim)) => Some(claim),
            Ok(None) if !freshness.force => return Ok(Fresh::NotDue),
            Err(_) if !freshness.force => return Ok(Fresh::NotDue),
            _ => None,
        };
        let last = memory.fetched(self.id, &self.dir).unwrap_or_default();
        if !due(&last) {
            return Ok(Fresh::NotDue);
        }
        let ahead = last.and_then(|last| last.ahead);
        // Noted before it begins: a look that fails, or is killed, counts.
        let _ = memory.set_fetched(self.id, &self.dir, &Fetched { time: now, ahead: ahead.clone() });
        let fresh = self.look_now(freshness);
        let ahead = match &fresh {
            Ok((Fresh::Ahead, commit)) => commit.map(|commit| commit.to_string()),
            Ok((Fresh::Failed(_), _)) | Err(_) => ahead,
            Ok(_) => None,
        };
        let _ = memory.set_fetched(self.id, &self.dir, &Fetched { time: now, ahead });
        drop(claim);
        fresh.map(|(fresh, _)| fresh)
    }

    /// Fetches, verifies, and moves forward where that disturbs nobody.
    fn look_now(&self, freshness: &Freshness) -> Result<(Fresh, Option<Oid>)> {
        // A folder that was copied has no repository around it, and reads all the same.
        let repo = match Repo::open(&self.dir) {
            Ok(repo) => repo,
            Err(error @ Error::Tampered { .. }) => return Err(error),
            Err(_) => return Ok((Fresh::Alone, None)),
        };
        let Some((remote, branch)) = Remote::of(&repo)? else { return Ok((Fresh::Alone, None)) };
        let head = repo.head()?;
        let Some(theirs) = remote.fetch(&branch, Manner::Implicit { limit: freshness.limit })? else {
            return Ok((Fresh::UpToDate, None));
        };
        // What was fetched is seen by libgit2 only after it has looked again.
        let repo = Repo::open(&self.dir)?;
        let known = self.proven(&repo, &remote, &branch)?;
        known.check_remote(self, &repo, theirs)?;
        if let Some(ours) = head.commit
            && repo.reaches(ours, theirs)?
        {
            return Ok((Fresh::UpToDate, None));
        }
        let both: Vec<Oid> = head.commit.into_iter().chain([theirs]).collect();
        remote.complete(&repo, &both, Manner::Implicit { limit: freshness.limit })?;
        let mine = head.commit.map(|ours| self.admit(&repo, ours, &known.all(), &|_, _| {})).transpose()?.flatten();
        let known = known.all().into_iter().chain(head.commit).collect::<Vec<_>>();
        let Some(chain) = self.admit(&repo, theirs, &known, &|_, _| {})? else { return Ok((Fresh::UpToDate, None)) };
        if let Some(mine) = mine
            && !chain.extends(&mine)
            && !mine.extends(&chain)
        {
            return Err(super::weave::forked(&mine, &chain));
        }
        self.remember_remote(&repo, &remote, &branch, theirs);
        let follows = head.commit.is_none_or(|ours| repo.reaches(theirs, ours).unwrap_or(false));
        let only_ours = || -> Result<bool> {
            let hidden = head.commit.as_slice();
            Ok(repo.differ_in_vault_only(head.commit, theirs)? && repo.travellers(theirs, hidden)?.is_empty())
        };
        // Whatever is in the way (changes that are not committed, a lock, a rebase): the work tree stays as it is.
        if follows
            && (freshness.whole || only_ours()?)
            && repo.check_idle().is_ok()
            && self.advance(&head, theirs).is_ok()
        {
            self.settle_mark(&repo, theirs, false);
            return Ok((Fresh::Advanced, None));
        }
        Ok((Fresh::Ahead, Some(theirs)))
    }

    /// How many commits of HEAD no remote is known to have; none where there is no remote.
    ///
    /// # Errors
    /// What keeps the repository from being read.
    pub fn unpushed(&self) -> Result<Option<usize>> {
        let repo = Repo::open(&self.dir)?;
        let Some((remote, branch)) = Remote::of(&repo)? else { return Ok(None) };
        let Some(head) = repo.head()?.commit else { return Ok(None) };
        let tracking = branch.replacen("refs/heads/", &format!("refs/remotes/{}/", remote.name()), 1);
        let mut known = Vec::new();
        for reference in [tracking, remote.fetched(&branch)?] {
            known.extend(repo.commit_of(&reference)?.filter(|commit| repo.knows(*commit)));
        }
        Ok(Some(repo.order(head, &known, true)?.len()))
    }
}
