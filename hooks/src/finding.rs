//! A finding: where a secret stands and what kind it is, never the secret itself.

use crate::fingerprints::SecretTag;
use std::fmt;
use std::ops::Range;

/// A secret that was found in some bytes. It holds nothing of the secret but what every secret of its kind begins with.
#[derive(Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name, as an allow list writes it.
    pub rule: &'static str,
    /// What it is, in a few words: `GitHub token`, `RSA private key`.
    pub what: String,
    /// The line it begins on, from 1; none in binary data, which has no lines.
    pub line: Option<usize>,
    /// The byte it begins at in its line (in the data, when there are no lines), from 1.
    pub column: usize,
    /// Where it lies in the bytes, or in their UTF-8 form when they are UTF-16.
    pub span: Range<usize>,
    /// What may be shown of it, such as `ghp_… (40 bytes)`.
    pub excerpt: String,
    /// What a marker on the line says of it.
    pub marker: Marker,
    /// Names the secret in a baseline; see [`crate::baseline`].
    pub hash: String,
    /// Which secret of a vault it is a value of.
    pub secret: Option<SecretTag>,
}

/// What the line of a finding says in its excuse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Marker {
    /// Nothing.
    #[default]
    None,
    /// It is excused.
    Excused,
    /// There is a marker, and it excuses nothing; this is why.
    Useless(&'static str),
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finding({} at {:?}:{}, {})", self.rule, self.line, self.column, self.excerpt)
    }
}

/// What may be shown of a secret of `length` bytes: what all of its kind begin with, and how long it is.
pub(crate) fn excerpt(known: &str, length: usize) -> String {
    format!("{known}… ({length} bytes)")
}
