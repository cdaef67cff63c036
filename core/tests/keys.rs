//! Threats C: no key is lost, none is handed to another, and nothing half-made stays behind.

mod common;

use agent_vault_core::{Class, Error, Home, Result};
use common::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn recipient(key: &Path) -> agent_vault_core::recipient::Recipient {
    key_of(key).recipients().next().cloned().expect("a public key")
}

#[test]
fn c1_a_second_init_keeps_the_owner_key_and_says_so() {
    let setup = Setup::new();
    setup.set("app/key", b"first vault");
    let key = std::fs::read(setup.home.owner_key()).unwrap();
    let second = init(&setup.temp().join("second"), &setup.home).unwrap();
    assert!(!second.created_key);
    assert_eq!(second.owner_key, setup.home.owner_key());
    assert_eq!(std::fs::read(setup.home.owner_key()).unwrap(), key);
    // One key, two vaults: it writes and reads both.
    let owner = second.vault.unlock(&setup.owner).unwrap();
    owner.set(&path("app/key"), new_value(b"second vault"), false).unwrap();
    assert_eq!(second.vault.get(&path("app/key"), &setup.owner).unwrap().value.expose(), b"second vault");
    assert_eq!(setup.get("app/key", &setup.home.owner_key()).unwrap(), b"first vault");
}

#[test]
fn c1_a_second_init_of_the_same_vault_is_refused_with_nothing_changed() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let before = setup.everything();
    let again = init(&setup.repo, &setup.home).map(drop);
    assert!(matches!(again, Err(Error::Exists { what: "vault", .. })), "{again:?}");
    assert!(setup.everything() == before, "something was changed");
}

/// Everything below a folder, empty folders included; of a repository only what is not its scratch paper.
fn trace(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(dir);
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
        {
            folders.push(entry.clone());
            found.insert(entry, Vec::new());
        }
    }
    found.retain(|path, _| {
        let path = path.to_string_lossy();
        !path.contains("/.git/objects/") && !path.contains("/.git/agent-vault")
    });
    found
}

#[test]
fn c2_an_init_that_fails_leaves_nothing_behind() {
    type Arrange = fn(&Path);
    let cases: [(&str, Arrange); 4] = [
        ("the owner key cannot be used", |temp| {
            std::fs::create_dir(temp.join("home")).unwrap();
            std::fs::write(temp.join("home/owner.key"), "mistyped").unwrap();
        }),
        ("the home cannot be made", |temp| std::fs::write(temp.join("home"), "a file").unwrap()),
        ("the branch cannot be moved, at the very end", |temp| {
            make_repository(&temp.join("repo"));
            std::fs::write(temp.join("repo/.git/refs/heads/main.lock"), "").unwrap();
        }),
        ("a merge is under way", |temp| {
            make_repository(&temp.join("repo"));
            std::fs::write(temp.join("repo/.git/MERGE_HEAD"), "0".repeat(40)).unwrap();
        }),
    ];
    for (why, arrange) in cases {
        let temp = tempfile::tempdir().unwrap();
        arrange(temp.path());
        let before = trace(temp.path());
        let failed = init(&temp.path().join("repo/deep/inside"), &Home::new(temp.path().join("home"))).map(drop);
        assert!(failed.is_err(), "{why}, and it was made");
        let after = trace(temp.path());
        let left: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).collect();
        assert!(left.is_empty() && after.len() == before.len(), "{why}: {left:?}");
    }
}

#[test]
fn c2_init_outside_git_makes_a_repository_and_says_so_first() {
    let temp = tempfile::tempdir().unwrap();
    let made = init(&temp.path().join("new"), &Home::new(temp.path().join("home"))).unwrap();
    assert!(made.created_repository && made.created_key);
    assert_eq!(git_in(&temp.path().join("new"), &["status", "--porcelain"]), "");
    made.vault.verify().unwrap();
}

#[test]
fn c3_the_same_agent_name_in_two_vaults_loses_no_key() {
    let setup = Setup::new();
    setup.set("app/key", b"first vault");
    let second = init(&setup.temp().join("second"), &setup.home).unwrap().vault;
    let second_owner = second.unlock(&setup.owner).unwrap();
    second_owner.set(&path("app/key"), new_value(b"second vault"), false).unwrap();
    let first_key = setup.own(|owner| owner.add_agent(&agent("ci"), None)).unwrap().file.unwrap();
    let second_key = second_owner.add_agent(&agent("ci"), None).unwrap().file.unwrap();
    assert_ne!(first_key, second_key);
    setup.grant("ci", "app");
    second_owner.grant(&agent("ci"), &group("app"), false, false, &quiet).unwrap();
    assert_eq!(setup.get("app/key", &first_key).unwrap(), b"first vault");
    assert_eq!(second.get(&path("app/key"), &key_of(&second_key)).unwrap().value.expose(), b"second vault");
    // A recovered agent's new key does not overwrite the old one either.
    let third_key = setup.own(|owner| owner.recover_agent(&agent("ci"), &quiet)).unwrap().file.unwrap();
    assert_eq!(setup.get("app/key", &third_key).unwrap(), b"first vault");
    assert!(first_key.exists() && third_key != first_key);
}

