//! The merge of two commits by meaning: as `vault/weave` makes it, of documents in memory.

use super::world::{CommitId, State, World, parts};
use crate::digest::{Digest, KeyId};
use crate::history::document::{Doc, Record};
use crate::manifest::Manifest;
use crate::merge::agents::Names;
use crate::merge::moves::Moves;
use crate::merge::policy::Merged;
use crate::merge::secret::{Outcome, Said};
use crate::merge::{self, Remark, Side, names};
use crate::metadata::{Metadata, Tombstone};
use crate::name::{AgentName, SecretPath};
use crate::policy::{self, Step, Subject};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

enum Now {
    Live(Box<Live>),
    Buried(Tombstone),
    /// A tombstone that is there.
    Gone(Rc<Doc>),
}

struct Live {
    fact: Metadata,
    /// The document as it is, when none of it changed.
    taken: Option<Rc<Doc>>,
    /// Its value counts as a new one, so its ciphertext must be another.
    anew: bool,
}

impl World {
    /// Merges two proven commits, signed by an owner.
    pub fn weave(&mut self, by: usize, [ours, theirs]: [CommitId; 2]) -> CommitId {
        let bases: Vec<Rc<State>> = self.bases(ours, theirs).into_iter().map(|base| self.state(base)).collect();
        let sides = [self.state(ours), self.state(theirs)];
        let (merged, manifest, digest) = self.merge_policies(&bases, &sides, by);
        let mut remarks = merged.remarks.clone();
        let paths: BTreeSet<SecretPath> = sides.iter().flat_map(|side| side.secrets.keys().cloned()).collect();
        let olds: Vec<&Manifest> = bases.iter().map(|base| &*base.manifest).collect();
        let called = Names::new(&olds, [&sides[0].manifest, &sides[1].manifest], &manifest);
        let mut all: BTreeMap<SecretPath, Now> = BTreeMap::new();
        let mut moves = Moves::default();
        for path in &paths {
            let now = decide(&bases, &sides, [ours, theirs], &called, path, &mut moves, &mut remarks);
            all.insert(path.clone(), now);
        }
        let live = all.values().filter_map(|now| match now {
            Now::Live(live) => Some(&live.fact),
            _ => None,
        });
        for (path, fact) in moves.carried(live, owner_name) {
            if let Some(Now::Live(live)) = all.get_mut(&path) {
                live.fact = fact;
            }
        }
        let renamed = self.rename(&sides, &mut all, &mut remarks);
        let policy = State { manifest, digest, secrets: BTreeMap::new() };
        let subjects = all.values().filter_map(|now| match now {
            Now::Live(live) => Some(Subject::unchanged(live.fact.clone())),
            _ => None,
        });
        let steps: BTreeMap<SecretPath, Step> =
            policy::plan(&policy.policy(), subjects).into_iter().map(|step| (step.path().clone(), step)).collect();
        let mut state = policy.clone();
        for (path, now) in all {
            let doc = match now {
                Now::Gone(doc) => doc,
                Now::Buried(gone) => self.sign(Record::Gone(gone), by),
                Now::Live(live) => self.write_live(&policy, *live, steps.get(&path), by),
            };
            state.secrets.insert(path, doc);
        }
        for (from, to) in renamed {
            let olds = sides.iter().filter_map(|side| side.secrets.get(&from)).map(|doc| doc.digest);
            self.family.entry(state.secrets[&to].digest).or_default().extend(olds);
        }
        self.relate(&sides, &state);
        self.told.merges += 1;
        self.told.remarks += remarks.len() as u64;
        let state = Rc::new(state);
        self.check_woven(&bases, &sides, &state, &remarks);
        let commit = self.commit(&[ours, theirs], state, true, remarks);
        assert_eq!(self.commits[commit].broken, None, "a merge by meaning is refused");
        for side in [ours, theirs] {
            self.check_forward(side, commit, "a merge by meaning");
        }
        commit
    }

    fn merge_policies(
        &mut self,
        bases: &[Rc<State>],
        [ours, theirs]: &[Rc<State>; 2],
        by: usize,
    ) -> (Merged, Rc<Manifest>, Digest) {
        let whole = |state: &State| {
            let manifest = (*state.manifest).clone();
            let merged = Merged { manifest, origins: BTreeMap::new(), remarks: Vec::new() };
            (merged, state.manifest.clone(), state.digest)
        };
        let is_base = |state: &State| bases.iter().any(|base| base.digest == state.digest);
        if ours.digest == theirs.digest || is_base(theirs) {
            return whole(ours);
        }
        if is_base(ours) {
            return whole(theirs);
        }
        let olds: Vec<&Manifest> = bases.iter().map(|base| &*base.manifest).collect();
        let (first, second) = ((&*ours.manifest, ours.digest), (&*theirs.manifest, theirs.digest));
        let merged = merge::policy::merge(&olds, first, second, &parts().root);
        let mirrored = merge::policy::merge(&olds, second, first, &parts().root);
        assert_eq!(merged.manifest.render(), mirrored.manifest.render(), "whoever merges gets the same policy");
        let (manifest, digest) = self.sign_manifest(merged.manifest.clone(), by);
        (merged, manifest, digest)
    }

