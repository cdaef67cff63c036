//! What one commit does to the proof: it, beside its parents.

use super::super::past::{Ground, Past, reopened};
use crate::digest::Digest;
use crate::error::Result;
use crate::history::SignatureStatus;
use crate::history::chain::Chain;
use crate::layout;
use crate::name::SecretPath;
use crate::repo::{Commit, Differences, Known, Repo, SecretChange};
use git2::Oid;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

mod documents;

use documents::{Claims, files_of};

/// What one commit does to the proof.
pub(super) enum Kind {
    /// The vault is as in all its parents.
    Untouched,
    /// The vault had no root yet.
    Unsigned,
    /// The vault appears.
    Birth,
    /// Its parents are not here, or it was given: its state is taken as it is.
    Base,
    /// An owner signed it.
    Signed,
    /// A merge of what its parents hold.
    Merge,
    /// None of these.
    Broken,
}

/// What examining one commit found.
pub(super) struct Verdict {
    pub(super) kind: Kind,
    pub(super) wrong: Vec<(Option<String>, String)>,
    pub(super) strangers: Vec<String>,
    /// Documents that are new here: digest, number, parents.
    pub(super) documents: Vec<(Digest, u64, Vec<Digest>)>,
    pub(super) verified: usize,
    /// Documents that have to come after others; told once the lineage is known.
    pub(super) claims: Vec<(String, Digest, Digest)>,
}

impl Verdict {
    fn new() -> Self {
        Self {
            kind: Kind::Untouched,
            wrong: Vec::new(),
            strangers: Vec::new(),
            documents: Vec::new(),
            verified: 0,
            claims: Vec::new(),
        }
    }

    fn wrong(&mut self, path: impl Into<Option<String>>, reason: impl Into<String>) {
        self.wrong.push((path.into(), reason.into()));
    }
}

/// A commit and its parents' trees.
pub(super) struct Job {
    pub(super) commit: Commit,
    /// Trees of the parents, in order.
    pub(super) parents: Vec<Option<Oid>>,
    pub(super) given: bool,
}

/// A parent with a chain of this vault.
struct Parent {
    tree: Oid,
    chain: Arc<Chain>,
    /// What differs from it; nothing when the tree is the same.
    differences: Option<Differences>,
}

/// Judges commits one by one: no commit's verdict needs another's.
pub(super) struct Examiner<'p> {
    pub(super) past: &'p Past<'p>,
}

