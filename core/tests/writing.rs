//! Many at once: many secrets in one change, and many who write and read at the same time.

mod common;

use agent_vault_core::vault::{SetOutcome, SetRequest};
use agent_vault_core::{Error, Owner, Result, Vault};
use common::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests for these names, each with its name as its value.
fn requests(names: &[&str]) -> Vec<(agent_vault_core::SecretPath, SetRequest)> {
    names.iter().map(|name| (path(name), new_value(name.as_bytes()))).collect()
}

fn set_many(setup: &Setup, requests: Vec<(agent_vault_core::SecretPath, SetRequest)>) -> Result<Vec<SetOutcome>> {
    setup.own(|owner| owner.set_many(requests, "import", false, &quiet))
}

#[test]
fn many_secrets_are_one_commit_with_the_outcomes_in_order() {
    let setup = Setup::new();
    let key = setup.add_agent("billing");
    setup.grant("billing", "app");
    setup.set("app/old", b"value");
    setup.set("app/same", b"value");
    let head = setup.head();
    let mut requests = requests(&["zeta", "app/old", "app/new", "other/new"]);
    requests.push((path("app/same"), SetRequest::default()));
    let done = AtomicUsize::new(0);
    let progress = |_: usize, of: usize| {
        assert_eq!(of, 5);
        done.fetch_add(1, Ordering::Relaxed);
    };
    let outcomes = setup.own(|owner| owner.set_many(requests, "import 4 secrets", false, &progress)).unwrap();
    assert_eq!(done.into_inner(), 5);
    assert_eq!(setup.git(&["log", "-1", "--format=%P %s"]), format!("{head} agent-vault: import 4 secrets"));
    let found: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome.metadata.name.as_str(), outcome.created, outcome.metadata.revision))
        .collect();
    let expected = [
        ("zeta", true, 1),
        ("app/old", false, 2),
        ("app/new", true, 1),
        ("other/new", true, 1),
        ("app/same", false, 1),
    ];
    assert_eq!(found, expected);
    let commit = Some(setup.head());
    let commits: Vec<_> = outcomes.iter().map(|outcome| outcome.commit.clone()).collect();
    assert_eq!(commits, [commit.clone(), commit.clone(), commit.clone(), commit, None], "nothing was to be done");
    assert_eq!(outcomes[1].gains, Vec::<String>::new());
    assert_eq!(outcomes[2].gains.len(), 2, "the owner and the agent: {:?}", outcomes[2].gains);
    for (name, value) in [("app/old", "app/old"), ("app/new", "app/new"), ("app/same", "value")] {
        assert_eq!(setup.get(name, &key).unwrap(), value.as_bytes());
    }
    assert_eq!(setup.get("zeta", &setup.home.owner_key()).unwrap(), b"zeta");
    setup.vault().verify().unwrap();
}

#[test]
fn many_secrets_are_one_pack_and_few_are_loose_as_git_would_have_it() {
    let setup = Setup::new();
    let names: Vec<String> = (0..40).map(|number| format!("app/{number}")).collect();
    let requests = requests(&names.iter().map(String::as_str).collect::<Vec<_>>());
    set_many(&setup, requests).unwrap();
    let counted = |what: &str| {
        let objects = setup.git(&["count-objects", "-v"]);
        let line = objects.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": ")).unwrap().to_owned();
        line.parse::<usize>().unwrap()
    };
    assert_eq!((counted("packs"), counted("in-pack")), (1, 80));
    setup.set("app/0", b"another");
    assert_eq!(counted("packs"), 1, "a single change is not packed");
    setup.git(&["fsck", "--strict", "--no-dangling"]);
    setup.vault().verify().unwrap();
    assert_eq!(setup.get("app/39", &setup.home.owner_key()).unwrap(), b"app/39");
}

