//! What this machine remembers of vaults outside their repositories, and the one decision that rests on it:
//! is this the vault that is known here? (format: "What a machine remembers outside the repo")

use crate::digest::Digest;
use crate::identity::KeyHints;
use crate::name::SecretPath;
use crate::root::{Owner, Root, VaultId};
use crate::signing::VerifyingKey;
use crate::yaml::{Document, Renderer};
use serde::Deserialize;

mod memory;

pub(crate) use memory::Memory;
pub use memory::{Remembered, forget_vault, remembered, seen_names};

/// The last root of a vault that was verified here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    version: u32,
    /// The vault.
    pub vault: VaultId,
    /// The key that signed root 1: whose fingerprint people compare.
    pub first_signer: VerifyingKey,
    /// The root's number.
    pub root: u64,
    /// The root's digest.
    pub digest: Digest,
    /// The root's owners.
    pub owners: Vec<Owner>,
}

impl Pin {
    /// The pin of a verified root.
    pub(crate) fn new(vault: VaultId, first_signer: VerifyingKey, root: &Root, digest: Digest) -> Self {
        Self { version: 1, vault, first_signer, root: root.root, digest, owners: root.owners.clone() }
    }

    /// Fingerprint of the key that signed root 1.
    pub fn fingerprint(&self) -> String {
        self.first_signer.fingerprint()
    }
}

impl Document for Pin {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("version", self.version);
        out.field("vault", self.vault);
        out.field("first_signer", &self.first_signer);
        out.literal("root", self.root);
        out.field("digest", self.digest);
        out.maps("owners", self.owners.iter().map(Owner::line));
        out.finish()
    }
}

/// Which vault a working copy held when it was last used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The vault's folder.
    pub path: String,
    /// The vault.
    pub vault: VaultId,
}

impl Document for Place {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.field("path", &self.path);
        out.field("vault", self.vault);
        out.finish()
    }
}

/// The newest state of one secret that was read or written here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    pub name: SecretPath,
    pub revision: u64,
    /// Of the `.meta` or `.gone` file.
    pub digest: Digest,
}

impl Document for Seen {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.field("name", &self.name);
        out.literal("revision", self.revision);
        out.field("digest", self.digest);
        out.finish()
    }
}

/// The last state of a working copy that was written or verified whole here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    pub serial: u64,
    /// Of the manifest's file.
    pub manifest: Digest,
    /// The vault's tree in Git.
    pub tree: String,
    /// The last commit whose whole history was proven here.
    #[serde(default)]
    pub commit: Option<String>,
}

impl Document for Mark {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("serial", self.serial);
        out.field("manifest", self.manifest);
        out.field("tree", &self.tree);
        out.optional("commit", self.commit.as_ref());
        out.finish()
    }
}

/// The last look at a working copy's remote, on the way to a read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fetched {
    /// When, in seconds since 1970; whatever came of it.
    pub time: u64,
    /// A proven commit of the remote that the work tree does not have.
    #[serde(default)]
    pub ahead: Option<String>,
}

impl Document for Fetched {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("time", self.time);
        out.optional("ahead", self.ahead.as_ref());
        out.finish()
    }
}

/// How what was found relates to what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// Newer, or never seen: remember it.
    Newer,
    /// The same bytes.
    Same,
    /// Lower number.
    Older,
    /// Same number, other bytes.
    Forked,
}

/// Pure: compares a document with what was seen of it.
pub(crate) fn age(seen: Option<&Seen>, found: &Seen) -> Age {
    match seen {
        None => Age::Newer,
        Some(seen) if found.revision > seen.revision => Age::Newer,
        Some(seen) if found.revision < seen.revision => Age::Older,
        Some(seen) if found.digest == seen.digest => Age::Same,
        Some(_) => Age::Forked,
    }
}

