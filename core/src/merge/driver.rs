//! What Git's merge driver makes of one file of a vault that both sides changed: one side's, so that a secret's two files
//! stay a pair. It is no merge by meaning: `sync` makes that from both sides' commits.

use super::Side;
use crate::digest::Digest;
use crate::metadata;

/// Which side's file Git is to take for `path`, which both sides changed. `base` may be empty: neither had it.
///
/// Git asks for each file by itself, and takes a file that only one side changed without asking. So metadata must go with
/// the ciphertext that Git takes: theirs, where only they have another one.
pub fn take(path: &str, base: &[u8], ours: &[u8], theirs: &[u8]) -> Taken {
    let side = if path.ends_with(".meta") { metadata_side(base, ours, theirs) } else { Side::Ours };
    match side {
        Side::Ours => Taken::Ours,
        Side::Theirs => Taken::Theirs,
    }
}

/// One side's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// That of the branch that is checked out.
    Ours,
    /// That of the branch that is merged.
    Theirs,
}

fn metadata_side(base: &[u8], ours: &[u8], theirs: &[u8]) -> Side {
    match (ciphertext(base), ciphertext(ours), ciphertext(theirs)) {
        (Some(base), Some(ours), Some(theirs)) if ours == base && theirs != base => Side::Theirs,
        _ => Side::Ours,
    }
}

/// The digest of the ciphertext that metadata name. Nothing is verified: this decides which of two files lies there until
/// `sync` has looked at both.
fn ciphertext(meta: &[u8]) -> Option<Digest> {
    let (body, _) = metadata::split_signed(meta).ok()?;
    let text = std::str::from_utf8(body).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("digest: "))?;
    line.trim_matches('"').parse().ok()
}
