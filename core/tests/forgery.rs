//! Threats A1 to A5 and A8: somebody who can change every file of the vault but holds no key. Forged documents are made
//! with stock programs; where a defence is the reading of what is signed, they are even signed with the owner's key.

mod common;

use agent_vault_core::check::check;
use agent_vault_core::vault::Notice;
use agent_vault_core::{Class, Context, Error, Vault};
use common::*;
use std::path::Path;

/// A vault with an agent `billing` that reads group `app`; returns it and the agent's key.
fn vault_with_billing() -> (Setup, std::path::PathBuf) {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    setup.grant("billing", "app");
    setup.set("app/key", b"first");
    setup.set("app/other", b"other");
    setup.set("closed/key", b"closed");
    (setup, key)
}

fn public_key(file: &Path) -> String {
    key_of(file).recipients().next().expect("a public key").to_string()
}

/// Whether `check` reports a file as tampered with.
fn reported(setup: &Setup, relative: &str) -> bool {
    let findings = check(&setup.vault(), 30).expect("check looks");
    findings.iter().any(|finding| finding.code == "tampered" && finding.subject.ends_with(relative))
}

/// The next write must be refused as tampering with a file, and change nothing.
#[track_caller]
fn write_is_refused(setup: &Setup, relative: &str) -> String {
    let head = setup.head();
    let (file, reason) = tampered(setup.own(|owner| owner.set(&path("app/new"), new_value(b"new"), false)));
    assert!(file.ends_with(relative), "{} was named, not {relative}", file.display());
    assert_eq!(setup.head(), head);
    assert!(!setup.file("secrets/app/new.enc").exists());
    reason
}

#[test]
fn a1_a_swapped_public_key_is_refused_at_the_next_write_and_reported_by_check() {
    for relative in ["agents/billing/public.key", "owner.pub"] {
        let (setup, _) = vault_with_billing();
        let mallory = setup.temp().join("mallory.key");
        run(stock("age-keygen", setup.temp()).arg("-o").arg(&mallory));
        std::fs::write(setup.file(relative), format!("{}\n", public_key(&mallory))).unwrap();
        setup.commit_as_stranger();
        write_is_refused(&setup, relative);
        let granted = setup.own(|owner| owner.grant(&agent("billing"), &group("closed"), false, false, &quiet));
        tampered(granted);
        assert!(reported(&setup, relative), "{relative}");
        assert!(setup.ciphertexts().iter().all(|file| age_opens(&mallory, file).is_none()), "{relative}");
    }
}

#[test]
fn a2_an_edited_manifest_is_refused() {
    let (setup, _) = vault_with_billing();
    let manifest = std::fs::read_to_string(setup.file("manifest.yaml")).unwrap();
    let mallory = setup.temp().join("mallory.key");
    run(stock("age-keygen", setup.temp()).arg("-o").arg(&mallory));
    let entry = format!(
        "  - {{name: mallory, public_key: {}, groups: [app], created: 2026-11-22T10:00:00Z}}\n",
        public_key(&mallory)
    );
    let id = setup.vault().id().to_string();
    for (what, edited) in [
        ("an agent", manifest.replace("groups:\n", &format!("{entry}groups:\n"))),
        ("a group", manifest.replace("groups: [app]", "groups: [app, closed]")),
        ("an owner", manifest.replace("{name: eric", "{name: mallory")),
        ("a higher serial", manifest.replace("serial: 3", "serial: 99")),
        ("a lower serial", manifest.replace("serial: 3", "serial: 1")),
        ("version 99", manifest.replace("version: 1", "version: 99")),
        ("another vault", manifest.replace(&id, "0f0e0d0c-0b0a-8908-8706-050403020100")),
    ] {
        assert_ne!(edited, manifest, "{what}");
        std::fs::write(setup.file("manifest.yaml"), edited).unwrap();
        tampered(setup.vault().manifest());
        tampered(setup.vault().agents());
        write_is_refused(&setup, "manifest.yaml");
        assert!(reported(&setup, "manifest.yaml"), "{what}");
    }
    std::fs::write(setup.file("manifest.yaml"), manifest).unwrap();
    std::fs::remove_file(setup.file("manifest.sig")).unwrap();
    tampered(setup.vault().manifest());
    write_is_refused(&setup, "manifest.yaml");
}

