//! History across a change of owners: what a former owner can still write, and what of it counts. The roots are made by
//! hand with stock tools, as somebody who has no use for this program's manners would.

mod common;

use agent_vault_core::Error;
use agent_vault_core::digest::Digest;
use agent_vault_core::history::History;
use agent_vault_core::vault::Former;
use common::*;
use std::path::{Path, PathBuf};

/// Root 1 has eric; root 2 eric and mara; root 3 eric again.
struct Scene {
    setup: Setup,
    eric: PathBuf,
    mara: PathBuf,
    /// mara's line in a root, and in a manifest.
    lines: [String; 2],
}

impl Scene {
    fn new() -> Self {
        let setup = Setup::new();
        setup.set("a/key", b"first");
        let (eric, mara) = (setup.signing_key(), ssh_key(&setup.temp().join("mara"), "ed25519"));
        let age = setup.temp().join("mara.age");
        run(stock("age-keygen", setup.temp()).arg("-o").arg(&age));
        let public = key_of(&age).recipients().next().expect("a recipient").to_string();
        let owner = format!("  - {{name: mara, public_key: {public}, signing_key: \"{}\"}}\n", public_half(&mara));
        let copy = format!("  - {{name: mara, public_key: {public}}}\n");
        Self { setup, eric, mara, lines: [owner, copy] }
    }

    fn text(&self, relative: &str) -> String {
        std::fs::read_to_string(self.setup.file(relative)).expect(relative)
    }

    fn sign(&self, relative: &str, namespace: &str, text: &str) {
        std::fs::write(self.setup.file(relative), text).expect(relative);
        let signature = ssh_sign(&self.eric, namespace, text.as_bytes());
        std::fs::write(self.setup.file(relative).with_extension("sig"), signature).expect("a signature");
    }

    /// Writes root `number`, with or without mara, and all that goes with it. Commits nothing.
    fn root(&self, number: u64, with_mara: bool) {
        let before = self.text(&format!("roots/{}.yaml", number - 1));
        let (head, owners) = before.split_once("owners:\n").expect("owners");
        let eric = owners.lines().next().expect("eric").to_owned() + "\n";
        let first = head.lines().next().expect("a version");
        let mut root =
            format!("{first}\nroot: {number}\nprevious: \"{}\"\nowners:\n{eric}", Digest::of(before.as_bytes()));
        let manifest = self.text("manifest.yaml");
        let serial = manifest.lines().find_map(|line| line.strip_prefix("serial: ")).expect("a serial");
        let next: u64 = serial.parse::<u64>().expect("a number") + 1;
        let line = |key: &str| manifest.lines().find(|line| line.starts_with(key)).expect(key).to_owned();
        let mut manifest_next = manifest
            .replace(&line("root: "), &format!("root: {number}"))
            .replace(&line("serial: "), &format!("serial: {next}"))
            .replace(&line("parents: "), &format!("parents: [\"{}\"]", Digest::of(manifest.as_bytes())))
            .replace(&self.lines[1], "");
        let signers = self.text("allowed_signers");
        let mut signers = signers.lines().next().expect("eric").to_owned() + "\n";
        if with_mara {
            root.push_str(&self.lines[0]);
            manifest_next = manifest_next.replace("agents:", &format!("{}agents:", self.lines[1]));
            let eric_key = public_half_of(&signers);
            signers.push_str(&signers.replace("eric ", "mara ").replace(&eric_key, &public_half(&self.mara)));
        }
        self.sign(&format!("roots/{number}.yaml"), "agent-vault.root", &root);
        self.sign("manifest.yaml", "agent-vault.manifest", &manifest_next);
        std::fs::write(self.setup.file("allowed_signers"), signers).expect("signers");
    }

    /// The next revision of `a/key`, signed by `key`, with the ciphertext that is there.
    fn resign(&self, key: &Path) {
        let file = self.text("secrets/a/key.meta");
        let body = self.setup.metadata_text("a/key");
        let line = |key: &str| body.lines().find(|line| line.starts_with(key)).expect(key).to_owned();
        let revision: u64 = line("revision: ")[10..].parse().expect("a number");
        let next = body
            .replace(&format!("\n{}\n", line("revision: ")), &format!("\nrevision: {}\n", revision + 1))
            .replace(&line("parents: "), &format!("parents: [\"{}\"]", Digest::of(file.as_bytes())));
        self.setup.sign_metadata("a/key", key, &next);
    }

    fn commit(&self, key: &Path) {
        self.setup.git(&["add", "--all", "--force", "."]);
        let key = format!("user.signingkey={}", key.display());
        self.setup.git(&["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S", "-m", "x"]);
    }

    fn history(&self) -> History {
        self.setup.vault().verify_history(None, &quiet).expect("a history")
    }

