//! Threat A7: somebody who puts himself in the owner's place, by a root, a manifest or a whole vault of his own.
//!
//! The forged vaults are good ones: made by this library, whole, and with values encrypted to the victim's own key. What
//! refuses them is only what is known of the true one.

mod common;

use agent_vault_core::check::check;
use agent_vault_core::digest::Digest;
use agent_vault_core::vault::Notice;
use agent_vault_core::{Class, Context, Error, FirstContact, Home, Identities, Result, Vault};
use common::*;
use std::path::{Path, PathBuf};

/// A vault, an agent's key for it, and another owner's vault that looks the same and gives that agent another value.
struct Scene {
    ours: Setup,
    key: PathBuf,
    theirs: Setup,
}

impl Scene {
    fn new() -> Self {
        let ours = Setup::new();
        let key = ours.add_agent("billing");
        ours.grant("billing", "app");
        ours.set("app/key", b"ours");
        let theirs = Setup::new();
        let public = key_of(&key).recipients().next().cloned();
        theirs.own(|owner| owner.add_agent(&agent("billing"), public)).unwrap();
        theirs.grant("billing", "app");
        theirs.set("app/key", b"theirs");
        Self { ours, key, theirs }
    }

    /// Their vault takes the place of ours.
    fn replace(&self) {
        for file in files(&self.ours.file("")).keys() {
            std::fs::remove_file(file).unwrap();
        }
        copy_tree(&self.theirs.file(""), &self.ours.file(""));
        self.ours.commit_as_stranger();
    }

    fn owner_fingerprint(&self) -> String {
        self.ours.vault().pin().fingerprint()
    }
}

/// Reads in a home, with a key and whatever else is known.
fn read(repo: &Path, context: Context, key: &Identities) -> Result<Vec<u8>> {
    let vault = Vault::open(repo, context, Some(key))?;
    vault.get(&path("app/key"), key).map(|secret| secret.value.expose().to_vec())
}

/// A machine that has never seen any vault.
fn fresh(setup: &Setup) -> Context {
    let home = tempfile::tempdir_in(setup.temp()).unwrap().keep();
    Context::new(Home::new(home))
}

/// Signs a file of the vault in place.
fn sign(setup: &Setup, relative: &str, namespace: &str, key: &Path) {
    let bytes = std::fs::read(setup.file(relative)).unwrap();
    std::fs::write(setup.file(relative).with_extension("sig"), ssh_sign(key, namespace, &bytes)).unwrap();
}

#[test]
fn a7_another_vault_in_a_known_place_is_refused() {
    let scene = Scene::new();
    let open = scene.ours.vault();
    let agents_machine = fresh(&scene.ours);
    // The same key without its comments: only the place is known.
    let text = std::fs::read_to_string(&scene.key).unwrap();
    let bare = scene.ours.temp().join("bare.key");
    std::fs::write(&bare, text.lines().filter(|line| !line.starts_with('#')).collect::<String>()).unwrap();
    let bare = key_of(&bare);
    assert_eq!(read(&scene.ours.repo, agents_machine.clone(), &bare).unwrap(), b"ours");
    scene.replace();
    let (_, reason) = tampered(read(&scene.ours.repo, agents_machine, &bare));
    assert!(reason.contains("this working copy held vault"), "{reason}");
    tampered(scene.ours.try_vault());
    tampered(open.get(&path("app/key"), &bare));
    // Nothing at all being known, it is what it says it is: a vault. The notice names its owner.
    let nothing_known = fresh(&scene.ours);
    let vault = Vault::open(&scene.ours.repo, nothing_known, Some(&bare)).unwrap();
    assert!(matches!(&vault.take_notices()[..], [Notice::FirstContact { .. }]));
}

#[test]
fn a7_another_vault_is_refused_by_a_key_that_was_made_for_the_true_one() {
    let scene = Scene::new();
    let (_, reason) = tampered(read(&scene.theirs.repo, fresh(&scene.ours), &key_of(&scene.key)));
    assert!(reason.contains("your key was made for vault"), "{reason}");
}

#[test]
fn a7_another_vault_is_refused_where_the_owners_fingerprint_is_expected() {
    let scene = Scene::new();
    let bare = ssh_key(&scene.ours.temp().join("id"), "ed25519");
    let expecting = Context { expected_owner: Some(scene.owner_fingerprint()), ..fresh(&scene.ours) };
    let (_, reason) = tampered(read(&scene.theirs.repo, expecting.clone(), &key_of(&bare)));
    assert!(reason.contains("AGENT_VAULT_OWNER"), "{reason}");
    assert!(Vault::open(&scene.ours.repo, expecting, None).unwrap().take_notices().is_empty());
}

