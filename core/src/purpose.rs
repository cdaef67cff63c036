//! What a value is read for. A use-only secret is handed to the programs and hosts that its owner signed, and shown to
//! nobody by mistake: whoever asks without saying why gets it for no purpose but to show it, and is refused.
//!
//! This binds those who use this program. Whoever holds the key of a recipient can decrypt the file with any age tool.

mod host;
mod program;
mod recipient;

pub use host::{Host, Request};
pub use program::{ProgramPath, is_interpreter};
pub use recipient::Program;

use crate::error::{Error, Result};
use crate::metadata::Metadata;
use std::fmt::Display;

/// The most programs, and the most hosts, of one secret.
pub const MAX_ENTRIES: usize = 32;

/// What a value is read for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'p> {
    /// To be shown, written to a file, or handed on in any way that is not one of the others.
    Show,
    /// To be handed to one program that is about to be run.
    Run(&'p Program),
    /// To be handed to Git, which is about to say it to a host.
    Host(&'p Request),
    /// To be recognised where it should not be: its fingerprint is kept, and nothing of it goes further.
    Recognise,
}

impl Purpose<'_> {
    /// What the record of such a read calls it, and whom it names.
    pub(crate) fn record(&self) -> (&'static str, Option<String>) {
        match self {
            Purpose::Show | Purpose::Recognise => ("get", None),
            Purpose::Run(program) => ("run", Some(program.path().display().to_string())),
            Purpose::Host(request) => ("git-credential", Some(request.to_string())),
        }
    }

    /// Refuses what the secret's owner did not sign.
    pub(crate) fn check(&self, metadata: &Metadata) -> Result<()> {
        let withheld = |reason: String, hint: String| Error::Withheld { name: metadata.name.to_string(), reason, hint };
        match self {
            Purpose::Recognise => Ok(()),
            Purpose::Host(request) if metadata.hosts.iter().any(|host| host.covers(request)) => Ok(()),
            Purpose::Host(request) => Err(withheld(
                format!("its owner did not sign it for {request}"),
                format!("an owner adds the host: `agent-vault set {} --hosts …`", metadata.name),
            )),
            _ if !metadata.use_only => Ok(()),
            Purpose::Show => {
                Err(withheld(format!("it is use-only, {}, and is not shown", receivers(metadata)), hint(metadata)))
            }
            Purpose::Run(program) => {
                let refused = program.refusal(&metadata.programs);
                refused.map_or(Ok(()), |reason| {
                    Err(withheld(format!("it is use-only, {}, and {reason}", receivers(metadata)), hint(metadata)))
                })
            }
        }
    }
}

/// Who gets a use-only value, as the middle of a sentence.
fn receivers(metadata: &Metadata) -> String {
    let join = |items: Vec<String>| items.join(", ");
    let programs = join(metadata.programs.iter().map(ToString::to_string).collect());
    let hosts = join(metadata.hosts.iter().map(ToString::to_string).collect());
    match (programs.is_empty(), hosts.is_empty()) {
        (true, true) => "for no program and no host".into(),
        (false, true) => format!("for {programs}"),
        (true, false) => format!("for Git at {hosts}"),
        (false, false) => format!("for {programs} and for Git at {hosts}"),
    }
}

fn hint(metadata: &Metadata) -> String {
    let name = &metadata.name;
    let shown = format!("an owner shows it on purpose: `agent-vault get {name} --reveal`");
    match metadata.programs.first() {
        Some(program) => format!("`agent-vault run --env VAR={name} -- {program} …` hands it over; {shown}"),
        None => shown,
    }
}

/// Checks the lists of a document or a request: sorted, no two alike, not too many; `Err` ends a sentence.
pub(crate) fn check_lists(use_only: bool, programs: &[ProgramPath], hosts: &[Host]) -> Result<(), String> {
    fn rising<T: Ord>(items: &[T]) -> bool {
        items.is_sorted_by(|a, b| a < b)
    }
    if programs.len() > MAX_ENTRIES || hosts.len() > MAX_ENTRIES {
        return Err(format!("has more than {MAX_ENTRIES} programs or hosts"));
    }
    if !rising(programs) || !rising(hosts) {
        return Err("has programs or hosts that are not sorted, or twice the same".into());
    }
    if !use_only && !programs.is_empty() {
        return Err("names programs and is not use-only".into());
    }
    Ok(())
}

/// A sorted list without repetitions.
pub(crate) fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}

/// Refuses a text; `what` and `hint` say what should have been there.
fn unusable(what: &str, text: &str, reason: impl Display, hint: &str) -> Error {
    Error::Usage { message: format!("{:?} is not {what}: {reason}", crate::error::printable(text)), hint: hint.into() }
}