    #[track_caller]
    fn refused(&self, commit: &str, reason: &str) {
        let (history, commit) = (self.history(), self.setup.git(&["rev-parse", commit]));
        let named = history.violations.iter().any(|one| one.commit == commit && one.reason.contains(reason));
        assert!(named, "{commit} {reason}: {:#?}", history.violations);
    }

    /// mara comes, signs a revision, and goes; eric signs it anew.
    fn mara_came_and_went(&self) {
        self.root(2, true);
        self.commit(&self.eric);
        self.resign(&self.mara);
        self.commit(&self.mara);
        self.root(3, false);
        self.resign(&self.eric);
        self.commit(&self.eric);
    }
}

/// The key in a line of `allowed_signers`.
fn public_half_of(line: &str) -> String {
    line.trim_end().rsplitn(3, ' ').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_history_with_owners_that_come_and_go_is_proven() {
    let scene = Scene::new();
    scene.mara_came_and_went();
    let history = scene.history();
    assert!(history.violations.is_empty(), "{:#?}", history.violations);
    assert_eq!((history.changes, history.signed), (5, 5));
    let log = scene.setup.vault().log(9).expect("a log");
    let told = format!("{:?}", log.iter().map(|entry| &entry.signature).collect::<Vec<_>>());
    assert!(told.contains("mara") && told.contains("eric"), "{told}");
    assert!(format!("{:?}", log[0].events).contains("removed: [\"mara\"]"), "{:?}", log[0].events);
}

#[test]
fn a7_what_a_former_owner_signed_does_not_outlive_the_root_that_named_them() {
    let scene = Scene::new();
    scene.root(2, true);
    scene.resign(&scene.mara);
    scene.commit(&scene.eric);
    scene.root(3, false);
    scene.commit(&scene.eric);
    scene.refused("HEAD", "under root 3");
}

#[test]
fn a7_a_former_owner_neither_signs_commits_nor_brings_their_root_back() {
    let scene = Scene::new();
    scene.mara_came_and_went();
    scene.resign(&scene.eric);
    scene.commit(&scene.mara);
    scene.refused("HEAD", "which is no owner's key");

    let scene = Scene::new();
    scene.mara_came_and_went();
    let good = scene.setup.head();
    scene.setup.git(&["rm", "-q", "-r", ".agent-vault"]);
    scene.setup.git(&["checkout", "-q", "HEAD~1", "--", ".agent-vault"]);
    scene.commit(&scene.mara);
    scene.setup.git(&["checkout", "-q", &good, "--", ".agent-vault"]);
    scene.commit(&scene.eric);
    scene.refused("HEAD~1", "the chain of owners went back");
}

#[test]
fn a9_a_value_that_a_former_owner_made_up_is_not_restored() {
    let scene = Scene::new();
    scene.mara_came_and_went();
    let setup = &scene.setup;
    // From the time when mara was an owner: a branch that is sound by itself.
    setup.git(&["checkout", "-q", "-b", "made-up", "HEAD~1"]);
    let owner = setup.owner.recipients().next().expect("a recipient").to_string();
    let sealed = age_encrypts(&[owner], b"evil");
    let body = setup.metadata_text("a/key");
    let old = body.lines().find(|line| line.starts_with("digest: ")).expect("a digest").to_owned();
    std::fs::write(setup.file("secrets/a/key.enc"), &sealed).unwrap();
    let body = body.replace(&old, &format!("digest: \"{}\"", Digest::of(&sealed)));
    setup.sign_metadata("a/key", &scene.mara, &body);
    scene.resign(&scene.mara);
    scene.commit(&scene.mara);
    setup.git(&["checkout", "-q", "main"]);
    let restore = || setup.own(|owner| owner.restore(&path("a/key"), &Former::Commit("made-up".into()), false));
    assert!(matches!(restore(), Err(Error::Tampered { .. })));
    // Nor when a merge makes it a part of the history.
    setup.git(&["merge", "-q", "-s", "ours", "--no-edit", "made-up"]);
    scene.refused("HEAD", "does not come after");
    // Before anything is written upon it the merge would be made anew, and that side of it is not proven.
    let (_, reason) = tampered(restore());
    assert!(reason.contains("does not replace") && reason.contains("nothing of it was taken"), "{reason}");
    // What was written in a former root, and lies in a proven history, comes back.
    setup.git(&["reset", "-q", "--hard", "HEAD~1"]);
    setup.set("a/key", b"second");
    let restored = setup.own(|owner| owner.restore(&path("a/key"), &Former::Revision(1), false)).expect("restored");
    assert!(restored.outcome.is_some());
    assert_eq!(setup.get("a/key", &setup.home.owner_key()).unwrap(), b"first");
}
