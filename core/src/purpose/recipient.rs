//! The program that is about to receive a value: found once, opened once, and run from the opened file.

use super::program::{ProgramPath, is_interpreter};
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest first line of a script that the kernel reads (Linux, `BINPRM_BUF_SIZE`).
const FIRST_LINE: u64 = 256;

/// A program's file, opened.
#[derive(Debug)]
pub struct Program {
    /// Absolute, without links.
    path: PathBuf,
    file: File,
    /// How it begins.
    head: Vec<u8>,
}

impl Program {
    /// Finds a program as a shell would: a name without `/` is looked up in the folders of `search` (the caller's
    /// `PATH`). Links are followed to the file that will run, and that file is opened.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Io`] when it cannot be opened for reading.
    pub fn find(name: &OsStr, search: Option<&OsStr>) -> Result<Self> {
        let missing =
            || Error::NotFound { what: "program", name: crate::error::printable(&name.to_string_lossy()), near: None };
        let found = if name.as_encoded_bytes().contains(&b'/') {
            PathBuf::from(name)
        } else {
            let folders = std::env::split_paths(search.unwrap_or_default());
            folders.map(|folder| folder.join(name)).find(|file| is_executable(file)).ok_or_else(missing)?
        };
        let path = found.canonicalize().map_err(|_| missing())?;
        // A pipe would be waited for.
        if path.is_file() { Self::open(path) } else { Err(missing()) }
    }

    fn open(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let mut head = Vec::new();
        (&file).take(FIRST_LINE).read_to_end(&mut head).map_err(Error::io("read", &path))?;
        Ok(Self { path, file, head })
    }

    /// Its absolute path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The opened file, to be executed: what was checked is what runs.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether the kernel runs another program, which reads this file.
    pub fn is_script(&self) -> bool {
        self.head.starts_with(b"#!")
    }

    /// Why a secret that is bound to these programs is not for this one; ends a sentence.
    pub(super) fn refusal(&self, programs: &[ProgramPath]) -> Option<String> {
        let path = self.path.display();
        if cfg!(not(unix)) {
            return Some("programs are not checked on this system".into());
        }
        if self.path.file_name().is_none_or(|name| is_interpreter(&name.to_string_lossy())) {
            return Some(format!("{path} runs whatever it is told to run"));
        }
        if self.listed_in(programs).is_none() {
            return Some(format!("this is {path}"));
        }
        if cfg!(target_os = "linux") && !self.is_script() && !self.head.starts_with(b"\x7fELF") {
            return Some(format!("{path} is neither a program of this system nor a script with a first line"));
        }
        if self.is_script() && !self.names_its_interpreter() {
            return Some(format!("{path} is a script that leaves it to PATH which interpreter reads it"));
        }
        None
    }

    /// The path of the list that leads to this file. It is followed here and now, as its owner would follow it.
    pub fn listed_in<'l>(&self, programs: &'l [ProgramPath]) -> Option<&'l ProgramPath> {
        programs.iter().find(|listed| listed.as_path().canonicalize().is_ok_and(|real| real == self.path))
    }

    /// Whether a script's first line names its interpreter by its path, and this is not one that looks for another.
    fn names_its_interpreter(&self) -> bool {
        let line = self.head[2..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty());
        let interpreter = words.next().unwrap_or_default();
        interpreter.starts_with(b"/") && !interpreter.ends_with(b"/env")
    }
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}
