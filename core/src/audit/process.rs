//! What the kernel says of this process and of its parent.
//!
//! On Linux from `/proc`: the files of the two programs, not the names that processes give themselves. Elsewhere the
//! standard library's word: no program of the parent, and on Windows no parent at all.

use super::line::{Process, bounded};
use std::path::Path;

/// This process, now. `known` is what was said of it before: its program never changes, and its parent's is asked for again
/// only when the parent is another one.
pub(super) fn current(known: Option<&Process>) -> Process {
    let pid = std::process::id();
    let parent = parent();
    let known = known.filter(|known| known.pid == pid);
    Process {
        pid,
        program: match known {
            Some(known) => known.program.clone(),
            None => program(),
        },
        parent_program: match known.filter(|known| known.parent == parent) {
            Some(known) => known.parent_program.clone(),
            None => parent.and_then(parent_program),
        },
        parent,
        cwd: std::env::current_dir().ok().as_deref().map(text),
    }
}

fn text(path: &Path) -> String {
    bounded(&path.to_string_lossy())
}

#[cfg(target_os = "linux")]
fn program() -> Option<String> {
    std::fs::read_link("/proc/self/exe").ok().as_deref().map(text)
}

#[cfg(not(target_os = "linux"))]
fn program() -> Option<String> {
    std::env::current_exe().ok().as_deref().map(text)
}

#[cfg(unix)]
fn parent() -> Option<u32> {
    Some(std::os::unix::process::parent_id())
}

#[cfg(not(unix))]
fn parent() -> Option<u32> {
    None
}

/// The parent's program; the kernel does not tell it of another user's process.
#[cfg(target_os = "linux")]
fn parent_program(pid: u32) -> Option<String> {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    // It may have ended meanwhile, and its number been given to another process.
    (parent() == Some(pid)).then(|| text(&program))
}

#[cfg(not(target_os = "linux"))]
fn parent_program(_pid: u32) -> Option<String> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_asked_and_a_parent_is_known_again() {
        let first = current(None);
        assert_eq!(first.pid, std::process::id());
        assert_eq!(first.program, std::env::current_exe().ok().map(|file| file.to_string_lossy().into_owned()));
        assert_eq!(first.cwd, std::env::current_dir().ok().map(|dir| dir.to_string_lossy().into_owned()));
        assert_eq!(current(Some(&first)), first);
        let forked = Process { pid: first.pid + 1, program: Some("/other".into()), ..first.clone() };
        assert_eq!(current(Some(&forked)), first, "what was said of another process is not repeated");
    }
}
