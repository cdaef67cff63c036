//! The proof, over bytes: what must hold between the lines of a segment, the index of its day, and what later segments say
//! of both.

use super::ENDING;
use super::index;
use super::line::{Header, Line, Link, Window};
use crate::digest::Digest;
use crate::error::Error;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// So many violations of one file are told.
const TOLD: usize = 16;

/// So many lines of a day's index may have been cut short by kills: each is looked for among all segments.
const CUT: usize = 64;

/// What was found in a log.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many lines there are.
    pub records: usize,
    /// In how many segments.
    pub segments: usize,
    /// Of how many days.
    pub days: usize,
    /// The first day that is there.
    pub begins: Option<String>,
    /// Whether there were days before it.
    pub earlier_removed: bool,
    /// Segments whose last line was cut short, by a kill or a full disk.
    pub torn: Vec<String>,
    /// Lines at the end of segments that stand in no index, as when a process is killed between its two writes.
    pub unlisted: usize,
    /// What is not as it was written.
    pub violations: Vec<Violation>,
}

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The file, below the vault's folder of the log.
    pub file: String,
    /// The line in it, from 1 on, where it is one line's.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

/// Takes in one day after the other, oldest first.
pub(super) struct Verifier {
    vault: String,
    report: Report,
    /// The index of each day.
    indexes: BTreeMap<String, Vec<u8>>,
    /// The last line of each segment, by `day/name`.
    ends: HashMap<String, Digest>,
    /// What segments say of others, by the file that says it.
    links: Vec<(String, Link)>,
    windows: Vec<(String, Window)>,
}

/// What came of one segment.
struct Segment {
    name: String,
    file: String,
    /// Of each whole line.
    digests: Vec<Digest>,
    /// How many of them the index lists.
    listed: usize,
}

/// A day's index as it was before its segments were read, and after: processes go on writing meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Index<'b> {
    pub before: Option<&'b [u8]>,
    pub after: Option<&'b [u8]>,
}

impl Verifier {
    pub(super) fn new(vault: &str) -> Self {
        Self {
            vault: vault.to_owned(),
            report: Report::default(),
            indexes: BTreeMap::new(),
            ends: HashMap::new(),
            links: Vec::new(),
            windows: Vec::new(),
        }
    }

    fn wrong(&mut self, file: impl Into<String>, line: Option<usize>, reason: impl Into<String>) {
        self.report.violations.push(Violation { file: file.into(), line, reason: reason.into() });
    }

    /// A file that is there and cannot be read as a plain file of its size.
    pub(super) fn unreadable(&mut self, file: String, error: &Error) {
        self.wrong(file, None, format!("it cannot be read: {error}"));
    }

    /// One day: its index, and its segments by file name.
    pub(super) fn day(&mut self, day: &str, index: Index<'_>, segments: &[(String, Vec<u8>)]) {
        self.report.days += 1;
        self.report.begins.get_or_insert_with(|| day.to_owned());
        let mut read: Vec<Segment> = segments.iter().map(|(name, bytes)| self.segment(day, name, bytes)).collect();
        let file = format!("{day}/{}", super::INDEX);
        match index.before {
            Some(bytes) => self.compare(&file, day, bytes, &mut read),
            None if read.iter().any(|segment| !segment.digests.is_empty()) => {
                self.wrong(&file, None, "it is gone, and there are segments that it should list");
            }
            None => {}
        }
        self.report.unlisted += read.iter().map(|segment| segment.digests.len() - segment.listed).sum::<usize>();
        self.indexes.insert(day.to_owned(), index.after.unwrap_or_default().to_vec());
    }

