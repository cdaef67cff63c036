//! `init`: where a vault comes to be, what it reuses, and what a failure leaves (nothing).
#![cfg(unix)]

mod support;

use std::os::unix::fs::MetadataExt;
use support::World;

#[test]
fn init_makes_one_signed_commit_of_the_vaults_own_files_and_prints_the_owners_fingerprint() {
    let world = World::repository();
    std::fs::write(world.repo.join("README"), "mine").unwrap();
    world.git("add README");
    let done = world.run("init").ok().says("owner key created").says("Back up one file");
    assert!(done.out().starts_with("owner fingerprint: SHA256:"), "{done}");
    assert_eq!(done.out().lines().count(), 1, "{done}");
    assert_eq!(world.commits(), 1);
    let committed = world.git("show --name-only --format= HEAD");
    assert!(committed.lines().all(|file| file.starts_with(".agent-vault/")), "{committed}");
    assert_eq!(world.git("status --porcelain"), "A  README", "what was staged stays staged");
    let signers = world.file("allowed_signers");
    world.git(&format!("-c gpg.ssh.allowedSignersFile={} verify-commit HEAD", signers.display()));
}

#[test]
fn init_prints_the_fingerprint_that_ssh_keygen_prints() {
    let world = World::repository();
    let done = world.run("init").ok();
    let stock = world.sh("cut -d' ' -f3- .agent-vault/allowed_signers | ssh-keygen -l -f - | cut -d' ' -f2");
    assert_eq!(done.out(), format!("owner fingerprint: {stock}\n"));
}

#[test]
fn init_outside_git_creates_a_repository_after_saying_so() {
    let world = World::bare();
    let done = world.run("init").ok().says("no Git repository here: creating one in ");
    let announced = done.err().find("creating one").unwrap();
    assert!(announced < done.err().find("vault created").unwrap(), "{done}");
    assert!(world.repo.join(".git").is_dir());
    assert_eq!(world.commits(), 1);
}

#[test]
fn init_in_a_subdirectory_puts_the_vault_there_and_uses_the_repository_around_it() {
    let world = World::repository();
    let below = world.repo.join("services/billing");
    std::fs::create_dir_all(&below).unwrap();
    world.line("init").dir(&below).run().ok();
    assert!(below.join(".agent-vault/roots/1.yaml").is_file() && !below.join(".git").exists());
    assert!(!world.repo.join(".agent-vault").exists());
    assert!(world.git("ls-files").lines().all(|file| file.starts_with("services/billing/.agent-vault/")));
    world.line("set a/b").dir(&below).input("value").run().ok();
    world.line("get a/b").dir(&below).run().ok().prints("value");
}

#[test]
fn init_takes_the_directory_as_an_argument_or_as_dash_c() {
    let world = World::bare();
    for (line, made) in [("init by/argument", "by/argument"), ("-C by-option init", "by-option")] {
        world.run(line).ok();
        assert!(world.repo.join(made).join(".agent-vault").is_dir(), "{line}");
        assert!(world.repo.join(made).join(".git").is_dir(), "{line}");
    }
}

#[test]
fn init_works_without_a_git_identity_and_says_whose_name_commits_carry() {
    let world = World::bare();
    world.git("init -q");
    world.run("init --owner eric").ok().says("commits carry the owner's name");
    assert_eq!(world.git("log --format=%an"), "eric");
    world.set("a/b", "value");
    assert_eq!(world.git("log -1 --format=%ae"), "eric@agent-vault.invalid");
}

#[test]
fn init_names_the_owner_after_gits_user_unless_told_otherwise() {
    let world = World::repository();
    world.run("init").ok();
    assert!(world.text("roots/1.yaml").contains("name: eric,"));
    let other = World::repository();
    other.run("init --owner ops-team").ok();
    assert!(other.text("roots/1.yaml").contains("name: ops-team,"));
}

#[test]
fn init_works_in_a_repository_that_git_calls_unsafe_and_says_what_it_did() {
    let world = World::repository();
    if std::fs::metadata(&world.repo).unwrap().uid() != 0 {
        eprintln!("only root can give a directory to somebody else: not tried");
        return;
    }
    world.sh("chown -R 65534:65534 .");
    let refused = std::process::Command::new("git")
        .args(["status"])
        .current_dir(&world.repo)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", &world.home)
        .output()
        .unwrap();
    assert!(!refused.status.success(), "stock Git refuses here");
    world.run("init").ok().says("belongs to another user").says("safe.directory");
    world.set("a/b", "value");
    assert_eq!(world.get("a/b"), b"value");
    world.run("check").ok();
}

#[test]
fn init_quiet_prints_the_fingerprint_and_nothing_else() {
    let world = World::bare();
    let done = world.run("--quiet init").ok();
    assert!(done.err().is_empty(), "{done}");
    assert!(done.out().starts_with("owner fingerprint: SHA256:"), "{done}");
}

#[test]
fn c1_a_second_init_is_refused_and_the_owner_key_survives() {
    let world = World::vault();
    let before = (std::fs::read(world.owner_key()).unwrap(), world.state());
    world.run("init").fails(7).says("already exists");
    world.line("init").arg(&world.repo).run().fails(7);
    assert_eq!((std::fs::read(world.owner_key()).unwrap(), world.state()), before);
}

