//! `agent_vault_exec`: a program of the user's choice runs with secrets in its environment, and the model sees what it prints
//! without them.

use crate::answer::{Answer, Failure, usage};
use crate::capped::Capped;
use crate::process::{self, KEPT, Running};
use crate::rules::Rules;
use crate::vault::{For, Open};
use agent_vault_core::purpose::Program;
use agent_vault_core::{Error, Result, SecretBytes};
use agent_vault_deliver::environment;
use agent_vault_deliver::mask::{self, Patterns};
use agent_vault_deliver::reference::Place;
use agent_vault_deliver::resolve::Wanted;
use agent_vault_deliver::{Name, Reference, Text, Values, resolve};
use agent_vault_open::receiving;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// How long a program may run where the model does not say.
const LIMIT: u64 = 60;
/// The longest that it may say.
const LONGEST: u64 = 600;

/// What the model sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The program.
    command: String,
    /// Its arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Variables: a secret's name, or text that holds references.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// In seconds.
    #[serde(default)]
    timeout: Option<u64>,
}

impl Wish {
    /// The program, for the log.
    pub fn command(&self) -> &str {
        &self.command
    }
}

/// Runs it.
///
/// # Errors
/// What keeps it from being started. How it ends is an answer.
pub fn run(
    open: &Open,
    rules: &Rules,
    running: &Running,
    wish: &Wish,
    stop: &dyn Fn() -> bool,
) -> Result<Answer, Failure> {
    let file = rules.program(&wish.command)?;
    let limit = wish.timeout.unwrap_or(LIMIT);
    if !(1..=LONGEST).contains(&limit) {
        return Err(usage(format!("timeout is {limit}"), format!("give 1 to {LONGEST} seconds")));
    }
    let Some(place) = running.place() else {
        return Err(usage(format!("{} programs run already", process::MOST), "wait for one of them to end"));
    };
    let variables = variables(&wish.env)?;
    let arguments = arguments(&wish.args)?;
    let wanted = wanted(&variables, &arguments);
    for one in &wanted {
        check(rules, one.reference)?;
    }
    let program = Program::find(file.as_os_str(), None)?;
    open.fresh()?;
    let values = match wanted.is_empty() {
        true => Values::default(),
        false => {
            let reader = For { open, identities: open.identities()?, program: &program };
            resolve(wanted, &reader).map_err(Failure::References)?
        }
    };
    let (patterns, mut notes) = patterns(&values, open.own())?;
    let command = command(&program, &wish.command, &variables, &arguments, &values, &mut notes)?;
    let now = open.now();
    let expired = values.expires.iter().filter(|(_, expires)| *expires <= now);
    notes.extend(expired.map(|(reference, expires)| format!("{reference} expired at {expires}")));
    drop(values);
    let done =
        process::run(command, &patterns, Duration::from_secs(limit), &place, stop).map_err(Error::io("start", file))?;
    Ok(told(done.status, limit, &done.out, &done.err, &notes))
}

/// The variables. None that decides what code runs: the model would.
fn variables(named: &BTreeMap<String, String>) -> Result<Vec<(Name, Text)>> {
    let mut variables = Vec::new();
    for (name, value) in named {
        let (name, text) = environment::assigned(name, value)?;
        if name.runs_code() {
            return Err(Error::Usage {
                message: format!("{name} decides what code programs run, and is not set for a model"),
                hint: "name another variable".into(),
            });
        }
        variables.push((name, text));
    }
    Ok(variables)
}

fn arguments(words: &[String]) -> Result<Vec<Text>> {
    let text = |(at, word): (usize, &String)| {
        if word.contains('\0') {
            return Err(Error::Usage {
                message: format!("argument {at} holds a NUL byte"),
                hint: "leave it out".into(),
            });
        }
        Text::of_value(word.as_bytes())
            .map_err(|error| Error::Usage { message: format!("argument {at}: {error}"), hint: error.hint() })
    };
    (1..).zip(words).map(text).collect()
}

/// All references, and who wants each.
fn wanted<'w>(variables: &'w [(Name, Text)], arguments: &'w [Text]) -> Vec<Wanted<'w>> {
    let of_variables = variables
        .iter()
        .flat_map(|(name, text)| text.references().map(move |reference| Wanted { by: name.to_string(), reference }));
    let of_arguments = (1..).zip(arguments).flat_map(|(at, text)| {
        text.references().map(move |reference| Wanted { by: format!("argument {at}"), reference })
    });
    of_variables.chain(of_arguments).collect()
}

/// Whether the model may have a program use it.
fn check(rules: &Rules, reference: &Reference) -> Result<()> {
    match &reference.place {
        Place::Here(path) | Place::Unmarked(Some(path), _) => rules.check(path),
        Place::There(..) | Place::Unmarked(None, _) => Err(Error::Usage {
            message: format!("{reference} names another vault, and this server serves one"),
            hint: "name a secret of this one, such as av://group/name".into(),
        }),
    }
}

