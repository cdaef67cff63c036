#![doc = include_str!("lib.md")]

pub mod audit;
mod cache;
pub mod card;
pub mod check;
pub mod crypto;
pub mod digest;
pub mod error;
mod escrow;
mod folder;
pub mod hints;
pub mod history;
pub mod home;
pub mod identity;
#[cfg(any(test, feature = "laws"))]
#[doc(hidden)]
pub mod laws;
pub mod layout;
pub mod legacy;
pub mod manifest;
mod merge;
pub mod metadata;
pub mod name;
mod parallel;
pub mod policy;
pub mod prompt;
pub mod purpose;
pub mod recipient;
mod remote;
mod repo;
pub mod root;
mod roots;
pub mod seal;
pub mod secret;
pub mod settings;
pub mod signing;
#[cfg(test)]
mod simulation;
pub mod time;
pub mod trust;
mod txn;
pub mod vault;
mod yaml;

pub use error::{Class, Error, Result};
pub use home::Home;
pub use identity::Identities;
pub use legacy::OldVault;
pub use name::{AgentName, GroupName, OwnerName, SecretPath, VaultAlias};
pub use purpose::Purpose;
pub use secret::SecretBytes;
pub use time::Timestamp;
pub use vault::{Context, FirstContact, Owner, Vault};