    fn rename(
        &mut self,
        sides: &[Rc<State>; 2],
        all: &mut BTreeMap<SecretPath, Now>,
        remarks: &mut Vec<Remark>,
    ) -> Vec<(SecretPath, SecretPath)> {
        let (mut living, mut held) = (BTreeSet::new(), BTreeSet::new());
        for (path, now) in all.iter() {
            let set = if matches!(now, Now::Live(_)) { &mut living } else { &mut held };
            set.insert(path.clone());
        }
        let renamed = names::collisions(&living, &held);
        for (from, to) in &renamed {
            let Some(Now::Live(live)) = all.remove(from) else { panic!("{from} was not there") };
            let differ =
                sides[0].secrets.get(from).map(|doc| doc.digest) != sides[1].secrets.get(from).map(|doc| doc.digest);
            let docs: Vec<Doc> = match differ {
                true => sides.iter().filter_map(|side| side.secrets.get(from)).map(|doc| (**doc).clone()).collect(),
                false => Vec::new(),
            };
            let (gone, fact) = names::renaming(&live.fact, to, live.taken.map(|doc| doc.digest), &docs);
            all.insert(from.clone(), Now::Buried(gone));
            all.insert(to.clone(), Now::Live(Box::new(Live { fact, taken: None, anew: true })));
            remarks.push(Remark::Renamed { from: from.clone(), to: to.clone() });
        }
        renamed
    }

    fn write_live(&mut self, policy: &State, live: Live, step: Option<&Step>, by: usize) -> Rc<Doc> {
        let mut next = live.fact.clone();
        if let Some(doc) = &live.taken {
            let same = |then: &Metadata| then.agents == live.fact.agents && then.exposed_to == live.fact.exposed_to;
            if step.is_none() && doc.metadata().is_some_and(same) {
                return doc.clone();
            }
            (next.revision, next.parents) = (next.revision + 1, vec![doc.digest]);
        }
        if let Some(step) = step {
            (next.group, next.agents, next.exposed_to) = (step.group.clone(), step.agents.clone(), step.exposed_to());
        }
        if live.anew || step.is_some_and(|step| step.reencrypt) {
            let value = self.sealed[&live.fact.digest].value;
            let readers = policy.policy().readers(&next.group, &next.agents);
            next.recipients = readers.ids();
            next.authorized_agents = readers.agents;
            next.digest = self.seal(value, next.recipients.clone());
        }
        self.sign(Record::Meta(Box::new(next)), by)
    }

    /// What a side has of a value that stays under another name only: the one comes after the other.
    fn relate(&mut self, sides: &[Rc<State>; 2], state: &State) {
        for now in state.live() {
            let value = self.sealed[&now.digest].value;
            let doc = state.secrets[&now.name].digest;
            for side in sides {
                let stays = |name: &SecretPath| {
                    let now = state.secrets.get(name).and_then(|doc| doc.metadata());
                    now.is_some_and(|now| self.sealed[&now.digest].value == value)
                };
                let other = side.live().filter(|then| self.sealed[&then.digest].value == value && !stays(&then.name));
                let olds: Vec<Digest> = other.map(|then| side.secrets[&then.name].digest).collect();
                self.family.entry(doc).or_default().extend(olds);
            }
        }
    }

