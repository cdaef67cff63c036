//! Readers while a change is under way.

use super::*;
use crate::home::Home;
use crate::prompt::{Nobody, Prompt};
use crate::txn::{MakeStep, Step, watched};
use crate::vault::{Context, Initialised, SetRequest, init};
use std::path::Path;

/// Sets `a/b` from "old" to "new", and calls `look` before the branch moves and after.
fn while_it_is_set(look: impl Fn(MakeStep, &Path, &Vault, &Identities) + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    std::fs::create_dir(&repo).unwrap();
    let context = Context::new(Home::new(dir.path().join("home")));
    let owner = Some("eric".parse().unwrap());
    let Initialised { vault, owner_key, .. } = init(&repo, owner, context.clone(), &|_| {}).unwrap();
    let nobody: Arc<dyn Prompt> = Arc::new(Nobody);
    let identities = Identities::from_file(&owner_key, &nobody).unwrap();
    let path: SecretPath = "a/b".parse().unwrap();
    let set = |value: &[u8]| {
        let value = Some(SecretBytes::new(value.to_vec()));
        let request = SetRequest { value, ..SetRequest::default() };
        vault.unlock(&identities).unwrap().set(&path, request, false).unwrap();
    };
    set(b"old");
    let reader = Vault::open(&repo, context, None).unwrap();
    let key = Identities::from_file(&owner_key, &nobody).unwrap();
    let files = repo.join(layout::FOLDER);
    let watcher = move |step| {
        if let Step::Make(step @ (MakeStep::Publish | MakeStep::Move)) = step {
            look(step, &files, &reader, &key);
        }
    };
    watched(watcher, || set(b"new"));
    assert_eq!(vault.get(&path, &identities).unwrap().value.expose(), b"new");
}

/// Has a file away while `act` runs.
fn without<T>(file: &Path, act: impl FnOnce() -> T) -> T {
    let bytes = std::fs::read(file).unwrap();
    std::fs::remove_file(file).unwrap();
    let done = act();
    std::fs::write(file, bytes).unwrap();
    done
}

#[test]
fn e4_no_value_is_read_from_a_journal_before_its_change_is_made() {
    // A reader that has one file of the change before, and not yet the other, looks into the journal of the next.
    while_it_is_set(|step, files, reader, key| {
        let read = || without(&files.join("secrets/a/b.enc"), || reader.get(&"a/b".parse().unwrap(), key));
        match (step, read()) {
            (MakeStep::Publish, Err(Error::Tampered { .. })) => {}
            (MakeStep::Move, Ok(secret)) => assert_eq!(secret.value.expose(), b"new"),
            (step, read) => panic!("after {step:?}: {:?}", read.map(|secret| secret.value.expose().to_vec())),
        }
    });
}
