//! One server in a JSON file of others: put in, replaced or taken out in the text itself, so that all else stays as it is,
//! comments and trailing commas (which VS Code allows) included.

use std::fmt;
use std::ops::Range;

/// A server: what starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whether the client wants the transport named.
    pub is_typed: bool,
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Why a file is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    /// It is no JSON object; at which byte that shows.
    NotJson(usize),
    /// A member that holds servers is something else.
    NotServers(String),
    /// A name stands there twice.
    Twice(String),
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unclear::NotJson(at) => write!(f, "it is no JSON object (byte {at})"),
            Unclear::NotServers(name) => write!(f, "{name:?} in it is no object"),
            Unclear::Twice(name) => write!(f, "{name:?} stands in it twice"),
        }
    }
}

/// How deep a file may nest.
const DEEPEST: usize = 100;

/// Puts a server in, or in the place of one of the same name.
///
/// # Errors
/// [`Unclear`].
pub fn put(text: &str, table: &str, name: &str, entry: &Entry) -> Result<String, Unclear> {
    if text.trim().is_empty() {
        let style = Style { unit: "  ".into(), end: "\n".into() };
        return Ok(format!("{{\n  {}: {{\n    {}: {}\n  }}\n}}\n", quoted(table), quoted(name), entry.text(&style, 2)));
    }
    let root = object(text, start(text)?, 0)?;
    let style = Style::of(text, &root);
    let Some(servers) = root.member(table)? else {
        let inner = format!(
            "{{{end}{two}{}: {}{end}{one}}}",
            quoted(name),
            entry.text(&style, 2),
            end = style.end,
            one = style.indent(1),
            two = style.indent(2),
        );
        return Ok(root.with(text, &style, 1, table, &inner));
    };
    if !text[servers.value.clone()].starts_with('{') {
        return Err(Unclear::NotServers(table.into()));
    }
    let servers = object(text, servers.value.start, 1)?;
    Ok(match servers.member(name)? {
        Some(found) => spliced(text, found.value.clone(), &entry.text(&style, 2)),
        None => servers.with(text, &style, 2, name, &entry.text(&style, 2)),
    })
}

/// Takes a server out; the text as it is where there is none.
///
/// # Errors
/// [`Unclear`].
pub fn remove(text: &str, table: &str, name: &str) -> Result<String, Unclear> {
    if text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let root = object(text, start(text)?, 0)?;
    let Some(servers) = root.member(table)? else { return Ok(text.to_owned()) };
    if !text[servers.value.clone()].starts_with('{') {
        return Err(Unclear::NotServers(table.into()));
    }
    let servers = object(text, servers.value.start, 1)?;
    let Some(found) = servers.member(name)? else { return Ok(text.to_owned()) };
    let at = servers.members.iter().position(|member| member.key == found.key).unwrap_or_default();
    Ok(match (at, servers.members.get(at + 1)) {
        // With the comma after it, and the space before what follows.
        (_, Some(next)) => spliced(text, found.whole.start..next.whole.start, ""),
        // With the comma before it.
        (1.., None) => {
            let end = found.comma.unwrap_or(found.value.end);
            spliced(text, servers.members[at - 1].value.end..end, "")
        }
        (0, None) => spliced(text, servers.open + 1..servers.close, ""),
    })
}

impl Entry {
    /// As JSON, so many levels deep.
    fn text(&self, style: &Style, depth: usize) -> String {
        let (outer, inner) = (style.indent(depth), style.indent(depth + 1));
        let args: Vec<String> = self.args.iter().map(|arg| quoted(arg)).collect();
        let kind = if self.is_typed { format!("{inner}\"type\": \"stdio\",{}", style.end) } else { String::new() };
        format!(
            "{{{end}{kind}{inner}\"command\": {},{end}{inner}\"args\": [{}]{end}{outer}}}",
            quoted(&self.command),
            args.join(", "),
            end = style.end,
        )
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn spliced(text: &str, range: Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..range.start], &text[range.end..])
}

/// How the file is laid out.
struct Style {
    unit: String,
    end: String,
}

impl Style {
    /// As its first member is.
    fn of(text: &str, root: &Object) -> Self {
        let first = root.members.first().map(|member| &text[root.open + 1..member.whole.start]);
        let unit = first.and_then(|space| space.rsplit_once('\n')).map(|(_, unit)| unit.to_owned());
        let unit = unit.filter(|unit| !unit.is_empty() && unit.chars().all(|c| c == ' ' || c == '\t'));
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { unit: unit.unwrap_or_else(|| "  ".into()), end: end.into() }
    }

    fn indent(&self, depth: usize) -> String {
        self.unit.repeat(depth)
    }
}

/// An object in the text.
struct Object {
    open: usize,
    /// Where its closing brace is.
    close: usize,
    members: Vec<Member>,
}

