//! A vault of agent-vault 0.1.0 is read with a warning wherever nothing is known of it, and never written.
#![cfg(unix)]

mod support;

use support::{OLD_AGENTS, OLD_SECRETS, World};

const WARNING: &str = "is not signed: nothing in it can be verified; `agent-vault upgrade` signs it";

/// Every command that writes, verifies or speaks of trust.
const WRITES: &[&str] = &[
    "set stripe/api-key --generate",
    "set new/one --generate",
    "set stripe/api-key --group postgres",
    "rm stripe/api-key --yes",
    "mv stripe/api-key stripe/other --yes",
    "add-agent fresh",
    "remove-agent ci",
    "grant ci postgres",
    "revoke ci stripe",
    "revoke ci --secret lone/one",
    "recover-agent ci",
    "restore-agent ci --to restored.key",
    "verify",
    "trust add",
];

#[test]
fn every_value_of_a_vault_of_0_1_0_is_read_with_a_warning() {
    let world = World::old();
    for (name, value, readers) in OLD_SECRETS {
        let done = world.run(&format!("get {name}")).ok().prints(value).says(WARNING);
        assert_eq!(done.err().matches("warning:").count(), 1, "{done}");
        for agent in OLD_AGENTS {
            let done = world.run(&format!("get {name} --key {}", world.old_key(agent)));
            if readers.contains(&agent) { done.ok().prints(value) } else { done.fails(4).prints("") }.says(WARNING);
        }
    }
    // Another spelling of the same name, and one that is not there.
    world.run("get default/token").ok().prints("token_golden_0");
    world.run("get stripe/api-kye").fails(3).says("did you mean \"stripe/api-key\"");
    world.run("get stripe/api-key -q").ok().keeps_silent_about("warning");
}

#[test]
fn an_agent_of_0_1_0_on_a_fresh_machine_reads_with_its_key_alone() {
    let world = World::old();
    let (fresh, key) = (world.fresh_home("fresh"), std::fs::read_to_string(world.old_key("ci")).unwrap());
    let get = || world.line("get stripe/api-key").home(&fresh).env("AGENT_VAULT_KEY", &key);
    get().run().ok().prints("sk_golden_0").says(WARNING);
    get().env("AGENT_VAULT_TRUST", "strict").run().fails(5).prints("").says("nobody signed");
    get().env("AGENT_VAULT_OWNER", "SHA256:x").run().fails(5).prints("");
    // Nothing is remembered of a vault that nobody can verify, but that it was read.
    let home = std::fs::read_dir(fresh.join(".agent-vault")).unwrap();
    assert_eq!(home.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["audit"]);
}

#[test]
fn what_is_claimed_of_secrets_and_agents_is_shown_as_claimed() {
    let world = World::old();
    let list = world.run("list --json").fails(1).says("odd/two words.enc").says("does not take");
    let rows = list.json();
    let names: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, OLD_SECRETS.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    let row = |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(row("stripe/api-key")["expires"], "2030-01-01T00:00:00Z");
    assert_eq!(row("web/cookie")["group"], "stripe");
    assert_eq!(row("lone/one")["agents"].to_string(), "[\"ci\",\"gone\"]");
    world.run("list --group postgres").shows("postgres/password").says(WARNING);
    world.run("show stripe/signing").ok().shows("ci, deploy, renewed (claimed)").says(WARNING);
    assert_eq!(world.run("show token --json").ok().json()["signed"], false);
    let agents = world.run("list-agents --json").ok().says(WARNING).json();
    let agents: Vec<&str> = agents.as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    assert_eq!(agents, ["ci", "deploy", "idle", "my bot", "renewed"]);
    world.run("list-agents").ok().shows("postgres");
}

#[test]
fn whoami_finds_out_by_trying_what_a_key_can_read() {
    let world = World::old();
    world.run("whoami").ok().shows("owner").shows("can read 13 secrets").says(WARNING);
    let ci = world.run(&format!("whoami --json --key {}", world.old_key("ci"))).ok().json();
    assert_eq!((&ci["role"], &ci["name"]), (&"agent".into(), &"ci".into()));
    assert_eq!(ci["readable"].as_array().unwrap().len(), 6);
    // It was removed, and what it was granted explicitly opens all the same.
    let gone = world.run(&format!("whoami --json --key {}", world.old_key("gone"))).ok().json();
    assert_eq!((&gone["role"], gone["readable"].to_string()), (&"stranger".into(), "[\"lone/one\"]".into()));
}

