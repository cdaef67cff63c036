//! What the integration tests share: a vault in a temporary directory, and stock programs that know nothing else.
//!
//! Everything lies below one temporary directory; the caller's HOME, keys and Git configuration are never looked at by
//! any program started here.
#![allow(dead_code)] // each test file is a program of its own and uses its part

use agent_vault_core::vault::{self, Initialised, SetOutcome, SetRequest};
use agent_vault_core::{AgentName, Context, Error, GroupName, Home, Identities, Owner, Result, SecretBytes};
use agent_vault_core::{SecretPath, Vault};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// A repository with a vault in it, its owner's home, and the owner.
pub struct Setup {
    temp: TempDir,
    /// The work tree.
    pub repo: PathBuf,
    /// The owner's home.
    pub home: Home,
    /// The owner's identities.
    pub owner: Identities,
}

impl Setup {
    /// A vault of owner `eric` in a repository of its own.
    pub fn new() -> Self {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let repo = temp.path().join("repo");
        let home = Home::new(temp.path().join("home"));
        make_repository(&repo);
        init(&repo, &home).expect("a vault");
        let owner = key_of(&home.owner_key());
        Self { temp, repo, home, owner }
    }

    /// The temporary directory, for whatever else a test needs.
    pub fn temp(&self) -> &Path {
        self.temp.path()
    }

    /// A path in the vault's folder.
    pub fn file(&self, relative: &str) -> PathBuf {
        self.repo.join(".agent-vault").join(relative)
    }

    /// The vault, opened in the owner's home.
    pub fn vault(&self) -> Vault {
        self.try_vault().expect("the vault opens")
    }

    /// The vault, opened in the owner's home, or why not.
    pub fn try_vault(&self) -> Result<Vault> {
        Vault::open(&self.repo, Context::new(self.home.clone()), Some(&self.owner))
    }

    /// Does something as the owner.
    pub fn own<T>(&self, act: impl FnOnce(&Owner<'_>) -> T) -> T {
        let vault = self.vault();
        let owner = vault.unlock(&self.owner).expect("the owner unlocks");
        act(&owner)
    }

    /// Stores a value as the owner.
    pub fn set(&self, name: &str, value: &[u8]) -> SetOutcome {
        self.own(|owner| owner.set(&path(name), new_value(value), false)).expect("set")
    }

    /// Stores a value as the owner, readable to agents beyond its group.
    pub fn set_for(&self, name: &str, value: &[u8], agents: &[&str]) -> SetOutcome {
        let agents = agents.iter().map(|name| agent(name)).collect();
        let request = SetRequest { agents: Some(agents), ..new_value(value) };
        self.own(|owner| owner.set(&path(name), request, false)).expect("set")
    }

    /// Adds an agent and keeps its key file where nothing that happens to the vault reaches it.
    pub fn add_agent(&self, name: &str) -> PathBuf {
        let made = self.own(|owner| owner.add_agent(&agent(name), None)).expect("add agent");
        let kept = self.temp().join(format!("{name}-{}.key", made.public_key.id()));
        std::fs::copy(made.file.expect("a key file"), &kept).expect("copy");
        kept
    }

    /// Grants a group, made if need be.
    pub fn grant(&self, name: &str, group: &str) {
        self.own(|owner| owner.grant(&agent(name), &self::group(group), true, false, &quiet)).expect("grant");
    }

    /// Revokes a group.
    pub fn revoke(&self, name: &str, group: &str) {
        self.own(|owner| owner.revoke(&agent(name), &self::group(group), false, &quiet)).expect("revoke");
    }

    /// Reads a value on a machine that has never seen the vault, with a key file.
    pub fn get(&self, name: &str, key: &Path) -> Result<Vec<u8>> {
        let home = tempfile::tempdir_in(self.temp()).expect("a temporary directory");
        let key = key_of(key);
        let vault = Vault::open(&self.repo, Context::new(Home::new(home.path())), Some(&key))?;
        vault.get(&path(name), &key).map(|secret| secret.value.expose().to_vec())
    }

    /// The owner's signing key, taken out of its escrow with stock age.
    pub fn signing_key(&self) -> PathBuf {
        let escrow = self.file("owners/eric/signing.key.escrow");
        let text = age_opens(&self.home.owner_key(), &escrow).expect("it opens");
        let file = self.temp().join("signing.key");
        agent_vault_core::home::replace_private(&file, &text, false).expect("a file");
        file
    }

    /// Replaces a secret's metadata by other text, properly signed with `key` by stock ssh-keygen.
    pub fn sign_metadata(&self, name: &str, key: &Path, body: &str) {
        let armored = String::from_utf8(ssh_sign(key, "agent-vault.secret", body.as_bytes())).expect("text");
        let base64: String = armored.lines().filter(|line| !line.starts_with("-----")).collect();
        let file = self.file(&format!("secrets/{name}.meta"));
        std::fs::write(file, format!("{body}signature: {base64}\n")).expect("a file");
    }

    /// The signed part of a secret's metadata.
    pub fn metadata_text(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.file(&format!("secrets/{name}.meta"))).expect("metadata");
        let (body, _) = text.rsplit_once("signature: ").expect("a signature");
        body.to_owned()
    }

