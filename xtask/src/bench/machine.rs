//! What the figures were measured on, without which they mean nothing.

use std::fs;
use std::process::{Command, Stdio};

use crate::peers::BEFORE_VERSION;

use super::Bench;

/// A few Markdown lines: the machine, the versions, and how the run was made.
pub fn describe(bench: &Bench) -> String {
    let mut lines = vec![
        format!("- Machine: {}", machine()),
        format!("- System: {}; working directory on {}", said("uname", &["-sr"]), file_system(bench)),
        format!("- Versions: {}", versions(bench)),
        format!("- Date: {}", said("date", &["-u", "+%Y-%m-%d"])),
    ];
    if bench.options.quick {
        lines.push("- **A quick run**: a tenth of the size and few repetitions".to_owned());
    }
    lines.join("\n")
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| said("uname", &["-m"]));
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!(", {} GiB", (kib + (1 << 19)) >> 20));
    format!("{model}, {cores} cores{memory}")
}

fn file_system(bench: &Bench) -> String {
    let path = bench.sandbox.path().to_string_lossy().into_owned();
    let mount = said("findmnt", &["-n", "-o", "FSTYPE,SOURCE", "-T", &path]);
    match mount.split_whitespace().collect::<Vec<_>>()[..] {
        ["tmpfs", ..] => "tmpfs (memory: every fsync is free)".to_owned(),
        // Nothing groups its flushes, and for a minute it looks for new inodes around those of deleted files
        // (Linux, fs/ext4/ialloc.c, `recently_deleted`): whoever replaces many files again and again waits.
        ["ext4", device] if !has_journal(device) => "ext4 without a journal (replacing files is slow on it)".to_owned(),
        [kind, ..] => kind.to_owned(),
        [] => mount,
    }
}

/// The kernel shows every journal of ext4 as `/proc/fs/jbd2/<device>-<inode>`.
fn has_journal(device: &str) -> bool {
    let name = device.rsplit('/').next().unwrap_or(device);
    let mut journals = fs::read_dir("/proc/fs/jbd2").into_iter().flatten().flatten();
    journals.any(|journal| journal.file_name().to_string_lossy().starts_with(&format!("{name}-")))
}

fn versions(bench: &Bench) -> String {
    let mut versions = vec![
        said(&bench.ours.to_string_lossy(), &["--version"]),
        said(&bench.rage.to_string_lossy(), &["--version"]),
        said("git", &["--version"]),
        said("rustc", &["--version"]),
    ];
    if let Some(age) = &bench.age {
        versions.push(format!("age {}", said(&age.to_string_lossy(), &["--version"])));
    }
    if bench.before.is_some() {
        // It cannot say so itself.
        versions.push(format!("agent-vault {BEFORE_VERSION}"));
    }
    // Only the growth tables have these.
    let asked: [(&str, &[&str]); 3] =
        [("fnox", &["--version"]), ("sops", &["--disable-version-check", "--version"]), ("pass", &["version"])];
    for (program, args) in asked {
        if let Some(found) = crate::programs::find(program) {
            let text = said(&found.to_string_lossy(), args);
            let mut version = text.split_whitespace().map(|word| word.trim_start_matches('v'));
            let version = version.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            versions.push(format!("{program} {}", version.unwrap_or("unknown")));
        }
    }
    versions.join(", ")
}

/// The first value of a `key : value` file of the kernel.
fn field(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// What a program says of itself, or that it says nothing.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}
