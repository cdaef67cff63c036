//! `trust`

use super::{confirm, fingerprint};
use crate::app::{Trust, TrustCommand};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::trust::Pin;
use agent_vault_core::{Context, FirstContact, Vault, trust, vault};
use serde_json::json;

/// Shows or changes which vaults are trusted.
pub fn run(setting: &Setting, args: &Trust) -> Outcome {
    match &args.command {
        None => show(setting, false),
        Some(TrustCommand::Show { json }) => show(setting, json.json),
        Some(TrustCommand::Add { owner }) => add(setting, owner.as_deref()),
        Some(TrustCommand::Replace { owner, yes }) => replace(setting, owner.as_deref(), *yes),
        Some(TrustCommand::Forget { id, yes }) => forget(setting, id.as_deref(), *yes),
    }
}

fn show(setting: &Setting, as_json: bool) -> Outcome {
    let known = trust::remembered(&setting.context.home)?;
    if as_json {
        let list: Vec<_> = known
            .iter()
            .map(|vault| {
                json!({
                    "vault": vault.pin.vault,
                    "owner_fingerprint": vault.pin.fingerprint(),
                    "root": vault.pin.root,
                    "owners": vault.pin.owners.iter().map(|owner| owner.name.as_str()).collect::<Vec<_>>(),
                    "places": vault.places,
                })
            })
            .collect();
        output::json(&list)?;
        return Ok(Code::Done);
    }
    if known.is_empty() {
        output::note("no vault is known here yet");
    }
    let mut out = String::new();
    for vault in known {
        out.push_str(&format!("{}\n{}", vault.pin.vault, owners(&vault.pin)));
        vault.places.iter().for_each(|place| out.push_str(&format!("  in {place}\n")));
    }
    output::print(&out)?;
    Ok(Code::Done)
}

/// Who owns a vault. The fingerprint that people compare is always that of the key which signed root 1.
fn owners(pin: &Pin) -> String {
    if let (1, [owner]) = (pin.root, pin.owners.as_slice()) {
        return format!("  owner {} ({}), root 1\n", pin.fingerprint(), owner.name);
    }
    let each = pin.owners.iter().map(|owner| format!("  owner {} ({})\n", owner.name, owner.signing_key.fingerprint()));
    format!("  first signed by {}, now root {}\n{}", pin.fingerprint(), pin.root, each.collect::<String>())
}

/// The setting's context, accepting the vault found here if its owner is the expected one.
fn accepting(setting: &Setting, owner: Option<&str>) -> Context {
    let mut context = setting.context.clone();
    context.expected_owner = owner.map(str::to_owned).or(context.expected_owner);
    context.first_contact = match (&context.expected_owner, context.first_contact) {
        (Some(_), _) | (None, FirstContact::Refuse) => FirstContact::Accept,
        (None, other) => other,
    };
    context
}

fn add(setting: &Setting, owner: Option<&str>) -> Outcome {
    open(setting, accepting(setting, owner))
}

fn open(setting: &Setting, context: Context) -> Outcome {
    let vault = Vault::open(&setting.dir, context, None)?;
    crate::setting::tell(&vault);
    let pin = vault.pin();
    let names: Vec<&str> = pin.owners.iter().map(|owner| owner.name.as_str()).collect();
    let now = if pin.root == 1 { String::new() } else { format!(", root {} of {}", pin.root, names.join(", ")) };
    output::print(&format!("trusted: vault {}, owner {}{now}\n", vault.id(), fingerprint(&vault)))?;
    Ok(Code::Done)
}

fn replace(setting: &Setting, owner: Option<&str>, yes: bool) -> Outcome {
    let dir = vault::find(&setting.dir, &setting.context.home)?;
    confirm(&format!("Trust whatever vault {} holds now, in place of the one it held before?", dir.display()), yes)?;
    // What is remembered stays until the new vault is trusted: a no, or another owner, changes nothing.
    open(setting, Context { replace: true, ..accepting(setting, owner) })
}

fn forget(setting: &Setting, id: Option<&str>, yes: bool) -> Outcome {
    let id = match id {
        Some(id) => id.parse()?,
        None => Vault::open(&setting.dir, setting.context.clone(), None)?.id(),
    };
    confirm(
        &format!("Forget vault {id} and everything seen of it? A rollback or replacement will not be noticed once."),
        yes,
    )?;
    trust::forget_vault(&setting.context.home, id)?;
    output::note(&format!("forgot vault {id}"));
    Ok(Code::Done)
}
