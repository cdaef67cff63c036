//! Threats F0, F1 and A8: the vault beside whatever the user, or a hostile repository, does with Git.

mod common;

use agent_vault_core::check::check;
use agent_vault_core::vault::SetOutcome;
use agent_vault_core::{Class, Error, Result};
use common::*;
use std::process::Command;

fn set(setup: &Setup, name: &str) -> Result<SetOutcome> {
    setup.own(|owner| owner.set(&path(name), new_value(b"value"), false))
}

/// A vault beside a file of the user's that two branches changed differently.
fn conflicting_branches() -> Setup {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let write = |text: &str, message: &str| {
        std::fs::write(setup.repo.join("notes.txt"), text).unwrap();
        setup.git(&["add", "notes.txt"]);
        setup.git(&["commit", "--quiet", "--message", message]);
    };
    write("base\n", "base");
    setup.git(&["checkout", "--quiet", "-b", "topic"]);
    write("topic\n", "topic");
    setup.git(&["checkout", "--quiet", "main"]);
    write("main\n", "main");
    setup
}

#[test]
fn f0_a_write_during_a_merge_rebase_cherry_pick_or_revert_is_refused_with_nothing_changed() {
    for (state, command) in [
        ("merge", ["merge", "topic"].as_slice()),
        ("rebase", &["rebase", "topic"]),
        ("cherry-pick", &["cherry-pick", "topic"]),
        ("revert", &["revert", "--no-edit", "HEAD~1"]),
    ] {
        let setup = conflicting_branches();
        let stopped = output(stock("git", &setup.repo).args(command));
        assert!(!stopped.status.success(), "git {command:?} was to stop at a conflict");
        let (before, status) = (setup.everything(), setup.git(&["status", "--porcelain=v2"]));
        let refused = |result: Result<()>| match result {
            Err(Error::GitBusy { state: found }) => assert_eq!(found, state),
            other => panic!("{state}: {other:?}"),
        };
        setup.own(|owner| {
            refused(owner.set(&path("app/key"), new_value(b"new"), false).map(drop));
            refused(owner.remove(&path("app/key")).map(drop));
            refused(owner.add_agent(&agent("billing"), None).map(drop));
            refused(owner.recover_agent(&agent("billing"), &quiet).map(drop));
        });
        assert!(setup.everything() == before, "{state}: something was changed");
        assert_eq!(setup.git(&["status", "--porcelain=v2"]), status);
        // Reading goes on, and once it is over so does writing.
        assert_eq!(setup.get("app/key", &setup.home.owner_key()).unwrap(), b"value");
        setup.git(&[command[0], "--abort"]);
        set(&setup, "app/key").unwrap();
    }
}

#[test]
fn f0_a_write_while_another_program_holds_the_index_is_refused_with_nothing_changed() {
    let setup = Setup::new();
    let lock = setup.repo.join(".git/index.lock");
    std::fs::write(&lock, "somebody else's").unwrap();
    let before = setup.everything();
    let error = set(&setup, "app/key").unwrap_err();
    assert!(matches!(&error, Error::Busy { what: "Git's index", file } if file.ends_with("index.lock")), "{error:?}");
    assert_eq!(error.class(), Class::Conflict);
    assert!(setup.everything() == before, "something was changed, the lock included");
    std::fs::remove_file(&lock).unwrap();
    set(&setup, "app/key").unwrap();
}

/// Git with an editor that waits until the test lets it go on.
struct Editing {
    git: std::process::Child,
    go_on: std::path::PathBuf,
}

