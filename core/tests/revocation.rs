//! Threats D: what "revoked" means. Each attack is made with the agent's old key and stock age, which knows nothing of
//! vaults: what opens there is readable, whatever the documents say.

mod common;

use agent_vault_core::check::{Finding, check};
use agent_vault_core::vault::{AccessChange, SetRequest};
use agent_vault_core::{Class, Error};
use common::*;
use std::path::Path;

/// A vault in which `billing` reads by group, by name, and both; returns it and the agent's key.
fn vault_with_billing() -> (Setup, std::path::PathBuf) {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    setup.add_agent("other");
    setup.grant("billing", "app");
    setup.grant("other", "app");
    setup.set("app/by-group", b"by group");
    setup.set_for("app/by-both", b"by both", &["billing"]);
    setup.set_for("elsewhere/by-name", b"by name", &["billing", "other"]);
    let request = SetRequest { group: Some(group("app")), ..new_value(b"moved in") };
    setup.own(|owner| owner.set(&path("misc/moved-in"), request, false)).unwrap();
    assert!(setup.ciphertexts().iter().all(|file| age_opens(&key, file).is_some()), "it reads all of it at first");
    (setup, key)
}

/// The names of the secrets whose current ciphertext opens with a key, by stock age.
fn readable(setup: &Setup, key: &Path) -> Vec<String> {
    let secrets = setup.file("secrets");
    let opened = setup.ciphertexts().into_iter().filter(|file| age_opens(key, file).is_some());
    opened.map(|file| file.strip_prefix(&secrets).unwrap().with_extension("").display().to_string()).collect()
}

/// The owner must still read everything, and policy and fact must agree.
fn owner_reads_all(setup: &Setup) {
    assert_eq!(readable(setup, &setup.home.owner_key()).len(), setup.ciphertexts().len());
    setup.vault().verify().expect("the vault verifies");
    assert!(findings(setup, "policy-differs").is_empty());
}

fn findings(setup: &Setup, code: &str) -> Vec<Finding> {
    let all = check(&setup.vault(), 30).expect("check looks");
    all.into_iter().filter(|finding| finding.code == code).collect()
}

/// `name@key-id` of a key file.
fn exposure(name: &str, key: &Path) -> String {
    format!("{name}@{}", key_of(key).recipients().next().unwrap().id())
}

#[test]
fn d1_after_revoke_no_current_ciphertext_of_the_group_opens_with_the_agents_key() {
    let (setup, key) = vault_with_billing();
    setup.revoke("billing", "app");
    assert_eq!(readable(&setup, &key), ["elsewhere/by-name"], "that is another group's");
    assert_eq!(setup.get("app/by-both", &key).unwrap_err().class(), Class::NotAuthorized);
    owner_reads_all(&setup);
    setup.own(|owner| owner.revoke_secret(&agent("billing"), &path("elsewhere/by-name"), false)).unwrap();
    assert_eq!(readable(&setup, &key), Vec::<String>::new());
    owner_reads_all(&setup);
    // What is written later is for those who may read it then.
    setup.set("app/by-group", b"new");
    setup.set("app/new", b"new");
    setup.own(|owner| owner.set(&path("app/by-both"), described("x"), false)).unwrap();
    assert_eq!(readable(&setup, &key), Vec::<String>::new());
}

#[test]
fn d1_after_remove_agent_no_current_ciphertext_opens_with_its_key() {
    let (setup, key) = vault_with_billing();
    setup.own(|owner| owner.remove_agent(&agent("billing"), false, &quiet)).unwrap();
    assert_eq!(readable(&setup, &key), Vec::<String>::new());
    assert!(!setup.file("agents/billing").exists(), "nothing of it stays");
    owner_reads_all(&setup);
    // The name with another key brings nothing back, neither to the old key nor, of what was granted by name, to the new.
    let second = setup.add_agent("billing");
    setup.grant("billing", "app");
    assert_eq!(readable(&setup, &key), Vec::<String>::new());
    assert_eq!(readable(&setup, &second), ["app/by-both", "app/by-group", "misc/moved-in"]);
    owner_reads_all(&setup);
}

#[test]
fn d1_after_recover_agent_no_current_ciphertext_opens_with_the_old_key() {
    let (setup, key) = vault_with_billing();
    let before = readable(&setup, &key);
    let made = setup.own(|owner| owner.recover_agent(&agent("billing"), &quiet)).unwrap();
    assert_eq!(readable(&setup, &key), Vec::<String>::new());
    assert_eq!(readable(&setup, made.file.as_deref().unwrap()), before, "the new key has what the old one had");
    owner_reads_all(&setup);
}

