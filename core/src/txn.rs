//! One change of the vault as one transaction: lock, stage, flush, journal, move the branch, rename, index, done.
//!
//! Until the journal is on disk nothing has happened; once the branch has moved, the change has. What was killed in
//! between is finished or forgotten by the next command that writes ([`recover`]). Readers need no lock: a file is
//! replaced by a rename, and a pair whose halves do not fit yet is looked up in the journal.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::layout;
use crate::repo::{Changes, Head, Repo};
use crate::signing::SigningKey;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

mod flush;
mod journal;
mod lock;
mod recover;

pub(crate) use journal::{Journal, Target};
pub(crate) use lock::{VaultLock, Wait};
pub(crate) use recover::{Recovered, recover};

/// Files and folders of the transaction, all in `$GIT_DIR/agent-vault`.
pub(crate) struct Workshop {
    dir: PathBuf,
}

impl Workshop {
    pub(crate) fn new(repo: &Repo) -> Self {
        Self { dir: repo.private_dir() }
    }

    fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    fn journal(&self) -> PathBuf {
        self.dir.join("journal.json")
    }

    fn stage(&self) -> PathBuf {
        self.dir.join("stage")
    }

    fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    fn staged(&self, number: u64) -> PathBuf {
        self.stage().join(number.to_string())
    }

    /// The journal of an unfinished transaction.
    pub(crate) fn read_journal(&self) -> Result<Option<Journal>> {
        Journal::read(&self.journal())
    }

    /// What a path will be once the journal's transaction is finished, if the journal changes it.
    pub(crate) fn pending(&self, folder: &Folder, journal: &Journal, relative: &str, limit: u64) -> Option<Vec<u8>> {
        let new = journal.files.iter().find(|target| target.path == relative)?.new.as_ref()?;
        let staged = std::fs::read(self.staged(new.stage)).ok();
        let bytes = staged.or_else(|| folder.read(relative, limit).ok().flatten())?;
        (Digest::of(&bytes) == new.digest).then_some(bytes)
    }

    /// Removes what an unfinished or finished transaction left.
    fn clear(&self) {
        let _ = std::fs::remove_dir_all(self.stage());
        let _ = std::fs::remove_file(journal::prepared(&self.journal()));
        self.clear_index();
    }

    /// Removes our copy of the index, and libgit2's lock of that copy: while it lies there, no copy can be written.
    fn clear_index(&self) {
        let _ = std::fs::remove_file(self.index());
        let _ = std::fs::remove_file(self.dir.join("index.lock"));
    }
}

/// An open transaction. Dropped without [`Txn::commit`], it leaves nothing behind.
pub(crate) struct Txn<'v> {
    folder: &'v Folder,
    repo: Repo,
    workshop: Workshop,
    head: Head,
    index: Option<git2::Index>,
    next: AtomicU64,
    changes: Mutex<BTreeMap<String, Target>>,
    // Dropped in this order: Git's lock first, ours last.
    _index_lock: lock::IndexLock,
    _lock: lock::VaultLock,
}

/// The part of a transaction that many threads may use at once.
pub(crate) struct Stage<'t> {
    folder: &'t Folder,
    workshop: &'t Workshop,
    next: &'t AtomicU64,
    changes: &'t Mutex<BTreeMap<String, Target>>,
}

impl<'v> Txn<'v> {
    /// Takes the locks, finishes what another process left unfinished, and looks where HEAD is.
    pub(crate) fn begin(folder: &'v Folder, repo: Repo, wait: Wait) -> Result<(Self, Recovered)> {
        repo.check_idle()?;
        let workshop = Workshop::new(&repo);
        let lock = lock::VaultLock::take(&workshop, wait)?;
        let recovered = recover::under_lock(folder, &repo, &workshop)?;
        repo.check_idle()?;
        let index_lock = lock::IndexLock::take(&repo, &workshop, wait)?;
        std::fs::create_dir_all(workshop.stage()).map_err(Error::io("create", workshop.stage()))?;
        let index = repo.read_index(&workshop.index())?;
        let head = repo.head()?;
        let txn = Self {
            folder,
            repo,
            workshop,
            head,
            index: Some(index),
            next: AtomicU64::new(0),
            changes: Mutex::default(),
            _index_lock: index_lock,
            _lock: lock,
        };
        Ok((txn, recovered))
    }

