//! `sync` with a remote that does its part: what goes out, what comes in, and where there is nothing to sync with.
#![cfg(unix)]

mod support;

use support::{Clones, Hub, VALUE, World, check_same, executable, head};

#[test]
fn the_first_sync_fills_an_empty_hub_and_says_what_went_out() {
    let world = World::story();
    let hub = Hub::bare(&world);
    world.git(&format!("remote add origin {}", hub.url));
    world
        .run("sync")
        .ok()
        .shows(&format!("synced with main ({})", hub.url))
        .shows("out 1 secret added: stripe/api-key");
    assert_eq!(hub.tip(&world), head(&world));
    assert_eq!(hub.git(&world, "for-each-ref --format='%(refname)'"), "refs/heads/main", "and nothing of ours besides");
    world.run("sync").ok().prints(format!("up to date with main ({})\n", hub.url));
    check_same(&[world]);
}

#[test]
fn what_a_sync_did_is_told_to_programs() {
    let clones = Clones::of_one_owner(2);
    let (first, second) = (&clones[0], &clones[1]);
    first.run("add-agent deploy").ok();
    first.set("db/password", "hunter2");
    first.set("stripe/api-key", "another");
    first.run("revoke ci stripe").ok();
    let (before, out) = (head(second), first.run("sync --json").ok().json());
    let commits: usize = first.git(&format!("rev-list --count {before}..HEAD")).parse().unwrap();
    assert_eq!(
        (&out["remote"], &out["url"], &out["branch"]),
        (&"origin".into(), &clones.hub.url.as_str().into(), &"main".into())
    );
    assert_eq!((&out["pushed"], &out["unpushed"], &out["merged"]), (&commits.into(), &0.into(), &false.into()));
    assert_eq!(out["head"], head(first));
    assert_eq!(out["came"]["added"], serde_json::json!([]));
    let inward = second.run("sync --json").ok().json();
    assert_eq!(inward["pushed"], 0);
    for news in [&out["went"], &inward["came"]] {
        assert_eq!(news["added"], serde_json::json!(["db/password"]));
        assert_eq!(news["changed"], serde_json::json!(["stripe/api-key"]));
        assert_eq!(news["agents_added"], serde_json::json!(["deploy"]));
        assert_eq!(news["revoked"], serde_json::json!([{"agent": "ci", "group": "stripe"}]));
    }
    check_same(clones.all());
}

#[test]
fn what_came_in_is_told_to_people() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("db/password", "hunter2");
    clones[0].set("db/other", "hunter3");
    clones[0].run("rm stripe/api-key --yes").ok();
    clones[0].run("grant ci db").ok();
    clones[0].run("sync").ok();
    let told = clones[1].run("sync").ok();
    let told = told.shows("in  2 secrets added: db/other, db/password").shows("in  1 secret removed: stripe/api-key");
    told.shows("in  agent ci joined db").keeps_silent_about("hunter");
    assert_eq!(clones[1].get("db/other"), b"hunter3");
    clones[1].run("get stripe/api-key").fails(3);
    check_same(clones.all());
}

#[test]
fn pull_alone_gives_nothing_and_says_what_waits() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("a/b", "here");
    clones[1].set("c/d", "there");
    clones[1].run("sync").ok();
    let tip = clones.hub.tip(&clones[0]);
    // The merge is made here, and stays here.
    clones[0].run("sync --pull").ok().shows("in  1 secret added: c/d").shows("2 commits not pushed yet");
    assert_eq!(clones.hub.tip(&clones[0]), tip);
    assert_eq!((clones[0].get("a/b"), clones[0].get("c/d")), (b"here".to_vec(), b"there".to_vec()));
    clones.settle();
}

#[test]
fn push_alone_takes_nothing_and_refuses_where_it_would_have_to() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("a/b", "here");
    clones[0].run("sync --push").ok().shows("out 1 secret added: a/b");
    clones[1].set("c/d", "there");
    let before = clones[1].state();
    clones[1].run("sync --push").fails(7).says("has commits that are not here").says("without --push");
    assert_eq!(clones[1].state(), before);
    clones.settle();
}

#[test]
fn another_branch_is_given_for_a_pull_request_and_the_followed_one_is_left_alone() {
    let clones = Clones::of_one_owner(1);
    let tip = clones.hub.tip(&clones[0]);
    clones[0].set("a/b", "here");
    clones[0].run("sync --branch rotate-keys").ok();
    assert_eq!(clones.hub.tip(&clones[0]), tip);
    assert_eq!(clones.hub.git(&clones[0], "rev-parse rotate-keys"), head(&clones[0]));
    clones[0].run("sync --branch=--force").fails(2);
    clones[0].run("sync --branch ../../etc").fails(2);
    clones.settle();
}

#[test]
fn a_clone_made_after_a_merge_of_two_machines_has_everything() {
    let mut clones = Clones::of_one_owner(2);
    clones[0].set("a/b", "here");
    clones[1].set("c/d", "there");
    clones.settle();
    clones.join("late");
    clones.settle();
    assert_eq!(clones[2].get("a/b"), b"here");
    assert_eq!(clones[2].get("stripe/api-key"), VALUE.as_bytes());
}

