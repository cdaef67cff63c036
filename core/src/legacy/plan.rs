//! What an upgrade signs, decided purely from what was found.
//!
//! Nobody signed what the old documents claim: whoever could push the day before may have planted an agent, put it into
//! groups, or exchanged a key. So **a claim alone gives nothing**. An agent keeps what its key opens by fact *and* what
//! is claimed for it; what only one of the two says, it does not get. No key gains anything by an upgrade.

use super::documents::Metadata;
use crate::check::{Finding, Severity};
use crate::digest::{Digest, KeyId};
use crate::error::printable;
use crate::manifest::DEFAULT_MAX_SECRET_SIZE;
use crate::metadata::Exposure;
use crate::name::{AgentName, GroupName, SecretPath};
use crate::recipient::Recipient;
use std::collections::BTreeSet;

mod agents;

/// All that decides.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The key of `owner.pub`, whose private half is in hand.
    pub owner: Option<Recipient>,
    /// What the manifest calls the owner.
    pub claimed_owner: Option<String>,
    pub agents: Vec<AgentFact>,
    pub secrets: Vec<SecretFact>,
    /// The names below `agents/`.
    pub folders: BTreeSet<String>,
    pub findings: Vec<Finding>,
    /// Files of secrets without a value: the new vault has no place for them.
    pub stale: Vec<String>,
}

/// An agent as it was found.
#[derive(Debug, Clone)]
pub(crate) struct AgentFact {
    pub name: String,
    /// Whether the manifest names it.
    pub listed: bool,
    /// The groups that the manifest claims for it.
    pub groups: Vec<String>,
    /// What its `public.key` holds.
    pub key: Option<Recipient>,
    /// Why its private key could not be tried, if so.
    pub unproven: Option<&'static str>,
    /// Whether this machine has that key under that name; none when it has no key of that name.
    pub known_here: Option<bool>,
    /// Whether its escrow has to be made anew.
    pub reseal: bool,
}

/// A secret as it was found.
#[derive(Debug, Clone)]
pub(crate) struct SecretFact {
    pub path: SecretPath,
    /// Of the ciphertext.
    pub digest: Digest,
    /// Bytes of the value.
    pub size: u64,
    /// Whose each stanza is, in order: the fact.
    pub readers: Vec<Reader>,
    /// The groups in which the manifest lists it.
    pub listed: Vec<String>,
    pub metadata: Option<Metadata>,
}

/// Whose a stanza is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Owner,
    /// By its place among the agents.
    Agent(usize),
    /// Nobody's whose private key is in hand.
    Unknown,
}

/// What an upgrade would sign.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the old manifest calls the owner, where that is a name.
    pub owner: Option<String>,
    /// Every agent that was found.
    pub agents: Vec<PlannedAgent>,
    /// Every secret that is taken over.
    pub secrets: Vec<PlannedSecret>,
    /// What has to be settled first ([`Severity::Error`]), what is lost or changes, and what is good to know.
    pub findings: Vec<Finding>,
    pub(crate) max_secret_size: u64,
    /// Files that the new vault has no place for.
    pub(crate) stale: Vec<String>,
}

/// What becomes of an agent.
#[derive(Debug, Clone)]
pub struct PlannedAgent {
    /// Its name as it stands in the old vault, fit for a terminal.
    pub name: String,
    /// Its key, where one could be read.
    pub key: Option<KeyId>,
    /// The groups it keeps; none when it is left out.
    pub groups: Vec<GroupName>,
    /// How many secrets are claimed to be readable to it.
    pub claimed: usize,
    /// How many open with its key.
    pub opens: usize,
    /// Whether the machine at work has this very key under this name.
    pub known_here: Option<bool>,
    /// Why it is left out; none when it is kept.
    pub left_out: Option<String>,
    pub(crate) kept: Option<(AgentName, Recipient)>,
    pub(crate) reseal: bool,
    /// Its place among the facts.
    pub(crate) at: usize,
}

/// What becomes of a secret.
#[derive(Debug, Clone)]
pub struct PlannedSecret {
    /// Its path, in the canonical spelling.
    pub path: SecretPath,
    /// How the old vault spelled it, where that differs (`default/x` is `x` now).
    pub spelled: Option<String>,
    /// The group that it gets.
    pub group: GroupName,
    /// The agents that keep reading it.
    pub readers: Vec<AgentName>,
    /// Those of them that read it beyond the group.
    pub explicit: Vec<AgentName>,
    /// Agents for which it was claimed and whose keys do not open it: they do not get it.
    pub refused: Vec<String>,
    /// Keys that open it and lose it: the value is marked for rotation.
    pub loses: Vec<Exposure>,
    /// Whether it is encrypted anew; else its ciphertext stays byte for byte.
    pub reencrypt: bool,
    /// The agents that its ciphertext opens for, in stanza order.
    pub(crate) fact: Vec<Exposure>,
    pub(crate) digest: Digest,
    pub(crate) metadata: Option<Metadata>,
}

