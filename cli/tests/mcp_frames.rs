//! The MCP server with a client that means harm, or is broken: what it sends, how much of it, and how it ends.
#![cfg(unix)]

mod support;
mod support_mcp;

use serde_json::json;
use std::process::Stdio;
use support::{VALUE, World};
use support_mcp::{Server, command};

/// The most memory that the server may ever have had, in KiB.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn frames_that_are_none_and_calls_without_an_id_change_nothing() {
    let world = World::story();
    let mut server = Server::started(command(&world, &["--key", &world.key("ci")]));
    let garbage: [&[u8]; 14] = [
        b"", b"{", b"}", b"null", b"7", b"\"x\"", b"\xff\xfe\x00", b"Content-Length: 12", b"{\"jsonrpc\":\"2.0\"}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"agent_vault_get\",\"arguments\":{\"secret\":\"stripe/api-key\"}}}",
        b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", b"{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":99}",
        b"{\"jsonrpc\":\"1.0\",\"method\":\"x\"}", b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}",
    ];
    let throw = |server: &mut Server| {
        for line in garbage {
            assert!(server.write(&[line, b"\n"].concat()), "the server is gone");
        }
        let deep = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{}1{}}}\n",
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        assert!(server.write(deep.as_bytes()));
    };
    let settle = |server: &mut Server| {
        let id = server.ask("ping", json!({}));
        // What was answered to garbage names no request of ours, and holds no value.
        loop {
            let heard = server.hear();
            assert!(!heard.to_string().contains(VALUE), "{heard}");
            if heard["id"] == json!(id) {
                return;
            }
            assert!(!heard["error"].is_null(), "{heard}");
        }
    };
    throw(&mut server);
    settle(&mut server);
    // A call before the beginning is refused.
    let early =
        server.call("tools/call", json!({"name": "agent_vault_get", "arguments": {"secret": "stripe/api-key"}}));
    assert!(!early["error"].is_null() && !early.to_string().contains(VALUE), "{early}");
    server.begin();
    throw(&mut server);
    settle(&mut server);
    assert_eq!(server.tool("get", json!({"secret": "stripe/api-key"})).ok().text(), VALUE);
    let batch = json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]);
    server.send(&batch);
    assert!(!server.hear()["error"].is_null());
    assert!(server.end().0.success());
}

#[test]
fn an_argument_of_100_mb_is_answered_and_never_held() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &[]);
    server.tool("get", json!({"secret": "stripe/api-key"})).ok();
    let before = peak(&server);
    let megabyte = "x".repeat(1 << 20);
    for (head, tail) in [
        (
            "{\"jsonrpc\":\"2.0\",\"id\":\"large\",\"method\":\"tools/call\",\"params\":{\"name\":\"agent_vault_get\",\"arguments\":{\"secret\":\"",
            "\"}}}\n",
        ),
        (
            "{\"method\":\"tools/call\",\"params\":{\"name\":\"agent_vault_get\",\"arguments\":{\"secret\":\"",
            "\"}},\"jsonrpc\":\"2.0\",\"id\":\"large\"}\n",
        ),
    ] {
        assert!(server.write(head.as_bytes()));
        for _ in 0..100 {
            assert!(server.write(megabyte.as_bytes()), "the server is gone");
        }
        assert!(server.write(tail.as_bytes()));
        let answer = server.hear();
        assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&json!("large"), Some(-32600)), "{answer}");
        assert!(answer["error"]["message"].as_str().expect("a message").contains("are the most"));
    }
    let after = peak(&server);
    assert!(after < before + (24 << 10), "{before} KiB, then {after} KiB");
    // One that fits is judged by its name.
    let name = "a".repeat(3 << 20);
    let told = server.tool("get", json!({"secret": name})).fails("invalid-name");
    assert!(told.text().len() < 10_000, "{} bytes", told.text().len());
}

