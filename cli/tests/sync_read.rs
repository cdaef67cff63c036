//! F2, F3: `get` looks at the remote on its way: seldom, briefly, without a question, and without disturbing anybody.
#![cfg(unix)]

mod support;

use support::{Clones, Done, VALUE, World, executable, head};

/// Two machines; the second counts how often it looks at the hub.
fn watched() -> Clones {
    let clones = Clones::of_one_owner(2);
    let (eye, log) = (clones[1].tmp("eye"), clones[1].tmp("looks"));
    executable(&eye, &format!("echo look >> {}\nexec git-upload-pack \"$@\"", log.display()));
    std::fs::write(&log, "").unwrap();
    clones[1].git(&format!("config remote.origin.uploadpack {}", eye.display()));
    clones
}

/// How often it looked since it was asked last.
fn looks(clones: &Clones) -> usize {
    let log = clones[1].tmp("looks");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, "").unwrap();
    text.lines().count()
}

/// Makes the last look one of two minutes ago.
fn a_while_later(world: &World) {
    let minutes = 120;
    let edited = world.sh(&format!(
        "for file in $(find ~/.agent-vault/vaults -path '*/fetched/*' -type f ! -name '*.lock'); do then=$(sed -n 's/^time: //p' $file); sed -i \"s/^time: .*/time: $((then - {minutes}))/\" $file; echo $file; done"
    ));
    assert_ne!(edited, "", "something is remembered");
}

/// The first gives the hub a new value.
fn new_value(clones: &Clones, value: &str) {
    clones[0].set("stripe/api-key", value);
    clones[0].run("sync").ok();
}

fn read(clones: &Clones, options: &str) -> Done {
    clones[1].run(&format!("get stripe/api-key {options}"))
}

/// It warned in one line.
#[track_caller]
fn one_line(done: &Done) {
    assert_eq!(done.err().lines().count(), 1, "{done}");
}

#[test]
fn a_read_looks_at_the_remote_once_a_minute_and_takes_what_is_new() {
    let clones = watched();
    read(&clones, "").ok().prints(VALUE);
    assert_eq!(looks(&clones), 1);
    new_value(&clones, "second");
    for _ in 0..3 {
        read(&clones, "").ok().prints(VALUE);
    }
    assert_eq!(looks(&clones), 0, "not within a minute");
    a_while_later(&clones[1]);
    read(&clones, "").ok().prints("second");
    read(&clones, "").ok().prints("second");
    assert_eq!(looks(&clones), 1);
    // Nothing but the vault had changed: the branch and the files came along.
    assert_eq!(head(&clones[1]), clones.hub.tip(&clones[0]));
    clones.settle();
}

#[test]
fn fresh_always_looks_and_offline_never_does() {
    let clones = watched();
    read(&clones, "--fresh").ok().prints(VALUE);
    new_value(&clones, "second");
    read(&clones, "--fresh").ok().prints("second");
    assert_eq!(looks(&clones), 2);
    new_value(&clones, "third");
    a_while_later(&clones[1]);
    read(&clones, "--offline").ok().prints("second");
    read(&clones, "--allow-old").ok().prints("second");
    assert_eq!(looks(&clones), 0);
    read(&clones, "--fresh --offline").fails(2);
    clones.settle();
}

#[test]
fn a_clock_that_was_put_back_makes_a_look_due() {
    let clones = watched();
    read(&clones, "").ok();
    clones[1].sh("sed -i 's/^time: .*/time: 99999999999/' $(find ~/.agent-vault/vaults -path '*/fetched/*' -type f ! -name '*.lock')");
    read(&clones, "").ok();
    assert_eq!(looks(&clones), 2);
}

#[test]
fn e2_processes_that_read_at_once_look_at_the_remote_once() {
    let clones = watched();
    new_value(&clones, "second");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let done = read(&clones, "").ok();
                assert!(done.out == VALUE.as_bytes() || done.out == b"second", "{done}");
            });
        }
    });
    assert_eq!(looks(&clones), 1);
    read(&clones, "").ok().prints("second");
}

#[test]
fn f3_a_look_that_fails_counts_for_all_processes() {
    let clones = watched();
    let log = clones[1].tmp("looks");
    executable(&clones[1].tmp("eye"), &format!("echo look >> {}\nexit 1", log.display()));
    let warned = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let done = read(&clones, "").ok().prints(VALUE);
                warned.fetch_add(done.err().lines().count(), std::sync::atomic::Ordering::Relaxed);
            });
        }
    });
    assert_eq!((looks(&clones), warned.into_inner()), (1, 1), "one look, and one line about it");
}

