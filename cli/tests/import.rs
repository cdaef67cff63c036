//! `import`: byte for byte, planned first, and all or nothing.
#![cfg(unix)]

mod support;

use serde_json::Value;
use std::path::PathBuf;
use support::World;

fn write(world: &World, name: &str, text: impl AsRef<[u8]>) -> String {
    let file = world.tmp(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn head(world: &World) -> String {
    world.git("rev-parse HEAD")
}

fn secrets(world: &World) -> Vec<String> {
    let list = world.run("list --json").ok().json();
    list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deliver/tests/golden/sops").join(name)
}

const ENV: &str =
    "# database\nexport DATABASE_URL=\"postgres://app:pa\\\"ss@db/app\"\nAPI_KEY='sk $x' # live\nEMPTY=\n";

#[test]
fn a_dotenv_file_becomes_one_commit_with_every_byte() {
    let world = World::vault();
    let file = write(&world, ".env", ENV);
    let before = head(&world);
    let plan = world.run(&format!("import {file} --prefix app --dry-run")).ok();
    plan.shows("create     app/DATABASE_URL  (DATABASE_URL, line 2)")
        .says("would import 3 secrets: 3 new")
        .keeps_silent_about("sk $x");
    assert!(head(&world) == before && secrets(&world).is_empty(), "a dry run changes nothing");
    world.run(&format!("import {file} --prefix app")).ok().says("imported 3 secrets: 3 new, 0 changed");
    assert_eq!(world.git("rev-list --count HEAD"), "2");
    assert_eq!(world.git("log -1 --format=%s"), "agent-vault: import 3 secrets from .env");
    assert_eq!(world.get("app/DATABASE_URL"), b"postgres://app:pa\"ss@db/app");
    assert_eq!(world.get("app/API_KEY"), b"sk $x");
    assert_eq!(world.get("app/EMPTY"), b"");
    let again = world.run(&format!("import {file} --prefix app")).ok();
    again.says("imported 0 secrets: 0 new, 0 changed, 3 unchanged");
    assert_eq!(world.git("rev-list --count HEAD"), "2");
    let log = world.run("audit --json").ok().json().to_string();
    assert!(["app/DATABASE_URL", "app/API_KEY", "app/EMPTY"].iter().all(|path| log.contains(path)), "{log}");
    world.run("verify").ok();
}

#[test]
fn secrets_that_are_there_stop_an_import_until_somebody_says_what_to_do() {
    let world = World::vault();
    world.set("app/A", "old");
    let file = write(&world, "x.env", "A=new\nB=2\n");
    let before = head(&world);
    world.run(&format!("import {file} --prefix app")).fails(7).says("exists     app/A").says("--update");
    world.run(&format!("import {file} --prefix app --dry-run")).fails(7);
    assert!(head(&world) == before && secrets(&world) == ["app/A"], "half of it was imported");
    world.run(&format!("import {file} --prefix app --keep")).ok().says("1 new, 0 changed, 1 kept");
    assert_eq!(world.get("app/A"), b"old");
    world.run(&format!("import {file} --prefix app --update")).ok().says("0 new, 1 changed, 1 unchanged");
    assert_eq!(world.get("app/A"), b"new");
}

#[test]
fn names_that_the_vault_refuses_are_told_and_never_changed_unasked() {
    let world = World::vault();
    let file = write(&world, "x.json", r#"{"ok": "1", "a b": {"c/d": "2"}, "list": ["x"], "none": null}"#);
    let refused = world.run(&format!("import {file}")).fails(2);
    let refused = refused
        .says("refuse     a b/c/d: only letters")
        .says("suggested: a-b/c-d")
        .says("it is a list")
        .says("it is null");
    drop(refused);
    assert!(secrets(&world).is_empty(), "half of it was imported");
    let json = world.run(&format!("import {file} --json")).fails(2).json();
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.iter().filter(|entry| entry["action"] == "refuse").count(), 3, "{json}");
    assert_eq!(json["commit"], Value::Null);
    world.run(&format!("import {file} --fix-names --exclude none --index-lists")).ok();
    assert_eq!(secrets(&world), ["a-b/c-d", "list/0", "ok"]);
    world
        .call(["import", &file, "--rename", "a b/c/d=x/y", "--exclude", "list", "--exclude", "none", "--prefix", "p"])
        .run()
        .ok();
    assert_eq!(world.get("x/y"), b"2");
    world.run(&format!("import {file} --exclude nome --prefix q")).fails(3).says("did you mean \"none\"");
}

#[test]
fn a_name_that_differs_only_in_case_stops_the_dry_run_too() {
    let world = World::vault();
    world.set("app/Key", "v");
    let file = write(&world, "x.env", "A=1\nKEY=2\n");
    for flag in ["", "--dry-run"] {
        world.run(&format!("import {file} --prefix app {flag}")).fails(7).says("differs only in case");
    }
    assert_eq!(secrets(&world), ["app/Key"]);
}

#[test]
fn a_value_that_is_too_large_stops_all_of_it() {
    let world = World::vault();
    let file = write(&world, "x.env", format!("A=1\nB={}\n", "x".repeat(2 << 20)));
    world.run(&format!("import {file}")).fails(2).says("2097152 bytes; this vault takes 1048576");
    assert!(secrets(&world).is_empty());
}

#[test]
fn what_is_no_source_is_refused_without_a_value() {
    let world = World::vault();
    let broken = write(&world, "x.yaml", "a: hunter2\nb: [hunter2\n");
    world.run(&format!("import {broken}")).fails(2).says("x.yaml, line ").keeps_silent_about("hunter2");
    let nameless = write(&world, "values", "A=hunter2\n");
    world.run(&format!("import {nameless}")).fails(2).says("does not say what it is");
    world.run(&format!("import {nameless} --from dotenv --prefix a")).ok();
    world.pipe("b: !!str 1.10\n", "import - --from yaml --prefix p").ok();
    assert_eq!(world.get("p/b"), b"1.10");
    world.run("import -").fails(2);
    world.run("import nowhere.env").fails(1).says("nowhere.env");
    world
        .run(&format!("import {nameless} --from dotenv --key {}", {
            world.run("add-agent ci").ok();
            world.key("ci")
        }))
        .fails(4);
}

#[test]
fn sops_files_are_opened_with_the_keys_that_sops_would_use() {
    let world = World::vault();
    let (plain, key) = (golden("plain.yaml"), golden("owner.test-key"));
    let line = format!("import {} --prefix app --exclude db/nothing --index-lists", plain.display());
    world.run(&line).fails(6).says("SOPS_AGE_KEY_FILE");
    world.line(&line).env("SOPS_AGE_KEY_FILE", &key).run().ok().says("imported 17 secrets");
    assert_eq!(world.get("app/db/password"), b"sekrit: 1\nline two\n");
    let text = std::fs::read_to_string(&plain).unwrap();
    let altered = write(&world, "altered.yaml", text.replace("in the clear", "in the clean"));
    let refused =
        world.run(&format!("import {altered} --identity {} --prefix b --index-lists", key.display())).fails(1);
    refused.says("it was altered");
    for (name, secret, value) in
        [("plain.env", "PASSWORD", "sekrit $x \"y\""), ("binary.json", "data", "\x01binary é\nsekrit\n\n")]
    {
        let file = golden(name);
        world
            .line(&format!("import {} --prefix {name}x", file.display()))
            .env("SOPS_AGE_KEY", std::fs::read(&key).map(|key| String::from_utf8(key).unwrap()).unwrap())
            .run()
            .ok();
        assert_eq!(world.get(&format!("{name}x/{secret}")), value.as_bytes());
    }
}

#[test]
fn a_store_of_passage_is_opened_with_its_identities() {
    let world = World::vault();
    world.sh("mkdir -p ~/.passage/store/mail ~/.passage/store/.git ~/.passage/store/empty
        age-keygen -o ~/.passage/identities 2>/dev/null
        age-keygen -y ~/.passage/identities > ~/.passage/store/.age-recipients
        seal() { age -R ~/.passage/store/.age-recipients \"$@\"; }
        printf 'one\\nuser: me\\n' | seal > ~/.passage/store/mail/work.age
        printf '\\000\\377' | seal -a > ~/.passage/store/raw.age
        printf x > ~/.passage/store/.git/config.age; printf x > ~/.passage/store/notes.txt
        ln -s /etc/passwd ~/.passage/store/link.age");
    world.run("import --from passage").fails(2).says("refuse     link: it is a link");
    world.run("import --from passage --exclude link --prefix me").ok().says("imported 2 secrets");
    assert_eq!(world.get("me/mail/work"), b"one\nuser: me\n");
    assert_eq!(world.get("me/raw"), b"\0\xff");
    assert_eq!(world.git("log -1 --format=%s"), "agent-vault: import 2 secrets from passage");
    let store = world.home.join(".passage/store").display().to_string();
    world.run(&format!("import {store} --exclude link --exclude raw --prefix first --first-line")).ok();
    assert_eq!(world.get("first/mail/work"), b"one");
    world.sh("age-keygen -o other.txt 2>/dev/null");
    world.run(&format!("import {store} --exclude link --prefix other --identity other.txt")).fails(4);
    world.sh("printf 'age-encryption.org/v1\\ngarbage' > ~/.passage/store/broken.age");
    world.run(&format!("import {store} --exclude link --prefix broken")).fails(1).says("broken.age");
    assert!(secrets(&world).iter().all(|name| !name.starts_with("broken")), "half of it was imported");
}

#[test]
fn a_store_of_pass_is_opened_by_the_users_own_gpg() {
    let world = World::vault();
    // Sockets have short names only: the agent's lie below HOME, where that is short enough.
    world.sh(
        "mkdir -m 700 ~/.gnupg
        gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <test@example.org>' default default never 2>/dev/null
        pass init test@example.org >/dev/null
        printf 'one\\nuser: me\\n' | pass insert -m mail/work >/dev/null
        printf '\\000\\377' | gpg --quiet --encrypt -r test@example.org > ~/.password-store/raw.gpg
        ln -s /etc/passwd ~/.password-store/link.gpg",
    );
    world.run("import --from pass --dry-run").fails(2).says("refuse     link: it is a link");
    world.run("import --from pass --exclude link --prefix me").ok().says("imported 2 secrets");
    assert_eq!(world.get("me/mail/work"), b"one\nuser: me\n");
    assert_eq!(world.get("me/raw"), b"\0\xff");
    world.sh("printf garbage > ~/.password-store/broken.gpg");
    let broken = world.run("import --from pass --exclude link --prefix broken").fails(2);
    broken.says("gpg did not decrypt").says("broken.gpg");
    world.sh("gpgconf --kill all");
    assert_eq!(secrets(&world), ["me/mail/work", "me/raw"]);
}
