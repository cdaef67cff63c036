//! `export`: what was chosen, all of it, in the clear only where nobody else looks.
#![cfg(unix)]

mod support;

use std::os::unix::fs::PermissionsExt;
use support::World;

fn world() -> World {
    let world = World::story();
    world.set("stripe/hook.secret", "it's \"$x\"\n");
    world.set("db/password", "pa ss");
    world
}

#[test]
fn a_shell_reads_an_exported_env_file_as_it_was_meant() {
    let world = world();
    world.run("export --group stripe --prefix stripe --format dotenv -o out.env").ok().says("wrote 2 secrets");
    let mode = std::fs::metadata(world.repo.join("out.env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read = world.sh("set -a; . ./out.env; printf '%s|%s' \"$API_KEY\" \"$HOOK_SECRET\"");
    assert_eq!(read, format!("{}|it's \"$x\"", support::VALUE), "what bash trims aside");
    world.run("export --group stripe --format dotenv -o out.env").fails(7).says("already exists");
    world.run("export --group stripe --format dotenv -o out.env --force").ok();
    world.run("import out.env --prefix back").ok();
    assert_eq!(world.get("back/STRIPE_HOOK_SECRET"), b"it's \"$x\"\n");
}

#[test]
fn json_and_yaml_come_back_by_import_as_they_were() {
    let world = world();
    for format in ["json", "yaml"] {
        world.run(&format!("export --all --format {format} -o x.{format}")).ok();
        world.run(&format!("import x.{format} --prefix {format}")).ok().says("imported 3 secrets");
        assert_eq!(world.get(&format!("{format}/stripe/hook.secret")), b"it's \"$x\"\n");
        for path in ["db/password", "stripe/api-key", "stripe/hook.secret"] {
            world.run(&format!("rm {format}/{path} --yes")).ok();
        }
    }
    let python = "import json;print(json.load(open('x.json'))['stripe']['hook.secret'],end='')";
    assert_eq!(world.sh(&format!("python3 -c \"{python}\"")), "it's \"$x\"");
}

#[test]
fn a_secret_of_kubernetes_holds_any_bytes() {
    let world = world();
    world.set("stripe/raw", b"\0\xff");
    let out = world.run("export stripe/* --prefix stripe --format kubernetes --name stripe --namespace web").ok();
    out.shows("name: \"stripe\"").shows("\"raw\": \"AP8=\"").shows("\"hook.secret\": \"aXQncyAiJHgiCg==\"");
    world.run("export stripe/* --format kubernetes").fails(2).says("--name");
    world.run("export stripe/* --format kubernetes --name No_Name").fails(2).says("no name of a Secret");
    world.run("export stripe/* --format json --name x").fails(2).says("does not go with this format");
}

#[test]
fn all_of_it_is_written_or_nothing() {
    let world = world();
    world.set("stripe/raw", b"\0\xff");
    for format in ["dotenv", "json", "yaml"] {
        let done = world.run(&format!("export --group stripe --format {format}")).fails(2).says("stripe/raw");
        assert!(done.out.is_empty(), "{done}");
        world.run(&format!("export --group stripe --format {format} -o none.x")).fails(2);
        assert!(!world.repo.join("none.x").exists());
        world.run(&format!("export --group stripe --format {format} --base64")).ok().shows("AP8=");
    }
    // An agent that may read a part of what was chosen gets none of it.
    let done = world.run(&format!("export --all --format json --base64 --key {}", world.key("ci"))).fails(4);
    assert!(done.out.is_empty() && done.err().contains("db/password"), "{done}");
    world.run(&format!("export --group stripe --base64 --format json --key {}", world.key("ci"))).ok();
    world.run("export stripe/api-key stripe/nothing --format json").fails(3);
    world.run("export nothing/* --format json").fails(7).says("no secrets in \"nothing/*\"");
    world.run("export --format json").fails(2);
    world.set("stripe/api_key", "v");
    world.run("export stripe/api* --format dotenv").fails(7).says("both would be named STRIPE_API_KEY");
}

#[test]
fn values_are_shown_neither_on_a_screen_nor_in_a_file_of_others_unasked() {
    let world = world();
    let line = format!("{} export --all --format json", support::PROGRAM);
    let refused = |redirect: &str| world.sh(&format!("umask 022; {line} {redirect} 2>&1 || true"));
    assert!(world.sh(&format!("umask 022; {line} 2>&1 >open.json || true")).contains("a file that others can read"));
    assert_eq!(std::fs::read(world.repo.join("open.json")).unwrap(), b"");
    assert!(world.sh(&format!("umask 077; {line} >closed.json; cat closed.json")).contains("pa ss"));
    assert!(refused("--force > forced.json; cat forced.json").contains("pa ss"));
    // util-linux' `script` runs it on a terminal.
    if cfg!(target_os = "linux") {
        let seen = world.sh(&format!("script -qec '{line}' /dev/null < /dev/null || true"));
        assert!(seen.contains("standard output is a terminal") && !seen.contains("pa ss"), "{seen}");
    }
    assert!(world.sh(&format!("{line} | cat")).contains("pa ss"));
}
