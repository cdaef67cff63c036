//! A4, A7, A9: whoever has the hub gives what no owner made. Nothing of it is taken, the commit is named, and reading and
//! writing go on here.
#![cfg(unix)]

mod support;

use support::{Attacker, Clones, VALUE, World};

/// Two machines of the owner, and the clone of whoever has the hub.
struct Scene {
    clones: Clones,
    mallory: World,
    /// The hub's last honest commit.
    honest: String,
}

impl Scene {
    fn new() -> Self {
        let clones = Clones::of_one_owner(2);
        clones[1].set("db/password", "first");
        clones[1].set("db/password", "second");
        clones.settle();
        let mallory = clones.stranger("mallory");
        let honest = clones.hub.tip(&mallory);
        Self { clones, mallory, honest }
    }

    /// Commits the clone's work tree as whoever has it, and makes it the hub's branch.
    fn commit(&self) -> String {
        self.mallory.git("add -A -f . && git commit -q -m tidy");
        self.give("HEAD")
    }

    /// Makes a commit the hub's branch.
    fn give(&self, commit: &str) -> String {
        self.mallory.git(&format!("push -q --force origin {commit}:refs/heads/main"));
        self.clones.hub.tip(&self.mallory)
    }

    /// The hub's branch is refused with this code for this reason, every time, and nothing is changed by it.
    #[track_caller]
    fn is_refused(&self, code: i32, reason: &str) {
        let machine = &self.clones[0];
        let refs = || machine.git("for-each-ref refs/heads refs/tags HEAD");
        let before = (machine.state(), refs(), machine.git("ls-files --stage"));
        for call in ["sync", "sync --pull", "sync --json", "get stripe/api-key --fresh"] {
            machine.run(call).fails(code).says(reason).keeps_silent_about(VALUE);
            assert_eq!((machine.state(), refs(), machine.git("ls-files --stage")), before, "{call}");
        }
        // A read on the way says it, and goes on with what is known.
        machine.sh("rm -rf ~/.agent-vault/vaults/*/fetched");
        machine.run("get stripe/api-key").ok().says(reason).prints(VALUE);
        machine.run("get db/password").ok().prints("second");
        machine.run("verify --history").ok();
        machine.set("here/more", "writing goes on");
        machine.run("sync").fails(code);
        machine.run("get here/more").ok().prints("writing goes on");
    }

    /// The same, for what breaks a rule: the commit that does is named and kept.
    #[track_caller]
    fn breaks_a_rule(&self, culprit: &str, reason: &str) {
        let machine = &self.clones[0];
        machine.run("sync").fails(5).says(culprit).says(reason).says("nothing of it was taken");
        let tip = self.clones.hub.tip(&self.mallory);
        assert_eq!(machine.git(&format!("rev-parse refs/agent-vault/refused/{tip}")), tip, "kept for whoever looks");
        self.is_refused(5, culprit);
        // On purpose does not mean without rules.
        machine.run("sync --rewritten").fails(5).says(culprit);
    }

    /// Once the hub is put right, all is as if nothing had been.
    #[track_caller]
    fn heals(&self) {
        self.give(&self.honest);
        self.clones.settle();
        assert_eq!(self.clones[1].get("here/more"), b"writing goes on");
        assert_eq!(self.clones[1].get("stripe/api-key"), VALUE.as_bytes());
        assert_eq!(self.clones[0].get("db/password"), b"second");
    }
}

#[test]
fn a7_a_policy_that_no_owner_signed_is_refused() {
    let scene = Scene::new();
    let attacker = Attacker::new(&scene.mallory);
    let policy = scene.mallory.text("manifest.yaml");
    let agent = format!(
        "agents:\n  - {{name: mallory, public_key: {}, groups: [stripe], created: 2026-01-01T00:00:00Z}}\n",
        attacker.recipient
    );
    let policy = policy.replacen("agents:\n", &agent, 1);
    scene.mallory.plant("manifest.yaml", &policy);
    scene.mallory.plant("manifest.sig", attacker.sign("agent-vault.manifest", &policy));
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "manifest");
    scene.heals();
}

#[test]
fn a6_a_remote_that_goes_on_breaking_rules_does_not_fill_the_clone() {
    let scene = Scene::new();
    let machine = &scene.clones[0];
    for attempt in 0..34 {
        scene.mallory.plant("secrets/stripe/api-key.meta", format!("attempt {attempt}\n"));
        scene.commit();
        machine.run("sync").fails(5).says("nothing of it was taken");
    }
    let kept = || machine.git("for-each-ref refs/agent-vault/refused").lines().count();
    assert_eq!(kept(), 32);
    machine.run("sync").fails(5).says("32 refused commits are kept").says("and no more");
    machine.sh("git for-each-ref refs/agent-vault/refused --format='delete %(refname)' | git update-ref --stdin");
    machine.run("sync").fails(5).says("it is kept as");
    assert_eq!(kept(), 1);
    scene.give(&scene.honest);
    machine.run("sync").ok();
}

#[test]
fn a2_a_change_without_a_signature_is_refused() {
    let scene = Scene::new();
    let text = scene.mallory.text("secrets/stripe/api-key.meta");
    scene.mallory.plant("secrets/stripe/api-key.meta", text.replace("revision: ", "revision: 1"));
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "stripe/api-key");
    scene.heals();
}

#[test]
fn a3_a_value_encrypted_by_somebody_else_is_refused() {
    let scene = Scene::new();
    let attacker = Attacker::new(&scene.mallory);
    let owner = scene.mallory.text("owner.pub");
    let readers: Vec<&str> = owner.split_whitespace().filter(|word| word.starts_with("age1")).collect();
    scene.mallory.plant("secrets/stripe/api-key.enc", attacker.encrypt(&readers, "mallory's"));
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "stripe/api-key");
    scene.heals();
}

