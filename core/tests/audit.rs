//! Every read and write of the library goes through one call that records it: which, by whom, how it ended.

mod common;

use agent_vault_core::audit::{self, Filter, Record, Role};
use agent_vault_core::vault::Notice;
use agent_vault_core::{Class, Context, Error, Home, Identities, SecretBytes, Vault};
use common::{Setup, agent, group, key_of, new_value, path, quiet};
use std::sync::Arc;

/// What the owner's home has recorded.
fn records(setup: &Setup) -> Vec<Record> {
    let found = audit::records(&setup.vault().book(), &Filter::default()).expect("a log");
    assert_eq!(found.unreadable, 0);
    found.entries.into_iter().map(|entry| entry.record).collect()
}

fn last(setup: &Setup) -> Record {
    records(setup).pop().expect("a record")
}

/// Makes the log something that nothing can be written to, for root too.
fn block(home: &Home) {
    let log = home.dir().join("audit");
    let _ = std::fs::remove_dir_all(&log);
    std::fs::create_dir_all(home.dir()).unwrap();
    std::fs::write(log, "in the way").unwrap();
}

fn require(setup: &Setup, required: bool) -> Option<String> {
    setup.own(|owner| owner.set_audit_required(required)).expect("a setting")
}

#[test]
fn identities_are_what_signed_documents_say_of_the_key() {
    let setup = Setup::new();
    let ci = key_of(&setup.add_agent("ci"));
    let bob = key_of(&setup.add_agent("bob"));
    setup.set("app/key", b"the value");
    setup.grant("ci", "app");
    let vault = setup.vault();
    let who = |keys: &Identities, name: &str| {
        let outcome = vault.get(&path(name), keys).map(drop).map_err(|error| error.class());
        let record = last(&setup);
        let actor = record.identity.expect("an identity");
        assert_eq!(actor.keys, [keys.recipients().next().unwrap().id().to_string()]);
        assert_eq!(record.outcome, outcome.map_or_else(|class| class.to_string(), |()| "ok".into()));
        (actor.role, actor.name, record.outcome)
    };
    let named = |role, name: &str, outcome: &str| (Some(role), Some(name.to_owned()), outcome.to_owned());
    assert_eq!(who(&setup.owner, "app/key"), named(Role::Owner, "eric", "ok"));
    assert_eq!(who(&ci, "app/key"), named(Role::Agent, "ci", "ok"));
    assert_eq!(who(&bob, "app/key"), named(Role::Agent, "bob", "not-authorized"));
    assert_eq!(who(&ci, "app/nothing"), named(Role::Agent, "ci", "not-found"));
    // A key file may say anything of itself.
    let stranger = age::x25519::Identity::generate();
    let text = format!("# agent: ci\n{}\n", age::secrecy::ExposeSecret::expose_secret(&stranger.to_string()));
    let stranger =
        Identities::from_bytes(SecretBytes::new(text.into_bytes()), "test", &vault.context().prompt).unwrap();
    assert_eq!(who(&stranger, "app/key"), (None, None, "not-authorized".into()));
    std::fs::write(setup.file("secrets/app/key.enc"), "swapped").unwrap();
    assert_eq!(who(&ci, "app/key"), named(Role::Agent, "ci", "tampered"));
}

#[test]
fn every_write_is_recorded_with_its_commit_and_however_it_ends() {
    let setup = Setup::new();
    setup.set("app/key", b"one");
    let head = setup.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let record = last(&setup);
    assert_eq!((record.operation.as_str(), record.outcome.as_str()), ("set", "ok"));
    assert_eq!((record.path.as_deref(), record.commit), (Some("app/key"), Some(head)));
    // A dry run, and one that fails in the middle.
    setup.own(|owner| owner.set(&path("app/key"), new_value(b"two"), true)).unwrap();
    assert_eq!((last(&setup).outcome.as_str(), last(&setup).commit), ("unchanged", None));
    setup.own(|owner| owner.grant(&agent("nobody"), &group("app"), false, false, &quiet)).unwrap_err();
    let record = last(&setup);
    assert_eq!((record.operation.as_str(), record.outcome.as_str()), ("grant", "not-found"));
    assert_eq!(record.subject.as_deref(), Some("app to nobody"));
    // Many at once have a line each.
    let before = records(&setup).len();
    let many = ["app/a", "app/b", "app/c"].map(|name| (path(name), new_value(b"many values"))).into();
    setup.own(|owner| owner.set_many(many, "import", false, &quiet)).unwrap();
    let told: Vec<_> = records(&setup).into_iter().skip(before).filter_map(|record| record.path).collect();
    assert_eq!(told, ["app/a", "app/b", "app/c"]);
    assert_eq!(audit::verify(&setup.vault().book()).unwrap().violations, []);
}

