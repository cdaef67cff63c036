//! E3: a full disk, a read-only disk, no permission. Refused, clearly, with the old state intact; or, once the change
//! is made, told as what it is: made, and to be finished.
#![cfg(target_os = "linux")]

mod support_crash;
mod support_mounts;

use agent_vault_test_remotes::copy_program;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support_crash::{Done, Fault, NAMES, PROGRAM, Rehearsed, State, World, run};
use support_mounts::{Place, fill, mount, place};

/// What a failure says whose change is durable all the same.
const SAVED: &str = "the change is saved, but its last step failed";

/// Judges a command that was disturbed: it did all, or nothing, or said that `check` must finish it, once the disk is as
/// it should be again.
fn judge(act: &Rehearsed<'_>, done: &Done, reason: &str, heal: impl FnOnce()) -> Result<(), String> {
    let now = State::of(&act.world, NAMES)?;
    let expected = match done.code() {
        Some(0) if now == act.new => &act.new,
        Some(0) => return Err(format!("it said that all was well: {}{}", done.text(), done.err)),
        Some(1) if !(done.err.contains("error: ") && done.err.contains(reason) && done.err.contains("\nhint: ")) => {
            return Err(format!("the error is not clear: {}", done.err));
        }
        Some(1) if done.err.contains(SAVED) => &act.new,
        Some(1) if now == act.old => &act.old,
        code => return Err(format!("{code:?} {}, and the state is not the old one", done.err)),
    };
    heal();
    let settled = act.settle()?;
    if settled == *expected { Ok(()) } else { Err(format!("{}: then `check` made it {settled:#?}", done.err)) }
}

