//! The program under `strace`: what it asks of the kernel, and what happens when a call does not return.
//!
//! `strace` counts calls per thread and per name. So that its count names one call and no other, the program runs in
//! one thread: creating a second one fails with ENOSYS, upon which rayon works in the first.

use super::{Done, PROGRAM, World, run};
use std::collections::HashMap;
use std::path::PathBuf;

/// Every call by which a program changes files. The question marks are for architectures that lack one.
const CHANGES: &str = "?open,?openat,?openat2,?creat,?write,?writev,?pwrite64,?pwritev,?pwritev2,?rename,?renameat,?renameat2,\
    ?link,?linkat,?symlink,?symlinkat,?unlink,?unlinkat,?rmdir,?mkdir,?mkdirat,?mknod,?mknodat,?fsync,?fdatasync,?sync,?syncfs,\
    ?sync_file_range,?truncate,?ftruncate,?fallocate,?copy_file_range,?sendfile,?splice,?chmod,?fchmod,?fchmodat,?fchmodat2,\
    ?chown,?fchown,?lchown,?fchownat,?utime,?utimes,?utimensat,?futimesat,?setxattr,?fsetxattr,?flock,?msync,\
    ?clone,?clone3,?prctl";

/// The calls by which a change becomes visible.
const NAMES: &str = "?rename,?renameat,?renameat2,?unlink,?unlinkat";

/// One call of a traced run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    /// Counted among the calls of this name.
    pub nth: usize,
    /// The line of the trace.
    pub line: String,
}

/// What is done to a run.
#[derive(Debug, Clone)]
pub enum Fault<'c> {
    /// Nothing.
    Nothing,
    /// SIGKILL instead of the call.
    Kill(&'c Call),
    /// The call fails with this error, such as `ENOSPC`.
    Fail(&'c Call, &'static str),
    /// From this one on, all calls of this name fail with this error.
    FailFrom(&'c Call, &'static str),
    /// Every change of a name in the file system takes longer, by this many microseconds.
    SlowNames(u32),
    /// Every opening of a file takes longer, by this many microseconds.
    SlowOpens(u32),
}

/// A traced run.
pub struct Traced {
    pub done: Done,
    /// The calls that change files (and those that open one), in order.
    pub calls: Vec<Call>,
}

impl World {
    /// Runs the program under `strace`.
    pub fn traced(&self, fault: &Fault<'_>, args: &[&str], input: Option<&[u8]>) -> Traced {
        let log = self.root().join(format!("trace-{:?}", std::thread::current().id()));
        let mut command = self.command("strace");
        command.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={CHANGES}"), "-o"]);
        command.arg(&log);
        command.args(["-e", "inject=?clone,?clone3:error=ENOSYS"]);
        // Arguments are decoded only while the program lets itself be looked at.
        command.args(["-e", "inject=prctl:retval=0"]);
        let inject = match fault {
            Fault::Nothing => None,
            Fault::Kill(call) => Some(format!("{}:signal=SIGKILL:when={}", call.name, call.nth)),
            Fault::Fail(call, error) => Some(format!("{}:error={error}:when={}", call.name, call.nth)),
            Fault::FailFrom(call, error) => Some(format!("{}:error={error}:when={}+", call.name, call.nth)),
            Fault::SlowNames(pause) => Some(format!("{NAMES}:delay_enter={pause}")),
            Fault::SlowOpens(pause) => Some(format!("?openat,?openat2:delay_enter={pause}")),
        };
        if let Some(inject) = inject {
            command.args(["-e", &format!("inject={inject}")]);
        }
        let done = run(command.arg("--").arg(PROGRAM).args(args), input);
        Traced { calls: parse(&log), done }
    }
}

impl Call {
    /// Whether it changed anything: opening an existing file did not, nor did a call that failed.
    pub fn changed(&self) -> bool {
        let opens = self.name.starts_with("open");
        let failed = self.line.contains(" = -1 ");
        !failed && (!opens || self.line.contains("O_CREAT") || self.line.contains("O_TRUNC"))
    }
}

/// Reads a trace. Everything in it comes from one thread.
fn parse(log: &PathBuf) -> Vec<Call> {
    let text = std::fs::read(log).expect("strace is installed and wrote its log");
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut calls: Vec<Call> = Vec::new();
    let mut thread = None;
    for line in String::from_utf8_lossy(&text).lines() {
        let (pid, rest) = line.split_once(' ').expect("a process id");
        assert_eq!(*thread.get_or_insert(pid.to_owned()), *pid, "a second thread: strace's counts would not be exact");
        let Some((name, _)) = rest.trim_start().split_once('(') else { continue };
        if name == "prctl" || name.starts_with("clone") {
            continue;
        }
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        calls.push(Call { name: name.to_owned(), nth: *count, line: rest.trim().to_owned() });
    }
    calls
}
