//! The MCP server with the clients that people have: the official ones of PyPI and npm, and the Inspector.
//!
//! `cargo xtask test` installs them from lock files, and names where. Every client lists and calls every tool.
#![cfg(unix)]

mod support;
mod support_mcp;
mod support_packages;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use support::{VALUE, World};
use support_mcp::program;
use support_packages::{named, top};

/// The Python that has `mcp`.
const PYTHON: &str = "AGENT_VAULT_TEST_MCP_PYTHON";
/// The folder with npm's clients.
const CLIENTS: &str = "AGENT_VAULT_TEST_MCP_NODE";
/// Node's program, of a version that the Inspector takes.
const NODE: &str = "AGENT_VAULT_TEST_NODE";

fn script(name: &str) -> PathBuf {
    top().join("mcp/clients").join(name)
}

/// What a client says on standard output, as JSON.
#[track_caller]
fn said(world: &World, mut command: Command) -> Value {
    world.surround(&mut command, &world.home);
    command.current_dir(&world.repo);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

/// The server's words, and the calls of every tool.
fn words(world: &World) -> (Vec<String>, Value) {
    let words = ["--repo", ".", "--key", &world.key("ci"), "--exec-allow", "printenv"].map(str::to_owned);
    let calls = json!([
        ["agent_vault_get", {"secret": "stripe/api-key"}],
        ["agent_vault_get", {"secret": "stripe/nothing"}],
        ["agent_vault_list", {}],
        ["agent_vault_list", {"group": "stripe"}],
        ["agent_vault_whoami", {}],
        ["agent_vault_check", {}],
        ["agent_vault_exec", {"command": "printenv", "args": ["TOKEN"], "env": {"TOKEN": "stripe/api-key"}}],
    ]);
    (words.into(), calls)
}

#[track_caller]
fn judge(heard: &Value) {
    let tools = ["get", "list", "whoami", "check", "exec"].map(|tool| format!("agent_vault_{tool}"));
    assert_eq!((&heard["server"], &heard["tools"]), (&json!("agent-vault"), &json!(tools)), "{heard}");
    assert_eq!(heard["resources"], json!(["agent-vault://secret/stripe/api-key"]));
    assert_eq!(heard["prompts"].as_array().map(Vec::len), Some(1));
    let answers = heard["answers"].as_array().expect("answers");
    assert_eq!(answers[0], json!({"text": VALUE, "isError": false}));
    assert_eq!(answers[1]["isError"], json!(true));
    for answer in &answers[2..] {
        assert_eq!(answer["isError"], json!(false), "{answer}");
        assert!(!answer.to_string().contains(VALUE), "{answer}");
    }
    assert_eq!(answers[6]["text"], "exit code 0\n\noutput:\n***\n");
}

#[test]
fn the_official_client_for_python_lists_and_calls_every_tool() {
    let world = World::story();
    let (words, calls) = words(&world);
    let mut python = Command::new(named(PYTHON));
    python.arg("-P").arg(script("client.py")).arg(calls.to_string()).arg(program()).args(words);
    judge(&said(&world, python));
    assert!(world.run("audit --json").ok().out().contains("\"client\": \"mcp "), "the client's name is in the log");
}

#[test]
fn the_official_client_for_node_lists_and_calls_every_tool() {
    let world = World::story();
    let (words, calls) = words(&world);
    // Node looks for packages beside the script.
    let copy = world.tmp("client.mjs");
    std::fs::copy(script("client.mjs"), &copy).expect("a copy");
    std::os::unix::fs::symlink(named(CLIENTS).join("node_modules"), world.tmp("node_modules")).expect("a link");
    let mut node = Command::new(named(NODE));
    node.arg(copy).arg(calls.to_string()).arg(program()).args(words);
    judge(&said(&world, node));
    assert!(world.run("audit --json").ok().out().contains("\"client\": \"client.mjs 1.0.0\""));
}

#[test]
fn the_inspector_lists_and_calls_every_tool() {
    let world = World::story();
    let (words, calls) = words(&world);
    let bin = named(CLIENTS).join("node_modules/.bin");
    let inspect = |method: &str, more: &[String]| {
        let mut inspector = Command::new(named(NODE));
        inspector
            .arg(bin.join("mcp-inspector"))
            .arg("--cli")
            .arg(program())
            .args(&words)
            .arg("--method")
            .arg(method)
            .args(more);
        world.surround(&mut inspector, &world.home);
        // It starts other parts of itself with the `node` that it finds.
        let path = std::env::var("PATH").expect("PATH");
        let node = named(NODE);
        let beside = node.parent().expect("its folder").display();
        inspector.env("PATH", format!("{beside}:{path}")).current_dir(&world.repo);
        let output = inspector.output().expect("the Inspector runs");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    };
    let tools = inspect("tools/list", &[]);
    assert_eq!(tools["tools"].as_array().map(Vec::len), Some(5));
    assert_eq!(inspect("resources/list", &[])["resources"].as_array().map(Vec::len), Some(1));
    for call in calls.as_array().expect("calls").iter() {
        let mut more = vec!["--tool-name".to_owned(), call[0].as_str().expect("a name").to_owned()];
        for (name, value) in call[1].as_object().expect("arguments") {
            more.push("--tool-arg".into());
            more.push(format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        let answer = inspect("tools/call", &more);
        let fails = call[1]["secret"] == "stripe/nothing";
        assert_eq!(answer["isError"], json!(fails), "{call}: {answer}");
        assert_eq!(answer.to_string().contains(VALUE), call[1]["secret"] == "stripe/api-key", "{call}");
    }
}
