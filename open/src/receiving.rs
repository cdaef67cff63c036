//! A program that gets use-only values: the file that was checked is the one that runs, and nothing that the caller says
//! in the environment is loaded into it.

use agent_vault_core::error::printable;
use agent_vault_core::purpose::Program;
use agent_vault_core::{Error, Result};
use agent_vault_deliver::{Name, Reference};
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// What runs the opened file, under its own path: a program of many names does only what that one stands for.
///
/// # Errors
/// [`Error::Io`].
#[cfg(target_os = "linux")]
pub fn command(program: &Program) -> Result<Command> {
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    if program.is_script() {
        // The kernel hands the interpreter this path, to open once more: it has to be open still.
        let kept = rustix::io::fcntl_setfd(program.file(), rustix::io::FdFlags::empty());
        kept.map_err(|errno| Error::Io { action: "keep open", path: program.path().into(), source: errno.into() })?;
    }
    let mut command = Command::new(format!("/proc/self/fd/{}", program.file().as_raw_fd()));
    command.arg0(program.path());
    Ok(command)
}

/// What runs the file that was checked. Between the check and the start it could be replaced by whoever may write to its
/// folder: only Linux runs a file that is open.
///
/// # Errors
/// None here.
#[cfg(not(target_os = "linux"))]
pub fn command(program: &Program) -> Result<Command> {
    Ok(Command::new(program.path()))
}

/// Refuses a variable that somebody named on purpose, and that [`clean`] would take away.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_names<'n>(mut names: impl Iterator<Item = &'n OsStr>) -> Result<()> {
    names.find(|name| is_kept_from_receivers(name)).map_or(Ok(()), |name| {
        let name = printable(&name.to_string_lossy());
        Err(Error::Usage {
            message: format!("{name} can load code into a program, and goes to none that gets a use-only value"),
            hint: "name another variable, or leave it out".into(),
        })
    })
}

/// Takes from the inherited environment what loads code into programs. What of it is worth a word is returned: the rest
/// nobody set on purpose for this program.
pub fn clean(command: &mut Command) -> Vec<OsString> {
    let inherited = std::env::vars_os().map(|(name, _)| name);
    let mut told = Vec::new();
    for name in inherited.filter(|name| is_kept_from_receivers(name)) {
        command.env_remove(&name);
        if name.to_string_lossy().starts_with("LD_") {
            told.push(name);
        }
    }
    told
}

fn is_kept_from_receivers(name: &OsStr) -> bool {
    // A name that is none (`BASH_FUNC_x%%`) is a function of a shell.
    name.to_str().is_none_or(|name| name.parse::<Name>().map_or(true, |name| name.is_kept_from_receivers()))
}

/// Everybody sees arguments.
pub fn in_argument(at: usize, reference: &Reference) -> Error {
    Error::Usage {
        message: format!(
            "argument {at}: {reference} is use-only, and everybody on this machine can see the arguments of programs"
        ),
        hint: "hand it over in a variable or a file: --env VAR=PATH, --file VAR=PATH".into(),
    }
}
