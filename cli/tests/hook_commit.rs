//! The commit hook at work: what is staged, in all the ways in which Git commits, and what excuses a finding.
#![cfg(unix)]

mod support;

use support::{PROGRAM, VALUE, World};

/// A token of GitHub's form, put together here so that no file of this repository holds one.
pub fn token() -> String {
    format!("gh{}_{}", "p", "R7xKq2Lm9TzVb4NcW8sYd3FhJ6gPaE5uXo1Q")
}

const SECRET: &str = "Zk7!q9wPx2Rm";

impl World {
    /// Runs `git commit` with these arguments; `Ok` when Git made the commit.
    fn commit(&self, args: &str) -> Result<String, String> {
        let done = self.sh(&format!("git commit -q -m change {args} 2>&1 && echo COMMITTED || true"));
        if done.ends_with("COMMITTED") { Ok(done) } else { Err(done) }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.repo.join(name), text).expect(name);
    }
}

fn vault() -> World {
    let world = World::vault();
    world.set("db/password", SECRET);
    world
}

#[test]
fn f5_a_pasted_value_blocks_the_commit_whatever_stands_around_it() {
    let world = vault();
    for (name, text) in [
        ("a.json", format!("{{\"url\":\"postgres://u:{SECRET}@h/db\"}}")),
        ("b.sh", format!("export X=abc{SECRET}def\n")),
        ("c.bin", format!("\0\0\u{1}{SECRET}\0")),
        ("d.txt", SECRET.to_owned()),
    ] {
        world.write(name, &text);
        world.git(&format!("add {name}"));
        let told = world.commit("").unwrap_err();
        assert!(told.contains("vault-value") && told.contains("db/password") && told.contains(name), "{told}");
        assert!(!told.contains(SECRET), "{told}");
        world.git(&format!("rm -q --cached {name}"));
    }
    assert_eq!(world.git("rev-list --count HEAD"), "2", "init and set");
    world.write("fine", "nothing of it\n");
    world.git("add fine");
    world.commit("").unwrap();
}

#[test]
fn a_value_of_one_vault_is_a_secret_in_every_repository_of_this_machine() {
    let world = vault();
    let other = world.root.join("other");
    world.sh(&format!(
        "git init -q {0}; cd {0}; {PROGRAM} hook install 2>/dev/null; echo 'x={SECRET}' > f; git add f",
        other.display()
    ));
    let done = world.sh(&format!("cd {}; git commit -q -m x 2>&1 || true", other.display()));
    assert!(done.contains("vault-value"), "{done}");
    world.run("trust forget --yes").ok();
    world.sh(&format!("cd {}; git commit -q -m x", other.display()));
}

#[test]
fn the_staged_bytes_count_and_not_the_work_tree_s() {
    let world = vault();
    world.write("f", &token());
    world.git("add f");
    world.write("f", "harmless now");
    assert!(world.commit("").unwrap_err().contains("github-token"));
    world.git("add f");
    world.write("f", &token());
    world.commit("").unwrap();
    assert!(world.commit("-a").unwrap_err().contains("github-token"), "commit -a stages it");
    assert!(world.commit("f").unwrap_err().contains("github-token"), "commit FILE has an index of its own");
    world.git("checkout -q f");
}

#[test]
fn commit_of_one_file_looks_at_that_file_only_and_at_its_own_index() {
    let world = vault();
    world.write("bad", &token());
    world.write("good", "fine");
    world.git("add bad good");
    world.commit("good").unwrap();
    assert!(world.commit("").unwrap_err().contains("bad:1:1"));
}

#[test]
fn renames_links_modes_and_amended_commits_are_looked_at() {
    let world = World::repository();
    world.write("old", &format!("{}\n{}", token(), "line\n".repeat(50)));
    world.git("add old && git commit -q -m before-the-hook");
    world.run("hook install").ok();
    world.git("mv old new");
    assert!(world.commit("").unwrap_err().contains("new:1:1"), "a rename brings the whole file");
    world.git("reset -q --hard && chmod +x old && git add old");
    assert!(world.commit("").unwrap_err().contains("old:1:1"));
    world.sh(&format!("git reset -q --hard; ln -s {} link; git add link", token()));
    assert!(world.commit("").unwrap_err().contains("link:1:1"), "a link's target is what Git stores");
    world.sh("git reset -q --hard; echo fine > f; git add f");
    world.commit("").unwrap();
    world.write("f", &token());
    world.git("add f");
    assert!(world.commit("--amend").unwrap_err().contains("f:1:1"));
    world.sh("git reset -q --hard; git rm -q old");
    world.commit("").unwrap();
}

#[test]
fn the_first_commit_intent_to_add_submodules_and_merges_are_right() {
    let world = World::repository();
    world.run("hook install").ok();
    world.write("f", &token());
    world.git("add -N f");
    world.sh("git commit -q --allow-empty -m first");
    world.git("add f");
    assert!(world.commit("").is_err());
    world.sh(
        "git rm -q --cached f; rm f; git init -q sub; git -C sub commit -q --allow-empty -m x; git add sub 2>/dev/null",
    );
    world.commit("").unwrap();
    world.sh("git checkout -q -b side; echo a > a; git add a; git commit -q -m a; git checkout -q main; echo b > a; git add a; git commit -q -m b; git merge side >/dev/null || true");
    world.write("a", &token());
    world.git("add a");
    assert!(world.commit("").unwrap_err().contains("a:1:1"));
    world.sh("echo c > a; git add a");
    world.commit("").unwrap();
    let fresh = World::repository();
    fresh.run("hook install").ok();
    fresh.write("f", &token());
    fresh.git("add f");
    assert!(fresh.commit("").unwrap_err().contains("f:1:1"), "without a HEAD");
}

