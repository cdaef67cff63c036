//! What differs between two states of a vault, and what a merge chose, in words.

use crate::message::Message;
use crate::words::{count, short};
use agent_vault_core::vault::{News, Remark};

/// So many names are told of each kind.
const NAMED: usize = 5;

/// What differs, a line for each kind.
pub fn lines(news: &News) -> Vec<String> {
    let mut lines = Vec::new();
    let mut secrets = |verb: &str, paths: &[agent_vault_core::SecretPath]| {
        if !paths.is_empty() {
            lines.push(format!("{} {verb}: {}", count(paths.len(), "secret"), names(paths)));
        }
    };
    secrets("added", &news.added);
    secrets("changed", &news.changed);
    secrets("for other readers, or described anew", &news.touched);
    secrets("removed", &news.removed);
    let agents = |verb: &str, list: &[agent_vault_core::AgentName]| -> Option<String> {
        (!list.is_empty()).then(|| format!("{} {verb}: {}", count(list.len(), "agent"), names(list)))
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

/// What was written under a root that is no longer trusted, and how it comes back.
pub(crate) fn apart(commit: &str, news: &News) -> Vec<Message> {
    let short = short(commit);
    let mut told = vec![Message::Warning(format!(
        "what was written here under the other root is not in this vault now (commit {short}):"
    ))];
    told.extend(lines(news).iter().map(|line| Message::Note(format!("  {line}"))));
    if let Some(path) = news.added.iter().chain(&news.changed).next() {
        told.push(Message::Note(format!(
            "a value comes back with `agent-vault restore {path}@{short}`, if an owner signed it who is one now"
        )));
    }
    told
}

/// A choice of a merge.
pub fn remark(remark: &Remark) -> String {
    match remark {
        Remark::OtherValue { path, commit } => format!(
            "{path} was set on both sides: one value is current; the other comes back with `agent-vault restore {path}@{}`",
            short(commit)
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
            short(commit)
        ),
        Remark::Quarantined { path: None, commit } => format!(
            "agents and access: what an owner who was removed meanwhile changed in {} does not count; `agent-vault log` has it",
            short(commit)
        ),
        other => format!("{other:?}"),
    }
}
