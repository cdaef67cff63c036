//! Recovery: any journal over any tree.
//!
//! The first bytes of an input say what lies where ([`Case`]), the rest is the journal itself or a recipe for one.

use crate::digest::Digest;
use crate::folder::Folder;
use crate::repo::Repo;
use crate::txn::{Journal, Recovered, Target, Wait, Workshop, recover};
use std::path::Path;

mod case;
mod world;

use case::Case;
use world::{Found, World};

thread_local! {
    static WORLD: World = World::new();
}

/// Whatever lies in the vault, beside it and in the journal: recovery touches nothing outside the vault's folder and
/// Git's private folder, each file of the change ends old or new, and what it sets aside or cannot finish loses nothing.
pub fn recovery(input: &[u8]) {
    let Some(case) = Case::read(input) else { return };
    WORLD.with(|world| {
        world.lay_out(&case);
        let before = Seen::of(world);
        let outcome = world.recover();
        let after = Seen::of(world);
        before.outside_is_untouched_in(&after);
        before.each_file_is_old_or_new_in(&after);
        match &outcome {
            Ok(outcome) => {
                before.fits(outcome, &after);
                assert!(matches!(world.recover(), Ok(Recovered::Nothing)), "{outcome:?}, and then not nothing");
                assert!(Seen::of(world).vault == after.vault, "{outcome:?}, and then another change");
            }
            Err(error) => before.nothing_is_lost_in(&after, &error.to_string()),
        }
    });
}

impl World {
    fn recover(&self) -> crate::Result<Recovered> {
        let folder = Folder::open(&self.vault())?;
        recover(&folder, &Repo::open(&self.vault())?, Wait::default()).map(|(outcome, _lock)| outcome)
    }
}

/// What can be seen before or after a recovery.
struct Seen {
    vault: Found,
    private: Found,
    outside: Found,
    /// The journal, if it is one that counts.
    journal: Option<Journal>,
    head: String,
}

impl Seen {
    fn of(world: &World) -> Self {
        let (vault, private) = (world.vault(), world.private());
        let mut outside = world.everything();
        let mut take = |dir: &Path| {
            let (inside, rest): (Found, Found) =
                std::mem::take(&mut outside).into_iter().partition(|(path, _)| path.starts_with(dir));
            outside = rest;
            inside
        };
        let (inside, ours) = (take(&vault), take(&private));
        // Git's own files that a recovery may write or, where they are its own stale locks, remove.
        world.written_by_recovery().iter().for_each(|file| drop(outside.remove(file)));
        let repo = Repo::open(&vault).expect("a repository");
        let journal = Workshop::new(&repo).read_journal().ok().flatten();
        let vault = inside.into_iter().map(|(path, bytes)| (path.strip_prefix(&vault).expect("inside").into(), bytes));
        let head = repo.head().ok().and_then(|head| head.commit).map(|oid| oid.to_string()).unwrap_or_default();
        Self { vault: vault.collect(), private: ours, outside, journal, head }
    }

    fn outside_is_untouched_in(&self, after: &Self) {
        for (path, bytes) in &self.outside {
            assert_eq!(after.outside.get(path), Some(bytes), "{} was changed", path.display());
        }
        for path in after.outside.keys() {
            assert!(self.outside.contains_key(path), "{} was made", path.display());
        }
        assert_eq!(self.head, after.head, "the branch was moved");
    }

    /// What the journal says of a path.
    fn targets(&self, path: &Path) -> Vec<&Target> {
        let all = self.journal.iter().flat_map(|journal| &journal.files);
        all.filter(|target| Path::new(&target.path) == path).collect()
    }

    fn each_file_is_old_or_new_in(&self, after: &Self) {
        for (path, bytes) in &after.vault {
            let digests = self.targets(path).into_iter().filter_map(|target| target.new.as_ref()).map(|new| new.digest);
            let new = digests.into_iter().any(|digest| bytes.digest() == Some(digest));
            assert!(self.vault.get(path) == Some(bytes) || new, "{} is neither old nor new", path.display());
        }
        for path in self.vault.keys().filter(|path| !after.vault.contains_key(*path)) {
            let removed = self.targets(path).into_iter().any(|target| target.new.is_none());
            assert!(removed, "{} vanished", path.display());
        }
    }

    fn fits(&self, outcome: &Recovered, after: &Self) {
        let unchanged = self.vault == after.vault;
        assert!(after.journal.is_none(), "{outcome:?}, and the journal is still there");
        match (outcome, &self.journal) {
            (Recovered::Nothing, None) => assert!(unchanged),
            (Recovered::Forgotten, Some(journal)) => {
                assert!(unchanged && journal.from.as_deref().unwrap_or_default() == self.head);
                for target in &journal.files {
                    let now = self.digest(&target.path);
                    let new = target.new.as_ref().map(|new| new.digest);
                    assert!(now == target.old || now != new, "{} was new already: what is old is lost", target.path);
                }
            }
            (Recovered::Finished(paths), Some(journal)) => {
                assert_eq!(journal.to, self.head, "finished, and the branch is elsewhere");
                assert_eq!(*paths, journal.files.iter().map(|target| target.path.clone()).collect::<Vec<_>>());
                for target in &journal.files {
                    assert_eq!(
                        after.digest(&target.path),
                        target.new.as_ref().map(|new| new.digest),
                        "{}",
                        target.path
                    );
                }
            }
            (Recovered::SetAside(folder, _), Some(_)) => {
                assert!(unchanged);
                self.is_kept_in(folder, after);
            }
            (outcome, journal) => panic!("{outcome:?} of {journal:?}"),
        }
    }

    /// The journal and every staged file are in the folder, byte for byte, and what lay in such folders still does.
    fn is_kept_in(&self, folder: &Path, after: &Self) {
        for (path, bytes) in &self.private {
            let now = if is_aside(path) {
                path.clone()
            } else if path.ends_with("journal.json") || is_staged(path) {
                folder.join(path.strip_prefix(folder.parent().expect("a folder above")).expect("a private file"))
            } else {
                continue;
            };
            assert_eq!(after.private.get(&now), Some(bytes), "{} is lost", path.display());
        }
    }

    /// An error leaves the journal, and each staged file where it was or in its place.
    fn nothing_is_lost_in(&self, after: &Self, error: &str) {
        for (path, bytes) in &self.private {
            let staged = is_staged(path);
            if !staged && !path.ends_with("journal.json") && !is_aside(path) {
                continue;
            }
            let kept = after.private.get(path) == Some(bytes) || staged && after.vault.values().any(|now| now == bytes);
            assert!(kept, "{} is lost after: {error}", path.display());
        }
    }

    fn digest(&self, path: &str) -> Option<Digest> {
        self.vault.get(Path::new(path)).and_then(world::Thing::digest)
    }
}

fn is_staged(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with("stage"))
}

fn is_aside(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("set-aside-"))
}
