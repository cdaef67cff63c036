//! Laws: what holds for any input whatever. Fuzz targets search for an input that breaks one; the tests replay what they
//! found worth keeping.
//!
//! A law takes bytes and panics when it is broken. It is compiled for tests and under the feature `laws`, which only
//! `fuzz/` asks for. A new law needs a line in [`ALL`], a target of its name in `fuzz/fuzz_targets` and a first input in
//! `fuzz/corpus`.

mod documents;
mod header;
mod keys;
mod names;
mod recovery;
mod signatures;
mod time;

pub use documents::{card, lists, manifest, memory, metadata, root, tombstone};
pub use header::header;
pub use keys::{identities, recipients};
pub use names::names;
pub use recovery::recovery;
pub use signatures::{signatures, signed};
pub use time::time;

/// What must hold for every input.
pub type Law = fn(&[u8]);

/// Every law of this crate by the name of its fuzz target and of its folder in `fuzz/corpus`.
pub const ALL: [(&str, Law); 15] = [
    ("card", card),
    ("header", header),
    ("identities", identities),
    ("lists", lists),
    ("manifest", manifest),
    ("memory", memory),
    ("metadata", metadata),
    ("names", names),
    ("recipients", recipients),
    ("recovery", recovery),
    ("root", root),
    ("signatures", signatures),
    ("signed", signed),
    ("time", time),
    ("tombstone", tombstone),
];

#[cfg(test)]
mod tests;
