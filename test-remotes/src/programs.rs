//! Programs that a test makes and runs at once.
//!
//! Linux runs no file that anybody has open for writing (`ETXTBSY`, "Text file busy"). A test that writes one itself may meet
//! that although it has closed the file: another thread of it, starting a child, forked in between, and until that child
//! runs its own program it has all that was open. So another process writes the file, which nobody here ever opens.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a script that can be run, whole or not at all, in place of what is there.
///
/// # Panics
/// When it cannot be written.
#[track_caller]
pub fn executable(file: &Path, text: &str) {
    let mut written = Command::new("sh")
        .args(["-c", "cat > \"$0.new\" && chmod 755 \"$0.new\" && mv -f \"$0.new\" \"$0\""])
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    written.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("the script");
    assert!(written.wait().expect("its end").success(), "cannot write {}", file.display());
}

/// Copies a program to where it can be run.
///
/// # Panics
/// When it cannot be copied.
#[track_caller]
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--").args([from, to]).status().expect("cp");
    assert!(copied.success(), "cannot copy {} to {}", from.display(), to.display());
}
