//! The MCP server: what its tools do, for a client that behaves.
#![cfg(unix)]

mod support;
mod support_mcp;

use serde_json::{Value, json};
use support::{PROGRAM, VALUE, World};
use support_mcp::{Server, command};

#[test]
fn it_says_what_it_is_and_offers_the_tools_of_0_1_0_and_more() {
    let world = World::story();
    let mut server = Server::started(command(&world, &["--exec-allow", "printenv"]));
    let hello = server.begin();
    assert_eq!(hello["serverInfo"]["name"], "agent-vault");
    assert!(hello["instructions"].as_str().expect("instructions").contains("agent_vault_exec"));
    let tools = server.call("tools/list", json!({}));
    let tools = tools["result"]["tools"].as_array().expect("tools").clone();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    let all = ["get", "list", "whoami", "check", "exec"].map(|name| format!("agent_vault_{name}"));
    assert_eq!(names, all);
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["secret"]));
    assert_eq!(tools[1]["inputSchema"]["required"], json!([]));
    assert!(tools.iter().all(|tool| tool["description"].as_str().is_some_and(|about| about.len() > 20)));
    assert!(server.end().0.success());
}

#[test]
fn a_value_is_read_and_listed_as_0_1_0_did() {
    let world = World::story();
    world.set("other/key", "nothing for ci");
    let mut server = Server::of_agent(&world, &[]);
    let got = server.tool("get", json!({"secret": "stripe/api-key"})).ok();
    assert_eq!((got.text(), got.parts()), (VALUE, &Value::Null));
    server.tool("get", json!({"secret": "other/key"})).fails("not-authorized");
    server.tool("get", json!({"secret": "stripe/api-kee"})).fails("secret-not-found");
    let listed = server.tool("list", json!({})).ok().keeps_silent_about(VALUE);
    let lines: Vec<&str> = listed.text().lines().collect();
    assert!(lines[0].starts_with("other/key  group=other  agents=[]  rotated=20"), "{lines:?}");
    assert!(lines[1].starts_with("stripe/api-key  group=stripe  agents=[ci]  rotated=20"), "{lines:?}");
    assert_eq!(listed.parts()["secrets"][1]["name"], "stripe/api-key");
    let listed = server.tool("list", json!({"group": "stripe"})).ok();
    assert_eq!(listed.parts()["secrets"].as_array().expect("secrets").len(), 1);
    assert_eq!(server.tool("list", json!({"group": "nothing"})).ok().text(), "No secrets found.");
    assert_eq!(server.tool("list", json!({"group": null})).ok().parts()["more"], 0);
}

#[test]
fn values_are_text_byte_for_byte_and_what_is_no_text_says_so() {
    let world = World::story();
    for (name, value) in [("zero", "a\0b"), ("lines", "a\r\nb\n\n"), ("utf8", "größer 密 🔐"), ("empty", "")] {
        world.set(&format!("stripe/{name}"), value);
        let mut server = Server::of_agent(&world, &[]);
        assert_eq!(server.tool("get", json!({"secret": format!("stripe/{name}")})).ok().text(), value);
    }
    world.line("set stripe/binary").input([0xff, 0xfe, 0]).run().ok();
    let large = "0123456789abcdef".repeat(1 << 16);
    world.line("set stripe/large").input(&large).run().ok();
    let mut server = Server::of_agent(&world, &[]);
    server.tool("get", json!({"secret": "stripe/binary"})).fails("not-text");
    assert_eq!(server.tool("get", json!({"secret": "stripe/large"})).ok().text(), large);
}

#[test]
fn it_says_whose_key_it_has_and_what_is_wrong() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &[]);
    let who = server.tool("whoami", json!({})).ok();
    assert_eq!(who.text(), "agent ci\ncan read 1 secret\n  stripe/api-key");
    assert_eq!((&who.parts()["role"], &who.parts()["readable"]), (&json!("agent"), &json!(["stripe/api-key"])));
    world.run("revoke ci stripe").ok();
    assert_eq!(server.tool("whoami", json!({})).ok().parts()["readable"], json!([]));
    let check = server.tool("check", json!({})).ok();
    assert!(check.text().contains("stripe/api-key"), "{}", check.text());
    assert_eq!(check.parts()["ok"], json!(true));
    world.plant("secrets/stripe/api-key.enc", b"broken");
    assert_eq!(server.tool("check", json!({})).ok().parts()["ok"], json!(false));
    server.tool("get", json!({"secret": "stripe/api-key"})).fails("tampered");
}

