//! The tools: what they are called, what they take, and what they do.

use crate::answer::{Answer, Failure, usage};
use crate::exec::{self, Wish};
use crate::process::Running;
use crate::rules::{Rules, Tool};
use crate::vault::{Open, Place};
use agent_vault_core::check::{self, Finding, Severity};
use agent_vault_core::vault::{Listing, Row};
use agent_vault_core::{Error, GroupName, Purpose, Result, SecretPath, Timestamp};
use agent_vault_deliver::resolve::Read;
use agent_vault_open::words::{count, one_line};
use agent_vault_open::{Found, who};
use rmcp::model::{JsonObject, Tool as Definition, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A listing has so many secrets at most: a model has to read it.
const LISTED: usize = 1_000;
/// So many days ahead an expiry is announced.
const WITHIN: i64 = 30;

/// What a call works with.
pub struct Served<'s> {
    /// What the model may do.
    pub rules: &'s Rules,
    /// The vault.
    pub place: &'s Place,
    /// The programs that run.
    pub running: &'s Running,
    /// Whether nobody waits for the answer any more.
    pub stop: &'s dyn Fn() -> bool,
}

/// Makes one call.
///
/// # Errors
/// What the model is told in place of an answer.
pub fn call(tool: Tool, arguments: JsonObject, served: &Served<'_>) -> Result<Answer, Failure> {
    let wish = understood(tool, arguments, served.rules).map_err(|failure| refused(tool, failure, served.place))?;
    match wish {
        Wanted::Get(path) => get(&path, served),
        Wanted::List(group) => list(group.as_ref(), served),
        Wanted::Whoami => whoami(served),
        Wanted::Check => checked(served),
        Wanted::Exec(wish) => {
            let open = served.place.open()?;
            let mut failure = None;
            let recorded = open.recorded("exec", None, Some(&one_line(wish.command())), || {
                let Served { rules, running, stop, .. } = served;
                exec::run(&open, rules, running, &wish, stop).map_err(|failed| keep(&mut failure, failed))
            });
            recorded.map_err(|error| failure.unwrap_or(Failure::One(error)))
        }
    }
}

/// A call that makes sense.
enum Wanted {
    Get(SecretPath),
    List(Option<GroupName>),
    Whoami,
    Check,
    Exec(Wish),
}

/// What is called for, if the tool is on and takes it.
fn understood(tool: Tool, arguments: JsonObject, rules: &Rules) -> Result<Wanted, Failure> {
    if !rules.tools().contains(&tool) {
        let message = format!("the tool {} is not offered by this server", tool.name());
        return Err(usage(message, format!("the user can add {} to --tools", tool.short())));
    }
    Ok(match tool {
        Tool::Get => Wanted::Get(taken::<OfGet>(arguments)?.secret.parse()?),
        Tool::List => Wanted::List(taken::<OfList>(arguments)?.group.as_deref().map(str::parse).transpose()?),
        Tool::Whoami => taken::<Nothing>(arguments).map(|_| Wanted::Whoami)?,
        Tool::Check => taken::<Nothing>(arguments).map(|_| Wanted::Check)?,
        Tool::Exec => Wanted::Exec(taken(arguments)?),
    })
}

/// A call that is refused before it reaches the vault stands in the log as well, as far as there is one.
fn refused(tool: Tool, failure: Failure, place: &Place) -> Failure {
    match (failure, place.open()) {
        (Failure::One(error), Ok(open)) => Failure::One(open.refused(tool.short(), None, error)),
        (failure, _) => failure,
    }
}

/// Sets a failure aside, and gives what the log has of it.
fn keep(kept: &mut Option<Failure>, failed: Failure) -> Error {
    let error = Error::Usage { message: "it was not run".into(), hint: String::new() };
    let (failure, error) = match failed {
        Failure::One(error) => (None, error),
        references => (Some(references), error),
    };
    *kept = failure;
    error
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfGet {
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfList {
    #[serde(default)]
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What a model sent, as a tool takes it.
fn taken<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, Failure> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        let told: String = error.to_string().chars().take(200).collect();
        usage(format!("the arguments are wrong: {told}"), "tools/list says what this tool takes")
    })
}

fn get(path: &SecretPath, served: &Served<'_>) -> Result<Answer, Failure> {
    let open = served.place.open()?;
    // What the core never hears of is recorded here.
    let allowed = served.rules.check(path).and_then(|()| open.identities());
    let identities = allowed.map_err(|error| open.refused("get", Some(path), error))?;
    let Read { value, expires, .. } = open.fresh()?.read(path, &identities, Purpose::Show)?;
    if let Some(expires) = expires.filter(|expires| *expires <= open.now()) {
        eprintln!("warning: {path} expired at {expires}");
    }
    Ok(Answer::text(value.text(path.as_str())?))
}

/// A secret as it is shown: never its value.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its path.
    pub name: String,
    group: String,
    created: Option<Timestamp>,
    rotated: Option<Timestamp>,
    expires: Option<Timestamp>,
    /// One line for people.
    pub description: Option<String>,
    authorized_agents: Vec<String>,
    use_only: bool,
    programs: Vec<String>,
    hosts: Vec<String>,
}

