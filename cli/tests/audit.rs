//! The log of what was read and written on this machine, by the real program: who, what, how it ended, never a value; and
//! what becomes of a read that cannot be recorded.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::copy_program;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{Done, OLD_SECRETS, PROGRAM, VALUE, World};

impl World {
    /// The files of the log of a home, its index last.
    fn log_files(&self, home: &str) -> Vec<PathBuf> {
        let log = self.root.join(home).join(".agent-vault/audit");
        let below = |dir: &PathBuf| -> Vec<PathBuf> {
            std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect()
        };
        let mut files: Vec<PathBuf> =
            below(&log).iter().flat_map(&below).collect::<Vec<_>>().iter().flat_map(below).collect();
        files.sort();
        files
    }

    fn segments(&self) -> Vec<PathBuf> {
        self.log_files("home").into_iter().filter(|file| file.extension().is_some_and(|end| end == "jsonl")).collect()
    }

    /// What the log says, one `who operation path subject outcome` for each record.
    fn told(&self, line: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let records = self.run(&format!("audit --json {line}")).ok().json();
        let told = |record: &Value| {
            [&record["identity"]["name"], &record["operation"], &record["path"], &record["subject"], &record["outcome"]]
                .map(text)
                .join(" ")
        };
        records.as_array().expect("records").iter().map(told).collect()
    }

    /// Makes the log of a home something that nothing can be written to, for root too.
    fn block(&self, home: &str) {
        let log = self.root.join(home).join(".agent-vault/audit");
        let _ = std::fs::remove_dir_all(&log);
        std::fs::create_dir_all(log.parent().expect("a folder")).expect("a home");
        std::fs::write(log, "in the way").expect("a file");
    }

    fn verified(&self) -> Done {
        self.run("audit verify").ok().shows("nothing was altered")
    }
}

#[test]
fn every_read_and_write_is_recorded_and_never_a_value() {
    let world = World::story();
    let ci = world.key("ci");
    world.run("add-agent bob").ok();
    world.run(&format!("get stripe/api-key --key {ci}")).ok();
    world.run(&format!("get stripe/api-key --key {}", world.key("bob"))).fails(4);
    world.run(&format!("get stripe/nothing --key {ci}")).fails(3);
    world.pipe("another value entirely", &format!("set stripe/other --key {ci}")).fails(4);
    world.run("list").ok();
    world.run("show stripe/api-key").ok();
    world.run("revoke bob stripe").fails(7);
    world.run("mv stripe/api-key stripe/key --yes").ok();
    world.run("restore stripe/key@r1").ok();
    world.run("restore-agent ci --to restored.key").ok();
    world.run("recover-agent ci").ok();
    world.run("remove-agent ci").ok();
    world.run("rm stripe/key --yes").ok();
    world.run("rm stripe/key --yes").fails(3);
    let told = world.told("");
    let expected = [
        "eric init - - ok",
        "eric add-agent - ci ok",
        "eric set stripe/api-key - ok",
        "eric grant - stripe to ci ok",
        "eric add-agent - bob ok",
        "ci get stripe/api-key - ok",
        "bob get stripe/api-key - not-authorized",
        "ci get stripe/nothing - not-found",
        "ci unlock - - not-authorized",
        "- list - - ok",
        "- show stripe/api-key - ok",
        "eric revoke - stripe from bob conflict",
        "eric mv stripe/api-key stripe/key ok",
        "eric restore stripe/key - unchanged",
        "eric restore-agent - ci ok",
        "eric recover-agent - ci ok",
        "eric remove-agent - ci ok",
        "eric rm stripe/key - ok",
        "eric rm stripe/key - not-found",
    ];
    assert_eq!(told, expected);
    world.verified();
    let private = std::fs::read_to_string(world.owner_key()).unwrap();
    let private = private.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    for file in world.log_files("home") {
        let text = std::fs::read_to_string(&file).unwrap();
        for value in [VALUE, "another value", private] {
            assert!(!text.contains(value), "{} holds a value", file.display());
        }
    }
}

#[test]
fn a_record_names_the_process_its_parent_and_its_folder_as_the_kernel_knows_them() {
    let world = World::story();
    let dir = world.root.join("home");
    // What a process says of itself is not asked for.
    let done = world
        .line(&format!("-C {} get stripe/api-key", world.repo.display()))
        .dir(&dir)
        .under(["bash", "-c", "exec -a liar \"$@\" < /dev/null; true", "x"])
        .run();
    done.ok();
    let records = world.run("audit --json").ok().json();
    let process = &records.as_array().unwrap().last().unwrap()["process"];
    let program = std::fs::canonicalize(PROGRAM).unwrap();
    assert_eq!(process["program"].as_str(), program.to_str());
    assert_eq!(process["cwd"].as_str(), dir.to_str());
    if cfg!(target_os = "linux") {
        assert_eq!(process["parent"].as_u64(), Some(std::process::id().into()));
        assert_eq!(process["parent_program"].as_str(), std::env::current_exe().unwrap().to_str());
    }
}