impl Editing {
    fn begin(setup: &Setup, command: &mut Command) -> Self {
        let [ready, go_on] = ["ready", "go-on"].map(|name| setup.temp().join(name));
        let editor = setup.temp().join("editor.sh");
        let script = format!(
            "#!/bin/sh\necho message > \"$1\"\ntouch '{}'\nwhile [ ! -e '{}' ]; do sleep 0.01; done\n",
            ready.display(),
            go_on.display()
        );
        std::fs::write(&editor, script).unwrap();
        let mut git = command.env("GIT_EDITOR", format!("sh '{}'", editor.display())).spawn().unwrap();
        while !ready.exists() {
            assert!(git.try_wait().unwrap().is_none(), "Git ended without asking for a message");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Self { git, go_on }
    }

    /// Whether Git made its commit.
    fn end(mut self) -> bool {
        self.let_go();
        self.git.wait().unwrap().success()
    }

    fn let_go(&self) {
        let _ = std::fs::write(&self.go_on, "");
    }
}

/// The editor waits for nobody when the test fails.
impl Drop for Editing {
    fn drop(&mut self) {
        self.let_go();
        let _ = self.git.wait();
    }
}

#[test]
fn f0_a_commit_that_the_user_is_writing_never_reverts_the_vault() {
    let setup = conflicting_branches();
    std::fs::write(setup.repo.join("notes.txt"), "edited\n").unwrap();
    setup.git(&["add", "notes.txt"]);
    let mut command = stock("git", &setup.repo);
    let editing = Editing::begin(&setup, command.args(["commit", "--quiet"]).stderr(std::process::Stdio::null()));
    // Git has made its tree and let go of the index: the vault's commit is made, and Git sees that the branch moved.
    let commit = set(&setup, "app/new").unwrap().commit.unwrap();
    assert!(!editing.end(), "Git would have committed the tree from before");
    assert_eq!(setup.head(), commit);
    assert_eq!(setup.git(&["status", "--porcelain"]), "M  notes.txt");
    setup.git(&["commit", "--quiet", "--message", "the user tries again"]);
    assert_eq!(setup.git(&["diff-tree", "--name-only", "-r", "--no-commit-id", "HEAD"]), "notes.txt");
    assert_eq!(setup.get("app/new", &setup.home.owner_key()).unwrap(), b"value");
    setup.vault().verify().unwrap();
}

#[test]
fn f0_a_write_while_the_users_editor_holds_the_index_is_refused_and_the_users_commit_is_made() {
    let setup = conflicting_branches();
    std::fs::write(setup.repo.join("notes.txt"), "edited\n").unwrap();
    let mut command = stock("git", &setup.repo);
    let editing = Editing::begin(&setup, command.args(["commit", "--quiet", "--all"]));
    let before = setup.everything();
    assert!(matches!(set(&setup, "app/new"), Err(Error::Busy { .. })));
    assert!(setup.everything() == before, "something was changed");
    assert!(editing.end());
    assert_eq!(setup.git(&["status", "--porcelain"]), "");
    set(&setup, "app/new").unwrap();
    setup.vault().verify().unwrap();
}

#[test]
fn f1_only_the_vaults_own_paths_are_committed_and_everything_else_stays_as_it_was() {
    let setup = Setup::new();
    let write = |name: &str, text: &str| std::fs::write(setup.repo.join(name), text).unwrap();
    for name in ["modified", "staged", "both", "deleted", "removed", "renamed"] {
        write(name, "as committed\n");
    }
    setup.git(&["add", "."]);
    setup.git(&["commit", "--quiet", "--message", "the user's files"]);
    let users = setup.head();
    for name in ["modified", "staged", "both"] {
        write(name, "changed\n");
    }
    setup.git(&["add", "staged", "both"]);
    write("both", "changed again\n");
    std::fs::remove_file(setup.repo.join("deleted")).unwrap();
    setup.git(&["rm", "--quiet", "removed"]);
    setup.git(&["mv", "renamed", "to"]);
    write("untracked", "new\n");
    write("added", "new\n");
    setup.git(&["add", "--intent-to-add", "added"]);
    let (status, staged) = (setup.git(&["status", "--porcelain=v2"]), setup.git(&["diff", "--cached"]));

    setup.set("app/key", b"one");
    let key = setup.add_agent("billing");
    setup.grant("billing", "app");
    setup.own(|owner| owner.rename(&path("app/key"), &path("other/key"))).unwrap();
    setup.own(|owner| owner.remove(&path("other/key"))).unwrap();
    setup.own(|owner| owner.remove_agent(&agent("billing"), false, &quiet)).unwrap();
    assert!(key.exists());

    assert_eq!(setup.git(&["status", "--porcelain=v2"]), status);
    assert_eq!(setup.git(&["diff", "--cached"]), staged);
    let range = format!("{users}..HEAD");
    let commits = setup.git(&["rev-list", &range]);
    assert_eq!(commits.lines().count(), 6);
    for commit in commits.lines() {
        let touched = setup.git(&["diff-tree", "-r", "--name-only", "--no-commit-id", commit]);
        assert!(touched.lines().all(|path| path.starts_with(".agent-vault/")), "{touched}");
    }
}

#[test]
fn f2_reading_overwrites_no_local_change() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    setup.set("app/other", b"value");
    std::fs::write(setup.repo.join("staged"), "new\n").unwrap();
    setup.git(&["add", "staged"]);
    std::fs::write(setup.repo.join("untracked"), "new\n").unwrap();
    // What somebody changed in the vault by hand is theirs to look at, not a reader's to repair.
    let edited = setup.repo.join(".agent-vault/secrets/app/other.meta");
    std::fs::write(&edited, "edited by hand\n").unwrap();
    std::fs::remove_file(setup.repo.join(".agent-vault/secrets/app/other.enc")).unwrap();
    let before = files(&setup.repo);
    assert!(before.contains_key(&edited) && before.keys().any(|file| file.ends_with(".git/index")));

