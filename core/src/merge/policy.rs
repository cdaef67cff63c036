//! The policy: two manifests become one.
//!
//! An agent is its key, whatever it is called: a merge may have renamed it on one side. One that got a new key is the
//! same agent under its old name. Whatever one side took away is gone, also where the other side gives it at the same time.

use super::agents::person;
use super::{Remark, Side, parents};
use crate::digest::{Digest, KeyId};
use crate::manifest::{Agent, Group, Manifest};
use crate::name::{AgentName, GroupName};
use crate::recipient::Recipient;
use crate::root::Root;
use std::collections::{BTreeMap, BTreeSet};

/// The merged policy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Merged {
    pub manifest: Manifest,
    /// Of each agent the side and the name under which it comes: there lies its escrow.
    pub origins: BTreeMap<AgentName, (Side, AgentName)>,
    pub remarks: Vec<Remark>,
}

/// An agent of one side, or of both.
struct Candidate {
    name: AgentName,
    key: Recipient,
    side: Side,
    agent: Agent,
}

/// Merges two manifests, with the digests of their files, under the root in force. `bases` are those of the states that
/// both sides come from.
pub(crate) fn merge(
    bases: &[&Manifest],
    ours: (&Manifest, Digest),
    theirs: (&Manifest, Digest),
    root: &Root,
) -> Merged {
    let sides = [(Side::Ours, ours.0), (Side::Theirs, theirs.0)];
    let mut remarks = Vec::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (side, manifest) in sides {
        let other = if side == Side::Ours { theirs.0 } else { ours.0 };
        for agent in &manifest.agents {
            let known = bases.iter().filter_map(|base| by_key(base, agent));
            let twin = by_key(other, agent);
            match twin {
                // It comes under the name that is new, else under the first.
                Some(twin) if twin.name != agent.name => {
                    let known: Vec<&AgentName> = known.map(|base| &base.name).collect();
                    let rank = |name: &AgentName| (known.contains(&name), name.clone());
                    if rank(&twin.name) < rank(&agent.name) {
                        if known.is_empty() {
                            remarks.push(Remark::AgentRenamed { from: agent.name.clone(), to: twin.name.clone() });
                        }
                        continue;
                    }
                }
                // It comes with our side.
                Some(_) if side == Side::Theirs => continue,
                None if known.count() > 0 => continue,
                _ => {}
            }
            let groups = groups(bases, (manifest, other), agent);
            let (name, key) = (agent.name.clone(), agent.public_key.clone());
            let created = twin.map_or(agent.created, |twin| twin.created.min(agent.created));
            let agent = Agent { groups, created, ..agent.clone() };
            candidates.push(Candidate { name, key, side, agent });
        }
    }
    // An order that does not depend on whose they are: of two with one name, the first keeps it.
    candidates.sort_by(|a, b| {
        let of = |one: &Candidate| (one.name.as_str().to_ascii_lowercase(), one.name.clone(), one.key.to_string());
        of(a).cmp(&of(b))
    });
    let (agents, origins) = place(candidates, root, &mut remarks);
    let serial = 1 + ours.0.serial.max(theirs.0.serial);
    let mut manifest = ours.0.continuing(serial, parents(ours.1, theirs.1), root);
    manifest.groups = merged_groups(bases, ours.0, theirs.0);
    agents.into_iter().for_each(|agent| manifest.insert_agent(agent));
    let setting = |of: fn(&Manifest) -> u64| {
        let (a, b) = (of(ours.0), of(theirs.0));
        let changed = |value: u64| !bases.iter().any(|base| of(base) == value);
        match (changed(a), changed(b)) {
            (true, false) => a,
            (false, true) => b,
            _ => a.max(b),
        }
    };
    manifest.settings.max_secret_size = setting(|manifest| manifest.settings.max_secret_size);
    manifest.settings.audit_required = setting(|manifest| u64::from(manifest.settings.audit_required)) == 1;
    Merged { manifest, origins, remarks }
}