impl Plan {
    /// What has to be settled before anything is signed.
    pub fn obstacles(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}

/// Decides.
pub(crate) fn plan(facts: &Facts) -> Plan {
    let claims = Claims::of(facts);
    let mut agents = agents::judge_all(facts, &claims);
    let kept: Vec<bool> = agents.iter().map(|agent| agent.kept.is_some()).collect();
    let groups: Vec<GroupName> = (0..facts.secrets.len()).map(|at| group_of(facts, &claims, &kept, at)).collect();
    for agent in agents.iter_mut().filter(|agent| agent.kept.is_some()) {
        agent.groups = memberships(facts, &claims, &groups, agent.at);
    }
    let secrets: Vec<PlannedSecret> =
        (0..facts.secrets.len()).map(|at| plan_secret(facts, &claims, &agents, &groups[at], at)).collect();
    let mut findings = facts.findings.clone();
    findings.extend(agents.iter().flat_map(|agent| agents::about(facts, agent, &secrets)));
    findings.sort_by(|a, b| (a.severity, a.code, &a.subject).cmp(&(b.severity, b.code, &b.subject)));
    let largest = facts.secrets.iter().map(|secret| secret.size).max().unwrap_or(0);
    Plan {
        owner: facts.claimed_owner.as_deref().map(printable),
        findings,
        max_secret_size: largest.max(DEFAULT_MAX_SECRET_SIZE),
        stale: stale(facts, &agents),
        agents,
        secrets,
    }
}

/// What is claimed and what is so, by key: two agents with one key are one reader.
struct Claims {
    /// For each agent, the one under whose name its key is signed: the first that can be.
    same: Vec<usize>,
    /// For each secret, the agents for which it is claimed.
    claimed: Vec<BTreeSet<usize>>,
    /// For each secret, the agents whose keys open it.
    opens: Vec<BTreeSet<usize>>,
    /// For each agent, the groups claimed for it or for another of its key.
    groups: Vec<BTreeSet<String>>,
}

impl Claims {
    fn of(facts: &Facts) -> Self {
        let first = |at: usize| {
            let key = facts.agents[at].key.as_ref();
            let same = |other: &AgentFact| key.is_some() && other.key.as_ref() == key && other.listed;
            let usable =
                |other: &AgentFact| same(other) && other.unproven.is_none() && AgentName::parse(&other.name).is_ok();
            let found = facts.agents.iter().position(usable).or_else(|| facts.agents.iter().position(same));
            found.filter(|_| facts.agents[at].listed).unwrap_or(at)
        };
        let same: Vec<usize> = (0..facts.agents.len()).map(first).collect();
        let mut groups = vec![BTreeSet::new(); facts.agents.len()];
        for (at, agent) in facts.agents.iter().enumerate().filter(|(_, agent)| agent.listed) {
            groups[same[at]].extend(agent.groups.iter().cloned());
        }
        let claimed = facts.secrets.iter().map(|secret| {
            let said = secret.metadata.as_ref();
            let in_group = |agent: &AgentFact| {
                agent
                    .groups
                    .iter()
                    .any(|group| secret.listed.contains(group) || said.is_some_and(|metadata| metadata.group == *group))
            };
            let by_name =
                |agent: &AgentFact| said.is_some_and(|metadata| metadata.authorized_agents.contains(&agent.name));
            let agents = facts.agents.iter().enumerate();
            let claimed = agents.filter(|(_, agent)| agent.listed && (in_group(agent) || by_name(agent)));
            claimed.map(|(at, _)| same[at]).collect()
        });
        let opens = facts.secrets.iter().map(|secret| {
            let agents = secret.readers.iter().filter_map(|reader| match reader {
                Reader::Agent(at) => Some(same[*at]),
                _ => None,
            });
            agents.collect()
        });
        Self { claimed: claimed.collect(), opens: opens.collect(), same, groups }
    }