    assert_eq!(setup.get("app/key", &setup.home.owner_key()).unwrap(), b"value");
    assert!(setup.get("app/other", &setup.home.owner_key()).is_err());
    let vault = setup.vault();
    assert_eq!(vault.list(None).unwrap().broken.len(), 1);
    vault.metadata(&path("app/key")).unwrap();
    vault.manifest().unwrap();
    assert!(vault.verify().is_err());
    let after = files(&setup.repo);
    let differ: Vec<_> =
        before.keys().chain(after.keys()).filter(|file| before.get(*file) != after.get(*file)).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn f1_a_vault_deep_in_a_repository_keeps_to_its_own_folder() {
    let setup = Setup::new();
    let inner = setup.repo.join("services/billing");
    init(&inner, &setup.home).unwrap();
    let status = setup.git(&["status", "--porcelain"]);
    assert_eq!(status, "");
    let touched = setup.git(&["diff-tree", "-r", "--name-only", "--no-commit-id", "HEAD"]);
    assert!(touched.lines().all(|path| path.starts_with("services/billing/.agent-vault/")), "{touched}");
    setup.vault().verify().unwrap();
}

#[test]
fn f1_a_linked_worktree_and_a_detached_head_are_committed_to_and_nothing_else_moves() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let main = setup.head();
    let linked = setup.temp().join("linked");
    setup.git(&["worktree", "add", "--quiet", "--detach", &linked.display().to_string()]);
    let context = agent_vault_core::Context::new(setup.home.clone());
    let vault = agent_vault_core::Vault::open(&linked, context, Some(&setup.owner)).unwrap();
    let owner = vault.unlock(&setup.owner).unwrap();
    let commit = owner.set(&path("app/key"), new_value(b"linked"), false).unwrap().commit.unwrap();
    assert_eq!(git_in(&linked, &["rev-parse", "HEAD"]), commit);
    assert_eq!(git_in(&linked, &["status", "--porcelain"]), "");
    assert_eq!((setup.head(), setup.git(&["status", "--porcelain"])), (main, String::new()));
}

#[test]
fn f1_an_index_that_cannot_be_updated_is_refused_with_nothing_changed() {
    let setup = Setup::new();
    setup.git(&["update-index", "--split-index"]);
    let before = setup.everything();
    let refused = set(&setup, "app/key");
    assert!(matches!(&refused, Err(Error::Conflict { hint, .. }) if hint.contains("split-index")), "{refused:?}");
    assert!(setup.everything() == before, "something was changed");
    setup.git(&["update-index", "--no-split-index"]);
    set(&setup, "app/key").unwrap();
}

