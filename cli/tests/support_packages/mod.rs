//! What the tests of the packages share: where the tree is and what `cargo xtask test` installed.
#![allow(dead_code)] // each test program uses a part of it

#[path = "../../../open/tests/table/folders.rs"]
pub mod folders;

use std::path::{Path, PathBuf};

/// The top of the tree.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// What a variable names; `cargo xtask test` sets it.
pub fn named(variable: &str) -> PathBuf {
    let given = std::env::var_os(variable).filter(|given| !given.is_empty()).map(PathBuf::from);
    given.unwrap_or_else(|| panic!("{variable} must be set; `cargo xtask test` installs what it names"))
}
