//! The arguments of `config`.

use super::Json;
use agent_vault_core::settings::Key;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

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
        #[arg(value_name = "SETTING", value_parser = setting_key())]
        name: Option<Key>,
        #[command(flatten)]
        #[allow(missing_docs)]
        json: Json,
    },
    /// Set one
    Set {
        /// The setting
        #[arg(value_name = "SETTING", value_parser = setting_key())]
        name: Key,
        /// Its value, such as 5m or auto
        value: String,
    },
    /// Go back to its default
    Unset {
        /// The setting, or any other name that stands in the file
        #[arg(value_name = "SETTING")]
        name: String,
    },
}

/// Settings by their names, so that help and completions list them.
fn setting_key() -> impl TypedValueParser<Value = Key> {
    PossibleValuesParser::new(Key::ALL.map(Key::name)).try_map(|name| name.parse::<Key>())
}
