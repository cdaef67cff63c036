//! `owner card`

use crate::app::{OwnerArgs, OwnerCommand};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Setting, pretty};
use agent_vault_core::vault::MadeCard;
use agent_vault_core::{Error, OwnerName, Result};
use std::io::Write;
use std::path::Path;

/// What somebody does who shall become an owner.
pub fn run(setting: &Setting, args: &OwnerArgs) -> Outcome {
    match &args.command {
        OwnerCommand::Card { name, output } => card(setting, name.clone(), output.as_deref()),
    }
}

/// Makes a card, and an owner's key where there is none.
fn card(setting: &Setting, name: Option<OwnerName>, file: Option<&Path>) -> Outcome {
    let identities = match setting.identities() {
        Ok(identities) => Some(identities),
        Err(Error::NoKey { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let vault = setting.vault(identities.as_ref())?;
    if let Some(file) = file.filter(|file| file.symlink_metadata().is_ok()) {
        return Err(exists(file).into());
    }
    let MadeCard { card, text, created_key } = vault.make_card(name, identities.as_ref())?;
    if let Some(key) = created_key {
        output::note(&format!("owner key created: {}", pretty(&key)));
        output::note("Back it up: once you are an owner, whoever has it opens the whole vault.");
    }
    let fingerprint = format!("card fingerprint: {}", card.fingerprint());
    match file {
        Some(file) => {
            write(file, &text)?;
            output::note(&format!("card of {} for vault {}: {}", card.name, card.vault, pretty(file)));
            output::print(&format!("{fingerprint}\n"))?;
        }
        None => {
            output::print(&String::from_utf8_lossy(&text))?;
            output::note(&fingerprint);
        }
    }
    output::note("Nothing in it is secret. Send it to an owner, and tell them the fingerprint over another channel.");
    output::note("They make you one with: agent-vault add-owner --card FILE");
    Ok(Code::Done)
}

/// Writes a new file that anybody may read.
fn write(file: &Path, text: &[u8]) -> Result<()> {
    let mut created = std::fs::File::create_new(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(file),
        _ => Error::Io { action: "create", path: file.into(), source: error },
    })?;
    created.write_all(text).map_err(Error::io("write", file))
}

fn exists(file: &Path) -> Error {
    Error::Exists { what: "file", name: file.display().to_string(), detail: "it is kept".into() }
}
