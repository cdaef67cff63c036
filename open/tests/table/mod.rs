//! The table's files, and the machine that a case happens on.

mod folders;

use agent_vault_core::prompt::Nobody;
use agent_vault_core::{Result, SecretBytes};
use agent_vault_open::{Key, Opening, surroundings};
use folders::copy_tree;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn core_tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("core/tests")
}

/// The files of the table.
pub fn files() -> Vec<String> {
    let entries = std::fs::read_dir(core_tests().join("vectors")).expect("the table").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    names
}

/// The cases of a file.
pub fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(core_tests().join("vectors").join(file)).expect("a file of the table");
    let table: Value = serde_json::from_str(&text).expect("JSON");
    table["cases"].as_array().expect("cases").clone()
}

/// The text of a step's key.
fn key(step: &Value) -> String {
    let key = &step["key"];
    let Some(text) = key["text"].as_str() else { return test_key("v1", key.as_str().unwrap_or("owner")) };
    let mut text = text.to_owned();
    for (vault, name, mark) in
        [("v1", "ci", "ci"), ("v1", "old", "old"), ("v1", "owner", "owner"), ("v0", "ci", "v0/ci")]
    {
        let file = test_key(vault, name);
        let last = file.trim_end().lines().last().expect("a key").to_owned();
        text = text.replace(&format!("{{{mark}}}"), &file).replace(&format!("{{{mark}!}}"), &last);
    }
    if let Some([old, new]) = key["replace"].as_array().map(Vec::as_slice) {
        text = text.replace(old.as_str().expect("text"), new.as_str().expect("text"));
    }
    match key["cut"].as_u64() {
        Some(length) => text[..usize::try_from(length).expect("a length")].to_owned(),
        None => text,
    }
}

fn test_key(vault: &str, name: &str) -> String {
    std::fs::read_to_string(core_tests().join(format!("golden/{vault}/{name}.test-key"))).expect("a test key")
}

/// A step's value.
pub fn value(step: &Value) -> Option<Vec<u8>> {
    if let Some(text) = step["text"].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    if let Some(hex) = step["hex"].as_str() {
        return Some(bytes(hex));
    }
    let length = step["repeat"]["bytes"].as_u64()?;
    let unit = bytes(step["repeat"]["hex"].as_str()?);
    Some(unit.into_iter().cycle().take(usize::try_from(length).ok()?).collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// A repository with a copy of a golden vault, and a home that knows nothing.
pub struct Machine {
    temp: tempfile::TempDir,
    golden: PathBuf,
    vault: &'static str,
}

impl Machine {
    /// A new one.
    pub fn new(vault: &str) -> Self {
        let vault = if vault == "v0" { "v0" } else { "v1" };
        let temp = tempfile::tempdir().expect("a temporary directory");
        let golden = core_tests().join("golden").join(vault).join("vault");
        let machine = Self { temp, golden, vault };
        copy_tree(&machine.golden, &machine.file(""));
        machine.git(&["init", "--quiet", "--initial-branch=main"]);
        machine.git(&["config", "user.name", "Eric"]);
        machine.git(&["config", "user.email", "eric@example.com"]);
        machine.git(&["add", "--all", "--force", "."]);
        machine.git(&["commit", "--quiet", "--message", "golden"]);
        machine
    }

    /// The repository.
    pub fn repo(&self) -> PathBuf {
        self.temp.path().join("repo")
    }

    /// The home of keys and memory.
    pub fn home(&self) -> PathBuf {
        self.temp.path().join("home")
    }

    /// The key to use for a step: of two golden vaults, keys of the other are strangers' alone.
    pub fn key(&self, step: &Value) -> String {
        if self.vault == "v0" { test_key("v0", "ci") } else { key(step) }
    }

    fn file(&self, relative: &str) -> PathBuf {
        self.repo().join(".agent-vault").join(relative)
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(self.repo()).env("HOME", self.temp.path());
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(git.status().expect("git").success(), "git {arguments:?}");
    }

    /// What opens the vault here with a key's text.
    pub fn opening(&self, step: &Value) -> Result<Opening> {
        let home = self.home();
        let look = |name: &str| (name == "AGENT_VAULT_HOME").then(|| OsString::from(&home));
        let context = surroundings::context(&look, Arc::new(Nobody), false)?;
        let text = Arc::new(SecretBytes::new(self.key(step).into_bytes()));
        let key = Key::Text { origin: "key_str", text };
        Opening::new(context, &self.repo(), key, Arc::new(drop))
    }

    /// Whether a step is something that somebody does to the files; then it is done.
    pub fn changed_by(&self, step: &Value) -> bool {
        if step["vanish"].as_bool() == Some(true) {
            std::fs::remove_dir_all(self.file("")).expect("a folder");
            return true;
        }
        let edit = &step["edit"];
        if !edit.is_object() {
            return false;
        }
        let named = |field: &str| edit[field].as_str().map(|relative| self.file(relative));
        let read = |file: &Path| std::fs::read(file).expect("a file");
        let write = |file: &Path, bytes: &[u8]| std::fs::write(file, bytes).expect("a file");
        let given = || bytes(edit["hex"].as_str().expect("hex"));
        let text = |field: &str| edit[field].as_str().expect("text");
        if let Some(file) = named("flip") {
            let mut bytes = read(&file);
            assert_eq!(edit["at"], -1);
            *bytes.last_mut().expect("a byte") ^= 1;
            write(&file, &bytes);
        } else if let Some(file) = named("append") {
            write(&file, &[read(&file), given()].concat());
        } else if let Some(file) = named("write") {
            write(&file, &given());
        } else if let Some(file) = named("copy") {
            write(&named("to").expect("a name"), &read(&file));
        } else if let Some(file) = named("replace") {
            let before = String::from_utf8(read(&file)).expect("text");
            let after = before.replace(text("old"), text("new"));
            assert_ne!(before, after, "{step} changes nothing");
            write(&file, after.as_bytes());
        } else if let Some(file) = named("remove") {
            std::fs::remove_file(file).expect("a file");
        } else if let Some(file) = named("restore") {
            write(&file, &read(&self.golden.join(text("restore"))));
        } else {
            panic!("no such edit: {step}");
        }
        true
    }
}
