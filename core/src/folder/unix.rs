//! `openat` and its kin. On Linux one `openat2` with `RESOLVE_NO_SYMLINKS` does a whole path; elsewhere, and under
//! sandboxes that refuse it, each part is opened by itself with `O_NOFOLLOW`.

use super::{Entry, Kind, Stamp};
use crate::parallel;
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io::{Error, Read, Result, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

pub(super) type Handle = OwnedFd;

/// The bytes of one part of a listing: some 20,000 names.
#[cfg(target_os = "linux")]
const PART: usize = 1 << 20;
/// How often a folder that keeps changing is read again.
const RESTLESS: usize = 500;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

pub(super) fn open_root(path: &Path) -> Result<Handle> {
    Ok(rustix::fs::open(path, FOLDER, Mode::empty())
        .map_err(|errno| if errno == Errno::NOTDIR { link_or_missing(path) } else { errno })?)
}

/// `O_DIRECTORY|O_NOFOLLOW` on a link gives ENOTDIR on Linux and ELOOP elsewhere; say ELOOP for both.
fn link_or_missing(path: &Path) -> Errno {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_symlink() => Errno::LOOP,
        _ => Errno::NOTDIR,
    }
}

pub(super) fn is_link(error: &Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Opens `relative` below `root` without following any link.
fn open(root: &Handle, relative: &str, flags: OFlags) -> Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::ResolveFlags;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let path = if relative.is_empty() { "." } else { relative };
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            // NOTDIR is also what a link says where a folder is wanted: the walk below tells the two apart.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN | Errno::INVAL | Errno::NOTDIR) => {}
            other => return Ok(other?),
        }
    }
    let (parents, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let name = if name.is_empty() { "." } else { name };
    match walk(root, parents)? {
        Some(parent) => open_one(&parent, name, flags),
        None => open_one(root, name, flags),
    }
}

/// Opens one name, telling a link from a file where a folder should be.
fn open_one(parent: impl AsFd, name: &str, flags: OFlags) -> Result<OwnedFd> {
    rustix::fs::openat(&parent, name, flags, Mode::empty()).map_err(|errno| {
        let link = errno == Errno::NOTDIR
            && rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        if link { Errno::LOOP.into() } else { errno.into() }
    })
}

/// Opens the folder `relative`, one part after the other; `None` for the root itself.
fn walk(root: &Handle, relative: &str) -> Result<Option<OwnedFd>> {
    let mut at: Option<OwnedFd> = None;
    for part in relative.split('/').filter(|part| !part.is_empty()) {
        at = Some(match &at {
            Some(parent) => open_one(parent, part, FOLDER)?,
            None => open_one(root, part, FOLDER)?,
        });
    }
    Ok(at)
}

