//! What one commit does to the proof: it, beside its parents.

use super::super::past::{Ground, Past, judged, reopened};
use crate::digest::Digest;
use crate::error::{Result, printable};
use crate::history::chain::Chain;
use crate::history::document::{Doc, moved};
use crate::history::{SignatureStatus, rules};
use crate::layout;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::{Commit, Differences, Known, Repo, SecretChange};
use git2::Oid;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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

    /// One secret that differs from some parent's. Says whether it is taken whole from one of them.
    #[allow(clippy::too_many_arguments)]
    fn secret(
        &self,
        repo: &Repo,
        path: &SecretPath,
        change: &SecretChange,
        chain: &Chain,
        olds: &[crate::repo::SecretFiles],
        (free, claims): (bool, &mut Claims),
        verdict: &mut Verdict,
    ) -> Result<bool> {
        let name = || files_of(path);
        let taken = olds.iter().any(|old| old.same(&change.new));
        let new = match judged(self.past.document(repo, path, &change.new, Some(&chain.root)))? {
            Ok(new) => new,
            Err(reason) => {
                verdict.wrong(name(), reason);
                return Ok(taken);
            }
        };
        if let Some(metadata) = new.as_ref().and_then(Doc::metadata)
            && !taken
            && let Err(reason) = judged(self.past.ciphertext(repo, metadata, &change.new).map(drop))?
        {
            verdict.wrong(name(), reason);
        }
        if let Some(new) = &new {
            verdict.verified += 1;
            verdict.documents.push((new.digest, new.number(), new.parents().to_vec()));
        }
        let mut before = Vec::new();
        for old in olds.iter().filter(|old| !old.same(&change.new)) {
            // What was broken before was told where it broke.
            if let Ok(Some(doc)) = judged(self.past.document(repo, path, old, None))? {
                before.push(doc);
            }
        }
        if taken {
            match &new {
                Some(new) => verdict.claims.extend(before.iter().map(|old| (name(), new.digest, old.digest))),
                None if before.is_empty() => {}
                None => verdict.wrong(name(), "it vanished, and no signed tombstone took its place"),
            }
            return Ok(true);
        }
        if free {
            return Ok(false);
        }
        match rules::secret(new.as_ref(), &before.iter().collect::<Vec<_>>()) {
            Err(reason) => verdict.wrong(name(), reason),
            Ok(fit) => {
                let Some(new) = new else { return Ok(false) };
                verdict.claims.extend(fit.after.into_iter().map(|old| (name(), new.digest, old)));
                claims.note(path, new, &before, fit.moved);
            }
        }
        Ok(false)
    }

    /// Files outside `secrets/`: what no vault has is told, what could harm one is refused.
    fn others(&self, differences: &Differences, verdict: &mut Verdict) {
        for (path, (_, new)) in &differences.others {
            let Some(new) = new else { continue };
            if !new.is_file() {
                verdict.wrong(
                    printable(path),
                    "it is not a regular file: a vault holds neither links nor other repositories",
                );
            } else if path.ends_with("/.gitattributes") || path.ends_with("/.gitignore") {
                verdict.wrong(
                    printable(path),
                    "a nested file of this name could make Git change or hide the vault's files",
                );
            } else if !layout::is_ours(path) {
                verdict.strangers.push(printable(path));
            }
        }
    }

    /// Manifest and derived files of a tree; returns the manifest's serial, and whether it names parents.
    fn policy(&self, repo: &Repo, tree: Oid, chain: &Chain, verdict: &mut Verdict) -> Result<Option<(u64, bool)>> {
        match judged(self.past.manifest(repo, tree, &chain.root))? {
            Err(reason) => {
                verdict.wrong(Some(layout::MANIFEST.into()), reason);
                Ok(None)
            }
            Ok((manifest, digest)) => {
                verdict.verified += 1;
                verdict.documents.push((digest, manifest.serial, manifest.parents.clone()));
                let wrong = self.past.derived(repo, tree, &chain.root, &manifest)?;
                wrong.into_iter().for_each(|(path, reason)| verdict.wrong(path, reason));
                Ok(Some((manifest.serial, !manifest.parents.is_empty())))
            }
        }
    }

    /// Everything outside `secrets/` is one: the manifest and what belongs to it. Says whether a signature has to attest
    /// it, because it is not whole one of the parents'.
    fn rules_changed(
        &self,
        repo: &Repo,
        tree: Oid,
        chain: &Chain,
        parents: &[Parent],
        verdict: &mut Verdict,
    ) -> Result<bool> {
        let differs = |parent: &&Parent| {
            let others = parent.differences.as_ref().map(|differences| &differences.others);
            others.is_some_and(|others| others.keys().any(|path| layout::is_ours(path)))
        };
        let changed: Vec<&Parent> = parents.iter().filter(differs).collect();
        if changed.is_empty() {
            return Ok(false);
        }
        let mut attested = changed.len() == parents.len();
        if attested {
            self.policy(repo, tree, chain, verdict)?;
        }
        let Ok((new, digest)) = judged(self.past.manifest(repo, tree, &chain.root))? else { return Ok(attested) };
        let mut olds = Vec::new();
        for parent in &changed {
            // A manifest that did not verify was told where it came in.
            olds.extend(judged(self.past.manifest(repo, parent.tree, &parent.chain.root))?.ok());
        }
        // Same manifest, other files: nothing tells which of them came first.
        attested |= olds.iter().any(|(_, old)| *old == digest);
        olds.retain(|(_, old)| *old != digest);
        let path = || layout::MANIFEST.to_owned();
        if changed.len() < parents.len() {
            verdict.claims.extend(olds.iter().map(|(_, old)| (path(), digest, *old)));
        } else if !olds.is_empty() {
            match rules::manifest(&new, &olds.iter().map(|(old, digest)| (old, *digest)).collect::<Vec<_>>()) {
                Err(reason) => verdict.wrong(path(), reason),
                Ok(after) => verdict.claims.extend(after.into_iter().map(|old| (path(), digest, old))),
            }
        }
        Ok(attested)
    }

    /// Under a new root every document must stand anew: its signer may be an owner no longer.
    fn all_again(
        &self,
        repo: &Repo,
        tree: Oid,
        chain: &Chain,
        known: &BTreeMap<&SecretPath, SecretChange>,
        verdict: &mut Verdict,
    ) -> Result<()> {
        let all = repo.differences(None, Some(tree))?;
        for (path, change) in all.secrets.iter().filter(|(path, _)| !known.contains_key(path)) {
            if let Err(reason) = judged(self.past.document(repo, path, &change.new, Some(&chain.root)))? {
                verdict.wrong(path.to_string(), format!("under root {}: {reason}", chain.len()));
            }
        }
        Ok(())
    }
}