#[test]
fn a7_an_unknown_vault_is_refused_where_only_known_ones_are_allowed() {
    let scene = Scene::new();
    let strict = |scene: &Scene| Context { first_contact: FirstContact::Refuse, ..fresh(&scene.ours) };
    let error = Vault::open(&scene.theirs.repo, strict(&scene), None).map(drop).unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Tampered);
    assert_eq!(read(&scene.ours.repo, strict(&scene), &key_of(&scene.key)).unwrap(), b"ours", "its key knows it");
    assert_eq!(read(&scene.ours.repo, strict(&scene), &scene.ours.owner).unwrap(), b"ours", "its owner proves it");
}

#[test]
fn a7_a_vault_that_names_the_owners_key_without_his_proof_is_refused() {
    let scene = Scene::new();
    let root = std::fs::read_to_string(scene.ours.file("roots/1.yaml")).unwrap();
    let mallory = ssh_key(&scene.ours.temp().join("mallory"), "ed25519");
    let (kept, rest) = root.split_once("signing_key: \"").unwrap();
    let (true_key, proof) = rest.split_once("\", ").unwrap();
    let public = public_half(&mallory);
    let forge = |setup: &Setup, text: String| {
        std::fs::write(setup.file("roots/1.yaml"), text).unwrap();
        sign(setup, "roots/1.yaml", "agent-vault.root", &mallory);
        Vault::open(&setup.repo, Context { first_contact: FirstContact::Refuse, ..fresh(setup) }, Some(&setup.owner))
            .map(drop)
    };
    // His own signing key for the owner's; once without a proof and once with the true one, copied.
    let (_, reason) = tampered(forge(&scene.ours, format!("{kept}signing_key: \"{public}\"}}\n")));
    assert!(reason.contains("the proof that you made it is missing or false"), "{reason}");
    tampered(forge(&scene.ours, format!("{kept}signing_key: \"{public}\", {proof}")));
    // All of the owner's line, and himself beside it: the proof is true, and says nothing of who signed this.
    let other = key_of(&scene.theirs.home.owner_key()).recipients().next().unwrap().to_string();
    let both = format!(
        "{kept}signing_key: \"{true_key}\", {proof}  - {{name: mallory, public_key: {other}, signing_key: \"{public}\"}}\n"
    );
    let opened = forge(&scene.ours, both);
    assert!(matches!(opened, Err(Error::Untrusted { .. })), "{opened:?}");
}

#[test]
fn a7_a_root_that_is_signed_by_the_owner_whom_it_adds_is_refused() {
    let scene = Scene::new();
    let root = std::fs::read(scene.ours.file("roots/1.yaml")).unwrap();
    let mallory = ssh_key(&scene.ours.temp().join("mallory"), "ed25519");
    let other = key_of(&scene.theirs.home.owner_key()).recipients().next().unwrap().to_string();
    let successor = String::from_utf8(root.clone())
        .unwrap()
        .replace("root: 1\n", &format!("root: 2\nprevious: \"{}\"\n", Digest::of(&root)))
        + &format!("  - {{name: mallory, public_key: {other}, signing_key: \"{}\"}}\n", public_half(&mallory));
    let open = scene.ours.vault();
    std::fs::write(scene.ours.file("roots/2.yaml"), &successor).unwrap();
    for signed in [false, true] {
        if signed {
            sign(&scene.ours, "roots/2.yaml", "agent-vault.root", &mallory);
        }
        let (file, _) = tampered(scene.ours.try_vault());
        assert!(file.ends_with("roots/2.yaml"));
        tampered(read(&scene.ours.repo, fresh(&scene.ours), &key_of(&scene.key)));
        tampered(open.get(&path("app/key"), &scene.ours.owner));
        tampered(open.manifest());
    }
    // Signed by the true owner it is a change of owners, so it is the signature that was refused. One that does not
    // follow the root before it is none, whoever signed it.
    let owner = scene.ours.signing_key();
    std::fs::write(scene.ours.file("roots/2.yaml"), successor.replace(&Digest::of(&root).hex(), &"0".repeat(64)))
        .unwrap();
    sign(&scene.ours, "roots/2.yaml", "agent-vault.root", &owner);
    let (_, reason) = tampered(scene.ours.try_vault());
    assert!(reason.contains("does not follow"), "{reason}");
    std::fs::write(scene.ours.file("roots/2.yaml"), successor).unwrap();
    sign(&scene.ours, "roots/2.yaml", "agent-vault.root", &owner);
    assert_eq!(scene.ours.vault().pin().root, 2);
}

