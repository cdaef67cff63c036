//! The table that every face agrees on, `core/tests/vectors`, through the server: the same values, and the same codes and
//! classes of errors. What is no text has no place in MCP, and says so.

#[path = "../../open/tests/table/mod.rs"]
mod table;

use agent_vault_core::vault::SetRequest;
use agent_vault_core::{SecretBytes, Vault};
use agent_vault_open::Found;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use table::{Machine, value};

/// The answer of a server that is started for one call.
fn call(machine: &Machine, step: &Value, tool: &str, arguments: Value) -> Value {
    let mut server = Command::new(env!("CARGO_BIN_EXE_agent-vault-mcp"));
    server.arg("--repo").arg(machine.repo()).env("HOME", machine.home()).env("AGENT_VAULT_HOME", machine.home());
    server.env("AGENT_VAULT_KEY", machine.key(step)).env_remove("AGENT_VAULT_OWNER").env_remove("AGENT_VAULT_TRUST");
    server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = server.spawn().expect("the server starts");
    let client = json!({"name": "vectors", "version": "1"});
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    let asked = json!({"name": format!("agent_vault_{tool}"), "arguments": arguments});
    let lines = format!(
        "{}\n{}\n",
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": asked})
    );
    server.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("it listens");
    let answers = BufReader::new(server.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let answers = answers.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    let answer = answers.filter(|answer| answer["id"] == 2).last().expect("an answer");
    assert!(server.wait().expect("it ends").success());
    answer["result"].clone()
}

/// Stores as the owner does, outside of the server: it writes nothing.
fn store(machine: &Machine, step: &Value, path: &str) -> agent_vault_core::Result<()> {
    let opening = machine.opening(step)?;
    let identities = opening.identities()?;
    let Found::Signed(vault) = opening.any_vault(Some(&identities))? else {
        return Err(agent_vault_core::Error::UnsignedVault { vault: machine.repo() });
    };
    let vault: &Vault = &vault;
    let request = SetRequest { value: value(step).map(SecretBytes::new), ..SetRequest::default() };
    vault.unlock(&identities)?.set(&path.parse()?, request, false).map(drop)
}

fn judge(name: &str, machine: &Machine, step: &Value) -> usize {
    if let Some(path) = step["store"].as_str() {
        let stored = store(machine, step, path);
        assert_eq!(stored.is_err(), !step["fails"].is_null(), "{name}: {stored:?}");
        return 0;
    }
    let (tool, arguments) = match (step["get"].as_str(), step.get("list")) {
        (Some(path), _) => ("get", json!({"secret": path})),
        (None, Some(group)) => ("list", json!({"group": group})),
        // The server tells of no agents.
        (None, None) => return 0,
    };
    let answer = call(machine, step, tool, arguments);
    let (text, parts) = (&answer["content"][0]["text"], &answer["structuredContent"]);
    let fails = &step["fails"];
    if !fails.is_null() {
        assert_eq!(answer["isError"], json!(true), "{name}: {answer}");
        assert_eq!((&parts["code"], &parts["class"]), (&fails["code"], &fails["class"]), "{name}: {answer}");
        assert!(text.as_str().is_some_and(|text| text.contains("\nhint: ")), "{name}: {answer}");
    } else if tool == "list" {
        let names: Vec<&Value> = parts["secrets"].as_array().expect("secrets").iter().map(|row| &row["name"]).collect();
        assert_eq!(json!(names), step["names"], "{name}");
        assert_eq!(json!(parts["left_out"].as_array().expect("what is left out").len()), step["broken"], "{name}");
    } else {
        match value(step).map(String::from_utf8) {
            Some(Ok(expected)) => assert_eq!(text.as_str(), Some(&*expected), "{name}"),
            Some(Err(_)) => assert_eq!(parts["code"], "not-text", "{name}: {answer}"),
            None => assert_eq!(answer["isError"], json!(false), "{name}: {answer}"),
        }
    }
    1
}

fn run(file: &str) {
    let mut calls = 0;
    for case in &table::cases(file) {
        let name = format!("{file}: {}", case["name"]);
        let machine = Machine::new(case["vault"].as_str().expect("a vault"));
        for step in case["steps"].as_array().expect("steps") {
            if !machine.changed_by(step) {
                calls += judge(&name, &machine, step);
            }
        }
    }
    assert!(calls > 5, "{file} asks the server for hardly anything");
}

#[test]
fn the_server_refuses_the_same_names() {
    run("names.json");
}

#[test]
fn the_server_takes_the_same_keys() {
    run("keys.json");
}

#[test]
fn the_server_says_the_same_of_a_vault_that_was_tampered_with() {
    run("tampered.json");
}

#[test]
fn the_server_gives_back_the_same_text() {
    run("values.json");
}

#[test]
fn no_file_of_the_table_is_left_out() {
    assert_eq!(table::files(), ["keys.json", "names.json", "tampered.json", "values.json"]);
}