#[test]
fn f3_an_unreachable_remote_is_one_line_and_fails_only_who_must_have_it() {
    let clones = Clones::of_one_owner(2);
    let away = clones.hub.dir.with_extension("away");
    std::fs::rename(&clones.hub.dir, &away).unwrap();
    let done = read(&clones, "").ok().prints(VALUE).says("this is what is known here");
    one_line(&done);
    let done = read(&clones, "").ok().prints(VALUE);
    assert_eq!(done.err(), "", "once a minute is enough");
    read(&clones, "--fresh").fails(8).says("remote");
    a_while_later(&clones[1]);
    one_line(&read(&clones, "").ok().prints(VALUE));
    read(&clones, "--offline").ok().prints(VALUE);
    clones[1].set("here/more", "writes go on");
    clones[1].run("sync").fails(8);
    std::fs::rename(&away, &clones.hub.dir).unwrap();
    clones.settle();
}

#[test]
fn f3_a_remote_that_does_not_answer_is_left_alone_after_a_while() {
    let clones = Clones::of_one_owner(2);
    let (stuck, mark) = (clones[1].tmp("stuck"), clones[1].tmp("mark"));
    executable(&stuck, &format!("echo $$ > {}; sleep 1000", mark.display()));
    clones[1].git(&format!("config remote.origin.uploadpack {}", stuck.display()));
    one_line(&read(&clones, "").ok().prints(VALUE).says("no answer within"));
    let pid = std::fs::read_to_string(mark).unwrap();
    // One that has ended may still be listed until somebody asks how.
    let gone = format!(
        "for n in $(seq 100); do ps -o stat= -p {} | grep -qv Z || exit 0; sleep 0.1; done; exit 1",
        pid.trim()
    );
    clones[1].sh(&gone);
}

#[test]
fn f2_in_a_repository_of_code_the_branch_stays_and_the_value_is_new() {
    let clones = watched();
    clones[0].sh("echo code > main.rs; git add main.rs; git commit -q -m 'write code'");
    clones[0].set("stripe/api-key", "second");
    clones[0].run("sync --yes").ok();
    let before = (clones[1].state(), head(&clones[1]));
    let tip = clones.hub.tip(&clones[0]);
    let done = read(&clones, "").ok().prints("second").says(&tip[..7]);
    one_line(&done);
    assert_eq!((clones[1].state(), head(&clones[1])), before);
    // Within the minute too, without another look.
    read(&clones, "").ok().prints("second");
    assert_eq!(looks(&clones), 1);
    assert_eq!((clones[1].state(), head(&clones[1])), before);
    clones[0].run("rm stripe/api-key --yes").ok();
    clones[0].run("sync --yes").ok();
    a_while_later(&clones[1]);
    read(&clones, "").fails(3);
    clones[1].run("sync --yes").ok();
    clones.settle();
}

#[test]
fn f2_local_changes_are_left_alone_and_the_value_is_new() {
    let clones = Clones::of_one_owner(2);
    clones[1].sh("echo x > .git/index.lock; echo mine > file");
    new_value(&clones, "second");
    let before = (clones[1].state(), head(&clones[1]));
    read(&clones, "").ok().prints("second");
    assert_eq!((clones[1].state(), head(&clones[1])), before);
    clones[1].sh("rm .git/index.lock");
    read(&clones, "").ok().prints("second");
    clones[1].set("here/more", "unpushed");
    new_value(&clones, "third");
    a_while_later(&clones[1]);
    // What is not pushed keeps the branch where it is.
    let before = head(&clones[1]);
    read(&clones, "").ok().prints("third");
    assert_eq!(head(&clones[1]), before);
    clones[1].run("get here/more").ok().prints("unpushed");
    clones[1].sh("rm file");
    clones.settle();
}

#[test]
fn a4_an_old_checkout_reads_the_newest_that_was_verified_unless_told_otherwise() {
    let clones = Clones::of_one_owner(2);
    new_value(&clones, "second");
    clones[1].run("sync").ok();
    clones[1].git("checkout -q --detach HEAD~1");
    read(&clones, "").ok().prints("second");
    read(&clones, "--offline").ok().prints("second");
    read(&clones, "--allow-old").ok().prints(VALUE);
    assert_eq!(clones[1].git("status --porcelain"), "");
    clones[1].git("checkout -q main && git bisect start -q HEAD HEAD~3 && git log -1 --format=%s");
    read(&clones, "").ok().prints("second");
    clones[1].git("bisect reset 2>/dev/null");
    read(&clones, "").ok().prints("second");
    clones.settle();
}

