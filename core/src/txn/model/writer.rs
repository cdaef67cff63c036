//! Those who write: the vault's own writers, one after the other, and somebody with `git` beside them.

use super::disk::{Disk, FOREIGN, LAST, Plan, Version};
use crate::txn::recover::Verdict;
use crate::txn::step::{self, End, Make};

/// The vault's lock lets one of them write at a time; when it dies, the next one recovers first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    /// Takes the lock and looks for a journal; then makes this change.
    Begins(Version),
    /// Makes a change; so many steps are made.
    Makes(Plan, usize),
    /// Ends one; then makes this change.
    Ends(Plan, How, usize, Version),
    /// Has ended a change, and raises what the machine remembers.
    Remembers(Version),
    /// There is nothing more to do.
    Rests,
}

/// Which list of steps an end is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum How {
    Finished,
    /// The same, by another than the change's own writer.
    FinishedLater,
    Withdrawn,
    Forgotten,
    SetAside,
}

/// The steps towards a commit, as the code lists them.
pub(super) fn making() -> impl Iterator<Item = Make> {
    step::PREPARING.into_iter().chain(step::DECIDING)
}

/// The steps of an end, as the code lists them.
pub(super) fn ending(plan: Plan, how: How) -> Vec<End> {
    match how {
        How::Finished | How::FinishedLater => step::finishing(&plan.journal().files),
        How::Withdrawn => step::WITHDRAWING.into(),
        How::Forgotten => step::FORGETTING.into(),
        How::SetAside => step::SETTING_ASIDE.into(),
    }
}

impl Writer {
    /// Makes one step on a disk, which may fail; nothing when there is none to make.
    pub(super) fn step(self, disk: &Disk, fails: bool) -> Option<(Self, Disk)> {
        let mut disk = disk.clone();
        let next = match self {
            Writer::Rests => return None,
            Writer::Begins(change) => {
                if fails {
                    return None;
                }
                disk.index_lock = false;
                match disk.journal {
                    Some(plan) => Self::recovers(&mut disk, plan, change),
                    // What a death before the journal counted has left is cleared away, whoever's it was.
                    None if disk.stage != 0 || disk.prepared.is_some() => {
                        disk.stage &= disk.stage.wrapping_sub(1);
                        if disk.stage == 0 {
                            disk.prepared = None;
                        }
                        self
                    }
                    None if change > LAST || !disk.is_settled() => Writer::Rests,
                    None => {
                        let plan = Plan { change, from: disk.tip(), old: disk.newest() };
                        (disk.index_lock, disk.stage) = (true, plan.staged());
                        Writer::Makes(plan, 0)
                    }
                }
            }
            Writer::Makes(plan, made) => {
                let step = making().nth(made)?;
                if !fails && disk.make(plan, step) {
                    match making().nth(made + 1) {
                        Some(_) => Writer::Makes(plan, made + 1),
                        None => Writer::Ends(plan, How::Finished, 0, plan.change + 1),
                    }
                } else if step::DECIDING.contains(&step) {
                    Writer::Ends(plan, How::Withdrawn, 0, plan.change + 1)
                } else {
                    Self::drops(&mut disk, plan.change + 1)
                }
            }
            Writer::Ends(plan, how, made, then) => {
                let steps = ending(plan, how);
                if fails {
                    return Some((Self::drops(&mut disk, then), disk));
                }
                let whole = disk.end(plan, steps[made]);
                match steps.get(made + usize::from(whole)) {
                    Some(_) => Writer::Ends(plan, how, made + usize::from(whole), then),
                    None => match how {
                        How::Finished => Writer::Remembers(plan.change),
                        _ => Self::drops(&mut disk, then),
                    },
                }
            }
            Writer::Remembers(change) => Self::drops(&mut disk, change + 1),
        };
        Some((next, disk))
    }

    /// Looks what to do with a journal.
    fn recovers(disk: &mut Disk, plan: Plan, then: Version) -> Self {
        let how = match disk.verdict(plan) {
            Verdict::Finish => How::FinishedLater,
            Verdict::Forget => How::Forgotten,
            Verdict::SetAside(_) => How::SetAside,
        };
        disk.index_lock = how == How::FinishedLater;
        Writer::Ends(plan, how, 0, then)
    }

    /// Lets go of everything, as the end of its process in good order does; what has a journal stays.
    fn drops(disk: &mut Disk, then: Version) -> Self {
        disk.index_lock = false;
        if disk.journal.is_none() {
            (disk.stage, disk.prepared) = (0, None);
        }
        Writer::Begins(then)
    }

    /// Dies. Who comes next goes on with the following change.
    pub(super) fn dies(self) -> Option<Self> {
        match self {
            Writer::Begins(_) | Writer::Rests => None,
            Writer::Makes(plan, _) => Some(Writer::Begins(plan.change + 1)),
            Writer::Ends(_, _, _, then) => Some(Writer::Begins(then)),
            Writer::Remembers(change) => Some(Writer::Begins(change + 1)),
        }
    }

    /// The change that its owner is being told of as saved.
    pub(super) fn acknowledges(self, fails: bool) -> Option<Version> {
        match self {
            Writer::Remembers(change) => Some(change),
            // "The change is saved, but its last step failed"; of the first one nobody knows whether it lasts.
            Writer::Ends(plan, How::Finished, made, _) if fails && made > 0 => Some(plan.change),
            _ => None,
        }
    }
}

/// Somebody with `git`, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stranger {
    /// `git commit`
    Commits,
    /// `git reset --soft HEAD^`
    Resets,
    /// Has done it, or does nothing.
    Rests,
}

impl Stranger {
    pub(super) fn step(self, disk: &Disk) -> Option<Disk> {
        let mut disk = disk.clone();
        match self {
            Stranger::Commits => disk.branch.push(FOREIGN),
            Stranger::Resets if disk.branch.len() > 1 => drop(disk.branch.pop()),
            _ => return None,
        }
        Some(disk)
    }
}
