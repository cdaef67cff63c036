//! The writing side: one segment for each process and vault, begun at the first line.

use super::index::{self, Listed, WINDOW};
use super::line::{Actor, Header, Line, Link, Moment, Process, Record, Role, Window, said};
use super::{Book, ENDING, INDEX, SEGMENT, process};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::home;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a process writes its lines with. Make one for the process and share it: threads write to one segment.
#[derive(Debug, Default)]
pub struct Log {
    chains: Mutex<HashMap<PathBuf, Chain>>,
    told: AtomicBool,
    client: Mutex<Option<String>>,
}

/// Appends the line of an ordinary `get`, for benchmarks.
#[doc(hidden)]
pub fn append_for_test(log: &Log, book: &Book) -> Result<()> {
    log.append(book, |time, process| Record {
        time,
        operation: "get".into(),
        path: Some("bench/s00000".into()),
        subject: None,
        outcome: "ok".into(),
        commit: None,
        identity: Some(Actor {
            role: Some(Role::Agent),
            name: Some("agent-0000".into()),
            keys: vec!["0011223344556677".into()],
        }),
        process,
        client: None,
    })
}

/// What this process has written of one vault.
#[derive(Debug, Default)]
struct Chain {
    process: Option<Process>,
    /// The segment that takes the next line.
    open: Option<Segment>,
    /// The last line that was written, whichever segment it is in.
    last: Option<Link>,
}

#[derive(Debug)]
struct Segment {
    day: String,
    /// Its name without folder and ending.
    name: String,
    path: PathBuf,
    file: File,
    index: Option<File>,
    lines: usize,
    bytes: u64,
    last: Digest,
}

impl Log {
    /// Appends one line, made of what the kernel says of the time and of this process.
    pub(crate) fn append(&self, book: &Book, record: impl FnOnce(Moment, Process) -> Record) -> Result<()> {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = chains.entry(book.dir.clone()).or_default();
        let process = process::current(chain.process.as_ref());
        if chain.process.as_ref().is_some_and(|known| known.pid != process.pid) {
            // A fork: the segment goes on in the other process.
            *chain = Chain::default();
        }
        let now = Moment::now();
        chain.process = Some(process.clone());
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        chain.append(book, Record { client, ..record(now, process) })
    }

    /// Names whom this process works for from now on: what the client of a server calls itself, or `None`. It stands in
    /// every line that follows, of a long one the first 256 characters.
    pub fn work_for(&self, client: Option<&str>) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client.map(said);
    }

    /// Whether it is yet to be told that this process cannot record; once.
    pub(crate) fn is_to_be_told(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

impl Chain {
    fn append(&mut self, book: &Book, record: Record) -> Result<()> {
        let day = record.time.day();
        self.open = self.open.take().filter(|segment| segment.takes_more(&day));
        let written = match &mut self.open {
            Some(segment) => segment.go_on(record),
            None => Segment::begin(book, self.last.clone(), record).map(|segment| {
                self.open = Some(segment);
            }),
        };
        match &self.open {
            // A line that was cut short stays the last one of its segment.
            _ if written.is_err() => self.open = None,
            Some(segment) => self.last = Some(Link { file: segment.id(), digest: segment.last }),
            None => {}
        }
        written
    }
}

impl Segment {
    /// Makes a new file with its first line.
    fn begin(book: &Book, continues: Option<Link>, record: Record) -> Result<Self> {
        let day = record.time.day();
        let folder = book.dir.join(&day);
        let name = format!("{}-{}-{:016x}", record.time.clock(), record.process.pid, rand::random::<u64>());
        let path = folder.join(format!("{name}{ENDING}"));
        let mut options = home::private_options();
        options.append(true);
        let file = match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                home::make_private_folder(&folder)?;
                options.open(&path)
            }
            other => other,
        };
        let file = file.map_err(Error::io("create", &path))?;
        let (index, after, whole) = match open_index(&book.dir, &day) {
            Ok((index, after, whole)) => (Some(index), after, whole),
            // The line itself is what counts.
            Err(_) => (None, None, true),
        };
        let header = Header { version: 1, vault: book.vault.clone(), file: format!("{day}/{name}"), after, continues };
        let mut segment = Self { day, name, path, file, index, lines: 0, bytes: 0, last: Digest::of(b"") };
        segment.write(&Line { segment: Some(header), prev: None, record }, whole)?;
        Ok(segment)
    }

    fn go_on(&mut self, record: Record) -> Result<()> {
        self.write(&Line { segment: None, prev: Some(self.last), record }, true)
    }

    /// One call of write(2) for the line, and one for its line in the index. Nothing is flushed. `whole`: the index ends
    /// with a whole line.
    fn write(&mut self, line: &Line, whole: bool) -> Result<()> {
        let mut bytes = line.render();
        self.last = Digest::of(&bytes);
        bytes.push(b'\n');
        write_once(&mut self.file, &bytes).map_err(Error::io("append to", &self.path))?;
        self.lines += 1;
        self.bytes += bytes.len() as u64;
        let listed = Listed { segment: &self.name, number: self.lines, digest: self.last }.render();
        let listed = if whole { listed } else { format!("\n{listed}") };
        if let Some(index) = &mut self.index
            && write_once(index, listed.as_bytes()).is_err()
        {
            // Its lines stand in no index from here on, which `audit verify` says.
            self.index = None;
        }
        Ok(())
    }

    /// Whether the next line may stand in this segment.
    fn takes_more(&self, day: &str) -> bool {
        self.day == day && self.bytes < SEGMENT && is_linked(&self.file)
    }

    /// How other lines name it.
    fn id(&self) -> String {
        format!("{}/{}", self.day, self.name)
    }
}

