//! Hands the secrets of a vault to programs and files, and takes them from there.

pub mod export;
pub mod import;
