//! The MCP server with a model that means harm: what it asks for. `mcp_frames.rs` has what a client sends and does.
#![cfg(unix)]

mod support;
mod support_mcp;

use agent_vault_test_remotes::executable;
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{VALUE, World};
use support_mcp::{Server, command, program};

#[test]
fn nothing_that_is_sent_widens_what_the_user_allowed() {
    let world = World::story();
    for name in ["stripe/other", "db/password", "stripex/key"] {
        world.set(name, "not-for-the-model");
    }
    let mut server = Server::begun(command(&world, &["--allow", "stripe/api-*", "--exec-allow", "printenv"]));
    assert_eq!(server.tool("get", json!({"secret": "stripe/api-key"})).ok().text(), VALUE);
    for name in ["stripe/other", "db/password", "stripex/key"] {
        server.tool("get", json!({"secret": name})).fails("withheld").keeps_silent_about("not-for-the-model");
        for reference in
            [name.to_owned(), format!("av://{name}"), format!("av://./{name}"), format!("x${{av://{name}}}")]
        {
            let wish = json!({"command": "printenv", "env": {"A": reference}});
            server.tool("exec", wish).fails("withheld").keeps_silent_about("not-for-the-model");
            if reference.contains("av://") {
                let wish = json!({"command": "printenv", "args": [reference]});
                server.tool("exec", wish).fails("withheld").keeps_silent_about("not-for-the-model");
            }
        }
    }
    let listed = server.tool("list", json!({})).ok();
    assert!(!listed.0.to_string().contains("db/") && !listed.0.to_string().contains("other"), "{}", listed.0);
    let who = server.tool("whoami", json!({})).ok();
    assert_eq!(who.parts()["readable"], json!(["stripe/api-key"]));
    for name in [
        "../stripe/api-key",
        "stripe/../db/password",
        "/stripe/api-key",
        "stripe/api-key/",
        "stripe//api-key",
        "stripe/api-key\n",
        "stripe/api-key\0",
        "STRIPE/API-KEY\u{202e}",
        "stripe/api-key.enc",
        "",
        "*",
        "stripe/*",
        "\u{ff0e}\u{ff0e}/x",
        "av://stripe/api-key",
    ] {
        let answer = server.tool("get", json!({"secret": name}));
        assert_eq!(answer.0["isError"], json!(true), "{name:?}");
        assert!(!answer.0.to_string().contains(VALUE), "{name:?}");
    }
    for wrong in [
        json!({}),
        json!({"secret": 7}),
        json!({"secret": ["stripe/api-key"]}),
        json!({"secret": null}),
        json!({"secret": "stripe/api-key", "allow": "*"}),
        json!({"secret": "stripe/api-key", "key": "owner.key"}),
    ] {
        server.tool("get", wrong).fails("usage");
    }
}

#[test]
fn a_tool_that_is_off_does_nothing_and_one_that_is_not_there_is_an_error() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--tools", "list"]);
    let told = server.tool("get", json!({"secret": "stripe/api-key"})).fails("usage").keeps_silent_about(VALUE);
    assert!(told.text().contains("--tools"), "{}", told.text());
    server.tool("exec", json!({"command": "printenv"})).fails("usage");
    let tools = server.call("tools/list", json!({}));
    assert_eq!(tools["result"]["tools"].as_array().expect("tools").len(), 1);
    for name in ["get", "agent_vault_set", "agent_vault_get ", "", "AGENT_VAULT_GET"] {
        let answer = server.call("tools/call", json!({"name": name, "arguments": {"secret": "stripe/api-key"}}));
        assert!(!answer["error"].is_null() && !answer.to_string().contains(VALUE), "{answer}");
    }
    // Where the model may not list, nothing else lists.
    let mut server = Server::of_agent(&world, &["--tools", "whoami"]);
    assert!(!server.tool("whoami", json!({})).ok().0.to_string().contains("stripe/api-key"));
    assert_eq!(server.call("resources/list", json!({}))["result"]["resources"], json!([]));
}

#[test]
fn a_use_only_value_is_never_returned_and_goes_only_to_its_program() {
    let world = World::story();
    let path = std::env::var_os("PATH").expect("PATH");
    let mut wc = std::env::split_paths(&path).map(|dir| dir.join("wc"));
    let wc: PathBuf = wc.find(|file| file.is_file()).expect("wc").canonicalize().expect("its path");
    world.line("set stripe/api-key --use-only --programs").arg(&wc).run().ok();
    let wc = wc.display().to_string();
    let words = ["--exec-allow", "wc", "--exec-allow", "printenv", "--exec-allow", "sh"];
    for mut server in [Server::of_agent(&world, &words), Server::begun(command(&world, &words))] {
        server.tool("get", json!({"secret": "stripe/api-key"})).fails("withheld").keeps_silent_about(VALUE);
        assert!(server.tool("list", json!({})).ok().text().ends_with("use-only"));
        for (program, args) in [("printenv", json!([])), ("sh", json!(["-c", "echo $TOKEN | rev"]))] {
            let wish = json!({"command": program, "args": args, "env": {"TOKEN": "stripe/api-key"}});
            server
                .tool("exec", wish)
                .fails("withheld")
                .keeps_silent_about(VALUE)
                .keeps_silent_about(&VALUE.chars().rev().collect::<String>());
        }
        for program in ["wc", wc.as_str()] {
            let wish =
                json!({"command": program, "args": ["-c", "/proc/self/environ"], "env": {"TOKEN": "stripe/api-key"}});
            let done = server.tool("exec", wish).ok().keeps_silent_about(VALUE);
            assert_eq!(done.parts()["exit_code"], json!(0), "{}", done.text());
        }
        let wish = json!({"command": "wc", "args": ["av://stripe/api-key"]});
        server.tool("exec", wish).fails("usage").keeps_silent_about(VALUE);
    }
}

