//! Nested documents: JSON and YAML as one tree, and the entries in it.

use super::entry::{MAX_ENTRIES, malformed};
use super::{Content, Entry};
use agent_vault_core::{Error, Result, SecretBytes};

/// How deep a document may be nested.
pub const MAX_DEPTH: usize = 32;

/// A document, or a part of one.
pub enum Node {
    /// A value.
    Scalar(Scalar),
    /// `[…]`
    List(Vec<Node>),
    /// `{…}`, in the document's order, without two equal keys.
    Map(Vec<(String, Node)>),
}

/// A value as the document writes it.
pub struct Scalar {
    /// A string's text, without quotes and escapes; of anything else, the document's own characters.
    pub text: SecretBytes,
    /// What it is.
    pub kind: Kind,
    /// The line that it begins on, where that is known.
    pub line: Option<usize>,
}

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// Nothing.
    Null,
    /// Text that neither encryption nor a MAC vouches for, in a file that has both.
    Unproven,
}

/// What becomes of the items of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// They have no name, so they are no secrets.
    Refused,
    /// Their place, counted from 0, is their name.
    Indexed,
}

/// Every value below a document's top, with the keys that lead to it.
///
/// # Errors
/// [`Error::Usage`] when the top is no object, or there are too many values.
pub fn entries(top: Node, lists: Lists, source: &str) -> Result<Vec<Entry>> {
    let Node::Map(_) = top else {
        return Err(malformed(source, None, "its top is not an object with names"));
    };
    let mut found = Vec::new();
    collect(top, lists, &mut Vec::new(), &mut found);
    if found.len() > MAX_ENTRIES {
        return Err(too_many(source));
    }
    Ok(found)
}

pub(super) fn too_many(source: &str) -> Error {
    malformed(source, None, format_args!("it has more than {MAX_ENTRIES} values"))
}

fn collect(node: Node, lists: Lists, keys: &mut Vec<String>, found: &mut Vec<Entry>) {
    let mut below = |key: String, node: Node, keys: &mut Vec<String>| {
        keys.push(key);
        collect(node, lists, keys, found);
        keys.pop();
    };
    let (line, content) = match node {
        Node::Map(members) if !members.is_empty() => {
            return members.into_iter().for_each(|(key, node)| below(key, node, keys));
        }
        Node::List(items) if lists == Lists::Indexed && !items.is_empty() => {
            return items.into_iter().enumerate().for_each(|(at, node)| below(at.to_string(), node, keys));
        }
        Node::Map(_) if keys.is_empty() => return,
        Node::Map(_) => (None, Content::NoValue("it is an empty object")),
        Node::List(_) if lists == Lists::Indexed => (None, Content::NoValue("it is an empty list")),
        Node::List(_) => (None, Content::NoValue("it is a list (--index-lists names its items 0, 1, …)")),
        Node::Scalar(Scalar { kind: Kind::Null, line, .. }) => (line, Content::NoValue("it is null")),
        Node::Scalar(Scalar { kind: Kind::Unproven, line, .. }) => {
            (line, Content::NoValue("it is not encrypted, and the file's MAC does not cover it"))
        }
        Node::Scalar(Scalar { text, line, .. }) => (line, Content::Value(text)),
    };
    found.push(Entry { keys: keys.clone(), line, content });
}