#[test]
fn a_second_vault_reuses_the_owner_key_and_says_so() {
    let world = World::vault();
    let key = std::fs::read(world.owner_key()).unwrap();
    world.run("init second").ok().says("owner key reused");
    assert_eq!(std::fs::read(world.owner_key()).unwrap(), key);
    let id = |line: &str| world.run(line).ok().json()["vault"].as_str().unwrap().to_owned();
    assert_ne!(id("whoami --json"), id("-C second whoami --json"));
    world.set("a/b", "first");
    world.line("-C second set a/b").input("second").run().ok();
    assert_eq!(world.get("a/b"), b"first");
    world.run("-C second get a/b").ok().prints("second");
}

#[test]
fn c3_an_agent_of_the_same_name_in_a_second_vault_overwrites_no_key() {
    let world = World::vault();
    world.run("add-agent ci").ok();
    let first = std::fs::read(world.key("ci")).unwrap();
    world.run("init second").ok();
    let added = world.run("-C second add-agent ci --json").ok().json();
    let second = added["key_file"].as_str().unwrap().to_owned();
    assert_ne!(second, world.key("ci"));
    assert_eq!(std::fs::read(world.key("ci")).unwrap(), first);
    world.set("x/y", "first");
    world.line("-C second set x/y").input("second").run().ok();
    world.run("grant ci x").ok();
    world.run("-C second grant ci x").ok();
    world.run(&format!("get x/y --key {}", world.key("ci"))).ok().prints("first");
    world.run(&format!("-C second get x/y --key {second}")).ok().prints("second");
}

#[test]
fn an_existing_owner_key_of_age_keygen_or_ssh_is_taken() {
    for make in ["age-keygen -o $K 2>/dev/null", "ssh-keygen -q -t ed25519 -N '' -f $K"] {
        let world = World::repository();
        world.sh(&format!("mkdir -m 700 $HOME/.agent-vault; K=$HOME/.agent-vault/owner.key; {make}"));
        let key = std::fs::read(world.owner_key()).unwrap();
        world.run("init").ok().says("owner key reused");
        assert_eq!(std::fs::read(world.owner_key()).unwrap(), key);
        world.set("a/b", "value");
        assert_eq!(world.get("a/b"), b"value");
        world.run("verify").ok();
    }
}

#[test]
fn c2_init_that_fails_halfway_leaves_nothing_behind() {
    // How it fails, and what is left after: exactly what was there before.
    let broken: [(&str, &str, i32); 7] = [
        ("a home that is a file", "touch $HOME/.agent-vault", 1),
        ("an owner key that is none", "mkdir -m 700 $HOME/.agent-vault; echo x > $HOME/.agent-vault/owner.key", 6),
        ("an owner key that is a folder", "mkdir -p -m 700 $HOME/.agent-vault/owner.key", 6),
        ("a vault folder that is a link", "mkdir ../elsewhere; ln -s ../elsewhere .agent-vault", 7),
        ("a vault folder that is empty", "mkdir .agent-vault", 7),
        ("a workshop that is a file", "touch .git/agent-vault", 1),
        ("a branch that is locked", "mkdir -p .git/refs/heads; touch .git/refs/heads/main.lock", 7),
    ];
    for (what, script, code) in broken {
        let world = World::repository();
        world.sh(script);
        // Unreachable Git objects and the lock's own folder are nobody's concern.
        let all = "find . $HOME ! -path './.git/objects/*' ! -path './.git/agent-vault*' | sort";
        let before = (world.state(), world.sh(all));
        world.run("init").fails(code);
        assert_eq!((world.state(), world.sh(all)), before, "{what}");
    }
}

#[test]
fn c2_init_that_fails_outside_git_leaves_neither_repository_nor_folders() {
    let world = World::bare();
    world.sh("mkdir -m 700 $HOME/.agent-vault; echo 'AGE-SECRET-KEY-1BROKEN' > $HOME/.agent-vault/owner.key");
    world.run("init new/deep/folder").fails(6).keeps_silent_about("1BROKEN");
    world.run("init").fails(6);
    assert_eq!(world.sh("find . | sort"), ".");
}

#[test]
fn c2_init_without_permission_leaves_nothing_behind() {
    let world = World::repository();
    if std::fs::metadata(&world.repo).unwrap().uid() == 0 {
        eprintln!("root may write everywhere: not tried");
        return;
    }
    for locked in ["$HOME", "."] {
        world.sh(&format!("chmod 500 {locked}"));
        world.run("init").fails(1).says("check the owner and mode");
        world.sh(&format!("chmod 700 {locked}"));
        assert_eq!(world.sh("ls -A . $HOME | grep -v :$"), ".git\n\n.gitconfig", "{locked}");
    }
}

#[test]
fn init_is_refused_during_a_merge_and_in_a_bare_repository() {
    let world = World::repository();
    world.sh("git commit -q --allow-empty -m one; git rev-parse HEAD > .git/MERGE_HEAD");
    world.run("init").fails(7).says("in the middle of a merge");
    assert!(!world.folder().exists() && !world.owner_key().exists());
    let bare = World::bare();
    bare.git("init -q --bare hub.git");
    bare.run("init hub.git").fails(7).says("bare");
    assert!(!bare.owner_key().exists());
}
