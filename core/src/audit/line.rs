//! A line: one operation, as JSON in one canonical rendering.

use super::LINE;
use crate::digest::Digest;
use crate::error::{Error, is_printable, printable};
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;
use std::fmt;
use std::io;
use std::str::FromStr;

/// The most characters of a text from outside: a folder's or program's name.
const TEXT: usize = 1_024;
/// The most characters of what somebody else says: the name of a client, or what it asked for.
const SAID: usize = 256;

/// A point in time in microseconds: two processes may record within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(jiff::Timestamp);

impl Moment {
    /// The system clock's time.
    pub(super) fn now() -> Self {
        let now = jiff::Timestamp::now();
        Self(jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now))
    }

    /// The day, `2026-11-23`.
    pub(super) fn day(self) -> String {
        self.to_string()[..10].to_owned()
    }

    /// The time of the day without colons, `101112`.
    pub(super) fn clock(self) -> String {
        self.to_string()[11..19].replace(':', "")
    }

    /// Whether it is at `time` or after it.
    pub(super) fn since(self, time: crate::Timestamp) -> bool {
        self.0.as_second() >= time.unix()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.6}", self.0))
    }
}

impl FromStr for Moment {
    type Err = Error;
    /// Only the canonical form, `2026-11-23T10:00:00.000000Z`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let time = text.parse::<jiff::Timestamp>().ok().map(Self);
        time.filter(|time| time.to_string() == text).ok_or_else(|| Error::Usage {
            message: format!("{:?} is not a time", printable(text)),
            hint: "write it as 2026-11-23T10:00:00.000000Z".into(),
        })
    }
}

/// Whose key an operation was done with, as far as signed documents say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What that key is in the vault; none for a key that no signed document names.
    pub role: Option<Role>,
    /// The owner's or agent's name.
    pub name: Option<String>,
    /// The id of the key that did it; of all that were tried where none fitted.
    pub keys: Vec<String>,
}

/// What a key is in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An owner's.
    Owner,
    /// An agent's.
    Agent,
}

/// A process as the kernel knows it. What it does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The file of its program.
    pub program: Option<String>,
    /// The number of its parent.
    pub parent: Option<u32>,
    /// The file of its parent's program.
    pub parent_program: Option<String>,
    /// The folder it is in.
    pub cwd: Option<String>,
}

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it ended, by this machine's clock.
    pub time: Moment,
    /// What was done, by the name of its command: `get`, `set`, `grant`, …
    pub operation: String,
    /// The secret that it was done to.
    pub path: Option<String>,
    /// What else it was done to, or with: an agent, a group, a new name.
    pub subject: Option<String>,
    /// `ok`; `unchanged` where nothing had to be changed, or only was to be shown; or the kind of the error: `not-found`, …
    pub outcome: String,
    /// The commit that a write made.
    pub commit: Option<String>,
    /// Whose key was used; none where no key is needed.
    pub identity: Option<Actor>,
    /// The process that did it.
    pub process: Process,
    /// What the client of a server calls itself, for which the process did it. Nobody vouches for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
}

/// What the first line of a segment adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Of this format: 1.
    pub version: u32,
    pub vault: String,
    /// The segment's own name, `2026-11-23/101112-4711-0011223344556677`: a copy under another name is found.
    pub file: String,
    /// The end of the index when the segment was begun.
    pub after: Option<Window>,
    /// The segment that this process wrote before.
    pub continues: Option<Link>,
}

/// The last bytes of an index at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    pub day: String,
    /// The index's length.
    pub bytes: u64,
    /// Of its last [`super::index::WINDOW`] bytes, or of all if it has fewer.
    pub digest: Digest,
}

/// The last line of another segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub file: String,
    pub digest: Digest,
}

/// A whole line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// On a segment's first line only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub segment: Option<Header>,
    /// The digest of the line before; on all lines but the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prev: Option<Digest>,
    #[serde(flatten)]
    pub record: Record,
}

impl Line {
    /// The canonical bytes, without the end of the line.
    pub(super) fn render(&self) -> Vec<u8> {
        json(self, Style::Line).unwrap_or_default()
    }

