//! E1: SIGKILL in place of every file-system call of every writing command.
//!
//! A clean run under `strace` lists the calls; then, for each that changes files, the program runs on a fresh copy and
//! is killed as it makes that call. Between two such calls nothing on disk changes, so every state that a kill can
//! leave is met.
#![cfg(target_os = "linux")]

mod support_crash;

use support_crash::{Call, Fault, State, Traced, World};

/// Every name that a secret has before or after.
const NAMES: &[&str] = &["a/one", "a/two", "b/three", "a/gone", "c/new", "z/next"];

/// A command, what it reads, and the world before and after it.
struct Act<'a> {
    world: World,
    args: &'a [&'a str],
    input: Option<&'a [u8]>,
    calls: Vec<Call>,
    old: State,
    new: State,
}

impl<'a> Act<'a> {
    /// Runs the command once, undisturbed.
    fn rehearse(world: World, args: &'a [&'a str], input: Option<&'a [u8]>) -> Self {
        fan_out(&world);
        world.save();
        let old = seen(&world);
        world.restore();
        let Traced { done, calls } = world.traced(&Fault::Nothing, args, input);
        done.ok();
        let calls: Vec<Call> = calls.into_iter().filter(Call::changed).collect();
        assert!(calls.len() > 20, "the trace shows what the command does");
        let new = seen(&world);
        assert_ne!(old, new, "the command changes something that is looked at");
        world.tidy().unwrap();
        Self { world, args, input, calls, old, new }
    }

    /// Kills it at every call; `after` looks at what is left. The first call whose kill leaves the new state is the
    /// point of no return: every kill before it leaves the old one.
    fn kill_everywhere(&self, after: impl Fn(&Self) -> Result<State, String>) {
        let mut failures = Vec::new();
        let mut states = Vec::new();
        for call in &self.calls {
            match self.kill_at(call).and_then(|()| after(self)) {
                Ok(state) if state == self.old || state == self.new => states.push((state == self.new, call)),
                Ok(state) => failures.push((call, format!("neither old nor new: {state:#?}"))),
                Err(text) => failures.push((call, text)),
            }
        }
        for (call, text) in &failures {
            eprintln!("{:?} killed at {} {}: {}\n  {text}", self.args, call.name, call.nth, call.line);
        }
        assert!(failures.is_empty(), "{:?}: {} of {} kills", self.args, failures.len(), self.calls.len());
        assert!(states.is_sorted_by_key(|(new, _)| *new), "the new state came and went: {states:#?}");
        assert!(states.first().is_some_and(|(new, _)| !new), "the first call already made the change");
        assert!(states.last().is_some_and(|(new, _)| *new), "the last call had still not made the change");
    }

    /// Runs the command on a fresh copy and kills it as it makes `call`.
    fn kill_at(&self, call: &Call) -> Result<(), String> {
        self.world.restore();
        let Traced { done, calls } = self.world.traced(&Fault::Kill(call), self.args, self.input);
        let last = calls.iter().rev().find(|last| !last.line.starts_with("+++"));
        match last {
            Some(last) if done.killed() && (&last.name, last.nth) == (&call.name, call.nth) => Ok(()),
            _ => Err(format!("it was not killed there: {done:?}, last call {last:?}")),
        }
    }

    /// Readers come first, before anybody has recovered: each gets the old or the new value, and no failure.
    fn read(&self) -> Result<(), String> {
        let now = State::of(&self.world, NAMES)?;
        for (key, cell) in &now.values {
            if *cell != self.old.values[key] && *cell != self.new.values[key] {
                return Err(format!("{key:?} read {cell:?}, which is neither old nor new"));
            }
        }
        for reader in ["owner", "ci"] {
            let file = self.world.key("../owner").replace("agents/../", "");
            let file = if reader == "owner" { file } else { self.world.key(reader) };
            let done = self.world.vault(&["get", "a/one", "--key", &file]);
            if !matches!(done.code(), Some(0 | 3 | 4)) {
                return Err(format!("get a/one as {reader}: {}", done.err));
            }
        }
        Ok(())
    }

    /// `check` finds nothing wrong, and what it leaves is complete and usable.
    fn check(&self) -> Result<State, String> {
        let done = self.world.vault(&["check"]);
        if done.code() != Some(0) {
            return Err(format!("check: {}{}", done.text(), done.err));
        }
        let state = State::of(&self.world, NAMES)?;
        self.world.tidy()?;
        let done = self.world.vault(&["verify"]);
        if done.code() != Some(0) {
            return Err(format!("verify: {}", done.err));
        }
        let done = self.world.feed(&["set", "z/next"], b"next");
        if done.code() != Some(0) {
            return Err(format!("the next set: {}", done.err));
        }
        self.world.tidy()?;
        Ok(state)
    }
}

/// Makes the 256 folders of Git's objects: otherwise it hangs on random digests which of them a run makes.
fn fan_out(world: &World) {
    for folder in 0..=255 {
        std::fs::create_dir_all(world.repo().join(format!(".git/objects/{folder:02x}"))).unwrap();
    }
}

fn seen(world: &World) -> State {
    State::of(world, NAMES).unwrap()
}

/// The whole test for one command.
#[track_caller]
fn survives(args: &[&str], input: Option<&[u8]>) {
    let act = Act::rehearse(World::small(), args, input);
    act.kill_everywhere(|act| {
        act.read()?;
        act.check()
    });
}

#[test]
fn e1_set_of_a_new_secret_survives_a_kill_at_every_call() {
    survives(&["set", "c/new"], Some(b"new c/new"));
}

#[test]
fn e1_set_of_a_changed_value_survives_a_kill_at_every_call() {
    survives(&["set", "a/one"], Some(b"new a/one"));
}

#[test]
fn e1_set_of_a_removed_secret_survives_a_kill_at_every_call() {
    survives(&["set", "a/gone"], Some(b"new a/gone"));
}

#[test]
fn e1_set_of_metadata_survives_a_kill_at_every_call() {
    survives(&["set", "a/one", "--description", "new"], None);
}

#[test]
fn e1_set_of_a_group_survives_a_kill_at_every_call() {
    survives(&["set", "a/one", "--group", "b"], None);
}

#[test]
fn e1_rm_survives_a_kill_at_every_call() {
    survives(&["rm", "a/one", "--yes"], None);
}

#[test]
fn e1_mv_survives_a_kill_at_every_call() {
    survives(&["mv", "a/one", "c/new", "--yes"], None);
}

#[test]
fn e1_grant_survives_a_kill_at_every_call() {
    survives(&["grant", "bob", "a"], None);
}

#[test]
fn e1_revoke_survives_a_kill_at_every_call() {
    survives(&["revoke", "ci", "a"], None);
}

#[test]
fn e1_add_agent_survives_a_kill_at_every_call() {
    survives(&["add-agent", "new"], None);
}

#[test]
fn e1_remove_agent_survives_a_kill_at_every_call() {
    survives(&["remove-agent", "ci"], None);
}

#[test]
fn e1_recover_agent_survives_a_kill_at_every_call() {
    survives(&["recover-agent", "ci"], None);
}
