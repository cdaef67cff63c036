//! The journal: what a transaction does, written before the branch moves.

use super::flush;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::repo::{Changes, Head};
use git2::Oid;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most bytes a journal may have: 100,000 paths.
const MAX_JOURNAL: u64 = 64 << 20;

/// A transaction's targets and the commit they belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    version: u32,
    /// The reference that moves.
    pub branch: String,
    /// The commit that it moves from.
    pub from: Option<String>,
    /// The commit that it moves to.
    pub to: String,
    pub files: Vec<Target>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// Relative to the vault's folder.
    pub path: String,
    pub old: Option<Digest>,
    /// `None` removes it.
    pub new: Option<New>,
}

/// New content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    pub digest: Digest,
    /// The staged file's number.
    pub stage: u64,
    /// The Git object.
    pub blob: String,
}

impl Journal {
    pub(crate) fn new(head: &Head, files: Vec<Target>) -> Self {
        Self {
            version: 1,
            branch: head.reference.clone(),
            from: head.commit.map(|oid| oid.to_string()),
            to: String::new(),
            files,
        }
    }

    pub(crate) fn with_commit(self, commit: Oid) -> Self {
        Self { to: commit.to_string(), ..self }
    }

    /// The paths as Git sees them.
    pub(crate) fn blobs(&self) -> Result<Changes> {
        self.files
            .iter()
            .map(|target| {
                let oid = target
                    .new
                    .as_ref()
                    .map(|new| Oid::from_str(&new.blob))
                    .transpose()
                    .map_err(Error::git("read the journal"))?;
                Ok((target.path.clone(), oid))
            })
            .collect()
    }

    /// Writes the journal beside its place, where it counts for nothing yet; returns the file, for flushing it.
    pub(crate) fn prepare(&self, path: &Path) -> Result<PathBuf> {
        let prepared = prepared(path);
        let bytes = serde_json::to_vec(self).map_err(|error| Error::io("write", path)(error.into()))?;
        std::fs::write(&prepared, bytes).map_err(Error::io("write", &prepared))?;
        Ok(prepared)
    }

    /// The journal at `path`, if there is one. Its paths are the vault's own, whatever the file says.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        match File::open(path).and_then(|file| file.take(MAX_JOURNAL + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        }
        if bytes.len() as u64 > MAX_JOURNAL {
            return Err(Error::corrupt(path, "it has more than 64 MiB"));
        }
        let journal: Self = serde_json::from_slice(&bytes)
            .map_err(|error| Error::corrupt(path, format!("it is no journal ({error})")))?;
        if journal.version != 1 {
            return Err(Error::corrupt(
                path,
                format!("it has version {}, and this program knows version 1", journal.version),
            ));
        }
        match journal.files.iter().find(|target| !layout::is_ours(&target.path)) {
            Some(_) => Err(Error::corrupt(path, "it names a path that is none of the vault's")),
            None => Ok(Some(journal)),
        }
    }
}

/// Removes the journal; the transaction is over.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Puts a prepared and flushed journal in its place, durably.
pub(crate) fn publish(path: &Path) -> Result<()> {
    std::fs::rename(prepared(path), path).and_then(|()| flush::parent(path)).map_err(Error::io("write", path))
}

/// Where a journal is written before it counts.
pub(super) fn prepared(path: &Path) -> PathBuf {
    path.with_extension("new")
}