struct Member {
    key: String,
    /// From its key to the end of its value.
    whole: Range<usize>,
    value: Range<usize>,
    /// Where the comma after it ends, if there is one.
    comma: Option<usize>,
}

impl Object {
    fn member(&self, key: &str) -> Result<Option<&Member>, Unclear> {
        let mut found = self.members.iter().filter(|member| member.key == key);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Unclear::Twice(key.into())),
            (found, None) => Ok(found),
        }
    }

    /// The text with one more member at the end of this object, so many levels deep.
    fn with(&self, text: &str, style: &Style, depth: usize, key: &str, value: &str) -> String {
        let (inner, outer) = (style.indent(depth), style.indent(depth - 1));
        let member = format!("{}{inner}{}: {value}", style.end, quoted(key));
        match self.members.last() {
            None => spliced(text, self.open + 1..self.close, &format!("{member}{}{outer}", style.end)),
            Some(last) => {
                let end = last.comma.unwrap_or(last.value.end);
                // What is said of it on its line stays with it.
                let line = beyond_comment(text, end);
                let comma = if last.comma.is_some() { "" } else { "," };
                format!("{}{comma}{}{member}{}", &text[..end], &text[end..line], &text[line..])
            }
        }
    }
}

/// Where the text's object begins; there is nothing after it.
fn start(text: &str) -> Result<usize, Unclear> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let at = space(text, mark)?;
    let end = space(text, value(text, at, 0)?)?;
    if text.as_bytes().get(at) != Some(&b'{') || end != text.len() {
        Err(Unclear::NotJson(end.min(text.len())))
    } else {
        Ok(at)
    }
}

/// Past white space and comments.
fn space(text: &str, mut at: usize) -> Result<usize, Unclear> {
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        at += rest.len() - trimmed.len();
        if trimmed.starts_with("//") {
            at += trimmed.find('\n').unwrap_or(trimmed.len());
        } else if trimmed.starts_with("/*") {
            at += trimmed.find("*/").ok_or(Unclear::NotJson(at))? + 2;
        } else {
            return Ok(at);
        }
    }
}

/// Past a comment that goes on to the end of the line; where there is none, `at`.
fn beyond_comment(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    match rest.trim_start_matches([' ', '\t']).starts_with("//") {
        true => at + rest.find(['\r', '\n']).unwrap_or(rest.len()),
        false => at,
    }
}

