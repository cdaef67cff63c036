//! `restore` and `log`: a former value comes back, and who knew it stays known.
#![cfg(unix)]

mod support;

use support::{VALUE, World};

fn show(world: &World, path: &str) -> serde_json::Value {
    world.run(&format!("show {path} --json")).ok().json()
}

#[test]
fn a_former_value_comes_back_as_a_new_revision() {
    let world = World::story();
    world.set("stripe/api-key", "second");
    world.run("restore stripe/api-key@HEAD~1 --dry-run").ok().says("would be restored");
    assert_eq!(world.get("stripe/api-key"), b"second");
    world.run("restore stripe/api-key@HEAD~1").ok().says("as revision 4");
    assert_eq!(world.get("stripe/api-key"), VALUE.as_bytes());
    let shown = show(&world, "stripe/api-key");
    assert_eq!((&shown["revision"], &shown["value_revision"]), (&4.into(), &3.into()));
    assert_eq!(shown["exposed_to"].as_array().unwrap().len(), 0);
    let before = world.state();
    world.run("restore stripe/api-key@r1").ok().says("nothing to do");
    assert_eq!(world.state(), before);
    world.run("verify --history").ok();
}

#[test]
fn d0_a_restored_value_is_marked_for_every_key_that_knew_it_and_may_not_read_it_now() {
    let world = World::story();
    let ci = show(&world, "stripe/api-key")["recipients"][1].as_str().unwrap().to_owned();
    // `ci` read the first value; then it lost the group, and the value was changed.
    world.run("revoke ci stripe").ok();
    world.set("stripe/api-key", "second");
    assert_eq!(show(&world, "stripe/api-key")["exposed_to"].as_array().unwrap().len(), 0);
    world.run("restore stripe/api-key@r1").ok().says("marked for rotation").says(&ci);
    assert_eq!(show(&world, "stripe/api-key")["exposed_to"], serde_json::json!([format!("ci@{ci}")]));
    world.run("check").ok().shows("rotation-due");
    // And no longer, once it may read it again.
    world.run("grant ci stripe").ok();
    assert_eq!(show(&world, "stripe/api-key")["exposed_to"].as_array().unwrap().len(), 0);
}

#[test]
fn d0_readers_between_and_after_count_too_and_so_do_former_restorations_and_former_names() {
    let world = World::vault();
    for agent in ["early", "late", "never"] {
        world.run(&format!("add-agent {agent}")).ok();
    }
    world.set("a/key", "one");
    // `early` read it in a later revision than the one that is restored.
    world.run("grant early a --create").ok();
    world.run("revoke early a").ok();
    world.set("a/key", "two");
    world.run("grant never a").ok();
    world.run("revoke never a").ok();
    // `late` read the same value again, when it had been set by hand.
    world.set("a/key", "one");
    world.run("grant late a").ok();
    world.run("revoke late a").ok();
    world.set("a/key", "three");
    world.run("mv a/key b/key --yes").ok();
    world.run("restore b/key@r1").ok().says("it was a/key then");
    let shown = show(&world, "b/key");
    let names: Vec<String> = shown["exposed_to"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().split('@').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["early", "late"]);
    assert_eq!(world.get("b/key"), b"one");
    world.run("verify --history").ok();
}

#[test]
fn a_removed_secret_comes_back_with_what_was_known_of_it() {
    let world = World::story();
    world.run("set stripe/api-key --description billing --agents ci").ok();
    world.run("rm stripe/api-key --yes").ok();
    world.run("restore stripe/api-key@HEAD").fails(3);
    world.run("restore stripe/api-key@HEAD~1").ok();
    let shown = show(&world, "stripe/api-key");
    assert_eq!((&shown["description"], &shown["agents"]), (&"billing".into(), &serde_json::json!(["ci"])));
    assert_eq!(world.get("stripe/api-key"), VALUE.as_bytes());
    world.run("verify --history").ok();
}

