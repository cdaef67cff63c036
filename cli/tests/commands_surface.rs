//! What all commands share: exit codes, next steps, help, completions, where the vault is looked for.
#![cfg(unix)]

mod support;

use std::process::Command;
use support::{PROGRAM, VALUE, World};

const COMMANDS: [&str; 23] = [
    "init",
    "set",
    "get",
    "list",
    "show",
    "rm",
    "mv",
    "add-agent",
    "remove-agent",
    "list-agents",
    "recover-agent",
    "restore-agent",
    "grant",
    "revoke",
    "check",
    "verify",
    "log",
    "edit",
    "restore",
    "trust",
    "whoami",
    "completions",
    "demo",
];

#[test]
fn exit_codes_are_those_of_the_table() {
    let world = World::story();
    world.sh("ssh-keygen -q -t ed25519 -N passphrase -f ../tmp/locked");
    let ci = world.key("ci");
    // 8 (remote) has no command yet; 10 (refused by a person) needs a person: see terminal.rs.
    for (code, line) in [
        (0, "get stripe/api-key"),
        (1, "set a/b --from-file nowhere"),
        (2, "get ../x"),
        (3, "get stripe/nothing"),
        (4, &format!("set a/b v --key {ci}")),
        (6, "get stripe/api-key --key nowhere"),
        (7, "add-agent ci"),
        (11, "get stripe/api-key --key ../tmp/locked"),
        (12, "rm stripe/api-key"),
    ] {
        let done = world.run(line);
        if code == 0 {
            done.ok()
        } else {
            done.fails(code)
        };
    }
    world.plant("secrets/stripe/api-key.enc", "forged");
    world.run("get stripe/api-key").fails(5);
    world.run("check").code(9);
    let help = world.run("--help").ok();
    for documented in
        ["0 done", "1 other", "2 usage", "3 not found", "4 not authorised", "5 tampered", "6 no usable key"]
    {
        assert!(help.out().contains(documented), "{documented}\n{help}");
    }
    for documented in ["7 conflict", "8 remote", "9 findings", "10 refused", "11 locked", "12 nobody to ask"] {
        assert!(help.out().contains(documented), "{documented}\n{help}");
    }
}

#[test]
fn without_a_vault_the_next_step_is_init() {
    let world = World::repository();
    world.run("init").ok();
    world.sh("rm -rf .agent-vault");
    for line in ["get a/b", "list", "check", "grant a b", "whoami"] {
        world.run(line).fails(3).says("no vault found").says("agent-vault init");
    }
}

#[test]
fn a_vault_of_version_0_1_0_is_called_what_it_is() {
    let world = World::repository();
    world.plant("config.yaml", "version: 1\n");
    world.plant("manifest.yaml", "version: 1\nagents: []\n");
    world.run("list").fails(1).says("unsigned vault of agent-vault 0.1.0").says("upgrade");
}

#[test]
fn mistyped_commands_and_options_get_a_suggestion() {
    let world = World::story();
    for (line, meant) in [
        ("gte stripe/api-key", "'get'"),
        ("list-agent", "'list-agents'"),
        ("add_agent x", "'add-agent'"),
        ("trust shwo", "'show'"),
        ("list --jsn", "'--json'"),
        ("completions bsh", "'bash'"),
        ("set a/b --generate --charset alphanum", "'alphanumeric'"),
    ] {
        world.run(line).fails(2).says(meant);
    }
}

#[test]
fn a_call_without_a_command_shows_help_and_fails() {
    let world = World::bare();
    world.run("").fails(2).says("Usage: agent-vault").says("no command is given");
    for line in ["--help", "help", "help set", "--version"] {
        let done = world.run(line).ok();
        assert!(done.err().is_empty() && !done.out.is_empty(), "{done}");
    }
    world.run("--version").prints(concat!("agent-vault ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn every_command_has_help_with_an_example() {
    let world = World::bare();
    let overview = world.run("--help").ok();
    for command in COMMANDS {
        assert!(overview.out().contains(&format!("\n  {command} ")), "{command} is listed");
        let help = world.run(&format!("{command} --help")).ok();
        assert!(help.out().contains("Example"), "{help}");
        assert!(help.out().contains(&format!("agent-vault {command}")), "{help}");
        assert!(help.out().lines().all(|line| line.chars().count() <= 100), "it fits on a screen\n{help}");
    }
}

#[test]
fn the_list_of_commands_here_is_complete() {
    let world = World::bare();
    let overview = world.run("--help").ok();
    let commands = overview.out().split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names[..names.len() - 1], COMMANDS);
    assert_eq!(names.last(), Some(&"help"));
}

#[test]
fn completions_are_made_for_four_shells() {
    let world = World::bare();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let done = world.run(&format!("completions {shell}")).ok();
        assert!(done.err().is_empty(), "{done}");
        for command in COMMANDS {
            assert!(done.out().contains(command), "{shell} completes {command}");
        }
    }
    world.sh(&format!("{PROGRAM} completions bash > script && bash -n script"));
    for (words, typed, before, offered) in [
        ("agent-vault gra", "gra", "agent-vault", "grant"),
        ("agent-vault grant ci --dr", "--dr", "ci", "--dry-run"),
        ("agent-vault list-agents --js", "--js", "list-agents", "--json"),
        ("agent-vault trust for", "for", "trust", "forget"),
    ] {
        let script = format!(
            "set +eu; . ./script; function=$(complete -p agent-vault | sed 's/.* -F \\([^ ]*\\).*/\\1/'); \
             COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             $function agent-vault '{typed}' {before}; echo \"${{COMPREPLY[@]}}\""
        );
        assert_eq!(world.sh(&script), offered, "{words}");
    }
    world.run("completions tcsh").fails(2);
}