/// What is known before a vault is looked at.
#[derive(Debug, Default)]
pub(crate) struct Knowledge<'a> {
    /// The vault that this working copy held.
    pub place: Option<VaultId>,
    /// What the identity's file says.
    pub hints: Option<&'a KeyHints>,
    /// `AGENT_VAULT_OWNER`, or `--owner` of `trust`.
    pub expected: Option<&'a str>,
    /// Whether the vault's id is pinned.
    pub pinned: bool,
    /// Whether the identity proves to be the owner who signed root 1: yes, no (a forged claim), or nothing to say.
    pub proof: Option<bool>,
}

/// Pure: whether the vault `id`, whose root 1 was signed by the key with `fingerprint`, is the known one.
/// `Ok(false)` is first contact; `Err` says what contradicts what.
pub(crate) fn judge(id: VaultId, fingerprint: &str, known: &Knowledge<'_>) -> Result<bool, String> {
    if let Some(place) = known.place
        && place != id
    {
        return Err(format!(
            "this working copy held vault {place}, and now holds another one ({id}, owner {fingerprint})"
        ));
    }
    if let Some(expected) = known.expected
        && expected != fingerprint
    {
        return Err(format!("the owner is {fingerprint}, and {expected} is expected (AGENT_VAULT_OWNER, or --owner)"));
    }
    // An owner's key may serve several vaults: its comments recommend one, and forbid none.
    if let Some(hints) = known.hints.filter(|hints| hints.agent.is_some()) {
        if let Some(vault) = hints.vault.filter(|vault| *vault != id) {
            return Err(format!(
                "your key was made for vault {vault}, and this is another one ({id}, owner {fingerprint})"
            ));
        }
        if let Some(owner) = hints.owner.as_deref().filter(|owner| *owner != fingerprint) {
            return Err(format!("your key was made by owner {owner}, and this vault's owner is {fingerprint}"));
        }
    }
    if known.proof == Some(false) && !known.pinned {
        return Err("it names your key as its owner's, but the proof that you made it is missing or false".into());
    }
    let hinted = known.hints.is_some_and(|hints| hints.vault == Some(id));
    Ok(known.pinned || known.place.is_some() || known.expected.is_some() || known.proof == Some(true) || hinted)
}

