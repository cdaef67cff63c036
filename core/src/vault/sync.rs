//! `sync`: fetch, verify, merge, plan and apply, push, until both sides are the same.
//!
//! A merge is pushed before it becomes the branch here: who loses the race throws it away and merges with what won. Killed
//! between the push and the branch, the next sync finds a commit that comes after ours, and takes it.

use super::news::News;
use super::recorded::Act;
use super::weave::{Woven, at, forked};
use super::{Owner, Progress, Vault};
use crate::error::{Error, Result};
use crate::history::chain::Chain;
use crate::identity::Identities;
use crate::merge::Remark;
use crate::policy::{self, Policy, Subject};
use crate::remote::{Manner, Pushed, Remote};
use crate::repo::{Head, Repo};
use git2::Oid;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) mod place;

/// How often a sync begins again because somebody else was first.
const ATTEMPTS: u32 = 40;
/// After one fetch, so often is something changed here before it is looked again what the remote has.
const CHANGES: u32 = 10;
/// The pause after lost races is at most this many times what an attempt takes.
const MOST_ATTEMPTS_LONG: u32 = 16;
/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(10);

/// What `sync` is to do.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// Take what the remote has.
    pub pull: bool,
    /// Give the remote what is here.
    pub push: bool,
    /// Push to this branch of the remote instead of the one that is followed: for a pull request.
    pub branch: Option<String>,
    /// Take a branch that was rewritten, or put back, on purpose.
    pub rewritten: bool,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self { pull: true, push: true, branch: None, rewritten: false }
    }
}

/// Commits that touch other files than the vault's, and would travel with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Travel {
    /// Those that would come in, by id and summary.
    pub incoming: Vec<(String, String)>,
    /// Those that would go out.
    pub outgoing: Vec<(String, String)>,
}

/// Takes what the user's `git` says, line by line, fit for a terminal.
pub type Telling = Arc<dyn Fn(&str) + Send + std::marker::Sync>;

/// Who answers what a sync has to ask.
pub struct Asking<'a> {
    /// Opens the keys: only a merge, or a plan that has to be carried out, needs them.
    pub identities: &'a dyn Fn() -> Result<Identities>,
    /// Whether these commits may travel.
    pub travel: &'a dyn Fn(&Travel) -> Result<bool>,
    /// Progress of proofs and re-encryption.
    pub progress: Progress<'a>,
    /// What the user's `git` says while it works.
    pub telling: Option<Telling>,
}

/// What a sync did.
#[derive(Debug, Clone, Serialize)]
pub struct Synced {
    /// The remote's name.
    pub remote: String,
    /// Where it is, without user and password.
    pub url: String,
    /// The branch that was pushed to or would be.
    pub branch: String,
    /// HEAD afterwards.
    pub head: String,
    /// What came in.
    pub came: News,
    /// What went out.
    pub went: News,
    /// Commits that were pushed.
    pub pushed: usize,
    /// Commits that are here and not at the remote.
    pub unpushed: usize,
    /// Whether two states were merged.
    pub merged: bool,
    /// Secrets that were encrypted anew.
    pub reencrypted: usize,
    /// Secrets whose readers are not those that policy names, and that wait for an owner's sync.
    pub waiting: usize,
    /// Choices that a merge made.
    pub remarks: Vec<Remark>,
}

/// How the two sides stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    /// The remote has what we do not.
    Behind,
    /// We have what the remote does not.
    Ahead,
    Diverged,
}

/// What follows from one look at both sides.
enum Next {
    Done(Box<Synced>),
    /// Something changed here. What the remote had is known: that somebody pushed since is found when our push is rejected.
    Again(Option<Oid>),
    /// Somebody else pushed first.
    Late,
}

/// One run of `sync`.
struct Sync<'s> {
    vault: &'s Vault,
    repo: Repo,
    remote: Remote,
    /// The branch of the remote that is followed.
    branch: String,
    options: &'s SyncOptions,
    asking: &'s Asking<'s>,
    keys: std::cell::OnceCell<Identities>,
    allowed: std::cell::Cell<bool>,
    /// How long a person took to answer, since it was last asked.
    answering: std::cell::Cell<Duration>,
    synced: Synced,
    /// HEAD when it began.
    began: Oid,
}

