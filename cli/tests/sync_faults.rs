//! Connections that break, processes that are killed, disks that fill up in the middle of a sync: the next one is right,
//! and nothing is lost.
#![cfg(target_os = "linux")]

mod support;

use std::path::PathBuf;
use support::{Clones, World, executable, head};

/// Two machines, each with something that the other does not have; the first has pushed.
fn diverged() -> Clones {
    let clones = Clones::of_one_owner(2);
    clones[0].set("of/first", "1");
    clones[0].run("sync").ok();
    clones[1].set("of/second", "2");
    clones
}

/// After whatever happened: one more sync, and everything is everywhere.
#[track_caller]
fn all_is_there(clones: &Clones) {
    clones.settle();
    for machine in clones.all() {
        assert_eq!(machine.get("of/first"), b"1");
        assert_eq!(machine.get("of/second"), b"2");
    }
    let left = clones[1].sh("find .git -name '*.lock' ; find .git/agent-vault -mindepth 1 -name 'scratch*'");
    assert_eq!(left, "", "nothing is left behind");
}

/// A stand-in for the hub's end of a connection, such as `uploadpack`, in one clone's configuration.
fn stand_in(world: &World, end: &str, script: &str) -> PathBuf {
    let file = world.tmp(&format!("stand-in-{end}"));
    executable(&file, script);
    world.git(&format!("config remote.origin.{end} {}", file.display()));
    file
}

#[test]
fn a_push_that_the_hub_died_of_before_it_took_it_is_made_again() {
    let clones = diverged();
    clones.hub.hook("pre-receive", "kill -9 $PPID");
    let (before, tip) = (clones[1].state(), clones.hub.tip(&clones[0]));
    clones[1].run("sync").fails(8);
    assert_eq!((clones[1].state(), clones.hub.tip(&clones[0])), (before, tip));
    clones.hub.unhook("pre-receive");
    all_is_there(&clones);
}

#[test]
fn a_push_whose_answer_was_lost_is_found_by_the_next_sync() {
    let clones = diverged();
    clones.hub.hook("post-update", "kill -9 $PPID");
    clones.hub.hook("post-receive", "kill -9 $PPID");
    let before = head(&clones[1]);
    let done = clones[1].run("sync");
    assert!(matches!(done.code, Some(0 | 8)), "{done}");
    clones.hub.unhook("post-receive");
    clones.hub.unhook("post-update");
    let merge = clones.hub.tip(&clones[1]);
    assert_ne!(merge, before, "the hub had taken it");
    all_is_there(&clones);
    assert_eq!(clones.hub.tip(&clones[1]), merge, "and that was all that there was to do");
}

#[test]
fn a_push_without_a_merge_whose_answer_was_lost_is_found_too() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("of/first", "1");
    clones.hub.hook("post-receive", "kill -9 $PPID");
    drop(clones[0].run("sync"));
    clones.hub.unhook("post-receive");
    assert_eq!(clones.hub.tip(&clones[0]), head(&clones[0]));
    clones[0].run("sync").ok().shows("up to date");
    clones[1].set("of/second", "2");
    all_is_there(&clones);
}

#[test]
fn a_push_that_a_hook_refuses_says_why_and_changes_nothing_here() {
    let clones = diverged();
    clones.hub.hook("pre-receive", "echo 'main is protected: use a pull request' >&2; exit 1");
    let before = clones[1].state();
    clones[1].run("sync").fails(8).says("refused the push").says("main is protected");
    assert_eq!(clones[1].state(), before);
    clones.hub.unhook("pre-receive");
    all_is_there(&clones);
}

#[test]
fn a_fetch_that_breaks_off_is_made_again() {
    let clones = diverged();
    let before = clones[1].state();
    // The hub's end sends a part of what it has to say, and is gone.
    for bytes in [0, 20, 300, 700, 1500] {
        stand_in(
            &clones[1],
            "uploadpack",
            &format!("git-upload-pack \"$@\" > >(dd bs=1 count={bytes} status=none; kill -9 $$)"),
        );
        clones[1].run("sync").fails(8);
        assert_eq!(clones[1].state(), before, "after {bytes} bytes");
        clones[1].run("get stripe/api-key --fresh").fails(8);
    }
    clones[1].git("config --unset remote.origin.uploadpack");
    all_is_there(&clones);
}

