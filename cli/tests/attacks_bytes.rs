//! Threat A8: bytes that hide or change text in signed documents, and Git's conversions of them.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::executable;
use support::{VALUE, World};

const META: &str = "secrets/stripe/api-key.meta";

/// A clone whose Git converts line endings, as on Windows; `without_protection` takes the vault's own attributes away
/// first, as an attacker would.
fn converted_clone(world: &World, without_protection: bool) -> std::path::PathBuf {
    if without_protection {
        world.sh("git rm -q --cached -f .agent-vault/.gitattributes; git commit -qm tidy");
    }
    world.sh("git -c core.autocrlf=true -c core.eol=crlf clone -q . ../clone");
    world.root.join("clone")
}

#[test]
fn a8_a_clone_with_autocrlf_is_not_harmed_because_the_vault_says_so_to_git() {
    let world = World::story();
    let clone = converted_clone(&world, false);
    world.line("get stripe/api-key").dir(&clone).run().ok().prints(VALUE);
    world.line("verify").dir(&clone).run().ok();
    world.line("check").dir(&clone).run().ok();
    assert_eq!(
        world.sh(
            "cd ../clone; git config core.autocrlf true; rm -r .agent-vault; git checkout -q .; git status --porcelain"
        ),
        ""
    );
    world.line("get stripe/api-key").dir(&clone).run().ok().prints(VALUE);
}

#[test]
fn a8_line_endings_that_git_changed_are_called_so_with_the_fix() {
    let world = World::story();
    let clone = converted_clone(&world, true);
    for line in ["get stripe/api-key", "list", "list-agents", "show stripe/api-key", "verify"] {
        let fresh = ["list", "list-agents"].contains(&line);
        let done = world.line(line).dir(&clone).run().fails(5).says("line endings changed by Git");
        assert!(fresh || done.err().contains("autocrlf"), "the fix is named\n{done}");
    }
    // On a machine that is past root 1, each kind of file says it.
    for file in ["roots/1.sig", "manifest.yaml", "manifest.sig", META, "owner.pub", "allowed_signers", "config.yaml"] {
        let world = World::story();
        world.plant(file, world.text(file).replace('\n', "\r\n"));
        world.run("verify").fails(5).says("line endings changed by Git");
        world.run("check").code(9).shows("line endings changed by Git");
    }
}

#[test]
fn a8_after_the_first_write_a_checkout_converts_nothing_even_without_the_vaults_attributes() {
    let world = World::story();
    world.sh("git rm -q --cached .agent-vault/.gitattributes; git commit -qm tidy; git config core.autocrlf true");
    world.sh("rm -r .agent-vault; git checkout -q .");
    world.run("get stripe/api-key").ok().prints(VALUE);
    world.run("verify").fails(5).says(".agent-vault/.gitattributes").says("Git could convert");
}

#[test]
fn a8_one_carriage_return_anywhere_is_enough() {
    let world = World::story();
    let genuine = world.text(META);
    for at in ["version: 1", "group: stripe", "signature: "] {
        world.plant(META, genuine.replacen(at, &format!("\r{at}"), 1));
        world.run("get stripe/api-key").fails(5).says("line endings changed by Git").prints("");
    }
}

#[test]
fn a8_hidden_line_breaks_and_marks_are_refused() {
    let world = World::story();
    let genuine = world.text(META);
    for hidden in ["\u{85}", "\u{2028}", "\u{2029}", "\u{feff}", "\u{200b}", "\u{0}", "\u{b}", "\u{c}"] {
        for text in [
            genuine.replacen("group: stripe", &format!("group: stripe{hidden}agents: [ci]"), 1),
            format!("{hidden}{genuine}"),
            format!("{genuine}{hidden}"),
            genuine.replacen("signature: ", &format!("x: y{hidden}signature: "), 1),
        ] {
            world.plant(META, text);
            world.run("get stripe/api-key").fails(5).says("api-key.meta").prints("");
        }
    }
}

#[test]
fn a8_text_after_before_and_between_is_refused_and_named() {
    let world = World::story();
    let genuine = world.text(META);
    for appended in ["group: other\n", "\n", " ", "---\n", "# comment\n", "x"] {
        world.plant(META, format!("{genuine}{appended}"));
        let done = world.run("get stripe/api-key").fails(5).prints("");
        let named =
            ["text was added after it", "does not end with a line break", "not its signature", "signature is not one"];
        assert!(named.iter().any(|text| done.err().contains(text)), "{appended:?}\n{done}");
    }
    for (from, to) in [
        ("version: 1\n", "# comment\nversion: 1\n"),
        ("version: 1\n", "---\nversion: 1\n"),
        ("group: stripe\n", "group: stripe\ngroup: other\n"),
        ("group: stripe\n", "group: \"stripe\"\n"),
        ("group: stripe\n", "group:  stripe\n"),
        ("group: stripe\n", "group: &x stripe\n"),
        ("group: stripe\n", "group: !!str stripe\n"),
        ("group: stripe\n", "group: stripe\nunknown: 1\n"),
        ("group: stripe\n", ""),
        ("signature: ", "signature:  "),
        ("signature: ", "signature: AAAA\nsignature: "),
    ] {
        assert!(genuine.contains(from), "{from}");
        world.plant(META, genuine.replacen(from, to, 1));
        world.run("get stripe/api-key").fails(5).says("api-key.meta").prints("");
        world.run("check").code(9).shows("error [tampered]");
    }
}

#[test]
fn a8_a_second_signature_or_document_in_a_detached_file_is_refused() {
    let world = World::story();
    let (text, signature) = (world.text("manifest.yaml"), world.text("manifest.sig"));
    for changed in [
        format!("{signature}\n"),
        format!("\n{signature}"),
        format!("{signature}{signature}"),
        signature.to_lowercase(),
    ] {
        world.plant("manifest.sig", changed);
        world.run("list-agents").fails(5);
    }
    world.plant("manifest.sig", signature);
    for changed in
        [format!("{text}\n"), format!("{text}---\nversion: 1\n"), format!("{text}version: 1\n"), text.trim_end().into()]
    {
        world.plant("manifest.yaml", changed);
        world.run("list-agents").fails(5).says("manifest.yaml");
    }
}

#[test]
fn a8_a_nested_gitattributes_is_found_and_changes_no_byte_here() {
    let world = World::story();
    world.plant("secrets/.gitattributes", "** text eol=crlf\n");
    world.sh("git add -A -f; git commit -qm tidy; rm -r .agent-vault; git checkout -q .");
    world.run("check").code(9).shows("secrets/.gitattributes").shows("could make Git change the vault's bytes");
    world.run("get stripe/api-key").ok().prints(VALUE);
}

#[test]
fn a8_a_filter_that_the_repository_asks_for_is_never_run_by_agent_vault() {
    let world = World::story();
    world.sh("git config filter.evil.clean 'touch ../ran; cat'; git config filter.evil.smudge 'touch ../ran; cat'; git config filter.evil.required true");
    std::fs::write(world.repo.join(".gitattributes"), "** filter=evil\n").unwrap();
    for hook in ["pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change"] {
        executable(&world.repo.join(".git/hooks").join(hook), "#!/bin/sh\ntouch ../ran\n");
    }
    world.sh("git config core.fsmonitor 'touch ../ran; false'; git config gpg.ssh.program 'touch ../ran; false'");
    world.pipe("v", "set a/b").ok();
    world.run("revoke ci stripe").ok();
    world.run("check").ok();
    assert_eq!(world.get("a/b"), b"v");
    assert!(!world.root.join("ran").exists(), "a program of the repository's choice was run");
}
