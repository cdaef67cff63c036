//! JSON (RFC 8259). A number keeps its characters: `1.10` and `1e400` are not computed with.

use super::malformed;
use super::tree::{Kind, MAX_DEPTH, Node, Scalar};
use agent_vault_core::error::printable;
use agent_vault_core::{Error, Result, SecretBytes};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Reads a document; `source` names it in errors.
///
/// # Errors
/// [`Error::Usage`] with the line, or the key that it happened below, and never with what stands there.
pub fn parse(bytes: &[u8], source: &str) -> Result<Node> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(text).map_err(|_| malformed(source, None, "it is not UTF-8"))?;
    // The library's own words would repeat what it found.
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|error| malformed(source, Some(error.line()).filter(|line| *line > 0), "it is not JSON"))?;
    let mut reader = Reader { source, keys: Vec::new() };
    reader.node(raw)
}

struct Reader<'t> {
    source: &'t str,
    keys: Vec<String>,
}

impl Reader<'_> {
    fn fail(&self, reason: &str) -> Error {
        let keys: Vec<String> = self.keys.iter().map(|key| printable(key)).collect();
        let place = if keys.is_empty() { String::new() } else { format!("at {}: ", keys.join("/")) };
        malformed(self.source, None, format_args!("{place}{reason}"))
    }

    fn node(&mut self, raw: &RawValue) -> Result<Node> {
        if self.keys.len() > MAX_DEPTH {
            return Err(malformed(self.source, None, format_args!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        let text = raw.get();
        let scalar = |text: Vec<u8>, kind| Ok(Node::Scalar(Scalar { text: SecretBytes::new(text), kind, line: None }));
        match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(|error| self.fail(reason(&error)))?;
                let mut nodes = Vec::with_capacity(members.len());
                for (key, raw) in members {
                    nodes.push((key.clone(), self.below(key, raw)?));
                }
                Ok(Node::Map(nodes))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| self.fail("it is not JSON"))?;
                let items = items.into_iter().enumerate();
                Ok(Node::List(items.map(|(at, raw)| self.below(at.to_string(), raw)).collect::<Result<_>>()?))
            }
            Some(b'"') => {
                let decoded: String = serde_json::from_str(text).map_err(|_| self.fail("it is no valid text"))?;
                scalar(decoded.into_bytes(), Kind::Text)
            }
            Some(b'n') => scalar(Vec::new(), Kind::Null),
            Some(b't' | b'f') => scalar(text.as_bytes().to_vec(), Kind::Bool),
            _ => scalar(text.as_bytes().to_vec(), Kind::Number),
        }
    }

    fn below(&mut self, key: String, raw: &RawValue) -> Result<Node> {
        self.keys.push(key);
        let node = self.node(raw);
        if node.is_ok() {
            self.keys.pop();
        }
        node
    }
}

const TWICE: &str = "a key is given twice";

fn reason(error: &serde_json::Error) -> &'static str {
    if error.to_string().starts_with(TWICE) { TWICE } else { "it is not JSON" }
}

/// An object's members, each value still as it is written.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut members, mut seen) = (Vec::new(), HashSet::new());
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(TWICE));
                    }
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Lists, entries};
    use super::super::{Content, Entry};
    use super::*;
    use proptest::prelude::*;

    fn told(entry: &Entry) -> (String, String) {
        let value = match &entry.content {
            Content::Value(value) => String::from_utf8_lossy(value.expose()).into_owned(),
            Content::NoValue(reason) => format!("({reason})"),
        };
        (entry.source(), value)
    }

    fn read(text: &str, lists: Lists) -> Vec<(String, String)> {
        let node = parse(text.as_bytes(), "x.json").expect("JSON");
        entries(node, lists, "x.json").expect("entries").iter().map(told).collect()
    }

    #[test]
    fn scalars_keep_the_characters_that_they_were_written_in() {
        let text = r#"{"a": {"n": 1.10, "big": 12345678901234567890123, "e": -1E+400, "t": true}, "s": "x\n\ud83d\ude00\u0000"}"#;
        let expected = [
            ("a/n", "1.10"),
            ("a/big", "12345678901234567890123"),
            ("a/e", "-1E+400"),
            ("a/t", "true"),
            ("s", "x\n😀\0"),
        ];
        assert_eq!(read(text, Lists::Refused), expected.map(|(key, value)| (key.into(), value.into())));
    }

    #[test]
    fn what_has_no_value_is_named_with_the_reason() {
        let found = read(r#"{"a": null, "b": [], "c": {}, "d": ["x", {"y": "z"}]}"#, Lists::Refused);
        assert!(found.iter().all(|(_, value)| value.starts_with("(it is ")), "{found:?}");
        assert_eq!(found.len(), 4);
        let found = read(r#"{"d": ["x", {"y": "z"}]}"#, Lists::Indexed);
        assert_eq!(found, [("d/0".into(), "x".into()), ("d/1/y".into(), "z".into())]);
    }

    #[test]
    fn mistakes_name_their_place_and_no_value() {
        let deep = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
        let deeper = format!("{{\"a\":{}", "[".repeat(100_000));
        for (text, reason) in [
            ("{\n\"a\": secret}", "x.json, line 2: it is not JSON"),
            ("{\"a\": \"secret\"} secret", "line 1: it is not JSON"),
            (r#"{"a": {"b": "secret", "b": 1}}"#, "x.json: at a: a key is given twice"),
            (r#"{"a": {"b": "secret\ud83d"}}"#, "at a/b: it is no valid text"),
            (r#"["secret"]"#, "not an object"),
            ("\"secret\"", "not an object"),
            ("", "it is not JSON"),
            (&deep, "nested deeper"),
            (&deeper, "not JSON"),
        ] {
            let error = parse(text.as_bytes(), "x.json").and_then(|node| entries(node, Lists::Refused, "x.json"));
            let error = error.err().unwrap_or_else(|| panic!("{text:.50} was accepted")).to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{text:.50}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(key in "[a-z]{1,8}", value: String) {
            let text = serde_json::to_string(&serde_json::json!({ &key: &value })).unwrap();
            prop_assert_eq!(read(&text, Lists::Refused), [(key, value)]);
        }
    }
}
