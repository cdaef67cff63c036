//! The programs that the tests call, and what to say when one is missing.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::workspace::exe;

/// A program that some test calls.
struct Program {
    /// The names it goes by; one of them is enough.
    names: &'static [&'static str],
    /// What the tests do with it.
    why: &'static str,
    /// Debian's and Ubuntu's package.
    apt: &'static str,
    /// Homebrew's formula; none where macOS brings the program along.
    brew: Option<&'static str>,
    /// Needed on Linux only.
    linux_only: bool,
}

const PROGRAMS: &[Program] = &[
    Program {
        names: &["cc", "gcc", "clang"],
        why: "a C compiler; builds the bundled libgit2 and links every Rust program",
        apt: "gcc libc6-dev",
        brew: None,
        linux_only: false,
    },
    Program {
        names: &["git"],
        why: "checks what the vault commits, and that stock Git verifies it",
        apt: "git",
        brew: Some("git"),
        linux_only: false,
    },
    Program {
        names: &["bash"],
        why: "runs the shell blocks of README.md, and is completed in",
        apt: "bash",
        brew: None,
        linux_only: false,
    },
    Program { names: &["zsh"], why: "is completed in, and reads variables", apt: "zsh", brew: None, linux_only: true },
    Program {
        names: &["fish"],
        why: "is completed in, and reads variables",
        apt: "fish",
        brew: Some("fish"),
        linux_only: true,
    },
    Program {
        names: &["tmux"],
        why: "is the terminal of a program that `run` runs",
        apt: "tmux",
        brew: Some("tmux"),
        linux_only: true,
    },
    Program {
        names: &["gpg"],
        why: "opens a store of pass for an import",
        apt: "gnupg",
        brew: Some("gnupg"),
        linux_only: false,
    },
    Program { names: &["pass"], why: "makes a store to import", apt: "pass", brew: Some("pass"), linux_only: false },
    Program {
        names: &["mandoc"],
        why: "reads the man pages and warns",
        apt: "mandoc",
        brew: Some("mandoc"),
        linux_only: true,
    },
    Program {
        names: &["ssh-keygen"],
        why: "verifies the vault's signatures with stock OpenSSH",
        apt: "openssh-client",
        brew: None,
        linux_only: false,
    },
    Program {
        names: &["sshd", "/usr/sbin/sshd"],
        why: "is a remote over ssh, as a user, on a port of its own",
        apt: "openssh-server",
        brew: None,
        linux_only: true,
    },
    Program {
        names: &["lighttpd", "/usr/sbin/lighttpd"],
        why: "is a remote over HTTP, in front of git http-backend",
        apt: "lighttpd",
        brew: None,
        linux_only: true,
    },
    Program {
        names: &["ps"],
        why: "sees that nothing is left of a remote, or of a git that was given up",
        apt: "procps",
        brew: None,
        linux_only: true,
    },
    Program {
        names: &["age"],
        why: "opens the vault's ciphertexts with stock age, and the other way round",
        apt: "age",
        brew: Some("age"),
        linux_only: false,
    },
    Program {
        names: &["age-keygen"],
        why: "makes keys as age's users do",
        apt: "age",
        brew: Some("age"),
        linux_only: false,
    },
    Program {
        names: &["strace"],
        why: "kills the program at every file-system call, for the crash tests",
        apt: "strace",
        brew: None,
        linux_only: true,
    },
    Program {
        names: &["python3"],
        why: "runs the pre-commit framework, and the Python package that is built here",
        apt: "python3 python3-venv",
        brew: None,
        linux_only: false,
    },
];

/// The oldest Git that signs and verifies commits with SSH keys.
const OLDEST_GIT: (u32, u32) = (2, 34);

