//! `check` and `verify`: what is wrong, what soon will be, and that all is well.
#![cfg(unix)]

mod support;

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use support::World;

/// The findings of `check --json` with this code, after `ok` and exit code were compared.
#[track_caller]
fn findings(world: &World, args: &str, exit: i32, code: &str) -> Vec<Value> {
    let report = world.run(&format!("check --json {args}")).code(exit).json();
    assert_eq!(report["ok"], json!(exit == 0), "{report}");
    let all = report["findings"].as_array().expect("findings");
    for finding in all {
        let mut fields: Vec<&str> = finding.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["code", "message", "remedy", "severity", "subject"]);
        assert!(["error", "warning", "info"].contains(&finding["severity"].as_str().unwrap()), "{finding}");
        assert!(fields.iter().all(|field| !finding[field].as_str().unwrap().is_empty()), "{finding}");
    }
    all.iter().filter(|finding| finding["code"] == code).cloned().collect()
}

/// The one finding with this code: its severity and subject.
#[track_caller]
fn only(world: &World, args: &str, exit: i32, code: &str) -> (String, String) {
    let found = findings(world, args, exit, code);
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0]["severity"].as_str().unwrap().into(), found[0]["subject"].as_str().unwrap().into())
}

fn told(severity: &str, subject: impl std::fmt::Display) -> (String, String) {
    (severity.into(), subject.to_string())
}

#[test]
fn a_vault_in_order_has_nothing_to_report() {
    let world = World::story();
    let done = world.run("check").ok().says("nothing to report");
    assert!(done.out.is_empty(), "{done}");
    assert_eq!(world.run("check --json").ok().json(), json!({"ok": true, "findings": []}));
    assert!(world.run("check --quiet").ok().err().is_empty());
}

#[test]
fn findings_are_printed_with_severity_subject_and_remedy() {
    let world = World::story();
    world.run("revoke ci stripe").ok();
    let done = world.run("check").ok().says("0 errors, 1 warning");
    assert!(done.out().starts_with("warning [rotation-due] stripe/api-key: "), "{done}");
    assert!(done.out().contains("\n  rotate the credential at its source"), "{done}");
}

#[test]
fn expiries_are_announced_as_far_ahead_as_asked() {
    let world = World::story();
    world.run("set stripe/api-key --expires 20d").ok();
    assert_eq!(only(&world, "", 0, "expiring"), told("warning", "stripe/api-key"));
    assert_eq!(only(&world, "--within 21", 0, "expiring"), told("warning", "stripe/api-key"));
    assert!(findings(&world, "--within 10", 0, "expiring").is_empty());
    assert!(findings(&world, "--within 0", 0, "expiring").is_empty());
    world.run("set stripe/api-key --expires 2020-01-01").ok();
    assert_eq!(only(&world, "--within 0", 0, "expired"), told("warning", "stripe/api-key"));
    for days in ["-1", "36501", "x"] {
        world.run(&format!("check --within={days}")).fails(2);
    }
}

#[test]
fn a_value_that_a_former_reader_knows_is_due_for_rotation() {
    let world = World::story();
    world.run("remove-agent ci").ok();
    assert_eq!(only(&world, "", 0, "rotation-due"), told("warning", "stripe/api-key"));
    world.set("stripe/api-key", "new");
    assert!(findings(&world, "", 0, "rotation-due").is_empty());
}

#[test]
fn an_agent_that_can_read_nothing_and_one_without_escrow_are_mentioned() {
    let world = World::story();
    world.run("add-agent idle").ok();
    assert_eq!(only(&world, "", 0, "agent-without-groups"), told("info", "idle"));
    world.run("set stripe/api-key --agents idle").ok();
    assert!(findings(&world, "", 0, "agent-without-groups").is_empty(), "an explicit grant is one");
    world.sh("age-keygen -o ../tmp/k 2>/dev/null");
    let public = world.sh("age-keygen -y ../tmp/k");
    world.run(&format!("add-agent own --public-key {public}")).ok();
    assert_eq!(only(&world, "", 0, "no-escrow"), told("info", "own"));
}

#[test]
fn key_files_that_others_can_read_are_errors() {
    let world = World::story();
    for (path, mode) in [(world.owner_key(), 0o644), (world.key("ci").into(), 0o640), (world.keys(), 0o755)] {
        let right = path.metadata().unwrap().permissions();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(only(&world, "", 9, "file-mode"), told("error", path.display()));
        std::fs::set_permissions(&path, right).unwrap();
    }
    world.run("check").ok();
}