impl Examiner<'_> {
    /// Reads commits, on all cores. Where the vault's folder was moved, the vault is looked for everywhere in each.
    pub(super) fn read(&self, repo: &Repo, ids: &[Oid], head: Oid) -> Result<Vec<Commit>> {
        let commits: Vec<Commit> = ids
            .par_iter()
            .map_init(|| self.past.open(), |repo, id| repo.as_ref().map_err(reopened)?.commit(*id))
            .collect::<Result<_>>()?;
        let trees: HashMap<Oid, Option<Oid>> = commits.iter().map(|commit| (commit.id, commit.tree)).collect();
        let Some(Some(tree)) = trees.get(&head) else { return Ok(commits) };
        let Some(first) = repo.entry(*tree, &layout::root(1))? else { return Ok(commits) };
        let mut known = Known::new();
        for commit in commits.iter().filter(|commit| commit.tree.is_some()) {
            for parent in commit.parents.iter().filter(|parent| trees.get(parent) == Some(&None)) {
                if !repo.vaults(*parent, first.oid, &mut known)?.is_empty() {
                    return self.follow(commits, first.oid);
                }
            }
        }
        Ok(commits)
    }

    /// The same commits, with the vault wherever it lay. Which of two counted, nobody could say.
    fn follow(&self, commits: Vec<Commit>, first: Oid) -> Result<Vec<Commit>> {
        commits
            .into_par_iter()
            .map_init(
                || (self.past.open(), Known::new()),
                |(repo, known), commit| {
                    let found = repo.as_ref().map_err(reopened)?.vaults(commit.id, first, known)?;
                    // Without it anywhere, what lies at its place now counts: nothing, or what has no roots yet.
                    let tree = found.first().copied().or(commit.tree);
                    Ok(Commit { tree, twice: found.len() > 1, ..commit })
                },
            )
            .collect()
    }

    pub(super) fn examine(&self, repo: &Repo, job: &Job) -> Result<Verdict> {
        let mut verdict = Verdict::new();
        let tree = job.commit.tree;
        if job.commit.twice {
            verdict.wrong(
                None,
                "the vault was moved in this history, and lies in two folders of this commit: which one counts?",
            );
        }
        let changed = job.parents.is_empty() || job.parents.iter().any(|parent| *parent != tree);
        if !changed && !job.commit.cut {
            return Ok(verdict);
        }
        let grounds: Vec<Ground> =
            job.parents.iter().map(|tree| self.past.ground(repo, *tree)).collect::<Result<_>>()?;
        let standing = || grounds.iter().any(|ground| matches!(ground, Ground::Signed(_) | Ground::Broken(_)));
        let inherited = job.parents.contains(&tree);
        let chain = match self.past.ground(repo, tree)? {
            Ground::Signed(chain) => chain,
            ground => {
                let (kind, reason) = match ground {
                    _ if inherited && !grounds.iter().any(|ground| matches!(ground, Ground::Signed(_))) => {
                        (Kind::Untouched, None)
                    }
                    Ground::Absent if standing() => (Kind::Broken, Some("the vault was removed".to_owned())),
                    Ground::Unsigned if standing() => {
                        (Kind::Broken, Some("the vault's roots and signatures were removed".into()))
                    }
                    Ground::Broken(reason) => (Kind::Broken, Some(reason)),
                    Ground::Unsigned => (Kind::Unsigned, None),
                    _ => (Kind::Untouched, None),
                };
                verdict.kind = kind;
                reason.into_iter().for_each(|reason| verdict.wrong(None, reason));
                return Ok(verdict);
            }
        };
        let Some(tree) = tree else { return Ok(verdict) };
        if chain.id != self.past.id() {
            if !inherited {
                verdict.kind = Kind::Broken;
                verdict.wrong(None, format!("it is another vault ({})", chain.id));
            }
            return Ok(verdict);
        }
        let mut parents = Vec::new();
        for (ground, before) in grounds.iter().zip(&job.parents) {
            let (Ground::Signed(before_chain), Some(before)) = (ground, *before) else { continue };
            if before_chain.id != chain.id {
                verdict.wrong(None, format!("it takes the place of another vault ({})", before_chain.id));
            } else {
                if !chain.extends(before_chain) {
                    verdict
                        .wrong(Some(layout::ROOTS.into()), "a root was changed or lost: the chain of owners went back");
                }
                let differences = (before != tree).then(|| repo.differences(Some(before), Some(tree))).transpose()?;
                parents.push(Parent { tree: before, chain: before_chain.clone(), differences });
            }
        }
        if parents.is_empty() {
            let base = job.commit.cut || job.given;
            let free = base || grounds.iter().any(|ground| !matches!(ground, Ground::Absent));
            self.birth(repo, job, tree, &chain, (base, free), &mut verdict)?;
        } else if parents.iter().any(|parent| parent.differences.is_some()) {
            self.step(repo, job, tree, &chain, &parents, &mut verdict)?;
        }
        Ok(verdict)
    }

    /// The vault appears in this commit. `free`: something unsigned, or something that is not here, was before it, so its
    /// numbers may be any.
    fn birth(
        &self,
        repo: &Repo,
        job: &Job,
        tree: Oid,
        chain: &Chain,
        (base, mut free): (bool, bool),
        verdict: &mut Verdict,
    ) -> Result<()> {
        verdict.kind = if base { Kind::Base } else { Kind::Birth };
        let all = repo.differences(None, Some(tree))?;
        if let Some((serial, parents)) = self.policy(repo, tree, chain, verdict)?
            && !free
            && (serial != 1 || parents || chain.len() != 1)
        {
            free = true;
            verdict.wrong(None, format!("the vault appears here with a past (manifest serial {serial}) that is not in this history: it was cut off"));
        }
        self.others(&all, verdict);
        let mut claims = Claims::default();
        for (path, change) in &all.secrets {
            self.secret(repo, path, change, chain, &[], (free, &mut claims), verdict)?;
        }
        claims.moves(verdict);
        if !base {
            self.signed(repo, job, chain, None, verdict)?;
        }
        Ok(())
    }

    /// The vault changes in this commit.
    fn step(
        &self,
        repo: &Repo,
        job: &Job,
        tree: Oid,
        chain: &Chain,
        parents: &[Parent],
        verdict: &mut Verdict,
    ) -> Result<()> {
        let differing: Vec<&Differences> = parents.iter().filter_map(|parent| parent.differences.as_ref()).collect();
        let mut changes: BTreeMap<&SecretPath, SecretChange> = BTreeMap::new();
        changes.extend(differing.iter().flat_map(|one| &one.secrets).map(|(path, change)| (path, *change)));
        let mut unsigned: Option<String> = None;
        let mut claims = Claims::default();
        for (path, change) in &changes {
            let olds: Vec<_> = parents
                .iter()
                .map(|parent| {
                    parent.differences.as_ref().and_then(|one| one.secrets.get(*path)).map_or(change.new, |one| one.old)
                })
                .collect();
            if !self.secret(repo, path, change, chain, &olds, (false, &mut claims), verdict)? {
                unsigned.get_or_insert_with(|| files_of(path));
            }
        }
        claims.moves(verdict);
        differing.iter().for_each(|one| self.others(one, verdict));
        verdict.strangers.sort();
        verdict.strangers.dedup();
        if self.rules_changed(repo, tree, chain, parents, verdict)? {
            unsigned.get_or_insert_with(|| layout::MANIFEST.into());
        }
        if parents.iter().all(|parent| parent.chain.len() < chain.len()) {
            self.all_again(repo, tree, chain, &changes, verdict)?;
        }
        match unsigned {
            Some(path) => {
                verdict.kind = Kind::Signed;
                self.signed(repo, job, chain, Some(path), verdict)?;
            }
            None => verdict.kind = Kind::Merge,
        }
        if !verdict.wrong.is_empty() {
            verdict.kind = Kind::Broken;
        }
        Ok(())
    }

    /// Refuses a commit that no owner of its own root signed.
    fn signed(&self, repo: &Repo, job: &Job, chain: &Chain, path: Option<String>, verdict: &mut Verdict) -> Result<()> {
        let reason = match self.past.signature(repo, job.commit.id, &chain.root)? {
            SignatureStatus::Good { .. } => return Ok(()),
            SignatureStatus::Unsigned if job.parents.len() > 1 => {
                "the merge holds what none of its parents does, and no owner signed it".into()
            }
            SignatureStatus::Unsigned => "the commit changes the vault, and no owner signed it".into(),
            SignatureStatus::UnknownKey { fingerprint: Some(key) } => {
                format!("the commit is signed by {key}, which is no owner's key")
            }
            SignatureStatus::UnknownKey { fingerprint: None } => {
                "the commit is signed in another way than with an owner's key".into()
            }
            SignatureStatus::Bad => "the commit's signature does not fit it: it was altered".into(),
        };
        verdict.wrong(path, reason);
        Ok(())
    }
}
