//! The documents' YAML: parsed by a bounded library, and accepted only in one canonical rendering.
//!
//! [`parse`] refuses whatever does not come out the same when it is rendered again. Comments, anchors, tags,
//! duplicate keys, other quoting, hidden text: none of them survives that, so none is possible.

use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fmt::{Display, Write};

/// A document with one canonical rendering.
pub(crate) trait Document: DeserializeOwned {
    /// The canonical text, ending with LF.
    fn render(&self) -> String;

    /// The document in a text that may not be canonical; `Err` says what is wrong with it.
    fn read(text: &str) -> Result<Self, String> {
        library(text)
    }
}

/// Parses the canonical text of a document; `Err` says what is wrong with it.
pub(crate) fn parse<D: Document>(bytes: &[u8]) -> Result<D, String> {
    let text = readable(bytes)?;
    let document = D::read(text)?;
    if document.render() != text {
        return Err("it is not in the canonical rendering of its format (hidden, reordered or repeated text?)".into());
    }
    Ok(document)
}

/// The greatest number that documents count to. There always is a next one, and every reader of JSON can hold it.
pub(crate) const GREATEST: u64 = (1 << 53) - 1;

/// Checks what a document counts; `Err` says what is wrong with it.
pub(crate) fn check_count(what: &str, number: u64) -> Result<(), String> {
    match number {
        0 => Err(format!("its {what} is 0")),
        1..=GREATEST => Ok(()),
        _ => Err(format!("its {what} is over {GREATEST}")),
    }
}

/// Reads a document with the library, which is told how much a document may ask of it.
pub(crate) fn library<D: DeserializeOwned>(text: &str) -> Result<D, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 8,
            max_anchors: 0,
            max_aliases: 0,
            max_documents: 1,
            max_events: 4_000_000,
            max_nodes: 2_000_000,
            max_total_scalar_bytes: 64 << 20,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| first_line(&error))
}

/// Takes the line `key: [a, b]` out of a document, and returns its items without their quotes; nothing where there is
/// no such line. For lists as long as the vault has agents, on which the library would spend most of a read. It cannot
/// loosen anything: what comes of it must render to the same text.
pub(crate) fn take_list<'t>(text: &mut String, document: &'t str, key: &str) -> Option<Vec<&'t str>> {
    let line = |text: &str| {
        let start = text.find(&format!("\n{key}: ["))? + 1;
        Some(start..start + text[start..].find('\n')? + 1)
    };
    text.replace_range(line(text)?, "");
    let items = document[line(document)?].trim_end().strip_suffix(']')?.split_once('[')?.1;
    let unquoted = |item: &'t str| item.strip_prefix('"').and_then(|item| item.strip_suffix('"')).unwrap_or(item);
    Some(items.split(", ").filter(|item| !item.is_empty()).map(unquoted).collect())
}

/// Text without the characters that hide or change text.
fn readable(bytes: &[u8]) -> Result<&str, String> {
    if bytes.contains(&b'\r') {
        return Err("line endings changed by Git: it holds carriage returns (check core.autocrlf and .gitattributes, then check the file out again)".into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_string())?;
    if text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
        return Ok(text);
    }
    match text.chars().find(|c| !is_plain(*c) && *c != '\n') {
        Some(c) => Err(format!("it holds the control character U+{:04X}", c as u32)),
        None => Ok(text),
    }
}

/// Whether a character may stand in a document (LF aside): nothing that a terminal or an editor would not show as itself.
pub(crate) fn is_plain(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    // The last two code points of each plane are no characters, and YAML takes none of them.
    !c.is_control() && !hidden && (c as u32) & 0xfffe != 0xfffe
}

/// The library's message, without the excerpt of the document that follows it.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    crate::error::printable(text.lines().next().unwrap_or("it is not YAML"))
}

/// Renders the fields of a document in order.
#[derive(Default)]
pub(crate) struct Renderer(String);

