//! `whoami`

use crate::app::Whoami;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::Identities;
use agent_vault_open::who::{self, Who};
use serde_json::json;

/// Says which identity would be used and what it can read.
pub fn run(setting: &Setting, args: &Whoami) -> Outcome {
    let identities = setting.identities()?;
    let found = setting.any_vault(Some(&identities))?;
    tell(&identities, args, &who::who(&found, &identities)?)
}

/// Tells it, as text or JSON.
fn tell(identities: &Identities, args: &Whoami, who: &Who) -> Outcome {
    let Who { role, name, signed, readable } = who;
    let keys: Vec<String> = identities.recipients().map(|recipient| recipient.id().to_string()).collect();
    if args.json.json {
        output::json(&json!({
            "role": role,
            "name": name,
            "origin": identities.origin(),
            "keys": keys,
            "vault": signed.as_ref().map(|(vault, _)| vault),
            "owner_fingerprint": signed.as_ref().map(|(_, fingerprint)| fingerprint),
            "readable": readable,
        }))?;
        return Ok(Code::Done);
    }
    let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let claimed = if signed.is_some() { "" } else { " (claimed)" };
    let mut out = format!("{role}{name}{claimed}\nkey {} from {}\n", keys.join(", "), identities.origin());
    out.push_str(&format!("can read {}\n", output::count(readable.len(), "secret")));
    readable.iter().for_each(|name| out.push_str(&format!("  {name}\n")));
    output::print(&out)?;
    Ok(Code::Done)
}
