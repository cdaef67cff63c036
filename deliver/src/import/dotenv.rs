//! `.env` files, in the dialect of `docs/import.md`, which is that of env files without profiles.

use super::{Content, Entry, malformed};
use crate::dotenv::reader::{Line, lines};
use agent_vault_core::Result;
use std::collections::HashMap;

/// Reads a file; `source` names it in errors.
///
/// # Errors
/// [`agent_vault_core::Error::Usage`] with the line, and never with what stands there.
pub fn parse(bytes: &[u8], source: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut first: HashMap<String, usize> = HashMap::new();
    for (line, content) in lines(bytes).map_err(|mistake| malformed(source, Some(mistake.line), mistake.what))? {
        let Line::Assignment(name, value) = content else {
            return Err(malformed(
                source,
                Some(line),
                "a heading says where variables hold, and a vault has no such thing",
            ));
        };
        if let Some(first) = first.insert(name.clone(), line) {
            return Err(malformed(source, Some(line), format_args!("{name} was given in line {first} already")));
        }
        entries.push(Entry { keys: vec![name], line: Some(line), content: Content::Value(value) });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