#[test]
fn a_flood_of_calls_is_answered_call_by_call_in_bounded_memory() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &[]);
    server.tool("get", json!({"secret": "stripe/api-key"})).ok();
    let before = peak(&server);
    let call = |id: usize| {
        json!({"jsonrpc": "2.0", "id": format!("f{id}"), "method": "tools/call",
            "params": {"name": "agent_vault_get", "arguments": {"secret": "stripe/api-key"}}})
    };
    let mut answered = std::collections::BTreeSet::new();
    for round in 0..20 {
        // More at once than the server works on at once.
        let lines: String = (0..200).map(|at| format!("{}\n", call(round * 200 + at))).collect();
        assert!(server.write(lines.as_bytes()));
        for _ in 0..200 {
            let answer = server.hear();
            assert_eq!(answer["result"]["content"][0]["text"], json!(VALUE), "{answer}");
            assert!(answered.insert(answer["id"].to_string()), "answered twice: {answer}");
        }
    }
    assert_eq!(answered.len(), 4_000);
    let after = peak(&server);
    assert!(after < before + (32 << 10), "{before} KiB, then {after} KiB");
    // One id again and again is somebody's mistake, and nobody else's trouble.
    for _ in 0..300 {
        server.send(&json!({"jsonrpc": "2.0", "id": 7_000_000, "method": "ping"}));
    }
    let id = server.ask("ping", json!({}));
    while server.hear()["id"] != json!(id) {}
}

#[test]
fn a_client_that_dies_takes_the_server_and_its_programs_along() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--exec-allow", "sh"]);
    let mark = world.tmp("mark");
    let script = format!("echo $$ > {}; exec sleep 300", mark.display());
    server
        .ask("tools/call", json!({"name": "agent_vault_exec", "arguments": {"command": "sh", "args": ["-c", script]}}));
    let pid = (0..1_000).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        std::fs::read_to_string(&mark).ok()?.trim().parse::<u32>().ok()
    });
    let pid = pid.expect("the program runs");
    let (status, _) = server.end();
    assert!(status.success(), "{status}");
    assert!(!std::path::Path::new(&format!("/proc/{pid}/fd/0")).exists(), "its program runs on");
    // Nobody reads what it says.
    let mut start = command(&world, &[]);
    start.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start.spawn().expect("it starts");
    drop(child.stdout.take());
    use std::io::Write;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
        "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    let mut stdin = child.stdin.take().expect("its input");
    let _ = stdin.write_all(format!("{hello}\n{}\n", json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn a_call_that_nobody_waits_for_any_more_ends() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--exec-allow", "sleep"]);
    let id = server
        .ask("tools/call", json!({"name": "agent_vault_exec", "arguments": {"command": "sleep", "args": ["300"]}}));
    std::thread::sleep(std::time::Duration::from_millis(300));
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    server.call("ping", json!({}));
    // All places are free again, soon.
    let is_free = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children", pid = server.pid()));
        children.unwrap_or_default().trim().is_empty()
    });
    assert!(is_free, "it sleeps on");
    assert!(server.end().0.success());
}

#[test]
fn eight_programs_run_at_once_and_no_more_and_cancelled_calls_keep_their_place_until_they_end() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--exec-allow", "sleep"]);
    let sleep = |server: &mut Server, seconds: &str| {
        let wish = json!({"name": "agent_vault_exec", "arguments": {"command": "sleep", "args": [seconds]}});
        server.ask("tools/call", wish)
    };
    let ids: Vec<u64> = (0..12).map(|_| sleep(&mut server, "2")).collect();
    let answers: Vec<serde_json::Value> = ids.iter().map(|_| server.hear()).collect();
    let refused = answers.iter().filter(|answer| answer["result"]["isError"] == json!(true)).count();
    assert_eq!(refused, 4, "{answers:?}");
    for _ in 0..200 {
        let id = sleep(&mut server, "300");
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    }
    let id = server.ask("ping", json!({}));
    while server.hear()["id"] != json!(id) {}
    server.tool("exec", json!({"command": "sleep", "args": ["0"]})).ok();
    assert!(server.end().0.success());
}
