//! Getting bytes onto the disk: before the point of no return, and at it.

use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// From this many files on, one flush of the whole file system is quicker than one of each file.
const MANY: usize = 64;

/// Flushes the files that exist (an object that Git had already may lie in one of its packs instead).
pub(super) fn files(dir: &Path, files: &[PathBuf]) -> Result<()> {
    if files.len() >= MANY && whole(dir, files) {
        return Ok(());
    }
    // Some at a time: macOS lets a program open 256 files.
    files.chunks(MANY).try_for_each(some)
}

fn some(files: &[PathBuf]) -> Result<()> {
    let opened = files
        .iter()
        .filter_map(|path| open(path).map_err(Error::io("flush", path)).transpose().map(|file| Ok((path, file?))))
        .collect::<Result<Vec<_>>>()?;
    // All are on their way before the first is waited for: they share one write of the file system's own journal.
    opened.iter().for_each(|(_, file)| agent_vault_sys::start_writing(file));
    opened.iter().try_for_each(|(path, file)| file.sync_all().map_err(Error::io("flush", path)))
}

/// Flushes a file that was renamed into place, and the folder that names it. It may be gone again: Git packs its branches,
/// and flushes what it packs.
pub(super) fn named(path: &Path) -> Result<()> {
    let flushed = open(path).and_then(|file| file.map_or(Ok(()), |file| file.sync_all()));
    flushed.and_then(|()| parent(path)).map_err(Error::io("flush", path))
}

/// A file as its flush needs it; none where there is none to flush. Windows flushes only what is open for writing, which
/// Git's objects are not.
fn open(path: &Path) -> std::io::Result<Option<File>> {
    match OpenOptions::new().read(true).write(cfg!(windows)).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if cfg!(windows) && error.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

/// Flushes the folder of `path`. Windows has no such call, and needs none.
pub(super) fn parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// `syncfs(2)`, when everything lies on the file system of `dir`.
#[cfg(target_os = "linux")]
fn whole(dir: &Path, files: &[PathBuf]) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(opened) = File::open(dir) else { return false };
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    let here = device(dir);
    files.iter().all(|file| device(file).is_none_or(|device| Some(device) == here))
        && rustix::fs::syncfs(&opened).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn whole(_dir: &Path, _files: &[PathBuf]) -> bool {
    false
}

#[cfg(test)]
mod tests;
