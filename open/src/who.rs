//! Whose identity it is, by what the vault says, and what it can read.

use crate::opening::Found;
use agent_vault_core::recipient::Recipient;
use agent_vault_core::root::VaultId;
use agent_vault_core::{Identities, OldVault, Result, Vault};

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

/// Who has these keys.
///
/// # Errors
/// As [`Vault::agents`] and [`Vault::secrets`], and those of [`OldVault`].
pub fn who(found: &Found, identities: &Identities) -> Result<Who> {
    match found {
        Found::Signed(vault) => signed(vault, identities),
        Found::Old(old) => claimed(old, identities),
    }
}

fn signed(vault: &Vault, identities: &Identities) -> Result<Who> {
    let (role, name) = role(vault, identities)?;
    let ids: Vec<_> = identities.recipients().map(|recipient| recipient.id()).collect();
    let mut readable = vault.secrets()?;
    readable.retain(|secret| secret.recipients.iter().any(|id| ids.contains(id)));
    let readable = readable.into_iter().map(|secret| secret.name.to_string()).collect();
    Ok(Who { role, name, signed: Some((vault.id(), vault.pin().fingerprint())), readable })
}

/// Owner, agent, or nobody that this vault knows.
fn role(vault: &Vault, identities: &Identities) -> Result<(&'static str, Option<String>)> {
    let mine = |key: &Recipient| identities.recipients().any(|recipient| recipient == key);
    if let Some(owner) = vault.pin().owners.iter().find(|owner| mine(&owner.public_key)) {
        return Ok(("owner", Some(owner.name.to_string())));
    }
    let agent = vault.agents()?.into_iter().find(|agent| mine(&agent.public_key));
    Ok(agent.map_or(("stranger", None), |agent| ("agent", Some(agent.name.to_string()))))
}

fn claimed(old: &OldVault, identities: &Identities) -> Result<Who> {
    let mine = |key: &Recipient| identities.recipients().any(|recipient| recipient == key);
    let (role, name) = match old.owner() {
        Ok(owner) if mine(&owner) => ("owner", None),
        _ => match old.agents()?.into_iter().find(|agent| agent.public_key.as_ref().is_some_and(mine)) {
            Some(agent) => ("agent", Some(agent.name)),
            None => ("stranger", None),
        },
    };
    let readable = old.readable(identities)?.iter().map(ToString::to_string).collect();
    Ok(Who { role, name, signed: None, readable })
}