/// What is looked for in what the program prints, and which values are too short for that.
fn patterns(values: &Values, own: &[SecretBytes]) -> Result<(Patterns, Vec<String>)> {
    let (references, values): (Vec<_>, Vec<_>) = values.all().unzip();
    let (patterns, short) = Patterns::of(values.into_iter().chain(own)).map_err(|error| Error::Usage {
        message: error.to_string(),
        hint: "use fewer or smaller secrets at once".into(),
    })?;
    let shortest = mask::SHORTEST;
    let note = |at: usize| format!("{} has less than {shortest} bytes: it is not masked in the output", references[at]);
    Ok((patterns, short.into_iter().filter(|at| *at < references.len()).map(note).collect()))
}

/// The command, with nothing of this server's own in its environment.
fn command(
    program: &Program,
    named: &str,
    variables: &[(Name, Text)],
    arguments: &[Text],
    values: &Values,
    notes: &mut Vec<String>,
) -> Result<Command> {
    let is_receiver = !values.use_only.is_empty();
    let mut command = if is_receiver { receiving::command(program)? } else { plain(program.path(), named) };
    for (at, text) in (1..).zip(arguments) {
        for reference in text.references() {
            if values.use_only.contains(reference) {
                return Err(receiving::in_argument(at, reference));
            }
            notes.push(format!(
                "argument {at} holds the value of {reference}: everybody on the machine can see arguments"
            ));
        }
        let word = os_string(&text.fill(|reference| values.of(reference)), || format!("argument {at}"))?;
        command.arg(word);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_own(name)) {
        command.env_remove(name);
    }
    if is_receiver {
        receiving::clean(&mut command);
    }
    for (name, text) in variables {
        let value = text.fill(|reference| values.of(reference));
        command.env(name.as_str(), os_string(&value, || name.to_string())?);
    }
    Ok(command)
}

/// A file that was found under a name, which some programs go by.
#[cfg(unix)]
fn plain(file: &Path, named: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(file);
    command.arg0(named);
    command
}

#[cfg(not(unix))]
fn plain(file: &Path, _named: &str) -> Command {
    Command::new(file)
}

/// `AGENT_VAULT_KEY` and its kin are this server's.
fn is_own(name: &OsStr) -> bool {
    name.to_string_lossy().to_ascii_uppercase().starts_with("AGENT_VAULT_")
}

/// A value as the system takes it.
fn os_string(value: &SecretBytes, what: impl Fn() -> String) -> Result<OsString> {
    let refuse = |reason: &str| Error::Usage {
        message: format!("{}: the value {reason}", what()),
        hint: "it cannot be handed over in this way".into(),
    };
    if value.expose().contains(&0) {
        return Err(refuse("holds a NUL byte"));
    }
    bytes(value.expose()).ok_or_else(|| refuse("is no text"))
}

#[cfg(unix)]
fn bytes(bytes: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStrExt;
    Some(OsStr::from_bytes(bytes).to_owned())
}

#[cfg(not(unix))]
fn bytes(bytes: &[u8]) -> Option<OsString> {
    std::str::from_utf8(bytes).ok().map(|text| OsStr::new(text).to_owned())
}

/// What the model is told.
fn told(status: Option<ExitStatus>, limit: u64, out: &Capped, err: &Capped, notes: &[String]) -> Answer {
    let (code, signal) = (status.and_then(|status| status.code()), status.and_then(signal));
    let ended = match (status, code, signal) {
        (None, ..) => format!("ended after {limit} seconds: its time was up"),
        (_, Some(code), _) => format!("exit code {code}"),
        (_, None, Some(signal)) => format!("ended by signal {signal}"),
        _ => "ended".into(),
    };
    let (out_text, err_text) = (out.text(), err.text());
    let mut text = ended;
    for (what, stream) in [("output", &out_text), ("errors", &err_text)] {
        if !stream.is_empty() {
            text.push_str(&format!("\n\n{what}:\n{stream}"));
        }
    }
    let cut = [("output", out), ("errors", err)].into_iter().filter(|(_, stream)| stream.left_out() > 0);
    let cut: Vec<String> = cut
        .map(|(what, stream)| format!("{} bytes of the {what} are left out: {KEPT} are kept", stream.left_out()))
        .collect();
    let notes: Vec<&String> = notes.iter().chain(&cut).collect();
    notes.iter().for_each(|note| text.push_str(&format!("\n\nnote: {note}")));
    Answer::with(
        text,
        json!({
            "exit_code": code,
            "signal": signal,
            "timed_out": status.is_none(),
            "output": out_text,
            "errors": err_text,
            "left_out": {"output": out.left_out(), "errors": err.left_out()},
            "notes": notes,
        }),
    )
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.signal()
}

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}
