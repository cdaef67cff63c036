//! `upgrade`: a vault of agent-vault 0.1.0 becomes a signed one in one commit, and nobody gains anything by it.
#![cfg(unix)]

mod support;

use serde_json::Value;
use std::path::Path;
use support::{Attacker, Done, OLD_AGENTS, OLD_SECRETS, World, golden};

/// What the vault of the golden sample looks like to those who keep their access: `gone` and the old key of `renewed`
/// lose theirs.
fn keeps(agent: &str, name: &str) -> bool {
    let (.., readers) = OLD_SECRETS.iter().find(|(other, ..)| *other == name).unwrap();
    agent != "gone" && readers.contains(&agent)
}

fn plan(world: &World) -> Value {
    let done = world.run("upgrade --dry-run --json");
    assert!(matches!(done.code, Some(0 | 9)), "{done}");
    done.json()["plan"].clone()
}

fn entry<'v>(plan: &'v Value, list: &str, name: &str) -> &'v Value {
    let found = plan[list].as_array().unwrap().iter().find(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {plan:#}"))
}

fn codes(plan: &Value) -> Vec<String> {
    plan["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

/// `check` finds errors of these kinds only.
#[track_caller]
fn check_finds_no_error_but(world: &World, expected: &[&str]) -> Done {
    let done = world.run("check --json");
    let found = done.json();
    for finding in found["findings"].as_array().unwrap() {
        let code = finding["code"].as_str().unwrap();
        assert!(finding["severity"] != "error" || expected.contains(&code), "{finding:#}");
    }
    done
}

/// Replaces a file of the old vault behind its owner's back, as a push would.
fn push(world: &World, relative: &str, bytes: impl AsRef<[u8]>) {
    world.plant(relative, bytes);
    world.commit_all("pushed");
}

#[test]
fn an_upgraded_vault_is_signed_verifies_and_reads_as_before() {
    let world = World::old();
    let before: Vec<Vec<u8>> =
        OLD_SECRETS.iter().map(|(name, ..)| std::fs::read(world.sealed(name)).unwrap()).collect();
    let commits = world.commits();
    world.run("upgrade --yes").ok().shows("owner fingerprint: SHA256:");
    assert_eq!(world.commits(), commits + 1);
    world.run("verify").ok().shows("13 recipient sets");
    check_finds_no_error_but(&world, &[]).ok().shows("rotation-due");
    let reencrypted = ["lone/one", "odd/bot", "stripe/signing"];
    for ((name, value, _), old) in OLD_SECRETS.iter().zip(&before) {
        world.run(&format!("get {name}")).ok().prints(value).keeps_silent_about("not signed");
        let sealed = world.sealed(name);
        // Where readers and policy agree, the ciphertext is the one that 0.1.0 made.
        assert_eq!(std::fs::read(&sealed).unwrap() == *old, !reencrypted.contains(name), "{name}");
        for agent in OLD_AGENTS {
            let key = world.old_key(agent);
            let fresh = world.root.join(format!("fresh-{agent}"));
            let _ = std::fs::create_dir(&fresh);
            let get = world.line(&format!("get {name} --key {key}")).home(&fresh).run();
            let stock = world.age_opens(&sealed, Path::new(&key));
            if keeps(agent, name) {
                get.ok().prints(value);
                assert_eq!(stock.as_deref(), Some(*value), "{agent} {name}");
            } else {
                get.fails(4).prints("");
                assert_eq!(stock, None, "{agent} {name}");
            }
        }
    }
    let shown = |name: &str| world.run(&format!("show {name} --json")).ok().json();
    assert_eq!(shown("lone/one")["agents"].to_string(), "[\"ci\"]");
    assert_eq!(shown("lone/one")["exposed_to"].to_string(), "[\"gone@0000000000000000\"]");
    assert_eq!(shown("stripe/signing")["exposed_to"].to_string(), "[\"renewed@0000000000000000\"]");
    assert!(shown("odd/bot")["exposed_to"][0].as_str().unwrap().starts_with("unknown@"));
    assert_eq!(shown("stripe/api-key")["expires"], "2030-01-01T00:00:00Z");
    assert!(shown("stripe/api-key")["created"].as_str().unwrap().starts_with("20"));
    assert_eq!(shown("web/cookie")["group"], "stripe");
    assert_eq!(shown("stripe/moved")["agents"].to_string(), "[\"renewed\"]");
}

#[test]
fn the_upgrade_is_one_commit_of_the_vault_alone_that_stock_git_verifies() {
    let world = World::old();
    world.sh("echo staged > staged; git add staged; echo loose > loose");
    world.run("upgrade --yes").ok();
    assert_eq!(world.git("log -1 --format=%s"), "agent-vault: upgrade the vault of agent-vault 0.1.0");
    world.sh("git -c gpg.ssh.allowedSignersFile=\"$PWD/.agent-vault/allowed_signers\" verify-commit HEAD");
    assert_eq!(world.sh("git show --name-only --format= HEAD | grep -v ^.agent-vault/ || true"), "");
    assert_eq!(world.git("status --porcelain"), "A  staged\n?? loose");
    world.git("fsck --no-dangling --no-progress");
    // The owner's key file is the one that 0.1.0 made.
    assert_eq!(std::fs::read(world.owner_key()).unwrap(), std::fs::read(golden().join("owner.test-key")).unwrap());
}

#[test]
fn an_upgraded_vault_is_worked_with_like_any_other() {
    let world = World::old();
    world.run("upgrade --yes --owner eric").ok();
    assert!(world.text("roots/1.yaml").contains("name: eric"));
    world.set("stripe/api-key", "sk_new");
    world.run(&format!("get stripe/api-key --key {}", world.old_key("ci"))).ok().prints("sk_new");
    world.run("revoke ci stripe").ok();
    world.run(&format!("get stripe/webhook --key {}", world.old_key("ci"))).fails(4);
    world.run("grant renewed stripe").ok();
    world.run(&format!("get stripe/webhook --key {}", world.old_key("renewed"))).ok().prints("whsec_golden_0");
    // 0.1.0's own escrow does.
    let restored = world.tmp("restored.key");
    world.run(&format!("restore-agent deploy --to {}", restored.display())).ok();
    world.run(&format!("get postgres/password --key {}", restored.display())).ok().prints("pw_golden_0");
    world.run("add-agent idle").ok();
    world.run("remove-agent deploy").ok();
    world.run("verify").ok();
}

#[test]
fn the_plan_names_explicit_grants_slashless_names_and_what_cannot_be_kept() {
    let world = World::old();
    let text = world.run("upgrade --dry-run").ok();
    let text = text.shows("explicit grant: lone/one to ci").shows("without a slash: other, token");
    let text = text.shows("was spelled default/other").shows("odd/two words.enc").shows("gone@0000000000000000");
    text.shows("agent my bot: it is left out").shows("agent renewed: it does not get stripe/signing");
    let plan = plan(&world);
    assert_eq!(codes(&plan), ["claim-refused", "left-out", "left-out", "name-refused"]);
    assert_eq!(entry(&plan, "agents", "ci")["opens"], 6);
    assert_eq!(entry(&plan, "agents", "renewed")["said_to_read"], 3);
    assert_eq!(entry(&plan, "agents", "idle")["key"].as_str().unwrap().len(), 16);
    assert_eq!(entry(&plan, "secrets", "stripe/signing")["refused"].to_string(), "[\"renewed\"]");
    // What it cannot name stays where it is, and stock age reads it.
    world.run("upgrade --yes").ok();
    let left = world.file("secrets/odd/two words.enc");
    assert_eq!(world.age_opens(&left, &world.owner_key()).unwrap(), b"words_golden_0");
    world.run("verify").ok();
}

#[test]
fn comments_fields_and_ignore_lines_that_are_not_kept_are_named() {
    let world = World::old();
    let manifest = world.text("manifest.yaml");
    world.plant("manifest.yaml", format!("# rotate in May\n{manifest}team: red\n"));
    world.plant(".gitignore", "*.key\nscratch/\n");
    world.sh("sed -i 's/^rotated: .*/rotated: tomorrow/' .agent-vault/secrets/odd/bytes.meta");
    world.sh("rm .agent-vault/secrets/odd/empty.meta .agent-vault/secrets/odd/bot.enc");
    world.commit_all("edited");
    let text = world.run("upgrade --dry-run").ok();
    let text =
        text.shows("manifest.yaml: field \"team\", comments cannot be kept").shows(".gitignore: lines of its own");
    text.shows("odd/bytes: its metadata cannot be read")
        .shows("odd/empty: its metadata cannot be read (it has none)")
        .shows("odd/bot: it has no ciphertext");
    world.run("upgrade --yes").ok();
    world.run("verify").ok();
    check_finds_no_error_but(&world, &[]);
    world.run("get odd/bytes").ok();
    world.run("get odd/empty").ok().prints("");
    world.run("get odd/bot").fails(3);
}

#[test]
fn nothing_is_signed_without_an_answer() {
    let world = World::old();
    let before = world.state();
    world.run("upgrade --dry-run").ok();
    world.run("upgrade").fails(12).says("--yes").says("Nothing above can be verified");
    assert_eq!(world.state(), before);
    let done = world.run("upgrade --yes --json").ok().json();
    assert_eq!(
        (done["upgraded"].as_bool(), done["commit"].as_str()),
        (Some(true), Some(world.git("rev-parse HEAD").as_str()))
    );
    assert_eq!(done["plan"]["secrets"].as_array().unwrap().len(), 13);
}

#[test]
fn a_signed_vault_has_nothing_to_upgrade() {
    let world = World::story();
    let before = world.state();
    world.run("upgrade --yes").ok().says("signed already");
    assert_eq!(world.run("upgrade --json").ok().json()["upgraded"], false);
    assert_eq!(world.state(), before);
}

#[test]
fn a7_the_old_tree_put_back_after_an_upgrade_is_refused_wherever_the_vault_was_seen() {
    let world = World::old();
    world.run("upgrade --yes").ok();
    let agents_home = world.fresh_home("agent");
    let read = || world.line(&format!("get token --key {}", world.old_key("ci"))).home(&agents_home);
    read().run().fails(4);
    // The place is known now to the agent's machine too. The host serves what it served before:
    world.git("checkout -q HEAD~1 -- .agent-vault");
    world.sh("git diff --name-only HEAD HEAD~1 --diff-filter=D | xargs -d '\\n' rm -f; rm -rf .agent-vault/roots");
    Attacker::new(&world).commit();
    for line in ["get stripe/api-key", "list", "show token", "list-agents", "whoami", "check", "upgrade --yes"] {
        world.run(line).fails(5).says("its roots and signatures are gone").keeps_silent_about("sk_golden_0");
    }
    read().run().fails(5);
}

#[test]
fn a7_an_exchanged_owner_pub_hands_the_vault_to_nobody() {
    let world = World::old();
    let attacker = Attacker::new(&world);
    push(&world, "owner.pub", &attacker.recipient);
    let before = world.state();
    world.run("upgrade --yes").fails(4).says("only an owner");
    assert_eq!(world.state(), before);
    // Neither with the key that the attacker gave it: that opens nothing.
    let done = world.run(&format!("upgrade --yes --key {}", attacker.key().display())).fails(7);
    done.says("the owner's key does not open it");
    assert_eq!(world.state(), before);
    // Nor does an agent become the owner.
    world.run(&format!("upgrade --yes --key {}", world.old_key("ci"))).fails(4);
}

#[test]
fn a2_an_agent_planted_the_day_before_gets_nothing() {
    let world = World::old();
    let attacker = Attacker::new(&world);
    // Anybody can write a manifest and seal an escrow to the owner.
    let manifest = world
        .text("manifest.yaml")
        .replace("agents:\n", "agents:\n- name: backup\n  groups: [stripe, postgres, default, odd]\n");
    world.plant("manifest.yaml", manifest);
    world.plant("agents/backup/public.key", &attacker.recipient);
    let key = world.sh(&format!("grep ^AGE {}", attacker.key().display()));
    world.plant("agents/backup/private.key.escrow", attacker.encrypt(&[&world.text("owner.pub")], key));
    world.sh("sed -i 's/^authorized_agents:.*/authorized_agents: [backup]/' .agent-vault/secrets/default/token.meta");
    attacker.commit();
    let plan = plan(&world);
    let backup = entry(&plan, "agents", "backup");
    assert!(backup["left_out"].as_str().unwrap().contains("opens nothing of what it is said to read"), "{backup}");
    assert_eq!(entry(&plan, "secrets", "token")["refused"].to_string(), "[\"backup\"]");
    world.run("upgrade --yes").ok();
    world.run("list-agents").ok().keeps_silent_about("backup");
    // Not even what is stored in those groups from now on.
    world.set("stripe/api-key", "sk_after");
    world.set("stripe/later", "later");
    for sealed in world.sh("find .agent-vault/secrets -name '*.enc'").lines() {
        assert_eq!(world.age_opens(&world.repo.join(sealed), &attacker.key()), None, "{sealed}");
    }
    assert!(!world.file("agents/backup").exists());
    world.run("verify").ok();
}

#[test]
fn a1_an_agent_whose_keys_were_exchanged_is_left_out_and_its_values_are_marked() {
    let world = World::old();
    let attacker = Attacker::new(&world);
    let key = world.sh(&format!("grep ^AGE {}", attacker.key().display()));
    world.plant("agents/ci/public.key", &attacker.recipient);
    // The public key alone: it is not that of the escrow.
    attacker.commit();
    let left_out = |world: &World| entry(&plan(world), "agents", "ci")["left_out"].as_str().unwrap().to_owned();
    assert!(left_out(&world).contains("not that of the private key in its escrow"));
    world.plant("agents/ci/private.key.escrow", attacker.encrypt(&[&world.text("owner.pub")], key));
    attacker.commit();
    assert!(left_out(&world).contains("somebody may have exchanged it"));
    // A secret planted beside them, which the attacker's key does open, makes nothing of it but itself.
    world.plant("secrets/lone/bait.enc", attacker.encrypt(&[&world.text("owner.pub"), &attacker.recipient], "bait"));
    world.plant("secrets/lone/bait.meta", world.text("secrets/lone/one.meta").replace("lone/one", "lone/bait"));
    attacker.commit();
    world.run("upgrade --yes").ok().says("agent ci: it does not get ");
    for (name, ..) in OLD_SECRETS {
        assert_eq!(world.age_opens(&world.sealed(name), &attacker.key()), None, "{name}");
        assert_eq!(world.age_opens(&world.sealed(name), Path::new(&world.old_key("ci"))), None, "{name}");
    }
    let exposed = world.run("show stripe/api-key --json").ok().json()["exposed_to"].to_string();
    assert_eq!(exposed, "[\"ci@0000000000000000\"]");
    assert_eq!(world.run("list-agents --json").ok().json()[0]["groups"].to_string(), "[]");
    world.run("verify").ok();
}

#[test]
fn a_key_that_this_machine_made_tells_an_exchanged_one() {
    let world = World::old();
    let attacker = Attacker::new(&world);
    world.made_here("ci");
    world.made_here("deploy");
    let key = world.sh(&format!("grep ^AGE {}", attacker.key().display()));
    let owner = world.text("owner.pub");
    world.plant("agents/ci/public.key", &attacker.recipient);
    world.plant("agents/ci/private.key.escrow", attacker.encrypt(&[&owner], key));
    world.plant("secrets/lone/bait.enc", attacker.encrypt(&[&owner, &attacker.recipient], "bait"));
    world.plant("secrets/lone/bait.meta", world.text("secrets/lone/one.meta").replace("lone/one", "lone/bait"));
    attacker.commit();
    let plan = plan(&world);
    assert_eq!(entry(&plan, "agents", "deploy")["known_here"], true);
    let ci = entry(&plan, "agents", "ci");
    assert_eq!(ci["known_here"], false);
    assert!(ci["left_out"].as_str().unwrap().contains("this machine has another key of that name"), "{ci}");
}

#[test]
fn an_agent_without_escrow_is_kept_where_this_machine_has_its_key() {
    let world = World::old();
    world.sh("rm .agent-vault/agents/ci/private.key.escrow .agent-vault/agents/deploy/private.key.escrow");
    world.commit_all("lost");
    world.made_here("ci");
    let plan = plan(&world);
    assert_eq!(entry(&plan, "agents", "ci")["left_out"], Value::Null);
    assert!(entry(&plan, "agents", "deploy")["left_out"].as_str().unwrap().contains("cannot be found out"));
    world.run("upgrade --yes").ok();
    // It has an escrow again, and the other has lost what it had.
    let restored = world.tmp("ci.key");
    world.run(&format!("restore-agent ci --to {}", restored.display())).ok();
    world.run(&format!("get stripe/api-key --key {}", restored.display())).ok().prints("sk_golden_0");
    assert_eq!(world.age_opens(&world.sealed("stripe/api-key"), Path::new(&world.old_key("deploy"))), None);
    check_finds_no_error_but(&world, &[]);
}

#[test]
fn a3_a_further_reader_in_a_ciphertext_loses_it() {
    let world = World::old();
    let attacker = Attacker::new(&world);
    let (owner, ci, deploy) =
        (world.text("owner.pub"), world.text("agents/ci/public.key"), world.text("agents/deploy/public.key"));
    let sealed = attacker.encrypt(&[&owner, &ci, &deploy, &attacker.recipient], "sk_golden_0");
    push(&world, "secrets/stripe/api-key.enc", sealed);
    let plan = plan(&world);
    assert_eq!(entry(&plan, "secrets", "stripe/api-key")["loses"].to_string(), "[\"unknown@0000000000000000\"]");
    world.run("upgrade --yes").ok();
    assert_eq!(world.age_opens(&world.sealed("stripe/api-key"), &attacker.key()), None);
    world.run(&format!("get stripe/api-key --key {}", world.old_key("ci"))).ok().prints("sk_golden_0");
    world.run("check").ok().shows("rotation-due");
}

#[test]
fn what_cannot_be_signed_is_told_with_what_to_do_and_nothing_changes() {
    let attack: [(&str, &str); 5] = [
        ("echo rubbish > .agent-vault/secrets/odd/bot.enc", "unreadable"),
        ("truncate -s -1 .agent-vault/secrets/odd/bytes.enc", "unreadable"),
        ("age -r $(age-keygen -y $HOME/stranger) -o .agent-vault/secrets/odd/empty.enc /dev/null", "unreadable"),
        ("echo '*.enc filter=x' > .agent-vault/secrets/.gitattributes", "planted"),
        ("touch .agent-vault/secrets/odd/bot.gone", "planted"),
    ];
    for (script, code) in attack {
        let world = World::old();
        world.sh("age-keygen -o $HOME/stranger 2>/dev/null");
        world.sh(script);
        world.commit_all("broken");
        let before = world.state();
        assert!(codes(&plan(&world)).contains(&code.to_owned()), "{script}");
        world.run("upgrade --dry-run").code(9).shows("error [").shows("then try again");
        world.run("upgrade --yes").fails(7);
        assert_eq!(world.state(), before, "{script}");
    }
}

#[test]
fn what_no_commit_holds_is_neither_signed_nor_lost() {
    for script in [
        "git rm -r -q --cached .agent-vault; git commit -q -m untracked",
        "echo >> .agent-vault/manifest.yaml",
        "git rm -q --cached .agent-vault/secrets/odd/bot.enc; git commit -q -m less",
        "rm .agent-vault/secrets/odd/bot.enc",
        "rm -rf .git",
        "rm -rf .git; git init -q",
    ] {
        let world = World::old();
        world.sh(script);
        let before = world.state();
        world.run("upgrade --yes").fails(7).says("commit");
        assert_eq!(world.state(), before, "{script}");
        // It reads as before.
        world.run("get token").ok().prints("token_golden_0");
    }
}

#[test]
fn values_over_the_usual_size_raise_the_vaults_setting() {
    let world = World::old();
    let attacker = Attacker::new(&world);
    let large = vec![b'x'; 3 << 20];
    push(&world, "secrets/odd/bot.enc", attacker.encrypt(&[&world.text("owner.pub")], &large));
    world.run("upgrade --yes").ok();
    world.run("get odd/bot").ok().prints(&large);
    assert!(world.text("manifest.yaml").contains(&format!("max_secret_size: {}", large.len())));
    let huge = vec![b'x'; (16 << 20) + 1];
    let world = World::old();
    let attacker = Attacker::new(&world);
    push(&world, "secrets/odd/bot.enc", attacker.encrypt(&[&world.text("owner.pub")], &huge));
    world.run("upgrade --yes").fails(7).says("a vault takes 16777216 at most");
}

#[test]
fn a_vault_below_the_top_of_its_repository_is_upgraded_there() {
    let world = World::old();
    world.sh("mkdir sub; git mv .agent-vault sub/; git commit -q -m moved");
    let dir = world.repo.join("sub");
    world.line("upgrade --yes").dir(&dir).run().ok();
    world.line("verify").dir(&dir).run().ok();
    assert_eq!(world.git("status --porcelain"), "");
}

#[test]
fn c4_the_homes_folders_become_private() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::old();
    let folder = world.keys();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.run("upgrade --yes").ok();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    check_finds_no_error_but(&world, &[]).ok();
}

#[test]
fn a_second_clone_gets_the_upgrade_by_git_and_trusts_it_by_the_owners_key() {
    let world = World::old();
    world.git("clone -q . ../clone");
    world.run("upgrade --yes").ok();
    world.git("-C ../clone pull -q --ff-only");
    let clone = world.root.join("clone");
    world.line("get stripe/api-key").dir(&clone).run().ok().prints("sk_golden_0").keeps_silent_about("warning");
    world.line("verify").dir(&clone).run().ok();
    // The owner's key alone, without a memory: its proof is in the root.
    let fresh = world.fresh_home("fresh");
    std::fs::create_dir(fresh.join(".agent-vault")).unwrap();
    std::fs::copy(world.owner_key(), fresh.join(".agent-vault/owner.key")).unwrap();
    let strict = world.line("get token").dir(&clone).home(&fresh).env("AGENT_VAULT_TRUST", "strict").run();
    strict.ok().prints("token_golden_0");
}
