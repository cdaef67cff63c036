//! The policy: two manifests become one.
//!
//! Agents are told apart by name and key, what an agent may read by its name. Whatever one side took away is gone, also
//! where the other side gives it at the same time.

use super::{Remark, Side, parents};
use crate::digest::Digest;
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

impl Merged {
    /// What an agent is called now that a side calls `name`; itself where nothing was renamed.
    pub(crate) fn renamed(&self, side: Side, name: &AgentName) -> AgentName {
        let renamed = self.origins.iter().find(|(now, origin)| **origin == (side, name.clone()) && *now != name);
        renamed.map_or_else(|| name.clone(), |(now, _)| now.clone())
    }
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
            let has = |manifest: &Manifest| manifest.agents.iter().any(|found| same(found, agent));
            match has(other) {
                // It comes with our side.
                true if side == Side::Theirs => continue,
                false if bases.iter().any(|base| has(base)) => continue,
                _ => {}
            }
            let groups = groups(bases, other, agent);
            let (name, key) = (agent.name.clone(), agent.public_key.clone());
            let created = other.agents.iter().filter(|found| same(found, agent)).map(|found| found.created);
            let created = created.chain([agent.created]).min().unwrap_or(agent.created);
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

/// Whether two entries are of one agent with one key.
fn same(a: &Agent, b: &Agent) -> bool {
    a.name == b.name && a.public_key == b.public_key
}

/// The groups of an agent, who has one side's key: those that both sides give that name, and those that one of them added.
/// A side that removed the name took all that it had.
fn groups(bases: &[&Manifest], other: &Manifest, agent: &Agent) -> Vec<GroupName> {
    let had = |group: &GroupName| {
        let olds = bases.iter().filter_map(|base| base.agent(&agent.name));
        olds.into_iter().any(|old| old.groups.contains(group))
    };
    let found = other.agent(&agent.name);
    let has = |group: &GroupName| found.is_some_and(|found| found.groups.contains(group));
    // One with a new key of its own is somebody else, and stays beside this one: what it was given is not given to both.
    let known = |found: &Agent| bases.iter().any(|base| base.agents.iter().any(|old| same(old, found)));
    let added = found.filter(|found| same(found, agent) || known(found)).map(|found| &found.groups);
    let all: BTreeSet<&GroupName> = agent.groups.iter().chain(added.into_iter().flatten()).collect();
    let kept = all.into_iter().filter(|group| (agent.groups.contains(group) && has(group)) || !had(group));
    kept.cloned().collect()
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