#[cfg(unix)]
#[test]
fn c4_everything_in_the_home_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new();
    setup.own(|owner| owner.add_agent(&agent("ci"), None)).unwrap();
    setup.set("app/key", b"value");
    setup.own(|owner| owner.recover_agent(&agent("ci"), &quiet)).unwrap();
    setup.own(|owner| owner.restore_agent(&agent("ci"), &setup.home.dir().join("to/ci.key"), false)).unwrap();
    setup.vault().list(None).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    for (path, _) in trace(setup.home.dir()) {
        let right = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), right, "{}", path.display());
    }
    assert_eq!(mode(setup.home.dir()), 0o700);
}

#[test]
fn c6_nobody_but_the_owner_changes_anything() {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    setup.grant("billing", "app");
    setup.set("app/key", b"value");
    let stranger = setup.temp().join("stranger.key");
    run(stock("age-keygen", setup.temp()).arg("-o").arg(&stranger));
    let before = setup.everything();
    for key in [&key, &stranger] {
        let vault = setup.vault();
        let error = vault.unlock(&key_of(key)).map(drop).unwrap_err();
        assert!(matches!(error, Error::NotOwner { .. }), "{error:?}");
        assert_eq!(error.class(), Class::NotAuthorized);
    }
    assert!(setup.everything() == before, "something was changed");
}

#[test]
fn c6_a_recovery_that_fails_changes_nothing_and_leaves_no_key() {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    setup.grant("billing", "app");
    setup.set("app/key", b"value");
    let lock = setup.repo.join(".git/refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let before = setup.everything();
    setup.own(|owner| {
        assert!(owner.recover_agent(&agent("billing"), &quiet).is_err());
        assert!(owner.add_agent(&agent("other"), None).is_err());
        assert!(matches!(owner.recover_agent(&agent("bilIing"), &quiet), Err(Error::NotFound { .. })));
    });
    assert!(setup.everything() == before, "something was changed");
    assert_eq!(setup.get("app/key", &key).unwrap(), b"value");
    std::fs::remove_file(&lock).unwrap();
    setup.own(|owner| owner.recover_agent(&agent("billing"), &quiet)).unwrap();
}

#[test]
fn an_agent_cannot_be_added_with_a_name_or_key_that_is_taken() {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    let before = setup.everything();
    let refused = |name: &str, key: Option<&Path>, what: &str| {
        let added: Result<_> = setup.own(|owner| owner.add_agent(&agent(name), key.map(recipient)));
        assert!(matches!(&added, Err(Error::Exists { what: found, .. }) if *found == what), "{added:?}");
    };
    refused("billing", None, "agent");
    refused("Billing", None, "agent");
    // Revoked from one of the two, the other would read on with the same key.
    refused("second", Some(&key), "key");
    refused("second", Some(&setup.home.owner_key()), "key");
    assert!(setup.everything() == before, "something was changed");
}

#[test]
fn b2_a_restored_key_is_the_original_and_overwrites_nothing_unasked() {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    let to = setup.temp().join("somewhere/billing.key");
    let restore = |force| setup.own(|owner| owner.restore_agent(&agent("billing"), &to, force));
    restore(false).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&key).unwrap());
    std::fs::write(&to, "something else").unwrap();
    assert!(matches!(restore(false), Err(Error::Exists { what: "file", .. })));
    assert_eq!(std::fs::read(&to).unwrap(), b"something else");
    restore(true).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&key).unwrap());
    let brought = ssh_key(&setup.temp().join("id"), "ed25519");
    let public = public_half(&brought).parse().unwrap();
    setup.own(|owner| owner.add_agent(&agent("own-key"), Some(public))).unwrap();
    let nothing = setup.own(|owner| owner.restore_agent(&agent("own-key"), &to, true));
    assert!(matches!(nothing, Err(Error::NotFound { what: "escrow of agent", .. })), "{nothing:?}");
}
