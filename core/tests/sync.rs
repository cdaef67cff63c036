//! F4: clocks decide nothing. Machines whose clocks are years apart merge as any others do. And what a sync does while other
//! processes of its machine look at the remote.
#![cfg(unix)]

mod common;

use agent_vault_core::time::DAY;
use agent_vault_core::vault::{Asking, Fresh, Freshness, Remark, SyncOptions, Synced, Travel};
use agent_vault_core::{Context, Error, Home, Identities, Timestamp, Vault};
use common::*;
use std::path::PathBuf;

/// A machine of the owner's with a clone, a home and a clock of its own.
struct Machine {
    repo: PathBuf,
    context: Context,
}

impl Machine {
    fn vault(&self, owner: &Identities) -> Vault {
        Vault::open(&self.repo, self.context.clone(), Some(owner)).expect("the vault opens")
    }

    fn set(&self, owner: &Identities, name: &str, value: &[u8]) {
        let vault = self.vault(owner);
        vault.unlock(owner).expect("an owner").set(&path(name), new_value(value), false).expect("set");
    }

    fn get(&self, owner: &Identities, name: &str) -> Vec<u8> {
        self.vault(owner).get(&path(name), owner).expect("get").value.expose().to_vec()
    }

    fn sync(&self, setup: &Setup) -> Synced {
        self.sync_asking(setup, &|_| panic!("nothing else travels")).expect("sync")
    }

    fn sync_asking(&self, setup: &Setup, travel: &dyn Fn(&Travel) -> Result<bool, Error>) -> Result<Synced, Error> {
        let identities = || Ok(key_of(&setup.home.owner_key()));
        let asking = Asking { identities: &identities, travel, progress: &quiet, telling: None };
        self.vault(&setup.owner).sync(&SyncOptions::default(), &asking)
    }

    /// What a read in another process does first.
    fn look(&self, owner: &Identities) -> Fresh {
        self.vault(owner).freshen(&Freshness { force: true, ..Freshness::default() }).expect("a look")
    }
}

fn a_year_ahead() -> Timestamp {
    Timestamp::from_unix(Timestamp::now().unix() + 366 * DAY).expect("a time")
}

fn a_year_behind() -> Timestamp {
    Timestamp::from_unix(Timestamp::now().unix() - 366 * DAY).expect("a time")
}

/// A hub, and machines a year ahead and a year behind.
fn machines(setup: &Setup) -> [Machine; 2] {
    let hub = setup.temp().join("hub.git");
    setup.git(&["init", "--quiet", "--bare", "--initial-branch", "main", &hub.display().to_string()]);
    setup.git(&["push", "--quiet", &hub.display().to_string(), "HEAD:refs/heads/main"]);
    [("ahead", a_year_ahead as fn() -> Timestamp), ("behind", a_year_behind)].map(|(name, clock)| {
        let repo = setup.temp().join(name);
        setup.git(&["clone", "--quiet", &hub.display().to_string(), &repo.display().to_string()]);
        let home = Home::new(setup.temp().join(format!("home-{name}")));
        Machine { repo, context: Context { clock, ..Context::new(home) } }
    })
}

#[test]
fn f4_a_clock_a_year_ahead_wins_nothing_and_one_a_year_behind_loses_nothing() {
    let setup = Setup::new();
    setup.set("app/key", b"old");
    let [ahead, behind] = machines(&setup);
    ahead.set(&setup.owner, "app/key", b"from the future");
    ahead.set(&setup.owner, "app/ahead", b"1");
    behind.set(&setup.owner, "app/key", b"once");
    behind.set(&setup.owner, "app/key", b"twice");
    behind.set(&setup.owner, "app/behind", b"2");
    ahead.sync(&setup);
    let merged = behind.sync(&setup);
    assert!(merged.merged);
    assert!(matches!(merged.remarks.as_slice(), [Remark::OtherValue { .. }]), "{:?}", merged.remarks);
    ahead.sync(&setup);
    for machine in [&ahead, &behind] {
        assert_eq!(machine.get(&setup.owner, "app/key"), b"twice", "numbers decide, and no clock");
        assert_eq!(machine.get(&setup.owner, "app/ahead"), b"1");
        assert_eq!(machine.get(&setup.owner, "app/behind"), b"2");
        let vault = machine.vault(&setup.owner);
        assert_eq!(vault.verify_history(None, &quiet).expect("a history").violations, []);
    }
    // And the other way round.
    ahead.set(&setup.owner, "app/key", b"thrice");
    behind.sync(&setup);
    ahead.sync(&setup);
    behind.sync(&setup);
    assert_eq!(behind.get(&setup.owner, "app/key"), b"thrice");
}

#[test]
fn a_sync_that_waits_for_a_person_neither_refuses_nor_forgets_what_a_read_saw_meanwhile() {
    let setup = Setup::new();
    setup.set("app/key", b"1");
    let [here, there] = machines(&setup);
    let hub = setup.temp().join("hub.git");
    // Someone commits code beside the vault, so that taking it has to be asked for.
    std::fs::write(there.repo.join("code.txt"), "code").expect("a file");
    git_in(&there.repo, &["add", "code.txt"]);
    git_in(&there.repo, &["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "-m", "code"]);
    git_in(&there.repo, &["push", "--quiet", "origin", "HEAD:main"]);
    let first = git_in(&hub, &["rev-parse", "main"]);
    let asked = std::cell::Cell::new(0);
    let travel = |_: &Travel| {
        asked.set(asked.get() + 1);
        // While the person thinks, more is pushed, and a read of this machine sees it.
        there.set(&setup.owner, "app/key", b"2");
        there.sync(&setup);
        assert!(matches!(here.look(&setup.owner), Fresh::Ahead));
        Ok(true)
    };
    here.sync_asking(&setup, &travel).expect("what came in first is no rollback");
    assert_eq!(asked.get(), 1);
    assert_eq!(here.get(&setup.owner, "app/key"), b"2", "what was seen is read");
    // A host that takes it back is found out: the sync did not forget what the read had seen.
    git_in(&hub, &["update-ref", "refs/heads/main", &first]);
    let refused = here.sync_asking(&setup, &|_| Ok(true)).expect_err("the branch went back");
    assert!(matches!(refused, Error::WentBack { .. }), "{refused:?}");
}
