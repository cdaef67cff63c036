//! The calls of agent-vault that the compiler cannot check, each with the reason why it is sound.
//!
//! Every other crate of the workspace forbids `unsafe`. What can be had through a safe wrapper
//! (`rustix`, `std`) is not here.

use std::sync::Once;

/// Lets libgit2 open repositories that belong to another user (CVE-2022-24765's check is about *running*
/// what a foreign `.git/config` says; agent-vault runs no hook, filter, pager or helper from it in process).
///
/// Takes effect once for the process; call it before a repository is opened.
pub fn allow_foreign_repositories() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: git2 marks this unsafe because it writes a libgit2 global without a lock. `Once` makes
        // this the only writer, and every caller waits for it before it opens a repository.
        #[allow(unsafe_code)]
        let set = unsafe { git2::opts::set_verify_owner_validation(false) };
        // libgit2 without that option refuses such a repository later, with its own words.
        drop(set);
    });
}

/// Asks the kernel not to write this process's memory to a core file and not to let other processes of
/// the same user attach to it (Linux `prctl(PR_SET_DUMPABLE, 0)`). Best effort; elsewhere it does nothing.
pub fn forbid_dumps() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}

/// Asks the kernel to begin writing a file's changed pages to the disk, without waiting for them (Linux
/// `sync_file_range(2)` with `SYNC_FILE_RANGE_WRITE`). A hint: what is durable is what was flushed with
/// `File::sync_all` afterwards. Elsewhere it does nothing.
pub fn start_writing(file: &std::fs::File) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        // SAFETY: the call takes a descriptor and three numbers, and touches no memory of this process. The
        // descriptor is open: `file` is borrowed for the whole call.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Makes a command start without a terminal: in a session of its own (`setsid(2)`), so that neither it nor what it
/// starts can ask on the caller's terminal, and so that its process group (whose number is its own) is all of it. On
/// Linux it also gets SIGTERM when the thread that started it ends. Elsewhere than on Unix it does nothing.
pub fn detach(command: &mut std::process::Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // SAFETY: what runs between fork and exec must be async-signal-safe: setsid(2) and prctl(2) are plain system
        // calls, and neither allocates, locks, nor touches memory that another thread may have been changing. (std's own
        // `setsid` is not stable yet, and its `process_group` keeps the terminal.)
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(|| {
                #[cfg(target_os = "linux")]
                rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
                rustix::process::setsid()?;
                Ok(())
            });
        }
    }
    #[cfg(not(unix))]
    let _ = command;
}
