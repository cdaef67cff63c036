//! What is lost: everything that was acknowledged must be in every clone, and nobody reads what was taken away.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use agent_vault_test_remotes::writes::{GROUP, QUARREL, QUARREL_GROUP};

use crate::failure::Failure;
use crate::programs;

use super::machines::{Fleet, Machine, told};
use super::round::Share;

/// How the program says that there is no such secret.
const NOT_FOUND: i32 = 3;

/// Everything that is not as it must be, each in a sentence.
///
/// # Errors
///
/// When something cannot be looked at.
pub fn lost(fleet: &Fleet, shares: &[Share]) -> Result<Vec<String>, Failure> {
    let mut wrong = clones(fleet)?;
    let Some(last) = fleet.machines.last() else { return Ok(wrong) };
    let agents = last.must("list-agents", None)?;
    for (share, machine) in shares.iter().zip(&fleet.machines) {
        values(last, share, &mut wrong)?;
        access(last, machine, share, &agents, &mut wrong)?;
    }
    quarrel(last, shares, &mut wrong)?;
    Ok(wrong)
}

/// All clones and the host have one commit; each proves its history and its files.
fn clones(fleet: &Fleet) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    let mut tips = BTreeSet::from([fleet.host.tip("main")]);
    for (number, machine) in fleet.machines.iter().enumerate() {
        tips.insert(machine.head()?);
        for line in ["verify --history", "verify", "check"] {
            let output = machine.call(line, None)?;
            if !output.status.success() {
                wrong.push(format!("clone {number}: `{line}`: {}", told(&output)));
            }
        }
        let changed = machine.git("status --porcelain")?;
        if !changed.is_empty() {
            wrong.push(format!("clone {number}: its files are not those of its commit: {changed}"));
        }
    }
    if tips.len() != 1 {
        wrong.push(format!("the clones and the host have {} different commits", tips.len()));
    }
    Ok(wrong)
}

fn values(last: &Machine, share: &Share, wrong: &mut Vec<String>) -> Result<(), Failure> {
    let acknowledged = &share.acknowledged;
    for path in acknowledged.values.keys() {
        let output = last.call(&format!("get {path}"), None)?;
        let must = acknowledged.value(path).unwrap_or_default();
        if !output.status.success() {
            wrong.push(format!("{path} is lost: {}", told(&output)));
        } else if output.stdout != must.as_bytes() {
            wrong.push(format!("{path} has lost its value: it is another than {must:?}"));
        }
    }
    for path in acknowledged.described.intersection(&acknowledged.values.keys().cloned().collect()) {
        let shown = last.must(&format!("show {path} --json"), None)?;
        if !shown.contains("\"described\"") || shown.contains("\"expires\": null") {
            wrong.push(format!("{path} has lost its description or its expiry"));
        }
    }
    for path in &acknowledged.gone {
        let output = last.call(&format!("get {path}"), None)?;
        if output.status.code() != Some(NOT_FOUND) {
            wrong.push(format!("{path} was removed and is there: {}", output.status));
        }
    }
    Ok(())
}

/// Agents read what they were granted with the key that their machine wrote; of what was taken away they open no
/// ciphertext, whatever policy says.
fn access(
    last: &Machine,
    machine: &Machine,
    share: &Share,
    agents: &str,
    wrong: &mut Vec<String>,
) -> Result<(), Failure> {
    for (agent, groups) in &share.acknowledged.agents {
        if !agents.contains(agent.as_str()) {
            wrong.push(format!("agent {agent} is lost"));
            continue;
        }
        let (key, old_key) = machine.agent_keys(agent);
        for (group, path) in [(GROUP, "own/first"), (QUARREL_GROUP, QUARREL)] {
            let opens = last.call(&format!("get {path} --key {}", key.display()), None)?.status.success();
            if groups.contains(group) != opens {
                wrong.push(format!("agent {agent} {} {path}", if opens { "reads" } else { "cannot read" }));
            }
            if !groups.contains(group) && stock_age_opens(last, path, &key) {
                wrong.push(format!("agent {agent} opens the ciphertext of {path}, which was taken away"));
            }
            if old_key.as_ref().is_some_and(|key| stock_age_opens(last, path, key)) {
                wrong.push(format!("the former key of agent {agent} opens the ciphertext of {path}"));
            }
        }
    }
    for agent in &share.acknowledged.former {
        if agents.contains(agent.as_str()) {
            wrong.push(format!("agent {agent} was removed and is there"));
        }
        if stock_age_opens(last, "own/first", &machine.agent_keys(agent).0) {
            wrong.push(format!("agent {agent} was removed and opens the ciphertext of own/first"));
        }
    }
    Ok(())
}

/// Whether stock age opens a ciphertext with a key; no where there is no age or no key.
fn stock_age_opens(machine: &Machine, path: &str, key: &Path) -> bool {
    let ciphertext = machine.dir().join(".agent-vault/secrets").join(format!("{path}.enc"));
    let Some(age) = programs::find("age").filter(|_| key.is_file()) else { return false };
    let mut command = Command::new(age);
    command.arg("-d").arg("-i").args([key, &ciphertext]);
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// What all set has the value that one of them set.
fn quarrel(last: &Machine, shares: &[Share], wrong: &mut Vec<String>) -> Result<(), Failure> {
    let value = last.must(&format!("get {QUARREL}"), None)?;
    if !shares.iter().any(|share| share.acknowledged.quarrel.contains(&value)) {
        wrong.push(format!("{QUARREL} has a value that nobody set"));
    }
    Ok(())
}