#[test]
fn d1_the_escrow_of_a_recovered_agent_holds_the_new_key_only() {
    let (setup, old) = vault_with_billing();
    setup.own(|owner| owner.recover_agent(&agent("billing"), &quiet)).unwrap();
    let restored = setup.temp().join("restored.key");
    setup.own(|owner| owner.restore_agent(&agent("billing"), &restored, false)).unwrap();
    assert_ne!(exposure("billing", &restored), exposure("billing", &old));
    assert_eq!(setup.get("app/by-group", &restored).unwrap(), b"by group");
}

#[test]
fn a_dry_run_tells_what_a_change_would_do_and_changes_nothing() {
    let (setup, key) = vault_with_billing();
    let before = setup.everything();
    let would = setup.own(|owner| owner.revoke(&agent("billing"), &group("app"), true, &quiet)).unwrap();
    setup.own(|owner| owner.remove_agent(&agent("billing"), true, &quiet)).unwrap();
    setup.own(|owner| owner.grant(&agent("other"), &group("elsewhere"), false, true, &quiet)).unwrap();
    setup.own(|owner| owner.set(&path("app/by-group"), new_value(b"new"), true)).unwrap();
    let requests = vec![(path("app/by-group"), new_value(b"new")), (path("app/new"), new_value(b"new"))];
    setup.own(|owner| owner.set_many(requests, "import", true, &quiet)).unwrap();
    assert!(setup.everything() == before, "a dry run changed something");
    let did = setup.own(|owner| owner.revoke(&agent("billing"), &group("app"), false, &quiet)).unwrap();
    assert_eq!(AccessChange { commit: None, ..did }.loses, would.loses);
    let lost: Vec<String> = would.loses.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(lost, ["app/by-both", "app/by-group", "misc/moved-in"]);
    assert!(would.loses.iter().all(|(_, keys)| *keys == [exposure("billing", &key)]), "{would:?}");
}

/// A request that changes only the description.
fn described(text: &str) -> SetRequest {
    SetRequest { description: Some(Some(text.into())), ..SetRequest::default() }
}

#[test]
fn d0_exposed_to_names_exactly_the_keys_that_could_read_the_value_and_no_longer_may() {
    let setup = Setup::new();
    let a = exposure("a", &setup.add_agent("a"));
    let first_b = exposure("b", &setup.add_agent("b"));
    setup.add_agent("never");
    setup.set("app/key", b"value");
    setup.grant("a", "app");
    setup.grant("b", "app");
    let exposed_to = |name: &str, keys: &[&String]| {
        let mut keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        keys.sort();
        assert_eq!(setup.exposed(name), keys);
    };
    let change = |request: SetRequest| setup.own(|owner| owner.set(&path("app/key"), request, false)).unwrap();
    exposed_to("app/key", &[]);
    setup.revoke("a", "app");
    exposed_to("app/key", &[&a]);
    setup.own(|owner| owner.remove_agent(&agent("never"), false, &quiet)).unwrap();
    setup.own(|owner| owner.remove_agent(&agent("b"), false, &quiet)).unwrap();
    exposed_to("app/key", &[&a, &first_b]);
    // The name returns with another key: the first one has read the value all the same.
    let second_b = exposure("b", &setup.add_agent("b"));
    setup.grant("b", "app");
    exposed_to("app/key", &[&a, &first_b]);
    let third_b = setup.own(|owner| owner.recover_agent(&agent("b"), &quiet)).unwrap();
    let third_b = exposure("b", third_b.file.as_deref().unwrap());
    exposed_to("app/key", &[&a, &first_b, &second_b]);
    // Who may read again is not exposed to.
    setup.grant("a", "app");
    exposed_to("app/key", &[&first_b, &second_b]);
    change(described("a line for people"));
    exposed_to("app/key", &[&first_b, &second_b]);
    // Moved to a group without members, and given to one of them by name, and taken back.
    change(SetRequest { group: Some(group("closed")), ..SetRequest::default() });
    exposed_to("app/key", &[&a, &first_b, &second_b, &third_b]);
    change(SetRequest { agents: Some(vec![agent("a")]), ..SetRequest::default() });
    exposed_to("app/key", &[&first_b, &second_b, &third_b]);
    change(SetRequest { agents: Some(Vec::new()), ..SetRequest::default() });
    exposed_to("app/key", &[&a, &first_b, &second_b, &third_b]);
    change(SetRequest { group: Some(group("app")), ..SetRequest::default() });
    exposed_to("app/key", &[&first_b, &second_b]);
    // A group that came from the name follows a new name.
    setup.own(|owner| owner.rename(&path("app/key"), &path("alone/key"))).unwrap();
    exposed_to("alone/key", &[&a, &first_b, &second_b, &third_b]);
    // A new value has been read by nobody who may not.
    setup.set("alone/key", b"value");
    exposed_to("alone/key", &[]);
}

