//! Clones: a working copy of somebody's repository, and cached ones that stand behind an address.

use super::sync::Telling;
use super::{Progress, Vault};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::home::{self, Home};
use crate::remote;
use crate::repo::Repo;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a process waits for another one that is making the same cached clone.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether a person means an address and no folder: `https://…`, `ssh://…`, `file://…`, `host:path`, `user@host:path`.
pub fn is_address(text: &str) -> bool {
    // No address has these; a folder may.
    if text.contains(|c: char| c.is_whitespace() || !crate::error::is_printable(c)) {
        return false;
    }
    if text.contains("://") {
        return true;
    }
    // As git tells them apart (gitcolumns, "GIT URLS"): no slash before the first colon; and one letter is a drive.
    match text.split_once(':') {
        Some((host, path)) => host.len() > 1 && !host.contains(['/', '\\']) && !path.is_empty(),
        None => false,
    }
}

/// Clones a repository into a new folder by the user's own `git`. Nothing in it is trusted by this.
///
/// # Errors
/// [`Error::Remote`] with what git said; [`Error::Exists`]; [`Error::GitProgram`]; [`Error::Tampered`] when the remote cut
/// its history off.
pub fn clone(url: &str, dir: &Path, telling: Option<&Telling>) -> Result<()> {
    let taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        return Err(Error::Exists {
            what: "folder",
            name: dir.display().to_string(),
            detail: "and is not empty".into(),
        });
    }
    remote::clone(url, dir, telling.cloned())?;
    // Nobody asked for less than all. Where a history begins, a host could put what it likes of former states together.
    let git = git2::Repository::open(dir).map_err(Error::git("open the clone"))?;
    if git.is_shallow() {
        return Err(Error::tampered(
            dir,
            "the remote gave only the end of its history, which proves nothing of how it came about (is it a shallow clone? take it with `git clone` if you trust it)",
        ));
    }
    Ok(())
}

/// The cached clone of an address, made when it is not there yet. Every process of this home shares it.
///
/// # Errors
/// As [`clone`]; [`Error::Io`] where the home cannot be written and has no such clone.
pub fn cached(home: &Home, url: &str, telling: Option<&Telling>) -> Result<PathBuf> {
    let dir = home.dir().join("cache").join("clones").join(&Digest::of(url.as_bytes()).hex()[..32]);
    if dir.is_dir() {
        return Ok(dir);
    }
    let lock = home::try_lock(&dir.with_extension("lock"), Some(PATIENCE))?;
    if dir.is_dir() {
        return Ok(dir);
    }
    // It appears whole: a clone that was killed is another folder, and is begun again.
    let new = dir.with_extension("new");
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(Error::io("remove", &new))?;
    }
    clone(url, &new, telling)?;
    std::fs::rename(&new, &dir).map_err(Error::io("create", &dir))?;
    drop(lock);
    Ok(dir)
}

impl Vault {
    /// Proves the history of a new clone, and remembers it.
    ///
    /// # Errors
    /// As [`Vault::sync`] for what breaks a rule.
    pub fn settle_in(&self, progress: Progress<'_>) -> Result<()> {
        let repo = Repo::open(&self.dir)?;
        repo.protect_bytes()?;
        repo.name_driver()?;
        let head = super::weave::at(&repo.head()?)?;
        self.admit(&repo, head, &[], progress)?;
        self.settle_mark(&repo, head, false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_address_is_told_from_a_folder() {
        for address in ["https://x/y", "ssh://h/y", "file:///y", "git@host:team/vault.git", "host:vault"] {
            assert!(is_address(address), "{address}");
        }
        for folder in ["vault", "./a:b", "/srv/a:b", "../x", "C:\\vault", "c:/vault", "a:", "no t: x", "x\u{1b}[1m:y"] {
            assert!(!is_address(folder), "{folder}");
        }
    }
}
