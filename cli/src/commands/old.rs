//! The reading commands on a vault of agent-vault 0.1.0. What they print comes from documents that nobody signed; the
//! core hands it over fit for a terminal.

use crate::app::{ListAgents, Show};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::table::{self, Cell};
use agent_vault_core::{OldVault, Timestamp};
use serde_json::json;
use std::fmt::Write;

/// `show`
pub fn show(old: &OldVault, args: &Show) -> Outcome {
    let metadata = old.metadata(&args.path)?;
    if args.json.json {
        // The fields of a signed one; null and empty for what nobody says here.
        output::json(&json!({
            "signed": false,
            "version": null,
            "vault": null,
            "name": metadata.name.as_str(),
            "group": metadata.group,
            "revision": null,
            "value_revision": null,
            "parents": [],
            "created": metadata.created,
            "rotated": metadata.rotated,
            "expires": metadata.expires,
            "description": null,
            "use_only": false,
            "programs": [],
            "hosts": [],
            "authorized_agents": metadata.authorized_agents,
            "agents": [],
            "recipients": [],
            "digest": null,
            "exposed_to": [],
        }))?;
        return Ok(Code::Done);
    }
    let readers = match metadata.authorized_agents.as_slice() {
        [] => "owner".to_owned(),
        agents => format!("owner, {}", agents.join(", ")),
    };
    let mut out =
        format!("name         {}\ngroup        {}\nreadable by  {readers} (claimed)\n", metadata.name, metadata.group);
    let times = [("created", metadata.created), ("rotated", metadata.rotated), ("expires", metadata.expires)];
    for (key, time) in times.into_iter().filter_map(|(key, time): (_, Option<Timestamp>)| Some((key, time?))) {
        let _ = writeln!(out, "{key:<12} {time}");
    }
    output::print(&out)?;
    Ok(Code::Done)
}

/// `list-agents`
pub fn list_agents(old: &OldVault, args: &ListAgents) -> Outcome {
    let agents = old.agents()?;
    if args.json.json {
        let list: Vec<_> = agents
            .iter()
            .map(|agent| {
                json!({
                    "name": agent.name,
                    "groups": agent.groups,
                    "public_key": agent.public_key.as_ref().map(|key| key.as_str()),
                    "fingerprint": agent.public_key.as_ref().map(|key| key.id().to_string()),
                    "created": null,
                    "escrow": agent.escrow,
                })
            })
            .collect();
        output::json(&list)?;
        return Ok(Code::Done);
    }
    let rows: Vec<Vec<Cell>> = agents
        .iter()
        .map(|agent| {
            let key = agent.public_key.as_ref().map_or_else(|| "-".to_owned(), |key| key.id().to_string());
            vec![
                Cell::plain(&agent.name),
                Cell::plain(if agent.groups.is_empty() { "-".into() } else { agent.groups.join(" ") }),
                Cell::plain(key),
                Cell::plain(if agent.escrow { "yes" } else { "no" }),
            ]
        })
        .collect();
    output::print(&table::render(&["NAME", "GROUPS", "KEY", "ESCROW"], &rows, output::stdout_coloured()))?;
    Ok(Code::Done)
}