#[test]
fn a_program_uses_a_secret_and_the_model_does_not_see_it() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--exec-allow", "sh", "--exec-allow", "printenv"]);
    let run = |server: &mut Server, script: &str| {
        server.tool("exec", json!({"command": "sh", "args": ["-c", script], "env": {"TOKEN": "stripe/api-key"}}))
    };
    let done =
        run(&mut server, "echo \"token $TOKEN.\"; echo \"bad $TOKEN\" >&2; exit 3").ok().keeps_silent_about(VALUE);
    assert_eq!(done.text(), "exit code 3\n\noutput:\ntoken ***.\n\n\nerrors:\nbad ***\n");
    assert_eq!((&done.parts()["exit_code"], &done.parts()["timed_out"]), (&json!(3), &json!(false)));
    // It is there, and in full; in base64 it is masked as well.
    assert!(run(&mut server, &format!("test \"$TOKEN\" = {VALUE}")).ok().text().starts_with("exit code 0"));
    run(&mut server, "printf %s \"$TOKEN\" | base64").ok().keeps_silent_about("c2tfbGl2ZV84ZjNhMmM5MWQ3");
    let template = json!({"URL": "https://u:${av://stripe/api-key}@h"});
    let done = server.tool("exec", json!({"command": "printenv", "args": ["URL"], "env": template})).ok();
    assert!(done.text().contains("https://u:***@h"), "{}", done.text());
    let done =
        server.tool("exec", json!({"command": "sh", "args": ["-c", "echo $1", "sh", "av://stripe/api-key"]})).ok();
    assert!(done.text().contains("everybody on the machine can see arguments"), "{}", done.text());
    assert!(done.text().contains("***"));
    let done = server.tool("exec", json!({"command": "sh", "args": ["-c", "kill -9 $$"]})).ok();
    assert_eq!((&done.parts()["signal"], &done.parts()["exit_code"]), (&json!(9), &Value::Null));
}

#[test]
fn what_a_program_prints_is_capped_and_that_is_said() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--exec-allow", "sh"]);
    let script = "yes 0123456789 | head -c 10000000; echo the end";
    let done = server.tool("exec", json!({"command": "sh", "args": ["-c", script]})).ok();
    let output = done.parts()["output"].as_str().expect("output");
    assert!(output.len() < 70_000 && output.starts_with("0123456789\n") && output.ends_with("the end\n"));
    assert!(done.text().contains("bytes of the output are left out"), "{}", &done.text()[done.text().len() - 200..]);
    assert!(done.parts()["left_out"]["output"].as_u64() > Some(9_900_000));
}

#[test]
fn a_program_has_its_time_and_all_that_it_started_ends_with_it() {
    let world = World::story();
    let mut server = Server::of_agent(&world, &["--exec-allow", "sh"]);
    let script = "trap '' TERM; sleep 300 & echo $!; wait; sleep 300";
    let done = server.tool("exec", json!({"command": "sh", "args": ["-c", script], "timeout": 1})).ok();
    assert!(done.text().starts_with("ended after 1 seconds"), "{}", done.text());
    assert_eq!(done.parts()["timed_out"], json!(true));
    let left: u32 = done.parts()["output"].as_str().expect("output").trim().parse().expect("a number");
    assert!(is_gone(left), "what it left behind runs on");
    // What goes on in the background holds nothing up.
    let done = server.tool("exec", json!({"command": "sh", "args": ["-c", "sleep 300 & echo $!"]})).ok();
    assert_eq!(done.parts()["exit_code"], json!(0));
    assert!(is_gone(done.parts()["output"].as_str().expect("output").trim().parse().expect("a number")));
    server.tool("exec", json!({"command": "sh", "timeout": 0})).fails("usage");
    server.tool("exec", json!({"command": "sh", "timeout": 601})).fails("usage");
}

