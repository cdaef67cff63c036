//! One file per command.

mod access;
mod agents;
mod audit;
mod card;
mod check;
mod clone;
mod completions;
mod config;
mod demo;
mod edit;
mod env;
mod export;
mod findings;
mod get;
mod git_credential;
mod hook;
mod import;
mod init;
mod inject;
mod keys;
mod list;
mod log;
mod mcp;
mod merge_driver;
mod moving;
mod old;
mod owners;
mod progress;
mod prompt;
mod pushing;
mod recognise;
mod restore;
mod run;
mod scan;
mod seal;
mod set;
mod settings;
mod shell_hook;
mod show;
mod sync;
mod trust;
mod upgrade;
mod verify;
mod whoami;

use crate::app::{App, Command};
use crate::exit::Outcome;
use crate::output;
use crate::output::short;
use crate::setting::Setting;
use agent_vault_core::metadata::Metadata;
use agent_vault_core::vault::{AccessChange, Telling};
use agent_vault_core::{AgentName, Error, Owner, Result, Vault};

use progress::Bar;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::sync::Arc;

/// Runs the command that was asked for.
pub fn run(app: &App) -> Outcome {
    if let Command::ShellHook(args) = &app.command {
        // Before each prompt of a shell: what it does not need is not looked at.
        return shell_hook::run(app, args);
    }
    if let Command::Mcp(args) = &app.command {
        // The server reads its surroundings itself, and starts where there is no vault yet.
        return mcp::run(app, args);
    }
    let setting = Setting::new(app)?;
    match &app.command {
        Command::Init(args) => init::run(&setting, args),
        Command::Set(args) => set::run(&setting, args),
        Command::Get(args) => get::run(setting, args),
        Command::GitCredential(args) => git_credential::run(&setting, args),
        Command::Run(args) => run::run(setting, args),
        Command::Mcp(args) => mcp::run(app, args),
        Command::Env(args) => env::run(setting, args),
        Command::Inject(args) => inject::run(setting, args),
        Command::ShellHook(args) => shell_hook::run(app, args),
        Command::Allow(args) => shell_hook::allow(setting, args),
        Command::Deny(args) => shell_hook::deny(&setting, args),
        Command::List(args) => list::run(setting, args),
        Command::Show(args) => show::run(setting, args),
        Command::Rm(args) => moving::remove(&setting, args),
        Command::Mv(args) => moving::rename(&setting, args),
        Command::Import(args) => import::run(&setting, args),
        Command::Export(args) => export::run(&setting, args),
        Command::Seal(args) => seal::seal(&setting, args),
        Command::Open(args) => seal::open(&setting, args),
        Command::Reseal(args) => seal::reseal(&setting, args),
        Command::AddAgent(args) => agents::add(&setting, args),
        Command::RemoveAgent(args) => agents::remove(&setting, args),
        Command::ListAgents(args) => agents::list(&setting, args),
        Command::RecoverAgent(args) => keys::recover(&setting, args),
        Command::RestoreAgent(args) => keys::restore(&setting, args),
        Command::Owner(args) => card::run(&setting, args),
        Command::AddOwner(args) => owners::add(&setting, args),
        Command::RemoveOwner(args) => owners::remove(&setting, args),
        Command::RotateOwner(args) => owners::rotate(&setting, args),
        Command::Grant(args) => access::grant(&setting, args),
        Command::Revoke(args) => access::revoke(&setting, args),
        Command::Check(args) => check::run(&setting, args),
        Command::Verify(args) => verify::run(&setting, args),
        Command::Log(args) => log::run(&setting, args),
        Command::Edit(args) => edit::run(&setting, args),
        Command::Restore(args) => restore::run(&setting, args),
        Command::Upgrade(args) => upgrade::run(&setting, args),
        Command::Sync(args) => sync::run(&setting, args),
        Command::Clone(args) => clone::run(setting, args),
        Command::MergeDriver(args) => merge_driver::run(args),
        Command::Trust(args) => trust::run(&setting, args),
        Command::Audit(args) => audit::run(&setting, args),
        Command::Settings(args) => settings::run(&setting, args),
        Command::Whoami(args) => whoami::run(&setting, args),
        Command::Config(args) => config::run(&setting, args),
        Command::Completions(args) => completions::run(args),
        Command::Hook(args) => hook::run(&setting, args),
        Command::Scan(args) => scan::run(&setting, args),
        Command::Demo => demo::run(),
    }
}

/// Opens vault and signing key, and does one thing as the owner.
fn as_owner<T>(setting: &Setting, action: impl FnOnce(&Owner<'_>) -> Result<T>) -> Result<T> {
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    let result = vault.unlock(&identities).and_then(|owner| action(&owner));
    crate::setting::tell(&vault);
    if result.is_ok() {
        pushing::after_write(setting, &vault);
    }
    result
}

/// Where what the user's `git` says goes: to a terminal's standard error.
fn telling() -> Option<Telling> {
    let watched = std::io::stderr().is_terminal() && !output::quiet();
    watched.then(|| Arc::new(|line: &str| eprint!("{line}")) as Telling)
}

/// Asks before something is done; without a terminal, `--yes` must have answered.
fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes || crate::terminal::Terminal::confirm(question, "say --yes")? {
        Ok(())
    } else {
        Err(Error::Refused { what: question.trim_end_matches('?').to_owned() })
    }
}

/// Tells who gained and lost what.
fn tell_change(change: &AccessChange) {
    for (path, keys) in &change.gains {
        output::note(&format!("  + {path}: {}", keys.join(", ")));
    }
    for (path, keys) in &change.loses {
        output::note(&format!("  - {path}: {}", keys.join(", ")));
    }
}

/// Who reads a secret: `owners only`, or `owners, ci`.
fn readers(agents: &[AgentName]) -> String {
    if agents.is_empty() { "owners only".to_owned() } else { format!("owners, {}", texts(agents).join(", ")) }
}

/// What a secret may be used for, where an owner said so.
fn uses(metadata: &Metadata) -> Option<String> {
    let (programs, hosts) = (texts(&metadata.programs).join(", "), texts(&metadata.hosts).join(", "));
    let git = (!hosts.is_empty()).then(|| format!("Git at {hosts}"));
    if !metadata.use_only {
        return git.map(|git| format!("for {git}"));
    }
    let all: Vec<String> = Some(programs).filter(|programs| !programs.is_empty()).into_iter().chain(git).collect();
    Some(if all.is_empty() {
        "use-only, and for nothing".into()
    } else {
        format!("use-only: for {}", all.join(", and "))
    })
}

/// Names or keys as text.
fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// What a revocation cannot undo.
fn warn_exposed(change: &AccessChange) {
    if change.loses.is_empty() {
        return;
    }
    let secrets = output::count(change.loses.len(), "secret");
    output::warn(&format!(
        "{secrets} marked for rotation: whoever had the key may have read the value, and history and copies stay readable to it.\n         Rotate the credential at its source, then `agent-vault set` the new value; `agent-vault check` lists what is due."
    ));
}

/// A change of access as JSON.
fn change_json(change: &AccessChange) -> Value {
    let side = |list: &[(agent_vault_core::SecretPath, Vec<String>)]| -> Vec<Value> {
        list.iter().map(|(path, keys)| json!({"secret": path.as_str(), "keys": keys})).collect()
    };
    json!({"gains": side(&change.gains), "loses": side(&change.loses), "commit": change.commit})
}

/// The fingerprint of a vault's owner.
fn fingerprint(vault: &Vault) -> String {
    vault.pin().fingerprint()
}