/// Sees whether everything is there that the tests call.
///
/// # Errors
///
/// Names all that is missing at once, with the lines that install it, and exits with 2.
pub fn check() -> Result<(), Failure> {
    let missing: Vec<&Program> = PROGRAMS
        .iter()
        .filter(|program| !program.linux_only || cfg!(target_os = "linux"))
        .filter(|program| !program.names.iter().any(|name| find(name).is_some()))
        .collect();
    if !missing.is_empty() {
        return Err(report(&missing));
    }
    check_git()?;
    check_ptrace()
}

/// The program's file, found as a shell finds it.
pub fn find(name: &str) -> Option<PathBuf> {
    find_in(name, &env::var_os("PATH").unwrap_or_default())
}

fn find_in(name: &str, path: &OsString) -> Option<PathBuf> {
    env::split_paths(path).map(|dir| dir.join(exe(name))).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

fn report(missing: &[&Program]) -> Failure {
    let mut what = String::from("the tests call programs that are not on this machine's PATH\n\n");
    for program in missing {
        let _ = writeln!(what, "  {:<12} {}", program.names[0], program.why);
    }
    what.push_str("\nNothing was run.");
    Failure::usage(what).with_hint(install_lines(missing))
}

fn install_lines(missing: &[&Program]) -> String {
    let mut apt: Vec<&str> = Vec::new();
    let mut brew: Vec<&str> = Vec::new();
    for program in missing {
        if !apt.contains(&program.apt) {
            apt.push(program.apt);
        }
        if let Some(formula) = program.brew.filter(|formula| !brew.contains(formula)) {
            brew.push(formula);
        }
    }
    if !cfg!(target_os = "macos") {
        return format!("on Debian or Ubuntu: sudo apt-get install {}", apt.join(" "));
    }
    let mut lines = Vec::new();
    if !brew.is_empty() {
        lines.push(format!("brew install {}", brew.join(" ")));
    }
    if missing.iter().any(|program| program.brew.is_none()) {
        // The compiler, ssh-keygen and bash.
        lines.push("xcode-select --install".to_owned());
    }
    format!("on macOS: {}", lines.join(" && "))
}

fn check_git() -> Result<(), Failure> {
    let output = Command::new("git")
        .arg("--version")
        .output()
        .map_err(|error| Failure::usage(format!("cannot run git: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match git_version(&text) {
        Some(version) if version < OLDEST_GIT => {
            Err(Failure::usage(format!("{} cannot verify commits that are signed with SSH keys", text.trim()))
                .with_hint(format!("install Git {}.{} or newer", OLDEST_GIT.0, OLDEST_GIT.1)))
        }
        // A version that we cannot read is the tests' to judge.
        _ => Ok(()),
    }
}

/// Major and minor out of `git version 2.47.3`.
fn git_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(2)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// strace may be installed and still be forbidden to trace: some containers do that.
fn check_ptrace() -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match traced {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failure::usage("strace is installed but may not trace here; the crash tests need it").with_hint(
            "in a container, allow ptrace (docker run --cap-add=SYS_PTRACE); \
                     elsewhere try `strace true` to see why",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_named_at_once_with_its_install_line() {
        let missing: Vec<&Program> = PROGRAMS.iter().collect();
        let failure = report(&missing);
        let text = failure.to_string();
        for program in PROGRAMS {
            assert!(text.contains(program.names[0]), "{text}");
        }
        assert_eq!(failure.code(), 2);
        let hint = failure.hint().expect("a next step");
        assert_eq!(hint.matches(" age").count(), 1, "age is one package: {hint}");
    }

    #[test]
    fn a_program_is_found_only_where_path_says_and_only_if_it_can_run() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("data"), "not a program").expect("a file");
        let path = OsString::from(dir.path());
        assert_eq!(find_in("nowhere", &path), None);
        #[cfg(unix)]
        assert_eq!(find_in("data", &path), None);
    }

    #[test]
    fn git_versions_are_read_with_and_without_a_vendor_s_suffix() {
        assert_eq!(git_version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(git_version("git version 2.39.5 (Apple Git-154)\n"), Some((2, 39)));
        assert_eq!(git_version("git"), None);
    }
}