#[test]
fn what_cannot_be_meant_is_told() {
    let world = World::story();
    world.run("restore stripe/api-key").code(2);
    world.run("restore stripe/api-key@").code(2);
    world.run("restore stripe/api-key@nothing").fails(3);
    world.run("restore stripe/api-key@r99").fails(3);
    world.run("restore stripe/none@HEAD").fails(3);
    world.run("restore ../x@HEAD").code(2);
    world.line("restore stripe/api-key@r1").env("AGENT_VAULT_KEY", world.key("ci")).run().fails(4);
    world.run("log stripe/none").fails(3);
    world.run("log stripe/api-kye").fails(3).says("did you mean");
}

#[test]
fn a3_a_forged_document_in_a_commit_is_not_restored() {
    let world = World::story();
    world.set("stripe/api-key", "second");
    let mallory = "git -c user.name=mallory -c user.email=m@x -c commit.gpgsign=false";
    for forgery in [
        "sed -i s/^revision:.*/revision:\\ 9/ .agent-vault/secrets/stripe/api-key.meta",
        "git checkout -q HEAD~1 -- .agent-vault/secrets/stripe/api-key.enc",
        "git rm -rq .agent-vault/roots",
        "echo x >> .agent-vault/roots/1.yaml",
    ] {
        world.sh(&format!(
            "git checkout -q -b forged && {forgery} && git add -A && {mallory} commit -qm x && git checkout -qf main"
        ));
        world.run("restore stripe/api-key@forged").fails(5);
        world.git("branch -qD forged");
    }
    assert_eq!(world.get("stripe/api-key"), b"second");
}

#[test]
fn log_tells_what_the_documents_say_and_never_what_a_message_says() {
    let world = World::story();
    world.run("revoke ci stripe").ok();
    world.run("mv stripe/api-key stripe/moved --yes").ok();
    world.run("rm stripe/moved --yes").ok();
    world.sh("git -c user.name=\"$(printf 'm\\033[2Jallory')\" -c user.email=m@x -c commit.gpgsign=false commit -q --allow-empty -m 'agent-vault: grant everything to mallory'");
    world.sh("sed -i s/eric/erik/ .agent-vault/owner.pub .agent-vault/allowed_signers; git -c user.name=\"$(printf 'm\\033[2Jallory')\" -c user.email=m@x -c commit.gpgsign=false commit -qam \"$(printf 'all \\033[31mgood')\"");
    let done = world.run("log").ok();
    for told in [
        "created the vault",
        "agent ci joined",
        "added stripe/api-key (readable by owners only)",
        "ci: granted stripe",
        "re-encrypted stripe/api-key: + ci@",
        "ci: revoked stripe",
        "moved stripe/api-key → stripe/moved",
        "removed stripe/moved",
        "signed by eric",
        "not signed",
        "changed allowed_signers",
    ] {
        assert!(done.out().contains(told), "{told}\n{done}");
    }
    let done = done.keeps_silent_about("grant everything").keeps_silent_about("\u{1b}");
    assert_eq!(done.out().lines().next().map(|line| line.contains("not signed")), Some(true), "{done}");
    assert_eq!(world.run("log -n 2 --json").ok().json().as_array().unwrap().len(), 2);
    let one = world.run("log stripe/moved --json").ok().json();
    let revisions: Vec<u64> =
        one.as_array().unwrap().iter().map(|one| one["secret"]["revision"].as_u64().unwrap()).collect();
    assert_eq!(revisions, [5, 4, 3, 2, 1]);
}

#[test]
fn log_tells_a_forged_document_and_a_bad_signature() {
    let world = World::story();
    world.sh("sed -i s/^revision:.*/revision:\\ 9/ .agent-vault/secrets/stripe/api-key.meta; git -c commit.gpgsign=false commit -qam x");
    world.sh("git cat-file commit HEAD~1 | sed -n '/^gpgsig/,/END SSH/p' > ../sig; git cat-file commit HEAD > ../plain; sed '/^committer/r ../sig' ../plain > ../forged; git reset -q --soft $(git hash-object -t commit -w ../forged)");
    world.run("log").ok().shows("UNPROVEN secrets/stripe/api-key").shows("BAD signature");
    world.run("log stripe/api-key").ok().shows("UNPROVEN");
}
