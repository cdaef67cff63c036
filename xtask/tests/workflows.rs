//! `.github/workflows`: what can be said of them where they cannot run.

use serde_json::Value;
use std::path::Path;

/// Every workflow: its file's name, its text, and what YAML makes of it.
fn workflows() -> Vec<(String, String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join(".github/workflows");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("a file");
        let (name, text) = (entry.file_name(), std::fs::read_to_string(entry.path()).expect("a workflow"));
        let name = name.to_string_lossy().into_owned();
        let value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, text, value)
    };
    std::fs::read_dir(folder).expect("the workflows").map(read).collect()
}

/// The steps of every job.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().expect("jobs");
    jobs.values().flat_map(|job| job["steps"].as_array().expect("steps")).collect()
}

#[test]
fn there_are_the_workflows_that_are_promised() {
    let mut names: Vec<String> = workflows().into_iter().map(|(name, ..)| name).collect();
    names.sort();
    assert_eq!(names, ["audit.yml", "release.yml", "semver.yml", "test.yml"]);
}

#[test]
fn every_action_is_one_of_few_and_pinned_by_its_hash_with_the_version_beside_it() {
    let mut pins: Vec<(String, String)> = Vec::new();
    for (name, text, workflow) in workflows() {
        let lines: Vec<&str> = text.lines().filter_map(|line| line.trim_start().strip_prefix("- uses: ")).collect();
        assert_eq!(lines.len(), steps(&workflow).iter().filter(|step| step.get("uses").is_some()).count(), "{name}");
        for line in lines {
            let (action, version) = line.split_once(" # ").unwrap_or_else(|| panic!("{name}: {line} has no version"));
            let (action, hash) = action.split_once('@').expect("a hash");
            assert!(action.starts_with("actions/"), "{name}: {action} is somebody's whom nothing else here trusts");
            assert!(hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{name}: {line}");
            assert!(version.starts_with('v') && version.matches('.').count() == 2, "{name}: {line}");
            pins.push((action.to_owned(), format!("{hash} {version}")));
        }
    }
    pins.sort();
    pins.dedup();
    let twice = pins.windows(2).find(|pair| pair[0].0 == pair[1].0);
    assert_eq!(twice, None, "one action, one version");
}

#[test]
fn nothing_may_write_but_the_job_that_publishes() {
    for (name, _, workflow) in workflows() {
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{name}");
        for (job, value) in workflow["jobs"].as_object().expect("jobs") {
            assert!(value.get("timeout-minutes").is_some(), "{name}: {job} may hang for hours");
            let publishes = name == "release.yml" && job == "publish";
            assert_eq!(value.get("permissions").is_some(), publishes, "{name}: {job}");
            let builds = value["steps"].to_string().contains("cargo");
            assert!(!(publishes && builds), "what may write runs nothing that it has fetched");
        }
    }
}

#[test]
fn no_script_is_made_of_what_somebody_else_may_have_named() {
    for (name, _, workflow) in workflows() {
        for step in steps(&workflow) {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: pass it by the environment: {script}");
            let checkout = step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@"));
            assert!(!checkout || step["with"]["persist-credentials"] == false, "{name}: a checkout keeps its token");
        }
    }
}