    /// Reads one line; `Err` says what is wrong.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LINE {
            return Err(format!("it has more than {LINE} bytes"));
        }
        let line: Self = serde_json::from_slice(bytes).map_err(|_| "it is no record".to_owned())?;
        if line.render() != bytes {
            return Err("it is not in the canonical rendering of its format".into());
        }
        Ok(line)
    }
}

/// A text from outside, short enough for a line.
pub(super) fn bounded(text: &str) -> String {
    cut(text, TEXT)
}

/// What somebody else says, short enough for a line.
pub(crate) fn said(text: &str) -> String {
    cut(text, SAID)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned() + "…",
        None => text.to_owned(),
    }
}

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Line,
    Indented,
}

/// A value as indented JSON in which every character that a terminal would obey or hide is escaped: a folder's name may
/// hold anything.
///
/// # Errors
/// Those of the value's own serialization.
pub fn to_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    json(value, Style::Indented)
}

fn json(value: &impl Serialize, style: Style) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    match style {
        Style::Line => {
            value.serialize(&mut serde_json::Serializer::with_formatter(
                &mut out,
                Escaping(serde_json::ser::CompactFormatter),
            ))?;
        }
        Style::Indented => {
            let pretty = serde_json::ser::PrettyFormatter::new();
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Escaping(pretty)))?;
        }
    }
    Ok(out)
}

/// Escapes what is not printable beyond what JSON asks for; all else is the inner formatter's.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| !is_printable(*c)) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::audit) fn record(path: &str) -> Record {
        Record {
            time: "2026-11-23T10:00:00.000000Z".parse().unwrap(),
            operation: "get".into(),
            path: Some(path.into()),
            subject: None,
            outcome: "ok".into(),
            commit: None,
            identity: Some(Actor { role: Some(Role::Agent), name: Some("ci".into()), keys: vec!["0011".into()] }),
            process: Process {
                pid: 4711,
                program: Some("/usr/bin/agent-vault".into()),
                parent: Some(1),
                parent_program: None,
                cwd: Some("/srv".into()),
            },
            client: None,
        }
    }

    #[test]
    fn a_line_reads_back_as_it_was_and_only_in_one_rendering() {
        let line = Line { segment: None, prev: Some(Digest::of(b"x")), record: record("a/b") };
        let text = line.render();
        assert_eq!(Line::parse(&text).unwrap(), line);
        let text = String::from_utf8(text).unwrap();
        for other in [
            text.replace("\"path\"", " \"path\""),
            text.replace("{\"prev\"", "{\"more\":1,\"prev\""),
            text.replace("a/b", "a\\/b"),
            text.replace("10:00:00.000000Z", "10:00:00Z"),
            text[..text.len() - 1].to_owned(),
            format!("{text} "),
            String::new(),
        ] {
            assert!(Line::parse(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_stands_escaped_in_the_file_and_reads_back() {
        let mut record = record("a/b");
        let hostile = "/tmp/\u{1b}[31m\u{9b}2J\u{202e}\u{7f}\"\\\n";
        record.process.cwd = Some(hostile.into());
        let line = Line { segment: None, prev: Some(Digest::of(b"x")), record };
        let text = line.render();
        assert!(std::str::from_utf8(&text).unwrap().chars().all(is_printable));
        assert_eq!(Line::parse(&text).unwrap().record.process.cwd.unwrap(), hostile);
    }

    #[test]
    fn texts_from_outside_are_bounded_so_that_a_line_is() {
        let long = "\u{202e}".repeat(100_000);
        let mut record = record("a/b");
        let process = &mut record.process;
        for text in [&mut process.program, &mut process.parent_program, &mut process.cwd] {
            *text = Some(bounded(&long));
        }
        record.client = Some(said(&long));
        record.subject = Some(said(&long));
        let line = Line { segment: None, prev: Some(Digest::of(b"x")), record };
        assert!(line.render().len() < LINE);
        assert!(Line::parse(&line.render()).is_ok());
    }
}
