//! Threat A6: links, pipes, huge files, bombs, NUL bytes and look-alike names in the vault's folder.
//!
//! Nothing here is timed. Address space is capped, so that what reads without bounds dies, and a call that never ends
//! is ended by the harness.
#![cfg(unix)]

mod support;

use std::fs::File;
use std::os::unix::fs::symlink;
use support::{VALUE, World};

/// A cap far above what any refusal needs, and far below what is planted.
const MEMORY: u64 = 768;

/// Commands that look at the whole vault, or at the secret.
const LOOKS: [&str; 7] =
    ["get stripe/api-key", "list", "show stripe/api-key", "list-agents", "verify", "set a/b v", "grant ci stripe"];

/// Commands that read the secret, or re-encrypt it.
const LOOKED_AT: [&str; 6] =
    ["get stripe/api-key", "show stripe/api-key", "list", "verify", "revoke ci stripe", "set stripe/api-key v"];

/// `line` is refused: an error, and nothing of a value.
#[track_caller]
fn refuses(world: &World, line: &str) {
    let done = world.line(line).with_memory(MEMORY).run();
    assert!(matches!(done.code, Some(1 | 5)), "{done}");
    let code = done.code.unwrap();
    done.fails(code).keeps_silent_about(VALUE);
}

/// Puts something else where a file or folder of the vault is.
fn in_place_of(world: &World, relative: &str, make: impl FnOnce(&std::path::Path)) {
    let path = world.file(relative);
    std::fs::rename(&path, world.tmp("moved")).unwrap();
    make(&path);
}

fn put_back(world: &World, relative: &str) {
    let path = world.file(relative);
    let _ = std::fs::remove_file(&path);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::rename(world.tmp("moved"), path).unwrap();
}

#[test]
fn a6_a_vault_folder_that_is_a_link_is_refused() {
    let world = World::story();
    std::fs::rename(world.folder(), world.tmp("vault")).unwrap();
    symlink(world.tmp("vault"), world.folder()).unwrap();
    for line in LOOKS {
        world.run(line).fails(5).says("neither links nor pipes nor devices");
    }
    world.run("check").fails(5);
    world.run("init").fails(7);
}

#[test]
fn a6_links_to_folders_and_files_of_the_vault_are_refused_even_if_they_lead_to_the_genuine_ones() {
    for (relative, lines) in [
        ("secrets", &LOOKED_AT[..]),
        ("secrets/stripe", &LOOKED_AT),
        ("secrets/stripe/api-key.meta", &LOOKED_AT),
        ("secrets/stripe/api-key.enc", &["get stripe/api-key", "verify", "revoke ci stripe"]),
        ("manifest.yaml", &["list-agents", "grant ci stripe", "verify"]),
        ("manifest.sig", &["list-agents", "grant ci stripe", "verify"]),
        ("roots", &["verify", "set a/b v"]),
        ("roots/1.yaml", &["get stripe/api-key", "verify", "set a/b v"]),
        ("owners/eric/signing.key.escrow", &["set a/b v", "grant ci stripe"]),
        ("agents", &["set a/b v", "verify"]),
        ("agents/ci/public.key", &["set a/b v", "verify"]),
        ("agents/ci/private.key.escrow", &["restore-agent ci --to ../tmp/x"]),
    ] {
        let world = World::story();
        in_place_of(&world, relative, |path| symlink(world.tmp("moved"), path).unwrap());
        for line in lines {
            world.run(line).fails(5);
        }
        let check = world.run("check").run_code();
        assert!(matches!(check, 5 | 9), "{relative}: check ended with {check}");
        put_back(&world, relative);
        world.run("check").ok();
        assert_eq!(world.get("stripe/api-key"), VALUE.as_bytes());
    }
}

#[test]
fn a6_a_write_never_goes_through_a_planted_link() {
    let world = World::story();
    let outside = world.root.join("outside");
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, world.file("secrets/ops")).unwrap();
    world.pipe("v", "set ops/key").fails(5);
    symlink(world.tmp("target"), world.file("secrets/stripe/new.enc")).unwrap();
    let done = world.pipe("v", "set stripe/new").run_code();
    assert_ne!(done, 0);
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
    assert!(!world.tmp("target").exists());
}

