//! What every command looks like, errors first: the sessions in `tests/snapshots`, played with the real program.
//!
//! A session is a text file. Lines that begin with `#` say what it is about, `% ` runs a line of shell that must succeed
//! and is not shown, `$ ` runs one whose outcome is written below it: `| ` is standard output, `! ` standard error, and
//! `exit` the code unless it is 0. Everything else follows from these lines: `cargo xtask docs` plays the sessions and
//! writes them anew, and `git diff` shows what has changed. What a call with `--json` prints is checked against its
//! schema on the way.
#![cfg(unix)]

mod generated;
mod support;

use generated::{Schema, WRITE, commands, has_json, top};
use serde_json::Value;
use snapbox::assert::Action;
use snapbox::{Assert, Data, IntoData, Redactions};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use support::{PROGRAM, World, golden};

/// One session.
struct Session {
    file: PathBuf,
    text: String,
}

impl Session {
    fn all() -> Vec<Self> {
        let folder = top().join("cli/tests/snapshots");
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).expect("the sessions").map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        let read = |file: PathBuf| Self { text: std::fs::read_to_string(&file).expect("a session"), file };
        files.into_iter().map(read).collect()
    }

    /// The calls of our program that are shown, as words after its name.
    fn calls(&self) -> impl Iterator<Item = Vec<&str>> {
        self.text.lines().filter_map(|line| line.strip_prefix("$ ")).filter_map(words)
    }

    /// Plays it in a world of its own, and writes it anew.
    fn play(&self, schemas: &Schemas) -> String {
        let world = World::repository();
        let bin = world.root.join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        std::os::unix::fs::symlink(PROGRAM, bin.join("agent-vault")).expect("a link");
        let redactions = redactions(&world);
        let mut blocks = Vec::new();
        for line in self.text.lines() {
            if line.starts_with('#') {
                blocks.push(Block::Line(line.to_owned()));
            } else if let Some(script) = line.strip_prefix("% ") {
                let output = world.shell(script);
                let err = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}: {line}\n{err}", self.file.display());
                blocks.push(Block::Line(line.to_owned()));
            } else if let Some(script) = line.strip_prefix("$ ") {
                let output = world.shell(script);
                let (out, err) = (text(&output.stdout), text(&output.stderr));
                let code = output.status.code().unwrap_or_else(|| panic!("a signal ended it: {line}"));
                if let Some(words) = words(script) {
                    schemas.check(&words, &out, code);
                }
                let shown = format!("{}{}", prefixed("| ", &out), prefixed("! ", &err));
                let code = if code == 0 { String::new() } else { format!("exit {code}\n") };
                blocks.push(Block::Call(format!("{line}\n{}{code}", redactions.redact(&shown))));
            }
        }
        Block::join(&blocks)
    }

    /// Sees that what was played begins with something that goes wrong.
    fn begins_with_an_error(&self, played: &str) {
        let name = self.file.display();
        let first = played.split("\n$ ").nth(1).unwrap_or_else(|| panic!("{name} runs nothing"));
        let fails = first.lines().any(|line| line.starts_with("exit "));
        assert!(fails || played.contains("# No error"), "{name} begins with something that goes well");
    }
}

/// A part of a session as it is written.
enum Block {
    Line(String),
    Call(String),
}

impl Block {
    fn join(blocks: &[Self]) -> String {
        let mut out = String::new();
        let mut before = None;
        for block in blocks {
            let (text, call) = match block {
                Block::Line(text) => (format!("{text}\n"), false),
                Block::Call(text) => (text.clone(), true),
            };
            if before.is_some_and(|before| before || call) {
                out.push('\n');
            }
            out.push_str(&text);
            before = Some(call);
        }
        out
    }
}

impl World {
    /// Runs a line of shell in the repository, with our program on PATH, and the golden vault of 0.1.0 in `$GOLDEN`.
    fn shell(&self, script: &str) -> std::process::Output {
        let bin = self.root.join("bin");
        let path = std::env::var_os("PATH").expect("PATH");
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path))).expect("PATH");
        let mut command = std::process::Command::new("bash");
        command.args(["-eo", "pipefail", "-c", script]).current_dir(&self.repo);
        self.surround(&mut command, &self.home);
        command
            .env("PATH", path)
            .env("GOLDEN", golden())
            .stdin(std::process::Stdio::null())
            .output()
            .expect("bash runs")
    }
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).expect("text").to_owned()
}

fn prefixed(prefix: &str, text: &str) -> String {
    let mut out: String = text.lines().map(|line| format!("{prefix}{line}").trim_end().to_owned() + "\n").collect();
    if !text.is_empty() && !text.ends_with('\n') {
        out.push_str("  (without an end of line)\n");
    }
    out
}

/// The words after the last `agent-vault` of a line.
fn words(line: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().rposition(|word| *word == "agent-vault")?;
    Some(words[at + 1..].to_vec())
}

