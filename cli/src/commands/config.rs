//! `config`

use crate::app::{Config, ConfigCommand};
use crate::exit::{Code, Outcome};
use crate::output::{self, Style};
use crate::setting::Setting;
use crate::table::{self, Cell};
use agent_vault_core::settings::{self, Key, Settings};
use serde_json::json;

/// Shows or changes the settings of this machine.
pub fn run(setting: &Setting, args: &Config) -> Outcome {
    match &args.command {
        None => get(setting, None, false),
        Some(ConfigCommand::Get { name, json }) => get(setting, *name, json.json),
        Some(ConfigCommand::Set { name, value }) => {
            let value = settings::set(&setting.context.home, *name, value)?;
            output::note(&format!("{name} is {value}"));
            Ok(Code::Done)
        }
        Some(ConfigCommand::Unset { name }) => unset(setting, name),
    }
}

fn get(setting: &Setting, only: Option<Key>, as_json: bool) -> Outcome {
    let mut entries = settings::all(&setting.context.home)?;
    entries.retain(|entry| only.is_none_or(|only| only == entry.key));
    if as_json {
        let list: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "key": entry.key.name(),
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
            let name = Cell::plain(entry.key.name());
            vec![name, Cell::styled(&*entry.value, value), Cell::plain(&*entry.default), Cell::plain(entry.key.about())]
        };
        let rows: Vec<Vec<Cell>> = entries.iter().map(row).collect();
        output::print(&table::render(&["SETTING", "VALUE", "DEFAULT", "WHAT"], &rows, output::stdout_coloured()))?;
    }
    Ok(Code::Done)
}

fn unset(setting: &Setting, name: &str) -> Outcome {
    let was_there = settings::unset(&setting.context.home, name)?;
    let shown = output::one_line(name);
    output::note(&match name.parse::<Key>() {
        Ok(key) if was_there => format!("{shown} is {} again, the default", Settings::default().text(key)),
        Ok(key) => format!("{shown} was not set; it is {}, the default", Settings::default().text(key)),
        Err(_) => format!("{shown} is no longer in the file"),
    });
    Ok(Code::Done)
}