#[test]
fn a3_two_swapped_ciphertexts_are_refused() {
    let (setup, key) = vault_with_billing();
    let [first, second] = ["app/key", "app/other"].map(|name| setup.file(&format!("secrets/{name}.enc")));
    let aside = setup.temp().join("aside");
    for (from, to) in [(&first, &aside), (&second, &first), (&aside, &second)] {
        std::fs::rename(from, to).unwrap();
    }
    assert_eq!(age_opens(&key, &first).unwrap(), b"other", "to age it is as good as ever");
    for name in ["app/key", "app/other"] {
        let (file, reason) = tampered(setup.get(name, &key));
        assert!(file.ends_with(format!("{name}.enc")) && reason.contains("replaced"), "{reason}");
        assert!(reported(&setup, &format!("{name}.enc")));
    }
    assert_eq!(setup.get("closed/key", &setup.home.owner_key()).unwrap(), b"closed", "the others are as they were");
    setup.commit_as_stranger();
    write_is_refused(&setup, "app/key.enc");
}

#[test]
fn a3_a_pair_moved_to_another_name_is_refused() {
    let (setup, key) = vault_with_billing();
    for part in ["enc", "meta"] {
        let from = setup.file(&format!("secrets/app/other.{part}"));
        std::fs::copy(&from, setup.file(&format!("secrets/app/key.{part}"))).unwrap();
        std::fs::create_dir_all(setup.file("secrets/fresh")).unwrap();
        std::fs::copy(&from, setup.file(&format!("secrets/fresh/name.{part}"))).unwrap();
    }
    for name in ["app/key", "fresh/name"] {
        let (file, reason) = tampered(setup.get(name, &key));
        assert!(file.ends_with(format!("{name}.meta")) && reason.contains("another secret (app/other)"), "{reason}");
    }
    assert_eq!(setup.get("app/other", &key).unwrap(), b"other");
    setup.commit_as_stranger();
    write_is_refused(&setup, "app/key.meta");
}

#[test]
fn a3_a_secret_moved_to_another_group_is_refused() {
    let (setup, key) = vault_with_billing();
    let file = setup.file("secrets/closed/key.meta");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("group: closed", "group: app")).unwrap();
    tampered(setup.get("closed/key", &key));
    // Nor does a later grant of that group give it away.
    tampered(setup.own(|owner| owner.revoke(&agent("billing"), &group("app"), false, &quiet)));
    assert_eq!(age_opens(&key, &setup.file("secrets/closed/key.enc")), None);
}

#[test]
fn a3_a_pair_of_another_vault_is_refused() {
    let (setup, key) = vault_with_billing();
    // The same owner's other vault, read by the same agent.
    let other = setup.temp().join("other");
    make_repository(&other);
    let vault = init(&other, &setup.home).unwrap().vault;
    let owner = vault.unlock(&setup.owner).unwrap();
    owner.add_agent(&agent("billing"), Some(public_key(&key).parse().unwrap())).unwrap();
    owner.grant(&agent("billing"), &group("app"), true, false, &quiet).unwrap();
    owner.set(&path("app/key"), new_value(b"of the other vault"), false).unwrap();
    let copy = |part: &str| {
        let from = other.join(format!(".agent-vault/secrets/app/key.{part}"));
        std::fs::copy(from, setup.file(&format!("secrets/app/key.{part}"))).unwrap()
    };
    copy("enc");
    copy("meta");
    assert_eq!(age_opens(&key, &setup.file("secrets/app/key.enc")).unwrap(), b"of the other vault");
    tampered(setup.get("app/key", &key));
    // Even if it were signed with this vault's key: what it says of itself is that it belongs elsewhere.
    setup.sign_metadata("app/key", &setup.signing_key(), &setup.metadata_text("app/key"));
    let (_, reason) = tampered(setup.get("app/key", &key));
    assert!(reason.contains(&format!("another vault ({})", vault.id())), "{reason}");
}

