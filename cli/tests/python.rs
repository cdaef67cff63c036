//! The Python package, from the wheel that `cargo xtask test` builds and installs into an environment of its own.
//!
//! The tests are Python's, in `sdk-python/pytests`; each file of them is one test here. They run in a temporary folder, with a
//! temporary HOME, beside copies of the golden vaults and of the table of `core/tests/vectors`.
#![cfg(unix)]

mod support_packages;

use std::process::{Command, Stdio};
use support_packages::folders::copy_tree;
use support_packages::{named, top};

/// The Python that has the wheel.
const PYTHON: &str = "AGENT_VAULT_TEST_PYTHON";
/// The Python that has mypy and pyright.
const TOOLS: &str = "AGENT_VAULT_TEST_PYTHON_TOOLS";

/// The files, without `test_` and `.py`.
const FILES: [&str; 9] = ["concurrent", "docs", "env", "mcp", "owner", "read", "remote", "secret", "types"];

/// Runs one file of the tests; what pytest said, and whether all of it passed.
#[track_caller]
fn passes(file: &str) {
    let temp = tempfile::tempdir().expect("a folder");
    let [tests, core, home, docs, examples] =
        ["pytests", "core", "home", "docs", "examples"].map(|name| temp.path().join(name));
    copy_tree(&top().join("sdk-python/pytests"), &tests);
    copy_tree(&top().join("core/tests/vectors"), &core.join("vectors"));
    copy_tree(&top().join("core/tests/golden"), &core.join("golden"));
    copy_tree(&top().join("docs"), &docs);
    copy_tree(&top().join("examples"), &examples);
    std::fs::create_dir(&home).expect("a folder");
    let mut python = Command::new(named(PYTHON));
    python.args([
        "-P",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--strict-markers",
        "-W",
        "error::pytest.PytestWarning",
    ]);
    python
        .arg("--rootdir")
        .arg(&tests)
        .arg(tests.join(format!("test_{file}.py")))
        .arg("--basetemp")
        .arg(temp.path().join("t"));
    python.current_dir(temp.path()).stdin(Stdio::null()).env_clear();
    python.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home).env("LC_ALL", "C.UTF-8");
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("AGENT_VAULT_TEST_PROGRAM", env!("CARGO_BIN_EXE_agent-vault")).env("AGENT_VAULT_TEST_CORE", &core);
    python.env("AGENT_VAULT_TEST_DOCS", &docs).env("AGENT_VAULT_TEST_EXAMPLES", &examples).env(TOOLS, named(TOOLS));
    let output = python.output().expect("pytest runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "test_{file}.py\n{out}\n{err}");
}

#[test]
fn python_reads() {
    passes("read");
}

#[test]
fn python_agrees_with_the_table_case_by_case() {
    passes("vectors");
}

#[test]
fn python_shows_no_secret_that_is_asked_for_as_one() {
    passes("secret");
}

#[test]
fn python_makes_variables() {
    passes("env");
}

#[test]
fn python_changes_a_vault_as_its_owner() {
    passes("owner");
}

#[test]
fn python_s_threads_tasks_and_forks_share_a_vault() {
    passes("concurrent");
}

#[test]
fn python_s_package_brings_the_mcp_server() {
    passes("mcp");
}

#[test]
fn python_looks_at_the_remote() {
    passes("remote");
}

#[test]
fn python_s_types_and_docstrings_are_complete() {
    passes("types");
}

#[test]
fn the_python_in_the_documents_runs_as_it_is_written() {
    passes("docs");
}

#[test]
fn no_file_of_python_s_tests_is_left_out() {
    let entries = std::fs::read_dir(top().join("sdk-python/pytests")).expect("the tests").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut found: Vec<String> =
        names.filter_map(|name| Some(name.strip_prefix("test_")?.strip_suffix(".py")?.to_owned())).collect();
    found.sort();
    let mut known: Vec<&str> = FILES.into_iter().chain(["vectors"]).collect();
    known.sort_unstable();
    assert_eq!(found, known);
}
