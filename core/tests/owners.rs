//! Several owners: who becomes one by which card, what an owner loses by being removed, and what each change leaves marked.

mod common;

use agent_vault_core::card::Card;
use agent_vault_core::check::check;
use agent_vault_core::vault::{Former, OwnersChange};
use agent_vault_core::{Class, Context, Error, Home, Identities, Owner, OwnerName, Result, Vault};
use common::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Somebody with a home and a key of their own, in a clone of the vault's repository.
struct Person {
    home: Home,
    repo: PathBuf,
    card: PathBuf,
}

impl Person {
    /// Clones the repository, and makes a card in it.
    fn new(setup: &Setup, name: &str) -> Self {
        let dir = setup.temp().join(name);
        std::fs::create_dir(&dir).unwrap();
        let (home, repo, card) = (Home::new(dir.join("home")), dir.join("repo"), dir.join(format!("{name}.card")));
        git_in(setup.temp(), &["clone", "--quiet", setup.repo.to_str().unwrap(), repo.to_str().unwrap()]);
        for (key, value) in [("user.name", name), ("user.email", "x@example.com"), ("core.autocrlf", "false")] {
            git_in(&repo, &["config", key, value]);
        }
        let vault = Vault::open(&repo, Context::new(home.clone()), None).unwrap();
        let made = vault.make_card(Some(owner_name(name)), None).unwrap();
        assert_eq!(made.created_key, Some(home.owner_key()));
        std::fs::write(&card, made.text).unwrap();
        Self { home, repo, card }
    }

    fn card(&self) -> Card {
        Card::read(&self.card).unwrap()
    }

    fn key(&self) -> Identities {
        key_of(&self.home.owner_key())
    }

    /// Their name and the id of their key, as documents have it.
    fn exposure(&self, name: &str) -> String {
        format!("{name}@{}", self.key().recipients().next().unwrap().id())
    }

    fn pull(&self) {
        git_in(&self.repo, &["pull", "--quiet", "--no-rebase"]);
    }

    fn vault(&self) -> Vault {
        Vault::open(&self.repo, Context::new(self.home.clone()), Some(&self.key())).unwrap()
    }

