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
        if name == "git" {
            return Err(Error::Usage {
                message: format!("{text} runs what its configuration names, and that can stand in its arguments"),
                hint: "git gets it by its hosts: --hosts github.com, and `agent-vault git-credential`".into(),
            });
        }
        if is_interpreter(name) {
            return Err(Error::Usage {
                message: format!("{text} runs whatever it is told to run: it can receive no use-only secret"),
                hint: "name the program that needs the secret, not the shell or interpreter around it".into(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// Programs that run whatever they are told: shells, interpreters, debuggers, editors and pagers, and programs that start
/// others. Sorted.
/// No such list is ever complete; it stops what would be handed over by habit.
const INTERPRETERS: [&str; 170] = [
    "R",
    "Rscript",
    "agent-vault",
    "ash",
    "awk",
    "bash",
    "bpftrace",
    "bun",
    "bunx",
    "busybox",
    "bwrap",
    "capsh",
    "chpst",
    "chronic",
    "chroot",
    "chrt",
    "clojure",
    "cmd",
    "coreutils",
    "cpulimit",
    "csh",
    "dash",
    "dbus-launch",
    "dbus-run-session",
    "deno",
    "direnv",
    "doas",
    "docker",
    "dumb-init",
    "eatmydata",
    "ed",
    "elvish",
    "emacs",
    "entr",
    "env",
    "envdir",
    "erl",
    "ex",
    "expect",
    "fakechroot",
    "fakeroot",
    "faketime",
    "find",
    "firejail",
    "fish",
    "flock",
    "gawk",
    "gdb",
    "gdbserver",
    "ghci",
    "go",
    "gosu",
    "groovy",
    "guile",
    "iex",
    "ionice",
    "ipython",
    "irb",
    "java",
    "jjs",
    "jshell",
    "julia",
    "jython",
    "kotlin",
    "ksh",
    "ksh93",
    "ld.so",
    "less",
    "linux32",
    "linux64",
    "lldb",
    "ltrace",
    "lua",
    "luajit",
    "m4",
    "make",
    "man",
    "mawk",
    "micropython",
    "mksh",
    "more",
    "nawk",
    "nice",
    "ninja",
    "node",
    "nodejs",
    "nohup",
    "npx",
    "nsenter",
    "nu",
    "nvim",
    "ocaml",
    "oksh",
    "original-awk",
    "osascript",
    "parallel",
    "pdksh",
    "perf",
    "perl",
    "php",
    "pipx",
    "pkexec",
    "podman",
    "posh",
    "powershell",
    "proot",
    "proxychains",
    "pwsh",
    "pypy",
    "python",
    "pythonw",
    "qemu",
    "racket",
    "rbash",
    "rlwrap",
    "rr",
    "ruby",
    "run-parts",
    "run0",
    "runuser",
    "s6-setuidgid",
    "sash",
    "scala",
    "screen",
    "script",
    "scsh",
    "sed",
    "setarch",
    "setpriv",
    "setsid",
    "setuidgid",
    "sh",
    "socat",
    "softlimit",
    "ssh",
    "ssh-agent",
    "start-stop-daemon",
    "stdbuf",
    "strace",
    "su",
    "su-exec",
    "su-rs",
    "sudo",
    "sudo-rs",
    "sudoedit",
    "systemd-run",
    "taskset",
    "tclsh",
    "tcsh",
    "time",
    "timeout",
    "tini",
    "tmux",
    "torsocks",
    "toybox",
    "unbuffer",
    "unshare",
    "uvx",
    "valgrind",
    "vi",
    "view",
    "vim",
    "vimdiff",
    "watch",
    "wine",
    "xargs",
    "xonsh",
    "xvfb-run",
    "yash",
    "zsh",
];

/// Whether a file of this name is known to run whatever it is told: version numbers (`python3.13t`), kinds of a build
/// (`bash-static`) and `.exe` aside.
pub fn is_interpreter(name: &str) -> bool {
    let name = name.strip_suffix(".exe").unwrap_or(name);
    let is_loader = name.starts_with("ld-") || name.starts_with("ld.so") || name.starts_with("ld64.so");
    let built = ["-static", "-dbg", "-debug"].iter().find_map(|kind| name.strip_suffix(kind)).unwrap_or(name);
    // Python's builds: debug, pymalloc, wide characters, threads without a lock.
    let numbered = built.trim_end_matches(['d', 'm', 'u', 't']);
    let numbered = if numbered.ends_with(|c: char| c.is_ascii_digit()) { numbered } else { built };
    let bare = numbered.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let listed = |name: &str| INTERPRETERS.iter().any(|known| known.eq_ignore_ascii_case(name));
    is_loader || name.starts_with("qemu-") || listed(name) || listed(built) || listed(bare)
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
            "python3.13t",
            "python3.7dm",
            "python3-dbg",
            "bash-static",
            "vim",
            "xargs",
            "npx",
            "agent-vault",
        ] {
            assert!(is_interpreter(name), "{name}");
            assert!(format!("/usr/bin/{name}").parse::<ProgramPath>().is_err(), "{name}");
        }
        for name in [
            "gh",
            "curl",
            "psql",
            "ssh-keygen",
            "go-jira",
            "vimeo",
            "set",
            "md5sum",
            "aws",
            "kubectl",
            "ldapsearch",
            "shasum",
            "nodemon",
        ] {
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
