//! Files of a person's own that are replaced: whole or not at all, with the rights that they had, through links.

use agent_vault_core::{Error, Result};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A new text that lies, flushed, beside the file whose place it is to take. It is gone when dropped before.
#[must_use]
pub struct Prepared {
    temporary: PathBuf,
    file: PathBuf,
}

impl Prepared {
    /// Writes the text beside the file: the one that a link leads to, for a name stays what it is. A file that is not there
    /// yet gets the rights that new files have.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is as it was.
    pub fn new(file: &Path, text: &[u8]) -> Result<Self> {
        let real = match file.symlink_metadata() {
            Ok(_) => file.canonicalize().map_err(Error::io("follow", file))?,
            Err(_) => file.to_path_buf(),
        };
        let mut name = real.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".new-{:016x}", rand::random::<u64>()));
        let prepared = Self { temporary: real.with_file_name(name), file: real };
        let write = || {
            let mut new = OpenOptions::new().write(true).create_new(true).open(&prepared.temporary)?;
            if let Ok(before) = prepared.file.metadata() {
                new.set_permissions(before.permissions())?;
            }
            new.write_all(text)?;
            new.sync_all()
        };
        write().map_err(Error::io("replace", file))?;
        Ok(prepared)
    }

    /// Puts the text in the file's place.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is as it was.
    pub fn put(self) -> Result<()> {
        std::fs::rename(&self.temporary, &self.file).map_err(Error::io("replace", &self.file))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // After `put`, nothing of that name is there.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
