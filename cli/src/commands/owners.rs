//! `add-owner`, `remove-owner`, `rotate-owner`

use super::{Bar, as_owner, change_json, tell_change, texts, warn_exposed};
use crate::app::{AddOwner, RemoveOwner, RotateOwner};
use crate::exit::{Code, Outcome};
use crate::output::{self, count};
use crate::setting::{Setting, pretty};
use crate::terminal::Terminal;
use agent_vault_core::card::Card;
use agent_vault_core::vault::OwnersChange;
use agent_vault_core::{Error, Identities, Result};
use serde_json::{Value, json};

/// Makes the maker of a card an owner.
pub fn add(setting: &Setting, args: &AddOwner) -> Outcome {
    let card = Card::read(&args.card)?;
    let bar = Bar::new("re-encrypting");
    let done = as_owner(setting, |owner| {
        owner.vault().check_card(&card)?;
        if !args.dry_run {
            compare(&card, args)?;
        }
        owner.add_owner(&card, args.dry_run, &|done, all| bar.tick(done, all))
    })?;
    drop(bar);
    if args.json.json {
        let key = Key { public_key: card.public_key.to_string(), fingerprint: card.fingerprint(), file: None };
        output::json(&change_of(card.name.as_str(), &done, Some(key)))?;
        return Ok(Code::Done);
    }
    let verb = if args.dry_run { "would be added" } else { "added" };
    output::note(&format!(
        "owner {} {verb} ({}): root {}, {} and {} encrypted for them too",
        card.name,
        card.fingerprint(),
        done.root,
        count(done.change.gains.len(), "secret"),
        count(done.escrowed.len(), "agent's key"),
    ));
    tell_change(&done.change);
    Ok(Code::Done)
}

/// Nobody becomes an owner whose card was not compared: with what its maker said, or by whoever sits here.
fn compare(card: &Card, args: &AddOwner) -> Result<()> {
    let found = card.fingerprint();
    match &args.fingerprint {
        Some(expected) if *expected == found => return Ok(()),
        Some(expected) => {
            return Err(Error::Tampered {
                file: args.card.clone(),
                reason: format!(
                    "the card's fingerprint is {found}, and {} is expected",
                    agent_vault_core::error::printable(expected)
                ),
            });
        }
        None if args.yes => return Ok(()),
        None => {}
    }
    let question = format!(
        "{} wants to become an owner of this vault, with the key {}.\nThe card's fingerprint is {found}.\nCompare it with {}. Make them an owner, who can do everything that you can?",
        card.name,
        card.public_key.id(),
        card.name,
    );
    if Terminal::confirm(&question, "say --fingerprint SHA256:… as the card's maker told it, or --yes")? {
        Ok(())
    } else {
        Err(Error::Refused { what: format!("making {} an owner", card.name) })
    }
}

/// Takes an owner's every right.
pub fn remove(setting: &Setting, args: &RemoveOwner) -> Outcome {
    let name = &args.name;
    let bar = Bar::new("re-encrypting");
    let done = as_owner(setting, |owner| {
        if !args.dry_run && !args.yes {
            // What cannot be done is told before anybody is asked.
            owner.remove_owner(name, true, &|_, _| {})?;
            super::confirm(&format!("Remove owner {name}, and encrypt everything without their key?"), false)?;
        }
        owner.remove_owner(name, args.dry_run, &|done, all| bar.tick(done, all))
    })?;
    drop(bar);
    if args.json.json {
        output::json(&change_of(name.as_str(), &done, None))?;
        return Ok(Code::Done);
    }
    let verb = if args.dry_run { "would be removed" } else { "removed" };
    let secrets = count(done.change.loses.len(), "secret");
    output::note(&format!("owner {name} {verb}: root {}, {secrets} re-encrypted without their key", done.root));
    tell_change(&done.change);
    if !args.dry_run {
        warn_exposed(&done.change);
        warn_escrow(&done, &format!("{name} could take"));
    }
    Ok(Code::Done)
}

/// Replaces the keys of whoever is at work.
pub fn rotate(setting: &Setting, args: &RotateOwner) -> Outcome {
    let given = args.new_key.as_deref().map(|file| Identities::from_file(file, &setting.context.prompt)).transpose()?;
    let bar = Bar::new("re-encrypting");
    let (name, done) = as_owner(setting, |owner| {
        let done = owner.rotate_owner(given.as_ref(), args.dry_run, &|done, all| bar.tick(done, all))?;
        Ok((owner.name().to_string(), done))
    })?;
    drop(bar);
    if args.json.json {
        let file = done.file.as_ref().map(|file| file.display().to_string());
        let key = Key { public_key: done.public_key.to_string(), fingerprint: done.fingerprint, file };
        output::json(&change_of(&name, &done.owners, Some(key)))?;
        return Ok(Code::Done);
    }
    let verb = if args.dry_run { "would get" } else { "has" };
    output::note(&format!(
        "owner {name} {verb} new keys ({}, {}): root {}, {} re-encrypted",
        done.public_key.id(),
        done.fingerprint,
        done.owners.root,
        count(done.owners.change.loses.len(), "secret"),
    ));
    tell_change(&done.owners.change);
    if args.dry_run {
        return Ok(Code::Done);
    }
    match (&done.file, &args.new_key) {
        (Some(file), _) => output::note(&format!(
            "The new key is the first one in {}; the old one stays there, for history and for other vaults. Back the file up again.",
            pretty(file)
        )),
        (None, Some(file)) => output::note(&format!(
            "From now on use --key {}. Keep the old key: former values open with nothing else.",
            pretty(file)
        )),
        (None, None) => {}
    }
    warn_exposed(&done.owners.change);
    warn_escrow(&done.owners, "whoever has the old key could take");
    Ok(Code::Done)
}

/// What taking an owner's key away does not take away: the agents' keys that it could open.
fn warn_escrow(done: &OwnersChange, who: &str) {
    if !done.escrowed.is_empty() {
        output::warn(&format!(
            "{who} the private keys of these agents out of escrow, and read on with them: {}.\n         Give each a new one: `agent-vault recover-agent NAME`.",
            texts(&done.escrowed).join(", ")
        ));
    }
}

/// An owner's new key, as JSON has it.
struct Key {
    public_key: String,
    fingerprint: String,
    file: Option<String>,
}

/// A change of owners as JSON.
fn change_of(name: &str, done: &OwnersChange, key: Option<Key>) -> Value {
    let mut fields = change_json(&done.change);
    fields["owner"] = name.into();
    fields["root"] = done.root.into();
    fields["public_key"] = json!(key.as_ref().map(|key| &key.public_key));
    fields["fingerprint"] = json!(key.as_ref().map(|key| &key.fingerprint));
    fields["key_file"] = json!(key.as_ref().and_then(|key| key.file.as_ref()));
    fields["escrowed_agents"] = json!(texts(&done.escrowed));
    fields
}
