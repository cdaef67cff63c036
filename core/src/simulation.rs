//! A simulation of owners, a reader and a hostile host: what they may do, in every order that chance finds, by the rules
//! that the code runs, on commits that are only in memory.
//!
//! Documents, plans, merges and the rules of a proven history are the crate's own; signatures, files and Git are left out.
//! Whoever is no owner makes no document, and that is all that a signature says here. What a clone is told comes from one
//! of two views that the host has, and the host may put a view back, plant what was once true, merge as it likes, and show
//! different people different views. People lose the connection, are killed between the push and the move of their own
//! branch, work on two branches, merge them by plain Git, and commit other things.
//!
//! At each step it is checked that what a clone takes comes after all that it had, and of each merge that it drops no new
//! value without a word. At the end everybody syncs, and then: all have the same, every acknowledged write counts or was
//! replaced by somebody who had seen it, nobody can open anything current but those whom policy names, and no key that
//! could once read a current value is forgotten.
//!
//! The seed of a run is printed. `AGENT_VAULT_SIMULATION_SEED` repeats it, `AGENT_VAULT_SIMULATION_STEPS` says how many steps
//! to take (100,000 unless told; `cargo xtask load --simulate` takes a million).

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::cell::Cell;

mod clones;
mod host;
mod judge;
mod ledger;
mod weaver;
mod world;
mod writer;

use world::World;

/// The steps of one world: so few that a failure can be read, so many that branches cross more than once.
const LONGEST: usize = 80;

/// What an owner does to the vault.
#[derive(Debug, Clone)]
enum Deed {
    Set { path: usize, tick: bool },
    Remove { path: usize },
    Move { from: usize, to: usize },
    Describe { path: usize, text: u8 },
    Group { path: usize, group: usize },
    Allow { path: usize, agent: usize },
    Disallow { path: usize, agent: usize },
    AddAgent { agent: usize, key: usize },
    RemoveAgent { agent: usize },
    Recover { agent: usize, key: usize },
    Grant { agent: usize, group: usize },
    Revoke { agent: usize, group: usize },
}

/// Where a sync is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    Never,
    /// After the merge was made, before the push.
    BeforePush,
    /// After the push, before the branch here moves.
    AfterPush,
}

