//! `run`

use crate::app::Run;
use crate::delivery;
use crate::exit::{Failure, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::{Error, Result};
use agent_vault_deliver::environment;
use agent_vault_deliver::resolve::Wanted;
use agent_vault_deliver::{Text, Values};
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// Resolves everything or nothing, then becomes the program.
pub fn run(setting: &Setting, args: &Run) -> Outcome {
    let variables = environment::variables(&delivery::sources(&args.delivery)?)?;
    let arguments = arguments(&args.command)?;
    let wanted: Vec<Wanted<'_>> = environment::wanted(&variables).chain(wanted(&arguments)).collect();
    let values = match wanted.is_empty() {
        true => Values::default(),
        false => delivery::values(setting, &args.delivery.reading, wanted)?,
    };
    let environment = environment::filled(&variables, &values)?;
    let words = words(&arguments, &values)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_remove("AGENT_VAULT_KEY");
    for (name, value) in environment {
        command.env(name, os_string(value.expose())?);
    }
    output::finish();
    Err(start(command, &words[0]))
}

/// The program and its arguments; an argument may hold references, the program's name may not.
fn arguments(words: &[OsString]) -> Result<Vec<Text>> {
    let text = |(at, word): (usize, &OsString)| match at {
        0 => Ok(Text::literal(word.as_encoded_bytes())),
        _ => Text::of_value(word.as_encoded_bytes())
            .map_err(|error| Error::Usage { message: format!("argument {at}: {error}"), hint: error.hint() }),
    };
    words.iter().enumerate().map(text).collect()
}

fn wanted(arguments: &[Text]) -> impl Iterator<Item = Wanted<'_>> {
    arguments.iter().enumerate().flat_map(|(at, text)| {
        text.references().map(move |reference| Wanted { by: format!("argument {at}"), reference })
    })
}

/// The words of the command line with what their references stand for, and a word of warning: others can see them.
fn words(arguments: &[Text], values: &Values) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    for (at, text) in arguments.iter().enumerate() {
        let word = text.fill(|reference| values.of(reference));
        for reference in text.references() {
            output::warn(&format!(
                "argument {at} holds the value of {reference}: everybody on this machine can see the arguments of programs"
            ));
        }
        if word.expose().contains(&0) {
            return Err(Error::Usage {
                message: format!("argument {at}: the value holds a NUL byte, which no argument can hold"),
                hint: "hand it over in a file: --file VAR=PATH, or --fd VAR=PATH".into(),
            });
        }
        words.push(os_string(word.expose())?);
    }
    Ok(words)
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> Result<OsString> {
    use std::os::unix::ffi::OsStrExt;
    Ok(OsStr::from_bytes(bytes).to_owned())
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> Result<OsString> {
    std::str::from_utf8(bytes).map(|text| OsStr::new(text).to_owned()).map_err(|_| Error::Usage {
        message: "a value is no text, and this system takes nothing else".into(),
        hint: "hand it over in a file: --file VAR=PATH".into(),
    })
}

/// Becomes the program: nothing stands between it and its terminal, its signals and whoever waits for it.
#[cfg(unix)]
fn start(mut command: Command, program: &OsStr) -> Failure {
    use std::os::unix::process::CommandExt;
    Failure::not_started(program, command.exec())
}

/// Starts the program and ends as it does.
#[cfg(not(unix))]
fn start(mut command: Command, program: &OsStr) -> Failure {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(source) => Failure::not_started(program, source),
    }
}
