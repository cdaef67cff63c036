//! `verify --history`: that nothing in the vault ever went back, commit by commit.

use super::past::{Ground, Past, reopened};
use super::{Progress, Vault};
use crate::error::{Error, Result};
use crate::history::lineage::Lineage;
use crate::history::{Beginning, History, Stranger, Violation};
use crate::repo::{Commit, Repo};
use git2::Oid;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

mod examine;

use examine::{Examiner, Job, Kind, Verdict};

/// So many commits are examined before what came of them is put together: bounds what is held in memory.
const PORTION: usize = 1024;

impl Vault {
    /// Proves by parents, numbers and signed commits that nothing in HEAD's history of this vault ever went back, or
    /// names the commits where it did. With `since`, the state in that commit and what lies before it are taken as they
    /// are. Files of the work tree are not looked at: [`Vault::verify`] does that.
    ///
    /// `progress` is called with how many commits were examined, and of how many. Many threads call it.
    ///
    /// # Errors
    /// What keeps the history from being read; what is wrong in it is in [`History::violations`]. [`Error::NotFound`]
    /// for `since`; [`Error::Conflict`] when HEAD has no commit, or does not come after `since`.
    pub fn verify_history(&self, since: Option<&str>, progress: Progress<'_>) -> Result<History> {
        let repo = Repo::open(&self.dir)?;
        let head = repo.head()?.commit.ok_or_else(|| Error::Conflict {
            message: "this repository has no commit yet, so there is no history".into(),
            hint: "commit the vault first".into(),
        })?;
        let since = since.map(|spec| repo.find_commit(spec)).transpose()?;
        if let Some(since) = since.filter(|since| !repo.reaches(head, *since).unwrap_or(false)) {
            return Err(Error::Conflict {
                message: format!("HEAD does not come after commit {since}"),
                hint: "name a commit of this branch: `agent-vault log` lists those that changed the vault".into(),
            });
        }
        self.prove(&repo, head, since, progress)
    }

    /// The proof for the history of one commit.
    pub(super) fn prove(&self, repo: &Repo, head: Oid, since: Option<Oid>, progress: Progress<'_>) -> Result<History> {
        let past = Past::new(self);
        let mut proof = self.walk(repo, &past, head, Range { given: since, hidden: since.as_slice() }, progress)?;
        proof.end(&past.ground(repo, proof.tree)?, &self.pin());
        Ok(proof.history)
    }

    /// Examines the commits of a range, parents before children.
    pub(super) fn walk(
        &self,
        repo: &Repo,
        past: &Past<'_>,
        head: Oid,
        range: Range<'_>,
        progress: Progress<'_>,
    ) -> Result<Proof> {
        let Range { given, hidden } = range;
        let order: Vec<Oid> = given.into_iter().chain(repo.order(head, hidden, true)?).collect();
        let mut proof = Proof::new(head, order.len());
        let (mut trees, done) = (HashMap::with_capacity(order.len()), AtomicUsize::new(0));
        let examiner = Examiner { past };
        let commits = examiner.read(repo, &order, head)?;
        trees.extend(commits.iter().map(|commit| (commit.id, commit.tree)));
        // Only a merge asks what descends from what; without one, nothing of it is kept.
        proof.merging = commits.iter().any(|commit| commit.parents.len() > 1);
        for portion in commits.chunks(PORTION) {
            let jobs =
                portion.iter().cloned().map(|commit| job(repo, commit, &trees, given)).collect::<Result<Vec<_>>>()?;
            let verdicts: Vec<Result<Verdict>> = jobs
                .par_iter()
                .map_init(
                    || past.open(),
                    |repo, job| {
                        let repo = repo.as_ref().map_err(reopened)?;
                        let verdict = examiner.examine(repo, job)?;
                        progress(done.fetch_add(1, Ordering::Relaxed) + 1, order.len());
                        Ok(verdict)
                    },
                )
                .collect();
            for (job, verdict) in jobs.iter().zip(verdicts) {
                proof.take(&job.commit, verdict?, job.given);
            }
        }
        // A head that is hidden itself was not read.
        proof.tree = trees.get(&head).map_or_else(|| Ok(repo.commit(head)?.tree), |tree| Ok(*tree))?;
        Ok(proof)
    }
}