#[test]
fn only_the_programs_that_were_found_at_the_start_run_and_nothing_is_loaded_into_them() {
    let world = World::story();
    let folder = world.tmp("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    executable(&folder.join("tool"), "#!/bin/sh\necho the real one\n");
    let path =
        std::env::join_paths([folder.clone(), PathBuf::from("/usr/bin"), PathBuf::from("/bin")]).expect("a path");
    let mut start = command(&world, &["--exec-allow", "tool"]);
    start.env("PATH", &path);
    let mut server = Server::begun(start);
    assert!(server.tool("exec", json!({"command": "tool"})).ok().text().contains("the real one"));
    let planted = world.repo.join("tool");
    executable(&planted, "#!/bin/sh\necho planted\n");
    for other in
        ["./tool", "sh", "/bin/sh", "tool\0", "tool --x", "../repo/tool", "", planted.to_str().expect("text"), "tool\n"]
    {
        server.tool("exec", json!({"command": other})).fails("usage").keeps_silent_about("planted");
    }
    for name in
        ["LD_PRELOAD", "PATH", "BASH_ENV", "GIT_SSH_COMMAND", "AGENT_VAULT_KEY", "PYTHONPATH", "A=B", "", "a b", "x\0"]
    {
        server
            .tool("exec", json!({"command": "tool", "env": {name: "stripe/api-key"}}))
            .fails("usage")
            .keeps_silent_about(VALUE);
    }
    for args in [json!(["a\0b"]), json!("x"), json!([7]), json!({"0": "x"})] {
        server.tool("exec", json!({"command": "tool", "args": args})).fails("usage");
    }
    server.tool("exec", json!({"command": "tool", "shell": true})).fails("usage");
    server.tool("exec", json!({"command": "tool", "env": {"A": "av://@elsewhere/x/y"}})).fails("usage");
}

#[test]
fn the_key_reaches_no_program() {
    let world = World::story();
    let mut start = command(&world, &["--exec-allow", "sh"]);
    let key = std::fs::read_to_string(world.key("ci")).expect("a key");
    start.env("AGENT_VAULT_KEY", key.trim()).env("AGENT_VAULT_OWNER", "").env("INHERITED", "yes");
    let mut server = Server::begun(start);
    let script =
        "env; for fd in /proc/self/fd/*; do readlink $fd; done; cat /proc/self/cmdline; cat; echo end of input";
    let done =
        server.tool("exec", json!({"command": "sh", "args": ["-c", script], "env": {"TOKEN": "stripe/api-key"}})).ok();
    let output = done.parts()["output"].as_str().expect("output");
    assert!(
        output.contains("INHERITED=yes") && output.contains("TOKEN=***") && output.contains("end of input"),
        "{output}"
    );
    assert!(!output.contains("AGENT_VAULT_") && !output.contains("AGE-SECRET-KEY"), "{output}");
    // Its own pipes, /dev/null, and what the shell itself opened to look.
    assert!(!output.contains(".agent-vault/") && !output.contains(".jsonl") && !output.contains(".git/"), "{output}");
}

#[test]
fn every_call_stands_in_the_log_with_what_the_client_calls_itself() {
    let world = World::story();
    let mut server = Server::started(command(&world, &["--key", &world.key("ci"), "--exec-allow", "true"]));
    let evil = format!("evil\u{1b}[2J\u{202e}{}", "x".repeat(100_000));
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": evil, "version": "1"}});
    server.call("initialize", hello);
    server.tool("get", json!({"secret": "stripe/api-key"})).ok();
    server.tool("list", json!({})).ok();
    server.tool("whoami", json!({})).ok();
    server.tool("check", json!({})).ok();
    server.tool("exec", json!({"command": "true", "env": {"A": "stripe/api-key"}})).ok();
    server.tool("exec", json!({"command": "false"})).fails("usage");
    server.end();
    let mut server = Server::of_agent(&world, &["--allow", "other/*"]);
    server.tool("get", json!({"secret": "stripe/api-key"})).fails("withheld");
    server.end();
    let records = world.run("audit --json").ok().json();
    let of_clients: Vec<(String, String, String)> = records
        .as_array()
        .expect("records")
        .iter()
        .filter(|record| record["client"].is_string())
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
            assert!(text("client").chars().count() < 150 && !text("client").contains('\u{1b}'), "{record}");
            (text("operation"), text("outcome"), text("client").chars().take(4).collect())
        })
        .collect();
    let expected = [
        ("get", "ok", "evil"),
        ("list", "ok", "evil"),
        ("whoami", "ok", "evil"),
        ("check", "ok", "evil"),
        ("run", "ok", "evil"),
        ("exec", "ok", "evil"),
        ("exec", "usage", "evil"),
        ("get", "not-authorized", "test"),
    ];
    let expected: Vec<_> = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).into();
    assert_eq!(of_clients, expected);
    world.run("audit").ok().shows("for \"test-client 1.5\"");
    world.run("audit verify").ok();
}

