//! What a source has: one value and where it stands.

use agent_vault_core::error::printable;
use agent_vault_core::{Error, SecretBytes};
use std::fmt::Display;

/// The most values that one source may have.
pub const MAX_ENTRIES: usize = 100_000;

/// One value of a source, or a place in it that has none.
#[derive(Debug)]
pub struct Entry {
    /// The keys that lead to it, from the outside in; a name in a `.env` file is one key.
    pub keys: Vec<String>,
    /// The line that it begins on, where the source has lines.
    pub line: Option<usize>,
    /// What stands there.
    pub content: Content,
}

/// What stands at a place of a source.
#[derive(Debug)]
pub enum Content {
    /// A value.
    Value(SecretBytes),
    /// Something that is no value, and why.
    NoValue(&'static str),
}

impl Entry {
    /// How the source names it, printable: its keys, joined by `/`.
    pub fn source(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|key| printable(key)).collect();
        keys.join("/")
    }
}

/// The error of a source that is not of its format; `reason` never repeats its text.
pub fn malformed(source: impl Display, line: Option<usize>, reason: impl Display) -> Error {
    let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
    Error::Usage {
        message: format!("{source}{place}: {reason}"),
        hint: "correct it there, or say what it is with --from; nothing was changed".into(),
    }
}
