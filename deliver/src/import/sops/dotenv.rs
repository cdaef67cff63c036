//! `.env` files of sops, which are not those that others mean: a line is a name, `=`, and a value in which `\n` is a line
//! end; there are no quotes. What sops says of the file stands in lines that begin with `sops_`.

use super::super::malformed;
use super::super::tree::{Kind, Node, Scalar};
use super::Metadata;
use agent_vault_core::{Identities, Result, SecretBytes};
use std::collections::HashSet;

const PREFIX: &str = "sops_";

/// Whether a `.env` file is one of sops.
pub fn is_sops(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"sops_mac="))
}

/// Decrypts a file, and verifies it as a whole.
///
/// # Errors
/// As [`super::decrypt`].
pub fn decrypt(bytes: &[u8], identities: &Identities, source: &str) -> Result<Node> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(source, None, "it is not UTF-8"))?;
    let (mut members, mut of_sops, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    for (at, line) in text.split('\n').enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let fail = |reason: &str| malformed(source, Some(at + 1), reason);
        let (name, value) = line.split_once('=').ok_or_else(|| fail("there is no '='"))?;
        if !names.insert(name) {
            return Err(fail("a name is given twice"));
        }
        let value = value.replace("\\n", "\n");
        match name.strip_prefix(PREFIX) {
            Some(field) => of_sops.push((field.to_owned(), value)),
            None => {
                let text = SecretBytes::new(value.into_bytes());
                members.push((name.to_owned(), Node::Scalar(Scalar { text, kind: Kind::Text, line: Some(at + 1) })));
            }
        }
    }
    let metadata = Metadata::of_flat(of_sops).map_err(|why| malformed(source, None, why))?;
    super::open(Node::Map(members), &metadata, identities, source)
}
