//! Vaults of agent-vault 0.1.0 through the library, as a face other than the program uses it.

mod common;

use agent_vault_core::{Class, Context, Error, FirstContact, Home, OldVault, Vault};
use common::*;
use std::path::{Path, PathBuf};

/// The golden vault, committed, outside the source tree.
fn old_repository(temp: &Path) -> PathBuf {
    let repo = temp.join("repo");
    make_repository(&repo);
    copy_tree(&golden().join("vault"), &repo.join(".agent-vault"));
    git_in(&repo, &["add", "--all", "--force", "."]);
    git_in(&repo, &["commit", "--quiet", "--message", "old"]);
    repo
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v0")
}

#[test]
fn an_old_vault_is_no_vault_until_it_is_opened_as_what_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let repo = old_repository(temp.path());
    let context = Context::new(Home::new(temp.path().join("home")));
    let Err(error) = Vault::open(&repo, context.clone(), None) else { panic!("it was opened as a signed vault") };
    assert!(matches!(error, Error::UnsignedVault { .. }) && error.class() == Class::Conflict);
    assert!(error.hint().contains("agent-vault upgrade"));
    let old = OldVault::open(&repo, context.clone(), None).unwrap();
    let ci = key_of(&golden().join("ci.test-key"));
    assert_eq!(old.get(&path("stripe/api-key"), &ci).unwrap().value.expose(), b"sk_golden_0");
    assert!(matches!(old.get(&path("token"), &ci), Err(Error::NotAuthorized { .. })));
    assert!(matches!(old.get(&path("tokne"), &ci), Err(Error::NotFound { near: Some(near), .. }) if near == "token"));
    assert_eq!(old.readable(&ci).unwrap().len(), 6);
    let listing = old.list(Some(&group("postgres"))).unwrap();
    assert_eq!(listing.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["postgres/password"]);
    assert_eq!(old.agents().unwrap().len(), 5);
    // Reading left no trace but in the log.
    let home: Vec<_> =
        std::fs::read_dir(temp.path().join("home")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(home, ["audit"]);
    let strict = Context { first_contact: FirstContact::Refuse, ..context };
    tampered(OldVault::open(&repo, strict, None).map(drop));
}

#[test]
fn an_upgrade_that_was_looked_at_is_not_made_over_a_vault_that_changed_since() {
    let temp = tempfile::tempdir().unwrap();
    let repo = old_repository(temp.path());
    let (context, owner) =
        (Context::new(Home::new(temp.path().join("home"))), key_of(&golden().join("owner.test-key")));
    let look = || OldVault::open(&repo, context.clone(), None).unwrap().prepare_upgrade(&owner, None, &quiet).unwrap();
    let (first, second, third) = (look(), look(), look());
    // The host's next push, after the owner has looked at the plan.
    let enc = repo.join(".agent-vault/secrets/default/token.enc");
    let kept = std::fs::read(&enc).unwrap();
    let public = std::fs::read_to_string(repo.join(".agent-vault/owner.pub")).unwrap();
    std::fs::write(&enc, age_encrypts(&[public], b"forged")).unwrap();
    assert!(matches!(first.apply(&quiet), Err(Error::Conflict { .. })));
    git_in(&repo, &["commit", "--quiet", "--all", "--message", "pushed"]);
    assert!(matches!(second.apply(&quiet), Err(Error::Conflict { .. })));
    git_in(&repo, &["reset", "--quiet", "--hard", "HEAD~1"]);
    assert_eq!(std::fs::read(&enc).unwrap(), kept);
    let done = third.apply(&quiet).ok().unwrap();
    assert_eq!((done.secrets, done.reencrypted), (13, 3));
    assert_eq!(done.vault.verify().unwrap().recipient_sets, 13);
    let exposed = done.vault.metadata(&path("lone/one")).unwrap().exposed_to.clone();
    assert_eq!(exposed[0].to_string(), "gone@0000000000000000");
    let gone = golden().join("gone.test-key");
    assert_eq!(age_opens(&gone, &repo.join(".agent-vault/secrets/lone/one.enc")), None);
    assert!(age_opens(&golden().join("ci.test-key"), &repo.join(".agent-vault/secrets/lone/one.enc")).is_some());
}
