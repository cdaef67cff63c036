//! Threats C4 and C5: with which modes key files are created, which programs are started, and where plaintext lies.
#![cfg(target_os = "linux")] // strace

mod support;

use support::{VALUE, World};

/// What strace is to write down for C4.
const FILES: &str = "trace=open,openat,openat2,creat,chmod,fchmod,fchmodat,?fchmodat2,mkdir,mkdirat,umask";

/// Runs a line under strace and returns the calls. The most permissive umask hides nothing: every mode is as asked for.
fn traced(world: &World, what: &str, line: &str, input: Option<&str>) -> Vec<support::SystemCall> {
    let file = world.root.join("trace");
    let script = format!("umask 0; exec strace -f -y -qq -s 4096 -e {what} -o {} \"$@\"", file.display());
    let call = world.line(line).under(["bash", "-c", &script, "bash"]);
    match input {
        Some(input) => call.input(input).run().ok(),
        None => call.run().ok(),
    };
    support::read_trace(&file)
}

/// Every file that a call creates below one of `private` is exclusive and 0600 from its first instant, every folder
/// 0700, and no mode is ever set afterwards.
#[track_caller]
fn is_private_from_the_start(calls: &[support::SystemCall], private: &[&str], files: usize) {
    let below: Vec<_> =
        calls.iter().filter(|call| private.iter().any(|dir| call.line.contains(&format!("\"{dir}")))).collect();
    let created: Vec<_> = below.iter().filter(|call| call.line.contains("O_CREAT") || call.name == "creat").collect();
    for call in &created {
        assert!(call.line.contains("O_EXCL") && call.line.contains(", 0600)"), "{}", call.line);
    }
    for call in below.iter().filter(|call| call.name.starts_with("mkdir")) {
        assert!(call.line.contains(", 0700)"), "{}", call.line);
    }
    for call in calls.iter().filter(|call| call.name.contains("chmod")) {
        assert!(!private.iter().any(|dir| call.line.contains(dir)), "a mode is set after the fact: {}", call.line);
    }
    // Who may not look into a process that forbids dumps sees no names; the modes afterwards still say the same.
    if calls.iter().any(|call| call.line.contains("\"/")) && rooted() {
        assert!(created.len() >= files, "{files} files are created below {private:?}, and {} were seen", created.len());
    }
}

fn rooted() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

#[test]
fn c4_key_files_are_never_for_an_instant_readable_by_others() {
    let world = World::repository();
    let keys = world.keys().display().to_string();
    let tmp = world.root.join("tmp/").display().to_string();
    let private = [keys.as_str(), tmp.as_str()];
    for (line, input, files) in [
        ("init", None, 1),
        ("add-agent ci", None, 1),
        ("set a/b", Some("value"), 0),
        ("grant ci a", None, 0),
        ("recover-agent ci", None, 1),
        (&format!("restore-agent ci --to {tmp}restored"), None, 1),
        (&format!("restore-agent ci --to {tmp}restored --force"), None, 1),
        (&format!("get a/b -o {tmp}value"), None, 1),
        (&format!("get a/b -o {tmp}value --force"), None, 1),
    ] {
        let calls = traced(&world, FILES, line, input);
        is_private_from_the_start(&calls, &private, files);
    }
    let open = world.sh("find $HOME/.agent-vault $TMPDIR/restored $TMPDIR/value -perm /077");
    assert_eq!(open, "", "nothing in the home is open to others, whatever the umask");
}

#[test]
fn c5_no_other_program_is_started_so_no_value_or_key_is_in_anyones_arguments() {
    let world = World::repository();
    for (line, input) in [
        ("init", None),
        ("add-agent ci", None),
        ("set a/b", Some(VALUE)),
        ("grant ci a", None),
        ("get a/b", None),
        ("list", None),
        ("revoke ci a", None),
        ("recover-agent ci", None),
        ("mv a/b c/d --yes", None),
        ("rm c/d --yes", None),
        ("check", None),
        ("verify", None),
    ] {
        let calls = traced(&world, "trace=execve,execveat", line, input);
        let started: Vec<&str> = calls.iter().map(|call| call.line.as_str()).collect();
        assert_eq!(started.len(), 1, "{line}: {started:#?}");
        assert!(!started[0].contains(VALUE));
    }
}

#[test]
fn c5_plaintext_reaches_neither_disk_nor_output() {
    let world = World::vault();
    let other = "another-value-5f1c";
    let nothing = Vec::<String>::new();
    let file = world.tmp("value");
    std::fs::write(&file, other).unwrap();
    let steps: Vec<(&str, Option<&str>)> = vec![
        ("set stripe/api-key", Some(VALUE)),
        ("add-agent ci", None),
        ("grant ci stripe", None),
        ("set stripe/api-key --group ops", None),
        ("set stripe/api-key --agents ci", None),
        ("mv stripe/api-key ops/key --yes", None),
        ("recover-agent ci", None),
        ("revoke ci --secret ops/key", None),
        ("set ops/key --dry-run", Some(other)),
        ("set ops/other --from-file ../tmp/value", None),
        ("list --json", None),
        ("show ops/key --json", None),
        ("check --json", None),
        ("remove-agent ci", None),
        ("rm ops/key --yes", None),
    ];
    for (line, input) in steps {
        let call = world.line(line).env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace");
        let done = if let Some(input) = input { call.input(input) } else { call }.run().ok();
        done.keeps_silent_about(VALUE).keeps_silent_about(other);
        assert_eq!(world.places_of(VALUE), nothing, "{line}");
    }
    std::fs::remove_file(file).unwrap();
    assert_eq!(world.places_of(other), nothing);
}

#[test]
fn c5_a_call_that_fails_leaves_no_plaintext_either() {
    let world = World::story();
    world.plant("manifest.sig", "broken");
    for line in ["set stripe/api-key", "set ops/key", "set ops/key --agents nobody", "set stripe/API-key"] {
        let done = world.pipe("unseen-value-77", line);
        assert_ne!(done.code, Some(0));
        done.keeps_silent_about("unseen-value-77");
    }
    world.sh("git checkout -q . ; touch .git/index.lock.not; rm -rf .git/agent-vault; touch .git/agent-vault");
    world.pipe("unseen-value-77", "set ops/key").fails(1).keeps_silent_about("unseen-value-77");
    assert_eq!(world.places_of("unseen-value-77"), Vec::<String>::new());
}

#[test]
fn c5_private_keys_lie_in_the_home_and_nowhere_else() {
    let world = World::story();
    world.run("recover-agent ci").ok();
    let found = world.sh("cat $(find $HOME/.agent-vault -name '*.key') | grep AGE-SECRET-KEY");
    assert_eq!(found.lines().count(), 3);
    for key in found.lines() {
        let places = world.places_of(key);
        assert!(places.len() == 1 && places[0].starts_with(&world.keys().display().to_string()), "{places:?}");
    }
    let signing = world.places_of("BEGIN OPENSSH PRIVATE KEY");
    assert_eq!(signing, Vec::<String>::new(), "the signing key is nowhere in the clear");
}
