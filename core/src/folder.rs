//! A folder whose content is hostile: nothing below it is ever reached through a symbolic link.
//!
//! Reads are bounded, refuse what is not a regular file, and never block on a FIFO.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as system;
#[cfg(not(unix))]
mod portable;
#[cfg(not(unix))]
use portable as system;

/// What lies at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A link, FIFO, socket or device: Git can plant a link, a person the rest.
    Other,
}

/// A file's identity as far as the file system tells it: changes whenever its content may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    pub size: u64,
    pub inode: u64,
    pub modified: (i64, u32),
    pub changed: (i64, u32),
}

/// One entry of a listing.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub name: String,
    pub kind: Kind,
}

/// A folder, opened once; every path given to its methods is relative, joined by `/`, and made by this program.
pub(crate) struct Folder {
    path: PathBuf,
    handle: system::Handle,
}

impl Folder {
    /// Opens an existing folder. The last part of `path` must be a folder itself, not a link to one.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let handle = system::open_root(path).map_err(|error| below(path, "", "open", error))?;
        Ok(Self { path: path.to_path_buf(), handle })
    }

    /// The absolute or given path of what is relative here, for messages.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        if relative.is_empty() { self.path.clone() } else { self.path.join(relative) }
    }

    /// The bytes of a regular file of at most `limit` bytes; `None` when there is none.
    pub(crate) fn read(&self, relative: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match system::read(&self.handle, relative, limit) {
            Ok(bytes) if bytes.len() as u64 > limit => {
                Err(Error::corrupt(self.path(relative), format!("it has more than {limit} bytes")))
            }
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(below(&self.path, relative, "read", error)),
        }
    }

    /// The identity of a regular file; `None` when there is none.
    pub(crate) fn stamp(&self, relative: &str) -> Result<Option<Stamp>> {
        match system::stamp(&self.handle, relative) {
            Ok((Kind::File, stamp)) => Ok(Some(stamp)),
            Ok((Kind::Folder, _)) => {
                Err(Error::tampered(self.path(relative), "it is not a regular file: it is a folder"))
            }
            Ok((Kind::Other, _)) => Err(planted(self.path(relative))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(below(&self.path, relative, "look at", error)),
        }
    }

    /// Whether a regular file is there.
    pub(crate) fn has(&self, relative: &str) -> Result<bool> {
        Ok(self.stamp(relative)?.is_some())
    }

    /// What lies in a folder, by name; nothing when there is no such folder.
    pub(crate) fn list(&self, relative: &str) -> Result<Vec<Entry>> {
        match system::list(&self.handle, relative) {
            Ok(mut entries) => {
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(entries)
            }
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(below(&self.path, relative, "list", error)),
        }
    }

    /// What lies in a folder, in no order, with the stamps of the files whose name has this ending; nothing when there is
    /// no such folder.
    pub(crate) fn scan(&self, relative: &str, ending: &str) -> Result<Vec<(Entry, Option<Stamp>)>> {
        match system::scan(&self.handle, relative, ending) {
            Ok(entries) => Ok(entries),
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(below(&self.path, relative, "list", error)),
        }
    }

    /// Makes the folders above `relative`, each only if it is not there. Fails where nothing may be written in the last.
    pub(crate) fn make_parents(&self, relative: &str) -> Result<()> {
        system::make_parents(&self.handle, relative)
            .map_err(|error| below(&self.path, relative, "make the folder of", error))
    }

    /// Moves the file `from` to `relative`, in place of what was there; copies where the two are on different disks.
    pub(crate) fn adopt(&self, from: &Path, relative: &str) -> Result<()> {
        system::adopt(&self.handle, from, relative).map_err(|error| below(&self.path, relative, "write", error))
    }

    /// Removes a file, and then the folders above it that became empty. Nothing happens when there is none.
    pub(crate) fn remove(&self, relative: &str) -> Result<()> {
        match system::remove(&self.handle, relative) {
            Ok(()) => {
                self.prune(relative);
                Ok(())
            }
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(below(&self.path, relative, "remove", error)),
        }
    }

    /// Removes the empty folders above `relative`, as far as they are empty.
    pub(crate) fn prune(&self, relative: &str) {
        let mut at = relative;
        while let Some((parent, _)) = at.rsplit_once('/') {
            if system::remove_folder(&self.handle, parent).is_err() {
                return;
            }
            at = parent;
        }
    }
}

