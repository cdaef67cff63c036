//! A small model of the transaction, walked through whole: every order in which writers, somebody with `git`, and a
//! reader can take their steps, with a death or a failure at each of them, and again in each recovery.
//!
//! Its steps are the lists that the code runs (step.rs), its recovery asks the code's own [`super::recover`] for the
//! verdict, and `real.rs` compares it with real transactions, step by step.
//!
//! A step is one change of the disk that others can see. What lies between two of them (objects, flushes) is invisible;
//! a power cut is a death that may also take back a move of the branch that was not flushed. What it may do to unflushed
//! renames is not in the model (threat model, G2).

use std::collections::HashSet;

mod disk;
mod reader;
mod real;
mod writer;

use disk::{Disk, LAST, PATHS, Version, lies};
use reader::{Reader, Told, What};
use writer::{How, Stranger, Writer, ending};

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    disk: Disk,
    writer: Writer,
    stranger: Stranger,
    reader: Option<Reader>,
    /// The newest change that was acknowledged to whoever made it.
    saved: Version,
    /// The newest change that the machine remembers.
    mark: Version,
    /// The changes that were ever made, one bit each.
    made: u8,
    /// Whether a stranger moved the branch while a change was half done.
    meddled: bool,
}

impl World {
    fn new(stranger: Stranger, reads: bool) -> Vec<Self> {
        let readers = match reads {
            true => [What::Manifest, What::One, What::Shown, What::Two].map(|what| Some(Reader::new(what, 0))).to_vec(),
            false => vec![None],
        };
        let world = |reader| Self {
            disk: Disk::new(),
            writer: Writer::Begins(1),
            stranger,
            reader,
            saved: 0,
            mark: 0,
            made: 1,
            meddled: false,
        };
        readers.into_iter().map(world).collect()
    }

    /// Everything that can happen next.
    fn next(&self) -> Vec<Self> {
        let others = [self.writes(false), self.writes(true), self.dies(), self.loses_power(), self.is_meddled_with()];
        others.into_iter().flatten().chain(self.reads()).collect()
    }

    /// The writer makes a step, or fails to.
    fn writes(&self, fails: bool) -> Option<Self> {
        let (writer, disk) = self.writer.step(&self.disk, fails)?;
        let saved = self.writer.acknowledges(fails).unwrap_or(self.saved);
        let mark = if let Writer::Remembers(change) = self.writer { change } else { self.mark };
        let made = self.made | disk.branch.iter().filter(|commit| **commit <= LAST).fold(0, |bits, at| bits | 1 << at);
        Some(Self { disk, writer, saved, mark, made, ..self.clone() })
    }

    fn dies(&self) -> Option<Self> {
        Some(Self { writer: self.writer.dies()?, ..self.clone() })
    }

    fn loses_power(&self) -> Option<Self> {
        let mut cut = self.dies().filter(|_| !self.disk.flushed)?;
        let Writer::Ends(plan, ..) = self.writer else { return None };
        cut.disk.branch.retain(|commit| *commit != plan.change);
        cut.disk.flushed = true;
        Some(cut)
    }

    fn is_meddled_with(&self) -> Option<Self> {
        // Somebody else's move of the branch is as durable as they make it; ours is what counts here.
        let disk = self.stranger.step(&self.disk)?;
        let half = self.disk.journal.is_some_and(|plan| self.disk.branch.contains(&plan.change));
        let meddled = self.meddled || half || self.stranger == Stranger::Resets;
        Some(Self { disk, stranger: Stranger::Rests, meddled, ..self.clone() })
    }

    fn reads(&self) -> Vec<Self> {
        let Some(reader) = self.reader else { return Vec::new() };
        match reader.look(&self.disk, self.mark) {
            Ok(reader) => vec![Self { reader: Some(reader), ..self.clone() }],
            Err(told) => {
                self.check_told(reader, told);
                // The machine remembers what was told, and the next one begins.
                let mark = self.mark.max(reader.remembers(told));
                let next = |what: &What| Self { mark, reader: Some(Reader::new(*what, mark)), ..self.clone() };
                reader.what.same().iter().map(next).collect()
            }
        }
    }

    /// A reader is told a state that was, and none from before what was ended when it began.
    fn check_told(&self, reader: Reader, told: Told) {
        let (version, there) = match told {
            Told::Value(version) => (version, true),
            Told::Removed(version) => (version, false),
            Told::Vanished if self.meddled => return,
            Told::Vanished => panic!("{reader:?} is told of tampering: {self:?}"),
        };
        assert!(self.made & 1 << version != 0, "{reader:?} is told {told:?}, which never was: {self:?}");
        assert_eq!(reader.what.is_in(version), there, "{reader:?} is told {told:?}: {self:?}");
        assert!(self.meddled || version >= reader.since, "{reader:?} is told {told:?}: {self:?}");
    }

