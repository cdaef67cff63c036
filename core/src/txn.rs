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

mod end;
mod flush;
mod journal;
mod lock;
#[cfg(test)]
mod model;
mod recover;
mod step;

pub(crate) use journal::{Journal, Target};
pub(crate) use lock::{VaultLock, Wait};
pub(crate) use recover::{Recovered, recover};

use end::Ending;
use step::Make;
#[cfg(test)]
pub(crate) use step::{Make as MakeStep, Step, made::watched};

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

    /// A folder for files that are on their way to Git's objects; it goes when it is dropped.
    pub(crate) fn scratch(&self) -> Result<Scratch> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = self.dir.join(format!("scratch-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        Ok(Scratch(dir))
    }

    /// Flushes files to the disk.
    pub(crate) fn flush(&self, files: &[PathBuf]) -> Result<()> {
        flush::files(&self.dir, files)
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

/// A folder that goes when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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
        self.conclude(Product::New { message, author, key })
    }

    /// Moves the branch to a commit that is there already, and puts the vault's files of that commit in place. Both
    /// commits must differ in the vault alone, and `to` must come after HEAD: the caller sees to that.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a file that would be replaced is not HEAD's; and those of [`Txn::commit`].
    pub(crate) fn advance(&mut self, to: git2::Oid) -> Result<()> {
        let (from, into) = (self.repo.vault_tree(self.head.commit)?, self.repo.vault_tree(Some(to))?);
        let mut blobs = Changes::new();
        for (path, (old, new)) in self.repo.changed_files(from, into)? {
            self.check_unchanged(&path, old)?;
            match new {
                Some(oid) => {
                    let bytes = self.repo.content(oid, layout::limit::CIPHERTEXT)?;
                    let bytes = bytes.ok_or_else(|| Error::corrupt(self.folder.path(&path), "it is too large"))?;
                    self.stage().put(&path, &bytes)?;
                }
                None => self.stage().delete(&path)?,
            }
            blobs.insert(path, new);
        }
        self.conclude(Product::Existing { commit: to, blobs }).map(drop)
    }

    /// Refuses to replace a file that is neither HEAD's nor staged as HEAD's.
    fn check_unchanged(&self, path: &str, head: Option<git2::Oid>) -> Result<()> {
        let bytes = self.folder.read(path, layout::limit::CIPHERTEXT)?;
        let file = bytes.map(|bytes| crate::repo::blob_id(&bytes)).transpose()?;
        let staged = self.index.as_ref().and_then(|index| self.repo.indexed(index, path));
        if file == head && staged == head {
            return Ok(());
        }
        Err(Error::Conflict {
            message: format!("{} was changed here and is not committed", self.folder.path(path).display()),
            hint: "commit it, or bring it back with `git checkout HEAD -- .agent-vault`; then try again".into(),
        })
    }

    /// Everything from the staged files on.
    fn conclude(&mut self, product: Product<'_>) -> Result<git2::Oid> {
        let changes = std::mem::take(&mut *self.changes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let journal = Journal::new(&self.head, changes.into_values().collect());
        let mut making = Making { journal, commit: git2::Oid::ZERO_SHA1, unflushed: Vec::new(), product };
        step::PREPARING.into_iter().try_for_each(|step| self.make(step, &mut making))?;
        for step in step::DECIDING {
            if let Err(error) = self.make(step, &mut making) {
                // The branch did not move, so nothing has happened yet.
                self.ending(&making.journal, None).run(step::WITHDRAWING)?;
                return Err(error);
            }
        }
        let index = self.index.take();
        let finished = self.ending(&making.journal, index).run(step::finishing(&making.journal.files));
        finished.map_err(|error| Error::Unfinished { reason: error.to_string() })?;
        Ok(making.commit)
    }

    fn ending<'t>(&'t self, journal: &'t Journal, index: Option<git2::Index>) -> Ending<'t> {
        Ending { folder: self.folder, repo: &self.repo, workshop: &self.workshop, journal, index }
    }

    fn make(&self, step: Make, making: &mut Making<'_>) -> Result<()> {
        match step {
            Make::Store => self.store(making)?,
            Make::Prepare => making.unflushed.push(making.journal.prepare(&self.workshop.journal())?),
            Make::Flush => flush::files(&self.workshop.dir, &making.unflushed)?,
            Make::Folders => {
                making.journal.files.iter().try_for_each(|target| self.folder.make_parents(&target.path))?;
            }
            Make::Publish => journal::publish(&self.workshop.journal())?,
            Make::Move if !self.repo.move_ref(&self.head, making.commit, &making.product.log())? => {
                return Err(Error::Conflict {
                    message: "the branch moved while the change was being made".into(),
                    hint: "try again; nothing was changed".into(),
                });
            }
            Make::Move => {}
        }
        step::made::make(step);
        Ok(())
    }

    /// Makes Git objects of the staged files and of the commit, and enters them in the journal.
    fn store(&self, making: &mut Making<'_>) -> Result<()> {
        let new = making.journal.files.iter().filter_map(|target| target.new.as_ref());
        let staged: Vec<PathBuf> = new.map(|new| self.workshop.staged(new.stage)).collect();
        match &making.product {
            Product::New { message, author, key } => {
                let (blobs, objects) = self.repo.write_blobs(&staged, &self.workshop.stage())?;
                making.journal.set_blobs(blobs);
                let changes = making.journal.blobs()?;
                let (commit, trees) = self.repo.build_commit(&self.head, &changes, message, author, key)?;
                making.commit = commit;
                making.unflushed = [staged, objects, trees].concat();
            }
            Product::Existing { commit, blobs } => {
                let new = making.journal.files.iter().filter(|target| target.new.is_some());
                let blobs = new.filter_map(|target| blobs.get(&target.path).copied().flatten()).collect();
                making.journal.set_blobs(blobs);
                making.commit = *commit;
                making.unflushed = staged;
            }
        }
        making.journal.to = making.commit.to_string();
        Ok(())
    }
}

/// A change on its way to its commit.
struct Making<'a> {
    journal: Journal,
    commit: git2::Oid,
    unflushed: Vec<PathBuf>,
    product: Product<'a>,
}

/// The commit that the branch moves to.
enum Product<'a> {
    /// One that is made of what is staged.
    New { message: &'a str, author: &'a str, key: &'a SigningKey },
    /// One that lies there already, with the objects of the files that are staged.
    Existing { commit: git2::Oid, blobs: Changes },
}

impl Product<'_> {
    /// What Git's log of the branch says.
    fn log(&self) -> String {
        match self {
            Product::New { message, .. } => format!("commit: {message}"),
            Product::Existing { .. } => "agent-vault sync: Fast-forward".into(),
        }
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

/// A new file, readable by others as any file in a work tree is: what is staged is ciphertext and public text.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    File::create(path).and_then(|mut file| file.write_all(bytes)).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests;
