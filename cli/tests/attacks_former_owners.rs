//! A7, A9, D0: an owner who was removed goes on signing, alone or with whoever can push; and cards that lie.
#![cfg(unix)]

mod support;

use std::path::PathBuf;
use support::{Attacker, Call, VALUE, World};

/// A vault of eric in which bob was an owner, with bob's own clone and home, as they were when he was one.
struct Scene {
    world: World,
    bob: PathBuf,
    clone: PathBuf,
    card: String,
}

impl Scene {
    /// Bob is an owner.
    fn with_bob() -> Self {
        let world = World::story();
        let (bob, clone) = (world.fresh_home("bob"), world.root.join("clone"));
        let card = world.root.join("bob.card").display().to_string();
        std::fs::write(bob.join(".gitconfig"), "[user]\n\tname = Bob\n\temail = bob@example.org\n").unwrap();
        world.git(&format!("clone -q . {}", clone.display()));
        let scene = Self { world, bob, clone, card };
        scene.as_bob(&format!("owner card --name bob -o {}", scene.card)).run().ok();
        scene.world.run(&format!("add-owner --card {} --yes", scene.card)).ok();
        scene.in_clone("git pull -q --no-rebase");
        scene
    }

    /// Bob is none any more, and his clone does not know it.
    fn without_bob() -> Self {
        let scene = Self::with_bob();
        scene.as_bob("set bobs/key").input("bob's").run().ok();
        scene.world.sh(&format!("git pull -q --no-rebase {} main", scene.clone.display()));
        scene.world.run("remove-owner bob --yes").ok();
        scene.world.run("verify --history").ok();
        scene
    }

    fn as_bob(&self, line: &str) -> Call<'_> {
        self.world.line(line).home(&self.bob).dir(&self.clone)
    }

    fn in_clone(&self, script: &str) -> String {
        self.world.sh(&format!("cd {}; {script}", self.clone.display()))
    }

    /// A machine of eric's that has never seen the vault.
    fn fresh(&self, name: &str) -> PathBuf {
        let home = self.world.fresh_home(name);
        std::fs::create_dir(home.join(".agent-vault")).unwrap();
        std::fs::copy(self.world.owner_key(), home.join(".agent-vault/owner.key")).unwrap();
        home
    }

    /// The history is refused on a fresh machine too, and some violation says why.
    #[track_caller]
    fn history_is_refused(&self, reason: &str) {
        let done = self.world.line("verify --history --json").home(self.fresh("fresh")).run().fails(5);
        let told = done.json();
        let violations = told["history"]["violations"].as_array().expect("violations");
        let fits = |one: &serde_json::Value| one["reason"].as_str().is_some_and(|text| text.contains(reason));
        assert!(violations.iter().any(fits), "{reason}\n{done}");
    }
}

const MALLORY: &str = "git -c user.name=mallory -c user.email=m@x -c commit.gpgsign=false";

#[test]
fn a7_what_a_removed_owner_signs_under_the_former_root_is_merged_by_nobody() {
    let scene = Scene::without_bob();
    // His clone does not know the new root: there he is an owner still, and what he signs is sound by itself.
    scene.as_bob("set stripe/api-key").input("bob's own").run().ok();
    scene.as_bob("verify --history").run().ok();
    let theirs = scene.clone.display();
    scene.world.sh(&format!("git fetch -q {theirs} main; {MALLORY} merge -q -s ours --no-edit FETCH_HEAD"));
    scene.history_is_refused("does not come after");
    scene.world.sh("git checkout -q FETCH_HEAD -- .agent-vault/secrets/stripe");
    scene.world.run("get stripe/api-key").fails(5).says("which is no owner's key").keeps_silent_about("bob's own");
    scene.world.run("show stripe/api-key").fails(5);
    scene.world.run("list").fails(5);
    scene.world.sh(&format!("{MALLORY} commit -qam tidy"));
    scene.world.run("set a/b v").fails(5);
    scene.world.run("verify").fails(5);
}

#[test]
fn a7_a_manifest_or_root_of_a_removed_owner_takes_the_place_of_nothing() {
    let scene = Scene::without_bob();
    scene.as_bob("add-agent bobs-agent").run().ok();
    let theirs = scene.clone.join(".agent-vault");
    let copy = |files: &str| scene.world.sh(&format!("cp {}/{files} .agent-vault/", theirs.display()));
    copy("manifest.*");
    for line in ["list-agents", "grant ci stripe", "verify"] {
        scene.world.run(line).fails(5);
    }
    scene.world.sh("git checkout -q .");
    // Another root 3, in which eric is none: bob's to sign, when root 2 was in force.
    scene.as_bob("remove-owner eric --yes").run().ok();
    scene.world.sh(&format!("cp {}/roots/3.* .agent-vault/roots/", theirs.display()));
    scene.world.run("verify").fails(5);
    scene
        .world
        .sh(&format!("git rm -qrf .agent-vault; cp -r {} .; git add -A; {MALLORY} commit -qm tidy", theirs.display()));
    for line in ["get stripe/api-key", "list-agents", "set a/b v", "verify", "verify --history"] {
        scene.world.run(line).fails(5).keeps_silent_about(VALUE);
    }
    scene.history_is_refused("the chain of owners went back");
}

