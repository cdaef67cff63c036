//! `info/attributes`: Git hands the vault's bytes through as they are.

use super::Repo;
use crate::error::{Error, Result};
use crate::layout;

/// The driver that `merge=agent-vault` of the attributes names (gitattributes(5), "Defining a custom merge driver").
const DRIVER: [(&str, &str); 2] = [
    ("merge.agent-vault.name", "agent-vault: one side's, until `agent-vault sync` merges by meaning"),
    ("merge.agent-vault.driver", "agent-vault merge-driver %O %A %B %P"),
];

impl Repo {
    /// Names the merge driver of the vault's files in the repository's own configuration: what `git merge` does with a
    /// file that both sides changed.
    pub(crate) fn name_driver(&self) -> Result<()> {
        let fail = || Error::git("write the repository's configuration");
        let mut config =
            self.git.config().and_then(|config| config.open_level(git2::ConfigLevel::Local)).map_err(fail())?;
        for (key, value) in DRIVER {
            if config.get_string(key).ok().as_deref() != Some(value) {
                config.set_str(key, value).map_err(fail())?;
            }
        }
        Ok(())
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
