//! `sync`

use super::Bar;
use crate::app::Sync;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::vault::{Asking, News, Remark, SyncOptions, Synced, Travel};
use agent_vault_core::{Error, Result};

/// So many names are told of each kind.
const NAMED: usize = 5;

/// Brings this working copy and its remote together, and says what came in and what went out.
pub fn run(setting: &Setting, args: &Sync) -> Outcome {
    let vault = setting.vault_to_look_at()?;
    let options =
        SyncOptions { pull: !args.push, push: !args.pull, branch: args.branch.clone(), rewritten: args.rewritten };
    let bar = Bar::new("verifying and encrypting");
    let asking = Asking {
        identities: &|| setting.identities(),
        travel: &|travel| allow(travel, args.yes),
        progress: &|done, all| bar.tick(done, all),
        telling: super::telling(),
    };
    let synced = vault.sync(&options, &asking);
    drop(bar);
    crate::setting::tell(&vault);
    let synced = synced?;
    if args.json.json {
        output::json(&serde_json::to_value(&synced).map_err(std::io::Error::from)?)?;
    } else {
        print(&synced)?;
    }
    warn(&synced);
    Ok(Code::Done)
}

/// Says what else would travel, and asks.
fn allow(travel: &Travel, yes: bool) -> Result<bool> {
    let told = |commits: &[(String, String)], verb: &str| {
        if commits.is_empty() {
            return;
        }
        let touch = if commits.len() == 1 { "touches" } else { "touch" };
        output::note(&format!("{} that {touch} other files would {verb}:", output::count(commits.len(), "commit")));
        for (id, summary) in commits.iter().take(NAMED) {
            output::note(&format!("  {} {}", super::short(id), output::one_line(summary)));
        }
        if commits.len() > NAMED {
            output::note(&format!("  and {} more", commits.len() - NAMED));
        }
    };
    told(&travel.incoming, "come in");
    told(&travel.outgoing, "go out");
    match super::confirm("Let them travel?", yes) {
        Ok(()) => Ok(true),
        Err(Error::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn print(synced: &Synced) -> std::io::Result<()> {
    let mut out = String::new();
    let whole = format!("{} ({})", synced.branch, output::one_line(&synced.url));
    if synced.came.is_empty() && synced.pushed == 0 && !synced.merged {
        out.push_str(&format!("up to date with {whole}\n"));
    } else {
        out.push_str(&format!("synced with {whole}\n"));
        section(&mut out, "in", &synced.came);
        section(&mut out, "out", &synced.went);
    }
    if synced.unpushed > 0 {
        out.push_str(&format!(
            "{} not pushed yet: `agent-vault sync` pushes\n",
            output::count(synced.unpushed, "commit")
        ));
    }
    output::print(&out)
}

/// What was written under a root that is no longer trusted, and how it comes back.
pub fn tell_apart(commit: &str, news: &News) {
    let short = super::short(commit);
    output::warn(&format!("what was written here under the other root is not in this vault now (commit {short}):"));
    lines(news).iter().for_each(|line| output::note(&format!("  {line}")));
    if let Some(path) = news.added.iter().chain(&news.changed).next() {
        output::note(&format!(
            "a value comes back with `agent-vault restore {path}@{short}`, if an owner signed it who is one now"
        ));
    }
}

/// What differs, a line for each kind.
fn section(out: &mut String, way: &str, news: &News) {
    for line in lines(news) {
        out.push_str(&format!("  {way:<4}{line}\n"));
    }
}

fn lines(news: &News) -> Vec<String> {
    let mut lines = Vec::new();
    let mut secrets = |verb: &str, paths: &[agent_vault_core::SecretPath]| {
        if !paths.is_empty() {
            lines.push(format!("{} {verb}: {}", output::count(paths.len(), "secret"), names(paths)));
        }
    };
    secrets("added", &news.added);
    secrets("changed", &news.changed);
    secrets("for other readers, or described anew", &news.touched);
    secrets("removed", &news.removed);
    let agents = |verb: &str, list: &[agent_vault_core::AgentName]| -> Option<String> {
        (!list.is_empty()).then(|| format!("{} {verb}: {}", output::count(list.len(), "agent"), names(list)))
    };
    lines.extend(agents("added", &news.agents_added));
    lines.extend(agents("removed", &news.agents_removed));
    lines.extend(agents("with a new key", &news.agents_rekeyed));
    lines.extend(news.granted.iter().map(|one| format!("agent {} joined {}", one.agent, one.group)));
    lines.extend(news.revoked.iter().map(|one| format!("agent {} left {}", one.agent, one.group)));
    lines.extend(news.root.map(|root| format!("the owners changed (root {root})")));
    lines
}

fn names<T: ToString>(items: &[T]) -> String {
    let mut text = items.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > NAMED {
        text.push_str(&format!(" and {} more", items.len() - NAMED));
    }
    text
}

/// Choices that a merge made, and what is left to do.
fn warn(synced: &Synced) {
    for remark in &synced.remarks {
        output::warn(&told(remark));
    }
    if synced.reencrypted > 0 {
        output::note(&format!(
            "{} encrypted anew for those who may read now",
            output::count(synced.reencrypted, "secret")
        ));
    }
    if synced.waiting > 0 {
        output::warn(&format!(
            "{} encrypted to other readers than policy names: an owner's `agent-vault sync` mends that",
            output::count(synced.waiting, "secret")
        ));
    }
}

/// A choice of a merge, for a person.
pub fn told(remark: &Remark) -> String {
    match remark {
        Remark::OtherValue { path, commit } => format!(
            "{path} was set on both sides: one value is current; the other comes back with `agent-vault restore {path}@{}`",
            super::short(commit)
        ),
        Remark::Kept { path } => format!("{path} was removed on one side and set on the other: the value stays"),
        Remark::Renamed { from, to } => {
            format!("{from} differs from another name only in case: it is called {to} now")
        }
        Remark::AgentRenamed { from, to } => {
            format!("two agents were called {from}, with different keys: one is called {to} now")
        }
        Remark::AgentDropped { name, holder } => format!("agent {name} has the key of {holder}: it was left out"),
        Remark::Quarantined { path: Some(path), commit } => format!(
            "{path}: what an owner who was removed meanwhile wrote does not count; it comes back with `agent-vault restore {path}@{}`",
            super::short(commit)
        ),
        Remark::Quarantined { path: None, commit } => format!(
            "agents and access: what an owner who was removed meanwhile changed in {} does not count; `agent-vault log` has it",
            super::short(commit)
        ),
        other => format!("{other:?}"),
    }
}