/// Pure: why a vault without signatures is not the known one; `None` when nothing is known.
pub(crate) fn judge_unsigned(known: &Knowledge<'_>) -> Option<String> {
    if let Some(place) = known.place {
        return Some(format!("this working copy held vault {place}, and its roots and signatures are gone"));
    }
    if let Some(expected) = known.expected {
        return Some(format!("nobody signed it, and owner {expected} is expected (AGENT_VAULT_OWNER, or --owner)"));
    }
    let hints = known.hints.filter(|hints| hints.agent.is_some())?;
    match (hints.vault, &hints.owner) {
        (Some(vault), _) => Some(format!("your key was made for vault {vault}, and nobody signed this one")),
        (None, Some(owner)) => Some(format!("your key was made by owner {owner}, and nobody signed this vault")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> VaultId {
        VaultId::of(text.as_bytes())
    }

    #[test]
    fn a7_another_vault_is_refused_wherever_anything_is_known() {
        let (ours, theirs) = (id("ours"), id("theirs"));
        let hints = KeyHints { vault: Some(ours), owner: Some("SHA256:me".into()), agent: Some("ci".parse().unwrap()) };
        let refused = |known: Knowledge<'_>| judge(theirs, "SHA256:them", &known).is_err();
        assert!(refused(Knowledge { place: Some(ours), ..Default::default() }));
        assert!(refused(Knowledge { expected: Some("SHA256:me"), ..Default::default() }));
        assert!(refused(Knowledge { hints: Some(&hints), ..Default::default() }));
        assert!(refused(Knowledge { proof: Some(false), ..Default::default() }));
        let owner_only = KeyHints { vault: None, ..hints.clone() };
        assert!(refused(Knowledge { hints: Some(&owner_only), ..Default::default() }));
    }

    #[test]
    fn a7_either_comment_of_an_agents_key_refuses_another_vault_and_both_know_their_own() {
        let (ours, theirs) = (id("ours"), id("theirs"));
        let made = |vault, owner: Option<&str>| KeyHints {
            vault,
            owner: owner.map(Into::into),
            agent: Some("ci".parse().unwrap()),
        };
        let judged = |id, fingerprint: &str, hints: &KeyHints| {
            judge(id, fingerprint, &Knowledge { hints: Some(hints), ..Default::default() })
        };
        let both = made(Some(ours), Some("SHA256:me"));
        assert_eq!(judged(ours, "SHA256:me", &both), Ok(true));
        assert!(judged(theirs, "SHA256:me", &both).is_err(), "another vault of the same owner");
        assert!(judged(ours, "SHA256:them", &both).is_err(), "the same id under another owner");
        assert!(judged(theirs, "SHA256:me", &made(Some(ours), None)).is_err());
        assert_eq!(
            judged(ours, "SHA256:me", &made(None, Some("SHA256:me"))),
            Ok(false),
            "an owner may have many vaults"
        );
    }

    #[test]
    fn the_known_vault_is_trusted_and_a_new_one_is_first_contact() {
        let ours = id("ours");
        let hints = KeyHints { vault: Some(ours), owner: None, agent: None };
        assert_eq!(judge(ours, "f", &Knowledge::default()), Ok(false));
        for known in [
            Knowledge { place: Some(ours), ..Default::default() },
            Knowledge { pinned: true, ..Default::default() },
            Knowledge { expected: Some("f"), ..Default::default() },
            Knowledge { hints: Some(&hints), ..Default::default() },
            Knowledge { proof: Some(true), ..Default::default() },
        ] {
            assert_eq!(judge(ours, "f", &known), Ok(true));
        }
        // An owner's key that was first used elsewhere forbids nothing here.
        assert_eq!(judge(id("second"), "f", &Knowledge { hints: Some(&hints), ..Default::default() }), Ok(false));
    }

    #[test]
    fn a7_a_pinned_vault_needs_no_proof_and_one_without_signatures_is_none_that_is_known() {
        let ours = id("ours");
        assert_eq!(judge(ours, "f", &Knowledge { pinned: true, proof: Some(false), ..Default::default() }), Ok(true));
        let made_for = |agent: Option<&str>| KeyHints {
            vault: Some(ours),
            owner: None,
            agent: agent.map(|agent| agent.parse().unwrap()),
        };
        let (agents, owners) = (made_for(Some("ci")), made_for(None));
        assert_eq!(judge_unsigned(&Knowledge::default()), None);
        assert_eq!(judge_unsigned(&Knowledge { hints: Some(&owners), ..Default::default() }), None);
        let place = judge_unsigned(&Knowledge { place: Some(ours), ..Default::default() }).unwrap();
        let expected = judge_unsigned(&Knowledge { expected: Some("SHA256:me"), ..Default::default() }).unwrap();
        let hinted = judge_unsigned(&Knowledge { hints: Some(&agents), ..Default::default() }).unwrap();
        assert!(place.contains(&ours.to_string()) && hinted.contains(&ours.to_string()), "{place} {hinted}");
        assert!(expected.contains("SHA256:me"), "{expected}");
    }

    #[test]
    fn older_and_forked_states_are_told_apart() {
        let at =
            |revision, text: &str| Seen { name: "a/b".parse().unwrap(), revision, digest: Digest::of(text.as_bytes()) };
        assert_eq!(age(None, &at(1, "a")), Age::Newer);
        assert_eq!(age(Some(&at(1, "a")), &at(2, "b")), Age::Newer);
        assert_eq!(age(Some(&at(2, "b")), &at(2, "b")), Age::Same);
        assert_eq!(age(Some(&at(2, "b")), &at(1, "a")), Age::Older);
        assert_eq!(age(Some(&at(2, "b")), &at(2, "c")), Age::Forked);
    }
}