    /// Does something as an owner, in the person's own clone.
    fn own<T>(&self, act: impl FnOnce(&Owner<'_>) -> T) -> Result<T> {
        let (vault, key) = (self.vault(), self.key());
        let owner = vault.unlock(&key)?;
        Ok(act(&owner))
    }

    fn reads(&self, name: &str) -> Result<Vec<u8>> {
        self.vault().get(&path(name), &self.key()).map(|secret| secret.value.expose().to_vec())
    }
}

fn owner_name(name: &str) -> OwnerName {
    name.parse().unwrap()
}

fn add(setup: &Setup, card: &Card) -> OwnersChange {
    setup.own(|owner| owner.add_owner(card, false, &quiet)).unwrap()
}

fn remove(setup: &Setup, name: &str) -> OwnersChange {
    setup.own(|owner| owner.remove_owner(&owner_name(name), false, &quiet)).unwrap()
}

/// Everything verifies, now and in every commit, and no recipient differs from the policy.
#[track_caller]
fn sound(setup: &Setup) {
    let vault = setup.vault();
    let counts = vault.verify().unwrap();
    assert_eq!(counts.recipient_sets, counts.digests);
    let history = vault.verify_history(None, &|_, _| {}).unwrap();
    assert!(history.violations.is_empty(), "{:?}", history.violations);
    assert!(!check(&vault, 30).unwrap().iter().any(|finding| finding.code == "policy-differs"));
}

/// A vault with values, an escrowed agent, an agent with its own key, and a tombstone; and bob, who made a card.
fn scene() -> (Setup, Person) {
    let setup = Setup::new();
    setup.add_agent("ci");
    setup.grant("ci", "app");
    setup.set("app/key", b"one");
    setup.set("token", b"two");
    setup.set("old/key", b"gone");
    setup.own(|owner| owner.remove(&path("old/key"))).unwrap();
    let bob = Person::new(&setup, "bob");
    (setup, bob)
}

#[test]
fn an_owner_who_was_added_reads_writes_grants_and_restores_agents() {
    let (setup, bob) = scene();
    assert!(matches!(bob.own(|_| ()), Err(Error::NotOwner { .. })));
    let done = add(&setup, &bob.card());
    assert_eq!((done.root, done.change.gains.len(), done.escrowed.len()), (2, 2, 1));
    assert!(done.change.loses.is_empty());
    bob.pull();
    assert_eq!(bob.vault().pin().root, 2);
    assert_eq!(bob.reads("app/key").unwrap(), b"one");
    bob.own(|owner| owner.set(&path("app/key"), new_value(b"bob's"), false)).unwrap().unwrap();
    bob.own(|owner| owner.restore_agent(&agent("ci"), &setup.temp().join("ci.again"), false)).unwrap().unwrap();
    bob.own(|owner| owner.add_agent(&agent("cd"), None)).unwrap().unwrap();
    setup.git(&["pull", "--quiet", bob.repo.to_str().unwrap(), "main"]);
    assert_eq!(setup.get("app/key", &setup.home.owner_key()).unwrap(), b"bob's");
    // Both owners can open what either sealed.
    setup.own(|owner| owner.restore_agent(&agent("cd"), &setup.temp().join("cd.again"), false)).unwrap();
    sound(&setup);
}

#[test]
fn d0_a_removed_owner_is_marked_by_name_and_reads_and_signs_nothing_any_more() {
    let (setup, bob) = scene();
    add(&setup, &bob.card());
    bob.pull();
    // What bob signed must not fall with him: a value, and a tombstone.
    bob.own(|owner| owner.set(&path("app/bobs"), new_value(b"three"), false)).unwrap().unwrap();
    bob.own(|owner| owner.remove(&path("token"))).unwrap().unwrap();
    setup.git(&["pull", "--quiet", bob.repo.to_str().unwrap(), "main"]);

    let done = remove(&setup, "bob");
    assert_eq!((done.root, done.change.loses.len()), (3, 2));
    for name in ["app/key", "app/bobs"] {
        assert_eq!(setup.exposed(name), [bob.exposure("bob")], "{name}");
    }
    assert!(!setup.file("owners/bob").exists());
    for file in setup.ciphertexts().iter().chain([&setup.file("agents/ci/private.key.escrow")]) {
        assert_eq!(age_opens(&bob.home.owner_key(), file), None, "{}", file.display());
        assert!(age_opens(&setup.home.owner_key(), file).is_some());
    }
    sound(&setup);
    let due = check(&setup.vault(), 30).unwrap();
    let due: Vec<_> = due.iter().filter(|finding| finding.code == "rotation-due").collect();
    assert!(due.len() == 2 && due.iter().all(|finding| finding.message.contains(&bob.exposure("bob"))), "{due:?}");

    bob.pull();
    assert!(matches!(bob.own(|_| ()), Err(Error::NotOwner { .. })));
    assert!(matches!(bob.reads("app/key"), Err(Error::NotAuthorized { .. })));
    // A new value clears the mark; the former one, brought back, has it again.
    setup.set("app/key", b"new");
    assert!(setup.exposed("app/key").is_empty());
    let former = Former::Revision(3);
    setup.own(|owner| owner.restore(&path("app/key"), &former, false)).unwrap();
    assert_eq!(setup.exposed("app/key"), [bob.exposure("bob")]);
    sound(&setup);
}

#[test]
fn d0_whoever_comes_back_is_marked_no_more_and_the_others_stay_marked() {
    let (setup, bob) = scene();
    let eve = Person::new(&setup, "eve");
    add(&setup, &bob.card());
    add(&setup, &eve.card());
    remove(&setup, "bob");
    remove(&setup, "eve");
    assert_eq!(setup.exposed("app/key"), [bob.exposure("bob"), eve.exposure("eve")]);
    // By the card of then, because an owner says so again.
    add(&setup, &bob.card());
    assert_eq!(setup.exposed("app/key"), [eve.exposure("eve")]);
    bob.pull();
    assert_eq!(bob.reads("app/key").unwrap(), b"one");
    sound(&setup);
}

#[test]
fn the_last_owner_and_the_one_at_work_cannot_be_removed() {
    let (setup, bob) = scene();
    let refused = |name: &str| {
        let head = setup.head();
        let error = setup.own(|owner| owner.remove_owner(&owner_name(name), false, &quiet)).unwrap_err();
        assert_eq!(setup.head(), head);
        error
    };
    assert!(refused("eric").to_string().contains("last owner"));
    assert!(matches!(refused("bob"), Error::NotFound { what: "owner", .. }));
    add(&setup, &bob.card());
    let error = refused("eric");
    assert!(error.to_string().contains("is you") && error.hint().contains("another owner"), "{error}");
    assert!(matches!(refused("bobb"), Error::NotFound { near: Some(near), .. } if near == "bob"));
}

#[test]
fn a7_a_card_counts_for_its_own_vault_and_free_names_and_keys_only() {
    let (setup, bob) = scene();
    let other = Setup::new();
    let before = other.everything();
    let refused = |setup: &Setup, card: &Card| setup.own(|owner| owner.add_owner(card, false, &quiet)).unwrap_err();
    let error = refused(&other, &bob.card());
    assert!(error.class() == Class::Tampered && error.to_string().contains("another vault"), "{error}");
    assert_eq!(other.everything(), before);
    // Altered on its way: another key in it.
    let text = std::fs::read_to_string(&bob.card).unwrap();
    let eve = Person::new(&setup, "eve");
    let (bobs, eves) = (bob.card().public_key.to_string(), eve.card().public_key.to_string());
    std::fs::write(&eve.card, text.replace(&bobs, &eves)).unwrap();
    tampered(Card::read(&eve.card));
    // An agent's key, an owner's key, an owner's name.
    let vault = setup.vault();
    let ci = key_of(&setup.home.dir().join("agents/ci.key"));
    for (name, key) in [("eve", &ci), ("eve", &setup.owner), ("Eric", &eve.key())] {
        let made = vault.make_card(Some(owner_name(name)), Some(key)).map(|made| made.card);
        assert!(matches!(made, Err(Error::Exists { .. })), "{name}: {made:?}");
    }
    // What became taken after the card was made.
    setup.own(|owner| owner.add_agent(&agent("laptop"), Some(bob.card().public_key))).unwrap();
    assert!(matches!(refused(&setup, &bob.card()), Error::Exists { what: "key", .. }));
    setup.own(|owner| owner.remove_agent(&agent("laptop"), false, &quiet)).unwrap();
    add(&setup, &bob.card());
    assert!(matches!(refused(&setup, &bob.card()), Error::Exists { what: "owner", .. }));
}

#[test]
fn a7_an_owner_refuses_a_signing_key_that_somebody_else_made_for_them() {
    let (setup, bob) = scene();
    // Mallory's card: bob's name and bob's key, and a signing key that mallory knows.
    let mallory = ssh_key(&setup.temp().join("mallory"), "ed25519");
    let text = std::fs::read_to_string(&bob.card).unwrap();
    let (body, _) = text.rsplit_once("signature: ").unwrap();
    let true_key = bob.card().signing_key.to_string();
    let escrow = age_encrypts(&[bob.card().public_key.to_string()], &std::fs::read(&mallory).unwrap());
    let escrow = String::from_utf8(feed(stock("base64", setup.temp()).arg("-w0"), &escrow)).unwrap();
    let kept: String =
        body.lines().filter(|line| !line.starts_with("escrow")).map(|line| format!("{line}\n")).collect();
    let forged = kept.replace(&true_key, &public_half(&mallory)) + &escrow_line(&escrow);
    let card = sign_card(&setup, &mallory, &forged);
    add(&setup, &card);
    bob.pull();
    let (file, reason) = tampered(bob.own(|_| ()));
    assert!(file.ends_with("roots/2.yaml") && reason.contains("a signing key that you did not make"), "{reason}");
}

/// The escrow's line of a card.
fn escrow_line(base64: &str) -> String {
    let plain = base64.starts_with(|c: char| c.is_ascii_alphabetic()) && !base64.contains(['+', '=']);
    if plain { format!("escrow: {base64}\n") } else { format!("escrow: \"{base64}\"\n") }
}

/// Signs a card's body with stock ssh-keygen.
fn sign_card(setup: &Setup, key: &Path, body: &str) -> Card {
    let armored = String::from_utf8(ssh_sign(key, "agent-vault.card", body.as_bytes())).unwrap();
    let base64: String = armored.lines().filter(|line| !line.starts_with("-----")).collect();
    let file = setup.temp().join("forged.card");
    std::fs::write(&file, format!("{body}signature: {base64}\n")).unwrap();
    Card::read(&file).unwrap()
}

#[test]
fn an_owner_whose_keys_were_replaced_goes_on_and_the_old_key_is_marked() {
    let (setup, bob) = scene();
    add(&setup, &bob.card());
    let (old, old_text) = (setup.home.owner_key(), std::fs::read_to_string(setup.home.owner_key()).unwrap());
    let kept = setup.temp().join("old-owner.key");
    std::fs::copy(&old, &kept).unwrap();
    let old_id = key_of(&kept).recipients().next().unwrap().id();
    let signer = setup.vault().pin().owners[0].signing_key.clone();

    let dry = setup.own(|owner| owner.rotate_owner(None, true, &quiet)).unwrap();
    assert!(dry.owners.change.commit.is_none());
    assert_eq!(std::fs::read_to_string(&old).unwrap(), old_text);
    let done = setup.own(|owner| owner.rotate_owner(None, false, &quiet)).unwrap();
    assert_eq!((done.owners.root, done.file.as_deref()), (3, Some(old.as_path())));
    assert_eq!(setup.exposed("app/key"), [format!("eric@{old_id}")]);

    // The file has both keys, the new one first, and the old one's text as it was.
    let text = std::fs::read_to_string(&old).unwrap();
    assert!(text.ends_with(&old_text) && text.len() > old_text.len());
    let both = key_of(&old);
    assert_eq!(both.recipients().next(), Some(&done.public_key));
    assert_eq!(both.recipients().count(), 2);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&old.metadata().unwrap().permissions()) & 0o777, 0o600);

    let vault = Vault::open(&setup.repo, Context::new(setup.home.clone()), Some(&both)).unwrap();
    let owner = &vault.pin().owners[0];
    assert!(owner.name.as_str() == "eric" && owner.signing_key != signer);
    assert_eq!(owner.signing_key.fingerprint(), done.fingerprint);
    assert_eq!(vault.get(&path("app/key"), &both).unwrap().value.expose(), b"one");
    let acting = vault.unlock(&both).unwrap();
    acting.set(&path("app/key"), new_value(b"two"), false).unwrap();
    // History stays readable: the former value was encrypted to the old key alone.
    acting.restore(&path("app/key"), &Former::Revision(1), false).unwrap();
    assert_eq!(setup.get("app/key", &old).unwrap(), b"one");
    for file in setup.ciphertexts() {
        assert_eq!(age_opens(&kept, &file), None, "the old key alone opens {}", file.display());
    }
    assert!(matches!(vault.unlock(&key_of(&kept)), Err(Error::NotOwner { .. })));
    sound(&setup);
    // Once more, and from a fresh machine with this file alone.
    acting.rotate_owner(None, false, &quiet).unwrap();
    let fresh = Context::new(Home::new(setup.temp().join("fresh")));
    let all = key_of(&old);
    assert_eq!(all.recipients().count(), 3);
    let vault = Vault::open(&setup.repo, fresh, Some(&all)).unwrap();
    assert!(vault.take_notices().is_empty(), "the first key proves whose vault it is");
    vault.unlock(&all).unwrap();
    sound(&setup);
}

