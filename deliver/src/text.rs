//! Text that holds references, and what becomes of it once they are resolved.
//!
//! It is taken apart once, before anything is resolved. What a reference stands for is put in its place and never looked
//! at again: a value that reads like a reference stays what it is.

use crate::reference::{Reference, SCHEME};
use agent_vault_core::error::printable;
use agent_vault_core::{Error, Result, SecretBytes};

/// How a reference within a text begins; it ends with the next `}`.
const OPEN: &[u8] = b"{av://";

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes that stay as they are.
    Literal(Vec<u8>),
    /// What is resolved.
    Reference(Reference),
}

/// A text in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Vec<Part>);

impl Text {
    /// The value of a variable, or an argument: a reference and nothing else, or a text with references in `${…}`.
    ///
    /// # Errors
    /// [`Error::Usage`] for what begins like a reference and is none.
    pub fn of_value(value: &[u8]) -> Result<Self> {
        if value.starts_with(SCHEME.as_bytes()) {
            return parse(value).map(|reference| Self(vec![Part::Reference(reference)]));
        }
        Self::of_template(value)
    }

    /// A template, in which references are written `${av://…}` and nowhere else. Of the dollars directly before `{av://`,
    /// two stand for one: `$${av://…}` is the text `${av://…}`.
    ///
    /// # Errors
    /// [`Error::Usage`] for what begins like a reference and is none.
    pub fn of_template(template: &[u8]) -> Result<Self> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = template;
        while let Some(at) = find(rest, OPEN) {
            let dollars = rest[..at].iter().rev().take_while(|byte| **byte == b'$').count();
            literal.extend_from_slice(&rest[..at - dollars]);
            literal.resize(literal.len() + dollars / 2, b'$');
            let inside = &rest[at + 1..];
            if dollars % 2 == 0 {
                literal.push(b'{');
                rest = inside;
                continue;
            }
            let Some(end) = inside.iter().position(|byte| *byte == b'}') else {
                return Err(Error::Usage {
                    message: format!("${{{:?} has no end", shown(&inside[..inside.len().min(80)])),
                    hint: "close it with `}`; `$${` stands for `${`".into(),
                });
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Reference(parse(&inside[..end])?));
            rest = &inside[end + 1..];
        }
        literal.extend_from_slice(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// Text that is taken as it is.
    pub fn literal(value: &[u8]) -> Self {
        Self(vec![Part::Literal(value.to_vec())])
    }

    /// Text that is one reference.
    pub fn reference(reference: Reference) -> Self {
        Self(vec![Part::Reference(reference)])
    }

    /// Its parts, in order; no two that are literal follow each other.
    #[cfg(any(test, feature = "laws"))]
    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Its references, in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Literal(_) => None,
        })
    }

    /// Whether it holds a reference.
    pub fn has_references(&self) -> bool {
        self.references().next().is_some()
    }

    /// The text with what its references stand for.
    pub fn fill<'v>(&self, mut value: impl FnMut(&Reference) -> &'v SecretBytes) -> SecretBytes {
        let pieces: Vec<&[u8]> = self
            .0
            .iter()
            .map(|part| match part {
                Part::Literal(bytes) => &bytes[..],
                Part::Reference(reference) => value(reference).expose(),
            })
            .collect();
        // Its size first: a buffer that grows would leave pieces of secrets behind.
        let mut filled = Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
        pieces.iter().for_each(|piece| filled.extend_from_slice(piece));
        SecretBytes::new(filled)
    }
}

fn parse(bytes: &[u8]) -> Result<Reference> {
    // What is no text is no reference either; the lossy form is only for the message.
    shown(bytes).parse()
}

fn shown(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| printable(&String::from_utf8_lossy(bytes)), str::to_owned)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &[u8]) -> Result<Vec<u8>> {
        let value = SecretBytes::new(b"${av://a/b}av://a/b".to_vec());
        Ok(Text::of_value(text)?.fill(|_| &value).expose().to_vec())
    }

    #[test]
    fn what_begins_like_a_reference_and_is_none_is_an_error() {
        for text in
            ["av://", "av://a b", "av://a/b\n", "x ${av://}", "${av://a b}", "${av://a/b", "${av://a/${av://b}}"]
        {
            assert!(filled(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(filled(b"av://a/\xff").is_err());
    }

    #[test]
    fn a_reference_is_taken_whole_or_in_braces_and_a_value_is_never_looked_at_again() {
        let value = "${av://a/b}av://a/b";
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("see av://a/b", "see av://a/b"),
            ("{av://a/b}", "{av://a/b}"),
            ("$av://a/b", "$av://a/b"),
            ("${HOME} $$", "${HOME} $$"),
            ("$${av://a/b}", "${av://a/b}"),
            ("$$$${av://a/b}", "$${av://a/b}"),
            ("$${av://no end", "${av://no end"),
        ] {
            assert_eq!(filled(text.as_bytes()).unwrap(), expected.as_bytes(), "{text}");
        }
        assert_eq!(filled(b"av://a/b").unwrap(), value.as_bytes());
        assert_eq!(filled(b"postgres://u:${av://a/b}@h").unwrap(), format!("postgres://u:{value}@h").as_bytes());
        assert_eq!(
            filled(b"$$${av://a/b}${av://c?field=d}\xff").unwrap(),
            [format!("${value}{value}").as_bytes(), b"\xff"].concat()
        );
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_comes_out_as_it_was(text in "[$${}a-c]{0,6}(\\$\\{av://a/b\\}){0,2}[$${}a]{0,4}") {
            // Every dollar of a run before `{av://` is doubled.
            let mut escaped = String::new();
            let mut rest = &text[..];
            while let Some(at) = rest.find("{av://") {
                let dollars = rest[..at].chars().rev().take_while(|c| *c == '$').count();
                escaped.push_str(&rest[..at]);
                escaped.push_str(&"$".repeat(dollars));
                escaped.push_str("{av://");
                rest = &rest[at + 6..];
            }
            escaped.push_str(rest);
            let parsed = Text::of_template(escaped.as_bytes()).unwrap();
            prop_assert!(!parsed.has_references());
            let value = parsed.fill(|_| unreachable!());
            prop_assert_eq!(value.expose(), text.as_bytes());
        }
    }
}
