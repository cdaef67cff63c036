//! What is generated from the command line's definition is what lies in the tree, and renders.
//!
//! `cargo xtask docs` writes all of it.

mod generated;

#[cfg(target_os = "linux")]
use generated::UNRELEASED;
use generated::{Schema, WRITE, cli, commands, has_json, pages, top};
use std::path::Path;

fn write() -> bool {
    std::env::var_os(WRITE).is_some_and(|value| !value.is_empty())
}

#[test]
fn docs_cli_md_says_what_the_program_says() {
    let (file, now) = (top().join("docs/cli.md"), cli());
    if write() {
        std::fs::write(&file, &now).expect("docs/cli.md");
    }
    let stored = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = now.lines().zip(stored.lines().chain(std::iter::repeat(""))).position(|(now, stored)| now != stored);
    assert!(
        now == stored,
        "docs/cli.md is not what the program says (first at line {}): run `cargo xtask docs` and commit what it writes",
        differs.map_or(now.lines().count(), |line| line) + 1
    );
}

#[test]
fn every_page_of_the_manual_is_written_without_a_warning() {
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("man");
    let dir = tempfile::tempdir().expect("a folder");
    let dir = if write() { written } else { dir.path().join("man") };
    std::fs::create_dir_all(&dir).expect("a folder");
    let pages = pages();
    assert!(pages.iter().any(|page| page.name == "agent-vault.1"));
    assert!(pages.iter().any(|page| page.name == "agent-vault-trust-show.1"));
    for page in &pages {
        std::fs::write(dir.join(&page.name), &page.roff).expect("a page");
    }
    #[cfg(target_os = "linux")]
    for page in &pages {
        let said = mandoc(&dir.join(&page.name), &["-T", "lint", "-W", "warning"]);
        // A version that is not released has no date.
        let undated = format!("cannot parse date, using it verbatim: TH {UNRELEASED}");
        let said: Vec<&str> = said.lines().filter(|line| !line.ends_with(&undated)).collect();
        assert!(said.is_empty(), "{said:?}\n{}", String::from_utf8_lossy(&page.roff));
    }
}

/// What mandoc says of a page, on either stream.
#[cfg(target_os = "linux")]
fn mandoc(page: &Path, args: &[&str]) -> String {
    let mut mandoc = std::process::Command::new("mandoc");
    let output = mandoc.args(args).arg(page).stdin(std::process::Stdio::null()).output().expect("mandoc runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[cfg(target_os = "linux")]
#[test]
fn a_page_that_is_wrong_does_not_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    let page = dir.path().join("bad.1");
    std::fs::write(&page, ".TH bad 1\n.SH NAME\nbad\n.nosuchmacro\n.RE\n").expect("a page");
    assert_ne!(mandoc(&page, &["-T", "lint", "-W", "warning"]), "");
}

#[test]
fn every_command_that_prints_json_has_one_schema_and_every_schema_a_command() {
    let schemas = Schema::all();
    let commands = commands();
    for (path, command) in commands.iter().filter(|(_, command)| has_json(command)) {
        let of = schemas.iter().filter(|schema| schema.commands().contains(&path.as_str())).count();
        assert_eq!(of, 1, "`{path} --json` ({:?}): put its schema into docs/schemas", command.get_name());
    }
    for schema in &schemas {
        for name in schema.commands() {
            let known = commands.iter().any(|(path, command)| path == name && has_json(command));
            assert!(known, "{}: no command `{name} --json`", schema.file);
        }
        jsonschema::meta::validate(&schema.schema).unwrap_or_else(|error| panic!("{}: {error}", schema.file));
        assert_eq!(schema.schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{}", schema.file);
        assert!(!schema.fields().is_empty(), "{}", schema.file);
    }
}
