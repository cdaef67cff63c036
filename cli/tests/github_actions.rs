//! `examples/github-actions`: the action and the workflow, run as GitHub's runner runs them, against real vaults.
#![cfg(target_os = "linux")]

mod support;
mod support_actions;

use agent_vault_test_remotes::executable;
use std::path::{Path, PathBuf};
use support::{Attacker, VALUE, World};
use support_actions::{Ended, Job, Texts, assignments, yaml};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/github-actions")
}

fn with(inputs: &[(&str, &str)]) -> Texts {
    inputs.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
}

/// A job with the key of `ci`, and the action with these variables.
fn given<'w>(world: &'w World, name: &str, secrets: &str) -> (Job<'w>, Ended) {
    given_with(world, name, &[("secrets", secrets)])
}

fn given_with<'w>(world: &'w World, name: &str, inputs: &[(&str, &str)]) -> (Job<'w>, Ended) {
    let mut job = Job::new(world, name);
    let key = std::fs::read_to_string(world.key("ci")).unwrap();
    job.secret("AGENT_VAULT_KEY", &key);
    let mut inputs = with(inputs);
    inputs.insert("key".into(), key);
    let ended = job.action(&example(), &inputs);
    (job, ended)
}

/// The job failed, said this, and got nothing.
#[track_caller]
fn is_refused((job, ended): &(Job<'_>, Ended), told: &str) {
    assert_ne!(ended.code, 0);
    assert!(job.log.contains(told), "{told:?} is not said\n{}", job.log);
    assert!(!job.printed.contains(VALUE) && !job.printed.contains("AGE-SECRET-KEY"), "{}", job.printed);
    assert_eq!(ended.outputs["available"], "");
    assert!(!job.env.contains_key("A") && !job.env.contains_key("B"));
}

#[test]
fn steps_that_follow_have_the_variables_and_the_log_has_nothing() {
    let world = World::story();
    world.set("stripe/password", "p&ss word");
    let secrets =
        "\n# what the deployment needs\n  A=stripe/api-key\r\nB=https://u:${av://stripe/password}@example.org\n";
    let (mut job, ended) = given(&world, "runner", secrets);
    assert_eq!((ended.code, &*ended.outputs["available"]), (0, "true"), "{}", job.log);
    assert_eq!(job.log, "", "nothing is shown");
    let ended = job.script("echo \"$A, $B\"; env | sort; printenv A | rev");
    assert_eq!(ended.code, 0);
    assert!(job.log.starts_with("***, https://u:***@example.org\n"), "{}", job.log);
    assert!(job.log.contains("\nA=***\n") && !job.log.contains(VALUE), "{}", job.log);
    assert_eq!(job.env["A"], VALUE);
    let reversed: String = VALUE.chars().rev().collect();
    assert!(job.log.contains(&reversed), "a mask is no wall");
}

#[test]
fn the_key_reaches_the_action_alone() {
    let world = World::story();
    let (mut job, _) = given(&world, "runner", "A=stripe/api-key");
    job.script("env; ls -RA \"$HOME\"; cat \"$GITHUB_WORKSPACE\"/* 2>&1 || true; grep -r AGE-SECRET-KEY \"$HOME\" || echo none");
    assert!(!job.printed.contains("AGE-SECRET-KEY") && job.log.ends_with("none\n"), "{}", job.printed);
    assert!(job.env.keys().all(|name| !name.starts_with("AGENT_VAULT")));
}

#[test]
fn values_arrive_byte_for_byte_whatever_is_in_them_and_no_line_of_them_is_shown() {
    let values = [
        "one\ntwo\n\n  three\t\nfour",
        "EOF\nB=injected\n",
        "agent_vault_0123456789abcdef0123456789abcdef\nB=injected",
        "A<<EOF\nx\nEOF",
        "::set-output name=available::no\n::stop-commands::x\n::add-mask::a",
        "%0A::error::x%0D%25%",
        "it's \"q\" `id` $(touch pwned) ${HOME} \\ \\n ! * ~ ; & | < >",
        "\u{f6}\u{2028}\u{85}\u{feff}end",
        "cr\r\nlf\r\n",
        "\n\nlast",
        "-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBg\n-----END PRIVATE KEY-----\n",
        "x",
        "",
    ];
    for (number, value) in values.into_iter().enumerate() {
        let world = World::story();
        world.set("stripe/odd", value);
        let (mut job, ended) = given(&world, "runner", "A=stripe/odd\nC=stripe/api-key");
        assert_eq!((ended.code, &*ended.outputs["available"]), (0, "true"), "{number}: {}", job.printed);
        assert_eq!(job.log, "", "{number}");
        assert_eq!(job.env["A"], value, "{number}");
        assert_eq!(job.env["C"], VALUE, "{number}");
        assert!(!job.env.contains_key("B") && !world.repo.join("pwned").exists(), "{number}");
        assert!(job.printed.lines().all(|line| line.starts_with("::add-mask::")), "{number}");
        // Each line beside something, as a trace or a dump of the environment shows it.
        job.script("while IFS= read -r line; do printf '[%s]\\n' \"${line%$'\\r'}\"; done <<< \"$A\"");
        for line in job.log.lines() {
            let shown = line.trim_start_matches('[').trim_end_matches(']').replace("***", "");
            assert!(shown.trim().is_empty(), "{number}: {line:?}");
        }
    }
}

#[test]
fn two_jobs_have_two_delimiters() {
    let world = World::story();
    let delimiter = |name: &str| {
        given(&world, name, "A=stripe/api-key");
        let text = std::fs::read_to_string(world.root.join(name).join("1.env")).unwrap();
        text.lines().next().unwrap().strip_prefix("A<<").unwrap().to_owned()
    };
    let (one, other) = (delimiter("one"), delimiter("other"));
    assert!(one != other && one.len() > 40, "{one} {other}");
}

#[test]
fn what_no_variable_can_hold_is_refused_and_nothing_is_set() {
    for (value, told) in [(&b"a\0b"[..], "holds a NUL byte"), (b"\xff\xfe", "is no text")] {
        let world = World::story();
        world.set("stripe/odd", value);
        is_refused(&given(&world, "runner", "B=stripe/api-key\nA=stripe/odd"), told);
    }
}

#[test]
fn all_variables_are_set_or_none() {
    let world = World::story();
    world.set("postgres/password", "hunter2-and-more");
    is_refused(&given(&world, "typo", "A=stripe/api-key\nB=stripe/api-kye"), "did you mean");
    is_refused(&given(&world, "denied", "A=stripe/api-key\nB=postgres/password"), "not authorised");
    is_refused(&given(&world, "wrong", "A=stripe/api-key\nB"), "write VAR=PATH");
    is_refused(&given(&world, "key", "A=stripe/api-key\nAGENT_VAULT_KEY=stripe/api-key"), "no program is given it");
    is_refused(&given(&world, "nothing", "\n # A=stripe/api-key\n"), "Nothing says which variables to set");
    world.run("set stripe/api-key --use-only --programs cp").ok();
    is_refused(&given(&world, "bound", "A=stripe/api-key"), "use-only");
    world.run("set stripe/api-key --no-use-only").ok();
    world.run("revoke ci stripe").ok();
    is_refused(&given(&world, "revoked", "A=stripe/api-key"), "not authorised");
}

#[test]
fn a3_a_forged_value_is_refused() {
    let world = World::story();
    let attacker = Attacker::new(&world);
    let recipients = [world.text("owner.pub"), world.text("agents/ci/public.key")];
    world.plant("secrets/stripe/api-key.enc", attacker.encrypt(&[&recipients[0], &recipients[1]], "forged"));
    attacker.commit();
    is_refused(&given(&world, "runner", "A=stripe/api-key"), "it was replaced");
}

#[test]
fn a_pull_request_from_a_fork_has_no_key_and_is_told_so() {
    let world = World::story();
    let secrets = ("secrets", "A=stripe/api-key");
    let run = |name: &str, from: &str, inputs: &[(&str, &str)]| {
        let mut job = Job::new(&world, name);
        job.pull_request(from);
        let ended = job.action(&example(), &with(inputs));
        (job, ended)
    };
    let fork = run("fork", "stranger/shop", &[secrets, ("key", "")]);
    is_refused(&fork, "error: There is no key, because this pull request comes from a fork");
    assert_eq!(fork.0.log.lines().count(), 1);
    let own = run("own", "example/shop", &[secrets, ("key", " \n")]);
    is_refused(&own, "error: The input \"key\" is empty: is the secret set");
    let (job, ended) = run("skip", "stranger/shop", &[secrets, ("without-key", "skip")]);
    assert_eq!((ended.code, &*ended.outputs["available"]), (0, "false"));
    assert!(job.log.starts_with("notice: No variables are set. There is no key, because this"), "{}", job.log);
    assert!(!job.env.contains_key("A"));
    is_refused(&run("typo", "stranger/shop", &[secrets, ("without-key", "skpi")]), "is fail or skip");
}

#[test]
fn a_key_that_is_none_is_refused_and_not_repeated() {
    let world = World::story();
    for (name, key) in [("half", "AGE-SECRET-KEY-1QQQQ"), ("text", "what was pasted instead"), ("path", "/no/such.key")]
    {
        let mut job = Job::new(&world, name);
        job.secret("AGENT_VAULT_KEY", key);
        let ended = job.action(&example(), &with(&[("key", key), ("secrets", "A=stripe/api-key")]));
        assert_eq!(ended.code, 6, "{}", job.log);
        assert!(job.log.contains("cannot be used") && !job.log.contains(key), "{}", job.log);
    }
}

#[test]
fn text_from_outside_is_neither_a_reference_nor_a_command() {
    let world = World::story();
    let mut job = Job::new(&world, "runner");
    // As workflows are told to hand over the title of an issue: by the environment.
    job.env.insert("TITLE".into(), "av://stripe/api-key".into());
    job.env.insert("BODY".into(), "${av://stripe/api-key}".into());
    let key = std::fs::read_to_string(world.key("ci")).unwrap();
    let secrets = "A=stripe/api-key\n";
    assert_eq!(job.action(&example(), &with(&[("key", &key), ("secrets", secrets)])).code, 0, "{}", job.log);
    assert_eq!((&*job.env["TITLE"], &*job.env["BODY"]), ("av://stripe/api-key", "${av://stripe/api-key}"));
    for (number, hostile) in
        ["$(touch pwned)", "'; touch pwned; '", "`touch pwned`", "--help", "\"\ntouch pwned #"].into_iter().enumerate()
    {
        for input in ["secrets", "env-file", "profile", "vault", "program", "without-key"] {
            let mut inputs = with(&[("key", &key), ("secrets", secrets)]);
            inputs.insert(input.into(), hostile.into());
            let mut job = Job::new(&world, &format!("{input}{number}"));
            assert_ne!(job.action(&example(), &inputs).code, 0, "{input}: {hostile}");
            assert!(!world.repo.join("pwned").exists(), "{input}: {hostile}");
            assert!(!job.printed.contains(VALUE) && !job.env.contains_key("A"), "{input}: {hostile}");
        }
    }
}

#[test]
fn an_env_file_is_read_where_it_is_named_and_only_there() {
    let world = World::story();
    std::fs::write(world.repo.join(".agent-vault.env"), "A=av://stripe/api-key\n[live]\nB=av://stripe/api-key\n")
        .unwrap();
    let (job, _) = given(&world, "unnamed", "C=stripe/api-key");
    assert!(job.env.contains_key("C") && !job.env.contains_key("A"));
    let (job, ended) = given_with(&world, "named", &[("env-file", ".agent-vault.env")]);
    assert_eq!((ended.code, &*job.env["A"]), (0, VALUE), "{}", job.log);
    assert!(!job.env.contains_key("B"));
    let (job, _) = given_with(&world, "profile", &[("env-file", ".agent-vault.env"), ("profile", "live")]);
    assert_eq!(job.env["B"], VALUE);
    std::fs::write(world.repo.join(".agent-vault.env"), "LD_PRELOAD=${av://stripe/api-key}\n").unwrap();
    is_refused(&given_with(&world, "code", &[("env-file", ".agent-vault.env")]), "no env file may set LD_PRELOAD");
}

#[test]
fn the_program_is_the_one_that_is_named_and_a_missing_one_is_told() {
    let world = World::story();
    std::fs::create_dir(world.repo.join("tools")).unwrap();
    std::os::unix::fs::symlink(support::PROGRAM, world.repo.join("tools/av")).unwrap();
    let inputs = [("secrets", "A=stripe/api-key"), ("program", "./tools/av"), ("vault", ".agent-vault")];
    let (job, ended) = given_with(&world, "named", &inputs);
    assert_eq!((ended.code, &*job.env["A"]), (0, VALUE), "{}", job.log);
    for program in ["./tools/none", "no-such-program"] {
        let inputs = [("secrets", "A=stripe/api-key"), ("program", program)];
        is_refused(&given_with(&world, program.trim_start_matches("./tools/"), &inputs), "was not found");
    }
}

#[test]
fn what_was_checked_out_is_read_and_no_remote_is_asked() {
    let world = World::story();
    world.git("remote add origin https://127.0.0.1:1/nowhere.git");
    world.git("checkout -q --detach");
    let (job, ended) = given(&world, "runner", "A=stripe/api-key");
    assert_eq!((ended.code, &*job.log), (0, ""));
    // As a checkout leaves it that fetches one commit.
    world.git("update-ref -d refs/heads/main");
    world.sh("git rev-parse HEAD > .git/shallow");
    let (job, ended) = given(&world, "shallow", "A=stripe/api-key");
    assert_eq!((ended.code, &*job.log, &*job.env["A"]), (0, "", VALUE));
}

/// The story's world with what the workflow calls.
fn shop() -> World {
    let world = World::story();
    executable(&world.repo.join("test"), "#!/bin/sh\necho \"tested with '$STRIPE_KEY'\"\n");
    executable(&world.repo.join("deploy"), "#!/bin/sh\necho \"deployed with $STRIPE_KEY and '$AGENT_VAULT_KEY'\"\n");
    world
}

#[test]
fn the_workflow_does_what_it_says() {
    let workflow = yaml(&example().join("workflow.yml"));
    let world = shop();
    let mut job = Job::new(&world, "test");
    job.secret("AGENT_VAULT_KEY", &std::fs::read_to_string(world.key("ci")).unwrap());
    assert_eq!(job.workflow(&workflow["jobs"]["test"], &example()), 0, "{}", job.log);
    assert_eq!(job.log, "tested with '***'\n");
    let mut job = Job::new(&world, "deploy");
    job.secret("AGENT_VAULT_KEY", &std::fs::read_to_string(world.key("ci")).unwrap());
    assert_eq!(job.workflow(&workflow["jobs"]["deploy"], &example()), 0, "{}", job.log);
    assert_eq!(job.log, "deployed with *** and ''\n");
    assert!(!job.printed.contains(VALUE), "run masks by itself");
    assert!(!job.env.contains_key("STRIPE_KEY"), "no other step has it");
    let mut fork = Job::new(&world, "fork");
    fork.pull_request("stranger/shop");
    assert_eq!(fork.workflow(&workflow["jobs"]["test"], &example()), 0, "{}", fork.log);
    assert!(fork.log.starts_with("notice: ") && fork.log.lines().count() == 1, "{}", fork.log);
}

#[test]
fn the_action_and_the_workflow_keep_to_the_rules_that_need_no_run() {
    let action = yaml(&example().join("action.yml"));
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(input["description"].is_string(), "{name}");
    }
    let steps = |job: &serde_json::Value| job["steps"].as_array().expect("steps").clone();
    let workflow = yaml(&example().join("workflow.yml"));
    assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}));
    let jobs = workflow["jobs"].as_object().unwrap();
    let all: Vec<_> = steps(&action["runs"]).into_iter().chain(jobs.values().flat_map(steps)).collect();
    let ours = std::fs::read_to_string(example().join("../../.github/workflows/test.yml")).unwrap();
    for step in &all {
        assert!(!step["run"].as_str().unwrap_or_default().contains("${{"), "pass it by the environment: {step}");
        match step["uses"].as_str() {
            Some(used) if used.starts_with("./") => {}
            Some(used) => {
                assert!(ours.contains(&format!("uses: {used} # ")), "{used} is not what our own workflows use");
                assert_eq!(step["with"]["persist-credentials"], false, "{step}");
            }
            None => assert!(!step["run"].as_str().expect("a script").contains("set -x")),
        }
    }
    let documented = std::fs::read_to_string(example().join("../../docs/github-actions.md")).unwrap();
    for name in action["inputs"].as_object().unwrap().keys() {
        assert!(documented.contains(&format!("| `{name}` |")), "docs/github-actions.md: {name}");
    }
    let whole = std::fs::read_to_string(example().join("workflow.yml")).unwrap();
    let shown = documented.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut count = 0;
    for block in shown {
        count += 1;
        assert!(whole.contains(block), "docs/github-actions.md shows what workflow.yml does not have:\n{block}");
    }
    assert!(count > 0);
}

#[test]
fn the_harness_reads_files_of_variables_as_the_runner_does() {
    let read = |text: &str| assignments(text).map(|found| found.into_iter().collect::<Vec<_>>());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(read("A=1\n\nB<<E\nx=<<\n\nE\n"), Ok(vec![pair("A", "1"), pair("B", "x=<<\n")]));
    assert_eq!(read("A=<<E\n"), Ok(vec![pair("A", "<<E")]));
    assert_eq!(read("A<<E\nE\n"), Ok(vec![pair("A", "")]));
    assert!(read("A<<E\nx\n").is_err() && read("A\n").is_err() && read("=1\n").is_err());
    // What a naive script writes, and what a value makes of it.
    assert_eq!(read("A<<EOF\nx\nEOF\nPATH=/evil\nEOF=\n").unwrap().len(), 3);
}
