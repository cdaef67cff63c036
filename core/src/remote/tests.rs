//! Real repositories and the real `git`, over `file://`.

use super::*;
use agent_vault_test_remotes::executable;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[cfg(target_os = "linux")]
mod ways;

/// Nobody is asked, and nothing takes so long.
const SOON: Manner = Manner::Implicit { limit: Duration::from_secs(20) };
const MAIN: &str = "refs/heads/main";

/// A bare repository, and two clones of it: ours, and somebody else's.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// The remote has one commit, and both know it.
    fn new() -> Self {
        Self::empty().begun()
    }

    fn begun(self) -> Self {
        let world = self;
        world.commit("ours", "first");
        world.git("ours", "push -q origin main");
        world.git("theirs", "pull -q origin main");
        world
    }

    fn empty() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        world.git(".", "init -q --bare -b main bare");
        for clone in ["ours", "theirs"] {
            world.git(".", &format!("init -q -b main {clone}"));
            world.git(clone, &format!("remote add origin file://{}", world.path("bare").display()));
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    #[track_caller]
    fn git(&self, dir: &str, line: &str) -> String {
        let output = stock_git(&self.path(dir)).args(line.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "git {line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn commit(&self, dir: &str, message: &str) -> Oid {
        self.git(dir, &format!("commit -q --allow-empty -m {message}"));
        self.id(dir, "HEAD")
    }

    fn id(&self, dir: &str, what: &str) -> Oid {
        Oid::from_str(&self.git(dir, &format!("rev-parse {what}"))).unwrap()
    }

    fn script(&self, file: &str, text: &str) -> PathBuf {
        let file = self.path(file);
        executable(&file, &format!("#!/bin/sh\n{text}\n"));
        file
    }

    fn of(&self) -> Result<Option<(Remote, String)>> {
        Remote::of(&Repo::open(&self.path("ours/.agent-vault")).unwrap())
    }

    fn remote(&self) -> Remote {
        self.of().unwrap().unwrap().0
    }
}

/// Git without the configuration of whoever runs the tests.
fn stock_git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for (key, name) in [("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"), ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")] {
        command.env(key, "Eric").env(name, "eric@example.org");
    }
    command
}

#[track_caller]
fn reason<T>(result: Result<T>) -> String {
    match result.err().expect("an error") {
        Error::Remote { reason, .. } => reason,
        other => panic!("expected an error of the remote, got {other:?}"),
    }
}

#[test]
fn a_fetch_brings_the_branch_and_moves_nothing_of_the_users() {
    let world = World::new();
    let (old, new) = (world.id("ours", "main"), world.commit("theirs", "second"));
    world.git("theirs", "tag v1");
    world.git("theirs", "push -q origin main v1");
    assert_eq!(world.remote().fetch(MAIN, SOON).unwrap(), Some(new));
    assert_eq!(world.id("ours", "refs/agent-vault/fetched/origin/main"), new);
    assert_eq!(world.id("ours", "main"), old);
    assert_eq!(world.id("ours", "origin/main"), old, "force-with-lease relies on it");
    assert_eq!(world.git("ours", "tag"), "");
    assert!(!world.path("ours/.git/FETCH_HEAD").exists());

    assert_eq!(world.remote().fetch(MAIN, Manner::Asked).unwrap(), Some(new));
    assert_eq!(world.id("ours", "origin/main"), new);
    assert!(!world.path("ours/.git/FETCH_HEAD").exists());
}

#[test]
fn a_fetch_follows_a_branch_that_was_forced_back_so_that_the_rollback_is_seen() {
    let world = World::new();
    let first = world.id("ours", "main");
    world.commit("theirs", "second");
    world.git("theirs", "push -q origin main");
    world.remote().fetch(MAIN, SOON).unwrap();
    world.git("theirs", "push -q --force origin HEAD~:main");
    assert_eq!(world.remote().fetch(MAIN, SOON).unwrap(), Some(first));
}

#[test]
fn a_branch_that_is_not_there_is_no_error_and_what_was_fetched_of_it_is_forgotten() {
    let world = World::empty();
    assert_eq!(world.remote().fetch(MAIN, SOON).unwrap(), None);
    let world = World::new();
    assert!(world.remote().fetch(MAIN, SOON).unwrap().is_some());
    world.git("bare", "update-ref -d refs/heads/main");
    for manner in [SOON, Manner::Asked] {
        assert_eq!(world.remote().fetch(MAIN, manner).unwrap(), None);
    }
    assert_eq!(world.git("ours", "for-each-ref refs/agent-vault"), "");
}

