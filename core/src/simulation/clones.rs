//! People and their clones: what `sync` and plain Git do with them.

use super::Killed;
use super::world::{CLONES, CommitId, State, World};
use crate::digest::Digest;
use crate::policy::{self, Subject};
use std::rc::Rc;

/// Somebody with a clone of two branches.
pub(super) struct Person {
    /// Which owner; none for a reader.
    pub owner: Option<usize>,
    pub tips: [Option<CommitId>; 2],
    /// The branch that is checked out.
    pub on: usize,
    /// The vault that this machine made or planned last.
    pub planned: Option<Digest>,
    /// What this machine has proven of the remote's branches.
    pub seen: [Option<CommitId>; 2],
    /// Which of the host's views it is shown.
    pub view: usize,
    pub online: bool,
}

impl Person {
    pub fn new(owner: Option<usize>, first: CommitId) -> Self {
        Self { owner, tips: [Some(first), None], on: 0, planned: None, seen: [None, None], view: 0, online: true }
    }

    pub fn tip(&self) -> CommitId {
        self.tips[self.on].unwrap()
    }
}

/// How a sync ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Killed,
    Unreachable,
    /// The remote's branch breaks a rule.
    Refused,
    /// It went back, or was rewritten.
    WentBack,
    /// A merge is needed, and this is no owner.
    NotOwner,
}

impl World {
    pub fn sync(&mut self, who: usize, killed: Killed, mut race: Option<usize>, rewritten: bool) -> Ended {
        if !self.people[who].online {
            return Ended::Unreachable;
        }
        for _ in 0..8 {
            let (branch, view) = (self.people[who].on, self.people[who].view);
            let theirs = self.views[view].tips[branch];
            if let Some(other) = race.take().filter(|other| *other != who) {
                self.sync(other, Killed::Never, None, false);
            }
            if !self.remerge(who) {
                return Ended::NotOwner;
            }
            let ours = self.people[who].tip();
            let Some(theirs) = theirs else {
                match self.give(who, ours, None) {
                    true => return Ended::Done,
                    false => continue,
                }
            };
            let seen = self.people[who].seen[branch];
            if !rewritten && seen.is_some_and(|seen| !self.reaches(theirs, seen)) {
                self.told.went_back += 1;
                return Ended::WentBack;
            }
            if self.commits[theirs].broken.is_some() {
                self.told.refused += 1;
                return Ended::Refused;
            }
            self.people[who].seen[branch] = Some(theirs);
            match (self.reaches(ours, theirs), self.reaches(theirs, ours)) {
                (true, _) => {
                    if self.give(who, ours, Some(theirs)) {
                        return Ended::Done;
                    }
                }
                (false, true) => self.advance(who, theirs),
                (false, false) => {
                    let Some(by) = self.people[who].owner else { return Ended::NotOwner };
                    let woven = self.weave(by, [ours, theirs]);
                    if killed == Killed::BeforePush {
                        return Ended::Killed;
                    }
                    if !self.push(view, branch, Some(theirs), woven) {
                        self.told.races += 1;
                        continue;
                    }
                    if killed == Killed::AfterPush {
                        return Ended::Killed;
                    }
                    self.people[who].seen[branch] = Some(woven);
                    self.advance(who, woven);
                }
            }
        }
        panic!("a sync does not come to an end");
    }

    /// Plans, and pushes what the remote lacks. Says whether the sync is done.
    fn give(&mut self, who: usize, ours: CommitId, theirs: Option<CommitId>) -> bool {
        let state = self.state(ours);
        let planned = self.people[who].planned == Some(state.key());
        let mut waiting = false;
        if !planned && !is_planned(&state) {
            match self.people[who].owner {
                Some(by) => {
                    assert!(self.mend(who, by));
                    return false;
                }
                None => waiting = true,
            }
        }
        let (branch, view) = (self.people[who].on, self.people[who].view);
        if theirs != Some(ours) {
            if !self.push(view, branch, theirs, ours) {
                self.told.races += 1;
                return false;
            }
            self.people[who].seen[branch] = Some(ours);
        }
        self.people[who].planned = (!waiting).then(|| state.key());
        true
    }

    /// Puts a commit on the remote's branch, if that still is where it was.
    fn push(&mut self, view: usize, branch: usize, from: Option<CommitId>, to: CommitId) -> bool {
        assert!(from.is_none_or(|from| self.reaches(to, from)), "only what comes after it is pushed");
        let now = &mut self.views[view];
        if now.tips[branch] != from {
            return false;
        }
        now.tips[branch] = Some(to);
        now.good[branch] = Some(to);
        true
    }

    /// Moves the branch here forward: nothing of it may go back.
    fn advance(&mut self, who: usize, to: CommitId) {
        let from = self.people[who].tip();
        assert!(self.commits[to].broken.is_none(), "{:?}", self.commits[to].broken);
        self.check_forward(from, to, "what a clone takes");
        let branch = self.people[who].on;
        self.people[who].tips[branch] = Some(to);
    }

