//! The steps of a change and of its recovery, in their order.
//!
//! What is in these lists is what runs ([`super::Txn`], [`super::end`]), and what the model of the transaction walks
//! through with crashes and readers between any two of them.

use super::Target;
use crate::layout;

/// A step towards the point of no return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Make {
    /// Blobs, trees and the signed commit become Git objects.
    Store,
    /// The journal is written beside its place, where it counts for nothing.
    Prepare,
    /// Objects, staged files and that journal reach the disk.
    Flush,
    /// Missing folders are made, and all are looked at for whether files may be put there.
    Folders,
    /// The journal takes its place, durably.
    Publish,
    /// The branch moves by compare-and-swap: the change is made.
    Move,
}

/// A step after it. Each may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// The moved branch reaches the disk.
    FlushBranch,
    /// The staged file of the target with this number takes its place.
    Put(usize),
    /// The file of the target with this number goes.
    Remove(usize),
    /// Git's index learns of the targets.
    Index,
    /// The journal goes: the transaction is over.
    Close,
    /// What else it left in the workshop goes.
    Clear,
    /// The folders go that were made for files that never came.
    Prune,
    /// The staged files go to the folder of what is set aside.
    KeepStage,
    /// The journal goes there too.
    KeepJournal,
}

/// What a failure of leaves nothing that counts.
pub(super) const PREPARING: [Make; 3] = [Make::Store, Make::Prepare, Make::Flush];

/// What a failure of is taken back by [`WITHDRAWING`].
pub(super) const DECIDING: [Make; 3] = [Make::Folders, Make::Publish, Make::Move];

/// Takes back a journal whose branch did not move.
pub(super) const WITHDRAWING: [End; 2] = [End::Close, End::Prune];

/// The same for one that a dead writer left, with what else it left.
pub(super) const FORGETTING: [End; 3] = [End::Close, End::Clear, End::Prune];

/// Keeps what can be neither finished nor forgotten. The staged files first: without a journal they would be cleared away.
pub(super) const SETTING_ASIDE: [End; 3] = [End::KeepStage, End::KeepJournal, End::Clear];

/// Everything after the branch has moved.
///
/// New files come first, the tombstone before the pair it replaces: a reader never finds a name with nothing behind it.
/// Files go from the last to the first: a `.meta` before its `.enc`, or a reader would find metadata without a ciphertext.
/// A root that follows another comes before all: what stands under it is found in the journal until it is in place.
/// Root 1 comes last: with it a vault of 0.1.0 becomes a signed one, and until all else is in place it is read as what it
/// was.
pub(super) fn finishing(files: &[Target]) -> Vec<End> {
    let (new, gone): (Vec<usize>, Vec<usize>) = (0..files.len()).partition(|at| files[*at].new.is_some());
    let first_root = layout::root(1);
    let (first, others): (Vec<usize>, Vec<usize>) = new.into_iter().partition(|at| files[*at].path == first_root);
    let first_sig = layout::root_sig(1);
    let follows = |path: &str| path.starts_with("roots/") && path != first_sig;
    let (roots, others): (Vec<usize>, Vec<usize>) = others.into_iter().partition(|at| follows(&files[*at].path));
    let steps = roots.into_iter().chain(others).map(End::Put).chain(gone.into_iter().rev().map(End::Remove));
    let steps = [End::FlushBranch].into_iter().chain(steps).chain(first.into_iter().map(End::Put));
    steps.chain([End::Index, End::Close, End::Clear]).collect()
}

/// A step that was made.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Make(Make),
    End(End),
}

/// Called after each step: tests look at the disk there, as a kill would leave it.
#[cfg(not(test))]
pub(super) mod made {
    pub(in super::super) fn make(_: super::Make) {}
    pub(in super::super) fn end(_: super::End) {}
}

#[cfg(test)]
pub(super) mod made {
    use super::{End, Make, Step};
    use std::cell::RefCell;

    type Watcher = Box<dyn FnMut(Step)>;

    thread_local! {
        static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    }

    pub(in super::super) fn make(step: Make) {
        tell(Step::Make(step));
    }

    pub(in super::super) fn end(step: End) {
        tell(Step::End(step));
    }

    fn tell(step: Step) {
        WATCHER.with_borrow_mut(|watcher| watcher.iter_mut().for_each(|watcher| watcher(step)));
    }

    /// Has `watcher` called after each step that this thread makes while `act` runs.
    pub(crate) fn watched<T>(watcher: impl FnMut(Step) + 'static, act: impl FnOnce() -> T) -> T {
        WATCHER.set(Some(Box::new(watcher)));
        let done = act();
        WATCHER.set(None);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_root_comes_before_what_stands_under_it_and_the_first_one_after() {
        let new = || {
            Some(super::super::journal::New { digest: crate::digest::Digest::of(b""), stage: 0, blob: String::new() })
        };
        let order = |paths: &[&str]| -> Vec<usize> {
            let target = |path: &&str| Target { path: (*path).to_owned(), old: None, new: new() };
            let files: Vec<Target> = paths.iter().map(target).collect();
            finishing(&files).iter().filter_map(|step| if let End::Put(at) = step { Some(*at) } else { None }).collect()
        };
        assert_eq!(order(&["manifest.yaml", "roots/2.sig", "roots/2.yaml", "secrets/a/b.meta"]), [1, 2, 0, 3]);
        assert_eq!(order(&["manifest.yaml", "roots/1.sig", "roots/1.yaml", "secrets/a/b.meta"]), [0, 1, 3, 2]);
    }
}