/// Lets every call fail once, and then it and all later ones of its name. A lock needs no space.
fn fails_everywhere(args: &[&str], input: Option<&[u8]>) {
    let act = Rehearsed::new(World::small(), args, input);
    let mut failures = Vec::new();
    let (mut refused, mut saved) = (0, 0);
    for call in act.calls.iter().filter(|call| call.name != "flock") {
        for fault in [Fault::Fail(call, "ENOSPC"), Fault::FailFrom(call, "ENOSPC")] {
            // Where every later write fails, one to standard error does, too.
            let mute = call.name == "write" && matches!(fault, Fault::FailFrom(..));
            let mut done = act.again(&fault).done;
            if mute && done.err.is_empty() {
                let finishing = act.world.repo().join(".git/agent-vault/journal.json").exists();
                done.err = format!("error: No space left on device{}\nhint: ", if finishing { SAVED } else { "" });
            }
            if let Err(text) = judge(&act, &done, "No space left on device", || {}) {
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

#[test]
fn e3_a_disk_with_room_for_a_part_of_a_change_only_keeps_the_old_state() {
    if !matches!(place("e3_a_disk_with_room_for_a_part_of_a_change_only_keeps_the_old_state"), Place::Here) {
        return;
    }
    let value = vec![b'x'; 20_000];
    let act = Rehearsed::new(World::small(), &["set", "c/new"], Some(&value));
    mount(&["-t", "tmpfs", "-o", "size=16m", "none"], &act.world.now());
    let filler = act.world.now().join("filler");
    let mut room = 0;
    let mut outcomes = Vec::new();
    while !outcomes.ends_with(&[Some(0), Some(0), Some(0)]) {
        assert!(room < 200, "it needs no more than that: {outcomes:?}");
        act.world.restore();
        fill(&filler, room);
        let done = act.world.feed(act.args, &value);
        // A write that is cut short has no reason but that.
        let reason = if done.err.contains("is the disk full?") { "disk full" } else { "No space left on device" };
        let judged = judge(&act, &done, reason, || std::fs::remove_file(&filler).unwrap());
        assert_eq!(judged, Ok(()), "room for {room} pages");
        outcomes.push(done.code());
        room += 1;
    }
    assert!(outcomes.iter().filter(|code| **code == Some(1)).count() > 10, "{outcomes:?}");
}

/// Every kind of change.
const CHANGES: &[&str] = &[
    "set a/one --generate",
    "set c/new --generate",
    "set a/one --description new",
    "rm a/one --yes",
    "mv a/one c/new --yes",
    "grant bob a",
    "revoke ci a",
    "add-agent new",
    "remove-agent ci",
    "recover-agent ci",
];

#[test]
fn e3_a_read_only_disk_refuses_every_change_and_serves_every_reader() {
    if !matches!(place("e3_a_read_only_disk_refuses_every_change_and_serves_every_reader"), Place::Here) {
        return;
    }
    let world = World::small();
    world.save();
    let old = State::of(&world, NAMES).unwrap();
    let now = world.now();
    mount(&["--bind", &now.display().to_string()], &now);
    mount(&["-o", "remount,ro,bind"], &now);
    for change in CHANGES {
        let done = world.vault(&change.split(' ').collect::<Vec<_>>()).ended(1);
        assert!(done.err.contains("Read-only file system") && done.err.contains("\nhint: "), "{change}: {}", done.err);
    }
    for reader in ["get a/one", "list", "list-agents", "show a/one", "whoami", "verify", "check"] {
        let done = world.vault(&reader.split(' ').collect::<Vec<_>>()).ok();
        assert!(!done.err.contains("error: "), "{reader}: {}", done.err);
    }
    let done = world.vault(&["get", "a/one", "--key", &world.key("ci")]).ok();
    assert_eq!(done.text(), "old a/one");
    assert_eq!(State::of(&world, NAMES).unwrap(), old);
    world.tidy().unwrap();
}

/// A world that belongs to a user without privileges, and the program run by that user: the same one, unless the test
/// runs as root, whom no permission binds.
struct Ordinary {
    world: World,
    root: bool,
}

impl Ordinary {
    fn new() -> Self {
        let world = World::small();
        let root = run(Command::new("id").arg("-u"), None).text().trim() == "0";
        std::fs::write(world.home().join(".gitconfig"), "[safe]\n\tdirectory = *\n").unwrap();
        std::fs::set_permissions(world.root(), Permissions::from_mode(0o755)).unwrap();
        copy_program(PROGRAM.as_ref(), &world.root().join("program"));
        let ordinary = Self { world, root };
        ordinary.give();
        ordinary.world.save();
        ordinary
    }

    /// Gives everything to the ordinary user.
    fn give(&self) {
        if self.root {
            run(Command::new("chown").args(["-R", "65534:65534"]).arg(self.world.now()), None).ok();
        }
    }

    /// Runs the program as the ordinary user.
    fn vault(&self, text: &str) -> Done {
        let program = self.world.root().join("program").display().to_string();
        let become_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--", &program];
        let mut command = self.world.command(if self.root { "setpriv" } else { &program });
        command.args(if self.root { &become_nobody[..] } else { &[] });
        run(command.args(text.split(' ')), None)
    }

    fn state(&self) -> State {
        let state = State::of(&self.world, NAMES).unwrap();
        self.give();
        state
    }

    /// Takes or gives a permission, below the world.
    fn chmod(&self, mode: &str, path: &str) {
        run(Command::new("chmod").args(["-R", mode]).arg(self.world.now().join(path)), None).ok();
    }
}

#[test]
fn e3_without_permission_to_write_every_change_is_refused_and_the_old_state_stays() {
    let ordinary = Ordinary::new();
    let old = ordinary.state();
    let everything = "set a/one --generate,set a/one --description new,rm a/one --yes,mv a/one c/new --yes,grant bob a,\
        revoke ci a,remove-agent ci,recover-agent ci,add-agent new,set c/new --generate";
    let locked = [
        ("repo", everything),
        ("repo/.git", everything),
        ("repo/.git/agent-vault", everything),
        ("repo/.git/objects", everything),
        ("repo/.git/refs", everything),
        ("repo/.agent-vault", everything),
        ("repo/.agent-vault/secrets", "set a/one --generate,set c/new --generate,rm a/one --yes,grant bob a"),
        ("repo/.agent-vault/secrets/a", "set a/one --generate,rm a/one --yes,mv a/one c/new --yes,grant bob a"),
        ("repo/.agent-vault/agents", "add-agent new,remove-agent ci,recover-agent ci"),
        ("home/.agent-vault/agents", "add-agent new,recover-agent ci"),
    ];
    for (path, changes) in locked {
        for change in changes.split(',') {
            ordinary.world.restore();
            ordinary.chmod("a-w", path);
            let done = ordinary.vault(change);
            ordinary.chmod("u+w", path);
            assert_eq!(done.code(), Some(1), "{path}, {change}: {}{}", done.text(), done.err);
            assert!(
                done.err.contains("ermission denied") && done.err.contains("\nhint: "),
                "{path}, {change}: {}",
                done.err
            );
            assert_eq!(ordinary.state(), old, "{path}, {change}: {}", done.err);
            assert_eq!(ordinary.world.tidy(), Ok(()), "{path}, {change}: {}", done.err);
            ordinary.vault("set z/next --generate").ok();
        }
    }
}

#[test]
fn e3_a_home_that_cannot_be_written_warns_and_a_key_that_cannot_be_read_is_an_error() {
    let ordinary = Ordinary::new();
    ordinary.chmod("a-w", "home/.agent-vault");
    let done = ordinary.vault("set a/one --generate").ok();
    assert!(done.err.contains("warning: what was seen could not be remembered"), "{}", done.err);
    ordinary.vault("get a/one").ok();
    ordinary.chmod("u+w", "home/.agent-vault");
    ordinary.chmod("a-r", "home/.agent-vault/owner.key");
    let done = ordinary.vault("get a/one").ended(6);
    assert!(done.err.contains("ermission denied") && done.err.contains("owner.key"), "{}", done.err);
    ordinary.chmod("u+r", "home/.agent-vault/owner.key");
    ordinary.vault("check").ok();
}

#[test]
fn e3_a_file_system_without_locks_is_not_written_to() {
    let world = World::small();
    let act = Rehearsed::new(world, &["set", "a/one"], Some(b"new"));
    let flock = act.calls.iter().find(|call| call.name == "flock").unwrap();
    let done = act.again(&Fault::FailFrom(flock, "ENOLCK")).done.ended(7);
    assert!(done.err.contains("cannot lock files") && done.err.contains("\nhint: "), "{}", done.err);
    assert_eq!(State::of(&act.world, NAMES).unwrap(), act.old);
}