#[test]
fn a6_pipes_and_folders_in_place_of_files_are_refused_and_never_waited_for() {
    for relative in ["secrets/stripe/api-key.meta", "secrets/stripe/api-key.enc", "manifest.yaml", "roots/1.yaml"] {
        for kind in ["pipe", "folder"] {
            let world = World::story();
            in_place_of(&world, relative, |path| match kind {
                "pipe" => drop(world.sh(&format!("mkfifo {}", path.display()))),
                _ => std::fs::create_dir(path).unwrap(),
            });
            let lines: &[&str] = if relative == "manifest.yaml" {
                &["list-agents", "verify", "set a/b v", "grant ci stripe"]
            } else {
                &["get stripe/api-key", "verify"]
            };
            for line in lines {
                world.run(line).fails(5).says(relative).says("it is not a regular file");
            }
            assert!(matches!(world.run("check").run_code(), 1 | 5 | 9));
        }
    }
}

#[test]
fn a6_pipes_that_lie_about_are_found_and_never_opened() {
    let world = World::story();
    world.sh("mkfifo .agent-vault/pipe .agent-vault/secrets/stripe/x.meta .agent-vault/roots/2.yaml .agent-vault/agents/ci/p");
    world.run("get stripe/api-key").fails(5);
    std::fs::remove_file(world.file("roots/2.yaml")).unwrap();
    world.run("get stripe/api-key").ok().prints(VALUE);
    let done = world.run("check").code(9);
    for planted in ["pipe", "secrets/stripe/x.meta", "agents/ci/p"] {
        let told = format!("{planted}: it is not a regular file");
        assert!(done.out().contains(&told), "{planted}\n{done}");
    }
}

#[test]
fn a6_huge_files_are_refused_within_bounded_memory() {
    for (relative, lines) in [
        ("secrets/stripe/api-key.meta", &["get stripe/api-key", "list", "check"][..]),
        ("secrets/stripe/api-key.enc", &["get stripe/api-key", "verify", "revoke ci stripe", "check"]),
        ("manifest.yaml", &["list-agents", "set a/b v", "check"]),
        ("manifest.sig", &["list-agents", "set a/b v", "check"]),
        ("roots/1.yaml", &["get stripe/api-key", "check"]),
        ("roots/1.sig", &["verify", "check"]),
        ("owner.pub", &["set a/b v", "check"]),
        ("config.yaml", &["set a/b v", "check"]),
        ("agents/ci/private.key.escrow", &["restore-agent ci --to ../tmp/x"]),
        ("owners/eric/signing.key.escrow", &["set a/b v"]),
    ] {
        let world = World::story();
        // A sparse file: its bytes cost the attacker nothing.
        File::options().write(true).open(world.file(relative)).unwrap().set_len(1 << 30).unwrap();
        for line in lines {
            let done = world.line(line).with_memory(MEMORY).run();
            assert!(matches!(done.code, Some(1 | 5 | 9)), "{relative}\n{done}");
        }
        let fresh = world.fresh_home("fresh");
        let done = world.line("list").home(fresh).with_memory(MEMORY).run();
        assert!(matches!(done.code, Some(0 | 1 | 5)), "{relative}\n{done}");
    }
}