impl From<Row> for Shown {
    fn from(row: Row) -> Self {
        Self {
            name: row.name,
            group: row.group,
            created: Timestamp::from_unix(row.created),
            rotated: Timestamp::from_unix(row.rotated),
            expires: row.expires.and_then(Timestamp::from_unix),
            description: row.description,
            authorized_agents: row.authorized_agents,
            use_only: row.use_only,
            programs: row.programs,
            hosts: row.hosts,
        }
    }
}

impl Shown {
    /// Its line, as 0.1.0 has it.
    fn line(&self) -> String {
        let day = |time: &Option<Timestamp>| time.map(|time| time.to_string()[..10].to_owned()).unwrap_or_default();
        let Self { name, group, authorized_agents, .. } = self;
        let mut line =
            format!("{name}  group={group}  agents=[{}]  rotated={}", authorized_agents.join(", "), day(&self.rotated));
        if self.expires.is_some() {
            line.push_str(&format!("  expires={}", day(&self.expires)));
        }
        if self.use_only {
            line.push_str("  use-only");
        }
        line
    }
}

/// What there is to list.
pub struct Secrets {
    /// Those that the model may hear of.
    pub rows: Vec<Shown>,
    /// What is broken among them.
    broken: Vec<String>,
}

/// The secrets that the model may hear of; none where it may not list.
///
/// # Errors
/// Those of opening and listing.
pub fn secrets(rules: &Rules, place: &Place, group: Option<&GroupName>) -> Result<Secrets, Failure> {
    if !rules.tools().contains(&Tool::List) {
        return Ok(Secrets { rows: Vec::new(), broken: Vec::new() });
    }
    let open = place.open()?;
    let Listing { rows, broken } = open.fresh()?.list(group)?;
    let rows = rows.into_iter().filter(|row| rules.allows(&row.name)).map(Shown::from).collect();
    Ok(Secrets { rows, broken: broken.iter().map(|error| one_line(&error.to_string())).collect() })
}

/// One of them.
///
/// # Errors
/// [`Error::NotFound`], also for one that the model may not hear of.
pub fn one(rules: &Rules, place: &Place, name: &str) -> Result<Shown, Failure> {
    let path: SecretPath = name.parse()?;
    let found = secrets(rules, place, None)?.rows.into_iter().find(|row| row.name == path.as_str());
    let absent = || Failure::One(Error::NotFound { what: "secret", name: path.to_string(), near: None });
    found.ok_or_else(absent)
}

fn list(group: Option<&GroupName>, served: &Served<'_>) -> Result<Answer, Failure> {
    let Secrets { mut rows, broken } = secrets(served.rules, served.place, group)?;
    let all = rows.len();
    rows.truncate(LISTED);
    let mut lines: Vec<String> = rows.iter().map(Shown::line).collect();
    if all > LISTED {
        lines.push(format!("and {} more: name a group to see them", all - LISTED));
    }
    lines.extend(broken.iter().map(|error| format!("left out: {error}")));
    let text = if lines.is_empty() { "No secrets found.".into() } else { lines.join("\n") };
    Ok(Answer::with(text, json!({"secrets": rows, "more": all - rows.len(), "left_out": broken})))
}

fn whoami(served: &Served<'_>) -> Result<Answer, Failure> {
    let open = served.place.open()?;
    let who = open.recorded("whoami", None, None, || {
        let identities = open.identities()?;
        let found = open.fresh()?;
        let keys: Vec<String> = identities.recipients().map(|recipient| recipient.id().to_string()).collect();
        Ok((who::who(found, &identities)?, keys))
    });
    let (mut who, keys) = who?;
    who.readable.retain(|name| served.rules.allows(name));
    let name = who.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let claimed = if who.signed.is_some() { "" } else { " (claimed: the vault is not signed)" };
    let listed = served.rules.tools().contains(&Tool::List);
    let mut text = format!("{}{name}{claimed}\ncan read {}", who.role, count(who.readable.len(), "secret"));
    if listed {
        who.readable.iter().take(LISTED).for_each(|name| text.push_str(&format!("\n  {name}")));
    }
    let tools: Vec<&str> = served.rules.tools().iter().map(|tool| tool.name()).collect();
    Ok(Answer::with(
        text,
        json!({
            "role": who.role,
            "name": who.name,
            "keys": keys,
            "signed": who.signed.is_some(),
            "readable": if listed { who.readable } else { Vec::new() },
            "tools": tools,
            "programs": served.rules.programs().collect::<Vec<_>>(),
        }),
    ))
}

