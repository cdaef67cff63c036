//! The folder of one person or agent on one machine: keys, and what this machine remembers of vaults.
//!
//! Everything in it is private: folders 0700, files 0600 from their first instant, never overwritten unless replaced
//! as a whole.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::name::AgentName;
use crate::root::VaultId;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `~/.agent-vault`, or wherever the face says.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// The home at `dir`; nothing is created before it is needed.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The owner's identity file.
    pub fn owner_key(&self) -> PathBuf {
        self.dir.join("owner.key")
    }

    /// Keeps other processes from changing `owner.key`, for as long as the file is open: it may be the key of several vaults.
    pub(crate) fn lock_owner_key(&self) -> Result<File> {
        let path = self.dir.join("lock");
        let file = lock_file(&path)?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(file)
    }

    /// What a person has set for this machine; see [`crate::settings`].
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.yaml")
    }

    /// A free place for an agent's key: `agents/<name>.key`, or with the key's id when another key has that name.
    pub(crate) fn free_agent_key(&self, agent: &AgentName, id: &str) -> PathBuf {
        let plain = self.agent_key(agent);
        let other = || plain.with_file_name(format!("{agent}-{}.key", &id[..8]));
        if plain.symlink_metadata().is_err() { plain } else { other() }
    }

    /// Where the first key of an agent of that name lies, here as in 0.1.0.
    pub(crate) fn agent_key(&self, agent: &AgentName) -> PathBuf {
        self.dir.join("agents").join(format!("{agent}.key"))
    }

    /// The folder of what is remembered of a vault; `trust forget` removes it whole.
    pub fn vault(&self, id: VaultId) -> PathBuf {
        self.dir.join("vaults").join(id.to_string())
    }

    /// What can be made anew at any time.
    pub(crate) fn cache(&self, id: VaultId) -> PathBuf {
        self.dir.join("cache").join(id.to_string())
    }

    /// The vaults remembered here.
    pub fn vaults(&self) -> Vec<VaultId> {
        let entries = std::fs::read_dir(self.dir.join("vaults")).into_iter().flatten().flatten();
        let mut ids: Vec<VaultId> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        ids.sort();
        ids
    }

    /// The folder of places, one file for each working copy.
    pub(crate) fn places(&self) -> PathBuf {
        self.dir.join("places")
    }

    /// The place file of a working copy's vault folder.
    pub(crate) fn place(&self, vault_dir: &Path) -> PathBuf {
        self.places().join(format!("{}.yaml", Digest::of(vault_dir.as_os_str().as_encoded_bytes()).hex()))
    }
}

/// Opens a private file that is there to be locked, and makes it where it is not.
fn lock_file(path: &Path) -> Result<File> {
    loop {
        let opened = match OpenOptions::new().write(true).open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => private_options().open(path),
            opened => opened,
        };
        match opened {
            // Another process made it in between.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            opened => return opened.map_err(Error::io("open", path)),
        }
    }
}

/// Takes an exclusive lock on a private file, which is made where it is not there; waits for it no longer than `wait`.
/// `None` when another process holds it.
pub(crate) fn try_lock(file: &Path, wait: Option<Duration>) -> Result<Option<File>> {
    if let Some(parent) = file.parent() {
        make_private_folder(parent)?;
    }
    let lock = lock_file(file)?;
    let start = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) if wait.is_some_and(|wait| start.elapsed() < wait) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", file)(error)),
        }
    }
}

/// Takes the rights of others from the home's own folders, as they are when this program makes them.
pub(crate) fn narrow(home: &Home) -> Result<()> {
    #[cfg(unix)]
    for dir in [home.dir().to_path_buf(), home.dir().join("agents")] {
        use std::os::unix::fs::PermissionsExt;
        // A link would lead to a folder that is somebody else's to decide on.
        if dir.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(&dir, private).map_err(Error::io("make private", &dir))?;
        }
    }
    #[cfg(not(unix))]
    let _ = home;
    Ok(())
}

/// Makes a folder and those above it that are missing, 0700.
///
/// # Errors
/// [`Error::Io`].
pub fn make_private_folder(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::io("create", path))
}

/// Options for a new private file: exclusive, 0600 from the start, through no link.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates a private file that must not exist yet, durably. What was begun is removed when it fails.
///
/// # Errors
/// [`Error::Exists`], [`Error::Io`].
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_private_folder(parent)?;
    }
    let mut file = private_options().open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::Exists { what: "file", name: path.display().to_string(), detail: "it is kept".into() }
        }
        _ => Error::Io { action: "create", path: path.into(), source: error },
    })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder_of(path));
    if written.is_err() {
        drop(file);
        let _ = std::fs::remove_file(path);
    }
    written.map_err(Error::io("write", path))
}

/// Writes a private file in place of whatever stands at `path` (a link is replaced, not followed), atomically.
///
/// # Errors
/// [`Error::Io`].
pub fn replace_private(path: &Path, bytes: &[u8], durable: bool) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_private_folder(parent)?;
    }
    let temporary = temporary_name(path);
    let write = |file: &mut File| {
        file.write_all(bytes)?;
        if durable { file.sync_all() } else { Ok(()) }
    };
    let result = private_options()
        .open(&temporary)
        .and_then(|mut file| write(&mut file))
        .and_then(|()| std::fs::rename(&temporary, path));
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    result.map_err(Error::io("write", path))
}

/// Flushes the folder that names a file: without it, a power cut may take the name. Windows has no such call.
pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// A name beside `path` that no other process or thread uses.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".new-{}-{:016x}", std::process::id(), rand::random::<u64>()));
    path.with_file_name(name)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn c4_key_files_are_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("home/agents/ci.key");
        create_private(&file, b"one").unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(create_private(&file, b"two"), Err(Error::Exists { .. })));
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
    }

    #[test]
    fn b2_an_output_file_never_follows_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(create_private(&link, b"x").is_err());
        assert!(!target.exists());
        replace_private(&link, b"x", true).unwrap();
        assert!(!target.exists() && link.symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn c3_the_same_agent_name_in_two_vaults_gets_two_files() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let agent = AgentName::parse("ci").unwrap();
        let first = home.free_agent_key(&agent, "0011223344556677");
        create_private(&first, b"one").unwrap();
        assert_ne!(home.free_agent_key(&agent, "8899aabbccddeeff"), first);
    }
}
