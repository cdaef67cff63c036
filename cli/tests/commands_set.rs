//! `set`: where a value comes from, what is kept, what is refused.
#![cfg(unix)]

mod support;

use support::World;

/// A value's bytes as nobody types them.
const AWKWARD: &[u8] = b"\0a\r\n\xff\xfe\n\n";

#[test]
fn a_value_as_an_argument_is_stored_with_a_warning_about_histories() {
    let world = World::vault();
    world.line("set a/b s3cret").run().ok().says("warning: ").says("history").keeps_silent_about("s3cret");
    assert_eq!(world.get("a/b"), b"s3cret");
    world.line("--quiet set a/c s3cret").run().ok().keeps_silent_about("warning");
}

#[test]
fn a_piped_value_keeps_every_byte() {
    let world = World::vault();
    let large = vec![b'x'; 1 << 20];
    for (path, value) in [("a/awkward", AWKWARD), ("a/newline", b"one line\n"), ("a/large", &large)] {
        world.set(path, value);
        assert_eq!(world.get(path), value, "{path}");
    }
    let done = world.pipe("", "set a/empty").ok().says("the value is empty");
    assert!(done.err().contains("added a/empty"), "{done}");
    assert_eq!(world.get("a/empty"), b"");
}

#[test]
fn a_value_from_a_file_keeps_every_byte_and_trim_drops_one_line_end() {
    let world = World::vault();
    let file = world.tmp("value");
    let shown = file.display();
    std::fs::write(&file, AWKWARD).unwrap();
    world.run(&format!("set a/b --from-file {shown}")).ok();
    assert_eq!(world.get("a/b"), AWKWARD);
    for (written, stored) in [("v\n\n", "v\n"), ("v\r\n", "v"), ("v", "v"), ("\n", "")] {
        std::fs::write(&file, written).unwrap();
        world.run(&format!("set a/b --from-file {shown} --trim")).ok();
        assert_eq!(world.get("a/b"), stored.as_bytes(), "{written:?} from a file");
        world.pipe(written, "set a/c --trim").ok();
        assert_eq!(world.get("a/c"), stored.as_bytes(), "{written:?} from a pipe");
    }
    world.run("set a/b --from-file nowhere").fails(1).says("nowhere");
}

