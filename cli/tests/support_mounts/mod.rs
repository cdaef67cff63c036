//! Disks of their own for a test: small ones, and ones that cannot be written.
#![allow(dead_code)] // each test program uses a part of it

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Where mounts may be made.
pub enum Place {
    /// Here: this is the test again, in a mount namespace of its own.
    Here,
    /// There, where the test has run and passed.
    There,
    /// Nowhere: the system forbids it.
    Nowhere,
}

/// Runs the named test again in a mount namespace of its own: as root, or as root of a user namespace.
#[track_caller]
pub fn place(test: &str) -> Place {
    const INSIDE: &str = "AGENT_VAULT_TEST_MOUNTS";
    if std::env::var_os(INSIDE).is_some() {
        return Place::Here;
    }
    let probe = tempfile::tempdir().expect("a temporary directory");
    for flags in [&["--mount"][..], &["--user", "--map-root-user", "--mount"][..]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(flags).args(["--propagation", "private"]);
            command
        };
        let mounts = unshare().args(["mount", "-t", "tmpfs", "none"]).arg(probe.path()).output();
        if mounts.is_ok_and(|output| output.status.success()) {
            let me = std::env::current_exe().expect("this program");
            let again = unshare().arg(me).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output();
            let again = again.expect("it runs");
            let said = [again.stdout, again.stderr].concat();
            assert!(again.status.success(), "{}", String::from_utf8_lossy(&said));
            return Place::There;
        }
    }
    eprintln!("{test}: no mounts here; the tests under strace and without permission stand in for it");
    Place::Nowhere
}

/// Mounts something in this test's own namespace.
#[track_caller]
pub fn mount(args: &[&str], at: &Path) {
    let output = Command::new("mount").args(args).arg(at).output().expect("mount runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Fills a disk but for `pages` pages.
#[track_caller]
pub fn fill(file: &Path, pages: u64) {
    let mut filler = File::create(file).expect("a file");
    while filler.write(&[0; 4096]).is_ok_and(|written| written == 4096) {}
    let full = filler.metadata().expect("its size").len();
    filler.set_len(full - 4096 * pages).expect("room");
}
