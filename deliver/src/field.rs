//! A field of a value: JSON, YAML or dotenv, told apart by how the value begins.
//!
//! A number, `true`, `false` and `null` come out as they are written. No message repeats anything of a value.

use crate::dotenv;
use crate::reference::Field;
use agent_vault_core::{Error, Result, SecretBytes};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What a value is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Yaml,
    Dotenv,
}

/// By the first line that is neither empty nor a comment: `{` or `[` is JSON, `NAME=` is dotenv, all else is YAML.
pub(crate) fn kind(text: &str) -> Kind {
    let line = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or("");
    let line_name = line.strip_prefix("export ").unwrap_or(line).split_once('=').map(|(name, _)| name.trim());
    match line.as_bytes().first() {
        Some(b'{' | b'[') => Kind::Json,
        _ if line_name.is_some_and(|name| name.parse::<crate::Name>().is_ok()) => Kind::Dotenv,
        _ => Kind::Yaml,
    }
}

/// The steps from the top of a document to the field.
fn steps(field: &Field) -> Result<Vec<String>> {
    let Some(pointer) = field.as_str().strip_prefix('/') else { return Ok(vec![field.as_str().to_owned()]) };
    let unescape = |step: &str| {
        let wrong = step.replace("~0", "").replace("~1", "").contains('~');
        (!wrong).then(|| step.replace("~1", "/").replace("~0", "~"))
    };
    pointer.split('/').map(unescape).collect::<Option<_>>().ok_or_else(|| Error::Usage {
        message: format!("the field {:?} is no JSON Pointer", field.as_str()),
        hint: "write ~0 for ~ and ~1 for / (RFC 6901)".into(),
    })
}

/// The field of a value.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::Usage`] for a value of another kind and for a field that is no single value.
pub(crate) fn of(value: &SecretBytes, field: &Field) -> Result<SecretBytes> {
    let unfit = |what: &str| Error::Usage {
        message: format!("the value {what}, so it has no field {:?}", field.as_str()),
        hint: "leave ?field= out, or store JSON, YAML or NAME=value lines".into(),
    };
    let text = std::str::from_utf8(value.expose()).map_err(|_| unfit("is no text"))?;
    let steps = steps(field)?;
    let found = match kind(text) {
        Kind::Json => json(text, &steps),
        Kind::Yaml => yaml(text, &steps),
        Kind::Dotenv => {
            let lines = dotenv::parse(value.expose()).map_err(|_| unfit("begins like dotenv and is none"))?;
            let mut found = lines.into_iter().filter(|line| [line.name.as_str()] == steps[..]).map(|line| line.value);
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(Wrong::Twice),
                (found, _) => Ok(found.map(|value| value.expose().to_vec())),
            }
        }
    };
    match found {
        Ok(Some(bytes)) => Ok(SecretBytes::new(bytes)),
        Ok(None) => Err(Error::NotFound { what: "field", name: field.as_str().to_owned(), near: None }),
        Err(Wrong::Unreadable) => Err(unfit("is neither JSON, YAML nor dotenv")),
        Err(Wrong::Twice) => Err(unfit("has one name twice")),
        Err(Wrong::Many) => Err(Error::Usage {
            message: format!("the field {:?} is a list or a map, and not one value", field.as_str()),
            hint: "name a field of it, as a JSON Pointer: ?field=/outer/inner".into(),
        }),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Unreadable,
    Twice,
    Many,
}

/// What the messages of the parsers are told apart by; theirs may repeat the value.
const TWICE: &str = "\u{1}twice";
const MANY: &str = "\u{1}many";

fn wrong(error: impl fmt::Display) -> Wrong {
    let text = error.to_string();
    match () {
        () if text.contains(TWICE) => Wrong::Twice,
        () if text.contains(MANY) => Wrong::Many,
        () => Wrong::Unreadable,
    }
}

/// JSON is checked by the parser and then walked as text: a parsed number would lose how it was written.
fn json(text: &str, steps: &[String]) -> Result<Option<Vec<u8>>, Wrong> {
    serde_json::from_str::<IgnoredAny>(text).map_err(wrong)?;
    let mut value = text.trim();
    for step in steps {
        let Some(found) = raw::child(value, step)? else { return Ok(None) };
        value = found;
    }
    match value.as_bytes().first() {
        Some(b'{' | b'[') => Err(Wrong::Many),
        Some(b'"') => raw::string(value).map(|text| Some(text.into_bytes())),
        _ => Ok(Some(value.as_bytes().to_vec())),
    }
}

/// JSON that is known to be well-formed, as text.
mod raw {
    use super::{Wrong, index, wrong};

    /// The text of a string.
    pub(super) fn string(value: &str) -> Result<String, Wrong> {
        serde_json::from_str(value).map_err(wrong)
    }

    /// The value below a name or a number; nothing where there is none, or where this is neither map nor list.
    pub(super) fn child<'t>(value: &'t str, step: &str) -> Result<Option<&'t str>, Wrong> {
        let is_map = match value.as_bytes().first() {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return Ok(None),
        };
        let wanted = index(step);
        let (mut rest, mut at, mut found) = (value[1..].trim_start(), 0, None);
        while !rest.starts_with(['}', ']']) {
            let mut is_it = wanted == Some(at);
            if is_map {
                let (name, after) = rest.split_at(end(rest));
                is_it = string(name)? == step;
                rest = after.trim_start()[1..].trim_start();
            }
            let (item, after) = rest.split_at(end(rest));
            if is_it && found.replace(item).is_some() {
                return Err(Wrong::Twice);
            }
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            at += 1;
        }
        Ok(found)
    }

    /// Where the value at the beginning of a text ends.
    fn end(text: &str) -> usize {
        let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => {
                    quoted = !quoted;
                    if !quoted && depth == 0 {
                        return at + 1;
                    }
                }
                _ if quoted => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => return at + 1,
                b'}' | b']' if depth > 1 => depth -= 1,
                b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
                _ => {}
            }
        }
        text.len()
    }
}

