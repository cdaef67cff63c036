//! What GitHub's runner does with the steps of a job, as far as they can tell: expressions, `bash` as `shell: bash` starts it,
//! the files behind `GITHUB_ENV` and `GITHUB_OUTPUT`, workflow commands, and a log in which what was masked is `***`.
//!
//! Sources: "Workflow syntax", "Metadata syntax" and "Workflow commands" of GitHub's documentation. What is not known here
//! fails: no step is passed over, and no expression is taken for an empty one.

mod commands;
mod expressions;

pub use commands::assignments;

use super::support::{PROGRAM, World};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names and texts.
pub type Texts = BTreeMap<String, String>;

/// Reads a YAML file.
#[track_caller]
pub fn yaml(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A job on a machine of its own, in the world's repository.
pub struct Job<'w> {
    world: &'w World,
    root: PathBuf,
    /// The variables of every step: the job's own, and what steps have added.
    pub env: Texts,
    /// What expressions can name, such as `secrets.AGENT_VAULT_KEY`.
    pub contexts: Texts,
    /// What people see.
    pub log: String,
    /// What the steps printed.
    pub printed: String,
    masks: Vec<String>,
    steps: usize,
}

/// How a step ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Its outputs.
    pub outputs: Texts,
}

impl<'w> Job<'w> {
    /// A job that runs because somebody pushed. The program is on its PATH.
    pub fn new(world: &'w World, name: &str) -> Self {
        let root = world.fresh_home(name);
        let [home, bin] = ["home", "bin"].map(|folder| root.join(folder));
        std::fs::create_dir(&home).expect("a home");
        std::fs::create_dir(&bin).expect("a folder");
        std::os::unix::fs::symlink(PROGRAM, bin.join("agent-vault")).expect("a link");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"));
        let env = [
            ("PATH", path.as_str()),
            ("HOME", &home.display().to_string()),
            ("LC_ALL", "C.UTF-8"),
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_REPOSITORY", "example/shop"),
            ("GITHUB_WORKSPACE", &world.repo.display().to_string()),
        ];
        Self {
            world,
            root,
            env: env.map(|(name, value)| (name.into(), value.into())).into(),
            contexts: Texts::from([("github.event.pull_request.head.repo.full_name".into(), String::new())]),
            log: String::new(),
            printed: String::new(),
            masks: Vec::new(),
            steps: 0,
        }
    }

    /// A secret of the repository, which the runner masks from the beginning, every line of it.
    pub fn secret(&mut self, name: &str, text: &str) {
        self.contexts.insert(format!("secrets.{name}"), text.into());
        self.masks.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }

    /// The job runs for a pull request from this repository.
    pub fn pull_request(&mut self, from: &str) {
        self.env.insert("GITHUB_EVENT_NAME".into(), "pull_request".into());
        self.contexts.insert("github.event.pull_request.head.repo.full_name".into(), from.into());
    }

    /// Runs the composite action in a folder with these inputs, until a step fails.
    pub fn action(&mut self, folder: &Path, with: &Texts) -> Ended {
        let action = yaml(&folder.join("action.yml"));
        assert_eq!(action["runs"]["using"], "composite");
        let known = action["inputs"].as_object().expect("inputs");
        let mut contexts = self.contexts.clone();
        // The contexts of the workflow are the caller's, but for `github`.
        contexts.retain(|name, _| name.starts_with("github."));
        for (name, input) in known {
            let default = input["default"].as_str().unwrap_or_default();
            let text = with.get(name).map_or(default, String::as_str);
            contexts.insert(format!("inputs.{name}"), text.into());
        }
        let unknown = with.keys().find(|name| !known.contains_key(*name));
        assert_eq!(unknown, None, "an input that the action does not have: the runner only warns");
        let place = Texts::from([("GITHUB_ACTION_PATH".into(), folder.display().to_string())]);
        let mut code = 0;
        for step in action["runs"]["steps"].as_array().expect("steps") {
            let ended = self.run(step, &contexts, &place);
            remember(step, &ended, &mut contexts);
            code = ended.code;
            if code != 0 {
                break;
            }
        }
        let outputs = action["outputs"].as_object().into_iter().flatten();
        let outputs = outputs.map(|(name, output)| {
            let value = output["value"].as_str().expect("a value");
            (name.clone(), expressions::filled(value, &contexts))
        });
        Ended { code, outputs: outputs.collect() }
    }