impl Vault {
    /// Brings this working copy and its remote together.
    ///
    /// # Errors
    /// [`Error::Remote`] when the remote cannot be reached or refuses; [`Error::Tampered`] for what breaks a rule, with the
    /// local state as it was; [`Error::Rollback`] when the remote went back; [`Error::Conflict`] without a remote, on a
    /// detached HEAD, over local changes, and for two successors of one root; [`Error::Refused`] when other commits may not
    /// travel; and those of every write.
    pub fn sync(&self, options: &SyncOptions, asking: &Asking<'_>) -> Result<Synced> {
        let repo = Repo::open(&self.dir)?;
        repo.check_idle()?;
        let head = repo.head()?;
        if head.reference == "HEAD" {
            return Err(Error::Conflict {
                message: "HEAD is detached: there is no branch to sync".into(),
                hint: "check a branch out (`git switch BRANCH`), then sync; reading works meanwhile".into(),
            });
        }
        let Some((remote, branch)) = Remote::of(&repo)? else {
            return Err(Error::Conflict {
                message: "this repository has no remote".into(),
                hint: "add one (`git remote add origin URL`), then sync".into(),
            });
        };
        let remote = match &asking.telling {
            Some(sink) => remote.telling(sink.clone()),
            None => remote,
        };
        drop(self.settle()?);
        repo.protect_bytes()?;
        repo.name_driver()?;
        let began = at(&repo.head()?)?;
        let synced = Synced {
            remote: remote.name().to_owned(),
            url: remote.url(),
            branch: options.branch.clone().unwrap_or_else(|| short(&branch).to_owned()),
            head: began.to_string(),
            came: News::default(),
            went: News::default(),
            pushed: 0,
            unpushed: 0,
            merged: false,
            reencrypted: 0,
            waiting: 0,
            remarks: Vec::new(),
        };
        let sync = Sync {
            vault: self,
            repo,
            remote,
            branch,
            options,
            asking,
            keys: std::cell::OnceCell::new(),
            allowed: std::cell::Cell::new(false),
            answering: std::cell::Cell::default(),
            synced,
            began,
        };
        sync.run()
    }
}

