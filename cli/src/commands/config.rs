//! `config`

use crate::app::{Config, ConfigCommand};
use crate::exit::{Code, Outcome};
use crate::output::{self, Style};
use crate::setting::Setting;
use crate::table::{self, Cell};
use agent_vault_core::settings::{self, Name, Settings};
use agent_vault_core::vault::is_address;
use agent_vault_core::{Error, Result};
use serde_json::json;
use std::path::Path;

/// Shows or changes the settings of this machine.
pub fn run(setting: &Setting, args: &Config) -> Outcome {
    match &args.command {
        None => get(setting, None, false),
        Some(ConfigCommand::Get { name, json }) => get(setting, name.as_ref(), json.json),
        Some(ConfigCommand::Set { name, value }) => {
            let value = settings::set(&setting.context.home, name, &as_kept(name, value)?)?;
            output::note(&format!("{name} is {value}"));
            Ok(Code::Done)
        }
        Some(ConfigCommand::Unset { name }) => unset(setting, name),
    }
}

/// A value as it is kept: a folder by its absolute path, told from an address as `--vault` tells them apart.
fn as_kept(name: &Name, value: &str) -> Result<String> {
    let is_folder = matches!(name, Name::Vault(_)) && !value.is_empty();
    if !is_folder || (is_address(value) && !Path::new(value).exists()) {
        return Ok(value.to_owned());
    }
    let absolute = std::path::absolute(value).map_err(Error::io("find", value))?;
    absolute.into_os_string().into_string().map_err(|_| Error::Usage {
        message: format!("{name} is in a folder whose name is not text"),
        hint: "give it another name, or put a link to it elsewhere".into(),
    })
}

fn get(setting: &Setting, only: Option<&Name>, as_json: bool) -> Outcome {
    let mut entries = settings::all(&setting.context.home)?;
    entries.retain(|entry| only.is_none_or(|only| *only == entry.name));
    if let (Some(only @ Name::Vault(_)), []) = (only, &entries[..]) {
        return Err(Error::NotFound { what: "setting", name: only.to_string(), near: None }.into());
    }
    if as_json {
        let list: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "key": entry.name.to_string(),
                    "value": entry.value,
                    "default": entry.default,
                    "is_set": entry.is_set,
                })
            })
            .collect();
        output::json(&list)?;
    } else if only.is_some() {
        entries.iter().try_for_each(|entry| output::print(&format!("{}\n", entry.value)))?;
    } else {
        let row = |entry: &settings::Entry| {
            let value = if entry.is_set { Style::Bold } else { Style::Dim };
            let name = Cell::plain(entry.name.to_string());
            let about = Cell::plain(entry.name.about());
            vec![name, Cell::styled(&*entry.value, value), Cell::plain(&*entry.default), about]
        };
        let rows: Vec<Vec<Cell>> = entries.iter().map(row).collect();
        output::print(&table::render(&["SETTING", "VALUE", "DEFAULT", "WHAT"], &rows, output::stdout_coloured()))?;
    }
    Ok(Code::Done)
}

fn unset(setting: &Setting, name: &str) -> Outcome {
    let was_there = settings::unset(&setting.context.home, name)?;
    let shown = output::one_line(name);
    let default = name.parse::<Name>().ok().and_then(|name| Settings::default().text(&name));
    output::note(&match default {
        Some(default) if was_there => format!("{shown} is {default} again, the default"),
        Some(default) => format!("{shown} was not set; it is {default}, the default"),
        None if was_there => format!("{shown} is no longer in the file"),
        None => format!("{shown} was not set"),
    });
    Ok(Code::Done)
}
