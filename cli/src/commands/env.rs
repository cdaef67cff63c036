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
use std::io::Write;

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
        EnvFormat::Github => return github(&variables),
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
fn github(variables: &[Variable<'_>]) -> Outcome {
    let file = std::env::var_os("GITHUB_ENV").filter(|file| !file.is_empty()).ok_or_else(|| Error::Usage {
        message: "GITHUB_ENV is not set: this is no step of GitHub Actions".into(),
        hint: "choose another --format".into(),
    })?;
    let made = render::github(variables)?;
    output::raw(&mut std::io::stdout(), made.masks.expose())?;
    let append = std::fs::OpenOptions::new().append(true).create(true).open(&file);
    let written = append.and_then(|mut file| file.write_all(made.file.expose()));
    written.map_err(Error::io("write", &file))?;
    Ok(Code::Done)
}