#[test]
fn filters_take_names_patterns_and_times() {
    let world = World::story();
    world.set("db/password", "a value of the database");
    world.run(&format!("get stripe/api-key --key {}", world.key("ci"))).ok();
    world.run("mv db/password db/secret --yes").ok();
    assert_eq!(world.told("--agent ci"), ["ci get stripe/api-key - ok"]);
    assert_eq!(world.told("--path db/*"), ["eric set db/password - ok", "eric mv db/password db/secret ok"]);
    assert_eq!(world.told("--path db/secret"), ["eric mv db/password db/secret ok"], "both names of a move");
    assert_eq!(world.told("--path db"), [""; 0]);
    assert_eq!(world.told("--since 1h").len(), 7);
    assert_eq!(world.told("--since 2999-01-01"), [""; 0]);
    let key = world.run("whoami --json").ok().json()["keys"][0].as_str().unwrap().to_owned();
    assert_eq!(world.told(&format!("--agent {key}")).len(), world.told("--agent eric").len());
    world.run("audit --since soon").fails(2);
    world.run("audit --agent nobody").ok().prints("");
}

#[test]
fn what_cannot_be_recorded_is_told_once_and_read_all_the_same() {
    let world = World::story();
    world.block("home");
    let done =
        world.run("get stripe/api-key").ok().prints(VALUE).says("warning: the log does not say what is done here");
    assert_eq!(done.err().matches("warning").count(), 1, "{done}");
    world.run("list").ok().says("the log does not say");
    world.pipe("a second value of it", "set stripe/second").ok().says("the log does not say");
    world.run("get stripe/nothing").fails(3).says("the log does not say");
}

#[test]
fn where_the_policy_requires_it_nothing_is_read_that_cannot_be_recorded() {
    let world = World::story();
    let ci = world.key("ci");
    world.run("settings").ok().shows("audit-required   false");
    world.run("settings audit-required true").ok();
    assert_eq!(world.run("settings audit-required true --json").ok().json()["commit"], Value::Null);
    world.run(&format!("settings audit-required false --key {ci}")).fails(4);
    assert_eq!(world.run("settings --json").ok().json()["audit_required"], true);
    world.run(&format!("get stripe/api-key --key {ci}")).ok().prints(VALUE);
    world.block("home");
    let refused = "lets nothing be read that is not recorded";
    world.run("get stripe/api-key").fails(1).says(refused).prints("").keeps_silent_about(VALUE);
    world.run(&format!("get stripe/api-key --key {ci}")).fails(1).says(refused).keeps_silent_about(VALUE);
    world.run("restore-agent ci --to restored.key").fails(1).says(refused);
    assert!(!world.repo.join("restored.key").exists());
    world.run("list").fails(1).says(refused).prints("");
    // What is refused anyway says why.
    world.run("get stripe/nothing").fails(3);
    // A machine that has never seen the vault learns it from the signed manifest.
    let fresh = world.fresh_home("fresh");
    world.block("fresh");
    let done = world.line(&format!("get stripe/api-key --key {ci}")).home(&fresh).run();
    done.fails(1).says(refused).keeps_silent_about(VALUE);
    // A manifest that cannot be asked is no permission.
    std::fs::rename(world.file("manifest.yaml"), world.root.join("manifest.yaml")).unwrap();
    world.run("get stripe/api-key").fails(5).prints("").keeps_silent_about(VALUE);
    std::fs::rename(world.root.join("manifest.yaml"), world.file("manifest.yaml")).unwrap();
    // The owner can write, and so lift it.
    world.run("settings audit-required false").ok();
    world.run("get stripe/api-key").ok().prints(VALUE);
}

#[test]
fn a_host_cannot_lift_the_requirement() {
    let world = World::story();
    world.run("settings audit-required true").ok();
    world.block("home");
    let manifest = world.text("manifest.yaml");
    world.plant("manifest.yaml", manifest.replace("audit_required: true", "audit_required: false"));
    world.run("get stripe/api-key").fails(5).prints("");
    world.plant("manifest.yaml", &manifest);
    // The manifest from before, with its true signature.
    for file in ["manifest.yaml", "manifest.sig"] {
        let old = world.sh(&format!("git show HEAD~1:.agent-vault/{file}")) + "\n";
        world.plant(file, old);
    }
    world.run("get stripe/api-key").fails(5).prints("");
}