#[test]
fn a7_a_vault_without_its_roots_is_refused() {
    let scene = Scene::new();
    scene.mallory.sh("rm -r .agent-vault/roots");
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "roots");
    scene.heals();
}

#[test]
fn a7_another_vault_in_its_place_is_refused() {
    let scene = Scene::new();
    scene.mallory.sh("rm -rf .agent-vault");
    scene.mallory.run("init --owner eric").ok();
    scene.mallory.set("stripe/api-key", "mallory's");
    scene.give("HEAD");
    let before = scene.clones[0].state();
    scene.clones[0].run("sync").fails(5).says("nothing of it was taken");
    assert_eq!(scene.clones[0].state(), before);
    scene.is_refused(5, "commit");
    scene.heals();
}

#[test]
fn a7_another_vault_with_a_history_of_its_own_is_refused() {
    let scene = Scene::new();
    scene.mallory.sh("git checkout -q --orphan mine && git rm -rqf . && rm -rf .agent-vault");
    scene.mallory.sh("rm -rf ~/.agent-vault/places* ~/.agent-vault/vaults");
    scene.mallory.run("init --owner eric").ok();
    scene.mallory.set("stripe/api-key", "mallory's");
    scene.give("HEAD");
    // To this machine the branch was rewritten; on purpose it is another vault all the same.
    let before = scene.clones[0].state();
    scene.clones[0].run("sync").fails(7).says("was rewritten");
    scene.clones[0].run("sync --rewritten").fails(5).says("another vault");
    assert_eq!(scene.clones[0].state(), before);
    scene.is_refused(7, "was rewritten");
    scene.heals();
}

#[test]
fn a4_a_secret_that_went_without_a_tombstone_is_missed() {
    let scene = Scene::new();
    scene.mallory.git("rm -q .agent-vault/secrets/db/password.enc .agent-vault/secrets/db/password.meta");
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "db/password");
    scene.heals();
}

#[test]
fn a4_older_signed_content_on_top_of_newer_is_refused() {
    let scene = Scene::new();
    let commits = scene.mallory.git("rev-list HEAD -- .agent-vault/secrets/db/password.meta");
    let old = commits.lines().last().expect("the first");
    scene.mallory.git(&format!("checkout -q {old} -- .agent-vault/secrets/db"));
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "db/password");
    scene.heals();
}

#[test]
fn a4_a_whole_older_vault_on_top_of_the_newer_is_refused() {
    let scene = Scene::new();
    scene.mallory.git("rm -rq --cached . && git checkout -q HEAD~2 -- .");
    scene.mallory.sh("git clean -fdq; git checkout -q HEAD~2 -- .agent-vault");
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "db/password");
    scene.heals();
}

#[test]
fn a9_one_secret_that_is_frozen_in_an_otherwise_new_state_is_refused() {
    let scene = Scene::new();
    scene.clones[1].set("stripe/new", "newer");
    scene.clones[1].run("sync").ok();
    scene.mallory.git("pull -q");
    let commits = scene.mallory.git("rev-list HEAD -- .agent-vault/secrets/db/password.meta");
    let old = commits.lines().last().expect("the first");
    scene.mallory.git(&format!("checkout -q {old} -- .agent-vault/secrets/db"));
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "db/password");
    scene.give("HEAD~1");
    scene.clones.settle();
}

#[test]
fn a9_two_signed_steps_squashed_into_one_are_refused() {
    let scene = Scene::new();
    scene.clones[1].set("stripe/api-key", "third");
    scene.clones[1].set("stripe/api-key", "fourth");
    scene.clones[1].git("push -q origin main:refs/heads/work");
    scene.mallory.git("fetch -q origin work && git merge -q --squash FETCH_HEAD >/dev/null");
    let culprit = scene.commit();
    scene.breaks_a_rule(&culprit, "stripe/api-key");
    scene.heals_without_value();
}

#[test]
fn a9_a_merge_that_undoes_one_sides_revocation_is_refused() {
    let scene = Scene::new();
    scene.clones[1].run("revoke ci stripe").ok();
    scene.clones[1].git("push -q origin main:refs/heads/work");
    scene.clones[0].set("more/work", "of the other");
    scene.clones[0].git("push -q origin main:refs/heads/main");
    scene.mallory.git("fetch -q origin && git reset -q --hard origin/main");
    let honest = scene.mallory.git("rev-parse origin/main");
    // The one side's tree, with both sides as parents.
    let merge = scene.mallory.git("commit-tree -p origin/main -p origin/work -m merge 'origin/main^{tree}'");
    scene.give(&merge);
    scene.breaks_a_rule(&merge, "was undone");
    let turned = scene.mallory.git(&format!("commit-tree -p origin/work -p {honest} -m merge '{honest}^{{tree}}'"));
    scene.give(&turned);
    scene.clones[0].run("sync").fails(5).says(&turned);
    assert!(!scene.clones[1].run("list-agents").ok().out().contains("stripe"));
    scene.give(&honest);
    scene.clones.settle();
    assert!(!scene.clones[0].run("list-agents").ok().out().contains("stripe"), "the revocation counts");
}

impl Scene {
    /// As [`Scene::heals`], where the value of `stripe/api-key` is another by now.
    #[track_caller]
    fn heals_without_value(&self) {
        self.give(&self.honest);
        self.clones.settle();
        assert_eq!(self.clones[0].get("stripe/api-key"), b"fourth");
        assert_eq!(self.clones[1].get("here/more"), b"writing goes on");
    }
}
