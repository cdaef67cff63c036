//! Runs the person's editor on a file, as Git does.

use agent_vault_core::{Error, Result};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The process id of the editor at work; 0 without one, [`STARTING`] before it has one.
static RUNNING: AtomicU32 = AtomicU32::new(0);
const STARTING: u32 = u32::MAX;
/// Whether the editor has ended, and what was sent while it ran may still be on its way.
static ENDED: AtomicBool = AtomicBool::new(false);
/// Whether a signal is ending this program.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Runs the editor to its end: `$VISUAL`, else `$EDITOR`, else `vi`. It may be a command line.
///
/// # Errors
/// [`Error::Conflict`] when it cannot be run or ends with a failure.
pub fn edit(file: &Path) -> Result<()> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".into());
    let mut command = command(&editor, file);
    // Whatever the editor starts would see it.
    command.env_remove("AGENT_VAULT_KEY");
    crate::terminal::watch_signals().map_err(|source| unusable(&editor, &source.to_string()))?;
    ENDED.store(false, Ordering::SeqCst);
    RUNNING.store(STARTING, Ordering::SeqCst);
    let status = command.spawn().and_then(|mut child| {
        RUNNING.store(child.id(), Ordering::SeqCst);
        child.wait()
    });
    ENDED.store(true, Ordering::SeqCst);
    // A Ctrl-C that the editor got belongs to it, also where it was its last.
    crate::terminal::settle_signals(forget);
    while ENDING.load(Ordering::SeqCst) {
        // The thread that watches signals ended the editor, and ends the program next.
        std::thread::park();
    }
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(unusable(&editor, &how(status))),
        Err(error) => Err(unusable(&editor, &error.to_string())),
    }
}

/// No editor is at work any more.
pub fn forget() {
    if ENDED.load(Ordering::SeqCst) {
        RUNNING.store(0, Ordering::SeqCst);
    }
}

/// Whether the editor has ended.
#[cfg(unix)]
pub fn has_ended() -> bool {
    ENDED.load(Ordering::SeqCst)
}

/// From here on, the end of the editor is the end of the program.
#[cfg(unix)]
pub fn ending() {
    ENDING.store(true, Ordering::SeqCst);
}

/// The process id of the editor at work.
#[cfg(unix)]
pub fn running() -> Option<u32> {
    Some(RUNNING.load(Ordering::SeqCst)).filter(|id| *id != 0)
}

#[cfg(unix)]
fn command(editor: &OsString, file: &Path) -> Command {
    let mut script = editor.clone();
    script.push(" \"$@\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(editor).arg(file);
    command
}

#[cfg(not(unix))]
fn command(editor: &OsString, file: &Path) -> Command {
    let mut command = Command::new(editor);
    command.arg(file);
    command
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(126 | 127) => "it cannot be run".into(),
        Some(code) => format!("it ended with code {code}"),
        None => "a signal ended it".into(),
    }
}

fn unusable(editor: &OsString, reason: &str) -> Error {
    Error::Conflict {
        message: format!("the editor {:?}: {reason}", agent_vault_core::error::printable(&editor.to_string_lossy())),
        hint: "nothing was stored; VISUAL or EDITOR names the editor, such as EDITOR=nano".into(),
    }
}