#[test]
fn an_owner_brings_a_key_of_another_kind_and_the_home_is_left_alone() {
    let (setup, _) = scene();
    let before = std::fs::read(setup.home.owner_key()).unwrap();
    let ssh = key_of(&ssh_key(&setup.temp().join("id"), "ed25519"));
    let done = setup.own(|owner| owner.rotate_owner(Some(&ssh), false, &quiet)).unwrap();
    assert_eq!(done.file, None);
    assert_eq!(std::fs::read(setup.home.owner_key()).unwrap(), before);
    let vault = Vault::open(&setup.repo, Context::new(setup.home.clone()), Some(&ssh)).unwrap();
    assert_eq!(vault.unlock(&ssh).unwrap().name().as_str(), "eric");
    // And from there no new one can be put into a file that does not hold it.
    let error = vault.unlock(&ssh).unwrap().rotate_owner(None, false, &quiet).unwrap_err();
    assert!(matches!(&error, Error::Usage { hint, .. } if hint.contains("--new-key")), "{error}");
    let again = vault.unlock(&ssh).unwrap().rotate_owner(Some(&ssh), false, &quiet);
    assert!(matches!(again, Err(Error::Exists { what: "key", .. })));
    sound(&setup);
}

#[test]
fn a_key_is_put_into_no_file_that_is_a_link_locked_or_somebody_elses() {
    let (setup, bob) = scene();
    let file = setup.home.owner_key();
    let kept = setup.temp().join("kept.key");
    std::fs::rename(&file, &kept).unwrap();
    let head = setup.head();
    let refused = || {
        let error = setup.own(|owner| owner.rotate_owner(None, false, &quiet)).unwrap_err();
        assert!(matches!(&error, Error::Usage { .. }), "{error:?}");
        assert_eq!(setup.head(), head);
    };
    refused();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&kept, &file).unwrap();
        refused();
        assert!(file.symlink_metadata().unwrap().is_symlink());
        std::fs::remove_file(&file).unwrap();
    }
    std::fs::copy(bob.home.owner_key(), &file).unwrap();
    refused();
    std::fs::copy(ssh_key(&setup.temp().join("id"), "ed25519"), &file).unwrap();
    refused();
}

