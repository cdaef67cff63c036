//! `mcp install`: the server's place in a client's configuration, and nothing else in it.
#![cfg(unix)]

mod support;
mod support_mcp;

use serde_json::{Value, json};
use std::path::Path;
use support::{World, set_mode};
use support_mcp::{Server, command};

fn json_of(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn each_client_s_file_is_found_and_plain_text_get_is_off_unless_it_is_asked_for() {
    let world = World::story();
    for (client, file, table, repo) in [
        ("claude-code", ".mcp.json", "mcpServers", "."),
        ("cursor", ".cursor/mcp.json", "mcpServers", "${workspaceFolder}"),
        ("vscode", ".vscode/mcp.json", "servers", "${workspaceFolder}"),
    ] {
        // Also from within a folder of the project.
        std::fs::create_dir_all(world.repo.join("src")).expect("a folder");
        let line = format!("mcp install --client {client}");
        world.line(&line).dir(world.repo.join("src")).run().ok().shows("cannot read values").shows("add-agent");
        let entry = json_of(&world.repo.join(file))[table]["agent-vault"].clone();
        assert_eq!(entry["command"], "agent-vault", "{client}");
        assert_eq!(entry["args"], json!(["mcp", "--repo", repo, "--tools", "list,whoami,check"]), "{client}");
        assert_eq!(entry["type"], if client == "vscode" { json!("stdio") } else { Value::Null });
        let key = world.key("ci");
        world.line(&line).arg("--with-get").arg("--key").arg(&key).arg("--allow").arg("stripe/*").run().ok();
        let entry = json_of(&world.repo.join(file))[table]["agent-vault"].clone();
        let words = ["mcp", "--repo", repo, "--key", &key, "--tools", "get,list,whoami,check", "--allow", "stripe/*"];
        assert_eq!(entry["args"], json!(words), "{client}");
        world.line(&line).arg("--remove").run().ok();
        assert_eq!(json_of(&world.repo.join(file))[table], json!({}));
        world.line(&line).arg("--remove").run().ok().shows("has no server");
    }
    world.run("mcp install --client claude-desktop --exec-allow cat").ok();
    let file = world.home.join(".config/Claude/claude_desktop_config.json");
    let entry = json_of(&file)["mcpServers"]["agent-vault"].clone();
    assert_eq!(entry["command"], support_mcp::program().display().to_string());
    let repo = entry["args"][1].as_str().expect("a folder").to_owned();
    assert_eq!(Path::new(&repo).canonicalize().expect("it is there"), world.repo);
    assert_eq!(entry["args"][3], "list,whoami,check,exec");
    // What is written is what the server takes.
    let words: Vec<&str> =
        entry["args"].as_array().expect("words").iter().map(|word| word.as_str().expect("text")).collect();
    let mut server = Server::begun(command(&world, &words));
    assert_eq!(server.tool("whoami", json!({})).ok().parts()["programs"], json!(["cat"]));
}

#[test]
fn what_stands_there_already_stays_and_nothing_is_written_that_is_not_understood() {
    let world = World::story();
    let file = world.repo.join(".vscode/mcp.json");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let before = "{\n    // ours\n    \"inputs\": [],\n    \"servers\": {\n        \"other\": { \"command\": \"x\", \"env\": { \"A\": \"1\" } }, // it\n    },\n}\n";
    std::fs::write(&file, before).expect("written");
    set_mode(&file, 0o640);
    let printed = world.run("mcp install --client vscode --print").ok();
    assert_eq!(std::fs::read_to_string(&file).expect("text"), before, "--print writes nothing");
    world.run("mcp install --client vscode").ok();
    let after = std::fs::read_to_string(&file).expect("text");
    assert_eq!(after, printed.out());
    for kept in ["// ours", "\"inputs\": []", "\"other\": { \"command\": \"x\", \"env\": { \"A\": \"1\" } }, // it"] {
        assert!(after.contains(kept), "{kept}: {after}");
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
    world.run("mcp install --client vscode").ok();
    assert_eq!(std::fs::read_to_string(&file).expect("text"), after, "and again it is the same");
    for broken in ["{ \"servers\": [] }", "not json", "{\"servers\":{}", "[1]"] {
        std::fs::write(&file, broken).expect("written");
        for words in ["", "--remove", "--print"] {
            let line = format!("mcp install --client vscode {words}");
            world.run(&line).fails(2).says("nothing was changed");
            assert_eq!(std::fs::read_to_string(&file).expect("text"), broken);
        }
    }
    // A link stays a link.
    let real = world.tmp("real.json");
    std::fs::write(&real, "{}").expect("written");
    std::os::unix::fs::symlink(&real, world.repo.join(".mcp.json")).expect("a link");
    world.run("mcp install --client claude-code").ok();
    assert!(json_of(&real)["mcpServers"]["agent-vault"].is_object());
    assert!(world.repo.join(".mcp.json").is_symlink());
    let left: Vec<_> =
        std::fs::read_dir(world.root.join("tmp")).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["real.json"]);
}

#[test]
fn a_file_that_cannot_be_written_stays_as_it_is() {
    let world = World::story();
    world.line("mcp install --client claude-code --config").arg("/proc/no/such.json").run().fails(1);
    world.run("mcp install --client claude-code --tools exec").fails(2).says("--exec-allow");
    assert!(!world.repo.join(".mcp.json").exists());
}

#[test]
fn the_page_shows_what_is_printed_and_calls_that_work() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("docs/mcp.md");
    let page = std::fs::read_to_string(page).expect("docs/mcp.md");
    let blocks: Vec<&str> =
        page.split("```json\n").skip(1).map(|rest| rest.split("```").next().expect("its end")).collect();
    let world = World::story();
    let line = page.lines().find(|line| line.ends_with("--print")).expect("the command").replace('\'', "");
    let printed = world.run(line.strip_prefix("agent-vault ").expect("a command")).ok();
    assert_eq!(printed.out(), blocks[0]);
    let call: Value = serde_json::from_str(blocks[1]).expect("JSON");
    let mut server = Server::of_agent(&world, &["--exec-allow", "wc"]);
    assert_eq!(server.tool("exec", call).ok().parts()["exit_code"], json!(0));
    assert_eq!(blocks.len(), 2, "a block that nothing tries");
}
