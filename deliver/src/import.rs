//! Takes values over from elsewhere: `.env`, JSON, YAML, sops files, stores of pass and passage.
//!
//! A reader turns one source into [`Entry`]s: where each stands in the source, and its value byte for byte. [`names`] maps
//! them to secrets, [`plan`] compares them with the vault, and one commit stores them all. Nothing here prints, and no
//! error holds a value.

pub mod dotenv;
mod entry;
pub mod json;
pub mod names;
pub mod plan;
pub mod sops;
pub mod store;

pub mod tree;
pub mod yaml;

use agent_vault_core::{Identities, Result};
pub use entry::{Content, Entry, malformed};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `NAME=value`
    Dotenv,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// What a file's name says it is: `.env`, `.env.local`, `prod.env`, `x.json`, `x.yaml`, `x.yml`.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            _ if name == ".env" || name.starts_with(".env.") => Some(Self::Dotenv),
            Some("env") => Some(Self::Dotenv),
            Some("json") => Some(Self::Json),
            Some("yaml" | "yml") => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// Reads a file. One of sops is recognised and decrypted with `identities`, which are asked for only then; `source` names
/// it in errors.
///
/// # Errors
/// Those of the format, and of [`sops::decrypt`].
pub fn read(
    bytes: &[u8],
    format: Format,
    lists: tree::Lists,
    source: &str,
    identities: &dyn Fn() -> Result<Identities>,
) -> Result<Vec<Entry>> {
    let top = match format {
        Format::Dotenv if sops::dotenv::is_sops(bytes) => sops::dotenv::decrypt(bytes, &identities()?, source)?,
        Format::Dotenv => return dotenv::parse(bytes, source),
        Format::Json => json::parse(bytes, source)?,
        Format::Yaml => yaml::parse(bytes, source)?,
    };
    let top = if sops::is_sops(&top) { sops::decrypt(top, &identities()?, source)? } else { top };
    tree::entries(top, lists, source)
}
