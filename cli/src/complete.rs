//! Completions: the shell's script asks this program what may come next, with the words so far.
//!
//! clap knows commands, options and their values; names come from [`Hints`]. What an argument is decides what completes
//! it, so a new command needs nothing here: a `SecretPath` is completed with secrets, wherever it stands.

use crate::app::{App, FormerValue, Shell};
use crate::exit::Code;
use crate::output;
use crate::setting;
use agent_vault_core::hints::Hints;
use agent_vault_core::{AgentName, GroupName, Home, OwnerName, SecretPath};
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{EnvCompleter, Shells};
use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Set by the scripts, to the shell's name.
const VARIABLE: &str = "AGENT_VAULT_COMPLETE";
/// The program's name, and the command that the scripts call.
const PROGRAM: &str = "agent-vault";

/// Arguments that take a name which nobody has yet.
const NEW_NAMES: [(&str, &str); 4] = [("add-agent", "name"), ("init", "owner"), ("upgrade", "owner"), ("card", "name")];

/// Answers a shell's question, if this call is one: the words so far come after `--`. Quiet whatever happens: a
/// complaint would land in the line that somebody is typing.
pub fn answer() -> Option<Code> {
    let shell = std::env::var_os(VARIABLE)?;
    let mut words = std::env::args_os().skip(1);
    if words.next()? != "--" {
        return None;
    }
    let shells = Shells::builtins();
    let shell = shells.completer(shell.to_str()?)?;
    let words: Vec<OsString> = words.collect();
    if words.is_empty() {
        return None;
    }
    let dir = vault_option(&words).unwrap_or_else(|| PathBuf::from("."));
    let mut answer = Vec::new();
    let here = std::env::current_dir().ok();
    // Options for those who ask for options, or where nothing else fits: names come first.
    let options = words.last().is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let mut command = definition(&dir, options);
    let done = shell.write_complete(&mut command, words, here.as_deref(), &mut answer);
    let answer = String::from_utf8_lossy(&answer);
    Some(if done.is_ok() && output::print(&answer).is_ok() { Code::Done } else { Code::Other })
}

/// The script that a shell reads once.
///
/// # Errors
/// None that this program could cause: it is written to memory.
pub fn script(shell: Shell) -> std::io::Result<Vec<u8>> {
    use clap_complete::env::{Bash, Fish, Powershell, Zsh};
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    Ok(script)
}

/// The command line with what completes its arguments, for the vault found from `dir`.
fn definition(dir: &Path, options: bool) -> Command {
    let mut command = App::command();
    // With what clap adds by itself.
    command.build();
    completed(command, dir, options)
}

fn completed(command: Command, dir: &Path, options: bool) -> Command {
    let name = command.get_name().to_owned();
    let argument = |arg: Arg| {
        let arg = if options || arg.is_positional() { arg } else { arg.hide(true) };
        match source(&name, &arg) {
            Source::Other => arg,
            Source::Paths => arg.add(ArgValueCompleter::new(|typed: &OsStr| paths(&PathCompleter::any(), typed))),
            Source::Folders => arg.add(ArgValueCompleter::new(|typed: &OsStr| paths(&PathCompleter::dir(), typed))),
            names => {
                let dir = dir.to_path_buf();
                arg.add(ArgValueCompleter::new(move |typed: &OsStr| candidates(names, &dir, typed)))
            }
        }
    };
    command.mut_args(argument).mut_subcommands(|command| completed(command, dir, options))
}

/// What an argument's values are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Secrets,
    Agents,
    /// Several, joined by commas.
    AgentList,
    Groups,
    Owners,
    /// Files, and the folders on the way to them.
    Paths,
    Folders,
    /// What clap knows: the values of a choice, nothing for text.
    Other,
}

fn source(command: &str, arg: &Arg) -> Source {
    let is = |id: TypeId| arg.get_value_parser().type_id() == id;
    match arg.get_id().as_str() {
        id if NEW_NAMES.contains(&(command, id)) => Source::Other,
        "vault" => Source::Folders,
        "agents" => Source::AgentList,
        // Before its `@`; what comes after is a commit, and Git knows those.
        _ if is(TypeId::of::<SecretPath>()) || is(TypeId::of::<FormerValue>()) => Source::Secrets,
        _ if is(TypeId::of::<AgentName>()) => Source::Agents,
        _ if is(TypeId::of::<GroupName>()) => Source::Groups,
        _ if is(TypeId::of::<OwnerName>()) => Source::Owners,
        _ if is(TypeId::of::<PathBuf>()) => Source::Paths,
        _ => Source::Other,
    }
}

