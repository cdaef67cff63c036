//! F0, F1, F2: what is under way or unfinished in the work tree is in nobody's way, or sync is refused with nothing
//! changed. And repositories of unusual kinds.
#![cfg(unix)]

mod support;

use support::{Clones, Hub, VALUE, World, head};

/// The first has pushed something that the second does not have.
fn behind() -> Clones {
    let clones = Clones::of_one_owner(2);
    clones[0].set("stripe/api-key", "new");
    clones[0].set("db/password", "hunter2");
    clones[0].run("sync").ok();
    clones
}

/// The second's sync is refused with this code, and all is as it was.
#[track_caller]
fn refused(clones: &Clones, code: i32, reason: &str) {
    let before = (clones[1].state(), clones[1].git("ls-files --stage"));
    clones[1].run("sync").fails(code).says(reason);
    assert_eq!((clones[1].state(), clones[1].git("ls-files --stage")), before);
}

/// What is changed here and not committed, byte for byte.
fn mine(world: &World) -> String {
    world.sh("git status --porcelain; git diff --binary --no-renames; git diff --cached --binary --no-renames; git ls-files -o -z | xargs -0 -r cat")
}

#[test]
fn f2_changes_of_the_vault_that_are_not_committed_are_never_overwritten() {
    for stage in ["", "git add -A .agent-vault"] {
        for change in [
            "echo x >> .agent-vault/secrets/stripe/api-key.enc",
            "echo x >> .agent-vault/manifest.yaml",
            "rm .agent-vault/secrets/stripe/api-key.*",
            "mkdir -p .agent-vault/secrets/db; echo mine > .agent-vault/secrets/db/password.enc",
        ] {
            let clones = behind();
            clones[1].sh(&format!("{change}; {stage}"));
            let before = mine(&clones[1]);
            let done = clones[1].run("sync");
            assert!(matches!(done.code, Some(5 | 7)), "{change}, {stage}: {done}");
            assert_eq!(mine(&clones[1]), before, "{change} {stage}");
            // Put away, they are in nobody's way.
            clones[1].sh("git reset -q --hard; git clean -fdq");
            clones.settle();
        }
    }
}

#[test]
fn f2_changes_beside_the_vault_stay_as_they_are() {
    let clones = behind();
    clones[1].sh("echo a > staged; git add staged; echo b > untracked; mkdir -p dir; echo c > dir/ignored; echo dir > .git/info/exclude");
    clones[1].set("of/second", "2");
    let before = clones[1].git("status --porcelain");
    clones[1].run("sync").ok();
    assert_eq!(clones[1].git("status --porcelain"), before);
    assert_eq!(clones[1].sh("cat staged untracked dir/ignored"), "a\nb\nc");
    clones[0].run("sync").ok();
    assert_eq!(clones[0].get("of/second"), b"2");
}

#[test]
fn f2_commits_that_touch_other_files_come_in_with_leave_and_never_over_local_changes() {
    let clones = behind();
    clones[0].sh("echo theirs > file; git add file; git commit -q -m 'touch a file'");
    clones[0].run("sync").fails(12).says("touch a file");
    clones[0].run("sync --yes").ok();
    refused(&clones, 12, "touch a file");
    clones[1].sh("echo mine > file");
    let before = clones[1].state();
    clones[1].run("sync --yes").fails(7).says("git stash");
    assert_eq!(clones[1].state(), before);
    assert_eq!(clones[1].sh("cat file; rm file"), "mine");
    clones[1].run("sync --yes").ok();
    assert_eq!(clones[1].sh("cat file"), "theirs");
    clones.settle();
}

#[test]
fn f4_files_beside_the_vault_that_both_changed_are_for_git_to_merge() {
    let clones = behind();
    clones[0].sh("echo theirs > file; git add file; git commit -q -m theirs");
    clones[0].run("sync --yes").ok();
    clones[1].set("of/second", "2");
    clones[1].sh("echo mine > file; git add file; git commit -q -m mine");
    let before = clones[1].state();
    clones[1].run("sync --yes").fails(7).says("file").says("git merge");
    assert_eq!(clones[1].state(), before);
    clones[1].sh(&format!("export PATH='{}'; git fetch -q; git merge -q --no-edit origin/main >/dev/null || true; echo both > file; git add file; git commit -q -m merged", support::with_program()));
    clones[1].run("sync --yes").ok();
    clones[0].run("sync --yes").ok();
    clones.settle();
    assert_eq!(clones[0].sh("cat file"), "both");
    assert_eq!(clones[0].get("of/second"), b"2");
}

#[test]
fn f0_a_merge_or_rebase_under_way_is_finished_first() {
    let clones = behind();
    clones[1].sh("echo 1 > file; git add file; git commit -q -m one; git branch side; git switch -q side; echo 2 > file; git commit -q -am two; git switch -q main; echo 3 > file; git commit -q -am three");
    clones[1].sh("git merge -q side >/dev/null 2>&1 || true");
    refused(&clones, 7, "in the middle of a merge");
    clones[1].run("get stripe/api-key --fresh").ok().prints("new");
    clones[1].sh("git merge --abort; GIT_SEQUENCE_EDITOR='sed -i s/pick/edit/' git rebase -q -i HEAD~1 2>/dev/null");
    refused(&clones, 7, "rebase");
    clones[1].git("rebase --abort");
    clones[1].run("sync --yes").ok();
}

