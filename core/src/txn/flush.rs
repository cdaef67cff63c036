//! Getting bytes onto the disk before the point of no return.

use crate::error::{Error, Result};
use rayon::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};

/// From this many files on, one flush of the whole file system is quicker than one of each file.
const MANY: usize = 64;
/// The most flushes that wait at the same time.
const WAITING: usize = 12;

/// Flushes the files that exist (an object may lie in a pack instead, where it has long been safe).
pub(super) fn files(dir: &Path, files: Vec<PathBuf>) -> Result<()> {
    if files.len() >= MANY && whole(dir, &files) {
        return Ok(());
    }
    let flush = |path: &PathBuf| match File::open(path) {
        Ok(file) => file.sync_all().map_err(Error::io("flush", path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("flush", path)(error)),
    };
    // Flushes that wait at the same time share one write of the file system's own journal.
    let waiting = if rayon::current_num_threads() == 1 { 1 } else { files.len().clamp(1, WAITING) };
    match rayon::ThreadPoolBuilder::new().num_threads(waiting).build() {
        Ok(pool) => pool.install(|| files.par_iter().with_max_len(1).try_for_each(flush)),
        Err(_) => files.iter().try_for_each(flush),
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