/// The agent with the same key.
fn by_key<'m>(manifest: &'m Manifest, agent: &Agent) -> Option<&'m Agent> {
    manifest.agents.iter().find(|found| found.public_key == agent.public_key)
}

/// The groups of an agent: those that both sides give it, and those that one of them added. Whoever removed the agent took all
/// that it had.
fn groups(bases: &[&Manifest], (mine, other): (&Manifest, &Manifest), agent: &Agent) -> Vec<GroupName> {
    // Somebody's new key on one side may be a new agent's on the other: both are meant.
    let persons: BTreeSet<KeyId> = [mine, other]
        .into_iter()
        .filter_map(|manifest| by_key(manifest, agent).map(|found| person(bases, manifest, found)))
        .collect();
    let olds: Vec<&Agent> =
        bases.iter().flat_map(|base| &base.agents).filter(|found| persons.contains(&found.public_key.id())).collect();
    let had = |group: &GroupName| olds.iter().any(|old| old.groups.contains(group));
    let sides: [Vec<&Agent>; 2] = [mine, other].map(|manifest| {
        manifest.agents.iter().filter(|found| persons.contains(&person(bases, manifest, found))).collect()
    });
    let given = |group: &GroupName| sides.iter().all(|side| side.iter().any(|found| found.groups.contains(group)));
    // With a new key on either side there are two of it: what one was given is not given to the other.
    let is_one = |found: &&&Agent| {
        found.public_key == agent.public_key || olds.iter().any(|old| old.public_key == found.public_key)
    };
    let all: BTreeSet<&GroupName> = sides.iter().flatten().filter(is_one).flat_map(|found| &found.groups).collect();
    all.into_iter().filter(|group| given(group) || !had(group)).cloned().collect()
}

/// Gives each agent a name of its own, and drops one whose key another has.
fn place(
    candidates: Vec<Candidate>,
    root: &Root,
    remarks: &mut Vec<Remark>,
) -> (Vec<Agent>, BTreeMap<AgentName, (Side, AgentName)>) {
    let lower = |name: &AgentName| name.as_str().to_ascii_lowercase();
    let wanted: BTreeSet<String> = candidates.iter().map(|candidate| lower(&candidate.name)).collect();
    let (mut agents, mut origins) = (Vec::<Agent>::new(), BTreeMap::new());
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for Candidate { name, key, side, agent } in candidates {
        let owner =
            root.owners.iter().find(|owner| owner.public_key.id() == key.id()).map(|owner| owner.name.to_string());
        let twin = agents.iter().find(|other| other.public_key.id() == key.id()).map(|other| other.name.to_string());
        if let Some(holder) = owner.or(twin) {
            remarks.push(Remark::AgentDropped { name, holder });
            continue;
        }
        let free = |candidate: &AgentName| !taken.contains(&lower(candidate)) && !wanted.contains(&lower(candidate));
        let now = match taken.contains(&lower(&name)) {
            false => name.clone(),
            true => {
                let now =
                    super::names::numbered(name.as_str()).filter_map(|text| AgentName::parse(&text).ok()).find(free);
                let Some(now) = now else { continue };
                remarks.push(Remark::AgentRenamed { from: name.clone(), to: now.clone() });
                now
            }
        };
        taken.insert(lower(&now));
        origins.insert(now.clone(), (side, name));
        agents.push(Agent { name: now, ..agent });
    }
    (agents, origins)
}

/// The groups that both sides name, and those that one of them added.
fn merged_groups(bases: &[&Manifest], ours: &Manifest, theirs: &Manifest) -> Vec<Group> {
    let has = |manifest: &Manifest, name: &GroupName| manifest.groups.iter().any(|group| group.name == *name);
    let all: BTreeSet<&GroupName> = ours.groups.iter().chain(&theirs.groups).map(|group| &group.name).collect();
    let kept = all
        .into_iter()
        .filter(|name| (has(ours, name) && has(theirs, name)) || !bases.iter().any(|base| has(base, name)));
    kept.map(|name| Group { name: name.clone(), secrets: Vec::new() }).collect()
}