    /// Commits whatever the work tree holds, as somebody who can push but has no key.
    pub fn commit_as_stranger(&self) {
        self.git(&["add", "--all", "--force", "."]);
        let who = ["-c", "user.name=Mallory", "-c", "user.email=mallory@example.com"];
        self.git(&[&who[..], &["commit", "--quiet", "--allow-empty", "--message", "Update"]].concat());
    }

    /// `exposed_to` of a secret, as text.
    pub fn exposed(&self, name: &str) -> Vec<String> {
        self.vault().metadata(&path(name)).expect("metadata").exposed_to.iter().map(ToString::to_string).collect()
    }

    /// Every ciphertext in the work tree.
    pub fn ciphertexts(&self) -> Vec<PathBuf> {
        let all = files(&self.file("secrets"));
        all.into_keys().filter(|path| path.extension() == Some(OsStr::new("enc"))).collect()
    }

    /// Git in the work tree; it must succeed. Returns its output without the last line break.
    pub fn git(&self, arguments: &[&str]) -> String {
        git_in(&self.repo, arguments)
    }

    /// The commit that is checked out.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Everything that a refused change must leave as it is: work tree, index, branches, and the owner's home.
    pub fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = files(self.temp());
        // Locks, staged files and loose objects are nobody's state; what refers to objects is compared. The log tells what
        // was tried.
        all.retain(|path, _| {
            let path = path.to_string_lossy();
            !path.contains("/audit/") && !path.contains("/.git/agent-vault/") && !path.contains("/.git/objects/")
        });
        all
    }
}

/// The agent's name.
pub fn agent(name: &str) -> AgentName {
    name.parse().expect("an agent's name")
}

/// The group's name.
pub fn group(name: &str) -> GroupName {
    name.parse().expect("a group's name")
}

/// The secret's path.
pub fn path(name: &str) -> SecretPath {
    name.parse().expect("a secret's path")
}

/// A request that only sets a value.
pub fn new_value(value: &[u8]) -> SetRequest {
    SetRequest { value: Some(SecretBytes::new(value.to_vec())), ..SetRequest::default() }
}

/// Nobody looks at the progress.
pub fn quiet(_done: usize, _of: usize) {}

/// The identities of a key file that needs no passphrase.
pub fn key_of(file: &Path) -> Identities {
    let nobody: Arc<dyn agent_vault_core::prompt::Prompt> = Arc::new(agent_vault_core::prompt::Nobody);
    Identities::from_file(file, &nobody).expect("a key file")
}

/// A new vault of owner `eric` in `repo`.
pub fn init(repo: &Path, home: &Home) -> Result<Initialised> {
    vault::init(repo, Some("eric".parse().expect("a name")), Context::new(home.clone()), &|_| {})
}

/// An empty repository in which Git knows its user, whatever the machine's own configuration says.
pub fn make_repository(repo: &Path) {
    std::fs::create_dir_all(repo).expect("a folder");
    for arguments in [
        ["init", "--quiet", "--initial-branch=main"].as_slice(),
        &["config", "user.name", "Eric"],
        &["config", "user.email", "eric@example.com"],
        &["config", "commit.gpgSign", "false"],
        &["config", "core.autocrlf", "false"],
    ] {
        git_in(repo, arguments);
    }
}

