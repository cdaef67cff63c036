//! The files in which a machine remembers: private, replaced whole, written only when something rises.

use super::{Age, Fetched, Mark, Pin, Place, Seen, age};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::home::{self, Home};
use crate::name::SecretPath;
use crate::root::VaultId;
use crate::yaml::{self, Document};
use std::path::{Path, PathBuf};

/// The memory itself: files of their own, written only when something rises.
pub(crate) struct Memory<'a> {
    home: &'a Home,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(home: &'a Home) -> Self {
        Self { home }
    }

    fn pin_file(&self, vault: VaultId) -> PathBuf {
        self.home.vault(vault).join("pin.yaml")
    }

    pub(crate) fn pin(&self, vault: VaultId) -> Result<Option<Pin>> {
        let file = self.pin_file(vault);
        let pin: Option<Pin> = load(&file)?;
        match pin {
            Some(pin) if pin.vault != vault => Err(Error::corrupt(file, "it is the pin of another vault")),
            other => Ok(other),
        }
    }

    pub(crate) fn set_pin(&self, pin: &Pin) -> Result<()> {
        home::replace_private(&self.pin_file(pin.vault), pin.render().as_bytes(), true)
    }

    pub(crate) fn place(&self, vault_dir: &Path) -> Result<Option<VaultId>> {
        Ok(load::<Place>(&self.home.place(vault_dir))?.map(|place| place.vault))
    }

    pub(crate) fn set_place(&self, vault_dir: &Path, vault: VaultId) -> Result<()> {
        let path: String = vault_dir.to_string_lossy().chars().filter(|c| yaml::is_plain(*c)).collect();
        home::replace_private(&self.home.place(vault_dir), Place { path, vault }.render().as_bytes(), true)
    }

    /// Every working copy that is remembered.
    pub(crate) fn places(&self) -> Vec<Place> {
        let entries = std::fs::read_dir(self.home.places()).into_iter().flatten().flatten();
        let mut places: Vec<Place> = entries.filter_map(|entry| load(&entry.path()).ok().flatten()).collect();
        places.sort_by(|a, b| a.path.cmp(&b.path));
        places
    }

    fn mark_file(&self, vault: VaultId, vault_dir: &Path) -> PathBuf {
        self.home.vault(vault).join("marks").join(Digest::of(vault_dir.as_os_str().as_encoded_bytes()).hex())
    }

    pub(crate) fn mark(&self, vault: VaultId, vault_dir: &Path) -> Result<Option<Mark>> {
        load_unflushed(&self.mark_file(vault, vault_dir))
    }

    pub(crate) fn set_mark(&self, vault: VaultId, vault_dir: &Path, mark: &Mark) -> Result<()> {
        home::replace_private(&self.mark_file(vault, vault_dir), mark.render().as_bytes(), false)
    }

    /// What was last proven of a remote's branch.
    pub(crate) fn branch_mark(&self, vault: VaultId, url: &str, branch: &str) -> Result<Option<Mark>> {
        load_unflushed(&self.branch_file(vault, url, branch))
    }

    pub(crate) fn set_branch_mark(&self, vault: VaultId, url: &str, branch: &str, mark: &Mark) -> Result<()> {
        home::replace_private(&self.branch_file(vault, url, branch), mark.render().as_bytes(), false)
    }

    fn branch_file(&self, vault: VaultId, url: &str, branch: &str) -> PathBuf {
        let key = Digest::of(format!("{url}\n{branch}").as_bytes());
        self.home.vault(vault).join("marks").join(key.hex())
    }

    /// Where the last look at a working copy's remote is noted.
    pub(crate) fn fetched_file(&self, vault: VaultId, vault_dir: &Path) -> PathBuf {
        self.home.vault(vault).join("fetched").join(Digest::of(vault_dir.as_os_str().as_encoded_bytes()).hex())
    }

    pub(crate) fn fetched(&self, vault: VaultId, vault_dir: &Path) -> Result<Option<Fetched>> {
        load_unflushed(&self.fetched_file(vault, vault_dir))
    }

    pub(crate) fn set_fetched(&self, vault: VaultId, vault_dir: &Path, fetched: &Fetched) -> Result<()> {
        home::replace_private(&self.fetched_file(vault, vault_dir), fetched.render().as_bytes(), false)
    }

    /// Refuses a manifest, by its serial and digest, that is older than or forked from the one last seen in this working
    /// copy; whether it is newer.
    pub(crate) fn compare_mark(
        &self,
        vault: VaultId,
        vault_dir: &Path,
        (serial, manifest): (u64, Digest),
        file: &Path,
        allow_old: bool,
    ) -> Result<bool> {
        match self.mark(vault, vault_dir)?.map(|mark| (mark.serial, mark.manifest)) {
            Some((seen, _)) if serial < seen && !allow_old => {
                Err(Error::Rollback { file: file.into(), found: serial, seen })
            }
            Some((seen, digest)) if serial == seen && manifest != digest && !allow_old => {
                Err(Error::Diverged { file: file.into(), revision: serial })
            }
            seen => Ok(seen.is_none_or(|(seen, _)| serial > seen)),
        }
    }

    fn seen_file(&self, vault: VaultId, path: &SecretPath) -> PathBuf {
        self.home.vault(vault).join("seen").join(Digest::of(path.as_str().as_bytes()).hex())
    }

    pub(crate) fn seen(&self, vault: VaultId, path: &SecretPath) -> Result<Option<Seen>> {
        load_unflushed(&self.seen_file(vault, path))
    }

    /// Every secret that was seen of a vault.
    pub(crate) fn all_seen(&self, vault: VaultId) -> Result<Vec<Seen>> {
        let entries = std::fs::read_dir(self.home.vault(vault).join("seen")).into_iter().flatten().flatten();
        let files = entries.filter(|entry| entry.file_name().len() == 64).map(|entry| entry.path());
        files.filter_map(|file| load_unflushed(&file).transpose()).collect()
    }

    /// Forgets what was seen of a vault, but not the vault itself.
    pub(crate) fn forget_seen(&self, vault: VaultId) -> Result<()> {
        ["seen", "marks"].into_iter().try_for_each(|name| remove_folder(self.home.vault(vault).join(name)))
    }

    /// Remembers a state of a secret, if it is newer than what was seen. Not flushed to disk: a lost mark is a fresh
    /// machine's view, never a wrong one.
    pub(crate) fn raise_seen(&self, vault: VaultId, found: &Seen) -> Result<()> {
        match age(self.seen(vault, &found.name)?.as_ref(), found) {
            Age::Newer => home::replace_private(&self.seen_file(vault, &found.name), found.render().as_bytes(), false),
            _ => Ok(()),
        }
    }
}

