//! The list cache: verified rows by the stamp of their file. Safe to delete; never consulted for a value.
//!
//! A row counts only while its file has the same size, inode, modification and change time, under the same root. A
//! file that changed within [`SLACK`] before the cache was written is not stored: its stamp could be that of two
//! contents (Git's index has the same rule for the same reason).

use crate::digest::Digest;
use crate::folder::Stamp;
use crate::home::{self, Home};
use crate::name::SecretPath;
use crate::root::VaultId;
use crate::time::Timestamp;
use crate::vault::Row;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Seconds within which two changes may carry one time, on the coarsest file systems.
const SLACK: i64 = 2;

/// Rises whenever the stored form changes.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    root: [u8; 32],
    rows: Vec<(Stamp, Row)>,
}

/// The rows of one working copy.
#[derive(Default)]
pub(crate) struct Cache {
    rows: HashMap<String, (Stamp, Row)>,
}

impl Cache {
    /// Loads what was stored under this root; anything unreadable is an empty cache.
    pub(crate) fn load(home: &Home, vault: VaultId, dir: &Path, root: Digest) -> Self {
        match read(home, vault, dir) {
            Some(stored) if stored.root == root.0 => {
                Self { rows: stored.rows.into_iter().map(|(stamp, row)| (row.name.clone(), (stamp, row))).collect() }
            }
            _ => Self::default(),
        }
    }

    /// The groups of the stored rows, whatever has changed since: for hints only.
    pub(crate) fn groups(home: &Home, vault: VaultId, dir: &Path) -> Vec<String> {
        let rows = read(home, vault, dir).map(|stored| stored.rows).unwrap_or_default();
        let mut groups: Vec<String> = rows.into_iter().map(|(_, row)| row.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The row of a file that has not changed since.
    pub(crate) fn take(&mut self, path: &SecretPath, stamp: &Stamp) -> Option<Row> {
        match self.rows.remove(path.as_str()) {
            Some((stored, row)) if stored == *stamp => Some(row),
            _ => None,
        }
    }

    /// Whether rows are left whose file is gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Stores rows, best effort.
    pub(crate) fn store(
        home: &Home,
        vault: VaultId,
        dir: &Path,
        root: Digest,
        rows: impl Iterator<Item = (Stamp, Row)>,
    ) {
        let settled = Timestamp::now().unix() - SLACK;
        let rows = rows.filter(|(stamp, _)| stamp.changed.0 < settled && stamp.modified.0 < settled).collect();
        if let Ok(bytes) = postcard::to_stdvec(&Stored { version: VERSION, root: root.0, rows }) {
            let _ = home::replace_private(&file(home, vault, dir), &bytes, false);
        }
    }
}

fn read(home: &Home, vault: VaultId, dir: &Path) -> Option<Stored> {
    let bytes = std::fs::read(file(home, vault, dir)).ok()?;
    postcard::from_bytes::<Stored>(&bytes).ok().filter(|stored| stored.version == VERSION)
}

fn file(home: &Home, vault: VaultId, dir: &Path) -> PathBuf {
    home.cache(vault).join(format!("list-{}", &Digest::of(dir.as_os_str().as_encoded_bytes()).hex()[..16]))
}
