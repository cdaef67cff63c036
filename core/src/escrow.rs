//! Escrow: private keys that lie in the vault itself, encrypted to those who may have them back.

use crate::crypto::{self, Failure};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::identity::{Identities, KeyHints};
use crate::layout::{self, limit};
use crate::name::AgentName;
use crate::prompt::Prompt;
use crate::recipient::Recipient;
use crate::root::{Owner, Root};
use crate::signing::SigningKey;
use std::path::Path;
use std::sync::Arc;

/// Seals an owner's signing key to that owner.
pub(crate) fn seal_signing_key(key: &SigningKey, owner: &Recipient, prompt: &Arc<dyn Prompt>) -> Result<Vec<u8>> {
    crypto::encrypt(std::slice::from_ref(owner), key.to_openssh()?.expose(), prompt)
}

/// Opens `owner`'s signing key. Anything but the key that the root names is a tamper error; `None`: not for these identities.
pub(crate) fn open_signing_key(folder: &Folder, owner: &Owner, identities: &Identities) -> Result<Option<SigningKey>> {
    let relative = layout::signing_key(&owner.name);
    let file = folder.path(&relative);
    let sealed = folder
        .read(&relative, limit::SMALL)?
        .ok_or_else(|| Error::tampered(&file, "the signing key's escrow is missing"))?;
    let text = match crypto::decrypt(identities, &sealed, &[owner.public_key.id()]) {
        Ok(text) => text,
        Err(Failure::NotRecipient) if identities.recipients().any(|recipient| *recipient == owner.public_key) => {
            return Err(Error::tampered(file, "it is not encrypted to its owner: it was swapped"));
        }
        Err(Failure::NotRecipient) => return Ok(None),
        Err(Failure::Corrupt(reason)) => return Err(Error::tampered(file, reason)),
        Err(Failure::Identity(reason)) => {
            return Err(Error::KeyUnusable { origin: identities.origin().into(), reason });
        }
    };
    match SigningKey::from_openssh(&text) {
        Some(key) if key.verifying_key() == owner.signing_key => Ok(Some(key)),
        _ => Err(Error::tampered(file, "it holds another key than the root names: it was swapped")),
    }
}

/// Seals an agent's identity to every owner.
pub(crate) fn seal_agent_key(
    key: &Identities,
    hints: &KeyHints,
    root: &Root,
    prompt: &Arc<dyn Prompt>,
) -> Result<Vec<u8>> {
    let owners: Vec<Recipient> = root.owners.iter().map(|owner| owner.public_key.clone()).collect();
    crypto::encrypt(&owners, key.to_key_file(hints).expose(), prompt)
}

/// Opens an agent's identity from its escrow, as an owner. One that is not the key of `public_key`, or not encrypted to
/// the owner, is a tamper error.
pub(crate) fn open_agent_key(
    folder: &Folder,
    agent: &AgentName,
    public_key: &Recipient,
    root: &Root,
    identities: &Identities,
    prompt: &Arc<dyn Prompt>,
) -> Result<Identities> {
    let relative = layout::agent_escrow(agent);
    let file = folder.path(&relative);
    let sealed = folder.read(&relative, limit::SMALL)?.ok_or_else(|| Error::NotFound {
        what: "escrow of agent",
        name: agent.to_string(),
        near: None,
    })?;
    open_sealed_agent_key(&sealed, &file, agent, public_key, root, identities, prompt)
}

/// The same for an escrow whose bytes were read already; `file` is what an error names.
pub(crate) fn open_sealed_agent_key(
    sealed: &[u8],
    file: &Path,
    agent: &AgentName,
    public_key: &Recipient,
    root: &Root,
    identities: &Identities,
    prompt: &Arc<dyn Prompt>,
) -> Result<Identities> {
    let order: Vec<_> = root.owners.iter().map(|owner| owner.public_key.id()).collect();
    let text = crypto::decrypt(identities, sealed, &order).map_err(|failure| match failure {
        Failure::NotRecipient => Error::tampered(file, "it is not encrypted to the owner: it was swapped or forged"),
        Failure::Corrupt(reason) => Error::tampered(file, reason),
        Failure::Identity(reason) => Error::KeyUnusable { origin: identities.origin().into(), reason },
    })?;
    let found = Identities::from_bytes(text, "the escrow", prompt);
    match found {
        // Only a private key proves what its public key is; a comment's word, or a plugin's, is not enough.
        Ok(found) if found.sole_native() == Some(public_key) => Ok(found),
        _ => Err(Error::tampered(file, format!("it does not hold the key of agent {agent}: it was swapped or forged"))),
    }
}