    /// Makes a merge by plain Git anew where it lost something. Says whether the branch is whole.
    pub fn remerge(&mut self, who: usize) -> bool {
        let tip = self.people[who].tip();
        if self.commits[tip].broken.is_none() {
            return true;
        }
        let [ours, theirs] = self.commits[tip].parents[..] else { panic!("only a merge is ever broken here") };
        let Some(by) = self.people[who].owner else { return false };
        let woven = self.weave(by, [ours, theirs]);
        let branch = self.people[who].on;
        self.people[who].tips[branch] = Some(woven);
        self.people[who].planned = Some(self.state(woven).key());
        self.told.remerges += 1;
        true
    }

    /// A commit that touches no vault. A merge that lost something is made anew first: `sync` knows it only while it is
    /// the last commit.
    pub fn commit_other(&mut self, who: usize) {
        if !self.remerge(who) {
            return;
        }
        let tip = self.people[who].tip();
        let commit = self.commit(&[tip], self.state(tip), false, Vec::new());
        let branch = self.people[who].on;
        self.people[who].tips[branch] = Some(commit);
    }

    pub fn switch(&mut self, who: usize) {
        if !self.remerge(who) {
            return;
        }
        let (tip, other) = (self.people[who].tip(), self.people[who].on ^ 1);
        // A branch that is not here begins where the remote has it, as far as it was fetched.
        let begins = self.people[who].seen[other].unwrap_or(tip);
        self.people[who].tips[other].get_or_insert(begins);
        self.people[who].on = other;
    }

    /// `git merge` of the other branch, with the merge driver of [`crate::merge::driver`].
    pub fn git_merge(&mut self, who: usize) {
        let person = &self.people[who];
        let (ours, other) = (person.tip(), person.tips[person.on ^ 1]);
        let Some(theirs) = other.filter(|_| self.commits[ours].broken.is_none()) else { return };
        if self.reaches(ours, theirs) || self.commits[theirs].broken.is_some() {
            return;
        }
        let merged = match self.reaches(theirs, ours) {
            true => theirs,
            false => {
                let (state, _) = self.merge_files(ours, theirs);
                self.commit(&[ours, theirs], Rc::new(state), false, Vec::new())
            }
        };
        let branch = self.people[who].on;
        self.people[who].tips[branch] = Some(merged);
    }

    /// Both sides' files: of what both changed, ours, and whether there was any.
    pub fn merge_files(&self, ours: CommitId, theirs: CommitId) -> (State, bool) {
        let base = self.bases(ours, theirs).first().map(|base| self.state(*base));
        let (ours, theirs) = (self.state(ours), self.state(theirs));
        let (mut state, mut conflict) = ((*ours).clone(), false);
        let take = |base: Option<Digest>, ours: Option<Digest>, theirs: Option<Digest>, conflict: &mut bool| {
            *conflict |= ours != theirs && ours != base && theirs != base;
            ours == base && theirs != base
        };
        if take(base.as_ref().map(|base| base.digest), Some(ours.digest), Some(theirs.digest), &mut conflict) {
            (state.manifest, state.digest) = (theirs.manifest.clone(), theirs.digest);
        }
        for (path, doc) in &theirs.secrets {
            let of = |state: &State| state.secrets.get(path).map(|doc| doc.digest);
            if take(base.as_deref().and_then(of), of(&ours), Some(doc.digest), &mut conflict) {
                state.secrets.insert(path.clone(), doc.clone());
            }
        }
        (state, conflict)
    }

    /// Everybody is connected to one honest host, and syncs until nothing changes. Then all that was promised must be so.
    pub fn settle(&mut self) {
        self.heal(0);
        for person in &mut self.people {
            (person.online, person.view) = (true, 0);
        }
        for branch in [0, 1] {
            for round in 0.. {
                assert!(round < 8, "branch {branch} does not come to rest");
                let before = (self.where_all_are(branch), self.views[0].tips[branch]);
                for who in 0..CLONES {
                    if self.people[who].on != branch {
                        self.switch(who);
                    }
                    if self.people[who].on != branch {
                        continue;
                    }
                    if self.sync(who, Killed::Never, None, false) == Ended::WentBack {
                        // The person is told, and says that it was meant.
                        let ended = self.sync(who, Killed::Never, None, true);
                        assert!(matches!(ended, Ended::Done | Ended::NotOwner), "{ended:?}");
                    }
                }
                if (self.where_all_are(branch), self.views[0].tips[branch]) == before {
                    break;
                }
            }
            let (all, tip) = (self.where_all_are(branch), self.views[0].tips[branch].unwrap());
            for (who, at) in all.iter().enumerate() {
                // A reader whose own merge by plain Git lost something has to undo it.
                let stuck = self.people[who].owner.is_none() && (*at).is_some_and(|at| !self.reaches(tip, at));
                assert!(
                    stuck || self.people[who].on != branch || *at == Some(tip),
                    "clone {who} has {at:?} of branch {branch}, and the host {tip}: {all:?}"
                );
            }
            self.check_end(branch, tip);
        }
    }

    fn where_all_are(&self, branch: usize) -> Vec<Option<CommitId>> {
        self.people.iter().map(|person| person.tips[branch]).collect()
    }
}

/// Whether policy and fact agree.
fn is_planned(state: &State) -> bool {
    policy::plan(&state.policy(), state.live().cloned().map(Subject::unchanged)).is_empty()
}