/// Past a value.
fn value(text: &str, at: usize, depth: usize) -> Result<usize, Unclear> {
    if depth > DEEPEST {
        return Err(Unclear::NotJson(at));
    }
    match text.as_bytes().get(at) {
        Some(b'{') => object(text, at, depth).map(|object| object.close + 1),
        Some(b'[') => array(text, at, depth),
        Some(b'"') => string(text, at),
        _ => {
            let rest = &text[at..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
            match serde_json::from_str::<serde_json::Value>(&rest[..end]) {
                Ok(_) => Ok(at + end),
                Err(_) => Err(Unclear::NotJson(at)),
            }
        }
    }
}

fn string(text: &str, at: usize) -> Result<usize, Unclear> {
    let bytes = text.as_bytes();
    let mut end = at + 1;
    loop {
        match bytes.get(end) {
            Some(b'"') => break,
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
            None => return Err(Unclear::NotJson(at)),
        }
    }
    Ok(end + 1)
}

fn array(text: &str, at: usize, depth: usize) -> Result<usize, Unclear> {
    let mut at = space(text, at + 1)?;
    while text.as_bytes().get(at) != Some(&b']') {
        at = space(text, value(text, at, depth + 1)?)?;
        match text.as_bytes().get(at) {
            Some(b',') => at = space(text, at + 1)?,
            Some(b']') => {}
            _ => return Err(Unclear::NotJson(at)),
        }
    }
    Ok(at + 1)
}

/// Reads an object whose brace is at `at`.
fn object(text: &str, at: usize, depth: usize) -> Result<Object, Unclear> {
    let open = at;
    let mut members = Vec::new();
    let mut at = space(text, at + 1)?;
    while text.as_bytes().get(at) != Some(&b'}') {
        if text.as_bytes().get(at) != Some(&b'"') {
            return Err(Unclear::NotJson(at));
        }
        let after_key = string(text, at)?;
        let key = text.get(at..after_key).and_then(|key| serde_json::from_str::<String>(key).ok());
        let key = key.ok_or(Unclear::NotJson(at))?;
        let colon = space(text, after_key)?;
        if text.as_bytes().get(colon) != Some(&b':') {
            return Err(Unclear::NotJson(colon));
        }
        let begin = space(text, colon + 1)?;
        let end = value(text, begin, depth + 1)?;
        let next = space(text, end)?;
        let is_comma = text.as_bytes().get(next) == Some(&b',');
        members.push(Member { key, whole: at..end, value: begin..end, comma: is_comma.then_some(next + 1) });
        at = match text.as_bytes().get(next) {
            Some(b',') => space(text, next + 1)?,
            Some(b'}') => next,
            _ => return Err(Unclear::NotJson(next)),
        };
    }
    Ok(Object { open, close: at, members })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn entry() -> Entry {
        Entry {
            is_typed: false,
            command: "agent-vault".into(),
            args: vec!["mcp".into(), "--repo".into(), "a \"b\"".into()],
        }
    }

    const EXPECTED: &str = r#"{"command": "agent-vault", "args": ["mcp", "--repo", "a \"b\""]}"#;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn a_new_file_is_one_that_people_can_read() {
        let text = put("", "mcpServers", "agent-vault", &entry()).unwrap();
        assert_eq!(
            text,
            "{\n  \"mcpServers\": {\n    \"agent-vault\": {\n      \"command\": \"agent-vault\",\n      \"args\": [\"mcp\", \"--repo\", \"a \\\"b\\\"\"]\n    }\n  }\n}\n"
        );
        assert_eq!(put(&text, "mcpServers", "agent-vault", &entry()).unwrap(), text, "and again it is the same");
        let typed = put("", "servers", "x", &Entry { is_typed: true, ..entry() }).unwrap();
        assert_eq!(parsed(&typed)["servers"]["x"]["type"], json!("stdio"));
    }

    #[test]
    fn whatever_else_stands_in_a_file_stays_and_taking_out_undoes_putting_in() {
        for before in [
            "{}",
            "{ }",
            "{\"a\":1}",
            "{\n\t\"a\": [1, {\"b\": null}],\n\t\"mcpServers\": {}\n}\n",
            "{\"mcpServers\":{\"other\":{\"command\":\"x\"}},\"z\":2}",
            "{\r\n    \"mcpServers\": {\r\n        \"other\": {}\r\n    }\r\n}\r\n",
            "{\"mcpServers\":{\"agent-vault\":{\"command\":\"old\",\"env\":{\"A\":\"}\"}},\"other\":{}}}",
            "{\"mcpServers\":{\"other\":{},\"agent-vault\":7}}",
            "{\"x\":\"mcpServers\",\"y\":{\"mcpServers\":{\"agent-vault\":1}}}",
        ] {
            let after = put(before, "mcpServers", "agent-vault", &entry()).unwrap();
            let (mut was, is) = (parsed(before), parsed(&after));
            was["mcpServers"]["agent-vault"] = parsed(EXPECTED);
            assert_eq!(is, was, "{before}");
            let out = remove(&after, "mcpServers", "agent-vault").unwrap();
            was["mcpServers"].as_object_mut().unwrap().remove("agent-vault");
            assert_eq!(parsed(&out), was, "{after}");
            assert_eq!(remove(&out, "mcpServers", "agent-vault").unwrap(), out);
        }
    }

    #[test]
    fn comments_and_trailing_commas_stay() {
        let before = "// mine\n{\n  // servers, \"}\" and all\n  \"servers\": {\n    \"other\": { \"command\": \"x\", }, // last\n  },\n}\n";
        let after = put(before, "servers", "agent-vault", &entry()).unwrap();
        assert!(
            after.contains("// mine") && after.contains("\"other\": { \"command\": \"x\", }, // last\n"),
            "{after}"
        );
        let plain = put("{\n  \"a\": 1 // one\n}\n", "servers", "agent-vault", &entry()).unwrap();
        assert!(plain.contains("\"a\": 1, // one\n"), "{plain}");
        let again = put(&after, "servers", "agent-vault", &entry()).unwrap();
        assert_eq!(again, after);
        let out = remove(&after, "servers", "agent-vault").unwrap();
        assert!(out.contains("// mine") && out.contains("\"other\"") && !out.contains("agent-vault"), "{out}");
        assert!(put(&out, "servers", "agent-vault", &entry()).is_ok());
    }

    #[test]
    fn what_is_not_understood_is_not_changed() {
        for text in [
            "[]",
            "7",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1 \"b\":2}",
            "{} {}",
            "{\"a\":tru}",
            "/* {}",
            "{\"a\":\"",
            "{\"a\\",
            "x{}",
            "{,}",
            "{\"mcpServers\":[]}",
            "{\"mcpServers\":{},\"mcpServers\":{}}",
            "{\"mcpServers\":{\"agent-vault\":1,\"agent-vault\":2}}",
            "{\"a\":\"\\q\",\"\\q\":1}",
            "é",
        ] {
            assert!(put(text, "mcpServers", "agent-vault", &entry()).is_err(), "{text}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(put(&deep, "mcpServers", "x", &entry()).is_err());
    }
}
