//! Getting bytes onto the disk before the point of no return.

use crate::error::{Error, Result};
use rayon::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};

/// From this many files on, one flush of the whole file system is quicker than one of each file.
const MANY: usize = 64;

/// Flushes the files that exist (an object may lie in a pack instead, where it has long been safe).
pub(super) fn files(dir: &Path, files: Vec<PathBuf>) -> Result<()> {
    if files.len() >= MANY && whole(dir, &files) {
        return Ok(());
    }
    files.par_iter().try_for_each(|path| match File::open(path) {
        Ok(file) => file.sync_all().map_err(Error::io("flush", path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("flush", path)(error)),
    })
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
