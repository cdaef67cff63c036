//! ssh without questions: `BatchMode`, added to whatever command the user chose, if it is OpenSSH's.

use crate::error::{Error, Result};
use git2::{ErrorCode, Repository};
use std::env::var_os;
use std::ffi::OsString;

/// Neither passphrase nor password nor "are you sure": `BatchMode` also keeps ssh from trying an empty password, which a
/// server would count. It comes right after the program's name, where ssh takes the first of several.
const OPTIONS: &str = "-oBatchMode=yes";

/// `GIT_SSH_COMMAND` for a call that must not ask; `None` leaves the user's own choice as it is: what is not known to be
/// OpenSSH may not know its options, and cannot ask either where there is no terminal.
pub(super) fn configured(git_dir: &std::path::Path) -> Result<Option<String>> {
    let fail = || Error::git("read the configuration");
    let git = Repository::open(git_dir).map_err(fail())?;
    let setting = match git.config().and_then(|config| config.get_string("core.sshCommand")) {
        Ok(command) => Some(command),
        Err(error) if error.code() == ErrorCode::NotFound => None,
        Err(error) => return Err(fail()(error)),
    };
    // Not our environment but the child's, which inherits these.
    Ok(quiet(var_os("GIT_SSH_COMMAND"), setting, var_os("GIT_SSH")))
}

/// git's own order: `GIT_SSH_COMMAND`, `core.sshCommand` (both for the shell), `GIT_SSH` (a program), `ssh`.
fn quiet(variable: Option<OsString>, setting: Option<String>, program: Option<OsString>) -> Option<String> {
    if let Some(variable) = variable {
        return with_options(variable.to_str()?);
    }
    if let Some(setting) = setting {
        return with_options(&setting);
    }
    match program {
        // A program's name is one word, and `ssh` is written without quotes.
        Some(program) if program.to_str().is_none_or(|program| program.contains(|c| !is_plain(c))) => None,
        Some(program) => with_options(program.to_str()?),
        None => with_options("ssh"),
    }
}

/// The command with our options behind its first word, if that is OpenSSH's program, unquoted.
fn with_options(command: &str) -> Option<String> {
    let command = command.trim_start();
    let (program, rest) = command.split_at(command.find(char::is_whitespace).unwrap_or(command.len()));
    let name = program.rsplit('/').next().unwrap_or(program);
    let is_openssh = matches!(name, "ssh" | "ssh.exe") && program.chars().all(is_plain);
    is_openssh.then(|| format!("{program} {OPTIONS}{rest}"))
}

/// Whether a character means itself to every shell.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':')
}

#[cfg(test)]
mod tests {
    use super::quiet;

    fn asked_as(variable: Option<&str>, setting: Option<&str>, program: Option<&str>) -> Option<String> {
        quiet(variable.map(Into::into), setting.map(Into::into), program.map(Into::into))
    }

    #[test]
    fn openssh_is_told_not_to_ask_whoever_chose_it() {
        assert_eq!(asked_as(None, None, None).unwrap(), "ssh -oBatchMode=yes");
        assert_eq!(asked_as(None, None, Some("/usr/bin/ssh")).unwrap(), "/usr/bin/ssh -oBatchMode=yes");
        assert_eq!(asked_as(None, Some("ssh -i 'a b'"), Some("x")).unwrap(), "ssh -oBatchMode=yes -i 'a b'");
        assert_eq!(asked_as(Some("/opt/ssh -F f"), Some("x"), None).unwrap(), "/opt/ssh -oBatchMode=yes -F f");
    }

    #[test]
    fn another_command_is_left_as_it_is() {
        for command in ["plink -batch", "'/a b/ssh'", "\"ssh\" -v", "SSH_X=1 ssh", "my-ssh", "$HOME/ssh", ""] {
            assert_eq!(asked_as(Some(command), None, None), None, "{command}");
            assert_eq!(asked_as(None, Some(command), None), None, "{command}");
        }
        assert_eq!(asked_as(None, None, Some("/a b/ssh")), None);
        assert_eq!(asked_as(None, None, Some("/bin/wrapper")), None);
    }
}
