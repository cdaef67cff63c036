//! JSON and YAML: a segment of a path is an object, as `import` reads it.

use super::{Exported, Out, clash};
use agent_vault_core::{Result, SecretBytes};
use std::collections::BTreeMap;

/// Objects and the secrets in them.
pub(super) struct Tree<'e, 's>(BTreeMap<&'e str, Node<'e, 's>>);

enum Node<'e, 's> {
    Secret(&'e Exported<'s>),
    Object(Tree<'e, 's>, &'e Exported<'s>),
}

/// Sorts secrets, which come by name, into objects; `flat` makes none.
pub(super) fn tree<'e, 's>(secrets: &'e [Exported<'s>], flat: bool) -> Result<Tree<'e, 's>> {
    let mut tree = Tree(BTreeMap::new());
    for secret in secrets {
        tree.insert(secret.name, secret, flat)?;
    }
    Ok(tree)
}

impl<'e, 's> Tree<'e, 's> {
    fn insert(&mut self, name: &'e str, secret: &'e Exported<'s>, flat: bool) -> Result<()> {
        let both = |other: &Exported<'_>| {
            let mut error = clash(other.path, secret.path, "one would be a value and an object at once");
            if let agent_vault_core::Error::Conflict { hint, .. } = &mut error {
                *hint = "say --flat to name each by its whole path".into();
            }
            error
        };
        let split = if flat { None } else { name.split_once('/') };
        let Some((object, rest)) = split else {
            return match self.0.insert(name, Node::Secret(secret)) {
                None => Ok(()),
                Some(Node::Secret(other) | Node::Object(_, other)) => Err(both(other)),
            };
        };
        let node = self.0.entry(object).or_insert_with(|| Node::Object(Tree(BTreeMap::new()), secret));
        match node {
            Node::Object(tree, _) => tree.insert(rest, secret, flat),
            Node::Secret(other) => Err(both(other)),
        }
    }

    /// Indented by two, and a line end at the end.
    pub(super) fn json(&self) -> Result<SecretBytes> {
        let mut out = Out::new();
        self.write_json(1, &mut out)?;
        out.push(b"\n");
        Ok(out.finish())
    }

    fn write_json(&self, depth: usize, out: &mut Out) -> Result<()> {
        out.push(b"{");
        for (at, (name, node)) in self.0.iter().enumerate() {
            out.push(if at == 0 { b"\n" } else { b",\n" });
            out.push("  ".repeat(depth).as_bytes());
            quote(name, out);
            out.push(b": ");
            match node {
                Node::Secret(secret) => quote(secret.text("JSON")?, out),
                Node::Object(tree, _) => tree.write_json(depth + 1, out)?,
            }
        }
        if !self.0.is_empty() {
            out.push(b"\n");
            out.push("  ".repeat(depth - 1).as_bytes());
        }
        out.push(b"}");
        Ok(())
    }

    /// In block style; values, and names that could be taken for something else, in double quotes.
    pub(super) fn yaml(&self) -> Result<SecretBytes> {
        let mut out = Out::new();
        if self.0.is_empty() {
            out.push(b"{}\n");
        }
        self.write_yaml(0, &mut out)?;
        Ok(out.finish())
    }

    fn write_yaml(&self, depth: usize, out: &mut Out) -> Result<()> {
        for (name, node) in &self.0 {
            out.push("  ".repeat(depth).as_bytes());
            if is_plain(name) {
                out.push(name.as_bytes())
            } else {
                quote(name, out)
            }
            out.push(b":");
            match node {
                Node::Secret(secret) => {
                    out.push(b" ");
                    quote(secret.text("YAML")?, out);
                    out.push(b"\n");
                }
                Node::Object(tree, _) => {
                    out.push(b"\n");
                    tree.write_yaml(depth + 1, out)?;
                }
            }
        }
        Ok(())
    }
}

/// Words that some reader of YAML takes for a boolean or null (YAML 1.1, "bool").
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Whether every reader of YAML takes a name for text.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// A string between double quotes, with escapes that JSON (RFC 8259, 7) and YAML (1.2.2, 5.7) both have.
fn quote(text: &str, out: &mut Out) {
    out.push(b"\"");
    let mut buffer = [0; 4];
    for c in text.chars() {
        match c {
            '"' => out.push(b"\\\""),
            '\\' => out.push(b"\\\\"),
            '\n' => out.push(b"\\n"),
            '\r' => out.push(b"\\r"),
            '\t' => out.push(b"\\t"),
            // What YAML does not take as it is, or an editor does not show.
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push(format!("\\u{:04x}", c as u32).as_bytes());
            }
            c => out.push(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    out.push(b"\"");
}