fn candidates(source: Source, dir: &Path, typed: &OsStr) -> Vec<CompletionCandidate> {
    let hints = setting::home().ok().and_then(|home| Hints::of(dir, &Home::new(home)));
    let (Some(hints), Some(typed)) = (hints, typed.to_str()) else { return Vec::new() };
    let (before, typed) = match source {
        Source::AgentList => {
            typed.rsplit_once(',').map_or(("", typed), |(_, last)| (&typed[..typed.len() - last.len()], last))
        }
        _ => ("", typed),
    };
    let names = match source {
        Source::Secrets => hints.secrets(typed),
        Source::Agents | Source::AgentList => hints.agents(),
        Source::Groups => hints.groups(),
        Source::Owners => hints.owners(),
        Source::Paths | Source::Folders | Source::Other => Vec::new(),
    };
    let fitting = names.into_iter().filter(|name| name.starts_with(typed));
    fitting.map(|name| CompletionCandidate::new(format!("{before}{name}"))).collect()
}

/// Files or folders, but for those whose name a shell would not take as it stands: not every shell quotes what it is
/// offered, and whoever can push to the repository may have named them.
fn paths(completer: &PathCompleter, typed: &OsStr) -> Vec<CompletionCandidate> {
    let harmless = |c: char| c.is_alphanumeric() || "/._-+,@%=~:".contains(c) || (cfg!(windows) && c == '\\');
    let fits = |name: &str| name.chars().all(harmless) && !name.starts_with('-');
    let mut found = completer.complete(typed);
    found.retain(|path| path.get_value().to_str().is_some_and(fits));
    found
}

/// The value of `-C` or `--vault` among the words, wherever it stands.
fn vault_option(words: &[OsString]) -> Option<PathBuf> {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let Some(text) = word.to_str() else { continue };
        if text == "-C" || text == "--vault" {
            return words.next().map(PathBuf::from);
        }
        if let Some(value) = text.strip_prefix("--vault=").or_else(|| text.strip_prefix("-C")) {
            return Some(PathBuf::from(value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(command: &Command, path: &str, into: &mut Vec<String>) {
        for arg in command.get_arguments() {
            let source = source(command.get_name(), arg);
            if source != Source::Other {
                into.push(format!("{path}{} {:?}", arg.get_id(), source));
            }
        }
        command.get_subcommands().for_each(|sub| sources(sub, &format!("{path}{} ", sub.get_name()), into));
    }

    #[test]
    fn every_name_argument_is_completed_with_names_of_its_kind() {
        let mut found = Vec::new();
        sources(&App::command(), "", &mut found);
        for expected in [
            "get path Secrets",
            "set path Secrets",
            "set group Groups",
            "set agents AgentList",
            "mv from Secrets",
            "mv to Secrets",
            "revoke secret Secrets",
            "restore former Secrets",
            "log path Secrets",
            "grant agent Agents",
            "grant group Groups",
            "remove-agent name Agents",
            "remove-owner name Owners",
            "list group Groups",
            "get output Paths",
            "key Paths",
            "vault Folders",
        ] {
            assert!(found.iter().any(|source| source == expected), "{expected}: {found:#?}");
        }
        assert!(!found.iter().any(|source| source.starts_with("add-agent ")), "{found:#?}");
    }

    #[test]
    fn new_names_are_arguments_that_exist() {
        for (command, argument) in NEW_NAMES {
            let app = App::command();
            let below = app.get_subcommands().flat_map(Command::get_subcommands);
            let found =
                app.find_subcommand(command).or_else(|| below.into_iter().find(|one| one.get_name() == command));
            let command = found.expect(command);
            assert!(command.get_arguments().any(|arg| arg.get_id() == argument), "{argument}");
        }
    }

    #[test]
    fn the_vault_is_the_one_that_the_line_names() {
        let of = |line: &str| vault_option(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("agent-vault get a"), None);
        for line in
            ["agent-vault -C there get a", "agent-vault get --vault there", "x --vault=there", "x get -Cthere a"]
        {
            assert_eq!(of(line), Some(PathBuf::from("there")), "{line}");
        }
        assert_eq!(of("agent-vault -C"), None);
    }
}