/// Every entry below `start` that is no folder, with its kind.
pub(crate) fn tree(folder: &Folder, start: &str) -> Result<Vec<(String, Kind)>> {
    let mut folders = vec![start.to_owned()];
    let mut found = Vec::new();
    while let Some(parent) = folders.pop() {
        for entry in folder.list(&parent)? {
            let relative = if parent.is_empty() { entry.name } else { format!("{parent}/{}", entry.name) };
            match entry.kind {
                Kind::Folder => folders.push(relative),
                kind => found.push((relative, kind)),
            }
        }
    }
    Ok(found)
}

/// No such file, or a file where a folder should be on the way to it.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

pub(crate) fn planted(file: PathBuf) -> Error {
    Error::tampered(file, "it is not a regular file: a vault holds neither links nor pipes nor devices")
}

/// An error of the system, told apart from a planted link.
fn below(root: &Path, relative: &str, action: &'static str, error: std::io::Error) -> Error {
    let path = if relative.is_empty() { root.to_path_buf() } else { root.join(relative) };
    if system::is_link(&error) { planted(path) } else { Error::Io { action, path, source: error } }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a6_links_pipes_and_huge_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(dir.path().join("outside"), "x").unwrap();
        symlink(dir.path().join("outside"), root.join("link")).unwrap();
        symlink(dir.path(), root.join("away")).unwrap();
        symlink("sub", root.join("near")).unwrap();
        std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap();
        std::fs::write(root.join("sub/file"), vec![0; 11]).unwrap();
        let folder = Folder::open(&root).unwrap();
        for hostile in ["link", "away/outside", "near/file", "pipe"] {
            assert!(matches!(folder.read(hostile, 100), Err(Error::Tampered { .. })), "{hostile}");
            assert!(!matches!(folder.stamp(hostile), Ok(Some(_))), "{hostile}");
        }
        assert!(matches!(folder.read("sub/file", 10), Err(Error::Corrupt { .. })));
        assert_eq!(folder.read("sub/file", 11).unwrap().unwrap().len(), 11);
        assert!(folder.read("sub/none", 10).unwrap().is_none());
        assert!(matches!(folder.make_parents("near/deep/file"), Err(Error::Tampered { .. })));
        let staged = dir.path().join("staged");
        std::fs::write(&staged, "new").unwrap();
        assert!(folder.adopt(&staged, "away/outside").is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join("outside")).unwrap(), "x");
        assert!(matches!(Folder::open(&root.join("near")), Err(Error::Tampered { .. })));
    }

    #[test]
    fn e4_a_listing_is_whole_while_every_file_in_the_folder_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (root, staged) = (dir.path().join("root"), dir.path().join("staged"));
        std::fs::create_dir_all(&root).unwrap();
        let names: Vec<String> = (0..400).map(|number| format!("secret-{number:03}.meta")).collect();
        names.iter().for_each(|name| std::fs::write(root.join(name), "old").unwrap());
        let folder = Folder::open(&root).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for name in names.iter().cycle() {
                    std::fs::write(&staged, "new").unwrap();
                    std::fs::rename(&staged, root.join(name)).unwrap();
                    if over.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                }
            });
            for _ in 0..300 {
                let listed: Vec<String> = folder.list("").unwrap().into_iter().map(|entry| entry.name).collect();
                assert_eq!(listed, names);
                let scanned = folder.scan("", ".meta").unwrap();
                assert!(scanned.iter().all(|(_, stamp)| stamp.is_some()), "a file without a stamp");
                for name in &names {
                    assert!(folder.read(name, 10).unwrap().is_some(), "{name} is not there");
                }
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
