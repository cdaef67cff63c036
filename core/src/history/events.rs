//! What happened between two states of a vault, in its own terms. Read from the documents, never from a message.

use super::chain::Chain;
use super::document::{Doc, Record, same_value};
use crate::digest::KeyId;
use crate::manifest::Manifest;
use crate::metadata::{Exposure, Metadata};
use crate::name::{AgentName, SecretPath};
use crate::root::Root;
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// One thing that happened. Keys are `name@key-id`; `authorized_agents` read it beside the owners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[non_exhaustive]
#[allow(missing_docs)] // fields are what their names say
pub enum Event {
    /// The vault was made.
    VaultCreated { vault: String },
    /// The vault came into this folder with a past: the folder was moved, or its past is not here.
    VaultArrived { vault: String },
    /// A vault without signatures got its first root.
    VaultSigned { vault: String },
    /// A vault without signatures was changed: nobody can say what is true of it.
    VaultUnsigned,
    /// The vault, or everything that is signed in it, is gone.
    VaultRemoved,
    /// A new link of the chain of owners.
    #[serde(rename = "root-added")]
    Root { number: u64, added: Vec<String>, removed: Vec<String>, rekeyed: Vec<String> },
    /// An agent was added.
    AgentJoined { agent: String, key: String, groups: Vec<String> },
    /// An agent was removed.
    AgentLeft { agent: String },
    /// An agent got a new key.
    AgentRekeyed { agent: String, key: String },
    /// An agent was given groups.
    Granted { agent: String, groups: Vec<String> },
    /// Groups were taken from an agent.
    Revoked { agent: String, groups: Vec<String> },
    /// Groups were made.
    GroupsAdded { groups: Vec<String> },
    /// Groups are gone from the manifest.
    GroupsRemoved { groups: Vec<String> },
    /// The vault's settings were changed.
    SettingsChanged,
    /// A secret was made.
    SecretAdded { secret: String, revision: u64, authorized_agents: Vec<String> },
    /// A secret got a new value. `exposed_to` are keys that may not read it and could read this very value before.
    NewValue { secret: String, revision: u64, authorized_agents: Vec<String>, exposed_to: Vec<String> },
    /// A value was encrypted for other readers.
    Reencrypted { secret: String, revision: u64, gained: Vec<String>, lost: Vec<String> },
    /// A secret got another name.
    #[serde(rename = "secret-moved")]
    Moved { from: String, secret: String, revision: u64 },
    /// A secret was removed.
    SecretRemoved { secret: String, revision: u64 },
    /// A secret's expiry was changed; none clears it.
    #[serde(rename = "expiry-changed")]
    Expiry { secret: String, revision: u64, expires: Option<Timestamp> },
    /// A secret's description was changed.
    #[serde(rename = "description-changed")]
    Description { secret: String, revision: u64 },
    /// What a secret may be used for was changed.
    #[serde(rename = "use-changed")]
    Use { secret: String, revision: u64, use_only: bool, programs: Vec<String>, hosts: Vec<String> },
    /// A secret got another group.
    #[serde(rename = "group-changed")]
    Group { secret: String, revision: u64, from: String, to: String },
    /// The agents that read a secret beyond its group were changed.
    #[serde(rename = "agents-changed")]
    Agents { secret: String, revision: u64, agents: Vec<String> },
    /// Two histories of the vault came together; so many documents come from each of them.
    Merged { documents: usize },
    /// Signed anew, with nothing that an owner decides changed.
    Resigned { subject: String },
    /// Other files of the vault were changed.
    #[serde(rename = "files-changed")]
    Files { files: Vec<String> },
    /// A file that no owner of that commit signed, or that does not fit what is signed.
    Unproven { file: String, reason: String },
}

/// What happened to one secret. The owners of `roots` are known by name.
pub(crate) fn secret(path: &SecretPath, old: Option<&Doc>, new: Option<&Doc>, roots: &[&Root]) -> Vec<Event> {
    let name = path.to_string();
    let renewed = old.is_some_and(|old| old.metadata().is_none());
    let old = old.and_then(Doc::metadata);
    match (old, new.map(|new| &new.record)) {
        (None, Some(Record::Meta(new))) => {
            let authorized_agents = texts(&new.authorized_agents);
            vec![Event::SecretAdded { secret: name, revision: new.revision, authorized_agents }]
        }
        (None, Some(Record::Gone(_))) if renewed => vec![Event::Resigned { subject: name }],
        (_, Some(Record::Gone(gone))) => vec![Event::SecretRemoved { secret: name, revision: gone.revision }],
        (Some(_), None) => {
            vec![Event::Unproven { file: name, reason: "it vanished, and no signed tombstone took its place".into() }]
        }
        (None, None) => Vec::new(),
        (Some(old), Some(Record::Meta(new))) => changes(name, old, new, roots),
    }
}

