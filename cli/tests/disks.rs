//! E3: a full disk, a read-only disk, no permission. Refused, clearly, with the old state intact; or, once the change
//! is made, told as what it is: made, and to be finished.
#![cfg(target_os = "linux")]

mod support_crash;

use std::path::Path;
use std::process::Command;
use support_crash::{Done, Fault, NAMES, Rehearsed, State, World, run};

/// What a failure says whose change is durable all the same.
const SAVED: &str = "the change is saved, but its last step failed";

/// Judges a command that was disturbed: it did all, or nothing, or said that `check` must finish it.
fn judge(act: &Rehearsed<'_>, done: &Done, reason: &str) -> Result<(), String> {
    let now = State::of(&act.world, NAMES)?;
    let expected = match done.code() {
        Some(0) if now == act.new => &act.new,
        Some(0) => return Err(format!("it said that all was well: {}{}", done.text(), done.err)),
        Some(1) if !done.err.starts_with("error: ") || !done.err.contains("\nhint: ") || !done.err.contains(reason) => {
            return Err(format!("the error is not clear: {}", done.err));
        }
        Some(1) if done.err.contains(SAVED) => &act.new,
        Some(1) if now == act.old => &act.old,
        code => return Err(format!("{code:?} {}, and the state is not the old one", done.err)),
    };
    let settled = act.settle()?;
    if settled == *expected { Ok(()) } else { Err(format!("{}: then `check` made it {settled:#?}", done.err)) }
}

/// Lets every call fail, one at a time, and then every call of its name from it on.
fn fails_everywhere(args: &[&str], input: Option<&[u8]>) {
    let act = Rehearsed::new(World::small(), args, input);
    let mut failures = Vec::new();
    let (mut refused, mut saved) = (0, 0);
    for call in &act.calls {
        for fault in [Fault::Fail(call, "ENOSPC"), Fault::FailFrom(call, "ENOSPC")] {
            let done = act.again(&fault).done;
            if let Err(text) = judge(&act, &done, "No space left on device") {
                failures.push(format!("{fault:?}\n  {text}"));
            }
            refused += usize::from(done.code() == Some(1) && !done.err.contains(SAVED));
            saved += usize::from(done.err.contains(SAVED));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), 2 * act.calls.len(), failures.join("\n"));
    assert!(refused > act.calls.len() / 2 && saved > 0, "both happen: {refused} refused, {saved} saved");
}

#[test]
fn e3_set_on_a_disk_that_is_full_at_any_call_changes_all_or_nothing() {
    fails_everywhere(&["set", "c/new"], Some(b"new c/new"));
}

#[test]
fn e3_rm_on_a_disk_that_is_full_at_any_call_changes_all_or_nothing() {
    fails_everywhere(&["rm", "a/one", "--yes"], None);
}

#[test]
fn e3_grant_on_a_disk_that_is_full_at_any_call_changes_all_or_nothing() {
    fails_everywhere(&["grant", "bob", "a"], None);
}

#[test]
fn e3_add_agent_on_a_disk_that_is_full_at_any_call_changes_all_or_nothing() {
    fails_everywhere(&["add-agent", "new"], None);
}