/// The index of a day, to be appended to; what a new segment says of its end; and whether that is a whole line.
fn open_index(dir: &Path, day: &str) -> std::io::Result<(File, Option<Window>, bool)> {
    let path = dir.join(day).join(INDEX);
    let open = || OpenOptions::new().read(true).append(true).open(&path);
    let mut index = match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match home::private_options().read(true).append(true).open(&path) {
                // Another process was quicker.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => open()?,
                made => made?,
            }
        }
        found => found?,
    };
    let end = read_end(&mut index)?;
    if end.0 > 0 {
        let whole = end.1.ends_with(b"\n");
        return Ok((index, Some(index::window(day, end.0, &end.1)), whole));
    }
    Ok((index, newest_before(dir, day), true))
}

/// An index's length and its last bytes.
fn read_end(index: &mut File) -> std::io::Result<(u64, Vec<u8>)> {
    let bytes = index.metadata()?.len();
    let mut end = Vec::with_capacity(WINDOW as usize);
    if bytes > 0 {
        let start = bytes.saturating_sub(WINDOW);
        index.seek(SeekFrom::Start(start))?;
        // Others may append meanwhile.
        index.take(bytes - start).read_to_end(&mut end)?;
    }
    Ok((bytes, end))
}

/// The end of the index of the last day before this one. Asked for by the first segments of a day only.
fn newest_before(dir: &Path, day: &str) -> Option<Window> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let mut days: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    days.retain(|other| super::read::is_day(other) && other.as_str() < day);
    days.sort_unstable();
    days.into_iter().rev().find_map(|other| {
        let (bytes, end) = read_end(&mut File::open(dir.join(&other).join(INDEX)).ok()?).ok()?;
        (bytes > 0).then(|| index::window(&other, bytes, &end))
    })
}

/// One write(2): what is cut short is not completed by a second one, between which others could write.
fn write_once(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    loop {
        match file.write(bytes) {
            Ok(count) if count == bytes.len() => return Ok(()),
            Ok(_) => return Err(ErrorKind::StorageFull.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file still has a name: what is written to one that was deleted is kept nowhere.
#[cfg(unix)]
fn is_linked(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

#[cfg(not(unix))]
fn is_linked(_file: &File) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::verify;

    #[test]
    fn a_forked_process_leaves_its_parents_segment_alone_and_begins_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::unsigned(&crate::home::Home::new(dir.path()), Path::new("/a/vault"));
        let log = Log::default();
        append_for_test(&log, &book).unwrap();
        // As a child finds it: the memory of a process with another number.
        for chain in log.chains.lock().unwrap().values_mut() {
            chain.process.as_mut().unwrap().pid += 1;
        }
        append_for_test(&log, &book).unwrap();
        let report = verify(&book).unwrap();
        assert_eq!((report.segments, report.records, report.violations), (2, 2, vec![]));
    }

    #[test]
    fn who_is_worked_for_stands_in_the_lines_from_then_on_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::unsigned(&crate::home::Home::new(dir.path()), Path::new("/a/vault"));
        let log = Log::default();
        append_for_test(&log, &book).unwrap();
        log.work_for(Some(&"\u{202e}".repeat(100_000)));
        append_for_test(&log, &book).unwrap();
        log.work_for(None);
        append_for_test(&log, &book).unwrap();
        let found = crate::audit::records(&book, &crate::audit::Filter::default()).unwrap();
        let clients: Vec<_> = found.entries.iter().map(|entry| entry.record.client.clone()).collect();
        assert_eq!(clients, [None, Some("\u{202e}".repeat(256) + "…"), None]);
        assert_eq!(verify(&book).unwrap().violations, []);
    }

    #[test]
    fn a_segment_that_is_full_goes_on_in_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::unsigned(&crate::home::Home::new(dir.path()), Path::new("/a/vault"));
        let log = Log::default();
        append_for_test(&log, &book).unwrap();
        for chain in log.chains.lock().unwrap().values_mut() {
            chain.open.as_mut().unwrap().bytes = SEGMENT;
        }
        append_for_test(&log, &book).unwrap();
        let last = log.chains.lock().unwrap().values().next().unwrap().open.as_ref().unwrap().path.clone();
        let text = std::fs::read(last).unwrap();
        let line = Line::parse(text.strip_suffix(b"\n").unwrap()).unwrap();
        assert!(line.segment.unwrap().continues.is_some());
        assert_eq!(verify(&book).unwrap().violations, []);
    }
}