    /// The chain within a segment.
    fn segment(&mut self, day: &str, name: &str, bytes: &[u8]) -> Segment {
        let file = format!("{day}/{name}");
        let name = name.trim_end_matches(ENDING).to_owned();
        self.report.segments += 1;
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if end < bytes.len() || bytes.is_empty() {
            self.report.torn.push(file.clone());
        }
        let mut digests: Vec<Digest> = Vec::new();
        let (mut pid, mut told) = (None, 0);
        for line in bytes[..end].split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]) {
            let number = digests.len() + 1;
            let found = Line::parse(line).and_then(|line| {
                self.first_of(&line, day, &name, digests.last())?;
                if line.record.time.day() != day {
                    return Err("it is of another day".into());
                }
                match *pid.get_or_insert(line.record.process.pid) == line.record.process.pid {
                    true => Ok(line.segment),
                    false => Err("it is of another process".into()),
                }
            });
            match found {
                Ok(header) => self.note(&file, header),
                Err(reason) if told < TOLD => {
                    told += 1;
                    self.wrong(&file, Some(number), reason);
                }
                Err(_) => {}
            }
            digests.push(Digest::of(line));
        }
        self.report.records += digests.len();
        if let Some(last) = digests.last() {
            self.ends.insert(format!("{day}/{name}"), *last);
        }
        Segment { name, file, digests, listed: 0 }
    }

    /// Whether a line stands where it was written: a header on the first, and on all others the digest of the line before.
    fn first_of(&self, line: &Line, day: &str, name: &str, before: Option<&Digest>) -> Result<(), String> {
        match (&line.segment, &line.prev, before) {
            (Some(Header { version: 1, vault, file, .. }), None, None) => {
                if *vault != self.vault {
                    return Err("it is of another vault".into());
                }
                if *file != format!("{day}/{name}") {
                    return Err("the segment was begun under another name: it was copied or moved here".into());
                }
                Ok(())
            }
            (Some(Header { version, .. }), None, None) if *version != 1 => {
                Err(format!("it has version {version}, and this program knows version 1"))
            }
            (None, Some(prev), Some(before)) if prev == before => Ok(()),
            (None, Some(_), Some(_)) => {
                Err("it does not follow the line before it: lines were altered, removed or moved".into())
            }
            (None, Some(_), None) => Err("the segment's first lines are gone".into()),
            _ => Err("a segment begins in the middle of another one".into()),
        }
    }

    /// Keeps what a segment's first line says of others until all of them are read.
    fn note(&mut self, file: &str, header: Option<Header>) {
        let Some(Header { after, continues, .. }) = header else { return };
        self.windows.extend(after.map(|window| (file.to_owned(), window)));
        self.links.extend(continues.map(|link| (file.to_owned(), link)));
    }

    /// Holds the segments against the index of their day.
    fn compare(&mut self, file: &str, day: &str, bytes: &[u8], segments: &mut [Segment]) {
        let by_name: HashMap<String, usize> =
            segments.iter().enumerate().map(|(at, segment)| (segment.name.clone(), at)).collect();
        let (mut told, mut cut) = (0, 0);
        let mut gone: HashMap<&str, usize> = HashMap::new();
        let mut rest = bytes;
        let mut number = 0;
        while !rest.is_empty() && told < TOLD {
            number += 1;
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = &rest[..end.unwrap_or(rest.len())];
            rest = end.map_or(&[][..], |end| &rest[end + 1..]);
            let wrong = match (index::parse(line), end) {
                (Some(listed), Some(_)) => match by_name.get(listed.segment) {
                    Some(at) => segments[*at].check(listed.number, listed.digest),
                    None => match gone.insert(listed.segment, listed.number) {
                        None => Some((
                            format!("{day}/{}{ENDING}", crate::error::printable(listed.segment)),
                            None,
                            "it is gone: the index lists it".to_owned(),
                        )),
                        Some(_) => None,
                    },
                },
                // A process was killed in the middle of its line.
                (_, end) if cut < CUT && is_cut(line, end.is_some(), segments) => {
                    cut += 1;
                    None
                }
                _ => Some((file.to_owned(), Some(number), "it is no line of an index".to_owned())),
            };
            if let Some((file, line, reason)) = wrong {
                told += 1;
                self.wrong(file, line, reason);
            }
        }
    }

    /// What segments say of others, and the report.
    pub(super) fn end(mut self) -> Report {
        let begins = self.report.begins.clone().unwrap_or_default();
        for (file, window) in std::mem::take(&mut self.windows) {
            let day = &window.day;
            let reason = match self.indexes.get(day) {
                Some(index) if index::holds(index, &window) => continue,
                None if *day < begins => {
                    self.report.earlier_removed = true;
                    continue;
                }
                Some(_) => format!(
                    "the index of {day} is not what it was when this segment began: it was altered, or lines were removed"
                ),
                None => format!("{day} is gone: it was there when this segment began"),
            };
            self.wrong(file, Some(1), reason);
        }
        for (file, link) in std::mem::take(&mut self.links) {
            let earlier = link.file.get(..10).is_some_and(|day| day < begins.as_str());
            if !earlier && self.ends.get(&link.file) != Some(&link.digest) {
                let other = crate::error::printable(&link.file);
                self.wrong(file, Some(1), format!("the segment before it, {other}, does not end as it did"));
            }
        }
        self.report
    }
}

impl Segment {
    /// Holds one line against the index; what is wrong, and where.
    fn check(&mut self, number: usize, digest: Digest) -> Option<(String, Option<usize>, String)> {
        let wrong = |reason: &str| Some((self.file.clone(), Some(number), reason.to_owned()));
        let expected = self.listed + 1;
        self.listed = number.min(self.digests.len());
        if number != expected {
            return wrong("the index lists it out of order: lines of the index were altered, removed or moved");
        }
        match self.digests.get(number - 1) {
            None => wrong("it is gone: the index lists it"),
            Some(found) if *found != digest => {
                wrong("it is not the line that the index lists: one of them was altered")
            }
            Some(_) => None,
        }
    }
}

/// Whether a piece of an index is the beginning of a line of it that was being written, and nothing else. `ended`: a later
/// process ended it.
fn is_cut(piece: &[u8], ended: bool, segments: &[Segment]) -> bool {
    if piece.is_empty() {
        // One is put before a line to end a piece.
        return ended;
    }
    let true_line = |segment: &Segment| {
        let number = segment.listed + 1;
        let listed = |digest: &Digest| index::Listed { segment: &segment.name, number, digest: *digest }.render();
        segment.digests.get(number - 1).map(listed)
    };
    segments.iter().filter_map(true_line).any(|line| {
        let line = line.as_bytes();
        // The whole of it without its end is one that was cut too, where nobody ended it.
        line.starts_with(piece) && piece.len() + usize::from(ended) < line.len()
    })
}
