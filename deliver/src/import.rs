//! Takes values over from elsewhere: `.env`, JSON, YAML, sops files, stores of pass and passage.
//!
//! A reader turns one source into [`Entry`]s: where each stands in the source, and its value byte for byte. [`names`] maps
//! them to secrets, [`plan`] compares them with the vault, and one commit stores them all. Nothing here prints, and no
//! error holds a value.

pub mod dotenv;
mod entry;
pub mod json;
pub mod names;
pub mod sops;
pub mod store;

pub mod tree;
pub mod yaml;

pub use entry::{Content, Entry, malformed};