/// The place in a list that a step of a JSON Pointer names (RFC 6901, section 4: no leading zeros).
fn index(step: &str) -> Option<usize> {
    step.parse::<usize>().ok().filter(|at| at.to_string() == step)
}

fn yaml(text: &str, steps: &[String]) -> Result<Option<Vec<u8>>, Wrong> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_anchors: 0,
            max_aliases: 0,
            max_documents: 1,
        },
    };
    let walk = Walk(steps);
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |parser| walk.deserialize(parser))
        .map_err(wrong)
}

/// A scalar is asked for as text, so it comes as it is written.
struct Scalar;

impl Visitor<'_> for Scalar {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MANY)
    }
    fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }
    fn visit_string<E>(self, text: String) -> Result<Vec<u8>, E> {
        Ok(text.into_bytes())
    }
}

/// Follows the steps; what is beside the way is passed over, but no name may come twice.
struct Walk<'s>(&'s [String]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<Vec<u8>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => deserializer.deserialize_string(Scalar).map(Some),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != self.0[0] {
                map.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                return Err(A::Error::custom(TWICE));
            } else {
                found = Some(map.next_value_seed(Walk(&self.0[1..]))?);
            }
        }
        Ok(found.flatten())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let wanted = index(&self.0[0]);
        let (mut found, mut at) = (None, 0);
        loop {
            if Some(at) == wanted {
                let Some(item) = list.next_element_seed(Walk(&self.0[1..]))? else {
                    break;
                };
                found = item;
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
            at += 1;
        }
        Ok(found)
    }

    fn visit_bool<R: serde::de::Error>(self, _: bool) -> Result<Self::Value, R> {
        Ok(None)
    }
    fn visit_i64<R: serde::de::Error>(self, _: i64) -> Result<Self::Value, R> {
        Ok(None)
    }
    fn visit_u64<R: serde::de::Error>(self, _: u64) -> Result<Self::Value, R> {
        Ok(None)
    }
    fn visit_f64<R: serde::de::Error>(self, _: f64) -> Result<Self::Value, R> {
        Ok(None)
    }
    fn visit_str<R: serde::de::Error>(self, _: &str) -> Result<Self::Value, R> {
        Ok(None)
    }
    fn visit_unit<R: serde::de::Error>(self) -> Result<Self::Value, R> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &str, field: &str) -> Result<String> {
        let reference: crate::Reference = format!("av://a?field={field}").parse()?;
        let found = of(&SecretBytes::new(value.as_bytes().to_vec()), reference.field.as_ref().unwrap())?;
        Ok(String::from_utf8(found.expose().to_vec()).unwrap())
    }

    #[test]
    fn what_cannot_be_had_is_told_without_anything_of_the_value() {
        for (value, name) in [
            ("hunter2", "a"),
            ("", "a"),
            ("{\"a\": {\"hunter2\": 1}}", "a"),
            ("{\"a\": \"hunter2\", \"a\": 1}", "a"),
            ("{\"a\": \"hunter2\"", "a"),
            ("{\"a\": \"hunter2\"} hunter2", "a"),
            ("{\"b\": \"hunter2\"}", "a"),
            ("a: [hunter2]\n", "a"),
            ("a: hunter2\na: b\n", "a"),
            ("a: {hunter2\n", "a"),
            ("a: &x hunter2\nb: *x\n", "b"),
            ("A=hunter2\nB='hunter2\n", "A"),
            ("A=hunter2\nA=1\n", "A"),
            ("A=hunter2\n", "a"),
            ("[\"hunter2\"]", "/01"),
            ("[\"hunter2\"]", "/1"),
            ("{\"a~\": \"hunter2\"}", "/a~"),
            ("\"hunter2\"", "a"),
        ] {
            let error = field(value, name).expect_err(value);
            assert!(!format!("{error} {}", error.hint()).contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_field_is_taken_as_it_is_written() {
        for (value, name, expected) in [
            ("{\"user\": \"u\", \"n\": 1.10, \"big\": 123456789012345678901, \"t\": true}", "user", "u"),
            ("{\"n\": 1.10}", "n", "1.10"),
            ("{\"big\": 123456789012345678901}", "big", "123456789012345678901"),
            ("{\"t\": true}", "t", "true"),
            ("{\"s\": \"\\u00e9\\n\"}", "s", "é\n"),
            ("{\"a\": {\"b/c\": [0, {\"d\": \"x\"}]}}", "/a/b~1c/1/d", "x"),
            ("{\"tls.crt\": \"c\"}", "tls.crt", "c"),
            ("# ours\nuser: u\npassword: 'p w'\n", "password", "p w"),
            ("version: 1.10\nmode: 0755\n", "version", "1.10"),
            ("version: 1.10\nmode: 0755\n", "mode", "0755"),
            ("on: yes\n", "on", "yes"),
            ("key: |\n  one\n  two\n", "key", "one\ntwo\n"),
            ("outer:\n  inner: [a, b]\n", "/outer/inner/1", "b"),
            ("- a\n- b\n", "/1", "b"),
            ("URL=http://x: y\n", "URL", "http://x: y"),
            ("# c\nexport A='1'\n", "A", "1"),
        ] {
            assert_eq!(field(value, name).unwrap_or_else(|error| panic!("{value} {name}: {error}")), expected);
        }
    }
}