    /// The commit that this transaction builds on.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The repository.
    pub(crate) fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The part for many threads.
    pub(crate) fn stage(&self) -> Stage<'_> {
        Stage { folder: self.folder, workshop: &self.workshop, next: &self.next, changes: &self.changes }
    }

    /// Makes the staged changes one signed commit and puts the files in place. Returns the commit; the locks stay held
    /// until the transaction is dropped.
    ///
    /// # Errors
    /// Nothing has changed, but for [`Error::Unfinished`]: then the change is durable, and the next writing command
    /// (or `check`) completes it.
    pub(crate) fn commit(&mut self, message: &str, author: &str, key: &SigningKey) -> Result<git2::Oid> {
        let changes = std::mem::take(&mut *self.changes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let mut files: Vec<Target> = changes.into_values().collect();
        let staged: Vec<PathBuf> =
            files.iter().filter_map(|file| file.new.as_ref()).map(|new| self.workshop.staged(new.stage)).collect();
        let (blobs, objects) = self.repo.write_blobs(&staged, &self.workshop.stage())?;
        for (new, blob) in files.iter_mut().filter_map(|target| target.new.as_mut()).zip(blobs) {
            new.blob = blob.to_string();
        }
        let journal = Journal::new(&self.head, files);
        let blobs = journal.blobs()?;
        let (commit, trees) = self.repo.build_commit(&self.head, &blobs, message, author, key)?;
        let journal = journal.with_commit(commit);
        let path = self.workshop.journal();
        let prepared = journal.prepare(&path)?;
        flush::files(&self.workshop.dir, &[staged, objects, trees, vec![prepared]].concat())?;
        if let Err(error) = self.make_folders(&journal).and_then(|()| journal::publish(&path)) {
            self.withdraw(&journal)?;
            return Err(error);
        }

        match self.repo.move_ref(&self.head, commit, message) {
            Ok(true) => {}
            moved => {
                // The branch did not move, so nothing has happened yet.
                self.withdraw(&journal)?;
                return Err(moved.err().unwrap_or_else(|| Error::Conflict {
                    message: "the branch moved while the change was being made".into(),
                    hint: "try again; nothing was changed".into(),
                }));
            }
        }
        let unfinished = |error: Error| Error::Unfinished { reason: error.to_string() };
        let index = self.index.take();
        finish(self.folder, &self.repo, &self.workshop, &journal, &blobs, index).map_err(unfinished)?;
        Ok(commit)
    }

    /// Makes the folders of new files, and looks whether all folders may be written, while failing still changes nothing.
    fn make_folders(&self, journal: &Journal) -> Result<()> {
        journal.files.iter().try_for_each(|target| self.folder.make_parents(&target.path))
    }

    /// Takes a journal back whose branch did not move, and the folders made for files that never came.
    fn withdraw(&self, journal: &Journal) -> Result<()> {
        journal::remove(&self.workshop.journal())?;
        journal.files.iter().filter(|target| target.old.is_none()).for_each(|target| self.folder.prune(&target.path));
        Ok(())
    }
}

impl Drop for Txn<'_> {
    fn drop(&mut self) {
        // A journal that is still there is the next command's to finish, and so are its staged files.
        if !self.workshop.journal().exists() {
            self.workshop.clear();
        }
    }
}

impl Stage<'_> {
    /// Stages new content for a path.
    pub(crate) fn put(&self, relative: &str, bytes: &[u8]) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.workshop.staged(number);
        write_new(&path, bytes)?;
        let new = journal::New { digest: Digest::of(bytes), stage: number, blob: String::new() };
        self.record(relative, Some(new))
    }

    /// Stages the removal of a path.
    pub(crate) fn delete(&self, relative: &str) -> Result<()> {
        self.record(relative, None)
    }

    fn record(&self, relative: &str, new: Option<journal::New>) -> Result<()> {
        debug_assert!(layout::is_ours(relative), "{relative}");
        let old = self.folder.read(relative, layout::limit::CIPHERTEXT)?.map(|bytes| Digest::of(&bytes));
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        let target = Target { path: relative.to_owned(), old, new };
        self.changes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(relative.to_owned(), target);
        Ok(())
    }
}

/// Everything after the branch has moved; each step may be repeated.
fn finish(
    folder: &Folder,
    repo: &Repo,
    workshop: &Workshop,
    journal: &Journal,
    blobs: &Changes,
    index: Option<git2::Index>,
) -> Result<()> {
    // What is acknowledged is where the branch is.
    flush::named(&repo.reference_file(&journal.branch))?;
    // New files first, the tombstone before the pair it replaces: a reader never finds a name with nothing behind it.
    let put = |target: &Target| match target.new.as_ref().map(|new| workshop.staged(new.stage)) {
        Some(staged) if staged.exists() => {
            folder.make_parents(&target.path)?;
            folder.adopt(&staged, &target.path)
        }
        _ => Ok(()),
    };
    let is_first_root = |target: &&Target| target.path == layout::root(1);
    journal.files.iter().filter(|target| !is_first_root(target)).try_for_each(put)?;
    // From the last to the first: a `.meta` before its `.enc`, or a reader would find metadata without a ciphertext.
    for target in journal.files.iter().rev().filter(|target| target.new.is_none()) {
        folder.remove(&target.path)?;
    }
    // With root 1 a vault of 0.1.0 becomes a signed one: until all else is in place, it is read as what it was.
    journal.files.iter().filter(is_first_root).try_for_each(put)?;
    let index = match index {
        Some(index) => index,
        None => repo.read_index(&workshop.index())?,
    };
    repo.write_index(index, &workshop.index(), blobs)?;
    journal::remove(&workshop.journal())?;
    workshop.clear();
    Ok(())
}

/// A new file, readable by others as any file in a work tree is: what is staged is ciphertext and public text.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    File::create(path).and_then(|mut file| file.write_all(bytes)).map_err(Error::io("write", path))
}