#[test]
fn a4_a_branch_put_back_to_when_bob_was_an_owner_is_refused_by_whoever_saw_the_next_root() {
    let scene = Scene::without_bob();
    scene.world.git("reset -q --hard HEAD~1");
    for line in ["get stripe/api-key", "list-agents", "set a/b v", "verify", "verify --history"] {
        scene.world.run(line).fails(5);
    }
}

#[test]
fn a7_a_commit_that_a_removed_owner_signs_upon_the_new_root_is_named() {
    let scene = Scene::without_bob();
    let escrow = scene.clone.join(".agent-vault/owners/bob/signing.key.escrow");
    let key = scene.world.tmp("bob.signing");
    let text = scene.world.age_opens(&escrow, &scene.bob.join(".agent-vault/owner.key")).expect("it is bob's");
    std::fs::write(&key, text).unwrap();
    scene.world.sh(&format!("chmod 600 {}", key.display()));
    // An escrow of his own, which no document's signature covers: the commit's alone does.
    scene.world.sh("cp .agent-vault/owners/eric/signing.key.escrow .agent-vault/agents/ci/private.key.escrow");
    scene.world.sh(&format!(
        "git -c gpg.format=ssh -c user.signingkey={} -c user.name=bob -c user.email=b@x commit -q -S -a -m tidy",
        key.display()
    ));
    scene.history_is_refused("which is no owner's key");
}

#[test]
fn a7_a_root_that_a_stranger_signed_follows_no_chain() {
    let scene = Scene::with_bob();
    let attacker = Attacker::new(&scene.world);
    let digest = scene.world.sh("sha256sum .agent-vault/roots/2.yaml | cut -d' ' -f1");
    let owner =
        format!("  - {{name: mallory, public_key: {}, signing_key: \"{}\"}}\n", attacker.recipient, attacker.signing);
    let root = format!("version: 1\nroot: 3\nprevious: \"sha256:{digest}\"\nowners:\n{owner}");
    scene.world.plant("roots/3.yaml", &root);
    scene.world.plant("roots/3.sig", attacker.sign("agent-vault.root", &root));
    attacker.commit();
    for line in ["get stripe/api-key", "list", "set a/b v", "remove-owner bob --yes", "rotate-owner", "verify"] {
        scene.world.run(line).fails(5).says("roots/3.yaml").keeps_silent_about(VALUE);
    }
    scene.world.line("verify --history").home(scene.fresh("fresh")).run().fails(5).says("roots/3.yaml");
}

#[test]
fn a7_a_card_is_taken_in_only_as_it_was_compared() {
    let scene = Scene::with_bob();
    scene.world.run("remove-owner bob --yes").ok();
    let before = scene.world.git("rev-parse HEAD");
    let add = |rest: &str| scene.world.run(&format!("add-owner --card {} {rest}", scene.card));
    // Nobody to ask, another fingerprint, another's name or key in it.
    add("").fails(12).says("--fingerprint");
    add("--fingerprint SHA256:x").fails(5).says("is expected");
    let card = std::fs::read_to_string(&scene.card).unwrap();
    let attacker = Attacker::new(&scene.world);
    let key = card.lines().find_map(|line| line.strip_prefix("public_key: ")).unwrap();
    for altered in [card.replace("name: bob", "name: eve"), card.replace(key, &attacker.recipient)] {
        assert_ne!(altered, card);
        let file = scene.world.tmp("altered.card");
        std::fs::write(&file, altered).unwrap();
        scene.world.run(&format!("add-owner --card {} --yes", file.display())).fails(5).says("altered");
    }
    let huge = scene.world.tmp("huge.card");
    std::fs::write(&huge, vec![b'x'; 1 << 20]).unwrap();
    scene.world.run(&format!("add-owner --card {} --yes", huge.display())).fails(1).says("64 KiB");
    assert_eq!(scene.world.git("rev-parse HEAD"), before);
    // An old card is an owner's to accept; by itself it does nothing.
    add("--yes").ok();
    scene.in_clone("git pull -q --no-rebase");
    scene.as_bob("set bobs/key").input("again").run().ok();
    scene.as_bob("verify --history").run().ok();
}