    /// What holds at every moment.
    fn check(&self) {
        let newest = self.disk.newest();
        // Acknowledged, and so made for good: only who takes it back takes it back.
        assert!(self.meddled || newest >= self.saved, "an acknowledged change is lost: {self:?}");
        // No file is touched by a change that is not made, and each is of a change that was.
        for (path, now) in self.disk.files.iter().enumerate() {
            let was = |version: Version| self.made & 1 << version != 0 && lies(path, version) == *now;
            assert!((0..=LAST).any(was), "{} is {now:?}: {self:?}", PATHS[path]);
        }
        match self.writer {
            Writer::Begins(_) | Writer::Rests if self.disk.journal.is_none() && !self.disk.index_lock => {
                self.check_ended();
            }
            Writer::Ends(plan, how, 0, _) => self.check_ending(plan, how),
            _ => {}
        }
        if !self.meddled {
            self.check_readable();
        }
    }

    /// No change is under way: all is old or all is new, or what is not was set aside.
    fn check_ended(&self) {
        let mut disk = self.disk.clone();
        (disk.stage, disk.prepared) = (0, None);
        if disk.is_settled() {
            return;
        }
        assert!(self.meddled, "a third state: {self:?}");
        // A branch that was moved back under a writer who then ended: its files are whole, as after `git reset --soft`.
        if (0..=LAST).any(|version| self.disk.files.iter().enumerate().all(|(path, now)| *now == lies(path, version))) {
            return;
        }
        let Some((Some(plan), stage)) = self.disk.aside else {
            panic!("half a change, and nothing set aside: {self:?}")
        };
        for path in plan.paths() {
            let (now, new) = (self.disk.files[path], lies(path, plan.change));
            let kept = now == new || stage & 1 << path != 0 || new.is_none();
            assert!(kept, "{} is lost: {self:?}", PATHS[path]);
        }
    }

    /// A change is ended in a way that loses nothing.
    fn check_ending(&self, plan: disk::Plan, how: How) {
        let begun = plan.paths().any(|path| {
            let now = self.disk.files[path];
            now == lies(path, plan.change) && now != lies(path, plan.old)
        });
        match how {
            How::Forgotten | How::Withdrawn => assert!(!begun, "forgotten, and half done: {self:?}"),
            How::Finished | How::FinishedLater => assert!(
                plan.paths().all(|path| {
                    self.disk.files[path] == lies(path, plan.change)
                        || lies(path, plan.change).is_none()
                        || self.disk.stage & 1 << path != 0
                }),
                "nothing to finish with: {self:?}"
            ),
            How::SetAside => {}
        }
    }

    /// Whoever begins to read now and is left alone with the disk comes to an end: a writer that stands still, or is dead,
    /// keeps nobody waiting.
    fn check_readable(&self) {
        // Each secret has its own memory; where a reader raised one, it is the only one that the model has.
        let all: &[What] = &[What::Manifest, What::One, What::Shown, What::Two];
        for what in self.reader.map_or(all, |reader| reader.what.same()).iter().copied() {
            let mut reader = Reader::new(what, self.mark);
            let told = (0..60).find_map(|_| match reader.look(&self.disk, self.mark) {
                Ok(next) => {
                    reader = next;
                    None
                }
                Err(told) => Some(told),
            });
            match told {
                Some(told) => self.check_told(reader, told),
                None => panic!("{what:?} cannot be read: {self:?}"),
            }
        }
    }
}

/// Walks through everything that can come of these beginnings; returns how many worlds there are, and which ends were met.
fn walk(beginnings: Vec<World>) -> (usize, HashSet<How>) {
    let mut known: HashSet<World> = HashSet::new();
    let mut open = beginnings;
    let mut ends = HashSet::new();
    while let Some(world) = open.pop() {
        if known.contains(&world) {
            continue;
        }
        world.check();
        if let Writer::Ends(plan, how, made, _) = world.writer {
            assert!(made < ending(plan, how).len());
            ends.insert(how);
        }
        open.extend(world.next());
        known.insert(world);
    }
    (known.len(), ends)
}

#[test]
fn e1_every_death_and_every_failure_in_a_change_or_a_recovery_leaves_old_or_new() {
    let (worlds, ends) = walk(World::new(Stranger::Rests, false));
    assert!(worlds > 300, "only {worlds} worlds: the walk did not get far");
    assert!(ends.contains(&How::FinishedLater) && ends.contains(&How::Forgotten), "{ends:?}");
    assert!(!ends.contains(&How::SetAside), "nothing is set aside where nobody meddles");
}

#[test]
fn e1_a_foreign_commit_or_reset_at_any_moment_loses_nothing() {
    for stranger in [Stranger::Commits, Stranger::Resets] {
        let (worlds, ends) = walk(World::new(stranger, false));
        assert!(worlds > 1_000, "only {worlds} worlds: the walk did not get far");
        assert!(ends.contains(&How::Withdrawn), "{ends:?}");
        assert!(ends.contains(&How::SetAside), "{ends:?}");
    }
}

#[test]
fn e4_a_reader_between_any_two_steps_is_told_old_or_new_and_nothing_that_never_was() {
    for stranger in [Stranger::Rests, Stranger::Commits] {
        let (worlds, _) = walk(World::new(stranger, true));
        assert!(worlds > 5_000, "only {worlds} worlds: the walk did not get far");
    }
}
