//! `env`

use crate::app::{Env, EnvFormat};
use crate::delivery;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::{Error, Result, SecretBytes};
use agent_vault_deliver::render::{self, Format, Variable};
use agent_vault_deliver::{Name, Values, environment};
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Prints the variables that a program would be given, for a shell or a service to read.
pub fn run(mut setting: Setting, args: &Env) -> Outcome {
    setting.context.allow_old = args.delivery.looking.allow_old;
    let variables = environment::variables(&delivery::sources(&args.delivery)?)?;
    let wanted: Vec<_> = environment::wanted(&variables).collect();
    let values = match wanted.is_empty() {
        true => Values::default(),
        false => delivery::values(&setting, &args.delivery.looking, wanted)?,
    };
    let filled = environment::filled(&variables, &values)?;
    let variables: Vec<Variable<'_>> = filled.iter().map(named).collect::<Result<_>>()?;
    let format = match args.format {
        EnvFormat::Bash => Format::Bash,
        EnvFormat::Zsh => Format::Zsh,
        EnvFormat::Fish => Format::Fish,
        EnvFormat::Powershell => Format::PowerShell,
        EnvFormat::Dotenv => Format::Dotenv,
        EnvFormat::Json => Format::Json,
        EnvFormat::Docker => Format::Docker,
        EnvFormat::Github => return github(&variables, &values),
    };
    output::raw(&mut std::io::stdout(), render::render(format, &variables)?.expose())?;
    Ok(Code::Done)
}

/// A variable of the caller's environment may have a name that no shell takes.
fn named((name, value): &(OsString, SecretBytes)) -> Result<Variable<'_>> {
    let text = name.to_str().unwrap_or_default();
    text.parse::<Name>()?;
    Ok((text, value))
}

/// Masks first, and only then writes what could be printed.
fn github(variables: &[Variable<'_>], values: &Values) -> Outcome {
    let file = std::env::var_os("GITHUB_ENV").filter(|file| !file.is_empty()).ok_or_else(|| Error::Usage {
        message: "GITHUB_ENV is not set: this is no step of GitHub Actions".into(),
        hint: "choose another --format".into(),
    })?;
    let secrets: Vec<(String, &SecretBytes)> =
        values.all().map(|(reference, value)| (reference.to_string(), value)).collect();
    let secrets: Vec<Variable<'_>> = secrets.iter().map(|(reference, value)| (&**reference, *value)).collect();
    let made = render::github(variables, &secrets)?;
    output::raw(&mut std::io::stdout(), made.masks.expose())?;
    append(Path::new(&file), made.file.expose()).map_err(Error::io("write", &file))?;
    Ok(Code::Done)
}

/// Adds to a file of lines. What the last line is that somebody left without an end, ours does not become a part of it:
/// where GitHub cannot read a line, it prints it.
fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut last = [b'\n'];
    // A pipe has no end to look at, and an empty file has none.
    if file.seek(SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last)?;
    }
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    file.write_all(bytes)
}