fn is_gone(pid: u32) -> bool {
    // It may be dead and not yet taken off by whoever adopted it.
    (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
    })
}

#[test]
fn without_a_vault_or_a_key_it_starts_and_says_what_to_do_and_works_once_that_is_done() {
    let world = World::repository();
    let mut server = Server::begun(command(&world, &[]));
    let told = server.tool("list", json!({})).fails("vault-not-found");
    assert!(told.text().contains("agent-vault init"), "{}", told.text());
    world.run("init --owner eric").ok();
    world.set("stripe/api-key", VALUE);
    assert_eq!(server.tool("get", json!({"secret": "stripe/api-key"})).ok().text(), VALUE);
    let mut other = Server::begun({
        let mut other = command(&world, &[]);
        other.env("HOME", world.root.join("tmp"));
        other
    });
    other.tool("list", json!({})).ok();
    let told = other.tool("get", json!({"secret": "stripe/api-key"})).fails("no-key").keeps_silent_about(VALUE);
    assert!(told.text().contains("--key FILE"), "{}", told.text());
    std::fs::create_dir_all(world.root.join("tmp/.agent-vault")).expect("a folder");
    std::fs::copy(world.owner_key(), world.root.join("tmp/.agent-vault/owner.key")).expect("a key");
    assert_eq!(other.tool("get", json!({"secret": "stripe/api-key"})).ok().text(), VALUE);
}

#[test]
fn resources_are_names_and_never_values_and_a_prompt_says_how_to_go_about_it() {
    let world = World::story();
    world.line("set stripe/api-key --description billing").run().ok();
    let mut server = Server::of_agent(&world, &["--tools", "list", "--allow", "stripe/*"]);
    world.set("other/key", "x");
    let listed = server.call("resources/list", json!({}))["result"]["resources"].clone();
    assert_eq!(listed.as_array().expect("resources").len(), 1);
    assert_eq!(
        (&listed[0]["uri"], &listed[0]["description"]),
        (&json!("agent-vault://secret/stripe/api-key"), &json!("billing"))
    );
    let read = server.call("resources/read", json!({"uri": "agent-vault://secret/stripe/api-key"}));
    assert!(read["result"]["contents"][0]["text"].as_str().expect("text").contains("\"authorized_agents\""));
    assert!(!read.to_string().contains(VALUE));
    for uri in ["agent-vault://secret/other/key", "agent-vault://secret/../x", "file:///etc/passwd", ""] {
        assert!(!server.call("resources/read", json!({"uri": uri}))["error"].is_null(), "{uri}");
    }
    let prompts = server.call("prompts/list", json!({}))["result"]["prompts"].clone();
    let prompt = server.call("prompts/get", json!({"name": prompts[0]["name"]}));
    assert!(prompt["result"]["messages"][0]["content"]["text"].as_str().expect("text").contains("agent-vault run"));
}

#[test]
fn agent_vault_mcp_becomes_the_server_with_what_was_said_before() {
    let world = World::story();
    let mut command = std::process::Command::new(PROGRAM);
    world.surround(&mut command, &world.home);
    let key = world.key("ci");
    command.current_dir("/").arg("--vault").arg(&world.repo).args(["--key", &key, "mcp", "--tools", "get,whoami"]);
    let mut server = Server::begun(command);
    assert_eq!(server.tool("whoami", json!({})).ok().parts()["name"], "ci");
    assert_eq!(server.tool("get", json!({"secret": "stripe/api-key"})).ok().text(), VALUE);
    assert!(server.end().0.success());
    world.run("mcp --help").ok().shows("--exec-allow");
    // Alone, and not on PATH.
    let alone = world.tmp("alone");
    agent_vault_test_remotes::copy_program(PROGRAM.as_ref(), &alone);
    let mut command = std::process::Command::new(&alone);
    world.surround(&mut command, &world.home);
    let output = command.arg("mcp").output().expect("it runs");
    assert!(
        output.status.code() == Some(2)
            && String::from_utf8_lossy(&output.stderr).contains("agent-vault-mcp is neither")
    );
}
