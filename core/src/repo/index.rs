//! Git's index: the entries of the vault's paths, and nothing else.

use super::{BLOB, Changes, Repo};
use crate::error::{Error, Result};
use git2::{Index, IndexEntry, IndexTime, Oid};
use std::path::Path;

impl Repo {
    /// Reads the index into memory, from a copy beside ours: libgit2 writes an index only under Git's own lock, and
    /// that lock is ours already.
    pub(crate) fn read_index(&self, copy: &Path) -> Result<Index> {
        match std::fs::copy(self.index_file(), copy) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => drop(std::fs::remove_file(copy)),
            Err(error) => return Err(Error::Io { action: "read", path: self.index_file(), source: error }),
        }
        Index::open(copy).map_err(|source| match source.message() {
            text if text.contains("extension") => Error::Conflict {
                message: "the repository's index is split or sparse, which agent-vault cannot update".into(),
                hint: "run `git update-index --no-split-index` (or `git sparse-checkout init --no-sparse-index`), then try again".into(),
            },
            _ => Error::Git { action: "read the index", source },
        })
    }

    /// Puts `changes` into the index, with the stat data of the files in the work tree, and moves it into place.
    pub(crate) fn write_index(&self, mut index: Index, copy: &Path, changes: &Changes) -> Result<()> {
        let fail = || Error::git("update the index");
        for (path, oid) in changes {
            let path = format!("{}{path}", self.prefix);
            match oid {
                Some(oid) => index.add(&self.index_entry(&path, *oid)?).map_err(fail())?,
                None => match index.remove(Path::new(&path), 0) {
                    Err(error) if error.code() != git2::ErrorCode::NotFound => return Err(fail()(error)),
                    _ => {}
                },
            }
        }
        index.write().map_err(fail())?;
        std::fs::rename(copy, self.index_file()).map_err(Error::io("write", self.index_file()))
    }

    /// What an index has of a path of the vault; a conflict counts as something else than anything.
    pub(crate) fn indexed(&self, index: &Index, path: &str) -> Option<Oid> {
        let full = format!("{}{path}", self.prefix);
        let stage = |number| index.get_path(Path::new(&full), number).map(|entry| entry.id);
        stage(0).or_else(|| stage(2)).or_else(|| stage(3))
    }

    fn index_entry(&self, path: &str, id: Oid) -> Result<IndexEntry> {
        let file = self.workdir.join(path);
        let stat = std::fs::symlink_metadata(&file).map_err(Error::io("look at", &file))?;
        let mut entry = IndexEntry {
            ctime: IndexTime::new(0, 0),
            mtime: IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: BLOB as u32,
            uid: 0,
            gid: 0,
            file_size: stat.len() as u32,
            id,
            flags: 0,
            flags_extended: 0,
            path: path.as_bytes().to_vec(),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            entry.ctime = IndexTime::new(stat.ctime() as i32, stat.ctime_nsec() as u32);
            entry.mtime = IndexTime::new(stat.mtime() as i32, stat.mtime_nsec() as u32);
            (entry.dev, entry.ino, entry.uid, entry.gid) =
                (stat.dev() as u32, stat.ino() as u32, stat.uid(), stat.gid());
        }
        entry.flags = (path.len().min(0xfff)) as u16;
        Ok(entry)
    }
}