#[test]
fn files_that_no_vault_has_are_found() {
    let world = World::story();
    let strangers = [
        ("notes.txt", "warning", "orphan"),
        ("secrets/stripe/readme.md", "warning", "orphan"),
        ("agents/.gitignore", "error", "planted"),
        ("agents/ci/private.key", "error", "stray-key"),
        ("owner.pem", "error", "stray-key"),
    ];
    for (path, severity, code) in strangers {
        world.plant(path, "x");
        let exit = if severity == "error" { 9 } else { 0 };
        assert_eq!(only(&world, "", exit, code), told(severity, path));
        std::fs::remove_file(world.file(path)).unwrap();
    }
    let nested = world.file("secrets/stripe/.gitattributes");
    std::fs::write(&nested, "x").unwrap();
    assert_eq!(only(&world, "", 9, "tampered"), told("error", nested.display()));
    std::fs::remove_file(nested).unwrap();
    world.run("check").ok();
}

#[test]
fn a_ciphertext_without_metadata_and_metadata_without_ciphertext_are_errors() {
    let world = World::story();
    let enc = world.file("secrets/stripe/api-key.enc");
    std::fs::copy(&enc, world.file("secrets/stripe/lost.enc")).unwrap();
    let orphan = world.file("secrets/stripe/lost.enc");
    assert_eq!(only(&world, "", 9, "tampered"), told("error", orphan.display()));
    std::fs::remove_file(orphan).unwrap();
    std::fs::remove_file(&enc).unwrap();
    assert_eq!(only(&world, "", 9, "tampered"), told("error", enc.display()));
    world.run("verify").fails(5).says("the ciphertext is missing");
}

#[test]
fn missing_files_of_the_vault_itself_are_errors() {
    for file in ["manifest.yaml", "manifest.sig", "owner.pub", "allowed_signers", "config.yaml", "agents/ci/public.key"]
    {
        let world = World::story();
        std::fs::remove_file(world.file(file)).unwrap();
        let (severity, subject) = only(&world, "", 9, "tampered");
        assert_eq!(severity, "error");
        assert!(subject.ends_with(file) || file == "manifest.sig", "{file}: {subject}");
        world.run("verify").fails(5);
    }
}

#[test]
fn a_policy_that_the_ciphertexts_do_not_follow_is_an_error() {
    // A signed manifest and signed metadata, each genuine, and the one newer than the other: a half-applied merge.
    let world = World::story();
    world.sh("cp -r .agent-vault/secrets ../tmp/before");
    world.run("revoke ci stripe").ok();
    world.sh("cp ../tmp/before/stripe/* .agent-vault/secrets/stripe/");
    let elsewhere = world.fresh_home("elsewhere");
    let report = world.line("check --json").home(&elsewhere).run().code(9).json();
    let found: Vec<&Value> =
        report["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == "policy-differs").collect();
    assert_eq!(found.len(), 1, "{report}");
    assert_eq!(found[0]["subject"], "stripe/api-key");
    assert!(found[0]["message"].as_str().unwrap().contains("1 fewer"), "{report}");
}

#[test]
fn several_findings_come_errors_first() {
    let world = World::story();
    world.run("add-agent idle").ok();
    world.run("set stripe/api-key --expires 2020-01-01").ok();
    world.plant("owner.pub", "age1x\n");
    let report = world.run("check --json").code(9).json();
    let severities: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["error", "warning", "info"]);
}

#[test]
fn verify_counts_every_signature_digest_and_recipient_set() {
    let world = World::vault();
    world.run("verify").ok().shows("verified: 1 root, 2 signatures, 0 digests, 0 recipient sets");
    world.set("a/b", "v");
    world.set("a/c", "v");
    world.run("rm a/c --yes").ok();
    let done = world.run("verify").ok().shows("1 root, 4 signatures, 1 digest, 1 recipient set (owner SHA256:");
    let json = world.run("verify --json").ok().json();
    let count = |field: &str| json[field].as_u64().unwrap();
    assert_eq!([count("roots"), count("signatures"), count("digests"), count("recipient_sets")], [1, 4, 1, 1]);
    assert_eq!(json["ok"], true);
    assert!(done.out().contains(json["owner_fingerprint"].as_str().unwrap()));
}

#[test]
fn stock_tools_verify_what_verify_counts() {
    let world = World::story();
    let signers = ".agent-vault/allowed_signers";
    for (file, namespace) in [("roots/1", "root"), ("manifest", "manifest")] {
        world.sh(&format!(
            "ssh-keygen -q -Y verify -f {signers} -I eric -n agent-vault.{namespace} \
             -s .agent-vault/{file}.sig < .agent-vault/{file}.yaml"
        ));
    }
    world.sh(&format!(
        "cd .agent-vault/secrets/stripe; head -n -1 api-key.meta > ../../../../tmp/body; \
         (echo '-----BEGIN SSH SIGNATURE-----'; tail -n 1 api-key.meta | sed 's/^signature: //' | fold -w 70; \
          echo '-----END SSH SIGNATURE-----') > ../../../../tmp/sig; \
         cd ../../..; ssh-keygen -q -Y verify -f {signers} -I eric -n agent-vault.secret -s ../tmp/sig < ../tmp/body"
    ));
    world.sh(&format!(
        "for commit in $(git rev-list HEAD); do git -c gpg.ssh.allowedSignersFile={signers} verify-commit $commit; done"
    ));
}
