//! The programs that a document names.

use super::unusable;
use crate::error::{Error, Result};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The most bytes of a program's path.
const MAX: usize = 255;

/// The absolute path of a program, as its owner signed it: `/usr/bin/gh`. No `.`, `..` or empty segment; segments of
/// letters, digits and `._+@~:-`; 255 bytes at most; no shell and no interpreter ([`is_interpreter`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramPath(String);

impl ProgramPath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for ProgramPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ProgramPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| unusable("a program's path", text, reason, "name programs as /usr/bin/gh");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+@~:-".contains(&byte);
        let segments = text.strip_prefix('/').ok_or_else(|| refuse("it does not begin with /"))?;
        if text.len() > MAX {
            return Err(refuse("it has more than 255 bytes"));
        }
        if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(refuse("a segment is empty, . or .."));
        }
        if !segments.split('/').all(|segment| segment.bytes().all(plain)) {
            return Err(refuse("it holds other characters than letters, digits and ._+@~:-"));
        }
        let name = segments.rsplit('/').next().unwrap_or_default();
        if is_interpreter(name) {
            return Err(Error::Usage {
                message: format!("{text} runs whatever it is told to run: it can receive no use-only secret"),
                hint: "name the program that needs the secret, not the shell or interpreter around it".into(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// Programs that run whatever they are told: shells, interpreters, debuggers, and programs that start others. Sorted.
/// No such list is ever complete; it stops what would be handed over by habit.
const INTERPRETERS: [&str; 117] = [
    "R",
    "Rscript",
    "ash",
    "awk",
    "bash",
    "bun",
    "busybox",
    "bwrap",
    "capsh",
    "chpst",
    "chroot",
    "chrt",
    "clojure",
    "cmd",
    "coreutils",
    "cpulimit",
    "csh",
    "dash",
    "deno",
    "direnv",
    "doas",
    "docker",
    "ed",
    "elvish",
    "emacs",
    "env",
    "erl",
    "ex",
    "expect",
    "fakeroot",
    "find",
    "firejail",
    "fish",
    "flock",
    "gawk",
    "gdb",
    "gdbserver",
    "ghci",
    "go",
    "groovy",
    "guile",
    "iex",
    "ionice",
    "irb",
    "java",
    "jjs",
    "jshell",
    "julia",
    "kotlin",
    "ksh",
    "ksh93",
    "ld.so",
    "linux32",
    "linux64",
    "lldb",
    "ltrace",
    "lua",
    "luajit",
    "m4",
    "make",
    "mawk",
    "mksh",
    "nawk",
    "nice",
    "node",
    "nodejs",
    "nohup",
    "nsenter",
    "nu",
    "ocaml",
    "osascript",
    "parallel",
    "perf",
    "perl",
    "php",
    "pkexec",
    "podman",
    "posh",
    "powershell",
    "pwsh",
    "pypy",
    "python",
    "qemu",
    "racket",
    "rbash",
    "rlwrap",
    "rr",
    "ruby",
    "run-parts",
    "runuser",
    "scala",
    "screen",
    "script",
    "sed",
    "setarch",
    "setpriv",
    "setsid",
    "sh",
    "socat",
    "ssh",
    "start-stop-daemon",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "taskset",
    "tclsh",
    "tcsh",
    "time",
    "timeout",
    "tmux",
    "toybox",
    "unshare",
    "watch",
    "xargs",
    "zsh",
];

/// Whether a file of this name is known to run whatever it is told, version numbers and `.exe` aside.
pub fn is_interpreter(name: &str) -> bool {
    let name = name.strip_suffix(".exe").unwrap_or(name);
    let is_loader = name.starts_with("ld-") || name.starts_with("ld.so") || name.starts_with("ld64.so");
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let listed = |name: &str| INTERPRETERS.iter().any(|known| known.eq_ignore_ascii_case(name));
    is_loader || name.starts_with("qemu-") || listed(name) || listed(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_interpreters_of_every_version_are_refused() {
        for name in [
            "sh",
            "bash",
            "busybox",
            "python3",
            "python3.12",
            "perl5.36.0",
            "node-18",
            "lua5.4",
            "php8.2",
            "ruby3.1",
            "ld-linux-x86-64.so.2",
            "env",
            "sudo",
            "gdb",
            "mawk",
            "BASH",
            "pwsh.exe",
            "tclsh8.6",
        ] {
            assert!(is_interpreter(name), "{name}");
            assert!(format!("/usr/bin/{name}").parse::<ProgramPath>().is_err(), "{name}");
        }
        for name in ["gh", "curl", "git", "psql", "aws", "kubectl", "ldapsearch", "shasum", "nodemon"] {
            assert!(!is_interpreter(name), "{name}");
        }
    }

    #[test]
    fn only_absolute_paths_in_their_shortest_form_are_paths_of_programs() {
        for path in [
            "gh",
            "./gh",
            "/usr/../bin/gh",
            "/usr//bin/gh",
            "/usr/bin/gh/",
            "/",
            "",
            "/usr/bin/g h",
            "/b/é",
            "/usr/./bin/gh",
            "/a\n/b",
            "~/bin/gh",
        ] {
            assert!(path.parse::<ProgramPath>().is_err(), "{path:?}");
        }
        for path in ["/usr/bin/gh", "/nix/store/a1b2-gh-2.0/bin/gh", "/opt/g++"] {
            assert_eq!(path.parse::<ProgramPath>().expect(path).to_string(), path);
        }
    }

    #[test]
    fn the_list_of_interpreters_is_sorted_and_says_nothing_twice() {
        assert!(INTERPRETERS.is_sorted_by(|a, b| a < b));
    }
}
