//! `upgrade`

use super::{Bar, texts};
use crate::app::Upgrade as Args;
use crate::exit::{Code, Outcome};
use crate::output::{self, Style};
use crate::setting::{Setting, pretty};
use crate::table::{self, Cell};
use agent_vault_core::legacy::plan::{Plan, PlannedAgent, PlannedSecret};
use agent_vault_core::vault::Upgrade;
use agent_vault_core::{Error, OldVault, Vault};
use serde_json::{Value, json};
use std::fmt::Write;

/// Shows what would be signed, asks, and signs it.
pub fn run(setting: &Setting, args: &Args) -> Outcome {
    let identities = setting.identities()?;
    match setting.vault(Some(&identities)) {
        Ok(vault) => return already(&vault, args),
        Err(Error::UnsignedVault { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let old = OldVault::open(&setting.dir, setting.context.clone(), Some(&identities))?;
    if old.is_half_upgraded() && old.finish_upgrade()? {
        output::note("finished an interrupted upgrade");
        return already(&setting.vault(Some(&identities))?, args);
    }
    let dir = pretty(old.dir());
    let bar = Bar::new("looking at secrets");
    let upgrade = old.prepare_upgrade(&identities, args.owner.clone(), &|done, all| bar.tick(done, all))?;
    drop(bar);
    if args.dry_run {
        return dry_run(&upgrade, &dir, args);
    }
    if !args.json.json {
        output::note(&text(&upgrade, &dir));
    }
    if upgrade.plan().obstacles().next().is_none() {
        let question = format!(
            "Nothing above can be verified: whoever could push could have written it. Sign it as owner {} ({})?",
            upgrade.owner(),
            upgrade.fingerprint()
        );
        super::confirm(&question, args.yes)?;
    }
    let shown = args.json.json.then(|| plan_json(&upgrade));
    let bar = Bar::new("signing secrets");
    let done = upgrade.apply(&|done, all| bar.tick(done, all))?;
    drop(bar);
    crate::setting::tell(&done.vault);
    let fingerprint = super::fingerprint(&done.vault);
    if let Some(shown) = shown {
        print_json(Some((&done.vault, Some(done.commit.as_str()))), Some(&shown))?;
        return Ok(Code::Done);
    }
    output::note(&format!(
        "upgraded {dir}: {} signed, {} of them encrypted anew",
        output::count(done.secrets, "secret"),
        done.reencrypted
    ));
    output::print(&format!("owner fingerprint: {fingerprint}\n"))?;
    output::note(&format!(
        "Push it. Whoever reads this vault should expect this owner: export AGENT_VAULT_OWNER={fingerprint}"
    ));
    output::note("`agent-vault check` lists what has to be rotated.");
    output::note("`agent-vault hook install` keeps its values out of commits.");
    Ok(Code::Done)
}

/// A vault that is signed has nothing to upgrade.
fn already(vault: &Vault, args: &Args) -> Outcome {
    let fingerprint = super::fingerprint(vault);
    if args.json.json {
        print_json(Some((vault, None)), None)?;
    } else {
        output::note(&format!("{} is signed already (owner {fingerprint}): nothing to upgrade", pretty(vault.dir())));
    }
    Ok(Code::Done)
}

/// The signed vault with the commit that made it one just now, and what was or would be signed.
fn print_json(signed: Option<(&Vault, Option<&str>)>, plan: Option<&Value>) -> std::io::Result<()> {
    let commit = signed.and_then(|(_, commit)| commit);
    output::json(&json!({
        "upgraded": commit.is_some(),
        "commit": commit,
        "vault": signed.map(|(vault, _)| vault.id()),
        "owner_fingerprint": signed.map(|(vault, _)| super::fingerprint(vault)),
        "plan": plan,
    }))
}

fn dry_run(upgrade: &Upgrade<'_>, dir: &str, args: &Args) -> Outcome {
    if args.json.json {
        print_json(None, Some(&plan_json(upgrade)))?;
    } else {
        output::print(&text(upgrade, dir))?;
    }
    let ready = upgrade.plan().obstacles().next().is_none();
    Ok(if ready { Code::Done } else { Code::Findings })
}

/// The plan for a person: agents, secrets, what to know.
fn text(upgrade: &Upgrade<'_>, dir: &str) -> String {
    let plan = upgrade.plan();
    let mut out = format!("{dir} would be signed by owner {}\n", upgrade.owner());
    if !plan.agents.is_empty() {
        out.push('\n');
        let rows: Vec<Vec<Cell>> = plan.agents.iter().map(agent_cells).collect();
        out.push_str(&table::render(
            &["AGENT", "KEY", "OPENS", "SAID TO READ", "KEY KNOWN HERE", "GROUPS"],
            &rows,
            false,
        ));
    }
    if !plan.secrets.is_empty() {
        out.push('\n');
        let rows: Vec<Vec<Cell>> = plan.secrets.iter().map(secret_cells).collect();
        out.push_str(&table::render(&["SECRET", "GROUP", "READ BY OWNER AND", "EXPLICITLY", "CHANGE"], &rows, false));
    }
    summary(&mut out, plan);
    if !plan.findings.is_empty() {
        out.push('\n');
    }
    out + &super::check::lines(&plan.findings, false)
}

/// What a table's cells do not say in a glance: who reads beyond the groups, and names without a slash.
fn summary(out: &mut String, plan: &Plan) {
    let explicit: Vec<&PlannedSecret> = plan.secrets.iter().filter(|secret| !secret.explicit.is_empty()).collect();
    let slashless: Vec<&str> =
        plan.secrets.iter().map(|secret| secret.path.as_str()).filter(|name| !name.contains('/')).collect();
    if !explicit.is_empty() || !slashless.is_empty() {
        out.push('\n');
    }
    for secret in explicit {
        let agents: Vec<&str> = secret.explicit.iter().map(|agent| agent.as_str()).collect();
        let _ = writeln!(out, "explicit grant: {} to {}", secret.path, agents.join(", "));
    }
    if !slashless.is_empty() {
        let _ = writeln!(out, "without a slash: {} (default/x and x are one name, spelled x)", slashless.join(", "));
    }
}

fn agent_cells(agent: &PlannedAgent) -> Vec<Cell> {
    let groups: Vec<&str> = agent.groups.iter().map(|group| group.as_str()).collect();
    let known = match agent.known_here {
        Some(true) => "yes",
        Some(false) => "ANOTHER KEY",
        None => "no",
    };
    let groups = match (&agent.left_out, groups.is_empty()) {
        (Some(_), _) => Cell::styled("LEFT OUT", Style::Magenta),
        (None, true) => Cell::plain("-"),
        (None, false) => Cell::plain(groups.join(" ")),
    };
    vec![
        Cell::plain(&agent.name),
        Cell::plain(agent.key.map_or_else(|| "-".to_owned(), |key| key.to_string())),
        Cell::plain(agent.opens.to_string()),
        Cell::plain(agent.claimed.to_string()),
        Cell::plain(known),
        groups,
    ]
}

fn secret_cells(secret: &PlannedSecret) -> Vec<Cell> {
    let names = |list: &[agent_vault_core::AgentName]| {
        if list.is_empty() { "-".to_owned() } else { texts(list).join(" ") }
    };
    let mut change = Vec::new();
    change.extend(secret.spelled.as_ref().map(|name| format!("was spelled {}", output::one_line(name))));
    change.extend(secret.loses.iter().map(|key| format!("- {key}")));
    change.extend(secret.refused.iter().map(|agent| format!("not given to {agent}")));
    if secret.reencrypt {
        change.push("encrypted anew".to_owned());
    }
    vec![
        Cell::plain(secret.path.as_str()),
        Cell::plain(secret.group.as_str()),
        Cell::plain(names(&secret.readers)),
        Cell::plain(names(&secret.explicit)),
        Cell::plain(change.join(", ")),
    ]
}

fn plan_json(upgrade: &Upgrade<'_>) -> Value {
    let Plan { agents, secrets, findings, .. } = upgrade.plan();
    let agents: Vec<Value> = agents
        .iter()
        .map(|agent| {
            json!({
                "name": agent.name,
                "key": agent.key.map(|key| key.to_string()),
                "opens": agent.opens,
                "said_to_read": agent.claimed,
                "known_here": agent.known_here,
                "groups": texts(&agent.groups),
                "left_out": agent.left_out,
            })
        })
        .collect();
    let secrets: Vec<Value> = secrets
        .iter()
        .map(|secret| {
            json!({
                "name": secret.path.as_str(),
                "spelled": secret.spelled,
                "group": secret.group.as_str(),
                "authorized_agents": texts(&secret.readers),
                "agents": texts(&secret.explicit),
                "refused": secret.refused,
                "loses": texts(&secret.loses),
                "reencrypt": secret.reencrypt,
            })
        })
        .collect();
    json!({"owner": upgrade.owner().as_str(), "agents": agents, "secrets": secrets, "findings": findings})
}
