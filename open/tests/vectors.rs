//! The table that every face agrees on, `core/tests/vectors`, run as the faces open vaults. Its README says what a case is.

mod table;

use agent_vault_core::vault::SetRequest;
use agent_vault_core::{Error, Identities, Result, SecretBytes, Vault};
use agent_vault_open::{Found, Opening};
use serde_json::Value;
use table::{Machine, value};

/// What a step came to.
enum Outcome {
    Value(SecretBytes),
    Names(Vec<String>, usize),
    Nothing,
}

fn done(machine: &Machine, step: &Value) -> Result<Outcome> {
    let opening = machine.opening(step)?;
    let identities = opening.identities()?;
    let found = opening.any_vault(Some(&identities))?;
    if let Some(path) = step["get"].as_str() {
        let value = read(&found, path, &identities)?;
        return match step["as"].as_str() {
            Some("text") => value.text(path).map(|_| Outcome::Nothing),
            _ => Ok(Outcome::Value(value)),
        };
    }
    if let Some(path) = step["store"].as_str() {
        return store(&opening, &found, path, step, &identities);
    }
    if let Some(group) = step.get("list") {
        let group = group.as_str().map(str::parse).transpose()?;
        let listing = match &found {
            Found::Signed(vault) => vault.list(group.as_ref())?,
            Found::Old(old) => old.list(group.as_ref())?,
        };
        return Ok(Outcome::Names(listing.rows.into_iter().map(|row| row.name).collect(), listing.broken.len()));
    }
    assert!(step["agents"].as_bool().is_some(), "no such step: {step}");
    match &found {
        Found::Signed(vault) => drop(vault.agents()?),
        Found::Old(old) => drop(old.agents()?),
    }
    Ok(Outcome::Nothing)
}

fn read(found: &Found, path: &str, identities: &Identities) -> Result<SecretBytes> {
    let path = path.parse()?;
    match found {
        Found::Signed(vault) => vault.get(&path, identities).map(|secret| secret.value),
        Found::Old(old) => old.get(&path, identities).map(|secret| secret.value),
    }
}

fn store(opening: &Opening, found: &Found, path: &str, step: &Value, identities: &Identities) -> Result<Outcome> {
    let vault: &Vault = match found {
        Found::Signed(vault) => vault,
        Found::Old(_) => return Err(Error::UnsignedVault { vault: opening.dir.clone() }),
    };
    let request = SetRequest { value: value(step).map(SecretBytes::new), ..SetRequest::default() };
    vault.unlock(identities)?.set(&path.parse()?, request, false).map(|_| Outcome::Nothing)
}

fn judge(name: &str, step: &Value, outcome: Result<Outcome>) {
    let fails = &step["fails"];
    match outcome {
        Err(error) => {
            let told = (error.code(), error.class().to_string());
            assert!(!fails.is_null(), "{name}: {step}: {error}");
            assert_eq!(
                (fails["code"].as_str(), fails["class"].as_str()),
                (Some(told.0), Some(&*told.1)),
                "{name}: {error}"
            );
        }
        Ok(_) if !fails.is_null() => panic!("{name}: {step} did not fail"),
        Ok(Outcome::Value(found)) => assert_eq!(Some(found.expose()), value(step).as_deref(), "{name}"),
        Ok(Outcome::Names(names, broken)) => {
            assert_eq!(step["names"], serde_json::json!(names), "{name}");
            assert_eq!(step["broken"], broken, "{name}");
        }
        Ok(Outcome::Nothing) => {}
    }
}

fn run(file: &str) {
    let cases = table::cases(file);
    assert!(cases.len() > 5, "{file} has hardly any cases");
    for case in &cases {
        let name = format!("{file}: {}", case["name"]);
        let machine = Machine::new(case["vault"].as_str().expect("a vault"));
        for step in case["steps"].as_array().expect("steps") {
            if !machine.changed_by(step) {
                judge(&name, step, done(&machine, step));
            }
        }
    }
}

#[test]
fn every_face_refuses_the_same_names() {
    run("names.json");
}

#[test]
fn every_face_takes_the_same_keys() {
    run("keys.json");
}

#[test]
fn every_face_says_the_same_of_a_vault_that_was_tampered_with() {
    run("tampered.json");
}

#[test]
fn every_face_gives_back_the_same_bytes() {
    run("values.json");
}

#[test]
fn no_file_of_the_table_is_left_out() {
    assert_eq!(table::files(), ["keys.json", "names.json", "tampered.json", "values.json"]);
}