#[test]
fn a_change_of_owners_that_fails_leaves_everything_as_it_was() {
    let (setup, bob) = scene();
    // An escrow that was swapped: it would be sealed to the new owners unseen.
    let genuine = std::fs::read(setup.file("agents/ci/private.key.escrow")).unwrap();
    std::fs::write(
        setup.file("agents/ci/private.key.escrow"),
        age_encrypts(&[bob.card().public_key.to_string()], b"x"),
    )
    .unwrap();
    let before = (setup.head(), std::fs::read(setup.home.owner_key()).unwrap(), files(&setup.file("")));
    let card = bob.card();
    for number in 0..2 {
        let failed = setup.own(|owner| match number {
            0 => owner.add_owner(&card, false, &quiet).map(drop),
            _ => owner.rotate_owner(None, false, &quiet).map(drop),
        });
        let (file, _) = tampered(failed);
        assert!(file.ends_with("agents/ci/private.key.escrow"));
        assert_eq!((setup.head(), std::fs::read(setup.home.owner_key()).unwrap(), files(&setup.file(""))), before);
    }
    std::fs::write(setup.file("agents/ci/private.key.escrow"), genuine).unwrap();
    let planned = setup.own(|owner| owner.add_owner(&card, true, &quiet)).unwrap();
    assert!(planned.change.commit.is_none() && planned.change.gains.len() == 2);
    assert_eq!(
        (setup.head(), std::fs::read(setup.home.owner_key()).unwrap(), files(&setup.file(""))),
        before_with(&before, &setup)
    );
    add(&setup, &card);
}