#[test]
fn a_read_by_an_agent_takes_what_an_owner_gave_and_loses_what_was_revoked() {
    let clones = Clones::of_one_owner(1);
    let reader = clones.stranger("ci");
    let key = reader.tmp("ci.key");
    std::fs::copy(clones[0].key("ci"), &key).unwrap();
    let line = format!("get stripe/api-key --fresh --key {}", key.display());
    reader.run(&line).ok().prints(VALUE);
    new_value(&clones, "second");
    reader.run(&line).ok().prints("second");
    clones[0].run("revoke ci stripe").ok();
    clones[0].run("sync").ok();
    reader.run(&line).fails(4);
    assert_eq!(reader.git("status --porcelain"), "");
    clones.settle();
}

#[test]
fn without_a_remote_or_on_a_branch_that_follows_none_a_read_is_quiet_and_cannot_be_forced_to_be_fresh() {
    let world = World::story();
    let clones = Clones::of_one_owner(1);
    clones[0].git("checkout -q --detach");
    for alone in [&world, &clones[0]] {
        let done = alone.run("get stripe/api-key").ok().prints(VALUE);
        assert_eq!(done.err(), "");
        alone.run("get stripe/api-key --fresh").fails(7).says("there is no remote to look at");
    }
    clones[0].git("switch -q -c new-branch");
    let done = clones[0].run("get stripe/api-key --fresh").ok().prints(VALUE);
    assert_eq!(done.err(), "", "the remote has no such branch yet");
}

/// The names that `list` shows, with their revisions.
fn listed(world: &World, options: &str) -> Vec<(String, u64)> {
    let rows = world.run(&format!("list --json {options}")).ok().json();
    let row = |row: &serde_json::Value| {
        (row["name"].as_str().expect("a name").to_owned(), row["revision"].as_u64().expect("a revision"))
    };
    rows.as_array().expect("secrets").iter().map(row).collect()
}

/// The second machine holds back what the hub has: the first has changed, added and removed secrets beside its code.
fn held_back() -> Clones {
    let clones = watched();
    clones[0].set("old/gone", "of before");
    clones[0].set("old/stays", "stays");
    clones[0].run("sync").ok();
    clones[1].run("sync").ok();
    read(&clones, "").ok();
    looks(&clones);
    clones[0].sh("echo code > main.rs; git add main.rs; git commit -q -m 'write code'");
    clones[0].set("stripe/api-key", "second");
    clones[0].set("web/new", "new");
    clones[0].run("rm old/gone --yes").ok();
    clones[0].run("sync --yes").ok();
    a_while_later(&clones[1]);
    clones
}

#[test]
fn f2_list_and_show_tell_of_the_state_that_a_read_reads() {
    let clones = held_back();
    let tip = clones.hub.tip(&clones[0]);
    let before = (clones[1].state(), head(&clones[1]));
    let here = listed(&clones[1], "--offline");
    assert_eq!(
        here.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["old/gone", "old/stays", "stripe/api-key"]
    );
    assert_eq!(looks(&clones), 0);
    let there = listed(&clones[0], "");
    assert_ne!(there, here);
    assert_eq!(listed(&clones[1], ""), there, "the same as where it was made");
    assert_eq!(looks(&clones), 1, "one look");
    let done = clones[1].run("list").ok().says("3 secrets listed as of commit").says(&tip[..7]);
    one_line(&done);
    assert_eq!(listed(&clones[1], "--group web"), [("web/new".to_owned(), 1)]);
    assert_eq!(listed(&clones[1], "--allow-old"), here);
    let done = clones[1].run("show stripe/api-key").ok().says(&tip[..7]);
    one_line(&done);
    assert_eq!(done.out(), clones[0].run("show stripe/api-key").ok().out());
    assert_eq!(clones[1].run("show web/new --json").ok().json(), clones[0].run("show web/new --json").ok().json());
    clones[1].run("show old/gone").fails(3);
    clones[1].run("show old/gone --allow-old").ok();
    let done = clones[1].run("show old/stays").ok();
    assert_eq!(done.err(), "", "what is the same here is read here");
    assert_eq!((clones[1].state(), head(&clones[1])), before, "nothing moved");
    assert_eq!(looks(&clones), 0);
    clones[1].run("sync --yes").ok();
    clones.settle();
    assert_eq!(clones[1].run("list").ok().err(), "");
}

