//! Documents: one text each, and the text decides.

use crate::card::Card;
use crate::crypto;
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::metadata::{Metadata, Tombstone, split_signed};
use crate::name::SecretPath;
use crate::policy::Policy;
use crate::root::{Owner, Root, VaultId};
use crate::signing::{Namespace, VerifyingKey};
use crate::trust::{Mark, Pin, Place, Seen};
use crate::yaml::{self, Document};
use std::fmt::Debug;

/// What is accepted renders to the same bytes, and these are accepted as the same document.
fn canonical<D: Document + PartialEq + Debug>(input: &[u8]) -> Option<D> {
    let document: D = yaml::parse(input).ok()?;
    let rendered = document.render();
    assert_eq!(rendered.as_bytes(), input, "accepted and rendered otherwise");
    assert_eq!(yaml::parse::<D>(rendered.as_bytes()).as_ref(), Ok(&document));
    Some(document)
}

/// A root is what its bytes say, and the files made from it hold one line for each owner.
pub fn root(input: &[u8]) {
    let document: Option<Root> = canonical(input);
    let Ok(root) = Root::parse(input) else { return };
    assert_eq!(document.as_ref(), Some(&root));
    assert!(!root.owners.is_empty() && (root.previous.is_some() == (root.root > 1)));
    let signers = root.allowed_signers();
    assert_eq!(signers.lines().count(), root.owners.len(), "{signers:?}");
    for (line, owner) in signers.lines().zip(&root.owners) {
        assert!(
            line.starts_with(&format!("{} ", owner.name)) && line.ends_with(owner.signing_key.as_str()),
            "{line:?}"
        );
        assert_eq!(root.signer(&owner.signing_key), Some(owner), "two owners with one key");
    }
    assert_eq!(root.owner_pub().lines().count(), 1);
}

/// A card is what its bytes say, and counts only whole: as the key that it names signed it.
pub fn card(input: &[u8]) {
    canonical::<Card>(input);
    let Ok(card) = Card::parse(input) else { return };
    let (body, signature) = split_signed(input).expect("a card without a signature was accepted");
    assert_eq!(canonical::<Card>(body).as_ref(), Some(&card));
    assert_eq!(signature.signer(Namespace::Card, body).as_ref(), Ok(&card.signing_key));
    assert_eq!(card.public_key.is_native(), card.proof.is_some());
    assert!(crypto::stanza_count(&card.escrow()).is_some_and(|count| count > 0));
}

/// A manifest is what its bytes say, counts for its own vault and root only, and gives every group readers, each once.
pub fn manifest(input: &[u8]) {
    let Some(document) = canonical::<Manifest>(input) else { return };
    let Some(root) = root_of(&document) else { return };
    assert!(Manifest::parse(input, VaultId::of(input), &root).is_err(), "accepted in another vault");
    let Ok(manifest) = Manifest::parse(input, document.vault, &root) else { return };
    assert_eq!(manifest, document);
    let mut later = root.clone();
    later.root = root.root.wrapping_add(1);
    assert!(Manifest::parse(input, document.vault, &later).is_err(), "accepted under another root");
    let policy = Policy::new(&root, &manifest);
    let everybody: Vec<_> = manifest.agents.iter().map(|agent| agent.name.clone()).collect();
    let groups = manifest.groups.iter().map(|group| &group.name);
    for group in groups.chain(manifest.agents.iter().flat_map(|agent| &agent.groups)) {
        let (readers, all) = (policy.readers(group, &[]), policy.readers(group, &everybody));
        for found in [&readers, &all] {
            let mut ids = found.ids();
            assert_eq!(ids.len(), root.owners.len() + found.agents.len());
            ids.sort_unstable();
            assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "one key reads twice: {found:?}");
        }
        assert_eq!(all.agents.len(), everybody.len());
        assert!(readers.agents.iter().all(|agent| policy.grants(agent, group)));
    }
}