/// What was there before, with the escrow that was put back.
fn before_with(
    before: &(String, Vec<u8>, std::collections::BTreeMap<PathBuf, Vec<u8>>),
    setup: &Setup,
) -> (String, Vec<u8>, std::collections::BTreeMap<PathBuf, Vec<u8>>) {
    let mut before = before.clone();
    let escrow = setup.file("agents/ci/private.key.escrow");
    before.2.insert(escrow.clone(), std::fs::read(&escrow).unwrap());
    before
}

#[test]
fn e4_readers_meet_no_half_of_a_change_of_owners() {
    let (setup, bob) = scene();
    for number in 0..12 {
        setup.set(&format!("app/n{number}"), b"many");
    }
    add(&setup, &bob.card());
    bob.pull();
    bob.own(|owner| owner.remove(&path("app/n0"))).unwrap().unwrap();
    setup.git(&["pull", "-q", bob.repo.to_str().unwrap(), "main"]);
    let ci = setup.home.dir().join("agents/ci.key");
    let done = AtomicBool::new(false);
    let open = |name: &str| {
        let context = Context::new(Home::new(setup.temp().join(name)));
        Vault::open(&setup.repo, context, Some(&key_of(&ci))).expect("it opens")
    };
    let look = |vault: &Vault| {
        assert_eq!(vault.get(&path("app/key"), &key_of(&ci)).expect("a value").value.expose(), b"one");
        assert!(matches!(vault.get(&path("app/n0"), &key_of(&ci)), Err(Error::NotFound { .. })), "it was removed");
        vault.metadata(&path("app/n5")).expect("metadata");
        vault.manifest().expect("a manifest");
        assert_eq!(vault.secrets().expect("secrets").len(), 13);
        let listing = vault.list(None).expect("a listing");
        assert!(listing.broken.is_empty(), "{:?}", listing.broken);
    };
    std::thread::scope(|scope| {
        let (kept, done) = (open("kept"), &done);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                look(&kept)
            }
        });
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                look(&open("new"))
            }
        });
        let changes = || {
            remove(&setup, "bob");
            for _ in 0..3 {
                let keys = key_of(&setup.home.owner_key());
                let vault = Vault::open(&setup.repo, Context::new(setup.home.clone()), Some(&keys)).unwrap();
                vault.unlock(&keys).unwrap().rotate_owner(None, false, &quiet).unwrap();
            }
        };
        let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(changes));
        done.store(true, Ordering::Relaxed);
        changed.expect("the changes");
    });
}

