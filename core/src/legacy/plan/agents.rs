//! Which agents an upgrade signs, and what is told of each.

use super::{Claims, Facts, PlannedAgent, PlannedSecret};
use crate::check::{Finding, Severity};
use crate::error::printable;
use crate::name::AgentName;
use crate::recipient::Recipient;
use std::collections::{BTreeMap, BTreeSet};

/// Which agents are signed.
pub(super) fn judge_all(facts: &Facts, claims: &Claims) -> Vec<PlannedAgent> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    facts
        .agents
        .iter()
        .enumerate()
        .map(|(at, agent)| {
            let count = |sets: &[BTreeSet<usize>]| sets.iter().filter(|set| set.contains(&claims.same[at])).count();
            let mut planned = PlannedAgent {
                name: printable(&agent.name),
                key: agent.key.as_ref().map(Recipient::id),
                groups: Vec::new(),
                claimed: count(&claims.claimed),
                opens: count(&claims.opens),
                known_here: agent.known_here,
                left_out: None,
                kept: None,
                reseal: agent.reseal,
                at,
            };
            match judge(facts, claims, at, &planned, &names) {
                Ok(kept) => {
                    names.insert(agent.name.to_ascii_lowercase(), at);
                    planned.kept = Some(kept);
                }
                Err(reason) => planned.left_out = Some(reason),
            }
            planned
        })
        .collect()
}

/// Whether an agent is signed; `Err` says why not.
fn judge(
    facts: &Facts,
    claims: &Claims,
    at: usize,
    found: &PlannedAgent,
    names: &BTreeMap<String, usize>,
) -> Result<(AgentName, Recipient), String> {
    let agent = &facts.agents[at];
    if !agent.listed {
        return Err("the manifest does not name it".into());
    }
    let name = AgentName::parse(&agent.name).map_err(|_| "its name is one that the new format does not take")?;
    if let Some(reason) = agent.unproven {
        return Err(format!("{reason}: what it can read cannot be found out"));
    }
    let key = agent.key.clone().ok_or("it has no public key that can be read")?;
    if facts.owner.as_ref() == Some(&key) {
        return Err("its key is the owner's".into());
    }
    if claims.same[at] != at {
        let other = printable(&facts.agents[claims.same[at]].name);
        return Err(format!("its key is also that of {other}, whose name it reads under from now on"));
    }
    if names.contains_key(&agent.name.to_ascii_lowercase()) {
        return Err("its name differs from another agent's only in case".into());
    }
    let known = agent.known_here == Some(true);
    let proven = (0..facts.secrets.len()).filter(|secret| claims.keeps(at, *secret)).count();
    if proven == 0 && !known {
        return Err(match found.claimed {
            0 => "its key opens nothing and is not known on this machine: nothing shows whose it is".into(),
            _ => "its key opens nothing of what it is said to read: somebody may have exchanged it".into(),
        });
    }
    if proven < found.claimed && agent.known_here == Some(false) {
        return Err(
            "its key opens only a part of what it is said to read, and this machine has another key of that name"
                .into(),
        );
    }
    Ok((name, key))
}

/// What is told of an agent.
pub(super) fn about(facts: &Facts, agent: &PlannedAgent, secrets: &[PlannedSecret]) -> Vec<Finding> {
    let make = |severity, code, message: String, remedy: String| Finding {
        severity,
        code,
        subject: format!("agent {}", agent.name),
        message,
        remedy,
    };
    let mut findings = Vec::new();
    if let Some(reason) = &agent.left_out {
        let remedy =
            "look at who it is; then give it a key anew: `agent-vault add-agent NAME`, and grant it what it needs";
        findings.push(make(Severity::Warning, "left-out", format!("it is left out: {reason}"), remedy.into()));
        return findings;
    }
    let refused: Vec<&str> = secrets
        .iter()
        .filter(|secret| secret.refused.contains(&agent.name))
        .map(|secret| secret.path.as_str())
        .collect();
    let verify =
        "compare its key with its holder first (there: `agent-vault whoami --key FILE`), then `agent-vault grant`";
    if !refused.is_empty() {
        let message =
            format!("it does not get {}: said to be readable to it, and not opened by its key", few(&refused));
        findings.push(make(Severity::Warning, "claim-refused", message, verify.into()));
    }
    let claimed: BTreeSet<&String> = facts.agents[agent.at].groups.iter().collect();
    let dropped: Vec<&str> = claimed
        .into_iter()
        .filter(|group| !agent.groups.iter().any(|kept| kept.as_str() == *group))
        .map(String::as_str)
        .collect();
    if !dropped.is_empty() {
        let message = format!(
            "it does not keep its place in group {}: its key does not open every secret there, or there is none; what it opens stays as an explicit grant",
            printable(&few(&dropped))
        );
        findings.push(make(Severity::Warning, "group-dropped", message, verify.into()));
    }
    if agent.known_here == Some(false) {
        let message =
            "this machine has another key of that name: of another vault, or somebody exchanged this one".into();
        findings.push(make(Severity::Warning, "other-key-here", message, verify.into()));
    }
    findings
}

/// A few names, and how many more.
fn few(names: &[&str]) -> String {
    match names {
        few if few.len() <= 3 => few.join(", "),
        many => format!("{}, {} and {} more", many[0], many[1], many.len() - 2),
    }
}
