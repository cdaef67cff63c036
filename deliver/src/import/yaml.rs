//! YAML 1.2, read event by event: a plain scalar keeps its characters, whatever type another reader would give it.

use super::entry::MAX_ENTRIES;
use super::malformed;
use super::tree::{Kind, MAX_DEPTH, Node, Scalar};
use agent_vault_core::{Error, Result, SecretBytes};
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashSet;

/// The most events that a document may have: two for each value, and those of the structure.
const MAX_EVENTS: usize = 4 * MAX_ENTRIES;
/// The prefix of YAML's own tags.
const CORE: &str = "tag:yaml.org,2002:";

/// Reads the one document of a file; `source` names it in errors.
///
/// # Errors
/// [`Error::Usage`] with the line, and never with what stands there.
pub fn parse(bytes: &[u8], source: &str) -> Result<Node> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(source, None, "it is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { source, open: Vec::new(), top: None, documents: 0 };
    for (count, event) in Parser::new_from_str(text).enumerate() {
        // The library's own words may repeat what it found.
        let (event, span) = event.map_err(|error| malformed(source, Some(error.marker().line()), "it is not YAML"))?;
        if count > MAX_EVENTS {
            return Err(super::tree::too_many(source));
        }
        builder.take(event, &span)?;
    }
    builder.top.ok_or_else(|| malformed(source, None, "it is empty"))
}

/// A list or map that is not complete.
enum Open {
    List(Vec<Node>),
    Map { members: Vec<(String, Node)>, keys: HashSet<String>, key: Option<String> },
}

struct Builder<'t> {
    source: &'t str,
    open: Vec<Open>,
    top: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<()> {
        let fail = |reason: &str| malformed(self.source, Some(span.start.line()), reason);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(fail("it has more than one document"));
                }
            }
            Event::Scalar(text, style, _, tag) => {
                let kind = match tag {
                    Some(tag) => tagged(&tag.to_string(), &text),
                    None if style == ScalarStyle::Plain => Some(plain(&text)),
                    None => Some(Kind::Text),
                };
                let kind = kind.ok_or_else(|| fail("tags are not understood"))?;
                if self.expects_key() {
                    return self.key(text.into_owned(), span);
                }
                let text = SecretBytes::new(text.into_owned().into_bytes());
                return self.put(Node::Scalar(Scalar { text, kind, line: Some(span.start.line()) }), span);
            }
            Event::SequenceStart(_, _, tag) => {
                self.begin(
                    Open::List(Vec::new()),
                    tag.is_some_and(|tag| tag.to_string() != format!("{CORE}seq")),
                    span,
                )?;
            }
            Event::MappingStart(_, _, tag) => {
                let map = Open::Map { members: Vec::new(), keys: HashSet::new(), key: None };
                self.begin(map, tag.is_some_and(|tag| tag.to_string() != format!("{CORE}map")), span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop() {
                    Some(Open::List(items)) => Node::List(items),
                    Some(Open::Map { members, .. }) => Node::Map(members),
                    None => return Err(fail("it is not YAML")),
                };
                return self.put(node, span);
            }
            Event::Alias(_) => return Err(fail("aliases (*name) are not followed: write the value out")),
            _ => return Err(fail("it is not YAML that is understood here")),
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn fail(&self, span: &Span, reason: &str) -> Error {
        malformed(self.source, Some(span.start.line()), reason)
    }

    fn begin(&mut self, open: Open, tagged: bool, span: &Span) -> Result<()> {
        if tagged {
            return Err(self.fail(span, "tags are not understood"));
        }
        if self.expects_key() {
            return Err(self.fail(span, "a key is a list or a map"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fail(span, "it is nested too deep"));
        }
        self.open.push(open);
        Ok(())
    }

    fn key(&mut self, text: String, span: &Span) -> Result<()> {
        let Some(Open::Map { keys, key, .. }) = self.open.last_mut() else { return Ok(()) };
        if keys.insert(text.clone()) {
            *key = Some(text);
            return Ok(());
        }
        Err(self.fail(span, "a key is given twice"))
    }

    fn put(&mut self, node: Node, span: &Span) -> Result<()> {
        match self.open.last_mut() {
            None => self.top = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map { members, key, .. }) => match key.take() {
                Some(key) => members.push((key, node)),
                None => return Err(self.fail(span, "a key is a list or a map")),
            },
        }
        Ok(())
    }
}

