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

impl Target {
    /// The digest that it gets; `None` removes it.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.new.as_ref().map(|new| new.digest)
    }
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

    /// Enters the Git objects of the new files, which are in the order of the files.
    pub(super) fn set_blobs(&mut self, blobs: Vec<Oid>) {
        let new = self.files.iter_mut().filter_map(|target| target.new.as_mut());
        new.zip(blobs).for_each(|(new, blob)| new.blob = blob.to_string());
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

    /// The journal at `path`, if there is one. Its paths are the vault's own, and its names Git's, whatever the file says.
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
        journal.check().map(|()| Some(journal)).map_err(|reason| Error::corrupt(path, reason))
    }

    /// Refuses what no transaction writes; `Err` says what.
    fn check(&self) -> Result<(), String> {
        if self.version != 1 {
            return Err(format!("it has version {}, and this program knows version 1", self.version));
        }
        if self.files.iter().any(|target| !layout::is_ours(&target.path)) {
            return Err("it names a path that is none of the vault's".into());
        }
        let is_branch = |name: &str| name.starts_with("refs/") && git2::Reference::is_valid_name(name);
        if self.branch != "HEAD" && !is_branch(&self.branch) {
            return Err("it names a branch that Git cannot have".into());
        }
        let is_id = |text: &str| Oid::from_str(text).is_ok_and(|oid| oid.to_string() == text);
        let blobs = self.files.iter().filter_map(|target| target.new.as_ref()).map(|new| &new.blob);
        if !self.from.iter().chain([&self.to]).chain(blobs).all(|id| is_id(id)) {
            return Err("it names an object that Git cannot have".into());
        }
        let mut stages: Vec<u64> = self.files.iter().filter_map(|target| Some(target.new.as_ref()?.stage)).collect();
        stages.sort_unstable();
        let risen = self.files.windows(2).all(|pair| pair[0].path < pair[1].path);
        if !risen || stages.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("it names a file twice".into());
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A journal in which `change` changed something; whether it is one that counts.
    fn counts(change: impl FnOnce(&mut Value)) -> bool {
        let (id, digest) = ("0102030405060708090a0b0c0d0e0f1011121314", Digest::of(b"new").to_string());
        let new = |stage: u64| json!({"digest": digest, "stage": stage, "blob": id});
        let mut journal = json!({
            "version": 1, "branch": "refs/heads/main", "from": id, "to": id,
            "files": [
                {"path": "manifest.yaml", "old": null, "new": new(0)},
                {"path": "secrets/a/b.enc", "old": digest, "new": null},
                {"path": "secrets/a/b.gone", "old": null, "new": new(1)},
            ]
        });
        change(&mut journal);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("journal.json");
        std::fs::write(&file, journal.to_string()).unwrap();
        match Journal::read(&file) {
            Ok(journal) => journal.is_some(),
            Err(Error::Corrupt { .. }) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_journal_counts_with_and_without_a_commit_before_and_on_a_detached_head() {
        assert!(counts(|_| {}));
        assert!(counts(|journal| journal["from"] = Value::Null));
        assert!(counts(|journal| journal["branch"] = json!("HEAD")));
    }

    #[test]
    fn b1_a_journal_that_names_what_lies_outside_is_refused() {
        for branch in
            ["../../main", "refs/heads/../../../main", "/etc/main", "main", "refs/heads/main.lock", "", "HEAD/x"]
        {
            assert!(!counts(|journal| journal["branch"] = json!(branch)), "{branch:?}");
        }
        for id in ["../../../outside", "/outside", "", "0102", "0102030405060708090A0B0C0D0E0F1011121314"] {
            for field in ["from", "to"] {
                assert!(!counts(|journal| journal[field] = json!(id)), "{field} {id:?}");
            }
            assert!(!counts(|journal| journal["files"][0]["new"]["blob"] = json!(id)), "blob {id:?}");
        }
        assert!(!counts(|journal| journal["files"][0]["path"] = json!("../manifest.yaml")));
    }

    #[test]
    fn a_journal_that_no_transaction_writes_is_refused() {
        assert!(!counts(|journal| journal["version"] = json!(2)));
        assert!(!counts(|journal| journal["files"][2]["new"]["stage"] = json!(0)), "one staged file for two");
        assert!(!counts(|journal| journal["files"][2]["path"] = json!("secrets/a/b.enc")), "one file twice");
        assert!(!counts(|journal| journal["files"][2]["path"] = json!("config.yaml")), "out of order");
        assert!(!counts(|journal| journal["more"] = json!(1)));
    }

    #[test]
    fn a_journal_of_64_mib_is_read_and_a_longer_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("journal.json");
        let mut journal = Journal::new(&Head { reference: "HEAD".into(), commit: None }, Vec::new());
        journal.to = "01".repeat(20);
        let mut bytes = serde_json::to_vec(&journal).unwrap();
        bytes.resize(64 << 20, b' ');
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(Journal::read(&file).unwrap(), Some(journal));
        bytes.push(b' ');
        std::fs::write(&file, &bytes).unwrap();
        assert!(matches!(Journal::read(&file), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_journal_that_is_absent_is_none_and_one_that_cannot_be_read_or_removed_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("journal.json");
        assert_eq!(Journal::read(&file).unwrap(), None);
        remove(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(matches!(Journal::read(&file), Err(Error::Io { action: "read", .. })));
        assert!(matches!(remove(&file), Err(Error::Io { action: "remove", .. })));
    }
}