#[test]
fn handles_and_threads_that_share_a_context_share_a_segment() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let context = Context::new(Home::new(setup.temp().join("sdk")));
    let open = || Vault::open(&setup.repo, context.clone(), Some(&setup.owner)).unwrap();
    let (one, other) = (Arc::new(open()), open());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let one = one.clone();
            let owner = &setup.owner;
            scope.spawn(move || (0..25).for_each(|_| drop(one.get(&path("app/key"), owner).unwrap())));
        }
    });
    other.get(&path("app/key"), &setup.owner).unwrap();
    let report = audit::verify(&one.book()).unwrap();
    assert_eq!((report.segments, report.records, report.violations), (1, 101, vec![]));
}

#[test]
fn what_cannot_be_recorded_is_a_notice_once_for_the_process() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    block(&setup.home);
    let vault = setup.vault();
    let told = || vault.take_notices().into_iter().filter(|told| matches!(told, Notice::NotRecorded { .. })).count();
    vault.get(&path("app/key"), &setup.owner).unwrap();
    assert_eq!(told(), 1);
    vault.get(&path("app/key"), &setup.owner).unwrap();
    vault.list(None).unwrap();
    assert_eq!(told(), 0);
}

#[test]
fn where_it_is_required_nothing_is_given_that_is_not_recorded() {
    let setup = Setup::new();
    let ci = key_of(&setup.add_agent("ci"));
    setup.set("app/key", b"value");
    setup.grant("ci", "app");
    assert!(require(&setup, true).is_some());
    assert_eq!(require(&setup, true), None, "it is so already");
    assert!(setup.vault().manifest().unwrap().settings.audit_required);
    setup.vault().get(&path("app/key"), &ci).unwrap();
    block(&setup.home);
    let unrecorded = |error: Error| {
        assert!(matches!(error, Error::Unrecorded { .. }) && error.class() == Class::Other, "{error:?}");
        assert!(error.hint().contains("settings audit-required false"));
    };
    let vault = setup.vault();
    for keys in [&ci, &setup.owner] {
        unrecorded(vault.get(&path("app/key"), keys).err().expect("it is refused"));
    }
    unrecorded(vault.list(None).unwrap_err());
    unrecorded(vault.show(&path("app/key")).unwrap_err());
    let file = setup.temp().join("restored.key");
    unrecorded(setup.own(|owner| owner.restore_agent(&agent("ci"), &file, false)).unwrap_err());
    assert!(!file.exists());
    assert!(matches!(vault.get(&path("app/nothing"), &ci), Err(Error::NotFound { .. })), "its own reason comes first");
    // A host that takes the manifest away takes the value away with it.
    let manifest = std::fs::read(setup.file("manifest.yaml")).unwrap();
    std::fs::remove_file(setup.file("manifest.yaml")).unwrap();
    assert!(matches!(vault.get(&path("app/key"), &ci), Err(Error::Tampered { .. })));
    std::fs::write(setup.file("manifest.yaml"), manifest).unwrap();
    assert!(require(&setup, false).is_some());
    setup.vault().get(&path("app/key"), &ci).unwrap();
}

#[test]
fn a_read_that_is_recorded_reads_no_manifest() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    require(&setup, true);
    std::fs::remove_file(setup.file("manifest.yaml")).unwrap();
    let value = setup.vault().get(&path("app/key"), &setup.owner).unwrap().value;
    assert_eq!(value.expose(), b"value");
    assert_eq!(last(&setup).outcome, "ok");
}

#[test]
fn a_log_that_was_deleted_under_a_process_goes_on_and_says_so() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let vault = setup.vault();
    let get = || drop(vault.get(&path("app/key"), &setup.owner).unwrap());
    get();
    std::fs::remove_dir_all(vault.book().dir()).unwrap();
    get();
    assert_eq!(records(&setup).len(), 1);
    if cfg!(unix) {
        let violations = audit::verify(&vault.book()).unwrap().violations;
        assert!(violations[0].reason.contains("does not end as it did"), "{violations:?}");
    }
}
