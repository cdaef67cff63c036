//! Policy and plan, both pure: who may read what, compared with what each ciphertext was encrypted to.
//!
//! Every change of access is the same three steps: change the policy, [`plan`], apply. There is no second way to
//! re-encrypt; `grant`, `revoke`, agents that come, go or change keys, `set --group` and `check` all end here.

use crate::digest::KeyId;
use crate::manifest::Manifest;
use crate::metadata::{Exposure, Metadata};
use crate::name::{AgentName, GroupName, SecretPath};
use crate::recipient::Recipient;
use crate::root::Root;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Who may read: the owners of the root, and the agents of the manifest by their groups.
pub struct Policy<'a> {
    root: &'a Root,
    /// The root before it, where it takes that one's place.
    former: Option<&'a Root>,
    agents: BTreeMap<&'a AgentName, &'a Recipient>,
    members: HashMap<&'a GroupName, Vec<&'a AgentName>>,
}

/// The readers that a secret should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers {
    /// Owners in the root's order, then agents by name: the order of the stanzas.
    pub recipients: Vec<Recipient>,
    /// The agents among them, in that order.
    pub agents: Vec<AgentName>,
}

impl Readers {
    /// The ids of the recipients, in order.
    pub fn ids(&self) -> Vec<KeyId> {
        self.recipients.iter().map(Recipient::id).collect()
    }
}

impl<'a> Policy<'a> {
    /// The policy of a root and a manifest under it.
    pub fn new(root: &'a Root, manifest: &'a Manifest) -> Self {
        let mut members: HashMap<&GroupName, Vec<&AgentName>> = HashMap::new();
        for agent in &manifest.agents {
            for group in &agent.groups {
                members.entry(group).or_default().push(&agent.name);
            }
        }
        let agents = manifest.agents.iter().map(|agent| (&agent.name, &agent.public_key)).collect();
        Self { root, former: None, agents, members }
    }

    /// The same policy of a root that takes the place of `former`: whom it removes is still known by name.
    pub fn in_place_of(self, former: &'a Root) -> Self {
        Self { former: Some(former), ..self }
    }

    /// Who may read a secret of `group` that names `explicit` agents beyond it. Names without an agent count for nobody.
    pub fn readers(&self, group: &GroupName, explicit: &[AgentName]) -> Readers {
        let members = self.members.get(group).into_iter().flatten().copied();
        let names: BTreeSet<&AgentName> =
            members.chain(explicit).filter(|name| self.agents.contains_key(name)).collect();
        let owners = self.root.owners.iter().map(|owner| owner.public_key.clone());
        Readers {
            recipients: owners.chain(names.iter().map(|name| self.agents[*name].clone())).collect(),
            agents: names.into_iter().cloned().collect(),
        }
    }

    /// Whether an agent's groups alone let it read secrets of `group`.
    pub fn grants(&self, agent: &AgentName, group: &GroupName) -> bool {
        self.members.get(group).is_some_and(|members| members.contains(&agent))
    }

    /// The name that this root, or the one before it, has for an owner's key.
    pub(crate) fn owner_name(&self, key: KeyId) -> Option<AgentName> {
        let owner = self.root.by_key(key).or_else(|| self.former?.by_key(key))?;
        AgentName::parse(owner.name.as_str()).ok()
    }
}

/// A secret as it is, with the policy fields that it should have.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The signed metadata: the fact.
    pub fact: Metadata,
    /// The group it should have.
    pub group: GroupName,
    /// The explicit agents it should have.
    pub agents: Vec<AgentName>,
}

impl Subject {
    /// A secret whose own policy fields stay as they are.
    pub fn unchanged(fact: Metadata) -> Self {
        Self { group: fact.group.clone(), agents: fact.agents.clone(), fact }
    }
}

/// What has to be done for one secret.
#[derive(Debug, Clone)]
pub struct Step {
    /// The secret as it is.
    pub fact: Metadata,
    /// The group it gets.
    pub group: GroupName,
    /// The explicit agents it gets.
    pub agents: Vec<AgentName>,
    /// Whom it will be readable to.
    pub readers: Readers,
    /// Whether its ciphertext changes; else only its metadata is signed anew.
    pub reencrypt: bool,
    /// Keys that can read it afterwards and could not before.
    pub gains: Vec<Exposure>,
    /// Keys that could read it before and cannot afterwards.
    pub loses: Vec<Exposure>,
}

impl Step {
    /// The secret's path.
    pub fn path(&self) -> &SecretPath {
        &self.fact.name
    }

    /// `exposed_to` of the new metadata: every key that could read this value and is none of the readers.
    pub(crate) fn exposed_to(&self) -> Vec<Exposure> {
        let now: BTreeSet<KeyId> = self.readers.ids().into_iter().collect();
        let all: BTreeSet<Exposure> = self
            .fact
            .exposed_to
            .iter()
            .chain(&self.loses)
            .filter(|exposure| !now.contains(&exposure.key))
            .cloned()
            .collect();
        all.into_iter().collect()
    }
}

/// Policy minus fact: the secrets to re-encrypt, and for whom. Empty when they agree.
pub fn plan(policy: &Policy<'_>, subjects: impl IntoIterator<Item = Subject>) -> Vec<Step> {
    subjects.into_iter().filter_map(|subject| step(policy, subject)).collect()
}

/// A step for each secret, whether or not anybody gains or loses it: under a new root all are signed anew.
pub fn plan_anew(policy: &Policy<'_>, subjects: impl IntoIterator<Item = Subject>) -> Vec<Step> {
    subjects.into_iter().map(|subject| effect(policy, subject)).collect()
}

fn step(policy: &Policy<'_>, subject: Subject) -> Option<Step> {
    let step = effect(policy, subject);
    let same = step.group == step.fact.group && step.agents == step.fact.agents;
    (step.reencrypt || !same).then_some(step)
}

fn effect(policy: &Policy<'_>, subject: Subject) -> Step {
    let Subject { fact, group, agents } = subject;
    let readers = policy.readers(&group, &agents);
    let before: BTreeSet<KeyId> = fact.recipients.iter().copied().collect();
    let after: BTreeSet<KeyId> = readers.ids().into_iter().collect();
    let reencrypt = before != after;
    let owners = readers.recipients.len() - readers.agents.len();
    let named = |at: usize, key: KeyId| {
        let name = if at < owners { policy.owner_name(key)? } else { readers.agents[at - owners].clone() };
        Some(Exposure { name, key })
    };
    let gains = readers
        .ids()
        .into_iter()
        .enumerate()
        .filter(|(_, key)| !before.contains(key))
        .filter_map(|(at, key)| named(at, key))
        .collect();
    let loses = fact
        .readers(|key| policy.owner_name(key))
        .into_iter()
        .filter(|exposure| !after.contains(&exposure.key))
        .collect();
    Step { group, agents, readers, reencrypt, gains, loses, fact }
}

#[cfg(test)]
mod tests;