/// The opened folder above `relative`, and the last part.
fn parent<'r>(root: &Handle, relative: &'r str) -> Result<(OwnedFd, &'r str)> {
    let (parents, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    Ok((open(root, parents, FOLDER)?, name))
}

pub(super) fn read(root: &Handle, relative: &str, limit: u64) -> Result<Vec<u8>> {
    let file = std::fs::File::from(open(root, relative, FILE)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Errno::LOOP.into());
    }
    let mut bytes = Vec::with_capacity(metadata.len().min(limit) as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn stamp(root: &Handle, relative: &str) -> Result<(Kind, Stamp)> {
    let (parents, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let stat = if parents.is_empty() {
        rustix::fs::statat(root, name, AtFlags::SYMLINK_NOFOLLOW)?
    } else {
        rustix::fs::statat(open(root, parents, FOLDER)?, name, AtFlags::SYMLINK_NOFOLLOW)?
    };
    Ok((kind(FileType::from_raw_mode(stat.st_mode)), stamp_of(&stat)))
}

#[allow(clippy::unnecessary_cast)] // the types differ from system to system
fn stamp_of(stat: &rustix::fs::Stat) -> Stamp {
    Stamp {
        size: stat.st_size as u64,
        inode: stat.st_ino as u64,
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
    }
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        _ => Kind::Other,
    }
}

pub(super) fn list(root: &Handle, relative: &str) -> Result<Vec<Entry>> {
    entries(&open(root, relative, FOLDER)?)
}

pub(super) fn scan(root: &Handle, relative: &str, ending: &str) -> Result<Vec<(Entry, Option<Stamp>)>> {
    let folder = open(root, relative, FOLDER)?;
    let with_stamp = |entry: Entry| {
        let wanted = entry.kind == Kind::File && entry.name.ends_with(ending);
        let stat = || rustix::fs::statat(&folder, &entry.name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let stamp = if wanted { stat().map(|stat| stamp_of(&stat)) } else { None };
        (entry, stamp)
    };
    Ok(parallel::map(entries(&folder)?, with_stamp))
}

/// The entries of a folder. A listing in several parts may miss a name that is being replaced or have it twice, so such a
/// one is read again while the folder changes.
fn entries(folder: &OwnedFd) -> Result<Vec<Entry>> {
    let mut before = stamp_of(&rustix::fs::fstat(folder)?);
    for _ in 0..RESTLESS {
        let (entries, parts) = entries_once(folder)?;
        let after = stamp_of(&rustix::fs::fstat(folder)?);
        if parts == 1 || after == before {
            return Ok(entries);
        }
        before = after;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(entries_once(folder)?.0)
}

/// The entries, and in how many parts the kernel gave them. Within one part, no name changes: `getdents64(2)` holds the
/// folder's lock.
#[cfg(target_os = "linux")]
fn entries_once(folder: &OwnedFd) -> Result<(Vec<Entry>, usize)> {
    let again = rustix::fs::openat(folder, ".", FOLDER, Mode::empty())?;
    let mut buffer: Vec<u8> = Vec::with_capacity(PART);
    let mut names = rustix::fs::RawDir::new(again, buffer.spare_capacity_mut());
    let (mut entries, mut parts) = (Vec::new(), 0);
    loop {
        parts += usize::from(names.is_buffer_empty());
        match names.next() {
            Some(entry) => entry.map(|entry| entries.extend(entry_of(folder, entry.file_name(), entry.file_type())))?,
            // The last call found the end.
            None => return Ok((entries, parts.saturating_sub(1).max(1))),
        }
    }
}

/// The entries, in parts that nobody counts.
#[cfg(not(target_os = "linux"))]
fn entries_once(folder: &OwnedFd) -> Result<(Vec<Entry>, usize)> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        entries.extend(entry_of(folder, entry.file_name(), entry.file_type()));
    }
    Ok((entries, usize::MAX))
}

fn entry_of(folder: &OwnedFd, name: &CStr, file_type: FileType) -> Option<Entry> {
    if matches!(name.to_bytes(), b"." | b"..") {
        return None;
    }
    let file_type = match file_type {
        FileType::Unknown => rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
        known => known,
    };
    // A name that is not UTF-8 can be none of ours; it is shown as the stranger it is.
    Some(Entry { name: name.to_string_lossy().into_owned(), kind: kind(file_type) })
}

pub(super) fn make_parents(root: &Handle, relative: &str) -> Result<()> {
    let (parents, _) = relative.rsplit_once('/').unwrap_or(("", relative));
    let mut at: Option<OwnedFd> = None;
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        let here = at.as_ref().map_or(root.as_fd(), |fd| fd.as_fd());
        match rustix::fs::mkdirat(here, part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let next = open_one(here, part, FOLDER)?;
        at = Some(next);
    }
    let last = at.as_ref().map_or(root.as_fd(), |fd| fd.as_fd());
    Ok(rustix::fs::accessat(last, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

pub(super) fn adopt(root: &Handle, from: &Path, relative: &str) -> Result<()> {
    let (folder, name) = parent(root, relative)?;
    match rustix::fs::renameat(rustix::fs::CWD, from, &folder, name) {
        Ok(()) => Ok(()),
        Err(Errno::XDEV) => copy(&folder, from, name),
        Err(errno) => Err(errno.into()),
    }
}

/// A rename across file systems: a durable copy beside the target, then a rename.
fn copy(folder: &OwnedFd, from: &Path, name: &str) -> Result<()> {
    let temporary = format!(".{name}.agent-vault-new");
    let _ = rustix::fs::unlinkat(folder, &temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = std::fs::File::from(rustix::fs::openat(folder, &temporary, flags, Mode::from_raw_mode(0o644))?);
    file.write_all(&std::fs::read(from)?)?;
    file.sync_all()?;
    rustix::fs::renameat(folder, &temporary, folder, name)?;
    std::fs::remove_file(from)
}

pub(super) fn remove(root: &Handle, relative: &str) -> Result<()> {
    let (folder, name) = parent(root, relative)?;
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?)
}

pub(super) fn remove_folder(root: &Handle, relative: &str) -> Result<()> {
    let (folder, name) = parent(root, relative)?;
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}
