//! The stores of `pass` and `passage`: a folder, one encrypted file for each entry, named as the entry is.

use super::entry::MAX_ENTRIES;
use super::{Content, Entry, malformed};
use agent_vault_core::{Error, Identities, Result, SecretBytes, crypto};
use rayon::prelude::*;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 32;
/// The most bytes that an entry's file, and its value, may have: a value is refused above 16 MiB by every vault.
const MAX_FILE: u64 = 32 << 20;

/// Whose store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// `*.gpg`, opened by the user's own `gpg`.
    Pass,
    /// `*.age`, opened here.
    Passage,
}

impl Store {
    /// The ending of its files, with the dot.
    fn ending(self) -> &'static str {
        match self {
            Store::Pass => ".gpg",
            Store::Passage => ".age",
        }
    }

    /// Whose store a folder is, by `.gpg-id` or `.age-recipients`, else by its files.
    pub fn recognise(dir: &Path) -> Option<Self> {
        let marked = [(Store::Pass, ".gpg-id"), (Store::Passage, ".age-recipients")];
        let by_mark = marked.into_iter().find(|(_, file)| dir.join(file).is_file()).map(|(store, _)| store);
        let has_files = |store: &Store| store.files(dir).is_ok_and(|files| !files.is_empty());
        by_mark.or_else(|| [Store::Pass, Store::Passage].into_iter().find(has_files))
    }

    /// Every entry of the store in `dir`, decrypted: with `identities`, or by the user's `gpg`. Links are not followed, and
    /// files that are no entries are passed over, as both programs do.
    ///
    /// # Errors
    /// [`Error::Io`]; what `gpg` says; [`Error::NotAuthorized`] and [`Error::Corrupt`] of a passage file.
    pub fn entries(self, dir: &Path, identities: Option<&Identities>) -> Result<Vec<Entry>> {
        let files = self.files(dir)?;
        let open = |found: &Found| -> Result<Content> {
            if found.linked {
                return Ok(Content::NoValue("it is a link, and links are not followed"));
            }
            let value = match identities {
                Some(identities) => opened_by_age(&found.file, identities),
                None => opened_by_gpg(&found.file),
            };
            value.map(Content::Value)
        };
        // The first one alone: a passphrase is asked for once.
        let split = files.iter().position(|found| !found.linked).map_or(files.len(), |first| first + 1);
        let (first, rest) = files.split_at(split);
        let mut contents = first.iter().map(open).collect::<Result<Vec<_>>>()?;
        contents.extend(rest.par_iter().map(open).collect::<Result<Vec<_>>>()?);
        let entries = files.into_iter().zip(contents);
        Ok(entries.map(|(found, content)| Entry { keys: found.keys, line: None, content }).collect())
    }

    /// The files of a store, by name.
    fn files(self, dir: &Path) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        self.walk(dir, &mut Vec::new(), &mut found)?;
        found.sort_by(|a, b| a.keys.cmp(&b.keys));
        Ok(found)
    }

    fn walk(self, dir: &Path, keys: &mut Vec<String>, found: &mut Vec<Found>) -> Result<()> {
        let io = Error::io("read", dir);
        let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(io)?;
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            // .git, .gpg-id, .age-recipients, .extensions: none of it is an entry.
            if name.starts_with('.') {
                continue;
            }
            let kind = entry.file_type().map_err(Error::io("look at", entry.path()))?;
            let stem = name.strip_suffix(self.ending()).filter(|stem| !stem.is_empty());
            if kind.is_dir() {
                if keys.len() >= MAX_DEPTH {
                    return Err(malformed(dir.display(), None, "its folders are nested too deep"));
                }
                keys.push(name);
                self.walk(&entry.path(), keys, found)?;
                keys.pop();
            } else if kind.is_symlink() || stem.is_some() {
                let keys = keys.iter().cloned().chain([stem.unwrap_or(&name).to_owned()]).collect();
                found.push(Found { keys, file: entry.path(), linked: !kind.is_file() });
            }
            if found.len() > MAX_ENTRIES {
                return Err(super::tree::too_many(&dir.display().to_string()));
            }
        }
        Ok(())
    }
}

/// An entry's file.
struct Found {
    keys: Vec<String>,
    file: PathBuf,
    /// A link, or no plain file.
    linked: bool,
}

fn opened_by_age(file: &Path, identities: &Identities) -> Result<SecretBytes> {
    let opened = std::fs::File::open(file).map_err(Error::io("open", file))?;
    let sealed = SecretBytes::read(opened, MAX_FILE).map_err(Error::io("read", file))?;
    crypto::open_file(identities, sealed.expose(), &file.display().to_string())
}

/// Lets the user's `gpg` decrypt, as `pass` does: with their keyring, agent and pinentry.
fn opened_by_gpg(file: &Path) -> Result<SecretBytes> {
    let start = |error| Error::Usage {
        message: format!("gpg cannot be started: {error}"),
        hint: "install GnuPG: entries of pass are decrypted by your own gpg".into(),
    };
    let options = ["--decrypt", "--quiet", "--batch", "--yes", "--"];
    let mut child = Command::new("gpg")
        .args(options.map(OsStr::new))
        .arg(file)
        .env_remove("AGENT_VAULT_KEY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let complaints = child.stderr.take().map(|stderr| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.take(64 << 10).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let value = child.stdout.take().map(|stdout| SecretBytes::read(stdout, MAX_FILE)).transpose();
    let ended = child.wait();
    let said = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
    match (value, ended) {
        (Ok(Some(value)), Ok(status)) if status.success() => Ok(value),
        _ => Err(Error::Usage {
            message: format!(
                "gpg did not decrypt {}: {}",
                file.display(),
                agent_vault_core::error::printable(said.trim().lines().last().unwrap_or("it says nothing"))
            ),
            hint: "see that `gpg --decrypt` of that file works in this terminal; nothing was changed".into(),
        }),
    }
}
