//! The secrets of a merged vault: each by itself, then all of them under the merged policy.

use super::{Content, Files, State, Weaver};
use crate::crypto;
use crate::digest::{Digest, KeyId};
use crate::error::{Error, Result};
use crate::history::document::{Doc, Record};
use crate::layout::{self, Part};
use crate::manifest::Manifest;
use crate::merge::agents::Names;
use crate::merge::moves::Moves;
use crate::merge::policy::Merged;
use crate::merge::secret::{Outcome, Said, merge};
use crate::merge::{Remark, Side, names};
use crate::metadata::{Metadata, Tombstone, join_signed};
use crate::name::{AgentName, SecretPath};
use crate::policy::{self, Policy, Step, Subject};
use crate::repo::{Repo, SecretChange, SecretFiles};
use crate::signing::Namespace;
use crate::vault::Progress;
use crate::vault::past::{judged, reopened};
use crate::vault::session::sign;
use crate::yaml::Document;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What stands at a name.
enum Now {
    Live(Box<Live>),
    /// A new tombstone.
    Buried(Tombstone),
    /// What this side has, which is no live secret.
    Gone(Side),
}

/// A secret that is there.
struct Live {
    fact: Metadata,
    /// The document as it is, when none of it changed; else the fact has its revision and parents already.
    taken: Option<Digest>,
    /// Where its ciphertext lies, and under which name.
    side: Side,
    lies: SecretPath,
    /// Its value counts as a new one, so its ciphertext must be another.
    anew: bool,
    /// Agents that it names are called otherwise now, or more keys are exposed to.
    altered: bool,
}

impl Live {
    /// Whether it is taken from a side as it is.
    fn is_whole(&self, side: Side) -> bool {
        self.taken.is_some() && self.side == side && !self.altered
    }
}

impl Now {
    /// Whether all of it is a side's.
    fn is_whole(&self, side: Side) -> bool {
        match self {
            Now::Live(live) => live.is_whole(side),
            Now::Gone(gone) => *gone == side,
            Now::Buried(_) => false,
        }
    }
}

/// The files of the secrets, how many were encrypted anew, and what to say of them.
pub(super) type Secrets = (Files, usize, Vec<Remark>);

