//! Whom a name means: the same agent may be called one thing on one side of a merge, and another on the other.

use crate::digest::KeyId;
use crate::manifest::{Agent, Manifest};
use crate::name::AgentName;
use std::collections::BTreeMap;

/// Who an agent is: the key that it had where both sides come from, or its own if it was not there.
pub(super) fn person(bases: &[&Manifest], manifest: &Manifest, agent: &Agent) -> KeyId {
    let own = agent.public_key.id();
    let has = |manifest: &Manifest, key: KeyId| manifest.agents.iter().any(|agent| agent.public_key.id() == key);
    if bases.iter().any(|base| has(base, own)) {
        return own;
    }
    // It got a new key, and the old one is nobody's.
    let before = bases.iter().filter_map(|base| base.agent(&agent.name)).map(|before| before.public_key.id());
    before.filter(|before| !has(manifest, *before)).min().unwrap_or(own)
}

/// What the agents of several manifests are called in a merged one.
///
/// What documents of either side, or of what both come from, say of agents is put into the merged policy's names before
/// they are compared ([`Names::told`]), and afterwards into all of them ([`Names::all`]): an agent that got a new key on
/// both sides is two.
pub(crate) struct Names {
    /// Of each manifest, who is meant.
    meant: Vec<BTreeMap<AgentName, KeyId>>,
    now: BTreeMap<KeyId, Vec<AgentName>>,
}

impl Names {
    /// The names of our manifest (number 0), of theirs (1), and of the bases after them.
    pub(crate) fn new(bases: &[&Manifest], [ours, theirs]: [&Manifest; 2], merged: &Manifest) -> Self {
        let persons = |manifest: &Manifest| {
            let named = manifest.agents.iter().map(|agent| (agent.name.clone(), person(bases, manifest, agent)));
            named.collect::<BTreeMap<_, _>>()
        };
        let mut now: BTreeMap<KeyId, Vec<AgentName>> = BTreeMap::new();
        let (mut single, mut double) = (Vec::new(), Vec::new());
        for agent in &merged.agents {
            let own = agent.public_key.id();
            let on = |side: &Manifest| side.agents.iter().find(|found| found.public_key.id() == own).cloned();
            let mut persons: Vec<KeyId> =
                [ours, theirs].into_iter().filter_map(|side| Some(person(bases, side, &on(side)?))).collect();
            persons.sort_unstable();
            persons.dedup();
            match persons.as_slice() {
                [] => single.push((own, agent.name.clone())),
                [person] => single.push((*person, agent.name.clone())),
                // Somebody's new key on one side is a new agent's on the other.
                both => double.extend(both.iter().map(|person| (*person, agent.name.clone()))),
            }
        }
        // Who is two comes last: the first name of a list stands for it, and must not stand for another person too.
        for (person, name) in single.into_iter().chain(double) {
            now.entry(person).or_default().push(name);
        }
        Self { meant: [ours, theirs].iter().chain(bases).map(|manifest| persons(manifest)).collect(), now }
    }

    /// One name for each agent that a document under manifest `number` names. Who is no agent any longer is left out.
    pub(crate) fn told(&self, number: usize, agents: &[AgentName]) -> Vec<AgentName> {
        let meant = agents.iter().filter_map(|agent| self.meant[number].get(agent));
        let mut told: Vec<AgentName> = meant.filter_map(|person| self.now.get(person)?.first().cloned()).collect();
        told.sort();
        told.dedup();
        told
    }

    /// All names of these agents.
    pub(crate) fn all(&self, told: &[AgentName]) -> Vec<AgentName> {
        let named = self.now.values().filter(|names| names.first().is_some_and(|first| told.contains(first)));
        let mut all: Vec<AgentName> = named.flatten().cloned().collect();
        all.sort();
        all.dedup();
        all
    }
}