#[test]
fn of_32_processes_at_once_each_has_its_segment_and_all_verify() {
    let world = World::story();
    let before = world.segments().len();
    let children: Vec<_> = (0..32)
        .map(|_| {
            let mut command = Command::new(PROGRAM);
            world.surround(command.args(["get", "stripe/api-key"]).current_dir(&world.repo), &world.home);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("its output");
        assert!(output.status.success() && output.stdout == VALUE.as_bytes() && output.stderr.is_empty());
    }
    assert_eq!(world.segments().len(), before + 32);
    world.verified();
    assert_eq!(world.told("").iter().filter(|told| *told == "eric get stripe/api-key - ok").count(), 32);
}

#[test]
fn every_home_has_a_log_of_its_own() {
    let world = World::story();
    let agent = world.fresh_home("agent");
    let ci = world.key("ci");
    world.line(&format!("get stripe/api-key --key {ci}")).home(&agent).run().ok();
    assert_eq!(world.told("--agent ci"), [""; 0]);
    assert_eq!(world.log_files("agent").len(), 2, "a segment and the index");
    world.line("audit").home(&agent).run().ok().shows("  ci   get  stripe/api-key  ok");
    world.line("audit verify").home(&agent).run().ok();
}

#[test]
fn what_was_altered_or_removed_is_named_with_its_file_and_line() {
    let world = World::story();
    world.get("stripe/api-key");
    let segments = world.segments();
    let file = &segments[2];
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("stripe/api-key", "stripe/innocent")).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let done = world.run("audit verify").fails(5).says(&format!("{name}: line 1: "));
    assert!(done.out.is_empty());
    let report = world.run("audit verify --json").fails(5).json();
    assert_eq!((&report["ok"], &report["violations"][0]["line"]), (&Value::Bool(false), &Value::from(1)));
    std::fs::write(file, text).unwrap();
    world.verified();
    std::fs::remove_file(file).unwrap();
    world.run("audit verify").fails(5).says(name).says("it is gone");
    world.run("audit").ok();
}

#[test]
fn a_line_that_a_full_disk_cut_short_is_told_as_such() {
    let world = World::story();
    // A folder whose name makes the line longer than what may be written.
    let deep =
        world.root.join(format!("{}/{}/{}/{}", "a".repeat(200), "b".repeat(200), "c".repeat(200), "d".repeat(200)));
    std::fs::create_dir_all(&deep).unwrap();
    let line = format!("-C {} get stripe/api-key", world.repo.display());
    let done = world.line(&line).dir(&deep).under(["bash", "-c", "ulimit -f 1; exec \"$@\"", "bash"]).run();
    done.ok().prints(VALUE).says("the log does not say");
    world.run("audit verify").ok().says("its last line was cut short");
    world.get("stripe/api-key");
    world.run("audit verify").ok().shows("nothing was altered");
    assert_eq!(world.told("").last().unwrap(), "eric get stripe/api-key - ok");
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_killed_while_it_records_disturbs_nobody() {
    let world = World::story();
    // The first write of `get` is its line, the second one lists it.
    for write in 1..=2 {
        let inject = format!("inject=write:signal=SIGKILL:when={write}");
        let done = world
            .line("get stripe/api-key")
            .under(["strace", "-f", "-o", "/dev/null", "-e", "trace=write", "-e", &inject])
            .run();
        assert_ne!(done.code, Some(0), "{done}");
        done.prints("");
        world.get("stripe/api-key");
        world.run("audit verify").ok().shows("nothing was altered");
    }
}

#[test]
fn what_a_terminal_would_obey_is_never_shown_as_it_is() {
    let world = World::story();
    let hostile = world.root.join("x\u{1b}[2J\u{9b}31m\u{202e}y");
    std::fs::create_dir(&hostile).unwrap();
    let copy = hostile.join("agent\u{1b}[31mvault");
    copy_program(PROGRAM.as_ref(), &copy);
    let mut command = Command::new(&copy);
    world.surround(command.args(["get", "stripe/api-key", "-C"]).arg(&world.repo).current_dir(&hostile), &world.home);
    assert!(command.stdin(Stdio::null()).output().unwrap().status.success());
    // A record that somebody made up.
    let planted = world.segments()[0].with_file_name("000000-1-0000000000000000.jsonl");
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&world.segments()[0]).unwrap()).unwrap();
    record["path"] = "a\u{1b}[2Jb".into();
    std::fs::write(planted, format!("{record}\n")).unwrap();
    for line in ["audit", "audit --json", "audit verify", "audit verify --json"] {
        let done = world.run(line);
        let shown = [done.out(), done.err()].concat();
        assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{line}\n{shown:?}");
    }
    let cwd = &world.run("audit --json").ok().json().as_array().unwrap().last().unwrap()["process"]["cwd"].clone();
    assert_eq!(cwd.as_str(), hostile.to_str(), "JSON gives it back whole");
    for file in world.segments() {
        assert!(!std::fs::read_to_string(file).unwrap().contains('\u{9b}'), "not even to `cat`");
    }
}

#[test]
fn a_vault_of_0_1_0_has_a_log_too() {
    let world = World::old();
    let (name, ..) = OLD_SECRETS[0];
    world.run(&format!("get {name}")).ok();
    let told = world.told("");
    assert_eq!(told, [format!("- get {name} - ok")]);
    world.verified();
}