#[test]
fn a_branch_that_holds_no_commit_is_an_error() {
    let world = World::new();
    let tree = world.id("ours", "main^{tree}");
    std::fs::write(world.path("bare/refs/heads/main"), format!("{tree}\n")).unwrap();
    assert!(reason(world.remote().fetch(MAIN, SOON)).contains("no commit"));
}

#[test]
fn fetches_at_the_same_time_all_succeed() {
    let world = World::new();
    let new = world.commit("theirs", "second");
    world.git("theirs", "push -q origin main");
    std::thread::scope(|scope| {
        let fetch = || world.remote().fetch(MAIN, SOON);
        let all: Vec<_> = (0..6).map(|_| scope.spawn(fetch)).collect();
        for one in all {
            assert_eq!(one.join().unwrap().unwrap(), Some(new));
        }
    });
}

#[test]
fn a_push_makes_the_branch_and_moves_it_forward_only() {
    let world = World::empty();
    let first = world.commit("ours", "first");
    assert_eq!(world.remote().push(first, MAIN, SOON).unwrap(), Pushed::Done);
    assert_eq!(world.id("bare", MAIN), first);
    assert_eq!(world.remote().push(first, MAIN, SOON).unwrap(), Pushed::Done, "nothing to do");

    world.git("theirs", "pull -q origin main");
    let theirs = world.commit("theirs", "theirs");
    world.git("theirs", "push -q origin main");
    let ours = world.commit("ours", "ours");
    for manner in [SOON, Manner::Asked] {
        assert_eq!(world.remote().push(ours, MAIN, manner).unwrap(), Pushed::Rejected);
    }
    // The same when we know what the other has.
    world.remote().fetch(MAIN, SOON).unwrap();
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), Pushed::Rejected);
    assert_eq!(world.remote().push(first, MAIN, SOON).unwrap(), Pushed::Rejected);
    assert_eq!(world.id("bare", MAIN), theirs);
}

#[test]
fn a_push_takes_nothing_along_and_forces_nothing_whatever_is_configured() {
    let world = World::new();
    for setting in ["push.followTags true", "remote.origin.push +refs/heads/*:refs/heads/*", "push.default matching"] {
        world.git("ours", &format!("config {setting}"));
    }
    world.git("ours", "branch other");
    let ours = world.commit("ours", "second");
    world.git("ours", "tag -a -m x v1");
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), Pushed::Done);
    assert_eq!(world.git("bare", "for-each-ref --format=%(refname)"), MAIN);
}

#[test]
fn a_push_that_meets_another_on_the_way_is_rejected_not_refused() {
    let world = World::new();
    let ours = world.commit("ours", "second");
    std::fs::write(world.path("bare/refs/heads/main.lock"), "").unwrap();
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), Pushed::Rejected);
    std::fs::remove_file(world.path("bare/refs/heads/main.lock")).unwrap();

    // The other's arrives between what the remote advertised and our update.
    let theirs = world.commit("theirs", "theirs");
    world.git("theirs", "push -q origin main:aside");
    world.script("bare/hooks/pre-receive", &format!("unset GIT_QUARANTINE_PATH; git update-ref {MAIN} {theirs}"));
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), Pushed::Rejected);
    assert_eq!(world.id("bare", MAIN), theirs);
}

#[test]
fn a_refusal_of_a_hook_is_told_in_one_clean_line() {
    let world = World::new();
    let ours = world.commit("ours", "second");
    world.script("bare/hooks/pre-receive", "printf 'keep \\033[31mout\\nhint: run this\\n' >&2; exit 1");
    let refused = Pushed::Refused("pre-receive hook declined: keep ?[31mout; hint: run this".into());
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), refused);
    assert_eq!(world.remote().push(ours, MAIN, Manner::Asked).unwrap(), refused);
    world.script("bare/hooks/pre-receive", "exit 0");
    let refused = Pushed::Refused(format!("hook declined: error: hook declined to update {MAIN}"));
    world.script("bare/hooks/update", "exit 1");
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), refused);
}

