//! A private folder for one file that somebody else's program must see in plaintext, gone afterwards.
//!
//! It lies in memory where there is a place for that. Whatever lies in it at the end (an editor's swap and backup files
//! too) is overwritten and removed: when it is dropped, when the program panics, and when a signal ends it.

use crate::output;
use agent_vault_core::{Error, Result};
use rand::Rng;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once};

/// The folder that has to be wiped, whatever ends the program.
static OPEN: Mutex<Option<PathBuf>> = Mutex::new(None);

fn open() -> MutexGuard<'static, Option<PathBuf>> {
    OPEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The folder. Only one can be open.
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Makes the folder, 0700, in memory where that is possible; else it is told `when` the value touches the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(when: &str) -> Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                wipe_open();
                next(panic);
            }));
        });
        let base = match in_memory() {
            Some(base) => base,
            None => {
                output::warn(&format!(
                    "no folder in memory was found (XDG_RUNTIME_DIR, /dev/shm): the value touches the disk {when}"
                ));
                std::env::temp_dir()
            }
        };
        let dir = base.join(format!("agent-vault-{}", random()));
        // Known before it is there: a signal in between finds nothing to wipe.
        *open() = Some(dir.clone());
        make_private(&dir).map_err(|source| Error::Io { action: "create", path: dir.clone(), source })?;
        Ok(Self { dir })
    }

    /// A new name in the folder, with the ending of `like` where that is harmless: editors go by it.
    pub fn file(&self, like: &str) -> PathBuf {
        let ending = like.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let harmless =
            |ending: &&str| (1..=8).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
        let ending = ending.filter(harmless).map(|ending| format!(".{ending}")).unwrap_or_default();
        self.dir.join(format!("{}{ending}", random()))
    }

    /// Leaves the folder as it is: what is in it exists nowhere else.
    pub fn keep(self) {
        *open() = None;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if open().as_ref() == Some(&self.dir) {
            wipe_open();
        }
    }
}

/// Wipes the open folder, if there is one.
pub fn wipe_open() {
    // A panic while the lock is held must not wait for itself.
    let dir = match OPEN.try_lock() {
        Ok(mut open) => open.take(),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        Err(std::sync::TryLockError::WouldBlock) => None,
    };
    if let Some(dir) = dir {
        wipe(&dir);
        if dir.exists() {
            output::warn(&format!("{} could not be removed: it may hold plaintext, delete it", dir.display()));
        }
    }
}

/// Overwrites and removes everything in a folder, and the folder. Links are removed, never followed.
fn wipe(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => wipe(&path),
            Ok(kind) if kind.is_file() => {
                let _ = OpenOptions::new().write(true).open(&path).and_then(overwrite);
                let _ = std::fs::remove_file(&path);
            }
            _ => drop(std::fs::remove_file(&path)),
        }
    }
    let _ = std::fs::remove_dir(dir);
}

fn overwrite(mut file: File) -> std::io::Result<()> {
    let zeros = [0; 8 << 10];
    let mut rest = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    while rest > 0 {
        let count = rest.min(zeros.len() as u64) as usize;
        file.write_all(&zeros[..count])?;
        rest -= count as u64;
    }
    file.sync_all()
}

fn random() -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..16).map(|_| char::from(letters[rand::rngs::OsRng.gen_range(0..letters.len())])).collect()
}

/// A folder whose files lie in memory: what it is mounted from decides, not what it is called.
#[cfg(target_os = "linux")]
fn in_memory() -> Option<PathBuf> {
    /// statfs(2): `TMPFS_MAGIC` and `RAMFS_MAGIC`.
    const KINDS: [u64; 2] = [0x0102_1994, 0x8584_58f6];
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let usable = |dir: &PathBuf| {
        let memory = rustix::fs::statfs(dir).is_ok_and(|stat| KINDS.contains(&(stat.f_type as u64 & 0xffff_ffff)));
        memory && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
    };
    runtime.into_iter().chain([PathBuf::from("/dev/shm")]).find(usable)
}

#[cfg(not(target_os = "linux"))]
fn in_memory() -> Option<PathBuf> {
    None
}

#[cfg(unix)]
fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn make_private(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir(dir)
}
