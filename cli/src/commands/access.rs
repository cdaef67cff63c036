//! `grant` and `revoke`

use super::{Bar, as_owner, change_json, tell_change, warn_exposed};
use crate::app::{Grant, Revoke};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::vault::AccessChange;

/// Lets an agent read a group.
pub fn grant(setting: &Setting, args: &Grant) -> Outcome {
    let Grant { agent, group, .. } = args;
    let bar = Bar::new("re-encrypting");
    let change = as_owner(setting, |owner| {
        owner.grant(agent, group, args.create, args.dry_run, &|done, all| bar.tick(done, all))
    })?;
    drop(bar);
    if args.json.json {
        output::json(&change_json(&change))?;
        return Ok(Code::Done);
    }
    let secrets = output::count(change.gains.len(), "secret");
    output::note(&match (args.dry_run, change.commit.is_some()) {
        (true, _) => format!("{agent} would get group {group}: {secrets} re-encrypted for it"),
        (false, true) => format!("{agent} has group {group}: {secrets} re-encrypted for it"),
        (false, false) => format!("{agent} has group {group} already"),
    });
    tell_change(&change);
    Ok(Code::Done)
}

/// Takes a group or one secret from an agent.
pub fn revoke(setting: &Setting, args: &Revoke) -> Outcome {
    let bar = Bar::new("re-encrypting");
    let (what, change) = as_owner(setting, |owner| match (&args.group, &args.secret) {
        (_, Some(secret)) => Ok((secret.to_string(), owner.revoke_secret(&args.agent, secret, args.dry_run)?)),
        (Some(group), None) => {
            let change = owner.revoke(&args.agent, group, args.dry_run, &|done, all| bar.tick(done, all))?;
            Ok((format!("group {group}"), change))
        }
        (None, None) => Ok((String::new(), AccessChange::default())),
    })?;
    drop(bar);
    if args.json.json {
        output::json(&change_json(&change))?;
        return Ok(Code::Done);
    }
    let verb = if args.dry_run { "would be revoked" } else { "revoked" };
    output::note(&format!(
        "{what} {verb} from {}; {} re-encrypted without it",
        args.agent,
        output::count(change.loses.len(), "secret")
    ));
    tell_change(&change);
    if !args.dry_run {
        warn_exposed(&change);
    }
    Ok(Code::Done)
}
