//! The same over every transport, with real servers, and what goes wrong on the way.

use super::*;
use agent_vault_test_remotes::{Credentials, Host, Silence, Transport};
use std::io::Write;
use std::process::Stdio;

/// Two clones of a host's repository, which has one commit.
fn world(host: &Host) -> World {
    let world = World::empty();
    for clone in ["ours", "theirs"] {
        host.connect(&world.path(clone), Credentials::Right);
    }
    world.begun()
}

fn tip(host: &Host) -> Oid {
    Oid::from_str(&host.tip(MAIN)).unwrap()
}

fn servers() -> impl Iterator<Item = Host> {
    [Transport::Ssh, Transport::Http, Transport::Daemon].into_iter().map(Host::start)
}

#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    assert!((0..3000).any(|_| is_so() || {
        std::thread::sleep(Duration::from_millis(10));
        false
    }));
}

#[test]
fn every_transport_fetches_pushes_and_rejects_who_comes_second() {
    for host in Transport::ALL.map(Host::start) {
        let way = host.transport();
        let empty = World::empty();
        host.connect(&empty.path("ours"), Credentials::Right);
        assert_eq!(empty.remote().fetch(MAIN, SOON).unwrap(), None, "{way:?}");

        let world = world(&host);
        let theirs = world.commit("theirs", "theirs");
        world.git("theirs", "push -q origin main");
        let ours = world.commit("ours", "ours");
        let remote = world.remote();
        assert_eq!(remote.push(ours, MAIN, SOON).unwrap(), Pushed::Rejected, "{way:?}");
        assert_eq!(remote.fetch(MAIN, SOON).unwrap(), Some(theirs), "{way:?}");
        world.git("ours", "merge -q -m merge refs/agent-vault/fetched/origin/main");
        let merged = world.id("ours", "HEAD");
        assert_eq!(remote.push(merged, MAIN, Manner::Asked).unwrap(), Pushed::Done, "{way:?}");
        assert_eq!(tip(&host), merged, "{way:?}");

        host.hook("pre-receive", "echo closed for today; exit 1");
        let more = world.commit("ours", "more");
        let refused = remote.push(more, MAIN, SOON).unwrap();
        assert_eq!(refused, Pushed::Refused("pre-receive hook declined: closed for today".into()), "{way:?}");
        world.script("ours/.git/hooks/pre-push", "echo not from here >&2; exit 1");
        assert_eq!(remote.push(more, MAIN, SOON).unwrap(), Pushed::Refused("not from here".into()), "{way:?}");
    }
}

#[test]
fn credentials_that_are_wrong_or_missing_are_an_error_and_no_question() {
    for host in [Transport::Ssh, Transport::Http].map(Host::start) {
        let world = world(&host);
        let new = world.commit("ours", "new");
        for credentials in [Credentials::Wrong, Credentials::None] {
            host.connect(&world.path("ours"), credentials);
            let asked = world.path("asked");
            let askpass = world.script("askpass", &format!("touch {}; echo x", asked.display()));
            world.git("ours", &format!("config core.askPass {}", askpass.display()));
            for told in [reason(world.remote().fetch(MAIN, SOON)), reason(world.remote().push(new, MAIN, SOON))] {
                assert!(!told.contains("no answer"), "{told}");
                let expected =
                    if host.transport() == Transport::Ssh { "Permission denied (publickey)" } else { "http" };
                assert!(told.contains(expected), "{told}");
            }
            assert!(!asked.exists(), "{:?} {credentials:?}", host.transport());
        }
        assert_ne!(tip(&host), new);
    }
}

#[test]
fn a_server_that_is_gone_is_an_error_and_one_that_is_back_is_none() {
    for mut host in servers() {
        let world = world(&host);
        host.kill();
        for manner in [SOON, Manner::Asked] {
            let told = reason(world.remote().fetch(MAIN, manner));
            assert!(told.to_lowercase().contains("connect"), "{told}");
            reason(world.remote().push(world.id("ours", "main"), MAIN, manner));
        }
        host.restart();
        host.connect(&world.path("ours"), Credentials::Right);
        assert_eq!(world.remote().fetch(MAIN, SOON).unwrap(), Some(tip(&host)));
    }
}

#[test]
fn a_server_that_takes_the_connection_and_never_answers_is_given_up_with_no_process_left() {
    let silence = Silence::start();
    let world = World::new();
    for (count, scheme) in ["ssh", "http", "git"].iter().enumerate() {
        let url = silence.url(scheme);
        world.git("ours", &format!("remote set-url origin {url}"));
        let limit = Duration::from_secs(2);
        let told = reason(world.remote().fetch(MAIN, Manner::Implicit { limit }));
        assert_eq!(told, "no answer within 2 s", "{scheme}");
        assert!(silence.connections() > count, "{scheme} did get through");
        let port = url.split([':', '/']).find(|part| part.parse::<u16>().is_ok()).unwrap().to_owned();
        assert_none_left(&port);
    }
}