/// A program that sees PATH and nothing else of the caller's environment.
pub fn stock(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir.join("no-such-home"))
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_EDITOR", "true")
        .current_dir(dir)
        .stdin(Stdio::null());
    command
}

/// Runs a program to its end.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

/// Runs a program that must succeed; returns what it printed.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({}): {said}", output.status);
    output.stdout
}

/// Runs a program that must succeed, with something to read.
pub fn feed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("a reader"));
        child.wait_with_output().expect("an end")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({}): {said}", output.status);
    output.stdout
}

/// Git in a folder; it must succeed. Returns its output without the last line break.
pub fn git_in(dir: &Path, arguments: &[&str]) -> String {
    let text = String::from_utf8(run(stock("git", dir).args(arguments))).expect("text");
    text.trim_end_matches('\n').to_owned()
}

/// What stock age makes of a ciphertext with a key file; nothing when it does not open.
pub fn age_opens(key: &Path, ciphertext: &Path) -> Option<Vec<u8>> {
    opens(OsStr::new("age"), key, ciphertext)
}

/// What age or rage makes of a ciphertext with a key file; nothing when it does not open.
pub fn opens(program: &OsStr, key: &Path, ciphertext: &Path) -> Option<Vec<u8>> {
    let dir = ciphertext.parent().expect("a folder");
    let output = output(stock(program, dir).args(["-d", "-i"]).arg(key).arg(ciphertext));
    output.status.success().then_some(output.stdout)
}

/// A ciphertext made by stock age (or rage) for these public keys.
pub fn encrypt_with(program: &OsStr, recipients: &[String], value: &[u8]) -> Vec<u8> {
    let mut command = stock(program, &std::env::temp_dir());
    for recipient in recipients {
        command.arg("-r").arg(recipient);
    }
    feed(&mut command, value)
}

/// A ciphertext made by stock age for these public keys: what anyone can make.
pub fn age_encrypts(recipients: &[String], value: &[u8]) -> Vec<u8> {
    encrypt_with(OsStr::new("age"), recipients, value)
}

/// rage, which `cargo xtask test` provides.
pub fn rage() -> PathBuf {
    let rage = std::env::var_os("AGENT_VAULT_TEST_RAGE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let rage = rage.expect("AGENT_VAULT_TEST_RAGE must name a rage; `cargo xtask test` builds one and sets it");
    assert!(rage.is_file(), "AGENT_VAULT_TEST_RAGE names no file: {}", rage.display());
    rage
}

/// A new SSH key of a type, without passphrase. Returns the private key's file; the public one lies beside it.
pub fn ssh_key(file: &Path, kind: &str) -> PathBuf {
    let dir = file.parent().expect("a folder");
    let mut command = stock("ssh-keygen", dir);
    command.args(["-q", "-t", kind, "-N", "", "-C", "somebody@somewhere", "-f"]).arg(file);
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    run(&mut command);
    file.to_path_buf()
}

/// The two words of a public key file that say which key it is.
pub fn public_half(private: &Path) -> String {
    let text = std::fs::read_to_string(private.with_extension("pub")).expect("a public key");
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Signs with stock ssh-keygen; returns the armored signature.
pub fn ssh_sign(key: &Path, namespace: &str, message: &[u8]) -> Vec<u8> {
    let dir = key.parent().expect("a folder");
    feed(stock("ssh-keygen", dir).args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(key), message)
}

/// Every file below a folder, with its bytes; a link counts by where it points.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            let kind = path.symlink_metadata().expect("metadata").file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(&path).expect("a link");
                found.insert(path, target.into_os_string().into_encoded_bytes());
            } else if kind.is_file() {
                let bytes = std::fs::read(&path).expect("a file");
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// Copies a folder with everything in it.
pub fn copy_tree(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let target = to.join(path.strip_prefix(from).expect("below"));
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        std::fs::write(target, bytes).expect("a file");
    }
}

/// The error must be a tamper error; returns which file it names and what it says.
#[track_caller]
pub fn tampered<T>(result: Result<T>) -> (PathBuf, String) {
    match result {
        Err(Error::Tampered { file, reason }) => (file, reason),
        Err(other) => panic!("expected a tamper error, got {other:?}"),
        Ok(_) => panic!("expected a tamper error, and it was accepted"),
    }
}
