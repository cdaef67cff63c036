//! Spellings of names that only some file systems can tell apart.

use super::Vault;
use crate::error::{Error, Result};
use crate::folder::{Entry, Kind};
use crate::layout;
use crate::name::SecretPath;
use std::collections::{HashMap, HashSet};

/// The names in the folders of new secrets, to find two that differ only in case: they could not both be checked out
/// on macOS or Windows.
pub(super) struct Spellings<'v> {
    vault: &'v Vault,
    listed: HashSet<String>,
    /// By lower case. A folder's name ends with `/`: it and a secret of the same name are different files.
    known: HashMap<String, String>,
}

impl<'v> Spellings<'v> {
    pub(super) fn new(vault: &'v Vault) -> Self {
        Self { vault, listed: HashSet::new(), known: HashMap::new() }
    }

    /// Takes in a new name, or refuses it when a prefix of it differs from a known one only in case.
    pub(super) fn add(&mut self, path: &SecretPath) -> Result<()> {
        let stored = path.stored();
        let folders = stored.match_indices('/').map(|(at, slash)| at + slash.len());
        for end in folders.chain([stored.len()]) {
            let name = &stored[..end];
            self.list(name.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder))?;
            let known = self.known.entry(name.to_ascii_lowercase()).or_insert_with(|| name.to_owned());
            if known != name {
                return Err(Error::Conflict {
                    message: format!(
                        "{path} differs only in case from a name that is or was in use ({:?})",
                        known.trim_end_matches('/')
                    ),
                    hint: "use the existing spelling, or another name".into(),
                });
            }
        }
        Ok(())
    }

    /// Takes in what lies in a folder below `secrets/`.
    fn list(&mut self, folder: &str) -> Result<()> {
        if !self.listed.insert(folder.to_owned()) {
            return Ok(());
        }
        let (relative, prefix) = match folder {
            "" => (layout::SECRETS.to_owned(), String::new()),
            _ => (format!("{}/{folder}", layout::SECRETS), format!("{folder}/")),
        };
        for Entry { name, kind } in self.vault.folder().list(&relative)? {
            // A tombstone holds its name: the next one of that name would lie beside it.
            let secret = name.strip_suffix(".meta").or_else(|| name.strip_suffix(".gone"));
            let name = match (kind, secret) {
                (Kind::Folder, _) => format!("{prefix}{name}/"),
                (_, Some(secret)) => format!("{prefix}{secret}"),
                _ => continue,
            };
            self.known.insert(name.to_ascii_lowercase(), name);
        }
        Ok(())
    }
}