/// Which commits of a history are examined.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range<'r> {
    /// Its state is taken as it is.
    pub given: Option<Oid>,
    /// These, and what lies before them, are not looked at.
    pub hidden: &'r [Oid],
}

/// The trees of a commit's parents; those before `since` are read where they are needed.
fn job(repo: &Repo, commit: Commit, trees: &HashMap<Oid, Option<Oid>>, since: Option<Oid>) -> Result<Job> {
    let given = since == Some(commit.id);
    let tree_of = |parent: &Oid| trees.get(parent).map_or_else(|| Ok(repo.commit(*parent)?.tree), |tree| Ok(*tree));
    let parents = if given { Vec::new() } else { commit.parents.iter().map(tree_of).collect::<Result<_>>()? };
    Ok(Job { commit, parents, given })
}

/// Puts the verdicts together, in the walk's order.
pub(super) struct Proof {
    pub history: History,
    /// The vault's tree in the commit whose history it is.
    pub tree: Option<Oid>,
    lineage: Lineage,
    merging: bool,
    born: bool,
    cut: Vec<String>,
}

impl Proof {
    fn new(head: Oid, commits: usize) -> Self {
        let history = History {
            head: head.to_string(),
            begins: Beginning::Nowhere,
            commits,
            changes: 0,
            signed: 0,
            merges: 0,
            unsigned_before: 0,
            documents: 0,
            violations: Vec::new(),
            strangers: Vec::new(),
        };
        Self { history, tree: None, lineage: Lineage::default(), merging: false, born: false, cut: Vec::new() }
    }

    fn take(&mut self, commit: &Commit, verdict: Verdict, given: bool) {
        let id = commit.id.to_string();
        let Self { history, lineage, merging, born, cut, .. } = self;
        history.documents += verdict.verified;
        for (digest, number, parents) in verdict.documents.iter().filter(|_| *merging) {
            lineage.add(*digest, *number, parents);
        }
        let mut wrong = verdict.wrong;
        let late = verdict.claims.into_iter().filter(|(_, new, old)| !lineage.continues(*new, *old));
        wrong.extend(late.map(|(path, ..)| {
            (
                Some(path),
                "it does not come after the document that another parent of this commit has: that one was undone"
                    .into(),
            )
        }));
        history.changes += usize::from(!matches!(verdict.kind, Kind::Untouched | Kind::Base));
        match verdict.kind {
            Kind::Untouched | Kind::Broken => {}
            Kind::Unsigned => history.unsigned_before += 1,
            Kind::Signed => history.signed += 1,
            Kind::Merge => history.merges += 1,
            Kind::Base if given => history.begins = Beginning::Given(id.clone()),
            Kind::Base => cut.push(id.clone()),
            Kind::Birth if *born => wrong.push((None, "the vault appears a second time".into())),
            Kind::Birth => {
                *born = true;
                history.signed += 1;
                if history.begins == Beginning::Nowhere {
                    history.begins = Beginning::Creation(id.clone());
                }
            }
        }
        history.violations.extend(wrong.into_iter().map(|(path, reason)| Violation {
            commit: id.clone(),
            path,
            reason,
        }));
        history.strangers.extend(verdict.strangers.into_iter().map(|path| Stranger { commit: id.clone(), path }));
    }

    /// What must be so at the end of the walk.
    pub(super) fn end(&mut self, head: &Ground, pin: &crate::trust::Pin) {
        if !self.cut.is_empty() {
            self.history.begins = Beginning::Shallow(std::mem::take(&mut self.cut));
        }
        let reason = match head {
            Ground::Signed(chain) if chain.holds(pin) => return,
            Ground::Signed(_) => "its chain of roots does not hold the root that is pinned on this machine",
            Ground::Absent => "the vault is not in this commit",
            Ground::Unsigned | Ground::Broken(_) => "the vault has no valid roots in this commit",
        };
        let commit = self.history.head.clone();
        self.history.violations.push(Violation { commit, path: None, reason: reason.into() });
    }
}
