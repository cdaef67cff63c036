//! `info/attributes`: Git hands the vault's bytes through as they are.

use super::Repo;
use crate::error::{Error, Result};
use crate::layout;
use std::path::PathBuf;

/// The driver that `merge=agent-vault` of the attributes names (gitattributes(5), "Defining a custom merge driver"), as it
/// stands in Git's configuration.
const DRIVER: &str = "[merge \"agent-vault\"]
\tname = agent-vault: one file of two, until agent-vault sync merges by meaning
\tdriver = agent-vault merge-driver %O %A %B %P
";

impl Repo {
    /// Names the merge driver of the vault's files in the repository's own configuration: what `git merge` does with a
    /// file that both sides changed. A driver that somebody named stays; while another program holds the configuration,
    /// nothing is named.
    ///
    /// The configuration's lock appears with all that the file will hold, so whoever finds one after a kill can tell that
    /// it is ours ([`Repo::forget_stale_config`]). libgit2 would leave one that nobody dares to remove.
    pub(crate) fn name_driver(&self) -> Result<()> {
        let fail = || Error::git("read the repository's configuration");
        let config = self.git.config().and_then(|config| config.open_level(git2::ConfigLevel::Local)).map_err(fail())?;
        let (file, lock) = (self.config_file(), self.config_lock());
        let is_file = file.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        if config.get_string("merge.agent-vault.driver").is_ok() || !is_file {
            return Ok(());
        }
        let dir = self.private_dir();
        std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        let new = dir.join(format!("config-{}", std::process::id()));
        let made = std::fs::copy(&file, &new)
            .and_then(|_| std::fs::read(&file))
            .and_then(|old| {
                let gap: &[u8] = if old.is_empty() || old.ends_with(b"\n") { b"" } else { b"\n" };
                std::fs::write(&new, [old.as_slice(), gap, DRIVER.as_bytes()].concat())
            })
            .map_err(Error::io("write", &new))
            .map(|()| std::fs::hard_link(&new, &lock).is_ok());
        let _ = std::fs::remove_file(&new);
        if made? { std::fs::rename(&lock, &file).map_err(Error::io("write", &file)) } else { Ok(()) }
    }

    /// Removes a lock of the configuration that a dead agent-vault left. Call it under the vault's lock.
    pub(crate) fn forget_stale_config(&self) -> Result<()> {
        let lock = self.config_lock();
        match std::fs::read(&lock) {
            Ok(bytes) if bytes.ends_with(DRIVER.as_bytes()) => {
                std::fs::remove_file(&lock).map_err(Error::io("remove", &lock))
            }
            _ => Ok(()),
        }
    }

    fn config_file(&self) -> PathBuf {
        self.git.commondir().join("config")
    }

    fn config_lock(&self) -> PathBuf {
        self.git.commondir().join("config.lock")
    }

    /// Repeats the vault's attributes in `$GIT_DIR/info/attributes`, which a nested `.gitattributes` cannot override.
    pub(crate) fn protect_bytes(&self) -> Result<()> {
        let file = self.git.commondir().join("info").join("attributes");
        let line = format!("{} {}", attributes_pattern(&self.prefix), layout::ATTRIBUTES).into_bytes();
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", &file)(error)),
        };
        if text.split(|byte| *byte == b'\n').any(|existing| existing == line) {
            return Ok(());
        }
        self.name_driver()?;
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let gap: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
        let temporary = file.with_extension("agent-vault-new");
        std::fs::write(&temporary, [text.as_slice(), gap, line.as_slice(), b"\n"].concat())
            .map_err(Error::io("write", &temporary))?;
        std::fs::rename(&temporary, &file).map_err(Error::io("write", &file))
    }
}

/// The pattern of everything below `prefix`: glob characters escaped, in quotes where there is a blank
/// (gitattributes(5)).
fn attributes_pattern(prefix: &str) -> String {
    let mut pattern = String::new();
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | '\\' | '!' | '#') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push_str("**");
    if pattern.contains([' ', '\t', '"']) {
        format!("\"{}\"", pattern.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_and_globs_is_one_pattern() {
        assert_eq!(attributes_pattern(".agent-vault/"), ".agent-vault/**");
        assert_eq!(attributes_pattern("a b/[x]/.agent-vault/"), "\"a b/\\\\[x]/.agent-vault/**\"");
    }
}
