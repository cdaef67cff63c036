//! `grant` and `revoke`: change the policy, plan, apply.

use super::recorded::Act;
use super::{Owner, session::Session};
use crate::error::{Error, Result};
use crate::layout;
use crate::metadata::Metadata;
use crate::name::{AgentName, GroupName, SecretPath, nearest};
use crate::policy::{self, Step, Subject};
use crate::trust::Seen;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Called after each secret of a long change with how many are done, and of how many.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// What a change of access did, or would do.
#[derive(Debug, Clone, Default)]
pub struct AccessChange {
    /// For each secret: who can read it now and could not before (`name@key-id`).
    pub gains: Vec<(SecretPath, Vec<String>)>,
    /// For each secret: who could read it before and cannot now.
    pub loses: Vec<(SecretPath, Vec<String>)>,
    /// The commit; `None` for a dry run, or when the policy was so already.
    pub commit: Option<String>,
}

impl AccessChange {
    /// The effect of a plan.
    pub(super) fn of(steps: &[Step]) -> Self {
        let texts = |exposures: &[crate::metadata::Exposure]| -> Vec<String> {
            exposures.iter().map(ToString::to_string).collect()
        };
        let side = |of: fn(&Step) -> &Vec<crate::metadata::Exposure>| {
            steps
                .iter()
                .filter(|step| !of(step).is_empty())
                .map(|step| (step.path().clone(), texts(of(step))))
                .collect()
        };
        Self { gains: side(|step| &step.gains), loses: side(|step| &step.loses), commit: None }
    }
}

