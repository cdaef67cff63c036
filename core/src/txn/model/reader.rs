//! Readers: they take no lock, and look at one file after the other while all the others go on.
//!
//! The steps are those of `Vault::get` and `Vault::manifest` (vault/read.rs), one look at the disk each.

use super::disk::{Disk, Lies, Plan, Version, lies};

/// What somebody reads: two files that must fit, and the tombstone in whose place they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Manifest,
    /// A secret that each change sets anew.
    One,
    /// The metadata of that secret alone.
    Shown,
    /// A secret that change 1 removes and change 2 makes again.
    Two,
}

impl What {
    /// The file that is read first and says what the other one must be; the other one; the tombstone.
    pub(super) fn files(self) -> (usize, usize, Option<usize>) {
        match self {
            What::Manifest => (1, 0, None),
            What::One | What::Shown => (3, 2, None),
            What::Two => (6, 4, Some(super::disk::GONE)),
        }
    }

    /// Which of these readers have one memory with it.
    pub(super) fn same(self) -> &'static [What] {
        match self {
            What::One | What::Shown => &[What::One, What::Shown],
            What::Two => &[What::Two],
            What::Manifest => &[What::Manifest],
        }
    }

    /// Whether it is there in a version.
    pub(super) fn is_in(self, version: Version) -> bool {
        lies(self.files().0, version).is_some()
    }
}

/// What a reader has learned so far, and so what it looks at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    First,
    /// Has the first file.
    Second(Version),
    /// The two did not fit.
    Journal,
    /// Has a journal; does it count?
    Branch(Plan),
    /// It does. The first file, from the stage; from its place.
    StagedFirst(Plan),
    PlacedFirst(Plan),
    /// The second file, likewise; and as the journal leaves it.
    StagedSecond(Plan, Version),
    PlacedSecond(Plan, Version),
    /// There was no first file: a tombstone?
    Tombstone,
}

/// What a reader tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// The value of a version.
    Value(Version),
    /// It was removed, by the tombstone of a version.
    Removed(Version),
    /// Neither file nor tombstone: somebody made it vanish.
    Vanished,
}

/// One reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    pub what: What,
    pub at: At,
    /// The mark that it was last contradicted by: it looks again as long as that rises.
    pub last: Option<Version>,
    /// The newest change that was ended when it began.
    pub since: Version,
}

impl Reader {
    pub(super) fn new(what: What, since: Version) -> Self {
        Self { what, at: At::First, last: None, since }
    }

    /// One look at the disk. `mark` is what the machine remembers of this secret.
    pub(super) fn look(self, disk: &Disk, mark: Version) -> Result<Self, Told> {
        let (first, second, tombstone) = self.what.files();
        let at = match self.at {
            At::First => match (disk.files[first], tombstone) {
                (Some(version), _) if self.what == What::Shown => return self.tells(Told::Value(version), mark),
                (Some(version), _) => At::Second(version),
                (None, _) => At::Tombstone,
            },
            At::Second(version) if disk.files[second] == Some(version) => {
                return self.tells(Told::Value(version), mark);
            }
            At::Second(_) => At::Journal,
            At::Journal => disk.journal.map_or(At::First, At::Branch),
            At::Branch(plan) if disk.branch.contains(&plan.change) => At::StagedFirst(plan),
            At::Branch(_) => At::First,
            At::StagedFirst(plan) => match staged(disk, plan, first) {
                Some(version) => At::StagedSecond(plan, version),
                None => At::PlacedFirst(plan),
            },
            At::PlacedFirst(plan) => match disk.files[first].filter(|version| self.takes(plan, first, *version)) {
                Some(version) => At::StagedSecond(plan, version),
                None => At::First,
            },
            At::StagedSecond(plan, version) => match staged(disk, plan, second) {
                Some(other) if other == version => return self.tells(Told::Value(version), mark),
                _ => At::PlacedSecond(plan, version),
            },
            At::PlacedSecond(_, version) if disk.files[second] == Some(version) => {
                return self.tells(Told::Value(version), mark);
            }
            At::PlacedSecond(..) => At::First,
            At::Tombstone => {
                let gone = tombstone.and_then(|path| disk.files[path]);
                return self.tells(gone.map_or(Told::Vanished, Told::Removed), mark);
            }
        };
        Ok(Self { at, ..self })
    }

    /// Whether a file in its place is the one that a journal puts there; of the manifest's pair any will do.
    fn takes(self, plan: Plan, path: usize, version: Version) -> bool {
        self.what == What::Manifest || lies(path, plan.change) == Some(version)
    }

    /// Tells what it found, unless the machine has seen something newer: then it looks again while that rises.
    fn tells(self, told: Told, mark: Version) -> Result<Self, Told> {
        let old = match told {
            Told::Value(version) | Told::Removed(version) => version < mark,
            Told::Vanished => true,
        };
        if old && self.last.is_none_or(|last| mark > last) {
            return Ok(Self { at: At::First, last: Some(mark), ..self });
        }
        if old { Err(Told::Vanished) } else { Err(told) }
    }
}

impl Reader {
    /// The version that the machine remembers after this: of what lies in its place only.
    pub(super) fn remembers(self, told: Told) -> Version {
        match (self.at, told) {
            (At::StagedSecond(..) | At::PlacedSecond(..), _) | (_, Told::Vanished) => 0,
            (_, Told::Value(version) | Told::Removed(version)) => version,
        }
    }
}

/// The staged file of a path.
fn staged(disk: &Disk, plan: Plan, path: usize) -> Lies {
    lies(path, plan.change).filter(|_| disk.stage & 1 << path != 0)
}