#[test]
fn two_successors_of_one_root_stop_everything_until_a_person_chooses() {
    let (setup, bob) = scene();
    add(&setup, &bob.card());
    bob.pull();
    let (eve, zoe) = (Person::new(&setup, "eve"), Person::new(&setup, "zoe"));
    add(&setup, &eve.card());
    bob.own(|owner| owner.add_owner(&zoe.card(), false, &quiet)).unwrap().unwrap();
    let mine = setup.head();
    setup.git(&["fetch", "-q", bob.repo.to_str().unwrap(), "main"]);
    setup.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    let (file, reason) = tampered(setup.try_vault());
    assert!(file.ends_with("roots/3.yaml") && reason.contains("eve") && reason.contains("trust replace"), "{reason}");
    // Nothing was forgotten by being asked: the known one opens as before.
    setup.git(&["reset", "-q", "--hard", &mine]);
    setup.vault().verify().unwrap();
    setup.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    let replacing = Context { replace: true, ..Context::new(setup.home.clone()) };
    let vault = Vault::open(&setup.repo, replacing, Some(&setup.owner)).unwrap();
    assert!(vault.pin().owners.iter().any(|owner| owner.name.as_str() == "zoe"));
    sound(&setup);
    setup.set("app/key", b"goes on");
}

#[test]
fn a_machine_that_knows_an_older_root_follows_the_chain_and_never_back() {
    let (setup, bob) = scene();
    let agents_machine = Context::new(Home::new(setup.temp().join("agent")));
    let ci = key_of(&setup.home.dir().join("agents/ci.key"));
    let open = Vault::open(&setup.repo, agents_machine.clone(), Some(&ci)).unwrap();
    assert_eq!(open.get(&path("app/key"), &ci).unwrap().value.expose(), b"one");
    let before = setup.temp().join("before");
    add(&setup, &bob.card());
    copy_tree(&setup.file(""), &before);
    remove(&setup, "bob");
    // The handle that was open all the time, and a new one.
    assert_eq!(open.get(&path("app/key"), &ci).unwrap().value.expose(), b"one");
    assert_eq!(open.pin().root, 3);
    assert_eq!(Vault::open(&setup.repo, agents_machine.clone(), Some(&ci)).unwrap().pin().root, 3);
    // Put back as it was when bob was an owner: root 3 is gone, and remembered.
    std::fs::remove_dir_all(setup.file("")).unwrap();
    copy_tree(&before, &setup.file(""));
    let opened = Vault::open(&setup.repo, agents_machine, Some(&ci)).unwrap();
    assert!(opened.get(&path("app/key"), &ci).is_err() && opened.verify().is_err() && opened.manifest().is_err());
}