/// No git, ssh or helper has this in its arguments.
#[track_caller]
fn assert_none_left(port: &str) {
    let all = Command::new("ps").args(["-A", "-ww", "-o", "stat=,args="]).output().unwrap();
    let all = String::from_utf8_lossy(&all.stdout).into_owned();
    let left: Vec<&str> = all.lines().filter(|line| line.contains(port) && line.contains("127.0.0.1")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_push_is_an_error_and_nothing_has_moved() {
    for mut host in servers() {
        let world = world(&host);
        let (old, new) = (tip(&host), world.commit("ours", "new"));
        for manner in [SOON, Manner::Asked] {
            let held = host.hold_push();
            std::thread::scope(|scope| {
                let push = scope.spawn(|| world.remote().push(new, MAIN, manner));
                held.wait();
                host.kill();
                let told = reason(push.join().unwrap());
                assert!(!told.is_empty() && !told.contains("no answer"), "{told}");
            });
            assert_eq!(tip(&host), old);
            host.restart();
            host.connect(&world.path("ours"), Credentials::Right);
        }
        host.unhook("pre-receive");
        assert_eq!(world.remote().push(new, MAIN, SOON).unwrap(), Pushed::Done);
    }
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_fetch_is_an_error_and_the_next_one_succeeds() {
    for mut host in servers() {
        let world = world(&host);
        let theirs = world.commit("theirs", "theirs");
        world.git("theirs", "push -q origin main");
        let held = host.hold_fetch();
        std::thread::scope(|scope| {
            let fetch = scope.spawn(|| world.remote().fetch(MAIN, SOON));
            held.wait();
            host.kill();
            reason(fetch.join().unwrap());
        });
        assert_eq!(world.git("ours", "for-each-ref refs/agent-vault"), "");
        held.release();
        host.restart();
        host.connect(&world.path("ours"), Credentials::Right);
        assert_eq!(world.remote().fetch(MAIN, SOON).unwrap(), Some(theirs));
    }
}

#[test]
fn a_push_whose_answer_was_lost_is_an_error_and_the_next_fetch_tells_that_it_arrived() {
    for host in Transport::ALL.map(Host::start) {
        let world = world(&host);
        let new = world.commit("ours", "new");
        host.lose_answers();
        let told = reason(world.remote().push(new, MAIN, SOON));
        assert!(!told.is_empty(), "{told}");
        assert_eq!(world.remote().fetch(MAIN, SOON).unwrap(), Some(new));
        host.answer();
        assert_eq!(world.remote().push(new, MAIN, SOON).unwrap(), Pushed::Done);
    }
}

#[test]
fn a_push_that_the_server_holds_is_given_up_after_the_limit_but_not_when_a_person_waits() {
    for host in Transport::ALL.map(Host::start) {
        let world = world(&host);
        let (old, new) = (tip(&host), world.commit("ours", "new"));
        let held = host.hold_push();
        let limit = Duration::from_secs(1);
        assert_eq!(reason(world.remote().push(new, MAIN, Manner::Implicit { limit })), "no answer within 1 s");
        assert_eq!(tip(&host), old);
        std::thread::scope(|scope| {
            let push = scope.spawn(|| world.remote().push(new, MAIN, Manner::Asked));
            std::thread::sleep(limit);
            assert!(!push.is_finished());
            held.release();
            let pushed = push.join().unwrap().unwrap();
            // The one that was given up goes on at the other end, and may have been first.
            assert!(matches!(pushed, Pushed::Done | Pushed::Rejected), "{:?} {pushed:?}", host.transport());
        });
        until(|| tip(&host) == new);
    }
}

/// Runs this test program's test of that name once more, on a terminal and with an environment of its own.
fn again_on_a_terminal(test: &str, variables: &[(&str, &str)]) -> String {
    let program = std::env::current_exe().unwrap();
    let line = format!("{} --exact remote::tests::ways::{test} --nocapture", program.display());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("ON_A_TERMINAL", "1").envs(variables.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // Somebody who answers whatever is asked, a moment later: ssh forgets what was typed before.
        scope.spawn(move || {
            while writeln!(keyboard, "x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}");
        told
    })
}

#[test]
fn on_a_terminal_nobody_is_asked_who_did_not_ask() {
    if std::env::var_os("ON_A_TERMINAL").is_some() {
        for transport in [Transport::Ssh, Transport::Http] {
            let host = Host::start(transport);
            let world = World::empty();
            host.connect(&world.path("ours"), Credentials::None);
            reason(world.remote().fetch(MAIN, SOON));
            println!("<asked>");
            reason(world.remote().fetch(MAIN, Manner::Asked));
            println!("</asked>");
        }
        return;
    }
    let world = World::empty();
    let mark = world.path("mark");
    let askpass = world.script("askpass", &format!("echo \"$@\" >>{}; exit 1", mark.display())).display().to_string();
    let test = "on_a_terminal_nobody_is_asked_who_did_not_ask";
    let prompts = ["Username for 'http://", "Enter passphrase for key"];

    let told = again_on_a_terminal(test, &[("GIT_TERMINAL_PROMPT", "1")]);
    let (unasked, asked): (Vec<&str>, Vec<&str>) =
        told.split("</asked>").map(|part| part.split_once("<asked>").unwrap_or((part, ""))).unzip();
    for prompt in prompts {
        assert!(!unasked.concat().contains(prompt), "{told}");
        assert!(asked.concat().contains(prompt), "{told}");
    }

    let graphical = [("SSH_ASKPASS", askpass.as_str()), ("SSH_ASKPASS_REQUIRE", "force"), ("DISPLAY", ":0")];
    again_on_a_terminal(test, &graphical);
    let asked = std::fs::read_to_string(&mark).unwrap();
    for prompt in prompts {
        assert_eq!(asked.matches(prompt).count(), 1, "only by the call that was asked for: {asked}");
    }
}

#[test]
fn nothing_of_a_surrounding_hook_leads_elsewhere() {
    if let Some(ours) = std::env::var_os("OURS") {
        let remote = remote_of(&ours);
        let commit = remote.fetch(MAIN, SOON).unwrap().unwrap();
        assert_eq!(remote.push(commit, "refs/heads/copy", SOON).unwrap(), Pushed::Done);
        return;
    }
    let (world, other) = (World::new(), World::new());
    world.script("ours/.git/hooks/pre-push", "env >$0.saw");
    let path = |name: &str| other.path(name).display().to_string();
    let (ours, dir, tree, index) = (world.path("ours"), path("ours/.git"), path("ours"), path("ours/.git/index"));
    again_on_a_terminal(
        "nothing_of_a_surrounding_hook_leads_elsewhere",
        &[
            ("OURS", &ours.display().to_string()),
            ("GIT_DIR", &dir),
            ("GIT_WORK_TREE", &tree),
            ("GIT_INDEX_FILE", &index),
            ("GIT_OBJECT_DIRECTORY", &path("ours/.git/objects")),
            ("GIT_QUARANTINE_PATH", &path("ours/.git/objects")),
            ("GIT_PREFIX", "x/"),
            ("AGENT_VAULT_KEY", "AGE-SECRET-KEY-1"),
        ],
    );
    assert_eq!(world.id("bare", "copy"), world.id("ours", "main"));
    assert_eq!(other.git("bare", "for-each-ref --format=%(refname)"), MAIN);
    let saw = std::fs::read_to_string(world.path("ours/.git/hooks/pre-push.saw")).unwrap();
    assert!(saw.contains("GIT_ASKPASS=") && !saw.contains("AGE-SECRET-KEY"), "{saw}");
}

/// Runs a test of this program once more, with an environment of its own.
fn again(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("remote::tests::ways::{test}"), "--nocapture"]);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The remote of the world in which a test was run again.
fn remote_of(ours: &std::ffi::OsStr) -> Remote {
    Remote::of(&Repo::open(&Path::new(ours).join(".agent-vault")).unwrap()).unwrap().unwrap().0
}

#[test]
fn no_git_and_an_old_one_are_told_apart_from_a_remote_that_fails() {
    if let Some(ours) = std::env::var_os("OURS") {
        match remote_of(&ours).fetch(MAIN, SOON) {
            Err(Error::GitProgram { reason }) => assert_eq!(reason, std::env::var("EXPECTED").unwrap()),
            other => panic!("{other:?}"),
        }
        return;
    }
    let world = World::new();
    let old = "echo \"error: unknown option \\`no-write-fetch-head'\" >&2; echo usage: git fetch >&2; exit 129";
    std::fs::create_dir(world.path("old")).unwrap();
    world.script("old/git", old);
    let (ours, old) = (world.path("ours").display().to_string(), world.path("old").display().to_string());
    let test = "no_git_and_an_old_one_are_told_apart_from_a_remote_that_fails";
    again(test, &[("OURS", &ours), ("PATH", "/nowhere"), ("EXPECTED", "there is none")]);
    let told = "unknown option `no-write-fetch-head'";
    again(test, &[("OURS", &ours), ("PATH", &old), ("EXPECTED", told)]);
}

#[test]
fn a_repository_of_another_user_runs_nothing_unless_git_may_trust_it() {
    if let Some(ours) = std::env::var_os("OURS") {
        let told = reason(remote_of(&ours).fetch(MAIN, SOON));
        assert!(told.contains("dubious ownership"), "{told}");
        return;
    }
    let world = World::new();
    let (ours, mark) = (world.path("ours").display().to_string(), world.path("mark"));
    world.git("ours", "remote set-url origin ssh://127.0.0.1/x");
    let touch = world.script("touch", &format!("touch {}", mark.display())).display().to_string();
    world.git("ours", &format!("config core.sshCommand {touch}"));
    let test = "a_repository_of_another_user_runs_nothing_unless_git_may_trust_it";
    again(test, &[("OURS", &ours), ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")]);
    assert!(!mark.exists());
}
