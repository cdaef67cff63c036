//! What the tests of the packages share: where the tree is, what `cargo xtask test` installed, and copies of folders.
#![allow(dead_code)] // each test program uses a part of it

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

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a kind").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}
