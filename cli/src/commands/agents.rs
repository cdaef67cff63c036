//! `add-agent`, `remove-agent`, `list-agents`

use super::{Bar, as_owner, change_json, fingerprint, tell_change, warn_exposed};
use crate::app::{AddAgent, ListAgents, RemoveAgent};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Found, Setting, pretty};
use crate::table::{self, Cell};
use agent_vault_core::recipient::Recipient;
use serde_json::json;
use std::path::Path;

/// Adds an agent, and says what to do with its key.
pub fn add(setting: &Setting, args: &AddAgent) -> Outcome {
    let public_key: Option<Recipient> = args.public_key.as_deref().map(str::parse).transpose()?;
    let (key, owner) =
        as_owner(setting, |owner| Ok((owner.add_agent(&args.name, public_key)?, fingerprint(owner.vault()))))?;
    if args.json.json {
        let file = key.file.as_ref().map(|file| file.display().to_string());
        output::json(
            &json!({"name": args.name.as_str(), "public_key": key.public_key.as_str(), "key_file": file, "owner_fingerprint": owner}),
        )?;
        return Ok(Code::Done);
    }
    output::note(&format!("agent {} added ({})", args.name, key.public_key.id()));
    match &key.file {
        Some(file) => tell_key(file),
        None => output::note(
            "  it keeps its own private key: there is no copy in escrow, so it can be replaced but not restored",
        ),
    }
    output::note(&format!("It can read nothing yet: agent-vault grant {} GROUP", args.name));
    if key.file.is_none() {
        output::note(&format!("On its machine, expect this owner: export AGENT_VAULT_OWNER={owner}"));
    }
    Ok(Code::Done)
}

/// What to do with a key now.
pub fn tell_key(file: &Path) {
    let path = pretty(file);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    output::note(&format!("  its key is {path}; a copy is in escrow"));
    output::note(&format!("  here:            agent-vault get NAME --key {path}"));
    output::note(&format!("  another machine: scp {path} HOST:{name}    then there: export AGENT_VAULT_KEY=~/{name}"));
    output::note("  CI:              store the file's text as a masked variable named AGENT_VAULT_KEY");
}

/// Removes an agent.
pub fn remove(setting: &Setting, args: &RemoveAgent) -> Outcome {
    let bar = Bar::new("re-encrypting");
    let change =
        as_owner(setting, |owner| owner.remove_agent(&args.name, args.dry_run, &|done, all| bar.tick(done, all)))?;
    drop(bar);
    if args.json.json {
        output::json(&change_json(&change))?;
        return Ok(Code::Done);
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    output::note(&format!(
        "{verb} agent {}; {} re-encrypted without it",
        args.name,
        output::count(change.loses.len(), "secret")
    ));
    tell_change(&change);
    if !args.dry_run {
        warn_exposed(&change);
    }
    Ok(Code::Done)
}

/// Lists agents.
pub fn list(setting: &Setting, args: &ListAgents) -> Outcome {
    let vault = match setting.any_vault_to_look_at()? {
        Found::Signed(vault) => vault,
        Found::Old(old) => return super::old::list_agents(&old, args),
    };
    let agents = vault.agents()?;
    if args.json.json {
        let list: Vec<_> = agents
            .iter()
            .map(|agent| {
                json!({
                    "name": agent.name.as_str(),
                    "groups": agent.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>(),
                    "public_key": agent.public_key.as_str(),
                    "fingerprint": agent.public_key.id().to_string(),
                    "created": agent.created,
                    "escrow": agent.escrow,
                })
            })
            .collect();
        output::json(&list)?;
        return Ok(Code::Done);
    }
    if agents.is_empty() {
        output::note("no agents yet: `agent-vault add-agent NAME` adds one");
        return Ok(Code::Done);
    }
    let rows: Vec<Vec<Cell>> = agents
        .iter()
        .map(|agent| {
            let groups: Vec<&str> = agent.groups.iter().map(|group| group.as_str()).collect();
            vec![
                Cell::plain(agent.name.as_str()),
                Cell::plain(if groups.is_empty() { "-".into() } else { groups.join(" ") }),
                Cell::plain(agent.public_key.id().to_string()),
                Cell::plain(&agent.created.to_string()[..10]),
                Cell::plain(if agent.escrow { "yes" } else { "no" }),
            ]
        })
        .collect();
    output::print(&table::render(&["NAME", "GROUPS", "KEY", "ADDED", "ESCROW"], &rows, output::stdout_coloured()))?;
    Ok(Code::Done)
}
