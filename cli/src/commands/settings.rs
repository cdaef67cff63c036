//! `settings`

use super::{as_owner, short};
use crate::app::{SettingName, Settings};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use serde_json::json;

/// Shows the vault's settings, or changes one in one signed commit.
pub fn run(setting: &Setting, args: &Settings) -> Outcome {
    let changed = match (args.name, args.value) {
        (Some(SettingName::AuditRequired), Some(required)) => {
            Some((required, as_owner(setting, |owner| owner.set_audit_required(required))?))
        }
        _ => None,
    };
    let vault = setting.vault_to_look_at()?;
    let settings = vault.manifest();
    crate::setting::tell(&vault);
    let settings = settings?.settings;
    if args.json.json {
        output::json(&json!({
            "audit_required": settings.audit_required,
            "max_secret_size": settings.max_secret_size,
            "commit": changed.and_then(|(_, commit)| commit),
        }))?;
        return Ok(Code::Done);
    }
    match changed {
        Some((required, Some(commit))) => {
            output::note(&format!("audit-required is {required} from commit {} on", short(&commit)));
        }
        Some((required, None)) => output::note(&format!("audit-required is {required} already")),
        None => output::print(&format!(
            "audit-required   {}\nmax-secret-size  {}\n",
            settings.audit_required, settings.max_secret_size
        ))?,
    }
    Ok(Code::Done)
}