#[test]
fn many_secrets_are_stored_all_or_none() {
    let setup = Setup::new();
    setup.set("app/old", b"value");
    setup.set("Team/key", b"value");
    let before = setup.everything();
    let too_large = new_value(&vec![0; (1 << 20) + 1]);
    let nobody = SetRequest { agents: Some(vec![agent("nobody")]), ..new_value(b"v") };
    let unfit = SetRequest { description: Some(Some("two\nlines".into())), ..new_value(b"v") };
    for (why, last) in [
        ("too large", (path("app/last"), too_large)),
        ("an agent that does not exist", (path("app/last"), nobody)),
        ("a description of two lines", (path("app/last"), unfit)),
        ("no value for a new secret", (path("app/last"), SetRequest::default())),
        ("a name that stands there twice", (path("app/first"), new_value(b"v"))),
        ("a name that differs in case from another of them", (path("app/First"), new_value(b"v"))),
        ("a folder that differs in case from another of them", (path("APP/last"), new_value(b"v"))),
        ("a folder that differs in case from one in the vault", (path("team/other"), new_value(b"v"))),
        ("a name that differs in case from one in the vault", (path("app/OLD"), new_value(b"v"))),
    ] {
        let mut requests = requests(&["app/first", "app/old"]);
        requests.push(last);
        let refused = set_many(&setup, requests);
        assert!(refused.is_err(), "{why}: {refused:?}");
        assert!(setup.everything() == before, "{why}: something was changed");
    }
    assert!(set_many(&setup, Vec::new()).unwrap().is_empty());
    assert!(setup.everything() == before, "nothing was asked for");
    // A secret and a folder may have names that differ in case: they are different files everywhere.
    set_many(&setup, requests(&["app/old", "app/Old/key"])).unwrap();
}

#[test]
fn a_new_name_that_differs_from_another_only_in_case_is_refused() {
    let setup = Setup::new();
    setup.set("App/Key", b"value");
    for name in ["app/key", "App/key", "app/other"] {
        let refused = setup.own(|owner| owner.set(&path(name), new_value(b"v"), false));
        assert!(matches!(&refused, Err(Error::Conflict { message, .. }) if message.contains("App")), "{refused:?}");
        let moved = setup.own(|owner| owner.rename(&path("App/Key"), &path(name)));
        assert!(matches!(moved, Err(Error::Conflict { .. })), "{moved:?}");
    }
    // Its tombstone is a file too, and one of the other name would lie beside it some day.
    setup.own(|owner| owner.remove(&path("App/Key"))).unwrap();
    let refused = setup.own(|owner| owner.set(&path("App/key"), new_value(b"v"), false));
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    setup.set("App/Key", b"again");
}

#[test]
fn a_vault_and_its_owner_are_safe_to_share_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Vault>();
    shared::<Owner<'_>>();
    let setup = Setup::new();
    setup.add_agent("billing");
    let vault = setup.vault();
    let owner = vault.unlock(&setup.owner).unwrap();
    let names: Vec<String> = (0..16).map(|n| format!("app/{n}")).collect();
    std::thread::scope(|scope| {
        for part in names.chunks(4) {
            let owner = &owner;
            scope.spawn(move || {
                for name in part {
                    owner.set(&path(name), new_value(name.as_bytes()), false).unwrap();
                }
            });
        }
    });
    for name in &names {
        assert_eq!(vault.get(&path(name), &setup.owner).unwrap().value.expose(), name.as_bytes());
    }
    assert_eq!(setup.git(&["rev-list", "--count", "HEAD"]), "18", "one commit for each write");
    assert_eq!(setup.git(&["status", "--porcelain"]), "");
    vault.verify().unwrap();
}

/// Tells the readers to end, also when the writer fails.
struct Finally<'d>(&'d AtomicUsize);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(1, Ordering::Relaxed);
    }
}

#[test]
fn e4_readers_during_a_grant_neither_fail_nor_see_a_mixture() {
    let setup = Setup::new();
    let names: Vec<String> = (0..40).map(|n| format!("app/{n}")).collect();
    set_many(&setup, requests(&names.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    setup.add_agent("billing");
    let (vault, done) = (setup.vault(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (vault, setup, names, done) = (&vault, &setup, &names, &done);
        for handle in [None, Some(vault)] {
            scope.spawn(move || {
                let own = setup.vault();
                let vault = handle.unwrap_or(&own);
                while done.load(Ordering::Relaxed) == 0 {
                    for name in names {
                        assert_eq!(vault.get(&path(name), &setup.owner).unwrap().value.expose(), name.as_bytes());
                    }
                }
            });
        }
        scope.spawn(move || {
            while done.load(Ordering::Relaxed) == 0 {
                vault.manifest().unwrap();
                vault.metadata(&path(&names[0])).unwrap();
            }
        });
        let _finally = Finally(done);
        for _ in 0..3 {
            setup.grant("billing", "app");
            setup.revoke("billing", "app");
        }
    });
}
