//! Finds secrets in what is about to be committed: private keys, tokens of well-known providers, and the values of this
//! machine's own vaults.
//!
//! The heart is pure: [`scan()`] takes bytes, rules and fingerprints and returns findings, redacted. Around it, [`source`]
//! says which bytes there are (the index, a history, files), [`excuse`] which findings a person has accepted, and
//! [`install`] puts the hook where Git looks for it. Nothing here knows a terminal. The environment is looked at by
//! libgit2 alone, and only for [`source::Repo::of_hook`], because Git tells its hooks where the index is that way.

pub mod baseline;
pub mod entropy;
pub mod excuse;
pub mod finding;
pub mod fingerprints;
pub mod install;
#[cfg(any(test, feature = "laws"))]
#[doc(hidden)]
pub mod laws;
pub mod report;
pub mod rules;
pub mod scanner;
pub mod source;

pub use finding::Finding;
pub use fingerprints::Fingerprints;
pub use rules::Rules;
pub use scanner::scan;
