//! Readers while a change is under way.

use super::*;
use crate::home::Home;
use crate::prompt::{Nobody, Prompt};
use crate::txn::{MakeStep, Step, watched};
use crate::vault::{Context, Initialised, SetRequest, init};
use std::path::Path;

/// Sets `a/b` from "old" to "new", and calls `look` after each step.
fn while_it_is_set(look: impl Fn(Step, &Path, &Vault, &Identities) + 'static) {
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
    watched(move |step| look(step, &files, &reader, &key), || set(b"new"));
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
        match step {
            Step::Make(MakeStep::Publish) => assert!(matches!(read(), Err(Error::Tampered { .. }))),
            Step::Make(MakeStep::Move) => assert_eq!(read().unwrap().value.expose(), b"new"),
            _ => {}
        }
    });
}

#[test]
fn e4_who_reads_from_a_journal_does_not_make_the_metadata_in_place_a_rollback() {
    while_it_is_set(|step, _, reader, key| {
        let path = "a/b".parse().unwrap();
        let value = reader.get(&path, key).unwrap().value;
        let made = !matches!(step, Step::Make(_));
        assert!(made || value.expose() == b"old", "after {step:?}");
        let metadata = reader.metadata(&path).unwrap_or_else(|error| panic!("after {step:?}: {error}"));
        assert!(metadata.revision <= 2);
    });
}