#[test]
fn generate_makes_values_of_the_length_and_charset_asked_for() {
    let world = World::vault();
    let made = |line: &str| {
        world.run(&format!("set a/b {line}")).ok();
        String::from_utf8(world.get("a/b")).unwrap()
    };
    let plain = made("--generate");
    assert!(plain.len() == 32 && plain.chars().all(|c| c.is_ascii_alphanumeric()), "{plain}");
    assert_ne!(plain, made("--generate"));
    type Allowed = fn(char) -> bool;
    let charsets: [(&str, Allowed); 5] = [
        ("alphanumeric", |c| c.is_ascii_alphanumeric()),
        ("hex", |c| matches!(c, '0'..='9' | 'a'..='f')),
        ("digits", |c| c.is_ascii_digit()),
        ("urlsafe", |c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
        ("ascii", |c| c.is_ascii_graphic()),
    ];
    for (name, allowed) in charsets {
        let value = made(&format!("--generate=500 --charset {name}"));
        assert!(value.len() == 500 && value.chars().all(allowed), "{name}: {value}");
    }
    let every: std::collections::HashSet<char> = made("--generate=4096 --charset ascii").chars().collect();
    assert_eq!(every.len(), 94, "every printable character is drawn");
}

#[test]
fn a_generated_value_is_not_shown() {
    let world = World::vault();
    let done = world.run("set a/b --generate").ok();
    let value = String::from_utf8(world.get("a/b")).unwrap();
    done.keeps_silent_about(&value);
}

#[test]
fn lengths_and_sources_that_make_no_sense_are_refused_as_usage() {
    let world = World::vault();
    for line in [
        "set a/b --generate=0",
        "set a/b --generate=4097",
        "set a/b --generate=70000",
        "set a/b --generate=x",
        "set a/b --charset hex",
        "set a/b value --generate",
        "set a/b value --from-file f",
        "set a/b --from-file f --generate",
        "set a/b --generate --charset klingon",
        "set a/b one two",
    ] {
        world.run(line).fails(2);
    }
    assert_eq!(world.commits(), 1);
}

#[test]
fn extra_words_of_a_value_are_not_repeated_in_the_error() {
    let world = World::vault();
    world.run("set db/password correct horse battery").fails(2).keeps_silent_about("horse");
    world.run("set db/password --horse").fails(2).keeps_silent_about("horse");
}

#[test]
fn without_a_value_and_with_nobody_to_ask_set_says_what_to_pass() {
    let world = World::vault();
    world.run("set a/b").fails(12).says("--from-file").says("--generate");
    assert_eq!(world.commits(), 1);
}

#[test]
fn group_agents_expiry_and_description_are_stored_with_the_value() {
    let world = World::vault();
    world.run("add-agent one").ok();
    world.run("add-agent two").ok();
    let flags =
        ["--group", "payments", "--agents", "two, one", "--expires", "2099-01-31", "--description", "Née — «clé»"];
    world.call(["set", "stripe/key"].into_iter().chain(flags)).input("v").run().ok();
    let shown = world.run("show stripe/key --json").ok().json();
    assert_eq!(shown["group"], "payments");
    assert_eq!(shown["agents"], serde_json::json!(["one", "two"]));
    assert_eq!(shown["authorized_agents"], serde_json::json!(["one", "two"]));
    assert_eq!(shown["expires"], "2099-01-31T00:00:00Z");
    assert_eq!(shown["description"], "Née — «clé»");
    world.run(&format!("get stripe/key --key {}", world.key("two"))).ok().prints("v");
    world.call(["set", "stripe/key", "--agents", "", "--expires", "never", "--description", ""]).run().ok();
    let shown = world.run("show stripe/key --json").ok().json();
    assert_eq!(shown["agents"], serde_json::json!([]));
    assert!(shown["expires"].is_null() && shown["description"].is_null(), "{shown}");
    assert_eq!(world.get("stripe/key"), b"v");
}

#[test]
fn with_only_metadata_flags_set_keeps_the_value_and_never_prompts() {
    let world = World::vault();
    world.set("a/b", "value");
    for (line, input) in
        [("set a/b --group g1", None), ("set a/b --expires 90d", Some("")), ("set a/b --group g2", None)]
    {
        let call = world.line(line);
        let call = if let Some(input) = input { call.input(input) } else { call };
        call.run().ok().says("value kept");
    }
    assert_eq!(world.get("a/b"), b"value");
    let shown = world.run("show a/b --json").ok().json();
    assert_eq!((&shown["revision"], &shown["value_revision"]), (&4.into(), &1.into()));
    world.run("set a/missing --group g").fails(12);
}

#[test]
fn metadata_that_is_so_already_makes_no_commit() {
    let world = World::vault();
    world.set("a/b", "value");
    world.run("set a/b --group a").ok().says("nothing to change");
    assert_eq!(world.commits(), 2);
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let world = World::story();
    let before = world.state();
    world.pipe("new", "set stripe/api-key --dry-run").ok().says("would change stripe/api-key");
    world.pipe("new", "set stripe/other --dry-run").ok().says("would add stripe/other").says("ci");
    let done = world.run("set stripe/api-key --group locked --dry-run").ok().says("would change");
    assert!(done.err().contains("  - ci@"), "who loses it is named\n{done}");
    assert_eq!(world.state(), before);
}

#[test]
fn a_value_that_is_too_large_is_refused() {
    let world = World::vault();
    let file = world.tmp("large");
    std::fs::File::create(&file).unwrap().set_len((1 << 20) + 1).unwrap();
    let before = world.state();
    world.run(&format!("set a/b --from-file {}", file.display())).fails(2).says("1048577").says("1048576");
    std::fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let huge = format!("set a/b --from-file {}", file.display());
    world.line(&huge).with_memory(512).run().fails(2);
    assert_eq!(world.state(), before);
}

#[test]
fn a_name_that_differs_only_in_case_is_a_conflict() {
    let world = World::vault();
    world.set("stripe/api-key", "v");
    let before = world.state();
    for path in ["stripe/API-key", "Stripe/api-key", "STRIPE/other", "Stripe/sub/key"] {
        world.pipe("w", &format!("set {path}")).fails(7).says("differs only in case");
    }
    assert_eq!(world.state(), before);
    world.run("get stripe/API-KEY").fails(3).says("did you mean \"stripe/api-key\"?");
}

#[test]
fn expiries_that_are_no_dates_and_descriptions_of_two_lines_are_refused() {
    let world = World::vault();
    for when in ["soon", "2027-02-30", "-3d", "90", "", "1e9d"] {
        world.call(["set", "a/b", "v", &format!("--expires={when}")]).run().fails(2).says("date");
    }
    let long = "x".repeat(1025);
    for text in ["two\nlines", "\u{1b}[31mred", "\u{202e}txt", &long] {
        world.call(["set", "a/b", "v", "--description", text]).run().fails(2).says("description");
    }
    assert_eq!(world.commits(), 1);
}

#[test]
fn an_agent_that_does_not_exist_is_not_silently_dropped() {
    let world = World::vault();
    world.run("add-agent billing").ok();
    let before = world.state();
    world.pipe("v", "set a/b --agents biling").fails(3).says("did you mean \"billing\"?");
    assert_eq!(world.state(), before);
}

#[test]
fn a_removed_name_can_be_used_again_and_its_numbers_go_on() {
    let world = World::vault();
    world.set("a/b", "one");
    world.run("rm a/b --yes").ok();
    world.set("a/b", "two");
    let shown = world.run("show a/b --json").ok().json();
    assert_eq!((&shown["revision"], &shown["value_revision"]), (&3.into(), &3.into()));
    assert!(!world.file("secrets/a/b.gone").exists());
    assert_eq!(world.get("a/b"), b"two");
}

#[test]
fn default_is_a_group_whose_secrets_have_one_name() {
    let world = World::vault();
    world.set("token", "v");
    assert!(world.file("secrets/default/token.enc").is_file());
    assert_eq!(world.get("default/token"), b"v");
    assert_eq!(world.run("show token --json").ok().json()["group"], "default");
}