    /// Runs a job of a workflow, until a step fails. `checkout` is there already, and `local` is the folder of the action that
    /// the workflow names by a path.
    pub fn workflow(&mut self, job: &Value, local: &Path) -> i32 {
        for step in job["steps"].as_array().expect("steps") {
            let mut contexts = self.contexts.clone();
            if step["if"].as_str().is_some_and(|condition| !expressions::is_true(condition, &contexts)) {
                continue;
            }
            let ended = match step["uses"].as_str() {
                Some(action) if action.starts_with("actions/checkout@") => continue,
                Some(action) => {
                    assert!(action.starts_with("./"), "{action}");
                    self.action(local, &expressions::texts(&step["with"], &contexts))
                }
                None => self.run(step, &contexts, &Texts::new()),
            };
            remember(step, &ended, &mut contexts);
            self.contexts = contexts;
            if ended.code != 0 {
                return ended.code;
            }
        }
        0
    }

    /// Runs a script as a step of the job.
    pub fn script(&mut self, script: &str) -> Ended {
        let step = serde_json::json!({ "run": script, "shell": "bash" });
        let contexts = self.contexts.clone();
        self.run(&step, &contexts, &Texts::new())
    }

    fn run(&mut self, step: &Value, contexts: &Texts, more: &Texts) -> Ended {
        let known = ["id", "name", "if", "shell", "env", "run"];
        let unknown = step.as_object().expect("a step").keys().find(|key| !known.contains(&key.as_str()));
        assert_eq!(unknown, None, "{step}");
        self.steps += 1;
        let file = |name: &str| self.root.join(format!("{}.{name}", self.steps));
        let (script, variables, outputs, printed) = (file("sh"), file("env"), file("output"), file("printed"));
        std::fs::write(&script, expressions::filled(step["run"].as_str().expect("a script"), contexts)).unwrap();
        std::fs::write(&variables, "").unwrap();
        std::fs::write(&outputs, "").unwrap();
        let both = std::fs::File::create(&printed).expect("a file");
        let status = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&script)
            .current_dir(&self.world.repo)
            .env_clear()
            .envs(&self.env)
            .envs(more)
            .envs(expressions::texts(&step["env"], contexts))
            .envs([("GITHUB_ENV", &variables), ("GITHUB_OUTPUT", &outputs)])
            .stdin(Stdio::null())
            .stdout(both.try_clone().expect("a file"))
            .stderr(both)
            .status()
            .expect("bash runs");
        let printed = String::from_utf8(std::fs::read(printed).unwrap()).expect("text");
        self.read(&printed);
        let read =
            |file: &Path| assignments(&std::fs::read_to_string(file).expect("text")).expect("a file of variables");
        let added = read(&variables);
        assert!(!added.contains_key("NODE_OPTIONS"), "the runner refuses it");
        self.env.extend(added);
        Ended { code: status.code().expect("no signal"), outputs: read(&outputs) }
    }

    /// Takes commands out of what a step printed, and shows the rest.
    fn read(&mut self, printed: &str) {
        self.printed.push_str(printed);
        for line in printed.split(['\n', '\r']).filter(|line| !line.is_empty()) {
            let shown = match commands::command(line) {
                Some(("add-mask", data)) => {
                    let lines = data.split(['\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned);
                    self.masks.extend(lines);
                    continue;
                }
                Some((kind @ ("error" | "warning" | "notice"), data)) => format!("{kind}: {data}"),
                Some((other, _)) => panic!("a command that nobody should give: {other}"),
                None => line.to_owned(),
            };
            self.log.push_str(&commands::masked(&shown, &self.masks));
            self.log.push('\n');
        }
    }
}

fn remember(step: &Value, ended: &Ended, contexts: &mut Texts) {
    if let Some(id) = step["id"].as_str() {
        let named = |(name, value): (&String, &String)| (format!("steps.{id}.outputs.{name}"), value.clone());
        contexts.extend(ended.outputs.iter().map(named));
    }
}
