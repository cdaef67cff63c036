//! The two locks of a transaction: the vault's, then Git's.
//!
//! The vault's lock is a `flock` on a sentinel beside the journal (never on a file that is replaced by renames), so
//! the kernel frees it when its holder dies. Git's `index.lock` is a file that survives its maker; ours carries a
//! mark, and whoever holds the vault's lock may remove a marked one: its maker is dead.

use super::Workshop;
use crate::error::{Error, Result};
use crate::repo::Repo;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The first bytes of an `index.lock` of ours.
const MARK: &[u8] = b"agent-vault holds this index";
/// How long a living git may leave a branch's lock empty.
const INSTANT: Duration = Duration::from_millis(200);

/// How long to wait for locks that others hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    /// For another agent-vault.
    pub vault: Duration,
    /// For another program that holds Git's index.
    pub index: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self { vault: Duration::from_secs(60), index: Duration::from_secs(10) }
    }
}

/// The vault's lock, held until dropped.
pub(crate) struct VaultLock {
    _file: File,
}

impl VaultLock {
    pub(super) fn take(workshop: &Workshop, wait: Wait) -> Result<Self> {
        std::fs::create_dir_all(&workshop.dir).map_err(Error::io("create", &workshop.dir))?;
        let path = workshop.lock();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        poll(wait.vault, || match file.try_lock() {
            Ok(()) => Some(Ok(())),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => Some(Err(Error::Conflict {
                message: format!(
                    "this file system cannot lock files ({error}), so two writers could destroy each other's work"
                ),
                hint: "keep the repository on a local disk for writing; reading works anywhere".into(),
            })),
        })
        .unwrap_or(Err(Error::Busy { what: "the vault", file: path }))?;
        Ok(Self { _file: file })
    }
}

/// Git's lock of the index, held until dropped.
pub(super) struct IndexLock {
    path: PathBuf,
}

impl IndexLock {
    /// The lock appears whole, with its mark, or not at all: it is a link to a file that is already written.
    pub(super) fn take(repo: &Repo, workshop: &Workshop, wait: Wait) -> Result<Self> {
        let path = repo.index_lock();
        let mark = workshop.dir.join("index-mark");
        std::fs::write(&mark, MARK).map_err(Error::io("write", &mark))?;
        let taken = poll(wait.index, || match std::fs::hard_link(&mark, &path) {
            Ok(()) => Some(Ok(())),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => None,
            Err(error) => Some(Err(Error::io("create", &path)(error))),
        });
        taken.unwrap_or_else(|| Err(Error::Busy { what: "Git's index", file: path.clone() }))?;
        Ok(Self { path })
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes an `index.lock` that a dead agent-vault left. Call it under the vault's lock only.
pub(super) fn remove_stale(path: &Path) -> Result<()> {
    match std::fs::read(path) {
        Ok(bytes) if bytes == MARK => std::fs::remove_file(path).map_err(Error::io("remove", path)),
        _ => Ok(()),
    }
}

/// Removes the lock of a branch that a dead agent-vault left as it moved it to `commit`. libgit2 makes that lock empty
/// and then writes the commit into it. So does a living git, but in the same instant: what stays empty is nobody's. Call
/// it under the vault's lock, and only for a journal's branch.
pub(super) fn remove_stale_ref(path: &Path, commit: &str) -> Result<()> {
    let ours = poll(INSTANT, || match std::fs::read(path) {
        Ok(bytes) if bytes.is_empty() => None,
        Ok(bytes) => Some(bytes.trim_ascii_end() == commit.as_bytes()),
        Err(_) => Some(false),
    });
    if ours.unwrap_or(true) { std::fs::remove_file(path).map_err(Error::io("remove", path)) } else { Ok(()) }
}

/// Tries until it works or time is up, a little longer apart each time.
fn poll<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(done) = attempt() {
            return Some(done);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(pause.mul_f64(0.5 + rand::random::<f64>()));
        pause = (pause * 3 / 2).min(Duration::from_millis(25));
    }
}

#[cfg(test)]
mod tests;
