//! The host: it has what was pushed to it, shows what it likes, and can make anything but a signature.

use super::world::{CommitId, State, World};
use std::rc::Rc;

/// What the host shows to some people.
pub(super) struct View {
    pub tips: [Option<CommitId>; 2],
    /// What an owner of the host who is honest puts back.
    pub good: [Option<CommitId>; 2],
}

impl View {
    pub fn new(first: CommitId) -> Self {
        Self { tips: [Some(first), None], good: [Some(first), None] }
    }
}

impl World {
    /// Shows an older state.
    pub fn rewind(&mut self, view: usize, branch: usize, to: usize) {
        let Some(tip) = self.views[view].tips[branch] else { return };
        let older: Vec<CommitId> = (0..=tip).filter(|commit| self.reaches(tip, *commit)).collect();
        // Mostly a little.
        let to = older[older.len() - 1 - to % older.len().min(6)];
        self.views[view].tips[branch] = Some(to);
        if self.commits[to].broken.is_none() {
            self.views[view].good[branch] = Some(to);
        }
    }

    /// Plants documents that an owner once signed: older ones, or such as another branch or nobody has.
    pub fn graft(&mut self, view: usize, branch: usize, picks: [usize; 3]) {
        let Some(tip) = self.views[view].tips[branch] else { return };
        let mut state: State = (*self.state(tip)).clone();
        let before = state.key();
        let [which, older, how] = picks;
        match how % 3 {
            0 => {
                let (manifest, digest) = &self.manifests[older % self.manifests.len()];
                (state.manifest, state.digest) = (manifest.clone(), *digest);
            }
            1 if !state.secrets.is_empty() => {
                let path = state.secrets.keys().nth(which % state.secrets.len()).unwrap().clone();
                state.secrets.remove(&path);
            }
            _ => {
                let Some((path, docs)) = self.docs.iter().nth(which % self.docs.len().max(1)) else { return };
                state.secrets.insert(path.clone(), docs[older % docs.len()].clone());
            }
        }
        if state.key() == before {
            return;
        }
        let commit = self.commit(&[tip], Rc::new(state), false, Vec::new());
        assert!(self.commits[commit].broken.is_some(), "what nobody signed is taken for proven");
        self.views[view].tips[branch] = Some(commit);
    }

    /// Merges what there is with any other commit.
    pub fn forge_merge(&mut self, view: usize, branch: usize, other: usize, mask: u16) {
        let Some(tip) = self.views[view].tips[branch] else { return };
        let other = other % self.commits.len();
        if self.reaches(tip, other) {
            return;
        }
        let (ours, theirs) = (self.state(tip), self.state(other));
        let mut state = (*ours).clone();
        if mask & 1 == 1 {
            (state.manifest, state.digest) = (theirs.manifest.clone(), theirs.digest);
        }
        for (bit, (path, doc)) in theirs.secrets.iter().enumerate() {
            if mask >> (bit + 1) & 1 == 1 || !ours.secrets.contains_key(path) {
                state.secrets.insert(path.clone(), doc.clone());
            }
        }
        let commit = self.commit(&[tip, other], Rc::new(state), false, Vec::new());
        self.take_forged(view, branch, commit, [tip, other]);
    }

    /// The forge merges the other branch, unless something conflicts.
    pub fn pull_request(&mut self, view: usize, branch: usize) {
        let [Some(ours), Some(theirs)] = [branch, branch ^ 1].map(|branch| self.views[view].tips[branch]) else {
            return;
        };
        if self.reaches(ours, theirs) || self.bases(ours, theirs).len() > 1 {
            return;
        }
        let (state, conflict) = self.merge_files(ours, theirs);
        if !conflict {
            let commit = self.commit(&[ours, theirs], Rc::new(state), false, Vec::new());
            self.take_forged(view, branch, commit, [ours, theirs]);
        }
    }

    fn take_forged(&mut self, view: usize, branch: usize, commit: CommitId, parents: [CommitId; 2]) {
        self.views[view].tips[branch] = Some(commit);
        if self.commits[commit].broken.is_none() {
            // It is one that anybody could have made.
            parents.iter().for_each(|parent| self.check_forward(*parent, commit, "a merge that nobody signed"));
            self.views[view].good[branch] = Some(commit);
            self.told.forged_and_true += 1;
        }
    }

    /// Both views show what one of them has, as far as it is proven.
    pub fn heal(&mut self, view: usize) {
        let good = self.views[view].good;
        for view in &mut self.views {
            (view.tips, view.good) = (good, good);
        }
    }
}
