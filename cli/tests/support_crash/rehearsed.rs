//! A command that was run once, undisturbed, so that it can be disturbed at each of its calls.

use super::{Call, Fault, State, Traced, World};

/// Every name that a secret has before or after a command of these tests.
pub const NAMES: &[&str] = &["a/one", "a/two", "b/three", "a/gone", "c/new", "z/next"];

/// A command, what it reads, and the world before and after it.
pub struct Rehearsed<'a> {
    pub world: World,
    pub args: &'a [&'a str],
    pub input: Option<&'a [u8]>,
    /// The calls by which it changes files, in order.
    pub calls: Vec<Call>,
    pub old: State,
    pub new: State,
}

impl<'a> Rehearsed<'a> {
    /// Runs the command once.
    pub fn new(world: World, args: &'a [&'a str], input: Option<&'a [u8]>) -> Self {
        fan_out(&world);
        world.save();
        let old = State::of(&world, NAMES).unwrap();
        world.restore();
        let Traced { done, calls } = world.traced(&Fault::Nothing, args, input);
        done.ok();
        let calls: Vec<Call> = calls.into_iter().filter(Call::changed).collect();
        assert!(calls.len() > 20, "the trace shows what the command does");
        let new = State::of(&world, NAMES).unwrap();
        assert_ne!(old, new, "the command changes something that is looked at");
        world.tidy().unwrap();
        Self { world, args, input, calls, old, new }
    }

    /// Runs the command on a fresh copy, disturbed.
    pub fn again(&self, fault: &Fault<'_>) -> Traced {
        self.world.restore();
        self.world.traced(fault, self.args, self.input)
    }

    /// `check` finds nothing wrong (and finishes what has to be finished), and what it leaves is complete and usable.
    pub fn settle(&self) -> Result<State, String> {
        let world = &self.world;
        let must = |what: &str, done: super::Done| match done.code() {
            Some(0) => Ok(()),
            code => Err(format!("{what}: {code:?} {}{}", done.text(), done.err)),
        };
        must("check", world.vault(&["check"]))?;
        let state = State::of(world, NAMES)?;
        world.tidy()?;
        must("verify", world.vault(&["verify"]))?;
        must("the next set", world.feed(&["set", "z/next"], b"next"))?;
        world.tidy()?;
        Ok(state)
    }
}

/// Makes the 256 folders of Git's objects: otherwise it hangs on random digests which of them a run makes.
pub fn fan_out(world: &World) {
    let git = world.git(&["rev-parse", "--git-common-dir"]).ok().text();
    for folder in 0..=255 {
        std::fs::create_dir_all(world.repo().join(git.trim()).join(format!("objects/{folder:02x}"))).unwrap();
    }
}