    /// What a merge must not do, whatever the rules say.
    fn check_woven(&self, bases: &[Rc<State>], sides: &[Rc<State>; 2], state: &State, remarks: &[Remark]) {
        let value = |state: &State, path: &SecretPath| {
            let metadata = state.secrets.get(path)?.metadata()?;
            Some(self.sealed[&metadata.digest].value)
        };
        let kept: BTreeSet<u64> = state.live().map(|metadata| self.sealed[&metadata.digest].value).collect();
        let told = |remark: &dyn Fn(&Remark) -> bool| remarks.iter().any(remark);
        for path in state.secrets.keys() {
            for (side, other) in [(0, 1), (1, 0)] {
                let (ours, theirs) = (value(&sides[side], path), value(&sides[other], path));
                let new = ours.filter(|value_| !bases.iter().any(|base| value(base, path) == Some(*value_)));
                if let Some(new) = new.filter(|new| !kept.contains(new)) {
                    let said = told(&|remark| matches!(remark, Remark::OtherValue { path: of, .. } if of == path));
                    assert!(said || self.alike.contains(&new), "{path}: value {new} is dropped without a word");
                }
                let removed = sides[side].secrets.get(path).is_some_and(|doc| doc.metadata().is_none());
                let base_too =
                    bases.iter().any(|base| base.secrets.get(path).is_some_and(|doc| doc.metadata().is_none()));
                if removed && !base_too && theirs.is_some() && value(state, path).is_some() {
                    let said = told(&|remark| matches!(remark, Remark::Kept { path: of } if of == path));
                    assert!(said, "{path}: it was removed, and is there without a word");
                    // Only a value outlives a removal, and only one that whoever removed the secret had not seen.
                    let seen = |theirs: &u64| bases.iter().any(|base| value(base, path) == Some(*theirs));
                    let known =
                        theirs.filter(|theirs| !self.alike.contains(theirs)).is_some_and(|theirs| seen(&theirs));
                    assert!(!known || value(state, path) != theirs, "{path}: a value came back that was removed");
                }
            }
        }
        let subjects = state.live().cloned().map(Subject::unchanged);
        assert!(policy::plan(&state.policy(), subjects).is_empty(), "a merge leaves something to plan");
        self.check_readers(state);
    }

    /// Every current ciphertext is encrypted to those whom it names, and they are those whom policy names.
    pub fn check_readers(&self, state: &State) {
        let policy = state.policy();
        for metadata in state.live() {
            let truth = &self.sealed[&metadata.digest].recipients;
            assert_eq!(*truth, metadata.recipients, "{}: it names other readers than it has", metadata.name);
            let readers = policy.readers(&metadata.group, &metadata.agents).ids();
            let sorted = |keys: &[crate::digest::KeyId]| keys.iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(sorted(&readers), sorted(truth), "{}: others than policy names can read it", metadata.name);
        }
    }
}

fn owner_name(key: KeyId) -> Option<AgentName> {
    parts().root.by_key(key).map(|owner| AgentName::parse(owner.name.as_str()).unwrap())
}

fn decide(
    bases: &[Rc<State>],
    sides: &[Rc<State>; 2],
    commits: [CommitId; 2],
    called: &Names,
    path: &SecretPath,
    moves: &mut Moves,
    remarks: &mut Vec<Remark>,
) -> Now {
    let whole = |doc: &Rc<Doc>, number: usize| match doc.metadata() {
        Some(fact) => {
            let fact = Metadata { agents: called.all(&called.told(number, &fact.agents)), ..fact.clone() };
            Now::Live(Box::new(Live { fact, taken: Some(doc.clone()), anew: false }))
        }
        None => Now::Gone(doc.clone()),
    };
    let told = |doc: &Rc<Doc>, number: usize| {
        let mut doc = (**doc).clone();
        if let Record::Meta(metadata) = &mut doc.record {
            metadata.agents = called.told(number, &metadata.agents);
        }
        doc
    };
    let [ours, theirs] = [0, 1].map(|side: usize| sides[side].secrets.get(path));
    if let (Some(ours), Some(theirs)) = (ours, theirs)
        && ours.digest == theirs.digest
    {
        return whole(ours, 0);
    }
    let olds = bases.iter().enumerate();
    let olds: Vec<Option<Doc>> = olds.map(|(at, base)| base.secrets.get(path).map(|doc| told(doc, at + 2))).collect();
    let olds: Vec<Option<&Doc>> = olds.iter().map(Option::as_ref).collect();
    let (first, second) = (ours.map(|doc| told(doc, 0)), theirs.map(|doc| told(doc, 1)));
    moves.add(&olds, [first.as_ref(), second.as_ref()]);
    let (outcome, said) = merge::secret::merge(&olds, first.as_ref(), second.as_ref(), owner_name);
    match said {
        Some(Said::Kept) => remarks.push(Remark::Kept { path: path.clone() }),
        Some(Said::OtherValue(side)) => {
            let commit = commits[usize::from(side == Side::Theirs)].to_string();
            remarks.push(Remark::OtherValue { path: path.clone(), commit });
        }
        None => {}
    }
    match outcome {
        Outcome::Buried(gone) => Now::Buried(gone),
        Outcome::Woven { fact, anew, .. } => {
            let fact = Metadata { agents: called.all(&fact.agents), ..*fact };
            Now::Live(Box::new(Live { fact, taken: None, anew }))
        }
        Outcome::Taken(Side::Ours) => whole(ours.unwrap(), 0),
        Outcome::Taken(Side::Theirs) => whole(theirs.unwrap(), 1),
    }
}