impl Renderer {
    /// `key: value`
    pub(crate) fn field(&mut self, key: &str, value: impl Display) {
        self.0.push_str(&format!("{key}: {}\n", scalar(&value.to_string())));
    }

    /// `key: value` for numbers, booleans and timestamps, which stand as they are.
    pub(crate) fn literal(&mut self, key: &str, value: impl Display) {
        self.0.push_str(&format!("{key}: {value}\n"));
    }

    /// `key: value`, or nothing.
    pub(crate) fn optional(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.field(key, value);
        }
    }

    /// `key: [a, b]`
    pub(crate) fn list<T: Display>(&mut self, key: &str, items: &[T]) {
        self.0.push_str(key);
        self.0.push_str(": ");
        self.0.push_str(&flow(items));
        self.0.push('\n');
    }

    /// `key:` and one `  - {…}` a line, or `key: []`.
    pub(crate) fn maps(&mut self, key: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            self.0.push_str(&format!("{key}: []\n"));
            return;
        }
        self.0.push_str(&format!("{key}:\n"));
        for item in items {
            self.0.push_str(&format!("  - {item}\n"));
        }
    }

    /// A line as it is.
    pub(crate) fn raw(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// The whole text.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// `[a, b]`
pub(crate) fn flow<T: Display>(items: &[T]) -> String {
    let (mut out, mut text) = (String::from("["), String::new());
    for (number, item) in items.iter().enumerate() {
        text.clear();
        // Writing to a String cannot fail.
        let _ = write!(text, "{item}");
        out.push_str(if number == 0 { "" } else { ", " });
        out.push_str(&scalar(&text));
    }
    out.push(']');
    out
}

/// What some YAML reader takes for a boolean or null.
const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];

/// A string as YAML: plain where every reader takes it for a string, else in double quotes.
///
/// Plain are ASCII letters, digits and `._/-`, beginning with a letter, but for [`WORDS`].
pub(crate) fn scalar(text: &str) -> Cow<'_, str> {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
        && !(text.len() <= 5 && WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)));
    if plain {
        return Cow::Borrowed(text);
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '\\' | '"') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Serde for types that have a canonical text (`Display` and `FromStr`).
macro_rules! serde_as_text {
    ($($name:ty),+ $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

serde_as_text!(
    crate::name::SecretPath,
    crate::name::AgentName,
    crate::name::OwnerName,
    crate::name::GroupName,
    crate::digest::Digest,
    crate::digest::KeyId,
    crate::time::Timestamp,
    crate::recipient::Recipient,
    crate::signing::VerifyingKey,
    crate::signing::Signature,
    crate::root::VaultId,
    crate::root::Proof,
    crate::metadata::Exposure,
    crate::audit::Moment,
    crate::purpose::Host,
    crate::purpose::ProgramPath,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_out_of_a_document_as_its_library_would_read_it() {
        let document = "a: 1\nlist: [x, \"1\", y-z]\nb: [q]\n";
        let mut text = document.to_owned();
        assert_eq!(take_list(&mut text, document, "list"), Some(vec!["x", "1", "y-z"]));
        assert_eq!(text, "a: 1\nb: [q]\n");
        assert_eq!(take_list(&mut text, document, "b"), Some(vec!["q"]));
        assert_eq!(take_list(&mut text, document, "a"), None);
        assert_eq!(take_list(&mut String::from("\nb: []\n"), "\nb: []\n", "b"), Some(vec![]));
    }

    #[test]
    fn words_that_a_yaml_reader_could_misread_are_quoted() {
        for (text, rendered) in [
            ("stripe/api-key", "stripe/api-key"),
            ("true", "\"true\""),
            ("No", "\"No\""),
            ("1e3", "\"1e3\""),
            ("sha256:aa", "\"sha256:aa\""),
            ("say \"hi\" \\o/", "\"say \\\"hi\\\" \\\\o/\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), rendered);
        }
    }
}
