//! What a careless defence lets through by its own hand: an old state signed anew, a foreign tree attested, a
//! repository destroyed.

mod common;

use agent_vault_core::{Error, Vault};
use common::*;

#[test]
fn a4_an_old_state_is_never_signed_anew_by_a_change_of_access() {
    let setup = Setup::new();
    setup.add_agent("billing");
    setup.set("app/key", b"first");
    let old = setup.temp().join("old");
    copy_tree(&setup.file("secrets"), &old);
    setup.set("app/key", b"second");
    copy_tree(&old, &setup.file("secrets"));
    setup.commit_as_stranger();
    let head = setup.head();
    let granted = setup.own(|owner| owner.grant(&agent("billing"), &group("app"), false, false, &quiet));
    assert!(matches!(granted, Err(Error::Rollback { .. })), "{granted:?}");
    assert_eq!(setup.head(), head);
    assert!(matches!(setup.vault().verify(), Err(Error::Rollback { .. })));
    // What is checked out is older than what was proven here, so that is read.
    let read = setup.vault().get(&path("app/key"), &setup.owner).unwrap();
    assert_eq!(read.value.expose(), b"second");
}

#[test]
fn a4_numbers_never_start_again_when_a_tombstone_was_made_to_vanish() {
    let setup = Setup::new();
    setup.set("app/key", b"first");
    setup.own(|owner| owner.remove(&path("app/key"))).unwrap();
    std::fs::remove_file(setup.file("secrets/app/key.gone")).unwrap();
    setup.commit_as_stranger();
    assert!(matches!(setup.vault().verify(), Err(Error::Rollback { .. })));
    let again = setup.own(|owner| owner.set(&path("app/key"), new_value(b"again"), false));
    assert!(matches!(again, Err(Error::Rollback { .. })), "{again:?}");
}

#[test]
fn a9_a_signed_commit_never_attests_a_tree_that_is_not_the_one_that_was_verified() {
    let setup = Setup::new();
    setup.set("app/key", b"first");
    let good = std::fs::read(setup.file("secrets/app/key.enc")).unwrap();
    std::fs::write(setup.file("secrets/app/key.enc"), b"forged").unwrap();
    setup.commit_as_stranger();
    std::fs::write(setup.file("secrets/app/key.enc"), good).unwrap();
    let head = setup.head();
    let written = setup.own(|owner| owner.set(&path("app/other"), new_value(b"x"), false));
    assert!(matches!(written, Err(Error::Conflict { .. })), "{written:?}");
    assert_eq!(setup.head(), head);
}

#[test]
fn a8_a_nested_attributes_file_is_refused_at_the_next_write() {
    let setup = Setup::new();
    setup.set("app/key", b"first");
    std::fs::write(setup.file("secrets/.gitattributes"), "* text=auto eol=crlf\n").unwrap();
    setup.commit_as_stranger();
    let (file, reason) = tampered(setup.own(|owner| owner.set(&path("app/other"), new_value(b"x"), false)));
    assert!(file.ends_with("secrets/.gitattributes") && reason.contains("nested"), "{reason}");
}

#[test]
fn a5_an_escrow_that_only_claims_to_hold_the_key_is_refused() {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    let public = key_of(&key).recipients().next().unwrap().to_string();
    let owner = setup.owner.recipients().next().unwrap().to_string();
    let other = setup.temp().join("other.key");
    run(stock("age-keygen", setup.temp()).arg("-o").arg(&other));
    let secret = std::fs::read_to_string(&other).unwrap();
    let secret = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let forged = format!("# public key: {public}\n{secret}\n");
    std::fs::write(setup.file("agents/billing/private.key.escrow"), age_encrypts(&[owner], forged.as_bytes())).unwrap();
    let to = setup.temp().join("restored.key");
    tampered(setup.own(|owner| owner.restore_agent(&agent("billing"), &to, false)));
    assert!(!to.exists());
}

#[test]
fn c2_init_never_touches_a_repository_that_it_cannot_open() {
    for extension in ["objectformat = sha256", "unknownextension = true"] {
        let setup = Setup::new();
        let dir = setup.temp().join("theirs");
        make_repository(&dir);
        let config = dir.join(".git/config");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace("repositoryformatversion = 0", "repositoryformatversion = 1");
        std::fs::write(&config, format!("{text}[extensions]\n\t{extension}\n")).unwrap();
        let before = files(&dir);
        assert!(init(&dir, &setup.home).is_err(), "{extension}");
        assert_eq!(files(&dir), before, "{extension}");
    }
}

#[test]
fn the_home_is_no_vault() {
    let setup = Setup::new();
    let home = setup.temp().join("person");
    let below = home.join("work/deep");
    std::fs::create_dir_all(&below).unwrap();
    let home = agent_vault_core::Home::new(home.join(".agent-vault"));
    std::fs::create_dir_all(home.dir()).unwrap();
    let opened = Vault::open(&below, agent_vault_core::Context::new(home.clone()), None).map(drop);
    assert!(matches!(opened, Err(Error::VaultNotFound { .. })), "{opened:?}");
    let made = init(&setup.temp().join("person"), &home).map(drop);
    assert!(matches!(made, Err(Error::Conflict { .. })), "{made:?}");
}

#[test]
fn a_description_that_yaml_could_not_read_back_is_refused() {
    let setup = Setup::new();
    for text in ["a\u{ffff}b", "a\u{fffe}b", "a\u{202e}b", "a\nb", "a\u{ad}b", "tag\u{e0041}"] {
        let request =
            agent_vault_core::vault::SetRequest { description: Some(Some(text.into())), ..new_value(b"value") };
        let set = setup.own(|owner| owner.set(&path("app/key"), request, false));
        assert!(matches!(set, Err(Error::Usage { .. })), "{text:?}: {set:?}");
    }
}