#[test]
fn an_error_never_tells_a_value_or_a_key() {
    let world = World::story();
    let key = std::fs::read_to_string(world.owner_key()).expect("a key");
    let secret = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).expect("a key").to_owned();
    let mut server = Server::begun(command(&world, &["--exec-allow", "printenv"]));
    for (tool, arguments) in [
        ("get", json!({"secret": secret})),
        ("get", json!({"secret": 1, "x": secret})),
        ("list", json!({"group": secret})),
        ("exec", json!({"command": secret})),
        ("exec", json!({"command": "printenv", "env": {secret.as_str(): "stripe/api-key"}})),
        ("exec", json!({"command": "printenv", "env": {"A": secret}})),
        ("exec", json!({"command": "printenv", "args": [format!("av://{secret}")]})),
        ("exec", json!({"command": "printenv", "timeout": secret})),
    ] {
        let answer = server.tool(tool, arguments.clone());
        assert_eq!(answer.0["isError"], json!(true), "{arguments}");
        answer.keeps_silent_about(&secret[20..]);
    }
    let (_, err) = server.end();
    assert!(!err.contains(&secret[20..]), "{err}");
    let audit = world.run("audit --json").ok();
    assert!(!audit.out().contains(&secret[20..]), "{audit}");
}

#[test]
fn what_is_wrong_with_the_vault_is_told_whichever_secrets_are_allowed() {
    let world = World::story();
    world.set("db/password", "not-for-the-model");
    let mut server = Server::of_agent(&world, &["--allow", "stripe/*"]);
    assert_eq!(server.tool("check", json!({})).ok().parts()["ok"], json!(true));
    let text = world.text("manifest.yaml").replace("stripe", "strype");
    world.plant("manifest.yaml", text);
    let told = server.tool("check", json!({})).ok();
    assert!(told.parts()["ok"] == json!(false) && told.text().contains("[tampered]"), "{}", told.text());
    // What is wrong with a secret that the model may not hear of counts, and is not named.
    let world = World::story();
    world.set("db/password", "not-for-the-model");
    world.plant("secrets/db/password.enc", b"broken");
    let mut server = Server::of_agent(&world, &["--allow", "stripe/*"]);
    let told = server.tool("check", json!({})).ok().keeps_silent_about("db/password");
    assert_eq!(told.parts()["ok"], json!(false), "{}", told.text());
    assert!(told.text().contains("that this server does not serve"), "{}", told.text());
}

#[test]
fn the_key_is_masked_in_what_a_program_prints_and_the_server_s_memory_is_closed() {
    let world = World::story();
    let key = std::fs::read_to_string(world.key("ci")).expect("a key");
    let line = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).expect("a key").to_owned();
    let wish = json!({"command": "cat", "args": [world.key("ci")]});
    let mut server = Server::of_agent(&world, &["--exec-allow", "cat"]);
    let done = server.tool("exec", wish.clone()).ok().keeps_silent_about(&line[16..]);
    assert!(done.text().contains("***"), "{}", done.text());
    let mut start = command(&world, &["--exec-allow", "cat"]);
    start.env("AGENT_VAULT_KEY", &line);
    Server::begun(start).tool("exec", wish).ok().keeps_silent_about(&line[16..]);
    // Asked of the kernel before anything else: whoever runs this test may be root, who reads all memory.
    let trace = world.tmp("trace");
    let mut strace = Command::new("strace");
    world.surround(&mut strace, &world.home);
    strace.args(["-e", "trace=prctl", "-o"]).arg(&trace).arg(program()).stdin(Stdio::null());
    assert!(strace.status().expect("strace runs").success());
    let calls = std::fs::read_to_string(&trace).expect("a trace");
    assert!(calls.contains("PR_SET_DUMPABLE, SUID_DUMP_DISABLE"), "{calls}");
}

#[test]
fn refused_calls_stand_in_the_log_too() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--tools", "get"]);
    server.tool("list", json!({})).fails("usage");
    server.tool("get", json!({"secret": "../x"})).fails("invalid-name");
    server.tool("get", json!({"wrong": 1})).fails("usage");
    server.end();
    let records = world.run("audit --json").ok().json();
    let refused: Vec<(&str, &str)> = records
        .as_array()
        .expect("records")
        .iter()
        .filter(|record| record["client"].is_string())
        .map(|record| (record["operation"].as_str().expect("text"), record["outcome"].as_str().expect("text")))
        .collect();
    assert_eq!(refused, [("list", "usage"), ("get", "usage"), ("get", "usage")]);
}