#[test]
fn the_vault_is_found_from_a_subdirectory_and_with_dash_c_from_elsewhere() {
    let world = World::story();
    let below = world.repo.join("src/deep");
    std::fs::create_dir_all(&below).unwrap();
    world.line("get stripe/api-key").dir(&below).run().ok().prints(VALUE);
    world.line("get stripe/api-key").dir(world.folder().join("secrets")).run().ok().prints(VALUE);
    for dir in [&world.repo, &below, &world.folder()] {
        let call = world.call(["-C".as_ref(), dir.as_os_str()]).dir(&world.root);
        call.arg("get").arg("stripe/api-key").run().ok().prints(VALUE);
    }
    world.line("get stripe/api-key -C repo").dir(&world.root).run().ok().prints(VALUE);
    world.line("get stripe/api-key").dir(&world.root).run().fails(3);
    world.line("get stripe/api-key -C nowhere").dir(&world.root).run().fails(3).says("nowhere");
}

#[test]
fn the_nearest_vault_above_is_the_one_that_is_used() {
    let world = World::story();
    world.run("init inner").ok();
    world.line("set stripe/api-key").dir(world.repo.join("inner")).input("inner").run().ok();
    world.line("get stripe/api-key").dir(world.repo.join("inner")).run().ok().prints("inner");
    world.run("get stripe/api-key").ok().prints(VALUE);
    world.run("check").ok();
    world.run("-C inner check").ok();
}

#[test]
fn a_home_can_be_moved_and_must_be_somewhere() {
    let world = World::repository();
    let elsewhere = world.tmp("keys");
    world.line("init").env("AGENT_VAULT_HOME", &elsewhere).run().ok();
    assert!(elsewhere.join("owner.key").is_file());
    assert!(!world.keys().exists(), "nothing is put anywhere else");
    world.pipe("v", "set a/b").fails(6);
    world.line("set a/b").env("AGENT_VAULT_HOME", &elsewhere).input("v").run().ok();
}

#[test]
fn quiet_leaves_results_and_errors() {
    let world = World::story();
    for (line, input) in [
        ("add-agent two", None),
        ("set a/b", Some("v")),
        ("set a/c argument", None),
        ("grant two a", None),
        ("revoke two a", None),
        ("mv a/b a/d --yes", None),
        ("rm a/d --yes", None),
        ("recover-agent two", None),
        ("remove-agent two", None),
        ("check", None),
    ] {
        let call = world.line(line).arg("--quiet");
        let done = if let Some(input) = input { call.input(input) } else { call }.run().ok();
        assert!(done.err().is_empty(), "{done}");
    }
    world.run("-q get stripe/api-key").ok().prints(VALUE);
    world.run("-q get stripe/nothing").fails(3);
}

#[test]
fn results_go_to_standard_output_and_everything_else_to_standard_error() {
    let world = World::story();
    for line in ["add-agent two", "grant two stripe", "revoke two stripe", "recover-agent two", "remove-agent two"] {
        let done = world.run(line).ok();
        assert!(done.out.is_empty() && !done.err().is_empty(), "{done}");
    }
    for line in ["list", "show stripe/api-key", "list-agents", "verify", "whoami", "trust"] {
        let done = world.run(line).ok();
        assert!(!done.out.is_empty() && done.err().is_empty(), "{done}");
    }
}

#[test]
fn json_is_the_only_thing_on_standard_output_when_it_is_asked_for() {
    let world = World::story();
    for line in ["list", "show stripe/api-key", "list-agents", "check", "verify", "whoami", "trust show"] {
        world.run(&format!("{line} --json")).ok().json();
    }
    for line in ["add-agent two", "grant two stripe", "revoke two stripe", "remove-agent two"] {
        let done = world.run(&format!("{line} --json")).ok();
        done.json();
        assert!(done.err().is_empty(), "{done}");
    }
}

#[test]
fn standard_output_that_takes_nothing_is_an_error_with_a_next_step() {
    let world = World::story();
    for line in ["get stripe/api-key", "list", "list --json", "verify", "completions bash", "--help"] {
        let output = Command::new("bash")
            .args(["-c", &format!("{PROGRAM} {line} > /dev/full")])
            .current_dir(&world.repo)
            .env("HOME", &world.home)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {err}");
        assert!(err.contains("error: ") && err.contains("hint: ") && !err.contains("panicked"), "{line}: {err}");
        assert!(!err.contains(VALUE), "{line}: {err}");
    }
}

#[test]
fn the_demo_tells_the_whole_story_and_leaves_nothing_behind() {
    let world = World::bare();
    let done = world.run("demo").ok();
    let acts =
        ["init", "add-agent ci", "set stripe/api-key", "get stripe/api-key", "grant ci stripe", "revoke ci stripe"];
    let mut rest = done.out();
    for act in acts {
        let at = rest.find(&format!("agent-vault {act}")).unwrap_or_else(|| panic!("{act} comes in its turn\n{done}"));
        rest = &rest[at..];
    }
    assert_eq!(done.out().matches("(exit code 4)").count(), 2, "denied before the grant and after the revoke\n{done}");
    assert_eq!(done.out().matches("(exit code 5)").count(), 1, "a forged value is refused\n{done}");
    done.keeps_silent_about("AGE-SECRET-KEY").keeps_silent_about("sk_attacker");
    assert_eq!(world.sh("find $TMPDIR $HOME . -mindepth 1"), "");
}
