//! What is on disk, as far as it matters, and what each step does to it.

use crate::digest::Digest;
use crate::repo::Head;
use crate::txn::journal::{Journal, New, Target};
use crate::txn::recover::{Now, Verdict, verdict};
use crate::txn::step::{End, Make};
use git2::Oid;

/// The manifest's pair, a secret that changes, and one that goes and comes back.
pub(super) const PATHS: [&str; 7] = [
    "manifest.sig",
    "manifest.yaml",
    "secrets/a/one.enc",
    "secrets/a/one.meta",
    "secrets/b/two.enc",
    "secrets/b/two.gone",
    "secrets/b/two.meta",
];
/// The tombstone among them.
pub(super) const GONE: usize = 5;

/// A state of the whole vault: 0 before all changes, n after change n, which changes every path.
pub(super) type Version = u8;

/// The last change of the story.
pub(super) const LAST: Version = 2;
/// The commit of somebody else's.
pub(super) const FOREIGN: u8 = 9;

/// What a path holds: its content of a version, or nothing.
pub(super) type Lies = Option<Version>;

/// What a path holds in a version: change 1 buries the second secret, change 2 makes it again.
pub(super) fn lies(path: usize, version: Version) -> Lies {
    let there = match path {
        4 | 6 => version != 1,
        GONE => version == 1,
        _ => true,
    };
    there.then_some(version)
}

/// The bytes of a path's content.
pub(super) fn text(path: usize, version: Version) -> String {
    format!("{} of {version}\n", PATHS[path])
}

pub(super) fn digest(path: usize, lies: Lies) -> Option<Digest> {
    lies.map(|version| Digest::of(text(path, version).as_bytes()))
}

pub(super) fn id(commit: u8) -> Oid {
    Oid::from_bytes(&[commit + 1; 20]).expect("twenty bytes")
}

/// A change: what its journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    pub change: Version,
    /// The commit it builds on.
    pub from: u8,
    /// The state of the files before it.
    pub old: Version,
}

impl Plan {
    /// The real journal.
    pub(super) fn journal(self) -> Journal {
        let head = Head { reference: "refs/heads/main".into(), commit: Some(id(self.from)) };
        let target = |path: usize| {
            let new = digest(path, lies(path, self.change));
            let new = new.map(|digest| New { digest, stage: path as u64, blob: id(0).to_string() });
            Target { path: PATHS[path].into(), old: digest(path, lies(path, self.old)), new }
        };
        let mut journal = Journal::new(&head, self.paths().map(target).collect());
        journal.to = id(self.change).to_string();
        journal
    }

    /// The path of each target.
    pub(super) fn paths(self) -> impl Iterator<Item = usize> {
        (0..PATHS.len()).filter(move |path| lies(*path, self.old).is_some() || lies(*path, self.change).is_some())
    }

    fn path(self, target: usize) -> usize {
        self.paths().nth(target).expect("a target")
    }

    /// The paths that get new content, one bit each.
    pub(super) fn staged(self) -> u8 {
        (0..PATHS.len()).filter(|path| lies(*path, self.change).is_some()).fold(0, |bits, path| bits | 1 << path)
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    /// The commits of the branch, first to last: 0, those of changes, somebody else's.
    pub branch: Vec<u8>,
    /// Whether the branch's last move has reached the disk.
    pub flushed: bool,
    pub prepared: Option<Plan>,
    pub journal: Option<Plan>,
    /// One bit for each path whose staged file is there.
    pub stage: u8,
    pub files: [Lies; PATHS.len()],
    pub index: [Lies; PATHS.len()],
    /// Git's index, locked with our mark.
    pub index_lock: bool,
    /// What was set aside: journal and staged files.
    pub aside: Option<(Option<Plan>, u8)>,
}

impl Disk {
    /// Before all changes.
    pub(super) fn new() -> Self {
        let files = std::array::from_fn(|path| lies(path, 0));
        Self {
            branch: vec![0],
            flushed: true,
            prepared: None,
            journal: None,
            stage: 0,
            files,
            index: files,
            index_lock: false,
            aside: None,
        }
    }

    /// The commit that the branch is at.
    pub(super) fn tip(&self) -> u8 {
        *self.branch.last().expect("there is a first commit")
    }

    /// The newest change in the branch's history.
    pub(super) fn newest(&self) -> Version {
        self.branch.iter().copied().filter(|commit| *commit != FOREIGN).max().unwrap_or(0)
    }

    /// Whether nothing of a transaction is left, and every file and the index are what the branch says.
    pub(super) fn is_settled(&self) -> bool {
        let tidy = self.journal.is_none() && self.prepared.is_none() && self.stage == 0 && !self.index_lock;
        let said: [Lies; PATHS.len()] = std::array::from_fn(|path| lies(path, self.newest()));
        tidy && self.files == said && self.index == said
    }

    /// Makes a step towards the commit; whether it succeeded.
    pub(super) fn make(&mut self, plan: Plan, step: Make) -> bool {
        match step {
            // Nobody sees objects, flushes and empty folders.
            Make::Store | Make::Flush | Make::Folders => {}
            Make::Prepare => self.prepared = Some(plan),
            Make::Publish => self.journal = self.prepared.take(),
            Make::Move if self.tip() != plan.from => return false,
            Make::Move => {
                self.branch.push(plan.change);
                self.flushed = false;
            }
        }
        true
    }

    /// Makes a step of an end; whether it is whole (files are cleared away one by one).
    pub(super) fn end(&mut self, plan: Plan, step: End) -> bool {
        match step {
            End::FlushBranch => self.flushed = true,
            End::Put(target) => {
                let path = plan.path(target);
                if self.stage & 1 << path != 0 {
                    self.stage &= !(1 << path);
                    self.files[path] = Some(plan.change);
                }
            }
            End::Remove(target) => self.files[plan.path(target)] = None,
            End::Index => plan.paths().for_each(|path| self.index[path] = lies(path, plan.change)),
            End::Close => self.journal = None,
            End::Clear if self.stage != 0 => {
                self.stage &= self.stage - 1;
                return false;
            }
            End::Clear => self.prepared = None,
            End::Prune => {}
            End::KeepStage => {
                // A second set of staged files would need a second folder; there is none in this story.
                assert!(self.stage == 0 || self.aside.is_none_or(|(_, stage)| stage == 0), "{self:?}");
                let (journal, stage) = self.aside.unwrap_or_default();
                self.aside = Some((journal, stage | self.stage));
                self.stage = 0;
            }
            End::KeepJournal => {
                self.aside = Some((self.journal, self.aside.unwrap_or_default().1));
                self.journal = None;
            }
        }
        true
    }

    /// What the real recovery decides here.
    pub(super) fn verdict(&self, plan: Plan) -> Verdict {
        let journal = plan.journal();
        let now = plan.paths().map(|path| Now {
            file: digest(path, self.files[path]),
            staged: digest(path, lies(path, plan.change)).filter(|_| self.stage & 1 << path != 0),
        });
        let head = Head { reference: journal.branch.clone(), commit: Some(id(self.tip())) };
        verdict(&journal, &head, &now.collect::<Vec<_>>())
    }
}