fn changes(secret: String, old: &Metadata, new: &Metadata, roots: &[&Root]) -> Vec<Event> {
    let (mut events, revision) = (Vec::new(), new.revision);
    if !same_value(old, new) {
        let (authorized_agents, exposed_to) = (texts(&new.authorized_agents), texts(&new.exposed_to));
        events.push(Event::NewValue { secret: secret.clone(), revision, authorized_agents, exposed_to });
    } else if old.recipients != new.recipients || old.digest != new.digest {
        let name = |key| owner_name(key, roots, &[old, new]);
        let (before, after) = (old.readers(name), new.readers(name));
        let without = |these: &[Exposure], those: &[Exposure]| -> Vec<String> {
            these
                .iter()
                .filter(|this| those.iter().all(|other| other.key != this.key))
                .map(ToString::to_string)
                .collect()
        };
        let (gained, lost) = (without(&after, &before), without(&before, &after));
        events.push(Event::Reencrypted { secret: secret.clone(), revision, gained, lost });
    }
    if old.group != new.group {
        let (from, to) = (old.group.to_string(), new.group.to_string());
        events.push(Event::Group { secret: secret.clone(), revision, from, to });
    }
    if old.agents != new.agents {
        events.push(Event::Agents { secret: secret.clone(), revision, agents: texts(&new.agents) });
    }
    if old.expires != new.expires {
        events.push(Event::Expiry { secret: secret.clone(), revision, expires: new.expires });
    }
    if old.description != new.description {
        events.push(Event::Description { secret: secret.clone(), revision });
    }
    if bounds(old) != bounds(new) {
        let (programs, hosts) = (texts(&new.programs), texts(&new.hosts));
        events.push(Event::Use { secret: secret.clone(), revision, use_only: new.use_only, programs, hosts });
    }
    if events.is_empty() {
        events.push(Event::Resigned { subject: secret });
    }
    events
}

fn bounds(metadata: &Metadata) -> (bool, &[crate::purpose::ProgramPath], &[crate::purpose::Host]) {
    (metadata.use_only, &metadata.programs, &metadata.hosts)
}

/// What an owner's key is called in these roots, or where it is told as exposed.
fn owner_name(key: KeyId, roots: &[&Root], told: &[&Metadata]) -> Option<AgentName> {
    let owner = roots.iter().find_map(|root| root.by_key(key));
    let named = owner.and_then(|owner| AgentName::parse(owner.name.as_str()).ok());
    let mut exposed = told.iter().flat_map(|metadata| &metadata.exposed_to);
    named.or_else(|| exposed.find(|exposure| exposure.key == key).map(|exposure| exposure.name.clone()))
}

/// What happened to the manifest.
pub(crate) fn manifest(old: Option<&Manifest>, new: &Manifest) -> Vec<Event> {
    let mut events = Vec::new();
    let known: BTreeMap<_, _> = old.iter().flat_map(|old| &old.agents).map(|agent| (&agent.name, agent)).collect();
    for agent in &new.agents {
        let name = agent.name.to_string();
        let Some(before) = known.get(&agent.name) else {
            let key = agent.public_key.id().to_string();
            events.push(Event::AgentJoined { agent: name, key, groups: texts(&agent.groups) });
            continue;
        };
        if before.public_key != agent.public_key {
            events.push(Event::AgentRekeyed { agent: name.clone(), key: agent.public_key.id().to_string() });
        }
        let without = |these: &[crate::GroupName], those: &[crate::GroupName]| -> Vec<String> {
            these.iter().filter(|group| !those.contains(group)).map(ToString::to_string).collect()
        };
        let (granted, revoked) = (without(&agent.groups, &before.groups), without(&before.groups, &agent.groups));
        if !granted.is_empty() {
            events.push(Event::Granted { agent: name.clone(), groups: granted });
        }
        if !revoked.is_empty() {
            events.push(Event::Revoked { agent: name, groups: revoked });
        }
    }
    let left = known.into_keys().filter(|name| new.agent(name).is_none());
    events.extend(left.map(|agent| Event::AgentLeft { agent: agent.to_string() }));
    let Some(old) = old else { return events };
    let without = |these: &Manifest, those: &Manifest| -> Vec<String> {
        let names = these.groups.iter().filter(|group| those.groups.iter().all(|other| other.name != group.name));
        names.map(|group| group.name.to_string()).collect()
    };
    let (added, removed) = (without(new, old), without(old, new));
    if !added.is_empty() {
        events.push(Event::GroupsAdded { groups: added });
    }
    if !removed.is_empty() {
        events.push(Event::GroupsRemoved { groups: removed });
    }
    if old.settings != new.settings {
        events.push(Event::SettingsChanged);
    }
    // Under a new root it is signed anew, and that root is what happened.
    if events.is_empty() && old.root == new.root {
        events.push(Event::Resigned { subject: "the manifest".into() });
    }
    events
}

/// What happened to the chain of owners.
pub(crate) fn roots(old: &Chain, new: &Chain) -> Option<Event> {
    if new.len() <= old.len() {
        return None;
    }
    let find =
        |chain: &Chain, name: &crate::OwnerName| chain.root.owners.iter().find(|owner| owner.name == *name).cloned();
    let names = |these: &Chain, those: &Chain| -> Vec<String> {
        these
            .root
            .owners
            .iter()
            .filter(|owner| find(those, &owner.name).is_none())
            .map(|owner| owner.name.to_string())
            .collect()
    };
    let rekeyed = new.root.owners.iter().filter(|owner| {
        find(old, &owner.name)
            .is_some_and(|old| (&old.public_key, &old.signing_key) != (&owner.public_key, &owner.signing_key))
    });
    Some(Event::Root {
        number: new.len(),
        added: names(new, old),
        removed: names(old, new),
        rekeyed: rekeyed.map(|owner| owner.name.to_string()).collect(),
    })
}

/// Puts a removal and the addition that it was the first half of together: a move.
pub(crate) fn join_moves(events: Vec<Event>, moves: &[(SecretPath, SecretPath)]) -> Vec<Event> {
    let from_of = |to: &str| moves.iter().find(|(_, new)| new.as_str() == to).map(|(from, _)| from.to_string());
    let went = |name: &str| moves.iter().any(|(from, _)| from.as_str() == name);
    events
        .into_iter()
        .filter(|event| !matches!(event, Event::SecretRemoved { secret, .. } if went(secret)))
        .map(|event| match event {
            Event::SecretAdded { secret, revision, authorized_agents } => match from_of(&secret) {
                Some(from) => Event::Moved { from, secret, revision },
                None => Event::SecretAdded { secret, revision, authorized_agents },
            },
            other => other,
        })
        .collect()
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