#[test]
fn f3_list_and_show_look_at_the_remote_as_a_read_does() {
    let clones = watched();
    new_value(&clones, "second");
    for line in ["list --fresh", "show stripe/api-key --fresh"] {
        clones[1].run(line).ok();
        assert_eq!(looks(&clones), 1, "{line}");
    }
    for line in ["list", "show stripe/api-key", "list --offline", "show stripe/api-key --allow-old"] {
        clones[1].run(line).ok();
        assert_eq!(looks(&clones), 0, "{line}");
    }
    let away = clones.hub.dir.with_extension("away");
    std::fs::rename(&clones.hub.dir, &away).unwrap();
    a_while_later(&clones[1]);
    one_line(&clones[1].run("list").ok().says("this is what is known here"));
    clones[1].run("list --fresh").fails(8);
    clones[1].run("show stripe/api-key --fresh").fails(8);
    clones[1].run("list --fresh --offline").fails(2);
    std::fs::rename(&away, &clones.hub.dir).unwrap();
    clones.settle();
}

#[test]
fn a4_on_an_old_checkout_list_and_show_tell_of_the_newest_that_was_verified() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("web/new", "new");
    new_value(&clones, "second");
    clones[1].run("sync").ok();
    let newest = listed(&clones[1], "");
    clones[1].git("checkout -q --detach HEAD~2");
    let old = listed(&clones[1], "--allow-old");
    assert_eq!(old.len(), 1);
    for options in ["", "--offline"] {
        assert_eq!(listed(&clones[1], options), newest, "{options}");
    }
    one_line(&clones[1].run("list").ok().says("2 secrets listed as of commit"));
    // The same from the list cache as without it.
    assert_eq!(listed(&clones[1], "--allow-old"), old);
    assert_eq!(listed(&clones[1], ""), newest);
    let done = clones[1].run("show stripe/api-key --json").ok();
    one_line(&done);
    assert_eq!(done.json()["value_revision"], 2);
    assert_eq!(clones[1].run("show stripe/api-key --json --allow-old").ok().json()["value_revision"], 1);
    assert_eq!(clones[1].git("status --porcelain"), "");
    clones[1].git("checkout -q main");
    assert_eq!(clones[1].run("list").ok().err(), "");
    assert_eq!(listed(&clones[1], ""), newest);
    clones.settle();
}

#[test]
fn a4_a_file_that_was_put_back_by_hand_is_no_checkout() {
    let clones = Clones::of_one_owner(2);
    new_value(&clones, "second");
    clones[1].run("sync").ok();
    clones[1].git("checkout -q HEAD~1 -- .agent-vault/secrets");
    read(&clones, "").fails(5);
    clones[1].run("show stripe/api-key").fails(5);
    clones[1].git("checkout -q HEAD -- .agent-vault");
    clones.settle();
}

#[test]
fn names_that_the_last_look_found_are_completed() {
    let clones = held_back();
    let complete = |typed: &str| {
        let done = clones[1]
            .call(["--", "agent-vault", "show", typed])
            .env("AGENT_VAULT_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", "2")
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "true")
            .env("_CLAP_IFS", "\n")
            .run()
            .ok();
        done.out().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(!complete("w").contains(&"web/".to_owned()));
    looks(&clones);
    clones[1].run("list").ok();
    assert_eq!(looks(&clones), 1);
    assert_eq!(complete("w"), ["web/"]);
    assert_eq!(complete("web/"), ["web/new"]);
    assert_eq!(complete("old/"), ["old/stays"], "what was removed there is not offered");
    assert_eq!(looks(&clones), 0, "nobody who completes looks");
}

#[test]
fn what_must_be_recorded_by_a_newer_policy_is_not_read_where_it_cannot_be() {
    let clones = watched();
    clones[0].sh("echo code > main.rs; git add main.rs; git commit -q -m 'write code'");
    clones[0].run("settings audit-required true").ok();
    new_value_beside_code(&clones);
    read(&clones, "").ok().prints("second");
    let block = "rm -rf ~/.agent-vault/audit; echo > ~/.agent-vault/audit";
    clones[1].sh(block);
    let refused = "lets nothing be read that is not recorded";
    read(&clones, "").fails(1).says(refused).prints("");
    clones[1].run("list").fails(1).says(refused).prints("");
    clones[1].run("show stripe/api-key").fails(1).says(refused).prints("");
    // Lifted by whoever may, what was required before requires nothing.
    clones[1].run("sync --yes").ok();
    clones[1].run("settings audit-required false").ok();
    read(&clones, "--offline").ok().prints("second").says("the log does not say");
    clones.settle();
}

/// The first gives the hub a new value, with commits of code.
fn new_value_beside_code(clones: &Clones) {
    clones[0].set("stripe/api-key", "second");
    clones[0].run("sync --yes").ok();
}