/// Secrets of one commit that were moved: each new name needs the old one.
#[derive(Default)]
struct Claims {
    arrived: Vec<(SecretPath, Metadata, u64)>,
    left: Vec<Metadata>,
}

impl Claims {
    fn note(&mut self, path: &SecretPath, new: Doc, before: &[Doc], is_moved: bool) {
        match new.metadata() {
            Some(metadata) if is_moved => {
                let last = before.iter().map(Doc::number).max().unwrap_or(0);
                self.arrived.push((path.clone(), metadata.clone(), last));
            }
            Some(_) => {}
            None => self.left.extend(before.iter().filter_map(Doc::metadata).cloned()),
        }
    }

    fn moves(self, verdict: &mut Verdict) {
        for (path, new, last) in self.arrived {
            let source = self.left.iter().find(|from| moved(&new, from, last));
            let reason = match source.map(|from| rules::exposure(&new, from)) {
                Some(Ok(())) => continue,
                Some(Err(reason)) => reason,
                None => {
                    format!("its numbers (revision {}, value {}) continue nothing", new.revision, new.value_revision)
                }
            };
            verdict.wrong(layout::secret(&path, layout::Part::Meta).trim_end_matches(".meta").to_owned(), reason);
        }
    }
}

/// What a secret's files are called below the vault's folder, without their endings.
fn files_of(path: &SecretPath) -> String {
    let file = layout::secret(path, layout::Part::Meta);
    file.strip_suffix(layout::Part::Meta.ending()).unwrap_or(&file).to_owned()
}
