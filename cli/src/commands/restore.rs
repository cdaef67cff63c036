//! `restore`

use super::{pushing, readers, recognise, short, texts};
use crate::app::Restore;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::Purpose;

/// Stores a former value anew.
pub fn run(setting: &Setting, args: &Restore) -> Outcome {
    let Restore { former, dry_run } = args;
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    let restored = vault.unlock(&identities).and_then(|owner| owner.restore(&former.path, &former.which, *dry_run));
    crate::setting::tell(&vault);
    let restored = restored?;
    let (path, was) = (&former.path, &restored.revision);
    let from = format!("revision {} in commit {}", was.revision, short(&restored.from));
    let Some(outcome) = restored.outcome else {
        output::note(&format!("{path} has the value of {from} already: nothing to do"));
        return Ok(Code::Done);
    };
    let done = if *dry_run { "would be restored" } else { "restored" };
    let metadata = &outcome.metadata;
    let name = if was.name == *path { String::new() } else { format!(" (it was {} then)", was.name) };
    output::note(&format!("{path} {done} from {from}{name}, as revision {}", metadata.revision));
    output::note(&format!("  readable by {}", readers(&metadata.authorized_agents)));
    if let Some(uses) = super::uses(metadata) {
        output::note(&format!("  {uses}"));
    }
    if !*dry_run {
        match vault.get_for(path, &identities, Purpose::Recognise) {
            Ok(secret) => recognise::told(setting, &vault, path, &secret.value, false),
            Err(error) => recognise::failed(&error),
        }
        pushing::after_write(setting, &vault);
    }
    if metadata.rotation_due() {
        let keys = texts(&metadata.exposed_to);
        output::warn(&format!(
            "{} could read this value when it was in use, and may not now: it is marked for rotation.\n         Rotate the credential at its source, then `agent-vault set {path}`.",
            keys.join(", ")
        ));
    }
    Ok(Code::Done)
}
