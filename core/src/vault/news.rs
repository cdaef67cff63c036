//! What differs between two states of a vault, in the vault's own terms: what `sync` says came in and went out.

use super::Vault;
use super::past::{Ground, Past, judged};
use crate::error::Result;
use crate::history::document::{Doc, same_value};
use crate::layout;
use crate::manifest::Manifest;
use crate::name::{AgentName, GroupName, SecretPath};
use crate::repo::{Differences, Repo};
use git2::Oid;
use serde::Serialize;

/// What differs between two states of a vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct News {
    /// Secrets that were added.
    pub added: Vec<SecretPath>,
    /// Secrets with another value.
    pub changed: Vec<SecretPath>,
    /// Secrets with the same value and other readers, or another description and the like.
    pub touched: Vec<SecretPath>,
    /// Secrets that were removed.
    pub removed: Vec<SecretPath>,
    /// Agents that were added.
    pub agents_added: Vec<AgentName>,
    /// Agents that were removed.
    pub agents_removed: Vec<AgentName>,
    /// Agents with another key.
    pub agents_rekeyed: Vec<AgentName>,
    /// Agents and the groups that they were granted.
    pub granted: Vec<Membership>,
    /// Agents and the groups that were revoked.
    pub revoked: Vec<Membership>,
    /// The number of the root in force, where it is another.
    pub root: Option<u64>,
}

/// An agent and a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The agent.
    pub agent: AgentName,
    /// The group.
    pub group: GroupName,
}

impl News {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What became of the agents.
    fn agents(&mut self, before: &Manifest, after: &Manifest) {
        for agent in &after.agents {
            let Some(old) = before.agent(&agent.name) else {
                self.agents_added.push(agent.name.clone());
                self.granted.extend(memberships(&agent.name, &agent.groups, &[]));
                continue;
            };
            if old.public_key != agent.public_key {
                self.agents_rekeyed.push(agent.name.clone());
            }
            self.granted.extend(memberships(&agent.name, &agent.groups, &old.groups));
            self.revoked.extend(memberships(&agent.name, &old.groups, &agent.groups));
        }
        let gone = before.agents.iter().filter(|agent| after.agent(&agent.name).is_none());
        self.agents_removed.extend(gone.map(|agent| agent.name.clone()));
    }
}

/// An agent in those groups that are not among the others.
fn memberships(agent: &AgentName, these: &[GroupName], others: &[GroupName]) -> Vec<Membership> {
    let new = these.iter().filter(|group| !others.contains(group));
    new.map(|group| Membership { agent: agent.clone(), group: group.clone() }).collect()
}

impl Vault {
    /// What differs between the vaults of two commits whose histories are proven.
    pub(super) fn news(&self, repo: &Repo, before: Option<Oid>, after: Oid) -> Result<News> {
        let past = Past::new(self);
        let tree = |commit: Oid| repo.commit(commit).map(|commit| commit.tree);
        let (old, new) = (before.map(tree).transpose()?.flatten(), tree(after)?);
        let mut news = News::default();
        if old == new {
            return Ok(news);
        }
        let Differences { secrets, others, .. } = repo.differences(old, new)?;
        for (path, change) in secrets {
            let doc =
                |files| -> Result<Option<Doc>> { Ok(judged(past.document(repo, &path, files, None))?.ok().flatten()) };
            let (old, new) = (doc(&change.old)?, doc(&change.new)?);
            let list = match (old.as_ref().and_then(Doc::metadata), new.as_ref().and_then(Doc::metadata)) {
                (None, Some(_)) => &mut news.added,
                (Some(_), None) => &mut news.removed,
                (Some(old), Some(new)) if !same_value(old, new) => &mut news.changed,
                (Some(_), Some(_)) => &mut news.touched,
                (None, None) => continue,
            };
            list.push(path);
        }
        let rules = |path: &String| path == layout::MANIFEST || path.starts_with(layout::ROOTS);
        if !others.keys().any(rules) {
            return Ok(news);
        }
        let manifest = |tree| -> Result<Option<(Manifest, u64)>> {
            let Ground::Signed(chain) = past.ground(repo, tree)? else { return Ok(None) };
            let Some(tree) = tree else { return Ok(None) };
            let found = judged(past.manifest(repo, tree, &chain.root))?.ok();
            Ok(found.map(|(manifest, _)| (manifest, chain.len())))
        };
        if let (Some((old, old_root)), Some((new, new_root))) = (manifest(old)?, manifest(new)?) {
            news.agents(&old, &new);
            news.root = (old_root != new_root).then_some(new_root);
        }
        Ok(news)
    }
}