#[test]
fn a_sync_that_is_killed_at_any_moment_loses_nothing() {
    let clones = Clones::of_one_owner(2);
    let (mut done, mut pause) = (0, 10);
    let mut names = Vec::new();
    while done < 2 {
        let (here, there) = (format!("here/{pause}"), format!("there/{pause}"));
        clones[0].set(&there, &there);
        clones[0].run("sync").ok();
        clones[1].set(&here, &here);
        // The whole group dies: the program and every `git` that it runs.
        let killed =
            clones[1].line("sync").under(["timeout", "-s", "KILL", &format!("{}", f64::from(pause) / 1000.0)]).run();
        done += u32::from(killed.code == Some(0));
        pause += 30 + pause / 8;
        names.extend([here, there]);
        assert!(pause < 100_000, "it comes to an end: {killed}");
    }
    clones.settle();
    for (name, machine) in names.iter().flat_map(|name| clones.all().iter().map(move |machine| (name, machine))) {
        assert_eq!(machine.get(name), name.as_bytes());
    }
}

#[test]
fn a_sync_whose_program_alone_is_killed_loses_nothing() {
    let clones = Clones::of_one_owner(2);
    let (mut done, mut pause) = (0, 15);
    let mut names = Vec::new();
    while done < 2 {
        let (here, there) = (format!("here/{pause}"), format!("there/{pause}"));
        clones[0].set(&there, &there);
        clones[0].run("sync").ok();
        clones[1].set(&here, &here);
        let limit = format!("{}", f64::from(pause) / 1000.0);
        let killed = clones[1].line("sync").under(["timeout", "--foreground", "-s", "KILL", &limit]).run();
        done += u32::from(killed.code == Some(0));
        pause += 40 + pause / 8;
        names.extend([here, there]);
        assert!(pause < 100_000, "it comes to an end: {killed}");
    }
    clones.settle();
    for (name, machine) in names.iter().flat_map(|name| clones.all().iter().map(move |machine| (name, machine))) {
        assert_eq!(machine.get(name), name.as_bytes());
    }
}

/// Every name that is made fails from the n-th on, in the program and in `git`, as on a disk that has become full.
fn disk_is_full_from(clones: &Clones, calls: &str, nth: usize) -> Option<i32> {
    let inject = format!("inject={calls}:error=ENOSPC:when={nth}+");
    let log = clones[1].tmp("strace").display().to_string();
    let wrapper = ["strace", "-f", "-qq", "-o", &log, "-e", &format!("trace={calls}"), "-e", &inject];
    clones[1].line("sync").under(wrapper).run().code
}

#[test]
fn e3_a_disk_that_is_full_in_the_middle_of_a_merge_loses_nothing() {
    for calls in
        ["?rename,?renameat,?renameat2,?link,?linkat", "?mkdir,?mkdirat", "?fsync,?fdatasync", "?pwrite64,?ftruncate"]
    {
        let clones = Clones::of_one_owner(2);
        let mut refused = 0;
        for nth in [1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 28] {
            let (here, there) = (format!("here/{nth}"), format!("there/{nth}"));
            clones[0].set(&there, &there);
            clones[0].run("sync").ok();
            clones[1].set(&here, &here);
            let before = head(&clones[1]);
            let code = disk_is_full_from(&clones, calls, nth);
            assert_ne!(code, None, "no signal: {calls} {nth}");
            if code == Some(0) {
                break;
            }
            refused += 1;
            // Whatever it came to, the branch is where it was, or has the merge.
            let now = head(&clones[1]);
            assert!(now == before || clones[1].git(&format!("rev-parse {now}^1")) == before, "{calls} {nth}");
            assert_eq!(clones[1].get(&here), here.as_bytes(), "{calls} {nth}");
            clones[1].run("sync").ok();
            assert_eq!(clones[1].get(&there), there.as_bytes(), "{calls} {nth}");
        }
        assert!(refused > 0 || calls.contains("ftruncate"), "{calls}");
        clones.settle();
    }
}
