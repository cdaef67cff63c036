//! Threat B1: hostile names in every command are refused before any file is touched, and told without their control
//! characters.
#![cfg(unix)]

mod support;

use support::{Done, World};

/// Names that neither a secret, nor an agent, nor a group may have.
fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        "..",
        ".",
        "../x",
        "../../etc/passwd",
        "/etc/passwd",
        ".hidden",
        "x.",
        "a b",
        " a",
        "a ",
        "a\nb",
        "a\r",
        "a\tb",
        "\u{1b}[31mred",
        "\u{1b}]0;title\u{7}",
        "\u{9b}31m",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}txt",
        "\u{feff}a",
        "é",
        "a\\b",
        "C:\\x",
        "C:x",
        "a:b",
        "x.enc",
        "x.META",
        "x.gone",
        "x.lock",
        "con",
        "NUL",
        "aux.txt",
        "com1",
        "LPT9.key",
        "-rf",
        "--help-me",
        "*",
        "$(id)",
        "`id`",
        "a;id",
        "a|b",
        "a&b",
        "'",
        "\"",
        "~",
        "~root",
        "a,b\u{8}",
        "{a}",
        "a@b",
        "a%2fb",
    ]
    .map(String::from)
    .into();
    names.push("x".repeat(65));
    names.push("x".repeat(100_000));
    names
}

/// Refused as usage, and quoted harmlessly.
#[track_caller]
fn is_refused(done: Done) {
    let done = done.fails(2);
    let err = done.err();
    assert!(done.out.is_empty() && err.len() < 4_000, "{done}");
    assert!(!err.contains(['\u{202e}', '\u{2028}', '\u{85}', '\u{9b}', '\u{1b}', '\u{7f}']), "{err:?}");
}

#[test]
fn b1_hostile_secret_paths_are_refused_in_every_command() {
    let world = World::story();
    let before = (world.state(), world.sh("find $HOME $TMPDIR | sort"));
    for name in hostile().iter().map(String::as_str).chain([
        "a//b",
        "a/",
        "/a",
        "a/../b",
        "a/.git/b",
        "a/-x",
        "1/2/3/4/5/6/7/8/9",
        &["x"; 130].join("/"),
    ]) {
        let calls: [&[&str]; 7] = [
            &["get", name],
            &["set", name, "value"],
            &["show", name],
            &["rm", name, "--yes"],
            &["mv", name, "a/b", "--yes"],
            &["mv", "stripe/api-key", name, "--yes"],
            &["revoke", "ci", "--secret", name],
        ];
        for args in calls {
            is_refused(world.call(args).run());
        }
    }
    assert_eq!((world.state(), world.sh("find $HOME $TMPDIR | sort")), before);
}

#[test]
fn b1_hostile_agent_and_owner_names_are_refused_in_every_command() {
    let world = World::story();
    let before = (world.state(), world.sh("find $HOME $TMPDIR | sort"));
    for name in hostile().iter().map(String::as_str).chain(["a/b"]) {
        let calls: [&[&str]; 8] = [
            &["add-agent", name],
            &["remove-agent", name],
            &["recover-agent", name],
            &["restore-agent", name, "--to", "x"],
            &["grant", name, "stripe"],
            &["revoke", name, "stripe"],
            &["init", "new", "--owner", name],
            &["set", "a/b", "value", "--agents", name],
        ];
        for args in calls {
            // An empty list is a list, and spaces around a comma-separated name are no part of it.
            let list = args.contains(&"--agents") && (name.is_empty() || name.trim() != name);
            if !list {
                is_refused(world.call(args).run());
            }
        }
    }
    assert_eq!((world.state(), world.sh("find $HOME $TMPDIR | sort")), before);
}

#[test]
fn b1_hostile_group_names_are_refused_in_every_command() {
    let world = World::story();
    let before = (world.state(), world.sh("find $HOME $TMPDIR | sort"));
    for name in hostile().iter().map(String::as_str).chain(["a/b"]) {
        let calls: [&[&str]; 5] = [
            &["grant", "ci", name, "--create"],
            &["revoke", "ci", name],
            &["list", "--group", name],
            &["set", "a/b", "value", "--group", name],
            &["set", "stripe/api-key", "--group", name],
        ];
        for args in calls {
            is_refused(world.call(args).run());
        }
    }
    assert_eq!((world.state(), world.sh("find $HOME $TMPDIR | sort")), before);
}

#[test]
fn b1_names_behind_dashes_and_names_that_are_not_text_are_refused() {
    let world = World::story();
    let before = world.state();
    let bytes = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"a\xff\xfe");
    for command in ["get", "show", "rm", "add-agent", "remove-agent", "recover-agent", "set"] {
        is_refused(world.call([command, "--", "-rf"]).run());
        is_refused(world.call([command, "--", "--yes"]).run());
        is_refused(world.call([command]).arg(bytes).run());
    }
    assert_eq!(world.state(), before);
}

#[test]
fn b1_hostile_folders_files_and_variables_are_told_without_their_control_characters() {
    let world = World::story();
    let nasty = "\u{1b}[31m\nerror: fake\u{202e}";
    for done in [
        world.call(["-C", nasty, "list"]).run().fails(3),
        world.call(["list", "--key", nasty]).run(),
        world.line("list").env("AGENT_VAULT_KEY", "\u{1b}[31mx").run().fails(6),
        world.line("list").env("AGENT_VAULT_OWNER", nasty).run().fails(5),
        world.line("list").env("AGENT_VAULT_TRUST", nasty).run().fails(2),
        world.call(["set", "a/b", "--from-file", nasty]).run().fails(1),
        world.call(["set", "a/b", "v", "--expires", nasty]).run().fails(2),
        world.call(["trust", "forget", nasty, "--yes"]).run().fails(2),
        world.call(["trust", "add", "--owner", nasty]).run().fails(5),
        world.call(["completions", nasty]).run().fails(2),
        world.call([nasty]).run().fails(2),
    ] {
        assert_ne!(done.code, Some(0));
        assert!(!done.err().contains(['\u{1b}', '\u{202e}']), "{:?}", done.err());
        let errors = done.err().lines().filter(|line| line.starts_with("error: fake")).count();
        assert_eq!(errors, 0, "a name does not begin a line of its own\n{done}");
    }
}

#[test]
fn b1_a_vault_in_a_folder_with_a_hostile_name_works_and_is_told_harmlessly() {
    let world = World::bare();
    let dir = world.repo.join("a\u{1b}[31m\u{202e}b");
    std::fs::create_dir(&dir).unwrap();
    let run = |line: &str| world.line(line).dir(&dir).run();
    run("init").ok();
    run("set a/b value").ok();
    run("get a/b").ok().prints("value");
    std::fs::write(dir.join(".agent-vault/owner.pub"), "x").unwrap();
    for done in [run("check").code(9), run("trust").ok(), run("set a/b v").fails(5)] {
        let text = format!("{}{}", done.out(), done.err());
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    }
}
