//! The bytes to look at: what is staged, what a history holds, what lies in files.
//!
//! Git's objects are read as Git has them: no filter, no text conversion, no attribute changes what is seen.

use crate::report::{Located, Place, Scanner};
use agent_vault_core::error::{Error, Result, printable};
use git2::{ErrorCode, ObjectType, Oid, Repository, RepositoryOpenFlags};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

mod files;
mod history;
mod staged;

pub use files::{files, worktree};
pub use history::{Reach, history};
pub use staged::{staged, staged_file};

/// The largest blob or file that is looked at, in bytes: where Git, too, begins to treat files as too big
/// (`core.bigFileThreshold`). Larger ones are a finding, to be excused by the allow list.
pub const LARGEST: u64 = 512 << 20;
/// Below this many, starting threads costs more than they bring.
const FEW: usize = 16;

/// A repository, opened anew by each thread that reads from it.
#[derive(Debug, Clone)]
pub struct Repo {
    /// Where it is; none for the one that Git's environment names.
    dir: Option<PathBuf>,
}

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Blob {
    pub(crate) id: Oid,
    pub(crate) place: Place,
}

impl Repo {
    /// The repository and index that Git tells its hooks of (`GIT_DIR`, `GIT_INDEX_FILE`, `GIT_WORK_TREE`,
    /// `GIT_OBJECT_DIRECTORY`; githooks(5)), or the one around the working directory.
    pub fn of_hook() -> Self {
        Self { dir: None }
    }

    /// The repository around a folder.
    pub fn around(dir: &Path) -> Self {
        Self { dir: Some(dir.to_path_buf()) }
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Git`] for one that cannot be opened.
    pub fn open(&self) -> Result<Repository> {
        agent_vault_sys::allow_foreign_repositories();
        let (dir, flags) = match &self.dir {
            Some(dir) => (dir.as_path(), RepositoryOpenFlags::CROSS_FS),
            None => (Path::new("."), RepositoryOpenFlags::CROSS_FS | RepositoryOpenFlags::FROM_ENV),
        };
        let opened = Repository::open_ext(dir, flags, std::iter::empty::<&Path>());
        opened.map_err(|error| match error.code() {
            ErrorCode::NotFound => {
                Error::NotFound { what: "Git repository", name: printable(&dir.to_string_lossy()), near: None }
            }
            _ => Error::unopened(error),
        })
    }

    /// Opens it, if there is one.
    ///
    /// # Errors
    /// [`Error::Git`] for one that cannot be opened.
    pub fn open_if_there(&self) -> Result<Option<Repository>> {
        match self.open() {
            Err(Error::NotFound { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Looks at blobs, on all cores when they are many.
    ///
    /// # Errors
    /// [`Error::Git`] for an object that cannot be read.
    pub fn look(&self, blobs: &[Blob], scanner: &Scanner) -> Result<Vec<Located>> {
        let some = |blobs: &[Blob]| {
            let git = self.open()?;
            let odb = git.odb().map_err(Error::git("open the objects"))?;
            let mut found = Vec::new();
            for blob in blobs {
                found.extend(look(&odb, blob, scanner)?);
            }
            Ok(found)
        };
        if blobs.len() < FEW {
            return some(blobs);
        }
        // A few portions for each thread: opening a repository costs as much as reading some blobs.
        let portion = blobs.len().div_ceil(rayon::current_num_threads() * 4).max(FEW);
        let found: Vec<Vec<Located>> = blobs.par_chunks(portion).map(some).collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn look(odb: &git2::Odb<'_>, blob: &Blob, scanner: &Scanner) -> Result<Vec<Located>> {
    let fail = || Error::git("read an object");
    let (size, kind) = odb.read_header(blob.id).map_err(fail())?;
    if kind != ObjectType::Blob {
        return Ok(Vec::new());
    }
    if size as u64 > LARGEST {
        return Ok(vec![Scanner::not_scanned(&blob.place, size as u64)]);
    }
    let object = odb.read(blob.id).map_err(fail())?;
    Ok(scanner.look(&blob.place, object.data()))
}

/// A path as Git has it.
#[cfg(unix)]
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// A path as Git has it: UTF-8 on this system.
#[cfg(not(unix))]
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
