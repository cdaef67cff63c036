//! What a document of agent-vault 0.1.0 claims, read by the core. Nothing of it is verified, and no read goes by it.

use crate::answer::Named;
use agent_vault_core::legacy;
use napi_derive::napi;

/// What the text of a `.meta` file claims. Times are in seconds since 1970.
#[napi(object)]
pub struct ClaimedMetadata {
    /// Its path.
    pub name: String,
    /// Its group.
    pub group: String,
    /// When it was made.
    pub created: Option<i64>,
    /// When its value was last set.
    pub rotated: Option<i64>,
    /// When it expires.
    pub expires: Option<i64>,
    /// The agents that can read it.
    pub authorized_agents: Vec<String>,
}

/// Reads the text of a `.meta` file; nothing where it is none.
#[napi]
pub fn claimed_metadata(text: String) -> Option<ClaimedMetadata> {
    let claimed = legacy::Metadata::parse(text.as_bytes()).ok()?;
    Some(ClaimedMetadata {
        name: claimed.name,
        group: claimed.group,
        created: claimed.created.map(|time| time.unix()),
        rotated: claimed.rotated.map(|time| time.unix()),
        expires: claimed.expires.map(|time| time.unix()),
        authorized_agents: claimed.authorized_agents,
    })
}

/// What the text of a `manifest.yaml` claims.
#[napi(object)]
pub struct ClaimedManifest {
    /// Agents and their groups.
    pub agents: Vec<Named>,
    /// Groups and their secrets.
    pub groups: Vec<Named>,
}

/// Reads the text of a manifest; nothing where it is none.
#[napi]
pub fn claimed_manifest(text: String) -> Option<ClaimedManifest> {
    let claimed = legacy::Policy::parse(text.as_bytes()).ok()?;
    let named = |pairs: Vec<(String, Vec<String>)>| pairs.into_iter().map(|(name, of)| Named { name, of }).collect();
    Some(ClaimedManifest { agents: named(claimed.agents), groups: named(claimed.groups) })
}
