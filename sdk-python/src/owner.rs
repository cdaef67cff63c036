//! What an owner changes: named as in the command line, and done by the core.

use agent_vault_core::vault::{AccessChange, SetRequest};
use agent_vault_core::{AgentName, Error, GroupName, Owner, Result, SecretBytes, SecretPath, Timestamp};
use pyo3::prelude::*;

use crate::failure::Failure;
use crate::vault::Vault;

/// What is to be left as it is, cleared, or set.
#[derive(FromPyObject)]
pub enum Clearable {
    /// `False`: cleared.
    #[expect(dead_code, reason = "its type is all that it says")]
    Cleared(bool),
    /// Set to this.
    To(String),
}

impl Clearable {
    fn text(self) -> Option<String> {
        match self {
            Clearable::Cleared(_) => None,
            Clearable::To(text) => Some(text),
        }
    }
}

/// What changed: the commit, who gained what, who lost what.
pub type Change = (Option<String>, Vec<(String, Vec<String>)>, Vec<(String, Vec<String>)>);

fn change(change: AccessChange) -> Change {
    let side =
        |side: Vec<(SecretPath, Vec<String>)>| side.into_iter().map(|(path, keys)| (path.to_string(), keys)).collect();
    (change.commit, side(change.gains), side(change.loses))
}

impl Vault {
    /// Does one thing as the owner, and then pushes, where this machine is set so.
    pub(crate) fn own<T: Send>(&self, py: Python<'_>, act: impl FnOnce(&Owner<'_>) -> Result<T> + Send) -> PyResult<T> {
        self.work(py, |found| self.opening.own(found, &self.identities, act))
    }
}

/// What `set` is to make of a secret beside its value; what is absent stays.
pub struct Wanted {
    /// Its group.
    pub group: Option<String>,
    /// The agents that may read it beyond its group.
    pub agents: Option<Vec<String>>,
    /// When it expires.
    pub expires: Option<Clearable>,
    /// One line for people.
    pub description: Option<Clearable>,
}

impl Wanted {
    fn request(self, value: Option<SecretBytes>, now: Timestamp) -> Result<SetRequest> {
        let agents = self.agents.map(|names| names.iter().map(|name| AgentName::parse(name)).collect());
        let expires = self.expires.map(|expires| expires.text().map(|text| Timestamp::parse_expiry(&text, now)));
        Ok(SetRequest {
            value,
            group: self.group.map(|name| name.parse::<GroupName>()).transpose()?,
            agents: agents.transpose()?,
            expires: expires.map(Option::transpose).transpose()?,
            description: self.description.map(Clearable::text),
            ..SetRequest::default()
        })
    }
}

impl Vault {
    /// `set`.
    pub(crate) fn store(
        &self,
        py: Python<'_>,
        path: &str,
        value: Option<SecretBytes>,
        wanted: Wanted,
    ) -> PyResult<(Option<String>, u64)> {
        let path: SecretPath = path.parse().map_err(Failure::from)?;
        let request = wanted.request(value, (self.opening.context.clock)()).map_err(Failure::from)?;
        let outcome = self.own(py, |owner| owner.set(&path, request, false))?;
        Ok((outcome.commit, outcome.metadata.revision))
    }

    /// `grant`.
    pub(crate) fn give(
        &self,
        py: Python<'_>,
        agent: &str,
        group: &str,
        create: bool,
        dry_run: bool,
    ) -> PyResult<Change> {
        let (agent, group) = named(agent, group).map_err(Failure::from)?;
        self.own(py, |owner| owner.grant(&agent, &group, create, dry_run, &|_, _| {})).map(change)
    }

    /// `revoke`.
    pub(crate) fn take(
        &self,
        py: Python<'_>,
        agent: &str,
        group: Option<&str>,
        secret: Option<&str>,
        dry_run: bool,
    ) -> PyResult<Change> {
        let agent: AgentName = agent.parse().map_err(Failure::from)?;
        let group = group.map(str::parse::<GroupName>).transpose().map_err(Failure::from)?;
        let secret = secret.map(str::parse::<SecretPath>).transpose().map_err(Failure::from)?;
        let changed = self.own(py, |owner| match (&group, &secret) {
            (Some(group), None) => owner.revoke(&agent, group, dry_run, &|_, _| {}),
            (None, Some(secret)) => owner.revoke_secret(&agent, secret, dry_run),
            _ => Err(Error::Usage {
                message: "revoke takes a group or a secret".into(),
                hint: "revoke(\"ci\", \"stripe\"), or revoke(\"ci\", secret=\"stripe/api-key\")".into(),
            }),
        })?;
        Ok(change(changed))
    }
}

fn named(agent: &str, group: &str) -> Result<(AgentName, GroupName)> {
    Ok((agent.parse()?, group.parse()?))
}