#[test]
fn d2_a_revocation_of_nothing_says_so_and_changes_nothing() {
    let (setup, key) = vault_with_billing();
    setup.set("closed/key", b"value");
    let before = setup.everything();
    let readable_before = readable(&setup, &key);
    let not_found = |result: Result<AccessChange, Error>, kind: &str, like: Option<&str>| match result {
        Err(Error::NotFound { what, near, .. }) => assert_eq!((what, near.as_deref()), (kind, like)),
        other => panic!("{other:?}"),
    };
    let conflict = |result: Result<AccessChange, Error>, says: &str| match result {
        Err(Error::Conflict { message, .. }) => assert!(message.contains(says), "{message}"),
        other => panic!("{other:?}"),
    };
    setup.own(|owner| {
        let revoke = |name, of| owner.revoke(&agent(name), &group(of), false, &quiet);
        let revoke_secret = |name, of| owner.revoke_secret(&agent(name), &path(of), false);
        not_found(revoke("biling", "app"), "agent", Some("billing"));
        not_found(revoke("billing", "apb"), "group", Some("app"));
        conflict(revoke("billing", "closed"), "does not have group closed: nothing was revoked");
        not_found(revoke_secret("biling", "app/by-group"), "agent", Some("billing"));
        not_found(revoke_secret("billing", "app/by-grop"), "secret", Some("app/by-group"));
        // Named by itself, but its group gives it still: taking the name away would revoke nothing.
        conflict(revoke_secret("billing", "app/by-both"), "reads app/by-both through group app");
        conflict(revoke_secret("billing", "closed/key"), "cannot read closed/key: nothing was revoked");
        not_found(owner.remove_agent(&agent("biling"), false, &quiet), "agent", Some("billing"));
    });
    assert!(setup.everything() == before, "something was changed");
    assert_eq!(readable(&setup, &key), readable_before);
}

#[test]
fn d3_a_revoked_value_is_marked_until_it_is_set_anew() {
    let (setup, key) = vault_with_billing();
    let marked = || -> Vec<String> { findings(&setup, "rotation-due").into_iter().map(|f| f.subject).collect() };
    let ciphertext = setup.file("secrets/app/by-group.enc");
    let copy = setup.temp().join("copy.enc");
    std::fs::copy(&ciphertext, &copy).unwrap();
    assert_eq!(marked(), Vec::<String>::new());
    setup.revoke("billing", "app");
    assert_eq!(marked(), ["app/by-both", "app/by-group", "misc/moved-in"]);
    // The mark is no formality: copies and history open as ever, and the finding says so.
    assert_eq!(age_opens(&key, &copy).unwrap(), b"by group");
    let history = setup.temp().join("history.enc");
    let old = ["show", "HEAD~1:.agent-vault/secrets/app/by-group.enc"];
    std::fs::write(&history, run(stock("git", &setup.repo).args(old))).unwrap();
    assert_eq!(age_opens(&key, &history).unwrap(), b"by group");
    let finding = findings(&setup, "rotation-due").into_iter().find(|f| f.subject == "app/by-group").unwrap();
    assert!(finding.message.contains(&exposure("billing", &key)), "{finding:?}");
    assert!(finding.message.contains("history and copies stay readable"), "{finding:?}");
    assert!(finding.remedy.contains("rotate the credential at its source"), "{finding:?}");

    // Neither other changes nor a second revocation take the mark away; a new value does, and only of itself.
    setup.own(|owner| owner.set(&path("app/by-group"), described("text"), false)).unwrap();
    setup.revoke("other", "app");
    setup.grant("other", "app");
    assert_eq!(marked(), ["app/by-both", "app/by-group", "misc/moved-in"]);
    setup.set("app/by-group", b"rotated");
    assert_eq!(marked(), ["app/by-both", "misc/moved-in"]);
    let listed = setup.vault().list(None).unwrap();
    let rows: Vec<_> = listed.rows.iter().filter(|row| !row.exposed_to.is_empty()).map(|row| &row.name).collect();
    assert_eq!(rows, ["app/by-both", "misc/moved-in"]);
}
