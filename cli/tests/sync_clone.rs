//! `clone`, `--vault URL`, and what follows a write where there is a remote.
#![cfg(unix)]

mod support;
mod support_mounts;

use support::{Clones, Done, VALUE, World, executable, head};
use support_mounts::{Place, mount, place};

/// A machine with the owner's key and no clone.
fn machine(clones: &Clones, name: &str) -> World {
    let machine = clones[0].machine(name);
    clones.lend_key(&machine);
    machine.within(&machine.root)
}

/// The clones in its cache.
fn cached(world: &World) -> Vec<String> {
    let found = world.sh("find ~/.agent-vault/cache/clones -mindepth 1 -maxdepth 1 -type d 2>/dev/null || true");
    found.lines().map(str::to_owned).collect()
}

fn read(world: &World, clones: &Clones, options: &str) -> Done {
    world.line(&format!("--vault {} get stripe/api-key {options}", clones.hub.url)).run()
}

#[test]
fn a_clone_is_verified_whole_and_can_be_worked_in_at_once() {
    let clones = Clones::of_one_owner(1);
    let laptop = machine(&clones, "laptop");
    let dir = clones[0].root.join("laptop/repo");
    laptop.run(&format!("clone {} {}", clones.hub.url, dir.display())).ok().says("owner fingerprint: SHA256:");
    let laptop = laptop.within(&dir);
    assert_eq!(laptop.get("stripe/api-key"), VALUE.as_bytes());
    laptop.set("of/laptop", "new");
    laptop.run("sync").ok();
    assert!(laptop.git("config merge.agent-vault.driver").contains("agent-vault merge-driver"));
    clones[0].run("sync").ok();
    assert_eq!(clones[0].get("of/laptop"), b"new");
}

#[test]
fn a7_a_clone_of_a_history_that_somebody_tampered_with_is_refused() {
    let clones = Clones::of_one_owner(1);
    let evil = clones.stranger("evil");
    evil.sh("f=.agent-vault/secrets/stripe/api-key.meta; sed -i 's/^revision: .*/revision: 9/' $f; git commit -qam tidy; git checkout -q HEAD~1 -- .agent-vault; git commit -qm back; git push -q");
    let laptop = machine(&clones, "laptop");
    let dir = clones[0].root.join("laptop/repo");
    laptop.run(&format!("clone {} {}", clones.hub.url, dir.display())).fails(5);
}

#[test]
fn e2_many_processes_of_one_home_share_one_clone_of_an_address() {
    let clones = Clones::of_one_owner(1);
    let server = machine(&clones, "server");
    let all_at_once = |expected: &[&str]| {
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    let done = read(&server, &clones, "").ok();
                    assert!(expected.iter().any(|value| done.out == value.as_bytes()), "{done}");
                });
            }
        });
    };
    all_at_once(&[VALUE]);
    assert_eq!(cached(&server).len(), 1);
    clones[0].set("stripe/api-key", "second");
    clones[0].sh("echo code > main.rs; git add main.rs; git commit -q -m 'write code'");
    clones[0].run("sync --yes").ok();
    // A cached clone is nobody's work: what else came in comes along.
    server.run("config set sync.max_age 0").ok();
    all_at_once(&[VALUE, "second"]);
    read(&server, &clones, "").ok().prints("second");
    let clone = server.within(&cached(&server)[0]);
    assert_eq!(head(&clone), clones.hub.tip(&clones[0]));
    assert_eq!(clone.git("status --porcelain"), "");
    server.run(&format!("--vault {} list", clones.hub.url)).ok().shows("stripe/api-key");
    // Safe to delete.
    server.sh("rm -rf ~/.agent-vault/cache");
    all_at_once(&["second"]);
}

#[test]
fn a_cached_clone_is_read_from_a_home_that_cannot_be_written() {
    let name = "a_cached_clone_is_read_from_a_home_that_cannot_be_written";
    if !matches!(place(name), Place::Here) {
        return;
    }
    let clones = Clones::of_one_owner(1);
    let server = machine(&clones, "server");
    read(&server, &clones, "").ok().prints(VALUE);
    let elsewhere = machine(&clones, "elsewhere");
    for machine in [&server, &elsewhere] {
        mount(&["--bind", &machine.home.display().to_string()], &machine.home);
        mount(&["-o", "remount,ro,bind"], &machine.home);
    }
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| read(&server, &clones, "").ok().prints(VALUE));
        }
    });
    server.run(&format!("--vault {} list", clones.hub.url)).ok().shows("stripe/api-key");
    server.run(&format!("--vault {} show stripe/api-key", clones.hub.url)).ok();
    // Where there is no clone yet, none can be made.
    read(&elsewhere, &clones, "").fails(1).says("Read-only file system");
}

#[test]
fn what_is_not_pushed_is_mentioned_and_pushed_at_once_where_the_setting_says_so() {
    let clones = Clones::of_one_owner(1);
    let tip = clones.hub.tip(&clones[0]);
    clones[0].pipe("1", "set of/one").ok().says("1 commit not pushed yet");
    clones[0].pipe("2", "set of/two").ok().says("2 commits not pushed yet");
    assert_eq!(clones.hub.tip(&clones[0]), tip);
    clones[0].run("config set sync.push auto").ok();
    let done = clones[0].pipe("3", "set of/three").ok();
    assert!(!done.err().contains("not pushed"), "{done}");
    assert_eq!(clones.hub.tip(&clones[0]), head(&clones[0]));
    // A hub that is away makes no write fail.
    let away = clones.hub.dir.with_extension("away");
    std::fs::rename(&clones.hub.dir, &away).unwrap();
    clones[0].pipe("4", "set of/four").ok().says("not pushed").says("the change is made");
    std::fs::rename(&away, &clones.hub.dir).unwrap();
    // Other people's commits do not travel with it unasked.
    clones[0].sh("echo code > main.rs; git add main.rs; git commit -q -m 'write code'");
    let tip = clones.hub.tip(&clones[0]);
    clones[0].pipe("5", "set of/five").ok().says("3 commits not pushed yet");
    assert_eq!(clones.hub.tip(&clones[0]), tip);
    clones[0].run("config unset sync.push").ok();
    clones[0].run("sync --yes").ok();
    clones.settle();
}

#[test]
fn a_merge_that_lost_the_race_is_made_again_and_not_merged_once_more() {
    let clones = Clones::of_one_owner(3);
    for (at, machine) in clones.all().iter().enumerate() {
        machine.set(&format!("of/{at}"), "new");
    }
    clones[0].run("sync").ok();
    // While the second pushes its merge, the third is first, once.
    let (third, mark) = (&clones[2], clones[1].tmp("raced"));
    let race = format!(
        "test -e {mark} && exit 0; touch {mark}; cd {repo} && env -i PATH=\"$PATH\" HOME={home} GIT_CONFIG_NOSYSTEM=1 {program} sync >&2",
        mark = mark.display(),
        repo = third.repo.display(),
        home = third.home.display(),
        program = support::PROGRAM,
    );
    executable(&clones[1].repo.join(".git/hooks/pre-push"), &race);
    clones[1].run("sync").ok();
    assert!(mark.exists(), "there was a race");
    std::fs::remove_file(clones[1].repo.join(".git/hooks/pre-push")).unwrap();
    clones.settle();
    for (at, machine) in clones.all().iter().enumerate() {
        assert_eq!(machine.get(&format!("of/{at}")), b"new");
    }
    assert_eq!(clones[0].git("rev-list --merges --count HEAD"), "2", "one of the third, and one of the second");
}
