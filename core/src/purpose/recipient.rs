//! The program that is about to receive a value: found once, opened once, and run from the opened file.

use super::program::{ProgramPath, is_interpreter};
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest first line of a script that the kernel reads (Linux, `BINPRM_BUF_SIZE`).
const FIRST_LINE: u64 = 256;

/// How a program of Linux begins.
const ELF: &[u8; 4] = b"\x7fELF";

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
        if self.path.file_name().is_none_or(|name| name == "git" || is_interpreter(&name.to_string_lossy())) {
            return Some(format!("{path} runs whatever it is told to run"));
        }
        if self.listed_in(programs).is_none() {
            return Some(format!("this is {path}"));
        }
        if cfg!(target_os = "linux") && !self.is_script() && !self.head.starts_with(ELF) {
            return Some(format!("{path} is neither a program of this system nor a script with a first line"));
        }
        let interpreter = self.is_script().then(|| interpreter(&self.head)).and_then(Result::err)?;
        Some(format!("{path} is a script {interpreter}"))
    }

    /// The path of the list that leads to this file. It is followed here and now, as its owner would follow it.
    pub fn listed_in<'l>(&self, programs: &'l [ProgramPath]) -> Option<&'l ProgramPath> {
        programs.iter().find(|listed| {
            listed.as_path().canonicalize().is_ok_and(|real| real == self.path && self.is_opened_from(&real))
        })
    }

    /// Whether the opened file is what is at this path now.
    #[cfg(unix)]
    fn is_opened_from(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let id = |found: &std::fs::Metadata| (found.dev(), found.ino());
        matches!((self.file.metadata(), path.metadata()), (Ok(opened), Ok(there)) if id(&opened) == id(&there))
    }

    #[cfg(not(unix))]
    fn is_opened_from(&self, _path: &Path) -> bool {
        false
    }
}

/// Programs that read from their arguments what they are.
const OF_MANY_NAMES: [&[u8]; 4] = [b"env", b"busybox", b"toybox", b"coreutils"];

/// Whether a script's first line says by path which program reads the script; `Err` goes on after "is a script".
fn interpreter(head: &[u8]) -> std::result::Result<(), &'static str> {
    let by_path = Err("that leaves it to PATH or to an argument which program reads it");
    let line = head[2..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty());
    let named = words.next().unwrap_or_default();
    let name = named.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let Ok(path) = std::str::from_utf8(named) else { return by_path };
    if !path.starts_with('/') || OF_MANY_NAMES.contains(&name) {
        return by_path;
    }
    let Ok(real) = Path::new(path).canonicalize() else { return Err("whose interpreter is not there") };
    if real.file_name().is_some_and(|name| name == "env") {
        return by_path;
    }
    let mut magic = [0; 4];
    let read = File::open(&real).and_then(|mut file| file.read_exact(&mut magic));
    if cfg!(target_os = "linux") && (read.is_err() || magic != *ELF) {
        return Err("whose interpreter is a script itself");
    }
    Ok(())
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
