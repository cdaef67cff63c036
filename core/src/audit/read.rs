//! The reading side: every segment of a vault, from the disk.

use super::line::{Line, Record};
use super::verify::{Index, Report, Verifier};
use super::{Book, ENDING, INDEX, INDEX_LIMIT, LINE, SEGMENT};
use crate::error::Result;
use crate::folder::{Folder, Kind};
use crate::name::matches;
use crate::parallel;
use crate::time::Timestamp;
use serde::Serialize;

/// The most bytes of a segment: one that has room takes one more line.
const LIMIT: u64 = SEGMENT + LINE as u64 + 1;

/// Which records are wanted; everything that is named must fit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this owner or agent, or of the key with this id.
    pub identity: Option<String>,
    /// Of secrets that fit this pattern, in which `*` stands for any characters. A move has two names.
    pub path: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
}

/// A record, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What the line says.
    #[serde(flatten)]
    pub record: Record,
    /// The segment's file, below the vault's folder of the log.
    pub file: String,
    /// Which of its lines, from 1 on.
    pub line: usize,
}

/// What was found in a log.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The records, oldest first.
    pub entries: Vec<Entry>,
    /// How many lines or files could not be read as what they should be; [`verify()`] says which.
    pub unreadable: usize,
}

/// The records of a vault on this machine that fit a filter, of all processes, oldest first. Nothing is proven by it:
/// that is what [`verify()`] does.
///
/// # Errors
/// [`crate::Error::Io`] when a folder cannot be listed.
pub fn records(book: &Book, filter: &Filter) -> Result<Found> {
    let mut found = Found::default();
    let Some(folder) = open(book)? else { return Ok(found) };
    let first = filter.since.map(|since| since.to_string()[..10].to_owned());
    for day in days(&folder)? {
        if first.as_ref().is_some_and(|first| day < *first) {
            continue;
        }
        let names = segments(&folder, &day)?;
        for (entries, unreadable) in parallel::map(names, |name| entries(&folder, &format!("{day}/{name}"), filter)) {
            found.entries.extend(entries);
            found.unreadable += unreadable;
        }
    }
    found.entries.sort_by(|a, b| (a.record.time, &a.file, a.line).cmp(&(b.record.time, &b.file, b.line)));
    Ok(found)
}

/// Proves the log of a vault on this machine, as far as it can be proven.
///
/// # Errors
/// [`crate::Error::Io`] when it cannot be read. What is wrong with it is in the report.
pub fn verify(book: &Book) -> Result<Report> {
    let mut verifier = Verifier::new(&book.vault);
    if let Some(folder) = open(book)? {
        for day in days(&folder)? {
            let before = match folder.read(&format!("{day}/{INDEX}"), INDEX_LIMIT) {
                Ok(index) => index,
                Err(error) => {
                    verifier.unreadable(format!("{day}/{INDEX}"), &error);
                    Some(Vec::new())
                }
            };
            let names = segments(&folder, &day)?;
            let mut read = Vec::new();
            for (name, bytes) in parallel::map(names, |name| {
                let bytes = folder.read(&format!("{day}/{name}"), LIMIT);
                (name, bytes)
            }) {
                match bytes {
                    Ok(Some(bytes)) => read.push((name, bytes)),
                    // It was there when the folder was listed; the index knows whether it should be.
                    Ok(None) => {}
                    Err(error) => verifier.unreadable(format!("{day}/{name}"), &error),
                }
            }
            // Processes write a line first and list it then, and begin a segment with what the index was.
            let after = folder.read(&format!("{day}/{INDEX}"), INDEX_LIMIT).ok().flatten();
            verifier.day(&day, Index { before: before.as_deref(), after: after.as_deref() }, &read);
        }
    }
    Ok(verifier.end())
}

fn open(book: &Book) -> Result<Option<Folder>> {
    if book.dir.symlink_metadata().is_err() {
        return Ok(None);
    }
    Folder::open(&book.dir).map(Some)
}

/// The days of a log, oldest first.
fn days(folder: &Folder) -> Result<Vec<String>> {
    let entries = folder.list("")?;
    Ok(entries.into_iter().filter(|entry| entry.kind == Kind::Folder && is_day(&entry.name)).map(|e| e.name).collect())
}

/// Whether a folder's name is a day's.
pub(super) fn is_day(name: &str) -> bool {
    name.len() == 10
        && name.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

/// The names of a day's segments.
fn segments(folder: &Folder, day: &str) -> Result<Vec<String>> {
    let entries = folder.list(day)?;
    Ok(entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(ENDING)).collect())
}

/// The records of one segment that fit, and how many lines are none.
fn entries(folder: &Folder, file: &str, filter: &Filter) -> (Vec<Entry>, usize) {
    let Ok(bytes) = folder.read(file, LIMIT) else { return (Vec::new(), 1) };
    let bytes = bytes.unwrap_or_default();
    let (mut entries, mut unreadable) = (Vec::new(), 0);
    // What is after the last end of a line was cut short by a kill, and is no line.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &bytes[..end]);
    let lines = whole.split(|byte| *byte == b'\n').enumerate().filter(|_| !whole.is_empty());
    for (at, line) in lines {
        match Line::parse(line) {
            Ok(Line { record, .. }) if filter.fits(&record) => {
                entries.push(Entry { record, file: file.to_owned(), line: at + 1 });
            }
            Ok(_) => {}
            Err(_) => unreadable += 1,
        }
    }
    (entries, unreadable)
}

impl Filter {
    fn fits(&self, record: &Record) -> bool {
        let named = |wanted: &String| {
            record
                .identity
                .as_ref()
                .is_some_and(|actor| actor.name.as_ref() == Some(wanted) || actor.keys.contains(wanted))
        };
        let moved_to = record.subject.as_deref().filter(|_| record.operation == "mv");
        let paths = || record.path.as_deref().into_iter().chain(moved_to);
        self.identity.as_ref().is_none_or(named)
            && self.path.as_ref().is_none_or(|pattern| paths().any(|path| matches(pattern, path)))
            && self.since.is_none_or(|since| record.time.since(since))
    }
}
