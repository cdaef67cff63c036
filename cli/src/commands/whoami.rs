//! `whoami`

use crate::app::Whoami;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Found, Setting};
use agent_vault_core::root::VaultId;
use agent_vault_core::{Identities, Result, Vault};
use serde_json::json;

/// Says which identity would be used and what it can read.
pub fn run(setting: &Setting, args: &Whoami) -> Outcome {
    let identities = setting.identities()?;
    let vault = match setting.any_vault(Some(&identities))? {
        Found::Signed(vault) => vault,
        Found::Old(old) => return super::old::whoami(&old, &identities, args),
    };
    let (role, name) = role(&vault, &identities)?;
    let signed = Some((vault.id(), super::fingerprint(&vault)));
    tell(&identities, args, &Who { role, name, signed, readable: readable(&vault, &identities)? })
}

/// What is known of whoever has an identity.
pub struct Who {
    /// `owner`, `agent` or `stranger`.
    pub role: &'static str,
    /// Of an agent, and of an owner in a signed vault.
    pub name: Option<String>,
    /// The vault's id and its owner's fingerprint; without them all of it is what an unsigned vault claims.
    pub signed: Option<(VaultId, String)>,
    /// The secrets that it can read.
    pub readable: Vec<String>,
}

/// Tells it, as text or JSON.
pub fn tell(identities: &Identities, args: &Whoami, who: &Who) -> Outcome {
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

/// Owner, agent, or nobody that this vault knows.
fn role(vault: &Vault, identities: &Identities) -> Result<(&'static str, Option<String>)> {
    let mine = |key: &agent_vault_core::recipient::Recipient| identities.recipients().any(|recipient| recipient == key);
    if let Some(owner) = vault.pin().owners.iter().find(|owner| mine(&owner.public_key)) {
        return Ok(("owner", Some(owner.name.to_string())));
    }
    let agent = vault.agents()?.into_iter().find(|agent| mine(&agent.public_key));
    Ok(agent.map_or(("stranger", None), |agent| ("agent", Some(agent.name.to_string()))))
}

/// The secrets that are encrypted to one of the keys.
fn readable(vault: &Vault, identities: &Identities) -> Result<Vec<String>> {
    let ids: Vec<_> = identities.recipients().map(|recipient| recipient.id()).collect();
    let all = vault.secrets()?;
    Ok(all
        .into_iter()
        .filter(|secret| secret.recipients.iter().any(|id| ids.contains(id)))
        .map(|secret| secret.name.to_string())
        .collect())
}