/// A vault that is remembered in a home, and the working copies it was seen in.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Its pinned root.
    pub pin: Pin,
    /// The vault folders of its working copies.
    pub places: Vec<String>,
}

/// Every vault that is remembered in a home.
///
/// # Errors
/// [`Error::Corrupt`] for a damaged pin, [`Error::Io`].
pub fn remembered(home: &Home) -> Result<Vec<Remembered>> {
    let memory = Memory::new(home);
    let places = memory.places();
    let mut found = Vec::new();
    for vault in home.vaults() {
        if let Some(pin) = memory.pin(vault)? {
            let places = places.iter().filter(|place| place.vault == vault).map(|place| place.path.clone()).collect();
            found.push(Remembered { pin, places });
        }
    }
    Ok(found)
}

/// The names of the secrets that were seen of a vault; one whose memory is damaged is left out.
pub fn seen_names(home: &Home, vault: VaultId) -> Vec<SecretPath> {
    let entries = std::fs::read_dir(home.vault(vault).join("seen")).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(load_unflushed::<Seen>(&entry.path()).ok()??.name)).collect()
}

/// Forgets a vault: its pin, everything seen of it, and the working copies it was in.
///
/// # Errors
/// [`Error::Io`].
pub fn forget_vault(home: &Home, vault: VaultId) -> Result<()> {
    for entry in std::fs::read_dir(home.places()).into_iter().flatten().flatten() {
        if load::<Place>(&entry.path()).ok().flatten().is_some_and(|place| place.vault == vault) {
            remove(&entry.path())?;
        }
    }
    remove_folder(home.vault(vault))
}

fn remove_folder(dir: PathBuf) -> Result<()> {
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: dir, source: error })
        }
        _ => Ok(()),
    }
}

/// Reads a small document of this machine's own; a damaged one is an error, never "nothing known".
fn load<D: Document>(file: &Path) -> Result<Option<D>> {
    match std::fs::read(file) {
        Ok(bytes) => yaml::parse(&bytes).map(Some).map_err(|reason| Error::corrupt(file, reason)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Io { action: "read", path: file.into(), source: error }),
    }
}

/// The same for what is written without a flush: a power cut may leave an empty file, which is a fresh machine's view.
fn load_unflushed<D: Document>(file: &Path) -> Result<Option<D>> {
    match file.metadata() {
        Ok(metadata) if metadata.len() == 0 => Ok(None),
        _ => load(file),
    }
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: file.into(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