#[test]
fn a8_converted_line_endings_are_refused_and_named_for_what_they_are() {
    let setup = Setup::new();
    setup.add_agent("billing");
    setup.set("app/key", b"value");
    for relative in ["secrets/app/key.meta", "manifest.yaml", "manifest.sig", "owner.pub", "allowed_signers"] {
        let file = setup.file(relative);
        let genuine = std::fs::read(&file).unwrap();
        std::fs::write(&file, String::from_utf8(genuine.clone()).unwrap().replace('\n', "\r\n")).unwrap();
        let (_, reason) = tampered(setup.vault().verify());
        assert!(reason.contains("line endings changed by Git"), "{relative}: {reason}");
        std::fs::write(&file, genuine).unwrap();
    }
    setup.vault().verify().unwrap();
    // A root is read before anything else.
    let root = setup.file("roots/1.sig");
    std::fs::write(&root, std::fs::read_to_string(&root).unwrap().replace('\n', "\r\n")).unwrap();
    let fresh = agent_vault_core::Context::new(agent_vault_core::Home::new(setup.temp().join("fresh")));
    let (_, reason) = tampered(agent_vault_core::Vault::open(&setup.repo, fresh, None).map(drop));
    assert!(reason.contains("line endings changed by Git"), "{reason}");
}

#[test]
fn a8_autocrlf_cannot_touch_a_clone_of_the_vault() {
    let setup = Setup::new();
    setup.set("app/key", b"one\ntwo\n");
    setup.git(&["config", "core.autocrlf", "true"]);
    setup.git(&["config", "core.eol", "crlf"]);
    let clone = setup.temp().join("clone");
    let mut command = stock("git", setup.temp());
    command.args(["-c", "core.autocrlf=true", "-c", "core.eol=crlf", "clone", "--quiet"]);
    run(command.arg(&setup.repo).arg(&clone));
    assert!(files(&clone.join(".agent-vault")).into_values().eq(files(&setup.file("")).into_values()));
    assert_eq!(git_in(&clone, &["status", "--porcelain"]), "");
    // The vault's own commits do not pass through the conversion either.
    setup.set("app/key", b"three\r\nfour\n");
    assert_eq!(setup.git(&["status", "--porcelain"]), "");
    setup.vault().verify().unwrap();
}

#[test]
fn a8_a_planted_gitattributes_is_reported_and_without_effect_where_the_vault_is_written() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let planted = setup.file("secrets/app/.gitattributes");
    std::fs::write(&planted, "*.meta text eol=crlf\n*.enc filter=evil\n").unwrap();
    setup.commit_as_stranger();
    let findings = check(&setup.vault(), 30).unwrap();
    let found = findings.iter().find(|found| found.subject.ends_with("secrets/app/.gitattributes")).unwrap();
    assert_eq!(found.code, "tampered");
    // Git itself, in the repository that the program has written to.
    let ran = setup.temp().join("ran");
    setup.git(&["config", "filter.evil.smudge", &format!("touch '{}'; cat", ran.display())]);
    let meta = setup.file("secrets/app/key.meta");
    let genuine = std::fs::read(&meta).unwrap();
    for name in ["key.meta", "key.enc"] {
        std::fs::remove_file(setup.file(&format!("secrets/app/{name}"))).unwrap();
    }
    setup.git(&["checkout", "--", ".agent-vault"]);
    assert_eq!(std::fs::read(&meta).unwrap(), genuine);
    assert!(!ran.exists(), "a planted filter was run over a ciphertext");
    // Elsewhere it changes the bytes, and what reads them says so.
    let clone = setup.temp().join("clone");
    run(stock("git", setup.temp()).args(["clone", "--quiet"]).arg(&setup.repo).arg(&clone));
    let context = agent_vault_core::Context::new(agent_vault_core::Home::new(setup.temp().join("fresh")));
    let vault = agent_vault_core::Vault::open(&clone, context, Some(&setup.owner)).unwrap();
    let (file, reason) = tampered(vault.get(&path("app/key"), &setup.owner));
    assert!(file.ends_with("app/key.meta") && reason.contains("line endings changed by Git"), "{reason}");
}
