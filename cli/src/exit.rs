//! Exit codes, named in one place, and how an error is told: what happened, then what to do.

use crate::app::App;
use crate::output;
use agent_vault_core::error::printable;
use agent_vault_core::name::nearest;
use agent_vault_core::{Class, Error};
use agent_vault_open::references;
use clap::{CommandFactory, Parser};

/// The program's exit codes (documented in the README).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Done = 0,
    /// Any other failure.
    Other = 1,
    /// The call is wrong.
    Usage = 2,
    /// No such vault, secret, agent or group.
    NotFound = 3,
    /// Not among the recipients, or no owner.
    NotAuthorized = 4,
    /// Tampered with or rolled back.
    Tampered = 5,
    /// No usable key.
    NoKey = 6,
    /// Exists already, is busy, or has diverged.
    Conflict = 7,
    /// A remote failed.
    Remote = 8,
    /// `check`, `scan` or the hook found something.
    Findings = 9,
    /// Refused by a person.
    Refused = 10,
    /// The key is locked.
    Locked = 11,
    /// A question, and nobody to answer it.
    NobodyToAsk = 12,
    /// `run`: the program is there and cannot be run. Shells say so too, as they do the next (POSIX.1-2017, XCU 2.8.2).
    NotExecutable = 126,
    /// `run`: there is no such program.
    NoProgram = 127,
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl From<Class> for Code {
    fn from(class: Class) -> Self {
        match class {
            Class::Usage => Code::Usage,
            Class::NotFound => Code::NotFound,
            Class::NotAuthorized => Code::NotAuthorized,
            Class::Tampered => Code::Tampered,
            Class::NoKey => Code::NoKey,
            Class::Conflict => Code::Conflict,
            Class::Remote => Code::Remote,
            Class::Findings => Code::Findings,
            Class::Refused => Code::Refused,
            Class::Locked => Code::Locked,
            Class::NobodyToAsk => Code::NobodyToAsk,
            _ => Code::Other,
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// The core's error.
    Vault(Error),
    /// Standard output did not take what was written.
    Output(std::io::Error),
    /// References that cannot be resolved; nothing was done.
    References(Vec<agent_vault_deliver::Failure>),
    /// A program that does not start.
    NotStarted {
        /// As it was named.
        program: String,
        /// The system's word.
        source: std::io::Error,
    },
}

impl Failure {
    /// A program that does not start.
    pub fn not_started(program: &std::ffi::OsStr, source: std::io::Error) -> Self {
        Failure::NotStarted { program: printable(&program.to_string_lossy()), source }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Vault(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Output(error)
    }
}

/// What a command returns.
pub type Outcome = Result<Code, Failure>;

/// Tells a failure on standard error; a reader that went away is none.
pub fn report(failure: &Failure) -> Code {
    match failure {
        Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Code::Done,
        Failure::Output(error) => {
            output::error(&format!("cannot write to standard output: {error}"));
            output::hint("see that what it is sent to can take it, then try again");
            Code::Other
        }
        Failure::Vault(error) => {
            output::error(&error.to_string());
            output::hint(&error.hint());
            error.class().into()
        }
        Failure::References(failures) => report_references(failures),
        Failure::NotStarted { program, source } => {
            output::error(&format!("cannot run {program:?}: {source}"));
            output::hint("name a program that is on PATH, or its path");
            if source.kind() == std::io::ErrorKind::NotFound { Code::NoProgram } else { Code::NotExecutable }
        }
    }
}

/// Tells of each reference who wanted it and why it failed. The code is the first failure's, unless something was
/// tampered with, which nobody should miss.
fn report_references(failures: &[agent_vault_deliver::Failure]) -> Code {
    let mut hints: Vec<String> = Vec::new();
    references::told(failures).for_each(|line| output::error(&line));
    for failure in failures {
        let hint = failure.error.hint();
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints.iter().for_each(|hint| output::hint(hint));
    references::worst(failures).map_or(Code::Other, |failure| failure.error.class().into())
}

/// How clap ends its messages.
const HELP: &str = "For more information, try '--help'.";

/// Tells what is wrong with the call; help and version go to standard output.
pub fn report_usage(error: clap::Error) -> Code {
    use clap::error::ErrorKind;
    if !error.use_stderr() {
        let text = error.render().to_string();
        return output::print(&text).map_or_else(|failure| report(&failure.into()), |()| Code::Done);
    }
    let Some(error) = harmless(error) else {
        output::error("an argument holds characters that cannot be shown");
        output::hint("type it anew; `--help` after the command says what it takes");
        return Code::Usage;
    };
    let (error, meant) = mistyped(error);
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::note(&text);
            output::error("no command is given");
            // Below a command such as `hook` there is no demonstration to choose.
            let all = text.contains("agent-vault demo");
            let demo = if all { "; `agent-vault demo` shows them at work" } else { "" };
            output::hint(&format!("choose one of the above{demo}"));
        }
        // `set db/password my secret` without quotes: what is too much may be a part of the value.
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues if std::env::args_os().any(|arg| arg == "set") => {
            output::error("unexpected argument after the value (not repeated here: it may be secret)");
            output::hint("quote a value that has spaces, or pipe it; `agent-vault set --help` names the options");
        }
        _ if text.contains("PRIVATE KEY") => {
            output::error("an argument is a private key (not repeated here)");
            output::hint("give a file's name, or a public key; `--help` after the command says which");
        }
        _ => {
            let what = text.trim_end().trim_end_matches(HELP).trim_end();
            output::usage_error(what.trim_start_matches("error: "));
            match meant {
                Some(meant) => output::hint(&format!("did you mean '{meant}'?")),
                None => output::hint("`--help` after the command says what it takes"),
            }
        }
    }
    Code::Usage
}

/// clap repeats arguments as they are. One that is long, or that would begin a line of its own, is told as the core's
/// errors tell it: short, and on one line. `None` when its hidden characters alone are what is wrong.
fn harmless(error: clap::Error) -> Option<clap::Error> {
    let given: Vec<_> = std::env::args_os().collect();
    let shown: Vec<String> = given.iter().map(|argument| printable(&argument.to_string_lossy())).collect();
    if given.iter().zip(&shown).all(|(given, shown)| given == shown.as_str()) {
        return Some(error);
    }
    App::try_parse_from(shown).err().filter(clap::Error::use_stderr)
}

/// The command that was meant. clap does not see two letters that were swapped: where it suggests another, that one is
/// replaced, and where it has none, ours is returned.
fn mistyped(mut error: clap::Error) -> (clap::Error, Option<String>) {
    use clap::error::{ContextKind, ContextValue};
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return (error, None) };
    let app = App::command();
    let meant = nearest(typed, app.get_subcommands().map(clap::Command::get_name));
    match (error.get(ContextKind::SuggestedSubcommand), meant) {
        (Some(_), Some(meant)) => {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![meant]));
            (error, None)
        }
        (Some(_), None) => (error, None),
        (None, meant) => (error, meant),
    }
}