/// A root that has the owners of a manifest's copy; their signing keys do not matter here.
fn root_of(manifest: &Manifest) -> Option<Root> {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPeZZJSyTgB6pDJ0qVWkXnjf5DP9krjBxHDdNN/GHw2B";
    let signing_key: VerifyingKey = key.parse().ok()?;
    let owners = manifest.owners.iter().map(|owner| Owner {
        name: owner.name.clone(),
        public_key: owner.public_key.clone(),
        signing_key: signing_key.clone(),
        proof: None,
    });
    let mut owners: Vec<Owner> = owners.collect();
    let mut root = Root::first(owners.pop()?);
    root.owners.splice(..0, owners);
    root.root = manifest.root;
    Some(root)
}

/// Metadata are what their bytes say, for their own vault and name only; the shortcut for long lists changes nothing.
pub fn metadata(input: &[u8]) {
    let document: Option<Metadata> = canonical(input);
    assert_eq!(document, by_the_library(input), "the shortcut and the library differ");
    let Some(document) = document else { return };
    assert!(Metadata::parse(input, VaultId::of(input), &document.name).is_err(), "accepted in another vault");
    let Ok(found) = Metadata::parse(input, document.vault, &document.name) else { return };
    assert_eq!(found, document);
    assert!(Metadata::parse(input, document.vault, &another(&document.name)).is_err(), "accepted under another name");
    let readers = found.readers(|_| None);
    assert_eq!(readers.iter().map(|reader| reader.key).collect::<Vec<_>>(), found.recipients, "a key is left out");
    let agents = readers.iter().skip(found.recipients.len() - found.authorized_agents.len());
    assert!(agents.map(|reader| &reader.name).eq(&found.authorized_agents));
    assert_eq!(found.rotation_due(), !found.exposed_to.is_empty());
}

fn by_the_library(input: &[u8]) -> Option<Metadata> {
    // What may stand in a text at all is asked before either of the two reads it.
    yaml::parse::<Plain>(input).ok().map(|plain| plain.0)
}

/// Metadata that the library reads, every line of them.
#[derive(PartialEq, Debug)]
struct Plain(Metadata);

impl<'de> serde::Deserialize<'de> for Plain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Metadata::deserialize(deserializer).map(Self)
    }
}

impl Document for Plain {
    fn render(&self) -> String {
        self.0.render()
    }
}

fn another(name: &SecretPath) -> SecretPath {
    let other = if name.as_str() == "a/b" { "a/c" } else { "a/b" };
    other.parse().expect("a path")
}

/// The same for the two long lists alone: the input is what stands in one of them and the line after it.
pub fn lists(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (agents, recipients) = text.split_once('\n').unwrap_or((text, "\"0f42f1b80f1edb56\""));
    let digest = Digest::of(b"");
    metadata(
        format!(
            "version: 1\nvault: \"663c8fc3-a54b-87f6-af61-a85f773c542d\"\nname: a/b\ngroup: a\nrevision: 1\n\
             value_revision: 1\nparents: []\ncreated: 2026-11-22T10:01:00Z\nrotated: 2026-11-22T10:01:00Z\n\
             authorized_agents: [{agents}]\nagents: []\nrecipients: [{recipients}]\nexposed_to: []\n\
             digest: \"{digest}\"\n"
        )
        .as_bytes(),
    );
}

/// A tombstone is what its bytes say, for its own vault and name only.
pub fn tombstone(input: &[u8]) {
    let Some(document) = canonical::<Tombstone>(input) else { return };
    assert!(Tombstone::parse(input, VaultId::of(input), &document.name).is_err(), "accepted in another vault");
    let Ok(found) = Tombstone::parse(input, document.vault, &document.name) else { return };
    assert_eq!(found, document);
    assert!(Tombstone::parse(input, document.vault, &another(&document.name)).is_err(), "accepted under another name");
}

/// What a machine remembers is what its bytes say, and no two kinds of it are taken for each other.
pub fn memory(input: &[u8]) {
    let kinds = [
        canonical::<Pin>(input).is_some(),
        canonical::<Place>(input).is_some(),
        canonical::<Seen>(input).is_some(),
        canonical::<Mark>(input).is_some(),
    ];
    assert!(kinds.iter().filter(|accepted| **accepted).count() <= 1, "taken for two kinds: {kinds:?}");
}