impl Sync<'_> {
    fn run(mut self) -> Result<Synced> {
        let mut took = Duration::ZERO;
        for lost in 0..ATTEMPTS {
            std::thread::sleep(pause(lost, took, rand::random()));
            let begun = Instant::now();
            let theirs = self.remote.fetch(&self.branch, Manner::Asked)?;
            if let Some(done) = self.bring_together(theirs)? {
                return Ok(done);
            }
            took = begun.elapsed().saturating_sub(self.answering.take());
        }
        Err(Error::Conflict {
            message: format!("others were first {ATTEMPTS} times in a row"),
            hint: "nothing is lost: run `agent-vault sync` again".into(),
        })
    }

    /// Until both sides are the same; none when the remote has moved meanwhile.
    fn bring_together(&mut self, mut theirs: Option<Oid>) -> Result<Option<Synced>> {
        for change in 0..CHANGES {
            // Another process may have moved what this one had open.
            self.repo = Repo::open(&self.vault.dir)?;
            let head = self.repo.head()?;
            match self.attempt(&head, at(&head)?, theirs, change == 0)? {
                Next::Done(synced) => return Ok(Some(*synced)),
                Next::Again(now) => theirs = now,
                Next::Late => break,
            }
        }
        Ok(None)
    }

    /// One look at both sides and what follows from it. What the remote has is compared with what was seen of it, and
    /// remembered, when it was just fetched: later, another process may have seen more.
    fn attempt(&mut self, head: &Head, ours: Oid, theirs: Option<Oid>, just_fetched: bool) -> Result<Next> {
        let known = self.vault.proven(&self.repo, &self.remote, &self.branch)?;
        self.remote.complete(&self.repo, &[vec![ours], theirs.into_iter().collect()].concat(), Manner::Asked)?;
        if let Some(parents) = self.vault.botched(&self.repo)? {
            let woven = self.owner(|owner| owner.remerge(&self.repo, parents, self.asking.progress))?;
            self.note(woven);
            return Ok(Next::Again(theirs));
        }
        let mine = self.vault.admit(&self.repo, ours, &known.all(), self.asking.progress)?;
        let Some(theirs) = theirs else { return self.give(ours, None) };
        if just_fetched && !self.options.rewritten && self.options.pull {
            known.check_remote(self.vault, &self.repo, theirs)?;
        }
        let known = [known.all(), vec![ours]].concat();
        let admitted = self.vault.admit(&self.repo, theirs, &known, self.asking.progress)?;
        self.check_roots(mine.as_deref(), admitted.as_deref())?;
        if just_fetched {
            self.vault.remember_remote(&self.repo, &self.remote, &self.branch, theirs);
        }
        let relation = self.relation(ours, theirs)?;
        match relation {
            Relation::Same | Relation::Ahead => self.give(ours, Some(theirs)),
            _ if !self.options.pull => Err(Error::Conflict {
                message: format!("{} has commits that are not here", self.remote.name()),
                hint: "run `agent-vault sync` without --push: it takes them, merges, and then pushes".into(),
            }),
            Relation::Behind => {
                self.ask(Some((theirs, ours)), None)?;
                self.vault.advance(head, theirs)?;
                Ok(Next::Again(Some(theirs)))
            }
            Relation::Diverged => self.merge(head, [ours, theirs]),
        }
    }

    fn relation(&self, ours: Oid, theirs: Oid) -> Result<Relation> {
        Ok(match (self.repo.reaches(ours, theirs)?, self.repo.reaches(theirs, ours)?) {
            (true, true) => Relation::Same,
            (true, false) => Relation::Ahead,
            (false, true) => Relation::Behind,
            (false, false) => Relation::Diverged,
        })
    }

    /// Two successors of one root stop everything but reading.
    fn check_roots(&self, ours: Option<&Chain>, theirs: Option<&Chain>) -> Result<()> {
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if !ours.extends(theirs) && !theirs.extends(ours) => Err(forked(ours, theirs)),
            _ => Ok(()),
        }
    }

    fn note(&mut self, woven: Woven) {
        self.synced.merged = true;
        self.synced.reencrypted += woven.reencrypted;
        self.synced.remarks.extend(woven.remarks);
    }

    /// Merges, pushes the merge, and only then moves the branch here.
    fn merge(&mut self, head: &Head, [ours, theirs]: [Oid; 2]) -> Result<Next> {
        self.ask(Some((theirs, ours)), self.options.push.then_some((ours, theirs)))?;
        let woven = self.owner(|owner| {
            let woven = owner.weave(&self.repo, [ours, theirs], None, self.asking.progress);
            owner.record_merge(&woven);
            woven
        })?;
        let mut remote_has = theirs;
        if self.options.push && self.options.branch.is_none() {
            match self.remote.push(woven.commit, &self.branch, Manner::Asked)? {
                Pushed::Done => {}
                Pushed::Rejected => return Ok(Next::Late),
                Pushed::Refused(reason) => return Err(self.refused(reason)),
            }
            self.synced.pushed += 1 + self.repo.order(ours, &[theirs], true)?.len();
            self.vault.remember_pushed(&self.repo, &self.remote, &self.branch, woven.commit);
            remote_has = woven.commit;
        }
        self.synced.went = self.vault.news(&self.repo, Some(theirs), woven.commit)?;
        self.vault.advance(head, woven.commit)?;
        self.note(woven);
        Ok(Next::Again(Some(remote_has)))
    }

    /// What is here is what the remote has, or comes after it: plans the whole vault, and pushes.
    fn give(&mut self, ours: Oid, theirs: Option<Oid>) -> Result<Next> {
        if self.mend(ours)? {
            return Ok(Next::Again(theirs));
        }
        let unpushed = self.repo.order(ours, theirs.as_slice(), true)?.len();
        let target = self.options.branch.as_ref().map(|name| format!("refs/heads/{name}"));
        if self.options.push && (unpushed > 0 || target.is_some()) {
            self.ask(None, Some((ours, theirs.unwrap_or(ours))))?;
            match self.remote.push(ours, target.as_deref().unwrap_or(&self.branch), Manner::Asked)? {
                Pushed::Done => {}
                Pushed::Rejected if target.is_some() => {
                    return Err(Error::Conflict {
                        message: format!("{} has other commits on that branch", self.remote.name()),
                        hint: "name another branch with --branch".into(),
                    });
                }
                Pushed::Rejected => return Ok(Next::Late),
                Pushed::Refused(reason) => return Err(self.refused(reason)),
            }
            self.synced.went = self.vault.news(&self.repo, theirs, ours)?;
            self.synced.pushed += unpushed;
            if target.is_none() {
                self.vault.remember_pushed(&self.repo, &self.remote, &self.branch, ours);
            }
        } else {
            self.synced.unpushed = unpushed;
        }
        self.vault.settle_mark(&self.repo, ours, self.synced.waiting == 0);
        self.synced.came = self.vault.news(&self.repo, Some(self.began), ours)?;
        self.synced.head = ours.to_string();
        Ok(Next::Done(Box::new(self.synced.clone())))
    }

    /// After commits that were made elsewhere, policy and fact may differ: an owner makes them agree, in a commit of its
    /// own. Says whether there is one.
    fn mend(&mut self, ours: Oid) -> Result<bool> {
        if self.vault.is_marked(&self.repo, ours)? {
            return Ok(false);
        }
        let trusted = self.vault.current()?;
        let (manifest, _) = self.vault.manifest_with_digest(&trusted)?;
        let subjects = match self.vault.unplanned(&self.repo, ours)? {
            Some(paths) => self.vault.metadata_of(&paths, &trusted)?,
            None => self.vault.all_metadata(&trusted)?,
        };
        let subjects = subjects.into_iter().map(|(metadata, _)| Subject::unchanged(metadata));
        let steps = policy::plan(&Policy::new(&trusted.root, &manifest), subjects);
        if steps.is_empty() {
            return Ok(false);
        }
        let mended = self.owner(|owner| owner.mend(self.asking.progress));
        match mended {
            Ok(secrets) => {
                self.synced.reencrypted += secrets;
                Ok(true)
            }
            // A reader cannot; it goes on with what it has.
            Err(Error::NotOwner { .. } | Error::NoKey { .. }) => {
                self.synced.waiting = steps.len();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Does something as an owner; the keys are opened once.
    fn owner<T>(&self, act: impl FnOnce(&Owner<'_>) -> Result<T>) -> Result<T> {
        let keys = match self.keys.get() {
            Some(keys) => keys,
            None => {
                let opened = self.answered(|| (self.asking.identities)())?;
                self.keys.get_or_init(|| opened)
            }
        };
        act(&self.vault.unlock(keys)?)
    }

    /// Asks a person, and counts how long the answer takes.
    fn answered<T>(&self, ask: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let answer = ask();
        self.answering.set(self.answering.get() + begun.elapsed());
        answer
    }

    /// Asks, once, whether commits may travel that touch other files than the vault's.
    fn ask(&self, incoming: Option<(Oid, Oid)>, outgoing: Option<(Oid, Oid)>) -> Result<()> {
        if self.allowed.get() {
            return Ok(());
        }
        let told = |range: Option<(Oid, Oid)>| -> Result<Vec<(String, String)>> {
            let Some((tip, hidden)) = range else { return Ok(Vec::new()) };
            let hidden = if tip == hidden { Vec::new() } else { vec![hidden] };
            let commits = self.repo.travellers(tip, &hidden)?;
            commits.into_iter().map(|id| Ok((id.to_string(), self.repo.authorship(id)?.summary))).collect()
        };
        let travel = Travel { incoming: told(incoming)?, outgoing: told(outgoing)? };
        if travel == Travel::default() || self.answered(|| (self.asking.travel)(&travel))? {
            self.allowed.set(travel != Travel::default());
            return Ok(());
        }
        Err(Error::Refused { what: "commits that touch other files would travel with the vault's".into() })
    }

    fn refused(&self, reason: String) -> Error {
        Error::Remote { url: self.remote.url(), reason: format!("it refused the push: {reason}") }
    }
}

impl Owner<'_> {
    /// Plans the whole vault and applies it: what a merge that was not ours left undone.
    fn mend(&self, progress: Progress<'_>) -> Result<usize> {
        let change = self.write(Act::new("sync"), |session| {
            let subjects: Vec<Subject> = session.all()?.into_iter().map(Subject::unchanged).collect();
            session.conclude(subjects, "encrypt for those who may read after a merge", false, progress)
        })?;
        let changed: BTreeSet<&str> = change.gains.iter().chain(&change.loses).map(|(path, _)| path.as_str()).collect();
        Ok(changed.len())
    }
}

/// A branch's name as people say it.
fn short(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").unwrap_or(reference)
}

/// How long to wait after so many lost races: a part, drawn by lot, of a window that doubles with each. It is measured in
/// what the last attempt took, so that about as many compete as the host can serve, be it fast or slow, and its growth ends
/// early, so that nobody sleeps long while the host is idle.
fn pause(lost: u32, attempt: Duration, lot: f64) -> Duration {
    let Some(doublings) = lost.checked_sub(1) else { return Duration::ZERO };
    let window = attempt.saturating_mul(2_u32.saturating_pow(doublings).min(MOST_ATTEMPTS_LONG));
    window.min(LONGEST).mul_f64(lot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_follows_a_lost_race_and_its_window_doubles_and_ends() {
        let window = |lost, attempt| pause(lost, Duration::from_millis(attempt), 1.0).as_millis();
        assert_eq!([0, 1, 2, 5, 6, 40].map(|lost| window(lost, 100)), [0, 100, 200, 1600, 1600, 1600]);
        assert_eq!(window(9, 5_000), LONGEST.as_millis(), "a slow host does not make it sleep for minutes");
        assert_eq!(pause(3, Duration::from_millis(100), 0.25), Duration::from_millis(100), "the lot says which part");
    }
}