#[test]
fn check_says_that_it_is_unsigned_and_what_signs_it() {
    let world = World::old();
    let found = world.run("check --json --within 36500").code(9).says(WARNING).json();
    let codes: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"unsigned") && codes.contains(&"expiring"), "{codes:?}");
    world.run("check").code(9).shows("agent-vault upgrade");
}

#[test]
fn no_command_but_upgrade_writes_a_vault_of_0_1_0() {
    let world = World::old();
    let before = world.state();
    for line in WRITES {
        world.run(line).fails(7).says("unsigned vault of agent-vault 0.1.0").says("agent-vault upgrade");
        assert_eq!(world.state(), before, "{line}");
    }
    for line in ["get token", "list", "show token", "list-agents", "whoami", "check", "upgrade --dry-run"] {
        world.run(line);
        assert_eq!(world.state(), before, "{line}");
    }
    assert!(!world.keys().join("places").exists(), "nothing of it is remembered");
}

#[test]
fn a7_a_signed_vault_that_lost_its_roots_is_not_taken_for_one_of_0_1_0() {
    let world = World::story();
    world.sh("rm -r .agent-vault/roots");
    for left in ["manifest.sig", "allowed_signers", "owners"] {
        let fresh = world.fresh_home(&format!("fresh-{left}"));
        for line in ["list", "check", "whoami", "get stripe/api-key", "upgrade"] {
            let key = std::fs::read_to_string(world.owner_key()).unwrap();
            let key = key.lines().last().unwrap().to_owned();
            let done = world.line(line).home(&fresh).env("AGENT_VAULT_KEY", key).run();
            done.fails(5).says("it was signed").keeps_silent_about(support::VALUE);
        }
        world.sh(&format!("rm -r .agent-vault/{left}"));
    }
}

#[test]
fn a7_a_key_that_names_its_owner_refuses_an_unsigned_vault() {
    let world = World::old();
    let key = std::fs::read_to_string(world.old_key("ci")).unwrap();
    for comments in
        ["# agent: ci\n# owner: SHA256:abc\n", "# agent: ci\n# vault: 663c8fc3-a54b-87f6-af61-a85f773c542d\n"]
    {
        let text = format!("{comments}{key}");
        world.line("get token").env("AGENT_VAULT_KEY", text).run().fails(5).prints("").says("your key was made");
    }
}

#[test]
fn a6_hostile_documents_are_refused_in_bounded_memory() {
    let bomb =
        (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, at| format!("{text}a{at}: &a{at} [*a{0}, *a{0}]\n", at - 1));
    let deep = "[".repeat(1 << 20);
    let wide = format!("version: 1\nagents: [{}]\n", "{name: x}, ".repeat(400_000));
    for hostile in
        [bomb.as_str(), &deep, &wide, "version: 9\n", "\0", "", "agents: [{name: 'x\u{1b}[31m'}]\nversion: 1\n"]
    {
        let world = World::old();
        world.plant("manifest.yaml", hostile);
        world.plant("secrets/stripe/webhook.meta", hostile);
        for line in ["list", "list-agents", "check", "upgrade --dry-run", "show stripe/webhook"] {
            let code = world.line(line).with_memory(2048).run().run_code();
            assert!(matches!(code, 0 | 1 | 9), "{line}: {code} on {hostile:.40}");
        }
        // A read needs no document at all.
        world.run("get token").ok().prints("token_golden_0");
    }
}

#[test]
fn a6_links_pipes_and_names_that_lead_elsewhere_reach_nothing() {
    let outside = "secrets/stripe/outside.enc";
    for script in [
        "ln -s \"$HOME/.agent-vault/owner.key\" .agent-vault/secrets/stripe/outside.enc",
        "mkfifo .agent-vault/secrets/stripe/outside.enc",
        "rm -r .agent-vault/secrets; ln -s /etc .agent-vault/secrets",
    ] {
        let world = World::old();
        world.sh(script);
        assert!(world.file(outside).symlink_metadata().is_ok() || script.contains("/etc"));
        world.run("get stripe/outside").fails(5);
        world.run("list").fails(5);
        world.run("upgrade --yes").fails(5);
    }
    let world = World::old();
    let names = "version: 1\nagents:\n- {name: ../../../home/.agent-vault, groups: [stripe]}\n- {name: \"x\\e[31m\\u202e\", groups: [\"\\a\"]}\n- {name: /etc}\n- {name: ..}\ngroups:\n- {name: stripe, secrets: [../../x, /etc/passwd]}\n";
    world.plant("manifest.yaml", names);
    world.commit_all("hostile");
    world.run("list-agents").ok();
    let plan = world.run("upgrade --dry-run").ok();
    assert!(!plan.out().chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{plan}");
    assert!(!world.run("list-agents").ok().out().contains('\u{1b}'));
}