#[test]
fn f0_an_index_that_is_locked_refuses_and_reading_goes_on() {
    let clones = behind();
    std::fs::write(clones[1].repo.join(".git/index.lock"), "").unwrap();
    refused(&clones, 7, "lock");
    assert_eq!(clones[1].get("stripe/api-key"), b"new", "what was verified is read where it lies");
    std::fs::remove_file(clones[1].repo.join(".git/index.lock")).unwrap();
    clones.settle();
}

#[test]
fn a_shallow_clone_is_synced_and_merges() {
    let clones = Clones::of_one_owner(2);
    let shallow = clones[0].machine("shallow");
    clones.lend_key(&shallow);
    clones[0].git(&format!("clone -q --depth 1 {} {}", clones.hub.url, shallow.repo.display()));
    assert_eq!(shallow.get("stripe/api-key"), VALUE.as_bytes());
    clones[0].set("stripe/api-key", "new");
    clones[0].run("sync").ok();
    shallow.run("sync").ok().shows("changed: stripe/api-key");
    shallow.set("of/shallow", "3");
    shallow.run("sync").ok();
    clones[0].set("of/first", "1");
    clones[0].run("sync").ok();
    shallow.set("of/shallow", "4");
    shallow.run("sync").ok();
    clones.settle();
    assert_eq!(head(&shallow), head(&clones[1]));
    assert_eq!(clones[1].get("of/shallow"), b"4");
    assert_eq!(shallow.get("of/first"), b"1");
}

#[test]
fn a_clone_without_blobs_gets_those_that_it_needs_by_git() {
    let clones = Clones::of_one_owner(2);
    clones.hub.git(&clones[0], "config uploadpack.allowFilter true");
    clones.hub.git(&clones[0], "config uploadpack.allowAnySHA1InWant true");
    for n in 0..3 {
        clones[0].set("stripe/api-key", format!("value {n}"));
    }
    clones[0].run("sync").ok();
    let partial = clones[0].machine("partial");
    clones.lend_key(&partial);
    clones[0].git(&format!("clone -q --filter=blob:none {} {}", clones.hub.url, partial.repo.display()));
    assert_eq!(partial.get("stripe/api-key"), b"value 2");
    clones[0].set("stripe/api-key", "value 3");
    clones[0].set("of/first", "1");
    clones[0].run("sync").ok();
    partial.run("sync").ok();
    assert_eq!(partial.get("stripe/api-key"), b"value 3");
    partial.set("of/partial", "3");
    clones[0].set("of/first", "2");
    clones[0].run("sync").ok();
    partial.run("sync").ok();
    partial.run("verify --history").ok();
    clones.settle();
    assert_eq!(clones[1].get("of/partial"), b"3");
    assert_eq!(partial.get("of/first"), b"2");
    clones[0].set("of/first", "3");
    clones[0].run("sync").ok();
    partial.run("get of/first --fresh").ok().prints("3");
}

/// A partial clone in a repository of code: it follows, merges, and still leaves out what it can.
fn partial_clone_beside_code(filter: &str) {
    let clones = Clones::of_one_owner(2);
    clones.hub.git(&clones[0], "config uploadpack.allowFilter true");
    clones.hub.git(&clones[0], "config uploadpack.allowAnySHA1InWant true");
    let code = |at: usize, text: &str| {
        clones[at].sh(&format!(
            "mkdir -p src/deep doc/{text}; echo {text} > src/deep/{text}.rs; echo {text} > doc/{text}/x; git add .; git commit -q -m {text}"
        ));
    };
    clones[0].sh("seq 9 > shared; git add shared; git commit -q -m shared");
    for n in 0..3 {
        clones[0].set("stripe/api-key", format!("value {n}"));
        code(0, &format!("code{n}"));
    }
    clones[0].run("sync --yes").ok();
    let partial = clones[0].machine("partial");
    clones.lend_key(&partial);
    clones[0].git(&format!("clone -q --filter={filter} {} {}", clones.hub.url, partial.repo.display()));
    assert_eq!(partial.get("stripe/api-key"), b"value 2");
    // Behind, in the vault and beside it.
    clones[0].set("stripe/api-key", "value 3");
    code(0, "code3");
    clones[0].set("of/first", "1");
    clones[0].run("sync --yes").ok();
    partial.run("get of/first --fresh").ok().prints("1");
    partial.run("sync --yes").ok();
    assert_eq!(partial.get("stripe/api-key"), b"value 3");
    partial.sh("cat src/deep/code3.rs doc/code0/x");
    // Both changed something, in the vault and beside it.
    partial.set("of/partial", "3");
    partial.sh("mkdir -p lib/a; echo x > lib/a/x; sed -i s/1/first/ shared; git add .; git commit -q -m lib");
    clones[0].set("of/first", "2");
    clones[0].sh("sed -i s/9/last/ shared; git mv doc/code0 doc/renamed");
    code(0, "code4");
    clones[0].run("sync --yes").ok();
    partial.run("sync --yes").ok();
    partial.run("verify --history").ok();
    clones[0].run("sync --yes").ok();
    clones[1].run("sync --yes").ok();
    clones.settle();
    assert_eq!(head(&partial), head(&clones[1]));
    assert_eq!(clones[1].get("of/partial"), b"3");
    assert_eq!(partial.get("of/first"), b"2");
    assert_eq!(partial.sh("head -1 shared; tail -1 shared; cat doc/renamed/x lib/a/x"), "first\nlast\ncode0\nx");
    if filter == "tree:0" {
        let lacks = partial.sh("git rev-list --objects --all --missing=print | grep -c '^?'");
        assert!(lacks.parse::<usize>().unwrap() > 0, "what no merge had to look at is left out still");
    }
}

