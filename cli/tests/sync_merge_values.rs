//! F4: two machines change values at once. Whoever syncs last merges by meaning; nobody resolves a conflict.
#![cfg(unix)]

mod support;

use support::{Clones, Done, VALUE, World, head};

/// The first syncs, then the second, which merges; both come to the same.
fn merged(clones: &Clones) -> Done {
    clones[0].run("sync").ok();
    let done = clones[1].run("sync").ok();
    clones.settle();
    done
}

/// What `sync` says brings the other value back.
#[track_caller]
fn remedy(done: &Done) -> String {
    let (_, rest) = done.err().split_once("`agent-vault ").unwrap_or_else(|| panic!("no remedy\n{done}"));
    rest.split('`').next().expect("the words").to_owned()
}

/// A line of a secret's metadata.
#[track_caller]
fn field(world: &World, path: &str, name: &str) -> String {
    let text = world.text(&format!("secrets/{path}.meta"));
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("{name} of {text}")).to_owned()
}

#[test]
fn f4_of_two_values_the_one_with_the_higher_number_is_current_and_the_other_comes_back_byte_for_byte() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("stripe/api-key", "first of the first");
    clones[0].set("stripe/api-key", "second of the first");
    let other = b"of the second, with \x00 and \xff\n\n";
    clones[1].set("stripe/api-key", other);
    let lost = head(&clones[1]);
    let done = merged(&clones).says("stripe/api-key was set on both sides");
    for machine in clones.all() {
        assert_eq!(machine.get("stripe/api-key"), b"second of the first");
    }
    let remedy = remedy(&done);
    assert!(remedy.starts_with("restore stripe/api-key@") && remedy.ends_with(&lost[..12]), "{remedy} of {lost}");
    clones[0].run(&remedy).ok();
    clones.settle();
    assert_eq!(clones[1].get("stripe/api-key"), other);
}

#[test]
fn f4_the_lower_number_loses_whoever_merges() {
    let clones = Clones::of_one_owner(2);
    clones[1].set("stripe/api-key", "one");
    clones[1].set("stripe/api-key", "two");
    clones[0].set("stripe/api-key", "other");
    let remedy = remedy(&merged(&clones));
    assert_eq!(clones[0].get("stripe/api-key"), b"two");
    clones[1].run(&remedy).ok();
    assert_eq!(clones[1].get("stripe/api-key"), b"other");
    clones.settle();
}

#[test]
fn f4_of_two_values_with_one_number_the_greater_digest_is_current() {
    // Either may win: often enough that both ways are seen.
    let mut winners = [0, 0];
    for _ in 0..3 {
        let clones = Clones::of_one_owner(2);
        clones[0].set("stripe/api-key", "of the first");
        clones[1].set("stripe/api-key", "of the second");
        let (a, b) = (field(&clones[0], "stripe/api-key", "digest"), field(&clones[1], "stripe/api-key", "digest"));
        let done = merged(&clones);
        let (wins, loses) = if a > b { ("of the first", "of the second") } else { ("of the second", "of the first") };
        winners[usize::from(a < b)] += 1;
        assert_eq!(clones[0].get("stripe/api-key"), wins.as_bytes());
        clones[1].run(&remedy(&done)).ok();
        assert_eq!(clones[1].get("stripe/api-key"), loses.as_bytes());
        clones.settle();
    }
    assert_eq!(winners.iter().sum::<u32>(), 3);
}

#[test]
fn f4_one_value_that_both_gave_to_one_new_secret_is_there_once() {
    let clones = Clones::of_one_owner(2);
    for machine in clones.all() {
        machine.set("db/password", "the same");
    }
    merged(&clones);
    assert_eq!(clones[0].get("db/password"), b"the same");
    assert_eq!(clones[1].run("list").ok().out().matches("db/password").count(), 1);
}