/// What a scalar with a tag is; none for a tag that says to compute something.
fn tagged(tag: &str, text: &str) -> Option<Kind> {
    let known = match tag.strip_prefix(CORE).or_else(|| tag.strip_prefix("!!"))? {
        "str" => Kind::Text,
        "int" | "float" => Kind::Number,
        "bool" => Kind::Bool,
        "null" => Kind::Null,
        _ => return None,
    };
    Some(if known == Kind::Text || plain(text) == known { known } else { Kind::Text })
}

/// What a plain scalar is in YAML's core schema (YAML 1.2.2, 10.3.2). Only null makes a difference to an import: the
/// characters stay in any case.
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Bool,
        _ if is_number(text) => Kind::Number,
        _ => Kind::Text,
    }
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let plain = unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+'));
    (starts && plain && text.parse::<f64>().is_ok())
        || matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || matches!(text, ".nan" | ".NaN" | ".NAN")
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::super::tree::{Lists, entries};
    use super::*;

    fn read(text: &str, lists: Lists) -> Result<Vec<(String, String)>> {
        let found = entries(parse(text.as_bytes(), "x.yaml")?, lists, "x.yaml")?;
        let value = |content: &Content| match content {
            Content::Value(value) => String::from_utf8_lossy(value.expose()).into_owned(),
            Content::NoValue(reason) => format!("({reason})"),
        };
        Ok(found.iter().map(|entry| (entry.source(), value(&entry.content))).collect())
    }

    #[test]
    fn scalars_keep_the_characters_that_they_were_written_in() {
        let text = "db:\n  port: 0o17\n  version: 1.10\n  on: yes\n  when: 2001-01-01\n  tagged: !!str 1_000\n  quoted: \"a\\tb\\u00e9\"\n  single: 'it''s'\n  block: |\n    x\n     y\n\n  folded: >-\n    x\n    y\n  empty: ''\n";
        let expected = [
            ("db/port", "0o17"),
            ("db/version", "1.10"),
            ("db/on", "yes"),
            ("db/when", "2001-01-01"),
            ("db/tagged", "1_000"),
            ("db/quoted", "a\tbé"),
            ("db/single", "it's"),
            ("db/block", "x\n y\n"),
            ("db/folded", "x y"),
            ("db/empty", ""),
        ];
        let expected: Vec<(String, String)> = expected.map(|(key, value)| (key.into(), value.into())).into();
        assert_eq!(read(text, Lists::Refused).unwrap(), expected);
    }

    #[test]
    fn what_has_no_value_is_named_with_the_reason() {
        let found = read("a:\nb: ~\nc: []\nd: {}\ne: [1, {f: 2}]\n", Lists::Refused).unwrap();
        assert!(found.len() == 5 && found.iter().all(|(_, value)| value.starts_with("(it is ")), "{found:?}");
        let found = read("e: [1, {f: 2}]\n", Lists::Indexed).unwrap();
        assert_eq!(found, [("e/0".into(), "1".into()), ("e/1/f".into(), "2".into())]);
    }

    #[test]
    fn mistakes_name_their_line_and_no_value() {
        let deep = format!("a: {}", "[".repeat(100_000));
        for (text, reason) in [
            ("a: secret\nb: [secret\n", "it is not YAML"),
            ("a: secret\na: 2\n", "line 2: a key is given twice"),
            ("a: &x secret\nb: *x\n", "line 2: aliases"),
            ("a: !!binary secret\n", "line 1: tags are not understood"),
            ("a: !secret secret\n", "line 1: tags are not understood"),
            ("a: secret\n---\nb: 1\n", "more than one document"),
            ("- secret\n", "not an object"),
            ("secret\n", "not an object"),
            ("? [secret]\n: 1\n", "a key is a list"),
            ("", "it is empty"),
            (&deep, "x.yaml, line 1: "),
        ] {
            let error = read(text, Lists::Refused).err().unwrap_or_else(|| panic!("{text:.50} was accepted"));
            let error = error.to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{text:.50}: {error}");
        }
    }

    #[test]
    fn kinds_are_those_of_the_core_schema() {
        for (text, kind) in [
            ("12", Kind::Number),
            ("-1.5e3", Kind::Number),
            (".5", Kind::Number),
            ("-.inf", Kind::Number),
            ("0x1F", Kind::Number),
            ("1_000", Kind::Text),
            ("inf", Kind::Text),
            ("1e", Kind::Text),
            ("yes", Kind::Text),
            ("True", Kind::Bool),
            ("~", Kind::Null),
        ] {
            assert_eq!(plain(text), kind, "{text}");
        }
    }
}
