//! E2 and E4: many writers at once, and readers while a writer works or after it died.
#![cfg(target_os = "linux")]

mod support_crash;

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support_crash::{Done, Fault, State, World, finish};

/// Starts the program; it reads `input` from a file, so that nobody has to feed it.
fn start(world: &World, args: &[&str], input: &str) -> Child {
    let file = world.root().join(format!("input-{}", input.replace('/', "-")));
    std::fs::write(&file, input).unwrap();
    let mut command = world.program(args);
    command.stdin(std::fs::File::open(file).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The history is one line, each commit of it signed, and everything in the vault is in order.
fn in_order(world: &World, commits: usize) {
    world.vault(&["check"]).ok();
    world.vault(&["verify"]).ok();
    world.tidy().unwrap();
    assert_eq!(world.commits(), commits, "one commit for each acknowledged write");
    assert_eq!(world.git(&["rev-list", "--merges", "--count", "HEAD"]).ok().text().trim(), "0");
    let signers = "gpg.ssh.allowedSignersFile=.agent-vault/allowed_signers";
    let signatures = world.git(&["-c", signers, "log", "--format=%G?", "HEAD"]).ok().text();
    assert!(signatures.lines().all(|signature| signature == "G"), "every commit is signed by the owner");
}

#[test]
fn e2_of_32_processes_that_write_at_once_every_one_is_heard() {
    let world = World::new();
    let before = world.commits();
    let names: Vec<String> = (0..32).map(|n| format!("group{}/secret{n}", n % 5)).collect();
    let writers: Vec<_> = names.iter().map(|name| (name, start(&world, &["set", name], name))).collect();
    let mut heard = 0;
    for (name, writer) in writers {
        let done = finish(writer);
        let found = world.vault(&["get", name]);
        match done.code() {
            Some(0) => assert_eq!(found.ok().text(), *name),
            Some(7) => drop(found.ended(3)),
            other => panic!("{other:?}: {}", done.err),
        }
        heard += usize::from(done.code() == Some(0));
    }
    in_order(&world, before + heard);
    assert_eq!(heard, 32, "nobody had to wait for longer than the locks are waited for");
}

/// What the writers of the next test do, to agents, groups and secrets that they share.
fn quarrel(n: usize) -> (Vec<String>, String) {
    let (agent, group, secret) = (["ci", "bob"][n % 2], ["a", "b"][n / 2 % 2], ["a/one", "a/two", "b/three"][n % 3]);
    let text = match n / 4 {
        0 => format!("set {secret}"),
        1 => format!("grant {agent} {group} --json"),
        2 => format!("revoke {agent} {group} --json"),
        3 => format!("add-agent new{}", n % 2),
        4 => format!("set {secret} --agents bob"),
        5 => format!("mv {secret} c/moved{n} --yes"),
        6 => format!("rm {secret} --yes"),
        _ => format!("remove-agent new{} --json", n % 2),
    };
    (text.split(' ').map(str::to_owned).collect(), format!("value {n}"))
}

#[test]
fn e2_writers_that_quarrel_over_the_same_things_leave_one_line_of_history() {
    let world = World::small();
    let before = world.commits();
    let run = |n: usize| {
        let (args, input) = quarrel(n);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        start(&world, &args, &input)
    };
    let writers: Vec<(usize, Child)> = (0..32).map(|n| (n, run(n))).collect();
    let mut heard = 0;
    for (n, writer) in writers {
        let done = finish(writer);
        let (args, _) = quarrel(n);
        match done.code() {
            // A grant of what is granted already says that there was nothing to do.
            Some(0) if args.contains(&"--json".to_owned()) => {
                heard += usize::from(!done.text().contains("\"commit\": null"))
            }
            Some(0) => heard += 1,
            // What another one removed is not found; what another one did is a conflict.
            Some(3 | 7) => {}
            other => panic!("{args:?}: {other:?} {}", done.err),
        }
    }
    assert!(heard > 8, "most of it happened");
    in_order(&world, before + heard);
}

#[test]
fn e2_writers_that_are_killed_among_others_take_nothing_with_them() {
    let world = World::new();
    let before = world.commits();
    let names: Vec<String> = (0..32).map(|n| format!("group/secret{n}")).collect();
    let mut writers: Vec<_> = names.iter().map(|name| (name, start(&world, &["set", name], name))).collect();
    for (at, (_, writer)) in writers.iter_mut().enumerate() {
        if at % 2 == 1 {
            writer.kill().unwrap();
        }
    }
    let done: Vec<(&String, Done)> = writers.into_iter().map(|(name, writer)| (name, finish(writer))).collect();
    world.vault(&["check"]).ok();
    let mut there = 0;
    for (name, done) in &done {
        let found = world.vault(&["get", name]);
        match (found.code(), done.code()) {
            (Some(0), _) => {
                assert_eq!(found.text(), **name);
                there += 1;
            }
            (Some(3), Some(7) | None) => {}
            (_, code) => panic!("{name} ended with {code:?}: {} {}", done.err, found.err),
        }
    }
    assert!(there >= 16, "the others were not disturbed");
    in_order(&world, before + there);
}

/// How many secrets a change of access is long with.
const MANY: usize = 150;

/// A vault with many secrets in the group `many`, which `ci` has and `bob` has not, and one more of another group.
fn large() -> World {
    let world = World::new();
    for agent in ["ci", "bob"] {
        world.vault(&["add-agent", agent]).ok();
    }
    world.vault(&["grant", "ci", "many", "--create"]).ok();
    world.feed(&["set", "other/one"], b"value of other/one").ok();
    for n in 0..MANY {
        let name = name(n);
        world.feed(&["set", &name], format!("value of {name}").as_bytes()).ok();
    }
    world
}

fn name(n: usize) -> String {
    format!("many/secret{n:03}")
}

/// Reads one secret; `Err` says what it saw that nobody may see.
fn get(world: &World, reader: &str, name: &str, allowed: &[i32]) -> Result<(), String> {
    let key = if reader == "owner" { world.keys().join("owner.key").display().to_string() } else { world.key(reader) };
    let done = world.vault(&["get", name, "--key", &key]);
    match done.code() {
        Some(0) if allowed.contains(&0) && done.text() == format!("value of {name}") => Ok(()),
        Some(code) if code != 0 && allowed.contains(&code) => Ok(()),
        code => Err(format!("get {name} as {reader}: {code:?} {}{}", done.text(), done.err)),
    }
}

/// A look at the vault as a whole, that must succeed.
fn look(world: &World, args: &[&str]) -> Result<String, String> {
    let done = world.vault(args);
    if done.code() == Some(0) && done.err.is_empty() {
        Ok(done.text())
    } else {
        Err(format!("{args:?}: {:?} {}", done.code(), done.err))
    }
}

/// One round of every reader, the secrets in turn. `bob`'s access is what changes.
fn read_all(world: &World, round: usize) -> Result<(), String> {
    get(world, "owner", "other/one", &[0])?;
    get(world, "ci", "other/one", &[4])?;
    for step in [0, 37, 74, 111] {
        let name = name((round + step) % MANY);
        get(world, "owner", &name, &[0])?;
        get(world, "ci", &name, &[0])?;
        get(world, "bob", &name, &[0, 4])?;
    }
    let list = look(world, &["list", "--json"])?;
    let rows: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(&list).map_err(|e| e.to_string())?;
    if rows.len() != MANY + 1 {
        let names: Vec<_> = rows.iter().map(|row| &row["name"]).collect();
        return Err(format!("list shows {} secrets: {names:?}", rows.len()));
    }
    let agents = look(world, &["list-agents", "--json"])?;
    let agents: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(&agents).map_err(|e| e.to_string())?;
    if agents.len() != 2 {
        return Err(format!("list-agents shows {}", agents.len()));
    }
    look(world, &["whoami", "--json"]).map(drop)
}

/// Runs `readers` again and again while `work` runs; each must have had its turn, and none may have failed.
fn meanwhile<T>(readers: &[&(dyn Fn(usize) -> Result<(), String> + Sync)], work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let rounds: Vec<AtomicUsize> = readers.iter().map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        let running: Vec<_> = readers
            .iter()
            .zip(&rounds)
            .map(|(reader, rounds)| {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        reader(rounds.fetch_add(1, Ordering::Relaxed))?;
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        let done = work();
        over.store(true, Ordering::Relaxed);
        running.into_iter().for_each(|reader| reader.join().unwrap().unwrap());
        assert!(rounds.iter().all(|rounds| rounds.load(Ordering::Relaxed) > 0), "every reader read: {rounds:?}");
        done
    })
}

#[test]
fn e4_readers_during_a_long_grant_and_revoke_never_fail_and_never_see_a_mixture() {
    let world = large();
    let verify = |_| look(&world, &["verify"]).map(drop);
    let check = |_| look(&world, &["check", "-q"]).map(drop);
    let read = |round| read_all(&world, round);
    meanwhile(&[&read, &verify, &check], || {
        // Slow renames: without them the whole change is over before a reader has started.
        for args in [["grant", "bob", "many"], ["revoke", "bob", "many"]] {
            world.traced(&Fault::SlowNames(6000), &args, None).done.ok();
        }
    });
    world.vault(&["check"]).ok();
    world.tidy().unwrap();
}

#[test]
fn e4_a_secret_that_is_removed_moved_and_set_anew_is_there_or_not_there() {
    let world = World::new();
    let names = ["x/one", "x/two"];
    world.feed(&["set", "x/one"], b"value of x/one").ok();
    let there_or_not = |round: usize| {
        let name = names[round % 2];
        get(&world, "owner", name, &[0, 3])?;
        look(&world, &["list", "--json"])?;
        look(&world, &["whoami"])?;
        look(&world, &["verify"]).map(drop)
    };
    let slowly = |round: usize| {
        let done = world.traced(&Fault::SlowOpens(4000), &["get", names[round % 2]], None).done;
        if matches!(done.code(), Some(0 | 3)) { Ok(()) } else { Err(format!("{:?} {}", done.code(), done.err)) }
    };
    meanwhile(&[&there_or_not, &slowly], || {
        for _ in 0..6 {
            let slow = |args: &[&str]| world.traced(&Fault::SlowNames(20_000), args, Some(b"value of x/one")).done.ok();
            slow(&["rm", "x/one", "--yes"]);
            world.feed(&["set", "x/one"], b"value of x/one").ok();
            world.feed(&["set", "x/two"], b"value of x/two").ok();
            slow(&["rm", "x/two", "--yes"]);
        }
    });
    world.tidy().unwrap();
}

#[test]
fn e4_readers_go_on_after_a_writer_died_in_the_middle_of_its_renames() {
    let world = large();
    let old = State::of(&world, &["many/secret000", "many/secret149"]).unwrap();
    world.save();
    let renames: Vec<_> = {
        let calls = world.traced(&Fault::Nothing, &["grant", "bob", "many"], None).calls;
        calls.into_iter().filter(|call| call.name.starts_with("renameat")).collect()
    };
    let new = State::of(&world, &["many/secret000", "many/secret149"]).unwrap();
    assert!(renames.len() > 2 * MANY, "each secret's two files are renamed, and the manifest's");
    for call in [&renames[0], &renames[1], &renames[MANY], &renames[renames.len() - 1]] {
        world.restore();
        assert!(world.traced(&Fault::Kill(call), &["grant", "bob", "many"], None).done.killed());
        assert!(world.repo().join(".git/agent-vault/journal.json").exists(), "nobody has recovered");
        for round in 0..4 {
            read_all(&world, round * 7).unwrap();
        }
        look(&world, &["list-agents"]).unwrap();
        let read = |round| read_all(&world, round);
        meanwhile(&[&read], || world.vault(&["check"]).ok());
        assert_eq!(State::of(&world, &["many/secret000", "many/secret149"]).unwrap(), new);
        world.tidy().unwrap();
    }
    assert_ne!(old, new);
}
