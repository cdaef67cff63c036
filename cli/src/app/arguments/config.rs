//! The arguments of `config`.

use super::Json;
use agent_vault_core::settings::{Key, Name};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use std::ffi::OsStr;

/// `config`
#[derive(Args)]
pub struct Config {
    /// What to do [default: get]
    #[command(subcommand)]
    pub command: Option<ConfigCommand>,
}

/// `config …`
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Show the settings of this machine, or the value of one
    Get {
        /// The setting [default: all]
        #[arg(value_name = "SETTING", value_parser = SettingParser)]
        name: Option<Name>,
        #[command(flatten)]
        #[allow(missing_docs)]
        json: Json,
    },
    /// Set one
    Set {
        /// The setting
        #[arg(value_name = "SETTING", value_parser = SettingParser)]
        name: Name,
        /// Its value, such as 5m or auto; for vaults.ALIAS a folder or a repository's address
        value: String,
    },
    /// Go back to its default
    Unset {
        /// The setting, or any other name that stands in the file
        #[arg(value_name = "SETTING")]
        name: String,
    },
}

/// Settings by their names, so that help and completions list them, and `vaults.ALIAS` beside them.
#[derive(Clone)]
struct SettingParser;

impl SettingParser {
    fn listed() -> PossibleValuesParser {
        PossibleValuesParser::new(Key::ALL.map(Key::name))
    }
}

impl TypedValueParser for SettingParser {
    type Value = Name;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Name, clap::Error> {
        if value.to_str().is_some_and(|name| name.starts_with("vaults.")) {
            return clap::builder::StringValueParser::new()
                .try_map(|name| name.parse::<Name>())
                .parse_ref(command, argument, value);
        }
        Self::listed().try_map(|name| name.parse::<Name>()).parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Key::ALL.into_iter().map(|key| PossibleValue::new(key.name()))))
    }
}
