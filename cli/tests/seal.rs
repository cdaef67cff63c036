//! `seal`, `open` and `reseal`: values in other files, for the readers of a group.
#![cfg(unix)]

mod support;

use std::os::unix::fs::PermissionsExt;
use support::World;

const SEALED: &str = "it's\0 a \"value\"\n";

fn sealed(world: &World, line: &str) -> String {
    world.pipe(SEALED, line).ok().out().trim_end().to_owned()
}

#[test]
fn the_readers_of_a_group_open_what_was_sealed_for_it_and_nobody_else() {
    let world = World::story();
    world.run("add-agent other").ok();
    let text = sealed(&world, "seal stripe");
    assert!(text.starts_with("avs://1/") && text.contains("/stripe/"), "{text}");
    world.call(["open", &text]).run().ok().prints(SEALED).keeps_silent_about("warning");
    world.call(["open", &text, "--signed", "--key", &world.key("ci")]).run().ok().prints(SEALED);
    world.call(["open", &text, "--key", &world.key("other")]).run().fails(4).keeps_silent_about("it's");
    world.pipe(format!("{text}\n"), "open").ok().prints(SEALED);
    world.pipe(SEALED, "seal strpe").fails(3).says("did you mean \"stripe\"");
    let log = world.run("audit --json").ok().json().to_string();
    assert!(log.contains("\"open\"") && log.contains("\"seal\""), "{log}");
}

#[test]
fn anybody_can_seal_and_only_what_an_owner_signed_says_so() {
    let world = World::story();
    let stranger = world.fresh_home("stranger");
    let unsigned = world.line("seal stripe").home(&stranger).input(SEALED).run().ok().says("signed by nobody");
    let unsigned = unsigned.out().trim_end().to_owned();
    world.call(["open", &unsigned]).run().ok().prints(SEALED).says("nobody signed it");
    let refused = world.call(["open", &unsigned, "--signed"]).run().fails(10);
    assert!(refused.out.is_empty(), "{refused}");
    let by_agent = sealed(&world, &format!("seal stripe --key {}", world.key("ci")));
    world.call(["open", &by_agent, "--signed"]).run().fails(10);
    let silent = sealed(&world, "seal stripe --unsigned");
    world.call(["open", &silent, "--signed"]).run().fails(10);
}

#[test]
fn a_sealed_value_counts_in_its_own_vault_and_group_only() {
    let world = World::story();
    world.set("db/password", "v");
    let text = sealed(&world, "seal stripe");
    let moved = text.replace("/stripe/", "/db/");
    world.call(["open", &moved]).run().fails(5).says("it was made for group stripe").keeps_silent_about("it's");
    let mut altered = text.clone().into_bytes();
    let at = altered.len() - 20;
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    world.call(["open", std::str::from_utf8(&altered).unwrap()]).run().fails(1);
    let other = World::story();
    other.call(["open", &text]).run().fails(2).says("it was sealed for vault");
    // Under the other vault's id, with the same owner's key at hand: the ciphertext says where it belongs.
    let id =
        |world: &World| world.sh("grep -rhao '[0-9a-f]\\{8\\}-[0-9a-f-]\\{27\\}' .agent-vault/manifest.yaml | head -1");
    let forged = text.replace(&id(&world), &id(&other));
    other.call(["open", &forged, "--key", &world.owner_key().display().to_string()]).run().fails(5).says("and moved");
    for none in ["avs://1/x", "av://stripe/api-key", "avs://2/x", &format!("{text} x")] {
        world.call(["open", none]).run().fails(2);
    }
}

#[test]
fn reseal_follows_the_policy_and_leaves_everything_else_as_it_is() {
    let world = World::story();
    world.run("add-agent new").ok();
    let (one, two) = (sealed(&world, "seal stripe"), sealed(&world, "seal stripe --unsigned"));
    let config = world.repo.join("app.yaml");
    let text = |one: &str, two: &str| format!("a: \"{one}\"\r\nb: [{two}, avs://…]\n# \u{e9}");
    std::fs::write(&config, text(&one, &two)).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o640)).unwrap();
    world.run("reseal app.yaml").ok().says("resealed 0 of 2 values in app.yaml");
    world.run("grant new stripe").ok();
    world.run("reseal app.yaml --dry-run").ok().says("would reseal 2 of 2 values");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), text(&one, &two));
    world.run("reseal app.yaml").ok().says("resealed 2 of 2 values");
    let now = std::fs::read_to_string(&config).unwrap();
    assert_eq!(config.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let new: Vec<&str> = now
        .split(|c: char| !(c.is_ascii_alphanumeric() || "-_/:.".contains(c)))
        .filter(|word| word.starts_with("avs://1/"))
        .collect();
    assert_eq!(now, text(new[0], new[1]), "only the sealed values differ");
    world.call(["open", new[0], "--signed", "--key", &world.key("new")]).run().ok().prints(SEALED);
    world.call(["open", new[1], "--key", &world.key("new")]).run().ok().prints(SEALED);
    world.run("revoke new stripe").ok();
    world.run("reseal app.yaml").ok().says("could open some of these values until now");
    let last = std::fs::read_to_string(&config).unwrap();
    let last = last.split('"').nth(1).unwrap();
    world.call(["open", last, "--key", &world.key("new")]).run().fails(4);
    world.call(["open", last, "--signed"]).run().ok().prints(SEALED);
}

#[test]
fn reseal_replaces_all_files_or_none() {
    let world = World::story();
    world.run("add-agent new").ok();
    let text = sealed(&world, "seal stripe");
    std::fs::write(world.repo.join("good"), &text).unwrap();
    std::fs::write(world.repo.join("bad"), format!("x\n{}", &text[..30])).unwrap();
    std::fs::write(world.repo.join("cut"), format!("x\n{}", &text[..200])).unwrap();
    world.run("grant new stripe").ok();
    world.run("reseal good bad").fails(2).says("bad, line 2: ");
    world.run("reseal good cut").fails(1).says("cut, line 2:");
    // Beside a file with such a name, no other can be made.
    let long = "x".repeat(250);
    std::fs::write(world.repo.join(&long), &text).unwrap();
    world.run(&format!("reseal good {long}")).fails(1);
    assert_eq!(std::fs::read_to_string(world.repo.join("good")).unwrap(), text);
    let beside: Vec<_> = world.repo.read_dir().unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().contains(".new-")), "{beside:?}");
    world.run(&format!("reseal good --key {}", world.key("ci"))).ok().says("resealed 1 of 1 value");
}
