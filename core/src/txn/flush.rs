//! Getting bytes onto the disk: before the point of no return, and at it.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// From this many files on, one flush of the whole file system is quicker than one of each file.
const MANY: usize = 64;

/// Flushes the files that exist (an object may lie in a pack instead, where it has long been safe).
pub(super) fn files(dir: &Path, files: &[PathBuf]) -> Result<()> {
    if files.len() >= MANY && whole(dir, files) {
        return Ok(());
    }
    let opened = files
        .iter()
        .filter_map(|path| match File::open(path) {
            Ok(file) => Some(Ok((path, file))),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(Err(Error::io("flush", path)(error))),
        })
        .collect::<Result<Vec<_>>>()?;
    // All are on their way before the first is waited for: they share one write of the file system's own journal.
    opened.iter().for_each(|(_, file)| agent_vault_sys::start_writing(file));
    opened.iter().try_for_each(|(path, file)| file.sync_all().map_err(Error::io("flush", path)))
}

/// Flushes a file and the folder that names it: a rename into place is then durable on every file system.
pub(super) fn named(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()?;
    parent(path)
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
