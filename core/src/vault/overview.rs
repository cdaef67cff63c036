//! Who is in which group, which secrets are, and who reads each: one look at the whole policy, for programs.

use super::{Listing, Row, Vault};
use crate::error::Result;
use crate::legacy::OldVault;
use std::collections::BTreeMap;

/// The policy as one sees it. Texts, fit for a terminal: an unsigned vault may have names that the format does not take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Every agent with its groups, by name.
    pub agents: Vec<(String, Vec<String>)>,
    /// Every group with its secrets. One exists when the manifest names it, an agent is in it, or a secret carries it.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Every secret with the agents that can read it.
    pub readers: BTreeMap<String, Vec<String>>,
}

impl Overview {
    fn of(named: Vec<String>, agents: Vec<(String, Vec<String>)>, rows: Vec<Row>) -> Self {
        let joined = agents.iter().flat_map(|(_, groups)| groups.iter().cloned());
        let mut groups: BTreeMap<String, Vec<String>> =
            named.into_iter().chain(joined).map(|group| (group, Vec::new())).collect();
        let mut readers = BTreeMap::new();
        for row in rows {
            groups.entry(row.group).or_default().push(row.name.clone());
            readers.insert(row.name, row.authorized_agents);
        }
        Self { agents, groups, readers }
    }
}

impl Vault {
    /// The verified policy. Recorded, as a listing is.
    ///
    /// # Errors
    /// As [`Vault::manifest`] and [`Vault::list`]; the first broken file is one.
    pub fn overview(&self) -> Result<Overview> {
        let manifest = self.manifest()?;
        let texts = |groups: &[crate::name::GroupName]| groups.iter().map(ToString::to_string).collect();
        let agents = manifest.agents.iter().map(|agent| (agent.name.to_string(), texts(&agent.groups))).collect();
        let named = manifest.groups.iter().map(|group| group.name.to_string()).collect();
        let Listing { rows, broken } = self.list(None)?;
        match broken.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Overview::of(named, agents, rows)),
        }
    }
}

impl OldVault {
    /// What an unsigned vault claims, as far as it can be read.
    ///
    /// # Errors
    /// As [`OldVault::agents`] and [`OldVault::list`].
    pub fn overview(&self) -> Result<Overview> {
        let agents = self.agents()?.into_iter().map(|agent| (agent.name, agent.groups)).collect();
        Ok(Overview::of(self.groups()?, agents, self.list(None)?.rows))
    }
}
