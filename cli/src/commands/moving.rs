//! `rm` and `mv`

use super::{as_owner, confirm};
use crate::app::{Mv, Rm};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;

/// Removes a secret.
pub fn remove(setting: &Setting, args: &Rm) -> Outcome {
    as_owner(setting, |owner| {
        if !args.yes {
            owner.vault().metadata(&args.path)?;
        }
        confirm(&format!("Remove {}?", args.path), args.yes)?;
        owner.remove(&args.path)
    })?;
    output::note(&format!(
        "removed {}; its former values stay in Git's history, readable to whoever could read them",
        args.path
    ));
    Ok(Code::Done)
}

/// Renames a secret.
pub fn rename(setting: &Setting, args: &Mv) -> Outcome {
    let outcome = as_owner(setting, |owner| {
        if !args.yes {
            owner.vault().metadata(&args.from)?;
        }
        confirm(&format!("Rename {} to {}?", args.from, args.to), args.yes)?;
        owner.rename(&args.from, &args.to)
    })?;
    output::note(&format!("renamed {} to {} (group {})", args.from, args.to, outcome.metadata.group));
    outcome.gains.iter().for_each(|key| output::note(&format!("  + {key}")));
    outcome.loses.iter().for_each(|key| output::note(&format!("  - {key}")));
    if !outcome.loses.is_empty() {
        output::warn(&format!("{} is marked for rotation: who lost it may have read its value", args.to));
    }
    Ok(Code::Done)
}