#[test]
fn without_a_remote_or_a_branch_to_follow_it_is_refused_and_reading_goes_on() {
    let world = World::story();
    let before = world.state();
    world.run("sync").fails(7).says("no remote").says("git remote add");
    world.git("remote add one file:///nowhere && git remote add two file:///nowhere");
    world.run("sync").fails(7).says("several").says("--set-upstream-to");
    world.git("remote remove two && git config branch.main.remote absent");
    world.run("sync").fails(7).says("absent");
    world.git("config branch.main.remote .");
    world.run("sync").fails(7);
    world.git("config --unset branch.main.remote && git checkout -q --detach");
    world.run("sync").fails(7).says("detached").says("git switch");
    assert_eq!(world.get("stripe/api-key"), VALUE.as_bytes());
    world.git("checkout -q main");
    assert_eq!(world.state(), before);
}

#[test]
fn a_branch_that_follows_nothing_is_given_to_origin_under_its_own_name() {
    let clones = Clones::of_one_owner(1);
    clones[0].git("remote add backup file:///nowhere && git switch -q -c feature --no-track");
    clones[0].set("a/b", "on a branch");
    clones[0].run("sync").ok().shows("synced with feature");
    assert_eq!(clones.hub.git(&clones[0], "rev-parse feature"), head(&clones[0]));
    clones[0].git(
        "switch -q main && git config branch.main.remote origin && git config branch.main.merge refs/heads/feature",
    );
    clones[0].run("sync").ok().shows("in  1 secret added: a/b");
    assert_ne!(clones.hub.tip(&clones[0]), head(&clones[0]), "it follows the other branch");
}

#[test]
fn git_that_is_missing_or_too_old_is_named() {
    let clones = Clones::of_one_owner(1);
    clones[0].set("a/b", "here");
    let (empty, old) = (clones[0].tmp("empty"), clones[0].tmp("old"));
    [&empty, &old].into_iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
    let before = clones[0].state();
    clones[0].line("sync").env("PATH", &empty).run().fails(8).says("git cannot be used").says("install Git");
    executable(&old.join("git"), "echo \"error: unknown option: no-write-fetch-head\" >&2; exit 129");
    clones[0].line("sync").env("PATH", format!("{}:/usr/bin:/bin", old.display())).run().fails(8).says("install Git");
    assert_eq!(clones[0].state(), before);
    assert_eq!(clones[0].get("a/b"), b"here");
    clones.settle();
}

#[test]
fn two_vaults_of_one_repository_are_synced_with_it() {
    let clones = Clones::of_one_owner(2);
    let inner = clones[0].within(clones[0].repo.join("service"));
    std::fs::create_dir(&inner.repo).unwrap();
    inner.run("init --owner eric .").ok();
    inner.set("inner/key", "of the service");
    clones[0].set("outer/key", "of the whole");
    clones[1].set("else/where", "apart");
    clones[1].run("sync").ok();
    // To each of the two, the other one's commits are somebody else's.
    inner.run("sync").fails(12);
    inner.run("sync --yes").ok();
    clones[0].run("sync --yes").ok();
    clones[1].run("sync --yes").ok();
    let inner = clones[1].within(clones[1].repo.join("service"));
    inner.run("sync --yes").ok();
    assert_eq!(inner.get("inner/key"), b"of the service");
    assert_eq!(clones[1].get("outer/key"), b"of the whole");
    assert_eq!(clones[1].get("else/where"), b"apart");
    clones[0].run("sync --yes").ok();
    check_same(clones.all());
    inner.run("verify --history").ok();
}

#[test]
fn a_linked_work_tree_is_synced_with_its_own_branch() {
    let clones = Clones::of_one_owner(2);
    let tree = clones[0].within(clones[0].root.join("linked"));
    clones[0].git(&format!("worktree add -q -b side {}", tree.repo.display()));
    clones[0].git("config branch.side.remote origin && git config branch.side.merge refs/heads/main");
    tree.set("a/b", "linked");
    clones[1].set("c/d", "there");
    clones[1].run("sync").ok();
    tree.run("sync").ok();
    assert_eq!(tree.get("c/d"), b"there");
    assert_eq!(tree.git("status --porcelain"), "");
    assert_ne!(head(&tree), head(&clones[0]), "the other work tree's branch stays");
    clones.settle();
    assert_eq!(clones[0].get("a/b"), b"linked");
}

#[test]
fn a_submodule_is_synced_with_its_own_remote() {
    let clones = Clones::of_one_owner(2);
    let outer = clones[0].machine("outer");
    std::fs::create_dir_all(&outer.repo).unwrap();
    clones.lend_key(&outer);
    outer.git("init -q -b main");
    outer.git(&format!(
        "-c protocol.file.allow=always submodule --quiet add {} inner && git commit -q -m submodule",
        clones.hub.url
    ));
    let inner = outer.within(outer.repo.join("inner"));
    inner.set("a/b", "from below");
    clones[0].set("c/d", "from beside");
    clones[0].run("sync").ok();
    inner.run("sync").ok();
    assert_eq!(inner.git("status --porcelain"), "");
    assert_eq!(outer.git("log --format=%s"), "submodule");
    clones.settle();
    assert_eq!(head(&inner), head(&clones[0]));
    assert_eq!(clones[1].get("a/b"), b"from below");
}