#[test]
fn a7_a_manifest_or_secret_that_another_owner_signed_is_refused() {
    let scene = Scene::new();
    let mallory = scene.theirs.signing_key();
    // What is in force, to the byte; only the signer is another.
    let signature = std::fs::read(scene.ours.file("manifest.sig")).unwrap();
    sign(&scene.ours, "manifest.yaml", "agent-vault.manifest", &mallory);
    let (_, reason) = tampered(scene.ours.vault().manifest());
    assert!(reason.contains("which is no owner's key"), "{reason}");
    std::fs::write(scene.ours.file("manifest.sig"), signature).unwrap();
    scene.ours.vault().verify().unwrap();

    scene.ours.sign_metadata("app/key", &mallory, &scene.ours.metadata_text("app/key"));
    tampered(scene.ours.get("app/key", &scene.key));
    tampered(scene.ours.vault().metadata(&path("app/key")));
    assert_eq!(scene.ours.vault().list(None).unwrap().broken.len(), 1);
}

#[test]
fn a7_a_vault_stripped_of_its_signatures_is_refused_wherever_it_was_known() {
    let scene = Scene::new();
    let bare = ssh_key(&scene.ours.temp().join("id"), "ed25519");
    let expecting = Context { expected_owner: Some(scene.owner_fingerprint()), ..fresh(&scene.ours) };
    let agents_machine = fresh(&scene.ours);
    read(&scene.ours.repo, agents_machine.clone(), &key_of(&scene.key)).unwrap();
    std::fs::remove_dir_all(scene.ours.file("roots")).unwrap();
    std::fs::remove_file(scene.ours.file("manifest.sig")).unwrap();
    tampered(scene.ours.try_vault());
    tampered(read(&scene.ours.repo, agents_machine, &key_of(&bare)));
    tampered(read(&scene.ours.repo, expecting, &key_of(&bare)));
    tampered(read(&scene.ours.repo, fresh(&scene.ours), &key_of(&scene.key)));
    // Where nothing is known it may be a vault of agent-vault 0.1.0, and says so; it is not read either.
    let unknown = read(&scene.ours.repo, fresh(&scene.ours), &key_of(&bare));
    assert!(matches!(unknown, Err(Error::UnsignedVault { .. })), "{unknown:?}");
}

#[test]
fn a7_a_swapped_signing_key_is_not_used() {
    let scene = Scene::new();
    let escrow = scene.ours.file("owners/eric/signing.key.escrow");
    let genuine = std::fs::read(&escrow).unwrap();
    let owner = key_of(&scene.ours.home.owner_key()).recipients().next().unwrap().to_string();
    let theirs = std::fs::read(scene.theirs.signing_key()).unwrap();
    for forged in [theirs, b"not a key".to_vec(), Vec::new()] {
        std::fs::write(&escrow, age_encrypts(std::slice::from_ref(&owner), &forged)).unwrap();
        let vault = scene.ours.vault();
        let (file, _) = tampered(vault.unlock(&scene.ours.owner).map(drop));
        assert!(file.ends_with("signing.key.escrow"));
    }
    std::fs::write(&escrow, b"not an age file").unwrap();
    tampered(scene.ours.vault().unlock(&scene.ours.owner).map(drop));
    std::fs::write(&escrow, genuine).unwrap();
    scene.ours.set("app/key", b"written again");
}

#[test]
fn a7_swapped_copies_of_what_is_signed_are_refused_at_the_next_write_and_reported() {
    for relative in ["allowed_signers", "config.yaml", "owner.pub"] {
        let scene = Scene::new();
        std::fs::copy(scene.theirs.file(relative), scene.ours.file(relative)).unwrap();
        let head = scene.ours.head();
        let written = scene.ours.own(|owner| owner.set(&path("app/key"), new_value(b"new"), false));
        let (file, _) = tampered(written);
        assert!(file.ends_with(relative));
        assert_eq!(scene.ours.head(), head);
        tampered(scene.ours.vault().verify());
        let findings = check(&scene.ours.vault(), 30).unwrap();
        assert!(findings.iter().any(|found| found.code == "tampered" && found.subject.ends_with(relative)));
        // Nothing that a reader relies on rests on them.
        assert_eq!(scene.ours.get("app/key", &scene.key).unwrap(), b"ours");
    }
}