    /// Whether an agent both opens a secret and is claimed to.
    fn keeps(&self, agent: usize, secret: usize) -> bool {
        self.opens[secret].contains(&agent) && self.claimed[secret].contains(&agent)
    }
}

/// The group of a secret: the one it is said to be in whose members all open it; else the first that is a name.
fn group_of(facts: &Facts, claims: &Claims, kept: &[bool], at: usize) -> GroupName {
    let secret = &facts.secrets[at];
    let said = secret.metadata.as_ref().map(|metadata| metadata.group.as_str());
    let said = said.filter(|group| secret.listed.is_empty() || secret.listed.iter().any(|listed| listed == group));
    let candidates = said.into_iter().chain(secret.listed.iter().map(String::as_str));
    let candidates: Vec<GroupName> = candidates.filter_map(|group| GroupName::parse(group).ok()).collect();
    let fits = |group: &&GroupName| {
        (0..facts.agents.len())
            .filter(|agent| kept[*agent] && claims.groups[*agent].contains(group.as_str()))
            .all(|agent| claims.opens[at].contains(&agent))
    };
    candidates.iter().find(fits).or(candidates.first()).cloned().unwrap_or_else(|| secret.path.default_group())
}

/// The groups that an agent keeps: those claimed for it of which it opens every secret, and at least one.
fn memberships(facts: &Facts, claims: &Claims, groups: &[GroupName], agent: usize) -> Vec<GroupName> {
    let claimed = claims.groups[agent].iter().filter_map(|group| GroupName::parse(group).ok());
    let kept = claimed.filter(|group| {
        let mut inside = (0..facts.secrets.len()).filter(|at| groups[*at] == *group).peekable();
        inside.peek().is_some() && inside.all(|at| claims.keeps(agent, at))
    });
    kept.collect()
}

/// What becomes of one secret.
fn plan_secret(facts: &Facts, claims: &Claims, agents: &[PlannedAgent], group: &GroupName, at: usize) -> PlannedSecret {
    let secret = &facts.secrets[at];
    let keeps = |agent: &&PlannedAgent| claims.keeps(agent.at, at);
    let kept = |agent: &PlannedAgent| agent.kept.as_ref().map(|(name, _)| name.clone());
    let mut readers: Vec<AgentName> = agents.iter().filter(keeps).filter_map(kept).collect();
    let beyond = |agent: &&PlannedAgent| !agent.groups.contains(group);
    let mut explicit: Vec<AgentName> = agents.iter().filter(keeps).filter(beyond).filter_map(kept).collect();
    readers.sort();
    explicit.sort();
    let refused = claims.claimed[at].difference(&claims.opens[at]).map(|agent| agents[*agent].name.clone()).collect();
    let fact = fact(facts, claims, agents, at);
    let stays = |exposure: &&Exposure| {
        agents.iter().filter(keeps).any(|agent| agent.kept.is_some() && agent.key == Some(exposure.key))
    };
    let loses: Vec<Exposure> = fact.iter().filter(|exposure| !stays(exposure)).cloned().collect();
    let spelled = secret.metadata.as_ref().map(|metadata| metadata.name.clone());
    let spelled = spelled
        .filter(|name| name != secret.path.as_str() && SecretPath::parse(name).is_ok_and(|path| path == secret.path));
    // Metadata name the owner first: so must the ciphertext.
    let owner_first = secret.readers.first() == Some(&Reader::Owner);
    PlannedSecret {
        path: secret.path.clone(),
        spelled,
        group: group.clone(),
        reencrypt: !loses.is_empty() || !owner_first,
        readers,
        explicit,
        refused,
        loses,
        fact,
        digest: secret.digest,
        metadata: secret.metadata.clone(),
    }
}

/// The keys besides the owner's that a ciphertext opens for, in stanza order. A key that nobody knows goes by the name
/// that the metadata suggest, and by the id of no key.
fn fact(facts: &Facts, claims: &Claims, agents: &[PlannedAgent], at: usize) -> Vec<Exposure> {
    let secret = &facts.secrets[at];
    let opens = |name: &String| {
        facts
            .agents
            .iter()
            .position(|agent| agent.name == *name)
            .is_some_and(|agent| claims.opens[at].contains(&claims.same[agent]))
    };
    let authorized = secret.metadata.iter().flat_map(|metadata| &metadata.authorized_agents);
    let mut suggested = authorized.filter(|name| !opens(name)).filter_map(|name| AgentName::parse(name).ok());
    let mut found: Vec<Exposure> = Vec::new();
    for reader in &secret.readers {
        let exposure = match reader {
            Reader::Owner => continue,
            Reader::Agent(agent) => {
                let agent = &agents[claims.same[*agent]];
                let name = AgentName::parse(&facts.agents[agent.at].name).unwrap_or_else(|_| nobody());
                Exposure { name, key: agent.key.unwrap_or(KeyId::UNKNOWN) }
            }
            Reader::Unknown => Exposure { name: suggested.next().unwrap_or_else(nobody), key: KeyId::UNKNOWN },
        };
        if !found.contains(&exposure) {
            found.push(exposure);
        }
    }
    found
}

fn nobody() -> AgentName {
    AgentName::parse("unknown").unwrap_or_else(|_| unreachable!("a constant name is valid"))
}

/// Files that the new vault has no place for: of secrets without a value, and of agents that are left out.
fn stale(facts: &Facts, agents: &[PlannedAgent]) -> Vec<String> {
    let kept = |name: &AgentName| agents.iter().filter_map(|agent| agent.kept.as_ref()).any(|(kept, _)| kept == name);
    let gone = facts.folders.iter().filter_map(|name| AgentName::parse(name).ok()).filter(|name| !kept(name));
    let files = gone.flat_map(|name| [crate::layout::agent_public(&name), crate::layout::agent_escrow(&name)]);
    facts.stale.iter().cloned().chain(files).collect()
}

#[cfg(test)]
mod tests;
