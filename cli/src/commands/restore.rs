//! `restore`

use super::as_owner;
use crate::app::Restore;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;

/// Stores a former value anew.
pub fn run(setting: &Setting, args: &Restore) -> Outcome {
    let Restore { former, dry_run } = args;
    let restored = as_owner(setting, |owner| owner.restore(&former.path, &former.which, *dry_run))?;
    let (path, was) = (&former.path, &restored.revision);
    let from = format!("revision {} in commit {}", was.revision, &restored.from[..12]);
    let Some(outcome) = restored.outcome else {
        output::note(&format!("{path} has the value of {from} already: nothing to do"));
        return Ok(Code::Done);
    };
    let done = if *dry_run { "would be restored" } else { "restored" };
    let metadata = &outcome.metadata;
    let name = if was.name == *path { String::new() } else { format!(" (it was {} then)", was.name) };
    output::note(&format!("{path} {done} from {from}{name}, as revision {}", metadata.revision));
    let agents: Vec<String> = metadata.authorized_agents.iter().map(ToString::to_string).collect();
    let readers = if agents.is_empty() { "owners only".to_owned() } else { format!("owners, {}", agents.join(", ")) };
    output::note(&format!("  readable by {readers}"));
    if metadata.rotation_due() {
        let keys: Vec<String> = metadata.exposed_to.iter().map(ToString::to_string).collect();
        output::warn(&format!(
            "{} could read this value when it was in use, and may not now: it is marked for rotation.\n         Rotate the credential at its source, then `agent-vault set {path}`.",
            keys.join(", ")
        ));
    }
    Ok(Code::Done)
}