/// Root 1 is the one document that is parsed before its signature can be checked: its own keys check it.
#[test]
fn a6_bombs_and_nests_in_root_1_are_refused_within_bounded_memory() {
    let bomb = {
        let mut text = String::from("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
        for level in 1..12 {
            let references = vec![format!("*a{}", level - 1); 9].join(",");
            text.push_str(&format!("a{level}: &a{level} [{references}]\n"));
        }
        text
    };
    let wide = format!("version: 1\nroot: 1\nowners:\n{}", "  - {name: a}\n".repeat(200_000));
    let nested = format!("version: {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let nested_maps = format!("version: {}1{}\n", "{a: ".repeat(100_000), "}".repeat(100_000));
    let keys = (0..100_000).map(|n| format!("k{n}: 1\n")).collect::<String>();
    let long = format!("version: \"{}\"\n", "x".repeat(3 << 20));
    let folded = format!("version: >\n{}", " x\n".repeat(500_000));
    for text in
        [bomb, wide, nested, nested_maps, keys, long, folded, "\0".repeat(1 << 20), "--- !!python/object x\n".into()]
    {
        let world = World::story();
        world.plant("roots/1.yaml", &text);
        let fresh = world.fresh_home("fresh");
        for line in ["list", "get stripe/api-key", "check"] {
            refuses(&world, line);
            let call = world.line(line).home(&fresh).env("AGENT_VAULT_KEY", world.key("ci"));
            call.with_memory(MEMORY).run().fails(5);
        }
    }
}

#[test]
fn a6_nul_bytes_and_other_control_characters_are_refused_everywhere() {
    for relative in [
        "roots/1.yaml",
        "roots/1.sig",
        "manifest.yaml",
        "manifest.sig",
        "secrets/stripe/api-key.meta",
        "owner.pub",
        "config.yaml",
    ] {
        for planted in ["\0", "\u{1b}[2J", "\u{7f}", "\u{202e}"] {
            let world = World::story();
            let text = world.text(relative);
            world.plant(relative, text.replacen('\n', &format!("{planted}\n"), 1));
            println!("{relative} {planted:?}");
            let done = world.run("check").run_code();
            assert!(matches!(done, 5 | 9), "it ended with {done}");
            world.sh("git add -A -f; git commit -qm tidy");
            world.run("set stripe/api-key v").fails(5);
            let fresh = world.fresh_home("fresh");
            let verify = world.line("verify").home(fresh).run();
            assert_ne!(verify.code, Some(0), "{verify}");
        }
    }
}

#[test]
fn a6_names_that_differ_only_in_case_never_stand_for_each_other() {
    let world = World::story();
    world.sh("cd .agent-vault/secrets; cp stripe/api-key.meta stripe/API-KEY.meta; cp stripe/api-key.enc stripe/API-KEY.enc; cp -r stripe Stripe");
    world.run("get stripe/api-key").ok().prints(VALUE);
    for twin in ["stripe/API-KEY", "Stripe/api-key"] {
        world.run(&format!("get {twin}")).fails(5).says("another secret (stripe/api-key)").prints("");
    }
    let done = world.run("list").fails(5);
    assert_eq!(done.out().lines().count(), 2, "only the genuine one is listed\n{done}");
    world.run("check").code(9);
}

#[test]
fn a6_hostile_file_names_are_shown_without_their_control_characters() {
    let world = World::story();
    for name in
        ["a\u{1b}[31mred", "b\nerror: fake", "c\u{202e}txt", "secrets/stripe/\u{1b}]0;x\u{7}.meta", "secrets/-rf.enc"]
    {
        world.plant(name, "x");
    }
    std::fs::write(
        world.folder().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"d\xff\xfe")),
        "x",
    )
    .unwrap();
    let done = world.run("check").ok();
    assert!(!done.out().chars().any(|c| c.is_control() && c != '\n'), "{:?}", done.out());
    assert!(!done.out().contains('\u{202e}') && !done.out().contains("\nerror: fake"), "{:?}", done.out());
    assert_eq!(done.out().matches("[orphan]").count(), 6, "{done}");
    world.run("list").ok();
    world.run("check --json").ok().json();
}

#[test]
fn a6_deep_and_broad_folders_are_bounded() {
    let world = World::story();
    world.sh("cd .agent-vault/secrets; for i in $(seq 200); do mkdir d; cd d; done; touch x.meta");
    world.run("list").ok().shows("stripe/api-key");
    world.run("get stripe/api-key").ok().prints(VALUE);
    world.line("check").with_memory(MEMORY).run().ok().shows("[orphan]");
}