#[test]
fn a_clone_without_folders_beside_code_gets_those_that_it_needs_by_git() {
    partial_clone_beside_code("tree:0");
}

#[test]
fn a_clone_without_blobs_beside_code_gets_those_that_it_needs_by_git() {
    partial_clone_beside_code("blob:none");
}

#[test]
fn a_hub_that_gives_a_partial_clone_nothing_is_named() {
    let clones = Clones::of_one_owner(2);
    clones.hub.git(&clones[0], "config uploadpack.allowFilter true");
    clones.hub.git(&clones[0], "config uploadpack.allowAnySHA1InWant true");
    clones[0].set("stripe/api-key", "new");
    clones[0].run("sync").ok();
    for filter in ["blob:none", "tree:0"] {
        let partial = clones[0].machine(&filter.replace(':', "-"));
        clones.lend_key(&partial);
        clones[0].git(&format!("clone -q --filter={filter} {} {}", clones.hub.url, partial.repo.display()));
        let away = clones.hub.dir.with_extension("away");
        std::fs::rename(&clones.hub.dir, &away).unwrap();
        partial.run("verify --history").fails(1).says("agent-vault sync");
        partial.run("sync").fails(8);
        std::fs::rename(&away, &clones.hub.dir).unwrap();
        partial.run("sync").ok();
        partial.run("verify --history").ok();
    }
}

#[test]
fn repositories_of_kinds_that_are_not_supported_are_named() {
    for (option, named) in [("--object-format=sha256", "SHA-256"), ("--ref-format=reftable", "reftable")] {
        let world = World::repository();
        world.sh(&format!("rm -rf .git; git init -q -b main {option}"));
        world.run("init --owner eric").fails(7).says(named).says("git init");
        assert!(!world.folder().exists(), "nothing is left");
    }
    // A vault that is there already is read, and its repository is named by all that need it.
    let clones = Clones::of_one_owner(2);
    clones[1].sh("rm -rf .git/logs; git -c core.logAllRefUpdates=false refs migrate --ref-format=reftable");
    clones[1].run("get stripe/api-key").ok().prints(VALUE);
    clones[1].run("list").ok().shows("stripe/api-key");
    for line in ["sync", "rm stripe/api-key --yes", "verify --history"] {
        clones[1].run(line).fails(7).says("reftable");
    }
}

#[test]
fn a_home_on_a_read_only_disk_is_told_of_and_reading_works() {
    let clones = behind();
    let home = clones[1].home.display().to_string();
    let Some(wrapper) = read_only(&clones[1], &home) else {
        eprintln!("no mounts here");
        return;
    };
    clones[1].line("get stripe/api-key").under(&wrapper).run().ok().prints(VALUE);
    clones[1].line("get stripe/api-key --fresh").under(&wrapper).run().ok().prints("new");
    let synced = clones[1].line("sync").under(&wrapper).run();
    if synced.code == Some(0) {
        synced.says("could not be remembered");
        assert_eq!(clones[1].get("stripe/api-key"), b"new");
    } else {
        synced.fails(1).says("Read-only file system");
    }
    clones.settle();
}

/// Words that run a program in a place of its own where a folder is read-only: as root, or as root of a user namespace.
fn read_only(world: &World, dir: &str) -> Option<Vec<String>> {
    let script = format!("mount --bind {dir} {dir} && mount -o remount,ro,bind {dir} && exec \"$@\"");
    ["--mount", "--user --map-root-user --mount"].into_iter().find_map(|flags| {
        let words = format!("unshare {flags} --propagation private bash -c");
        let words = words.split(' ').map(str::to_owned).chain([script.clone(), "bash".into()]);
        let words: Vec<String> = words.collect();
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        (world.sh(&format!("{} true 2>/dev/null && echo yes || echo no", quoted.join(" "))) == "yes").then_some(words)
    })
}

#[test]
fn a_hub_reached_by_a_plain_path_and_a_remote_of_another_name_work_as_well() {
    let world = World::story();
    let hub = Hub::bare(&world);
    world.git(&format!("remote add 'up-stream' {}", hub.dir.display()));
    world.run("sync").ok().shows("added: stripe/api-key");
    assert_eq!(hub.tip(&world), head(&world));
}