/// What happens next. Whom and what it concerns is counted among what there is.
#[derive(Debug, Clone)]
enum Step {
    Write {
        who: usize,
        deed: Deed,
    },
    Sync {
        who: usize,
        killed: Killed,
        race: Option<usize>,
    },
    /// A second passes.
    Tick,
    /// Somebody commits something that is no vault.
    Commit {
        who: usize,
    },
    /// Somebody checks the other branch out.
    Switch {
        who: usize,
    },
    /// Somebody merges the other branch by plain Git.
    GitMerge {
        who: usize,
    },
    /// Somebody loses the connection, or has it again.
    Connect {
        who: usize,
    },
    /// The host shows somebody its other view.
    Show {
        who: usize,
    },
    /// The host puts a view back.
    Rewind {
        view: usize,
        branch: usize,
        to: usize,
    },
    /// The host plants what was once signed on top of what there is.
    Graft {
        view: usize,
        branch: usize,
        picks: [usize; 3],
    },
    /// The host merges two commits, of each secret taking whichever side it likes.
    ForgeMerge {
        view: usize,
        branch: usize,
        other: usize,
        mask: u16,
    },
    /// The forge merges the other branch as Git does, unless it conflicts.
    PullRequest {
        view: usize,
        branch: usize,
    },
    /// Both views show the same.
    Heal {
        view: usize,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let (path, agent, group, key) = (0..world::PATHS.len(), 0..world::AGENTS.len(), 0..world::GROUPS.len(), 0..6_usize);
    let (p, a, g, k) = (|| path.clone(), || agent.clone(), || group.clone(), || key.clone());
    prop_oneof![
        6 => (p(), 0..8_u8).prop_map(|(path, of)| Deed::Set { path, tick: of > 0 }),
        2 => p().prop_map(|path| Deed::Remove { path }),
        1 => (p(), p()).prop_map(|(from, to)| Deed::Move { from, to }),
        1 => (p(), any::<u8>()).prop_map(|(path, text)| Deed::Describe { path, text }),
        1 => (p(), g()).prop_map(|(path, group)| Deed::Group { path, group }),
        2 => (p(), a()).prop_map(|(path, agent)| Deed::Allow { path, agent }),
        1 => (p(), a()).prop_map(|(path, agent)| Deed::Disallow { path, agent }),
        3 => (a(), k()).prop_map(|(agent, key)| Deed::AddAgent { agent, key }),
        1 => a().prop_map(|agent| Deed::RemoveAgent { agent }),
        1 => (a(), k()).prop_map(|(agent, key)| Deed::Recover { agent, key }),
        3 => (a(), g()).prop_map(|(agent, group)| Deed::Grant { agent, group }),
        2 => (a(), g()).prop_map(|(agent, group)| Deed::Revoke { agent, group }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (who, view, branch) = (0..world::CLONES, 0..2_usize, 0..2_usize);
    let (w, v, b) = (|| who.clone(), || view.clone(), || branch.clone());
    let killed = prop_oneof![6 => Just(Killed::Never), 1 => Just(Killed::BeforePush), 1 => Just(Killed::AfterPush)];
    let race = prop_oneof![3 => Just(None), 1 => w().prop_map(Some)];
    prop_oneof![
        12 => (w(), deed()).prop_map(|(who, deed)| Step::Write { who, deed }),
        8 => (w(), killed, race).prop_map(|(who, killed, race)| Step::Sync { who, killed, race }),
        2 => Just(Step::Tick),
        1 => w().prop_map(|who| Step::Commit { who }),
        2 => w().prop_map(|who| Step::Switch { who }),
        3 => w().prop_map(|who| Step::GitMerge { who }),
        1 => w().prop_map(|who| Step::Connect { who }),
        1 => w().prop_map(|who| Step::Show { who }),
        1 => (v(), b(), any::<usize>()).prop_map(|(view, branch, to)| Step::Rewind { view, branch, to }),
        1 => (v(), b(), any::<[usize; 3]>()).prop_map(|(view, branch, picks)| Step::Graft { view, branch, picks }),
        1 => (v(), b(), any::<usize>(), any::<u16>())
            .prop_map(|(view, branch, other, mask)| Step::ForgeMerge { view, branch, other, mask }),
        3 => (v(), b()).prop_map(|(view, branch)| Step::PullRequest { view, branch }),
        1 => v().prop_map(|view| Step::Heal { view }),
    ]
}

/// Takes the steps in a world of their own, and then lets everybody sync. Panics at the first thing that must not be.
fn live(steps: &[Step]) -> World {
    let mut world = World::new();
    for step in steps {
        world.take(step);
    }
    world.settle();
    world
}

thread_local! {
    /// Whether panics of this thread are looked at by the search, and need not be told each time.
    static SEARCHES: Cell<bool> = const { Cell::new(false) };
}

/// Lets this thread's panics be quiet; those of other tests are told as before.
fn search_quietly() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !SEARCHES.get() {
            told(panic);
        }
    }));
}

/// What a panic says.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Lives worlds until `most` steps are taken, and panics with the shortest way to the first thing that must not be.
fn simulate(seed: u64, most: u64) {
    println!("AGENT_VAULT_SIMULATION_SEED={seed} AGENT_VAULT_SIMULATION_STEPS={most}");
    search_quietly();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { failure_persistence: None, max_shrink_iters: 20_000, ..Config::with_cases(u32::MAX) };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let steps = proptest::collection::vec(step(), 1..LONGEST);
    let (taken, told, mut worlds) = (Cell::new(0), Cell::new(world::Told::default()), 0_u64);
    while taken.get() < most {
        let tree = steps.new_tree(&mut runner).expect("steps");
        let outcome = runner.run_one(tree, |steps| {
            SEARCHES.set(true);
            let lived = std::panic::catch_unwind(|| live(&steps).told);
            SEARCHES.set(false);
            let lived = lived.map_err(|panic| TestCaseError::fail(said(&*panic)))?;
            taken.set(taken.get() + steps.len() as u64);
            told.set(told.get() + lived);
            Ok(())
        });
        worlds += 1;
        if let Err(TestError::Fail(reason, steps)) = outcome {
            panic!("seed {seed}, world {worlds}: {reason}\nthe shortest way there:\n{steps:#?}");
        }
    }
    let (taken, told) = (taken.get(), told.get());
    println!("{taken} steps in {worlds} worlds: {told:?}");
    // A simulation in which nothing happens proves nothing.
    told.check(taken);
}

#[test]
fn whatever_people_and_the_host_do_all_agree_in_the_end_and_nothing_acknowledged_is_lost() {
    let seed = number("AGENT_VAULT_SIMULATION_SEED", rand::random());
    simulate(seed, number("AGENT_VAULT_SIMULATION_STEPS", 100_000));
}