#[test]
fn f4_a_new_value_outlives_a_removal_and_an_untouched_one_does_not() {
    for setter in [0, 1] {
        let clones = Clones::of_one_owner(2);
        clones[0].set("stripe/other", "stays or goes");
        clones.settle();
        clones[setter].set("stripe/api-key", "new");
        clones[1 - setter].run("rm stripe/api-key --yes").ok();
        clones[1 - setter].run("rm stripe/other --yes").ok();
        merged(&clones).says("stripe/api-key was removed on one side and set on the other: the value stays");
        for machine in clones.all() {
            assert_eq!(machine.get("stripe/api-key"), b"new");
            machine.run("get stripe/other").fails(3);
        }
    }
}

#[test]
fn f4_a_removal_outlives_a_re_encryption() {
    for remover in [0, 1] {
        let clones = Clones::of_one_owner(2);
        clones[remover].run("rm stripe/api-key --yes").ok();
        clones[1 - remover].run("revoke ci stripe").ok();
        merged(&clones);
        for machine in clones.all() {
            machine.run("get stripe/api-key").fails(3);
            assert!(!machine.file("secrets/stripe/api-key.enc").exists());
        }
    }
}

#[test]
fn f4_a_secret_that_both_removed_is_gone_and_can_be_brought_back() {
    let clones = Clones::of_one_owner(2);
    clones.at_once("rm stripe/api-key --yes").into_iter().for_each(|done| drop(done.ok()));
    merged(&clones);
    clones[0].run("get stripe/api-key").fails(3);
    clones[0].run("restore stripe/api-key@HEAD~1^").ok();
    clones.settle();
    assert_eq!(clones[1].get("stripe/api-key"), VALUE.as_bytes());
}

#[test]
fn f4_a_description_here_and_a_value_there_are_both_kept() {
    for describer in [0, 1] {
        let clones = Clones::of_one_owner(2);
        clones[describer].line("set stripe/api-key --description").arg("for the shop").run().ok();
        clones[describer].run("set stripe/api-key --expires 2099-01-01").ok();
        clones[1 - describer].set("stripe/api-key", "new");
        merged(&clones).keeps_silent_about("restore");
        for machine in clones.all() {
            assert_eq!(machine.get("stripe/api-key"), b"new");
            assert!(field(machine, "stripe/api-key", "description").contains("for the shop"));
            assert!(field(machine, "stripe/api-key", "expires").contains("2099-01-01"));
        }
    }
}

#[test]
fn f4_a_secret_that_was_moved_here_and_set_there_is_at_both_names() {
    for mover in [0, 1] {
        let clones = Clones::of_one_owner(2);
        clones[mover].run("mv stripe/api-key stripe/moved --yes").ok();
        clones[1 - mover].set("stripe/api-key", "new");
        merged(&clones).says("the value stays");
        for machine in clones.all() {
            assert_eq!(machine.get("stripe/moved"), VALUE.as_bytes());
            assert_eq!(machine.get("stripe/api-key"), b"new");
        }
    }
}

#[test]
fn f4_a_name_that_differs_only_in_case_is_kept_under_another_name() {
    let clones = Clones::of_one_owner(2);
    clones[0].set("db/password", "lower");
    clones[1].set("db/Password", "upper");
    clones[0].set("Team/one", "in the folder Team");
    clones[1].set("team/two", "in the folder team");
    merged(&clones).says("db/password differs from another name only in case: it is called db/password-2 now");
    let all: Vec<String> = clones[0]
        .run("list --json")
        .ok()
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();
    let lower: std::collections::BTreeSet<String> = all.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), all.len(), "{all:?}");
    for machine in clones.all() {
        assert_eq!(machine.get("db/Password"), b"upper");
        assert_eq!(machine.get("db/password-2"), b"lower");
        assert_eq!(machine.get("Team/one"), b"in the folder Team");
        assert_eq!(machine.get("Team/two"), b"in the folder team");
    }
}