#[test]
fn a4_an_older_state_is_refused_where_a_newer_one_was_seen() {
    let (setup, key) = vault_with_billing();
    let old = setup.temp().join("old");
    copy_tree(&setup.file(""), &old);
    setup.set("app/key", b"second");
    setup.own(|owner| owner.remove(&path("app/other"))).unwrap();
    setup.revoke("billing", "app");
    let restore = |relative: &str| std::fs::copy(old.join(relative), setup.file(relative)).unwrap();

    // One pair inside an otherwise new state.
    restore("secrets/app/key.enc");
    restore("secrets/app/key.meta");
    let read = |name: &str| setup.vault().get(&path(name), &setup.owner).map(drop);
    assert!(matches!(read("app/key"), Err(Error::Rollback { found: 1, seen: 3, .. })));
    assert_eq!(setup.get("app/key", &key).unwrap(), b"first", "a machine that never saw it cannot know");
    let vault =
        Vault::open(&setup.repo, Context { allow_old: true, ..Context::new(setup.home.clone()) }, Some(&setup.owner))
            .unwrap();
    assert_eq!(vault.get(&path("app/key"), &setup.owner).unwrap().value.expose(), b"first", "on purpose it is read");
    assert!(vault.take_notices().contains(&Notice::OldState { path: path("app/key") }));

    // A removed secret comes back: beside its tombstone, and in its place.
    restore("secrets/app/other.enc");
    restore("secrets/app/other.meta");
    assert!(matches!(read("app/other"), Err(Error::Rollback { .. })));
    assert!(matches!(setup.vault().verify(), Err(Error::Rollback { .. })));
    std::fs::remove_file(setup.file("secrets/app/other.gone")).unwrap();
    assert!(matches!(read("app/other"), Err(Error::Rollback { .. })));
    // One that was there vanishes without a tombstone.
    std::fs::remove_file(setup.file("secrets/closed/key.meta")).unwrap();
    assert!(matches!(read("closed/key"), Err(Error::Rollback { .. })));

    // The manifest from before the revocation.
    restore("manifest.yaml");
    restore("manifest.sig");
    let error = setup.vault().manifest().unwrap_err();
    assert!(matches!(error, Error::Rollback { found: 3, seen: 4, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Tampered);
    let written = setup.own(|owner| owner.set(&path("app/new"), new_value(b"new"), false));
    assert!(matches!(written, Err(Error::Rollback { .. })));
}

#[test]
fn a4_an_older_commit_is_refused_where_a_newer_one_was_seen() {
    let (setup, _) = vault_with_billing();
    setup.set("app/key", b"second");
    setup.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let read = || setup.vault().get(&path("app/key"), &setup.owner).map(|secret| secret.value.expose().to_vec());
    // While the newer commit is still there, it is what is read.
    assert_eq!(read().unwrap(), b"second");
    setup.git(&["reflog", "expire", "--expire=now", "--all"]);
    setup.git(&["update-ref", "-d", "ORIG_HEAD"]);
    setup.git(&["gc", "--quiet", "--prune=now"]);
    assert!(matches!(read(), Err(Error::Rollback { .. })), "{:?}", read());
    // Nor is it written upon: the signed commit would make the old state the newest.
    let written = setup.own(|owner| owner.set(&path("app/key"), new_value(b"third"), false));
    assert!(matches!(written, Err(Error::Rollback { .. })), "{written:?}");
}

#[test]
fn a5_a_forged_escrow_is_not_restored() {
    let (setup, key) = vault_with_billing();
    let escrow = setup.file("agents/billing/private.key.escrow");
    let mallory = setup.temp().join("mallory.key");
    run(stock("age-keygen", setup.temp()).arg("-o").arg(&mallory));
    let to_owner = [public_key(&setup.home.owner_key())];
    let restored = setup.temp().join("restored.key");
    let mut both = std::fs::read(&key).unwrap();
    both.extend(std::fs::read(&mallory).unwrap());
    for forged in [std::fs::read(&mallory).unwrap(), both, b"not a key".to_vec(), Vec::new()] {
        std::fs::write(&escrow, age_encrypts(&to_owner, &forged)).unwrap();
        // It would even fit the public key that lies beside it; the signed manifest's is what counts.
        std::fs::write(setup.file("agents/billing/public.key"), format!("{}\n", public_key(&mallory))).unwrap();
        let (file, _) = tampered(setup.own(|owner| owner.restore_agent(&agent("billing"), &restored, false)));
        assert!(file.ends_with("private.key.escrow"));
        assert!(!restored.exists(), "a forged key was handed out");
    }
    // The true key in a new envelope is the true key.
    std::fs::write(&escrow, age_encrypts(&to_owner, &std::fs::read(&key).unwrap())).unwrap();
    setup.own(|owner| owner.restore_agent(&agent("billing"), &restored, false)).unwrap();
    assert_eq!(std::fs::read(&restored).unwrap(), std::fs::read(&key).unwrap());
}

#[test]
fn a8_a_document_with_hidden_or_added_text_is_refused_even_if_an_owner_signed_it() {
    let (setup, key) = vault_with_billing();
    let file = setup.file("secrets/app/key.meta");
    let genuine = std::fs::read_to_string(&file).unwrap();
    let body = setup.metadata_text("app/key");
    for (what, text) in [
        ("text after the signature", format!("{genuine}group: closed\n")),
        ("a second signature", format!("{genuine}{}", &genuine[body.len()..])),
        ("a line break more", format!("{genuine}\n")),
        ("no last line break", genuine.trim_end().to_owned()),
        ("text before the signature", genuine.replace("signature: ", "note: x\nsignature: ")),
    ] {
        std::fs::write(&file, text).unwrap();
        let (named, _) = tampered(setup.get("app/key", &key));
        assert!(named.ends_with("app/key.meta"), "{what}");
    }
    let signing = setup.signing_key();
    let described =
        |text: &str| body.replace("authorized_agents:", &format!("description: \"{text}\"\nauthorized_agents:"));
    for (what, text) in [
        ("a duplicate key", body.replace("group: app\n", "group: closed\ngroup: app\n")),
        ("an unknown field", format!("{body}note: x\n")),
        ("a comment", body.replace("group: app\n", "group: app # closed\n")),
        ("an anchor", body.replace("group: app\n", "group: &a app\n")),
        ("a tag", body.replace("group: app\n", "group: !!str app\n")),
        ("another order", body.replace("version: 1\n", "") + "version: 1\n"),
        ("other quotes", body.replace("group: app\n", "group: 'app'\n")),
        ("a second document", format!("{body}---\n{body}")),
        ("NEL", described("a\u{85}b")),
        ("a right-to-left override", described("a\u{202e}b")),
        ("NUL", described("a\0b")),
        ("an escape sequence", described("a\u{1b}[31mb")),
        ("version 2", body.replace("version: 1\n", "version: 2\n")),
        ("revision 0", body.replace("revision: 1\n", "revision: 0\n")),
    ] {
        assert_ne!(text, body, "{what}");
        setup.sign_metadata("app/key", &signing, &text);
        let (named, _) = tampered(setup.get("app/key", &key));
        assert!(named.ends_with("app/key.meta"), "{what}");
    }
    // What is signed so is read: the refusals above are about the text.
    for text in [body.clone(), described("a b")] {
        setup.sign_metadata("app/key", &signing, &text);
        assert_eq!(setup.get("app/key", &key).unwrap(), b"first");
    }
}

#[test]
fn a3_a_ciphertext_to_one_key_more_is_refused_and_gone_with_the_next_value() {
    let (setup, key) = vault_with_billing();
    let mallory = setup.temp().join("mallory.key");
    run(stock("age-keygen", setup.temp()).arg("-o").arg(&mallory));
    // It opens for everybody whom policy names, and for mallory.
    let all = [&setup.home.owner_key(), &key, &mallory].map(|file| public_key(file));
    let file = setup.file("secrets/app/key.enc");
    std::fs::write(&file, age_encrypts(&all, b"first")).unwrap();
    assert!(age_opens(&mallory, &file).is_some());
    tampered(setup.get("app/key", &key));
    // Setting it anew needs nothing of what was planted.
    setup.set("app/key", b"second");
    assert_eq!(age_opens(&mallory, &file), None);
    assert_eq!(setup.get("app/key", &key).unwrap(), b"second");
    setup.vault().verify().unwrap();
}
