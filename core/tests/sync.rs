//! F4: clocks decide nothing. Machines whose clocks are years apart merge as any others do.
#![cfg(unix)]

mod common;

use agent_vault_core::time::DAY;
use agent_vault_core::vault::{Asking, Remark, SyncOptions, Synced};
use agent_vault_core::{Context, Home, Identities, Timestamp, Vault};
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
        let asking = Asking {
            identities: &|| Ok(key_of(&setup.home.owner_key())),
            travel: &|_| panic!("nothing else travels"),
            progress: &quiet,
            telling: None,
        };
        self.vault(&setup.owner).sync(&SyncOptions::default(), &asking).expect("sync")
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