#[test]
fn the_users_own_pre_push_hook_runs_and_may_refuse() {
    let world = World::new();
    let ours = world.commit("ours", "second");
    world.script("ours/.git/hooks/pre-push", "echo not on Sundays >&2; exit 1");
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), Pushed::Refused("not on Sundays".into()));
    world.script("ours/.git/hooks/pre-push", "exit 3");
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), Pushed::Refused("the pre-push hook failed".into()));
    world.script("ours/.git/hooks/pre-push", "cat >$0.saw");
    assert_eq!(world.remote().push(ours, MAIN, SOON).unwrap(), Pushed::Done);
    let saw = std::fs::read_to_string(world.path("ours/.git/hooks/pre-push.saw")).unwrap();
    assert!(saw.contains(&ours.to_string()), "{saw}");
}

#[test]
fn a_remote_that_cannot_be_reached_is_an_error_that_holds_no_password() {
    let world = World::new();
    world.git("ours", "remote set-url origin file:///nowhere/to/be/found");
    assert!(reason(world.remote().fetch(MAIN, SOON)).contains("does not appear to be a git repository"));
    assert!(reason(world.remote().push(world.id("ours", "main"), MAIN, SOON)).contains("/nowhere/to/be/found"));

    world.git("ours", "remote set-url origin https://ann:hunter2@127.0.0.1:1/x.git");
    let error = world.remote().fetch(MAIN, SOON).unwrap_err();
    assert_eq!(error.class(), crate::Class::Remote);
    let told = format!("{error} {}", error.hint());
    assert!(told.contains("https://127.0.0.1:1/x.git") && !told.contains("hunter2") && !told.contains("ann"), "{told}");
}

#[test]
fn what_a_branch_follows_is_read_from_its_configuration_then_guessed() {
    let world = World::empty();
    let url = world.remote().url();
    let of = || world.of().map(|found| found.map(|(remote, branch)| (remote.name().to_owned(), branch)));
    let found = |remote: &str, branch: &str| Some((remote.to_owned(), branch.to_owned()));
    assert_eq!(of().unwrap(), found("origin", MAIN), "the only remote");
    world.git("ours", &format!("remote add other/place {url}"));
    assert_eq!(of().unwrap(), found("origin", MAIN), "the usual remote");
    world.git("ours", "remote rename origin first");
    assert!(matches!(world.of(), Err(Error::Conflict { .. })), "several, and none is usual");
    world.git("ours", "config branch.main.remote other/place");
    assert_eq!(of().unwrap(), found("other/place", MAIN));
    world.git("ours", "config branch.main.merge refs/heads/release/1.x");
    assert_eq!(of().unwrap(), found("other/place", "refs/heads/release/1.x"));
    world.git("ours", "config branch.main.remote .");
    assert_eq!(of().unwrap(), None, "a local branch");
    world.git("ours", "config branch.main.remote gone");
    assert!(matches!(world.of(), Err(Error::Conflict { .. })));

    let world = World::new();
    world.git("ours", "remote remove origin");
    assert_eq!(world.of().unwrap().map(drop), None);
    let world = World::new();
    world.git("ours", "checkout -q --detach");
    assert_eq!(world.of().unwrap().map(drop), None);
}

#[test]
fn no_option_gets_in_by_a_name() {
    let world = World::new();
    let mark = world.path("mark");
    for name in [format!("--upload-pack=touch {}", mark.display()), "-x".into(), "a..b".into()] {
        let config = format!("[branch \"main\"]\nremote = \"{name}\"\n[remote \"{name}\"]\nurl = /x\n");
        let file = world.path("ours/.git/config");
        let kept = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, kept.clone() + &config).unwrap();
        assert!(matches!(world.of(), Err(Error::Conflict { .. })), "{name}");
        std::fs::write(&file, kept).unwrap();
    }
    let (remote, main) = (world.remote(), world.id("ours", "main"));
    for branch in [
        "--force",
        "refs/heads/--force",
        "main",
        "refs/heads/*",
        "+refs/heads/main",
        "refs/heads/a:refs/heads/b",
        "refs/heads/a b",
    ] {
        let told = |error: Option<Error>| assert!(matches!(error, Some(Error::Usage { .. })), "{branch}");
        told(remote.fetch(branch, SOON).err());
        told(remote.push(main, branch, SOON).err());
        stock_git(&world.path("ours")).args(["config", "branch.main.merge", branch]).status().unwrap();
        told(world.of().map(drop).err());
    }
    // Git itself refuses a host that ssh would take for an option.
    world.git("ours", "config branch.main.merge refs/heads/main");
    world.git("ours", &format!("remote set-url origin ssh://-oProxyCommand=touch${{IFS}}{}/x", mark.display()));
    assert!(world.remote().fetch(MAIN, SOON).is_err());
    assert!(!mark.exists());
}

