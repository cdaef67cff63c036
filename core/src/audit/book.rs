//! Which log: that of one vault, in one home.

use crate::digest::Digest;
use crate::home::Home;
use crate::root::VaultId;
use std::path::{Path, PathBuf};

/// The log of one vault on this machine: a folder of the home, and the vault's name in every segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    pub(super) dir: PathBuf,
    pub(super) vault: String,
}

impl Book {
    /// A vault's log: `audit/<vault>/`.
    pub fn of(home: &Home, vault: VaultId) -> Self {
        Self::named(home, vault.to_string())
    }

    /// The log of a vault that nobody signed and that has no id: `audit/unsigned-<digest of its folder>/`.
    pub fn unsigned(home: &Home, vault_dir: &Path) -> Self {
        let digest = Digest::of(vault_dir.as_os_str().as_encoded_bytes()).hex();
        Self::named(home, format!("unsigned-{}", &digest[..32]))
    }

    fn named(home: &Home, vault: String) -> Self {
        Self { dir: home.dir().join("audit").join(&vault), vault }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