/// What differs from run to run. Those that stand in columns are as wide as what they stand for.
fn redactions(world: &World) -> Redactions {
    let mut redactions = Redactions::new();
    let mut insert = |placeholder, pattern: &str| {
        redactions.insert(placeholder, regex::Regex::new(pattern).expect("a pattern")).expect("a placeholder");
    };
    insert("[MOMENT]", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z");
    insert("[CLOCK_PID]", r"/(?<redacted>\d{6}-\d+)-(?:[0-9a-f]{16}|\[KEY_ID)");
    insert("[PID]", r#""(?:pid|parent)": (?<redacted>\d+)"#);
    insert("[PROGRAM]", r#"program": "(?<redacted>[^"]*)""#);
    insert("[TIME]", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ");
    insert("[DATE____]", r"(?<redacted>20\d\d-\d\d-\d\d)(?:[^T\d ]| \D|$)");
    insert("[DATE_AND_TIME_]", r"20\d\d-\d\d-\d\d \d\d:\d\d");
    insert("[FINGERPRINT]", r"SHA256:(?<redacted>[A-Za-z0-9+/]{43})");
    insert("[AGE_RECIPIENT]", r"age1[a-z0-9]{58}");
    insert("[SSH_KEY]", r"ssh-ed25519 (?<redacted>[A-Za-z0-9+/]{68})");
    insert("[DIGEST]", r"sha256:(?<redacted>[0-9a-f]{64})");
    insert("[VAULT]", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
    insert("[COMMIT]", r"(?:^|[^0-9a-f])(?<redacted>[0-9a-f]{40})(?:[^0-9a-f]|$)");
    insert("[COMMIT____]", r"(?:^|[^0-9a-f-])(?<redacted>[0-9a-f]{12})(?:[^0-9a-f]|$)");
    insert("[KEY_ID________]", r"(?:^|[^0-9a-f])(?<redacted>[0-9a-f]{16})(?:[^0-9a-f]|$)");
    insert("[KEY__ID]", r"-(?<redacted>[0-9a-f]{8})\.key");
    redactions.insert("[WORLD]", world.root.display().to_string()).expect("a placeholder");
    redactions
}

/// The schemas, by command.
struct Schemas(Vec<Schema>);

impl Schemas {
    /// The command of a call that asks for JSON.
    fn json_command(words: &[&str]) -> Option<String> {
        if !words.contains(&"--json") {
            return None;
        }
        let of = |(path, command): (String, clap::Command)| {
            let fits = path.split(' ').eq(words.iter().copied().take(path.split(' ').count()));
            (fits && has_json(&command)).then_some(path)
        };
        // `audit verify` is both `audit` and more.
        commands().into_iter().filter_map(of).max_by_key(String::len)
    }

    /// Checks what a call printed, if it was asked for JSON and came to print it.
    fn check(&self, words: &[&str], out: &str, code: i32) {
        let Some(command) = Self::json_command(words).filter(|_| !out.is_empty()) else { return };
        let schema = self.0.iter().find(|schema| schema.commands().contains(&command.as_str())).expect("its schema");
        let validator = jsonschema::validator_for(&schema.schema).expect("a schema");
        let value: Value =
            serde_json::from_str(out).unwrap_or_else(|error| panic!("{words:?} ({code}): {error}\n{out}"));
        let wrong: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "`{command} --json` is not what docs/schemas/{} says: {wrong:#?}", schema.file);
        // A field that the schema does not name would be noticed wherever it came.
        for altered in with_a_surprise(&value) {
            assert!(!validator.is_valid(&altered), "docs/schemas/{} takes any field: {altered}", schema.file);
        }
    }
}

/// The value with one more field, once for each object in it.
fn with_a_surprise(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(fields) => {
            let mut more = fields.clone();
            more.insert("surprise".into(), Value::Null);
            all.push(Value::Object(more));
            for (name, field) in fields {
                for altered in with_a_surprise(field) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), altered);
                    all.push(Value::Object(fields));
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for altered in with_a_surprise(item) {
                    let mut items = items.clone();
                    items[at] = altered;
                    all.push(Value::Array(items));
                }
            }
        }
        _ => {}
    }
    all
}

/// Held while the sessions are read, and written anew.
static FILES: Mutex<()> = Mutex::new(());

#[test]
fn every_session_looks_as_it_is_written_and_begins_with_an_error() {
    let _files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let schemas = Schemas(Schema::all());
    let write = std::env::var_os(WRITE).is_some_and(|value| !value.is_empty());
    let assert = Assert::new().action(if write { Action::Overwrite } else { Action::Verify });
    let mut differs = Vec::new();
    for session in Session::all() {
        let played = session.play(&schemas);
        session.begins_with_an_error(&played);
        let written = Data::read_from(&session.file, None).raw();
        if let Err(difference) = assert.try_eq(None, played.into_data().raw(), written) {
            differs.push(difference.to_string());
        }
    }
    assert!(
        differs.is_empty(),
        "{}\nIf that is how it should look, run `cargo xtask docs` and commit what it writes.",
        differs.join("\n")
    );
}

#[test]
fn every_command_is_in_a_session_and_every_json_is_seen() {
    let _files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let sessions = Session::all();
    let calls: Vec<Vec<&str>> = sessions.iter().flat_map(Session::calls).collect();
    for (path, command) in commands() {
        let names: Vec<&str> = path.split(' ').collect();
        let of: Vec<_> = calls.iter().filter(|words| words.starts_with(&names)).collect();
        assert!(!of.is_empty(), "no session in cli/tests/snapshots runs `agent-vault {path}`: add a line to one");
        if has_json(&command) {
            assert!(of.iter().any(|words| words.contains(&"--json")), "no session runs `agent-vault {path} --json`");
        }
    }
}