#[test]
fn a_surrounding_hook_does_not_lead_to_its_repository() {
    let local = stock_git(Path::new(".")).args(["rev-parse", "--local-env-vars"]).output().unwrap().stdout;
    let local = String::from_utf8(local).unwrap();
    for variable in local.lines().filter(|name| !["GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"].contains(name)) {
        assert!(program::OTHER_REPOSITORY.contains(&variable), "{variable}");
    }
}

/// A remote whose other end is a command of ours, in the child's process group.
fn with_command(world: &World, script: &str) -> Remote {
    let script = world.script("other-end", script);
    world.git("ours", "config protocol.ext.allow always");
    world.git("ours", &format!("remote set-url origin ext::{}", script.display()));
    world.remote()
}

#[test]
fn a_remote_that_never_answers_is_stopped_with_all_that_was_started() {
    for deaf in ["", "trap '' TERM;"] {
        let world = World::new();
        let pids = world.path("pids");
        let remote =
            with_command(&world, &format!("{deaf} sleep 600 & echo $$ $! >{}; wait; sleep 600", pids.display()));
        let limit = Duration::from_millis(1500);
        let started = Instant::now();
        let told = reason(remote.fetch(MAIN, Manner::Implicit { limit }));
        assert_eq!(told, "no answer within 1.5 s");
        assert!(started.elapsed() >= limit);
        let pids = std::fs::read_to_string(pids).unwrap();
        for pid in pids.split_whitespace() {
            let alive = || Command::new("kill").args(["-0", pid]).output().unwrap().status.success();
            // Whoever adopted it may take a moment to bury it.
            assert!(
                (0..200).any(|_| !alive() || {
                    std::thread::sleep(Duration::from_millis(10));
                    false
                }),
                "{pid}"
            );
        }
        // Nothing that is in the way of the next one.
        world.git("ours", &format!("remote set-url origin file://{}", world.path("bare").display()));
        assert!(world.remote().fetch(MAIN, SOON).unwrap().is_some());
    }
}

// macOS does not tell sessions apart.
#[cfg(target_os = "linux")]
#[test]
fn an_implicit_call_has_no_terminal_and_an_asked_one_keeps_it() {
    let session = |manner| {
        let world = World::new();
        let file = world.path("session");
        let remote = with_command(&world, &format!("ps -o sess= -p $$ >{}", file.display()));
        assert!(remote.fetch(MAIN, manner).is_err());
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    };
    let ours = Command::new("ps").args(["-o", "sess=", "-p", &std::process::id().to_string()]).output().unwrap();
    let ours = String::from_utf8(ours.stdout).unwrap().trim().to_owned();
    assert_eq!(session(Manner::Asked), ours);
    assert_ne!(session(SOON), ours);
}

#[test]
fn what_is_said_is_read_to_its_end_and_only_its_end_is_kept() {
    let world = World::new();
    let remote =
        with_command(&world, "yes thing | head -n 500000 >&2; echo fatal: the verdict >&2; echo more >&2; exit 1");
    let told = reason(remote.fetch(MAIN, SOON));
    assert_eq!(told, "thing; thing; thing; the verdict");
}

#[test]
fn progress_is_handed_on_when_somebody_listens() {
    let world = World::new();
    world.commit("theirs", "second");
    world.git("theirs", "push -q origin main");
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let sink = Arc::clone(&heard);
    let remote = world.remote().telling(Arc::new(move |line| sink.lock().unwrap().push_str(line)));
    remote.fetch(MAIN, Manner::Asked).unwrap();
    let heard = heard.lock().unwrap();
    assert!(heard.contains("remote: Counting objects") && heard.contains("origin/main"), "{heard:?}");
}