#[test]
fn hostile_file_names_are_told_on_one_line_each() {
    let world = World::repository();
    world.run("hook install").ok();
    let names = ["a\nerror: b", "c\x1b[31m", "-rf", "d e\u{202e}f"];
    for name in names {
        world.write(name, &token());
    }
    use std::os::unix::ffi::OsStrExt;
    std::fs::write(world.repo.join(std::ffi::OsStr::from_bytes(b"g\xff\xfe")), token()).unwrap();
    world.git("add -A");
    let done = world.run("hook pre-commit").fails(9).says("5 secrets");
    assert_eq!(done.out().lines().count(), 5, "{done}");
    assert!(done.out().lines().all(|line| line.contains(": github-token: ") && !line.contains('\x1b')), "{done}");
    let listed = world.run("hook pre-commit --json").code(9).json();
    assert_eq!(listed["findings"].as_array().unwrap().len(), 5);
}

#[test]
fn an_allow_list_excuses_with_a_reason_by_rule_and_only_as_it_is_staged() {
    let world = vault();
    let list = |body: &str| world.write(".agent-vault-allow.yaml", &format!("version: 1\nallow:\n{body}"));
    world.sh("mkdir tests");
    world.write("tests/token", &token());
    world.write("tests/value", SECRET);
    world.git("add tests");
    list(
        "  - {path: tests, rule: github-token, reason: revoked long ago}\n  - {path: 'tests/*', rule: vault-value, reason: test value}\n",
    );
    assert!(world.commit("").is_err(), "it is not staged");
    world.git("add .agent-vault-allow.yaml");
    for (body, why) in [
        ("  - {path: tests, rule: github-token}\n", "reason"),
        ("  - {path: tests, rule: github-token, reason: ''}\n", "has no reason"),
        ("  - {path: tests, rule: github-tokn, reason: because}\n", "did you mean github-token?"),
        ("  - {path: tests, rule: '*', reason: because}\n", "there is no rule"),
        ("  - {path: '!x', rule: github-token, reason: because}\n", "no path"),
        ("  - {path: tests, rule: github-token, reason: because, until: never}\n", "unknown field"),
    ] {
        list(body);
        world.git("add .agent-vault-allow.yaml");
        world.run("hook pre-commit").fails(2).says(".agent-vault-allow.yaml").says(why);
    }
    list("  - {path: elsewhere, rule: github-token, reason: because}\n");
    world.git("add .agent-vault-allow.yaml");
    assert!(world.commit("").is_err());
    list(
        "  - {path: tests, rule: github-token, reason: revoked long ago}\n  - {path: 'tests/*', rule: vault-value, reason: test value}\n",
    );
    world.git("add .agent-vault-allow.yaml");
    world.commit("").unwrap();
}

#[test]
fn a_repository_can_be_named_and_a_split_index_blocks() {
    let world = World::repository();
    world.write("f", &token());
    world.git("add f");
    world.line("-C repo hook pre-commit").dir(&world.root).run().fails(9);
    world.git("update-index --split-index");
    world.run("hook pre-commit").fails(1).says("index");
}

#[test]
fn markers_excuse_a_line_and_a_useless_one_says_why() {
    let world = World::repository();
    world.run("hook install").ok();
    world.write("f", &format!("{0} # agent-vault:allow\n", token()));
    world.git("add f");
    assert!(world.commit("").unwrap_err().contains("gives no reason"));
    world.write("f", &format!("{0} # agent-vault:allow revoked, for the parser\n", token()));
    world.git("add f");
    world.commit("").unwrap();
}

#[test]
fn a_damaged_or_foreign_set_is_told_and_an_unreadable_one_blocks() {
    let world = vault();
    let set = world.sh("ls $HOME/.agent-vault/vaults/*/fingerprints");
    let mut bytes = std::fs::read(&set).unwrap();
    let end = bytes.len();
    bytes[end - 1] ^= 1;
    std::fs::write(&set, &bytes).unwrap();
    world.write("f", "fine");
    world.git("add f");
    world.run("hook pre-commit").ok().says("hook refresh");
    world.sh("rm $HOME/.agent-vault/vaults/*/fingerprints; mkdir $(echo $HOME/.agent-vault/vaults/*)/fingerprints");
    world.run("hook pre-commit").fails(1);
    world.sh("rmdir $HOME/.agent-vault/vaults/*/fingerprints");
    world.run("hook refresh").ok().says("recognises 1 value");
    world.write("f", SECRET);
    world.git("add f");
    world.run("hook pre-commit").fails(9);
}

#[test]
fn the_story_s_short_value_is_known_and_a_large_staged_file_is_looked_at() {
    let world = World::story();
    let mut large = "x".repeat(16 << 20);
    large.push_str(VALUE);
    world.write("large", &large);
    world.git("add large");
    let done = world.run("hook pre-commit").fails(9).keeps_silent_about(VALUE);
    assert!(done.out().starts_with("large:1:16777217: vault-value: value of a vault, stripe/api-key"), "{done}");
}