impl Owner<'_> {
    /// Lets an agent read a group. A group exists when the manifest names it, an agent is in it or a secret carries
    /// it; another one needs `create`.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the agent or the group; and those of every write.
    pub fn grant(
        &self,
        agent: &AgentName,
        group: &GroupName,
        create: bool,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<AccessChange> {
        self.write(Act::about("grant", Some(format!("{group} to {agent}"))), |mut session| {
            session.require_agent(agent)?;
            let secrets = session.all()?;
            session.require_group(group, &secrets, create)?;
            if session.manifest.agent(agent).is_some_and(|agent| agent.groups.contains(group)) {
                return Ok(AccessChange::default());
            }
            session.put_manifest(|manifest| {
                manifest.insert_group(group);
                if let Some(agent) = manifest.agent_mut(agent)
                    && let Err(at) = agent.groups.binary_search(group)
                {
                    agent.groups.insert(at, group.clone());
                }
            })?;
            session.conclude(
                secrets.into_iter().map(Subject::unchanged),
                &format!("grant {group} to {agent}"),
                dry_run,
                progress,
            )
        })
    }

    /// Takes a group away from an agent, and with it what it was granted of that group's secrets one by one:
    /// afterwards no current ciphertext of the group opens with its key.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the agent or the group; [`Error::Conflict`] when the agent has nothing of the group;
    /// and those of every write.
    pub fn revoke(
        &self,
        agent: &AgentName,
        group: &GroupName,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<AccessChange> {
        self.write(Act::about("revoke", Some(format!("{group} from {agent}"))), |mut session| {
            session.require_agent(agent)?;
            let secrets = session.all()?;
            session.require_group(group, &secrets, false)?;
            let member = session.manifest.agent(agent).is_some_and(|agent| agent.groups.contains(group));
            let explicit = secrets.iter().any(|secret| secret.group == *group && secret.agents.contains(agent));
            if !member && !explicit {
                return Err(Error::Conflict {
                    message: format!("agent {agent} does not have group {group}: nothing was revoked"),
                    hint: "see `agent-vault list-agents`".into(),
                });
            }
            session.put_manifest(|manifest| {
                if let Some(agent) = manifest.agent_mut(agent) {
                    agent.groups.retain(|other| other != group);
                }
            })?;
            let subjects = secrets.into_iter().map(|secret| without(agent, secret, |secret| secret.group == *group));
            session.conclude(subjects, &format!("revoke {group} from {agent}"), dry_run, progress)
        })
    }

    /// Takes back what an agent was granted of one secret beyond its group.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the secret's group still gives it, or when there was no such grant; and those of every write.
    pub fn revoke_secret(&self, agent: &AgentName, path: &SecretPath, dry_run: bool) -> Result<AccessChange> {
        self.write(Act::on("revoke", path).with(format!("from {agent}")), |session| {
            session.require_agent(agent)?;
            let (secret, _) = session.require_secret(path)?;
            if session.policy().grants(agent, &secret.group) {
                return Err(Error::Conflict {
                    message: format!("agent {agent} reads {path} through group {}: nothing was revoked", secret.group),
                    hint: format!(
                        "revoke the group (`agent-vault revoke {agent} {}`), or move the secret to another one (`agent-vault set {path} --group GROUP`)",
                        secret.group
                    ),
                });
            }
            if !secret.agents.contains(agent) {
                return Err(Error::Conflict {
                    message: format!("agent {agent} cannot read {path}: nothing was revoked"),
                    hint: format!("see `agent-vault show {path}`"),
                });
            }
            session.conclude(
                [without(agent, secret, |_| true)],
                &format!("revoke {path} from {agent}"),
                dry_run,
                &|_, _| {},
            )
        })
    }
}

/// A secret as it should be once `agent` has lost its explicit grant, where `concerned`.
pub(super) fn without(agent: &AgentName, secret: Metadata, concerned: impl Fn(&Metadata) -> bool) -> Subject {
    let drop = concerned(&secret);
    let mut subject = Subject::unchanged(secret);
    if drop {
        subject.agents.retain(|other| other != agent);
    }
    subject
}

impl Session<'_> {
    /// Every secret's verified metadata. One that is older than what was seen here is not signed anew, and one that is
    /// committed and not there is an error: a revocation would pass it by.
    pub(super) fn all(&self) -> Result<Vec<Metadata>> {
        let all = self.vault.all_metadata(&self.trusted)?;
        self.require_committed(layout::Part::Meta, &all.iter().map(|(metadata, _)| &metadata.name).collect())?;
        all.into_par_iter()
            .map(|(metadata, digest)| {
                let seen = Seen { name: metadata.name.clone(), revision: metadata.revision, digest };
                self.vault.check_age(layout::Part::Meta, seen).map(|()| metadata)
            })
            .collect()
    }

    /// Refuses when a committed secret (or tombstone) is not among those that were found.
    pub(super) fn require_committed(&self, part: layout::Part, found: &BTreeSet<&SecretPath>) -> Result<()> {
        let committed = self.committed()?;
        let mut secrets = committed.keys().filter_map(|path| layout::parse_secret(path));
        match secrets.find(|(path, other)| *other == part && !found.contains(path)) {
            None => Ok(()),
            Some((path, _)) => Err(Error::Conflict {
                message: format!("{path} is committed and its files are not there: nothing was changed"),
                hint: "bring it back with `git checkout HEAD -- .agent-vault`, then try again".into(),
            }),
        }
    }

    /// Refuses a group that does not exist.
    fn require_group(&self, group: &GroupName, secrets: &[Metadata], create: bool) -> Result<()> {
        let named = self.manifest.groups.iter().map(|group| &group.name);
        let joined = self.manifest.agents.iter().flat_map(|agent| &agent.groups);
        let carried = secrets.iter().map(|secret| &secret.group);
        let known: BTreeSet<&GroupName> = named.chain(joined).chain(carried).collect();
        if create || known.contains(group) {
            return Ok(());
        }
        let near = nearest(group.as_str(), known.iter().map(|group| group.as_str()));
        Err(Error::NotFound { what: "group", name: group.to_string(), near })
    }

    /// Plan, apply, one commit: how every change of access ends.
    pub(super) fn conclude(
        self,
        subjects: impl IntoIterator<Item = Subject>,
        message: &str,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<AccessChange> {
        let steps = policy::plan(&self.policy(), subjects);
        let change = AccessChange::of(&steps);
        if dry_run {
            return Ok(change);
        }
        self.apply(&steps, progress)?;
        let commit = self.commit(message)?;
        Ok(AccessChange { commit: Some(commit), ..change })
    }
}