impl Weaver<'_> {
    pub(super) fn secrets(&self, repo: &Repo, policy: &Merged, progress: Progress<'_>) -> Result<Secrets> {
        let changes = repo.differences(Some(self.ours.tree), Some(self.theirs.tree))?.secrets;
        let mut remarks = Vec::new();
        let bases: Vec<&Manifest> = self.bases.iter().map(|base| &base.manifest).collect();
        let called = Names::new(&bases, [&self.ours.manifest, &self.theirs.manifest], &policy.manifest);
        let mut all: BTreeMap<SecretPath, Now> = BTreeMap::new();
        let mut moves = Moves::default();
        for (path, change) in &changes {
            let now = self.decide(repo, &called, path, change, &mut moves, &mut remarks)?;
            all.insert(path.clone(), now);
        }
        self.untouched(repo, &called, &changes, &mut all)?;
        self.carry(&moves, &mut all);
        self.rename(repo, &mut all, &changes, &mut remarks)?;
        let (files, reencrypted) = self.write(policy, all, &changes, progress)?;
        Ok((files, reencrypted, remarks))
    }

    /// One secret whose files differ.
    fn decide(
        &self,
        repo: &Repo,
        called: &Names,
        path: &SecretPath,
        change: &SecretChange,
        moves: &mut Moves,
        remarks: &mut Vec<Remark>,
    ) -> Result<Now> {
        let bases = self.bases.iter().enumerate();
        let bases = bases.map(|(number, base)| self.base_document(repo, called, path, (number, base)));
        let bases = bases.collect::<Result<Vec<_>>>()?;
        let bases: Vec<Option<&Doc>> = bases.iter().map(Option::as_ref).collect();
        let ours = self.document(repo, path, &change.old, Side::Ours)?;
        let theirs = self.document(repo, path, &change.new, Side::Theirs)?;
        // What both sides come from counts whoever signed it: the newer root's side has signed it anew.
        let foreign = |(doc, counts): &(Option<Doc>, bool)| {
            let known = |doc: &Doc| bases.iter().flatten().any(|base| base.digest == doc.digest);
            !counts && !doc.as_ref().is_some_and(known)
        };
        moves.add(&bases, [ours.0.as_ref(), theirs.0.as_ref()]);
        let (ours_counts, theirs_counts) = (!foreign(&ours), !foreign(&theirs));
        match (ours_counts, theirs_counts, ours.0, theirs.0) {
            (true, false, ours, Some(theirs)) => Ok(self.quarantine(called, path, ours, theirs, Side::Theirs, remarks)),
            (false, true, Some(ours), theirs) => Ok(self.quarantine(called, path, theirs, ours, Side::Ours, remarks)),
            (_, _, ours, theirs) => {
                let told = |doc: &Option<Doc>, number| doc.clone().map(|doc| told(called, number, doc));
                let (first, second) = (told(&ours, OURS), told(&theirs, THEIRS));
                let (outcome, said) = merge(&bases, first.as_ref(), second.as_ref(), |key| self.owner_name(key));
                match said {
                    Some(Said::Kept) => remarks.push(Remark::Kept { path: path.clone() }),
                    Some(Said::OtherValue(side)) => {
                        let commit = self.side(side).commit.to_string();
                        remarks.push(Remark::OtherValue { path: path.clone(), commit });
                    }
                    None => {}
                }
                Ok(match outcome {
                    Outcome::Buried(gone) => Now::Buried(gone),
                    Outcome::Woven { fact, side, anew } => {
                        let fact = Metadata { agents: called.all(&fact.agents), ..*fact };
                        let lies = path.clone();
                        Now::Live(Box::new(Live { fact, taken: None, side, lies, anew, altered: false }))
                    }
                    Outcome::Taken(side) => {
                        let doc = if side == Side::Ours { ours } else { theirs };
                        match doc.map(|doc| (doc.digest, doc.record)) {
                            Some((digest, Record::Meta(fact))) => live(called, *fact, digest, side, path),
                            _ => Now::Gone(side),
                        }
                    }
                })
            }
        }
    }

    /// A side's document, and whether it counts: one that an owner signed whom the other side has removed does not.
    fn document(&self, repo: &Repo, path: &SecretPath, files: &SecretFiles, side: Side) -> Result<(Option<Doc>, bool)> {
        let broken = |reason: String| Error::tampered(self.owner.vault.dir(), format!("{path}: {reason}"));
        let read = |root| judged(self.past.document(repo, path, files, root));
        let doc = read(None)?.map_err(broken)?;
        let older = self.side(side).chain.len() < self.chain.len();
        let counts = !older || read(Some(&self.chain.root))?.is_ok();
        Ok((doc, counts))
    }

    /// A base's document, with its agents called as they are called now.
    fn base_document(
        &self,
        repo: &Repo,
        called: &Names,
        path: &SecretPath,
        (number, base): (usize, &State),
    ) -> Result<Option<Doc>> {
        let files = repo.secret_files(base.tree, path)?;
        let doc = judged(self.past.document(repo, path, &files, None))?.ok().flatten();
        Ok(doc.map(|doc| told(called, BASES + number, doc)))
    }

    /// An owner's name, under whichever root they are one.
    fn owner_name(&self, key: KeyId) -> Option<AgentName> {
        let roots = [&self.chain.root, &self.ours.chain.root, &self.theirs.chain.root];
        let owner = roots.into_iter().find_map(|root| root.by_key(key))?;
        AgentName::parse(owner.name.as_str()).ok()
    }

    /// What a removed owner wrote is continued, so that it can be brought back, and counts for nothing: the other side's
    /// state stays.
    fn quarantine(
        &self,
        called: &Names,
        path: &SecretPath,
        stays: Option<Doc>,
        goes: Doc,
        side: Side,
        remarks: &mut Vec<Remark>,
    ) -> Now {
        remarks.push(Remark::Quarantined { path: Some(path.clone()), commit: self.side(side).commit.to_string() });
        let mut parents: Vec<Digest> = stays.iter().map(|doc| doc.digest).chain([goes.digest]).collect();
        parents.sort_unstable();
        let revision = 1 + goes.number().max(stays.as_ref().map_or(0, Doc::number));
        let (side, theirs) = (side.other(), goes.metadata().map_or(0, |metadata| metadata.value_revision));
        match stays.map(|doc| doc.record) {
            Some(Record::Meta(fact)) => {
                let anew = theirs >= fact.value_revision;
                let value_revision = if anew { theirs + 1 } else { fact.value_revision };
                let agents = called.all(&called.told(number(side), &fact.agents));
                let fact = Metadata { revision, value_revision, parents, agents, ..*fact };
                Now::Live(Box::new(Live { fact, taken: None, side, lies: path.clone(), anew, altered: false }))
            }
            Some(Record::Gone(gone)) => Now::Buried(gone.continuing(revision, parents)),
            None => Now::Buried(Tombstone::new(self.owner.vault.id, path.clone(), revision, parents)),
        }
    }

    /// All secrets that are the same on both sides.
    fn untouched(
        &self,
        repo: &Repo,
        called: &Names,
        changes: &BTreeMap<SecretPath, SecretChange>,
        all: &mut BTreeMap<SecretPath, Now>,
    ) -> Result<()> {
        let files = repo.files_of(self.ours.tree)?;
        let found: Vec<(SecretPath, Part, git2::Oid)> = files
            .iter()
            .filter_map(|(file, oid)| layout::parse_secret(file).map(|(path, part)| (path, part, *oid)))
            .filter(|(path, part, _)| *part != Part::Enc && !changes.contains_key(path))
            .collect();
        let read = |repo: &Result<Repo>, (path, part, oid): &(SecretPath, Part, git2::Oid)| {
            if *part == Part::Gone {
                return Ok((path.clone(), Now::Gone(Side::Ours)));
            }
            let repo = repo.as_ref().map_err(reopened)?;
            let doc = judged(self.past.known(repo, path, *oid))?;
            match doc.map(|doc| (doc.digest, doc.record)) {
                Ok((digest, Record::Meta(fact))) => Ok((path.clone(), live(called, *fact, digest, Side::Ours, path))),
                Ok(_) => Ok((path.clone(), Now::Gone(Side::Ours))),
                Err(reason) => Err(Error::tampered(self.owner.vault.dir(), format!("{path}: {reason}"))),
            }
        };
        let read: Vec<_> = found.par_iter().map_init(|| self.past.open(), |repo, one| read(repo, one)).collect();
        read.into_iter().try_for_each(|one| {
            let (path, now) = one?;
            all.insert(path, now);
            Ok(())
        })
    }

    /// What was moved on one side does not forget who could read it on the other, nor what bound it there.
    fn carry(&self, moves: &Moves, all: &mut BTreeMap<SecretPath, Now>) {
        let live = all.values().filter_map(|now| match now {
            Now::Live(live) => Some(&live.fact),
            _ => None,
        });
        for (path, fact) in moves.carried(live, |key| self.owner_name(key)) {
            if let Some(Now::Live(live)) = all.get_mut(&path) {
                (live.fact, live.altered) = (fact, true);
            }
        }
    }

    /// Of names that differ only in case the later get other ones.
    fn rename(
        &self,
        repo: &Repo,
        all: &mut BTreeMap<SecretPath, Now>,
        changes: &BTreeMap<SecretPath, SecretChange>,
        remarks: &mut Vec<Remark>,
    ) -> Result<()> {
        let (mut living, mut held) = (BTreeSet::new(), BTreeSet::new());
        for (path, now) in all.iter() {
            let set = if matches!(now, Now::Live(_)) { &mut living } else { &mut held };
            set.insert(path.clone());
        }
        for (from, to) in names::collisions(&living, &held) {
            let Some(Now::Live(live)) = all.remove(&from) else { continue };
            // What the commit's parents have at the old name.
            let none = SecretFiles::default();
            let sides = changes.get(&from).map_or([&none, &none], |change| [&change.old, &change.new]);
            let docs = sides.map(|files| judged(self.past.document(repo, &from, files, None)));
            let docs = docs.into_iter().collect::<Result<Vec<_>>>()?;
            let docs: Vec<Doc> = docs.into_iter().filter_map(|doc| doc.ok().flatten()).collect();
            let (gone, fact) = names::renaming(&live.fact, &to, live.taken, &docs);
            all.insert(from.clone(), Now::Buried(gone));
            // A new ciphertext: Git would take two files of one content for one that was renamed.
            all.insert(to.clone(), Now::Live(Box::new(Live { fact, taken: None, anew: true, ..*live })));
            remarks.push(Remark::Renamed { from, to });
        }
        Ok(())
    }

    /// Plans the whole vault, and makes the files of what is new.
    fn write(
        &self,
        merged: &Merged,
        all: BTreeMap<SecretPath, Now>,
        changes: &BTreeMap<SecretPath, SecretChange>,
        progress: Progress<'_>,
    ) -> Result<(Files, usize)> {
        // Owners whom the newer root lacks are still known by name.
        let older = if self.ours.chain.len() < self.theirs.chain.len() { &self.ours.chain } else { &self.theirs.chain };
        let policy = Policy::new(&self.chain.root, &merged.manifest).in_place_of(&older.root);
        let subjects = all.values().filter_map(|now| match now {
            Now::Live(live) => Some(Subject::unchanged(live.fact.clone())),
            _ => None,
        });
        let steps: BTreeMap<SecretPath, Step> =
            policy::plan(&policy, subjects).into_iter().map(|step| (step.path().clone(), step)).collect();
        let total = steps.values().filter(|step| step.reencrypt).count();
        let done = AtomicUsize::new(0);
        let written: Vec<Result<(Files, bool)>> = all
            .par_iter()
            .map_init(
                || self.past.open(),
                |repo, (path, now)| {
                    let repo = repo.as_ref().map_err(reopened)?;
                    let written = self.write_one(repo, &policy, path, now, steps.get(path), changes.get(path))?;
                    if written.1 {
                        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                    }
                    Ok(written)
                },
            )
            .collect();
        let (mut files, mut reencrypted) = (Files::new(), 0);
        for one in written {
            let (more, encrypted) = one?;
            files.extend(more);
            reencrypted += usize::from(encrypted);
        }
        Ok((files, reencrypted))
    }

    /// The files of one secret that are not ours, and whether it was encrypted anew.
    fn write_one(
        &self,
        repo: &Repo,
        policy: &Policy<'_>,
        path: &SecretPath,
        now: &Now,
        step: Option<&Step>,
        change: Option<&SecretChange>,
    ) -> Result<(Files, bool)> {
        let mut files = Files::new();
        let mut put = |part, content| drop(files.insert(layout::secret(path, part), content));
        let ours = match change {
            Some(change) => change.old,
            None => repo.secret_files(self.ours.tree, path)?,
        };
        let had = |part| ours.file(part).is_some();
        match now {
            Now::Gone(Side::Ours) => {}
            Now::Live(live) if live.is_whole(Side::Ours) && step.is_none() => {}
            _ if now.is_whole(Side::Theirs) && step.is_none() => {
                let theirs = change.map_or_else(SecretFiles::default, |change| change.new);
                for part in [Part::Enc, Part::Meta, Part::Gone]
                    .into_iter()
                    .filter(|part| ours.file(*part) != theirs.file(*part))
                {
                    put(part, theirs.file(part).map(|entry| Content::Object(entry.oid)));
                }
            }
            Now::Gone(Side::Theirs) => {}
            Now::Buried(gone) => {
                let body = gone.render();
                let signature = self.owner.key.sign(Namespace::Secret, body.as_bytes())?;
                put(Part::Gone, Some(Content::Bytes(join_signed(&body, &signature))));
                [Part::Enc, Part::Meta].into_iter().filter(|part| had(*part)).for_each(|part| put(part, None));
            }
            Now::Live(live) => {
                let (metadata, content) = self.seal(repo, policy, live, step)?;
                let encrypted = matches!(content, Content::Bytes(_));
                put(Part::Meta, Some(Content::Bytes(sign(&metadata, &self.owner.key)?)));
                put(Part::Enc, Some(content));
                if had(Part::Gone) {
                    put(Part::Gone, None);
                }
                return Ok((files, encrypted));
            }
        }
        Ok((files, false))
    }

    /// New metadata of a secret, and its ciphertext: as it lies there, or encrypted for other readers.
    fn seal(&self, repo: &Repo, policy: &Policy<'_>, live: &Live, step: Option<&Step>) -> Result<(Metadata, Content)> {
        let mut next = live.fact.clone();
        if let Some(digest) = live.taken {
            (next.revision, next.parents) = (next.revision + 1, vec![digest]);
        }
        if let Some(step) = step {
            (next.group, next.agents, next.exposed_to) = (step.group.clone(), step.agents.clone(), step.exposed_to());
        }
        let tree = self.side(live.side).tree;
        let files = repo.secret_files(tree, &live.lies)?;
        let file = || self.owner.vault.folder.path(&layout::secret(&live.lies, Part::Enc));
        if !live.anew && !step.is_some_and(|step| step.reencrypt) {
            let entry = files.enc.ok_or_else(|| Error::tampered(file(), "the ciphertext is missing"))?;
            return Ok((next, Content::Object(entry.oid)));
        }
        let sealed = judged(self.past.ciphertext(repo, &live.fact, &files))?;
        let sealed = sealed.map_err(|reason| Error::tampered(file(), reason))?;
        let value = crypto::decrypt(self.owner.identities, &sealed, &live.fact.recipients)
            .map_err(|failure| failure.of_secret(&live.fact.name, self.owner.identities, file))?;
        let readers = policy.readers(&next.group, &next.agents);
        let ciphertext = crypto::encrypt(&readers.recipients, value.expose(), &self.owner.vault.context.prompt)?;
        next.recipients = readers.ids();
        next.authorized_agents = readers.agents;
        next.digest = Digest::of(&ciphertext);
        Ok((next, Content::Bytes(ciphertext)))
    }
}

/// The numbers that manifests have in [`Names`].
const OURS: usize = 0;
const THEIRS: usize = 1;
const BASES: usize = 2;

fn number(side: Side) -> usize {
    match side {
        Side::Ours => OURS,
        Side::Theirs => THEIRS,
    }
}

/// A document with its agents called as they are called now.
fn told(called: &Names, number: usize, mut doc: Doc) -> Doc {
    if let Record::Meta(metadata) = &mut doc.record {
        metadata.agents = called.told(number, &metadata.agents);
    }
    doc
}

/// A secret that is taken as a side has it, but for the names of its agents.
fn live(called: &Names, mut fact: Metadata, digest: Digest, side: Side, path: &SecretPath) -> Now {
    let agents = called.all(&called.told(number(side), &fact.agents));
    let altered = agents != fact.agents;
    fact.agents = agents;
    Now::Live(Box::new(Live { fact, taken: Some(digest), side, lies: path.clone(), anew: false, altered }))
}
