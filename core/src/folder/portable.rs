//! Without `openat`: every part of a path is looked at before it is used. A link planted between the look and the
//! use is not seen; where that matters, use a system with `openat`.

use super::{Entry, Kind, Stamp};
use crate::parallel;
use std::fs::Metadata;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};

pub(super) type Handle = PathBuf;

pub(super) fn open_root(path: &Path) -> Result<Handle> {
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.file_type().is_symlink() {
        return Err(link());
    }
    if metadata.is_dir() { Ok(path.to_path_buf()) } else { Err(ErrorKind::NotADirectory.into()) }
}

/// The one kind that this module uses for links and no system call returns here.
fn link() -> Error {
    ErrorKind::InvalidFilename.into()
}

pub(super) fn is_link(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidFilename
}

/// The path of `relative`, after a look at each folder on the way.
fn resolve(root: &Handle, relative: &str) -> Result<PathBuf> {
    let mut path = root.clone();
    let mut parts = relative.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        if parts.peek().is_some() && std::fs::symlink_metadata(&path)?.file_type().is_symlink() {
            return Err(link());
        }
    }
    Ok(path)
}

fn kind(metadata: &Metadata) -> Kind {
    match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    }
}

pub(super) fn read(root: &Handle, relative: &str, limit: u64) -> Result<Vec<u8>> {
    let path = resolve(root, relative)?;
    match kind(&std::fs::symlink_metadata(&path)?) {
        Kind::File => {}
        _ => return Err(link()),
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn stamp(root: &Handle, relative: &str) -> Result<(Kind, Stamp)> {
    let metadata = std::fs::symlink_metadata(resolve(root, relative)?)?;
    let since = |time: Result<std::time::SystemTime>| {
        let span = time.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
        (span.as_secs() as i64, span.subsec_nanos())
    };
    let stamp = Stamp {
        size: metadata.len(),
        inode: 0,
        modified: since(metadata.modified()),
        changed: since(metadata.created()),
    };
    Ok((kind(&metadata), stamp))
}

pub(super) fn list(root: &Handle, relative: &str) -> Result<Vec<Entry>> {
    let path = resolve(root, relative)?;
    if std::fs::symlink_metadata(&path)?.file_type().is_symlink() {
        return Err(link());
    }
    std::fs::read_dir(path)?
        .map(|entry| {
            let entry = entry?;
            let metadata = std::fs::symlink_metadata(entry.path())?;
            Ok(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind: kind(&metadata) })
        })
        .collect()
}

pub(super) fn scan(root: &Handle, relative: &str, ending: &str) -> Result<Vec<(Entry, Option<Stamp>)>> {
    let with_stamp = |entry: Entry| {
        let wanted = entry.kind == Kind::File && entry.name.ends_with(ending);
        let path = format!("{relative}/{}", entry.name);
        let stamp = if wanted { stamp(root, &path).ok().map(|(_, stamp)| stamp) } else { None };
        (entry, stamp)
    };
    Ok(parallel::map(list(root, relative)?, with_stamp))
}

pub(super) fn make_parents(root: &Handle, relative: &str) -> Result<()> {
    let mut path = root.clone();
    let (parents, _) = relative.rsplit_once('/').unwrap_or(("", relative));
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        path.push(part);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ if std::fs::symlink_metadata(&path)?.file_type().is_symlink() => return Err(link()),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn adopt(root: &Handle, from: &Path, relative: &str) -> Result<()> {
    let target = resolve(root, relative)?;
    match std::fs::rename(from, &target) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let temporary = target.with_extension("agent-vault-new");
            std::fs::copy(from, &temporary)?;
            std::fs::File::open(&temporary)?.sync_all()?;
            std::fs::rename(&temporary, &target)?;
            std::fs::remove_file(from)
        }
        other => other,
    }
}

pub(super) fn remove(root: &Handle, relative: &str) -> Result<()> {
    std::fs::remove_file(resolve(root, relative)?)
}

pub(super) fn remove_folder(root: &Handle, relative: &str) -> Result<()> {
    std::fs::remove_dir(resolve(root, relative)?)
}