fn checked(served: &Served<'_>) -> Result<Answer, Failure> {
    let open = served.place.open()?;
    let mut findings: Vec<Finding> = open.recorded("check", None, None, || match open.fresh()? {
        Found::Signed(vault) => check::check(vault, WITHIN),
        Found::Old(old) => old.check(WITHIN),
    })?;
    // What is wrong is wrong, whoever may hear of it.
    let ok = findings.iter().all(|finding| finding.severity != Severity::Error);
    let all = findings.len();
    let hidden = hidden(&open, served.rules)?;
    findings.retain(|finding| !hidden.iter().any(|name| finding.subject.contains(name.as_str())));
    let mut lines: Vec<String> = Vec::new();
    for finding in findings.iter().take(LISTED) {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let told = format!("{word} [{}] {}: {}", finding.code, finding.subject, finding.message);
        lines.push(format!("{}\n  {}", one_line(&told), one_line(&finding.remedy)));
    }
    if all > findings.len() {
        lines.push(format!("{} about secrets that this server does not serve", count(all - findings.len(), "finding")));
    }
    let text = if lines.is_empty() { "nothing to report".into() } else { lines.join("\n") };
    findings.truncate(LISTED);
    Ok(Answer::with(text, json!({"ok": ok, "findings": findings, "more": all - findings.len()})))
}

/// The names of the secrets that the model may not hear of.
fn hidden(open: &Open, rules: &Rules) -> Result<Vec<String>> {
    if !rules.is_narrow() {
        return Ok(Vec::new());
    }
    let rows = open.fresh()?.list(None)?.rows;
    Ok(rows.into_iter().map(|row| row.name).filter(|name| !rules.allows(name)).collect())
}

/// The tools, as they are offered.
pub fn definitions(rules: &Rules) -> Vec<Definition> {
    rules.tools().iter().map(|tool| definition(*tool, rules)).collect()
}

fn definition(tool: Tool, rules: &Rules) -> Definition {
    let text = |about: &str| json!({"type": "string", "description": about});
    let (title, about, properties, required): (_, String, _, &[&str]) = match tool {
        Tool::Get => (
            "Read a secret",
            "Retrieve a decrypted secret from the agent-vault, as plain text. You will see it: where agent_vault_exec can do what you need, use that. Never repeat the value.".into(),
            json!({"secret": text("The secret's path, such as stripe/api-key")}),
            &["secret"],
        ),
        Tool::List => (
            "List secrets",
            "List the secrets of the vault: names, groups, readers, ages. Never values.".into(),
            json!({"group": text("Only secrets of this group")}),
            &[],
        ),
        Tool::Whoami => (
            "Who reads",
            "Say whose key this server has, which secrets that key can read, and what the server offers.".into(),
            json!({}),
            &[],
        ),
        Tool::Check => (
            "Check the vault",
            "Look for what is wrong with the vault, what expires soon, and what has to be rotated, with what to do about each.".into(),
            json!({}),
            &[],
        ),
        Tool::Exec => (
            "Run a program with secrets",
            format!(
                "Run a program with secrets in its environment. You see its output with the secrets masked. No shell is used. Programs: {}.",
                rules.programs().collect::<Vec<_>>().join(", ")
            ),
            json!({
                "command": text("The program, one of those named above"),
                "args": {"type": "array", "items": {"type": "string"}, "description": "Its arguments, one each"},
                "env": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Variables: each a secret's path, such as stripe/api-key, or text with references, such as postgres://app:${av://db/password}@localhost/app"
                },
                "timeout": {"type": "integer", "minimum": 1, "maximum": 600, "description": "Seconds; 60 by default"}
            }),
            &["command"],
        ),
    };
    let schema =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let Value::Object(schema) = schema else { unreachable!("it is written as an object above") };
    let mut definition = Definition::new(tool.name(), about, schema);
    definition.title = Some(title.into());
    let runs = tool == Tool::Exec;
    definition.annotations =
        Some(ToolAnnotations::from_raw(Some(title.into()), Some(!runs), Some(runs), Some(!runs), Some(runs)));
    definition
}

/// How to use a secret without seeing it, with the tools that there are.
pub fn guide(rules: &Rules) -> String {
    let has = |tool: Tool| rules.tools().contains(&tool);
    let mut steps = Vec::new();
    if has(Tool::List) {
        steps.push("Find the secret's name with agent_vault_list.".to_owned());
    }
    if has(Tool::Exec) {
        steps.push(format!(
            "Run the program that needs it with agent_vault_exec (programs: {}), with the name in `env`. What it prints reaches you with the secret masked.",
            rules.programs().collect::<Vec<_>>().join(", ")
        ));
    } else {
        steps.push("Give the user a command to run: `agent-vault run --env NAME=group/name -- PROGRAM`. You do not need to see the value.".into());
    }
    if has(Tool::Get) {
        steps.push("Only when neither helps, read it with agent_vault_get, and never repeat it in an answer, a file, a commit or an argument.".into());
    }
    steps.push("When a call fails, do what its hint says; most often that is to ask the user.".into());
    let steps: Vec<String> = (1..).zip(steps).map(|(at, step)| format!("{at}. {step}")).collect();
    format!("Use a secret of the agent-vault without seeing it:\n{}", steps.join("\n"))
}
