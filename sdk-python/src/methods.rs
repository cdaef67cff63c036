//! What Python calls. Each method takes apart what it is given, lets the core do it, and puts together what comes back.

use agent_vault_core::vault::Listing;
use agent_vault_core::{Error, GroupName, Result, SecretBytes, SecretPath};
use agent_vault_open::{Found, Key, Message};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::convert::{tell, value};
use crate::failure::Failure;
use crate::metadata::SecretMetadata;
use crate::owner::{Change, Clearable, Wanted};
use crate::secret::Secret;
use crate::vault::Vault;

#[pymethods]
impl Vault {
    /// Opens a vault.
    #[new]
    fn new(
        py: Python<'_>,
        repo_path: PathBuf,
        key_path: Option<PathBuf>,
        key_str: Option<String>,
        auto_pull: bool,
        max_age: Option<f64>,
    ) -> PyResult<Self> {
        let key = match (key_str, key_path) {
            (Some(text), _) => {
                Some(Key::Text { origin: "key_str", text: Arc::new(SecretBytes::new(text.into_bytes())) })
            }
            (None, file) => file.map(Key::File),
        };
        let max_age = max_age.map(seconds).transpose().map_err(Failure::from)?;
        Self::open(py, repo_path, key, auto_pull, max_age)
    }

    /// The vault's folder.
    #[getter]
    fn dir(&self) -> OsString {
        self.found().dir().into()
    }

    /// Whether an owner signed it.
    #[getter]
    fn signed(&self) -> bool {
        self.found().is_signed()
    }

    /// A value as text.
    fn get<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyString>> {
        let value = self.value(py, path)?;
        Ok(PyString::new(py, value.text(path).map_err(Failure::from)?))
    }

    /// A value, byte for byte.
    fn get_bytes<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.value(py, path)?.expose()))
    }

    /// A value that is not shown.
    fn get_secret(&self, py: Python<'_>, path: &str) -> PyResult<Secret> {
        Ok(Secret::new(path.to_owned(), self.value(py, path)?))
    }

    /// Every secret, or those of a group.
    fn list_secrets(&self, py: Python<'_>, group: Option<&str>) -> PyResult<Vec<SecretMetadata>> {
        let Listing { rows, broken } = self.read(py, |found| {
            let group = group.map(str::parse::<GroupName>).transpose()?;
            found.list(group.as_ref())
        })?;
        tell(py, broken.iter().map(|error| Message::Warning(error.to_string())).collect())?;
        Ok(rows.into_iter().map(SecretMetadata).collect())
    }

    /// Every agent with its groups.
    fn agents(&self, py: Python<'_>) -> PyResult<Vec<(String, Vec<String>)>> {
        self.read(py, |found| match found {
            Found::Signed(vault) => {
                let texts = |groups: &[GroupName]| groups.iter().map(ToString::to_string).collect();
                Ok(vault.agents()?.iter().map(|agent| (agent.name.to_string(), texts(&agent.groups))).collect())
            }
            Found::Old(old) => Ok(old.agents()?.into_iter().map(|agent| (agent.name, agent.groups)).collect()),
        })
    }

    /// Every agent with its groups, every group with its secrets, every secret with its readers.
    #[expect(clippy::type_complexity, reason = "Python has a class for it")]
    fn overview(
        &self,
        py: Python<'_>,
    ) -> PyResult<(Vec<(String, Vec<String>)>, BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>)> {
        let found = self.read(py, Found::overview)?;
        Ok((found.agents, found.groups, found.readers))
    }

    /// Looks at the remote now. Where it cannot be reached, that is told, or an error if it is `strict`.
    fn pull(&self, py: Python<'_>, strict: bool) -> PyResult<()> {
        self.work(py, |found| self.opening.pull(found, strict))
    }

    /// Opens the vault anew, and verifies its manifest.
    fn reload(&self, py: Python<'_>) -> PyResult<()> {
        self.work(py, |_| {
            let found = self.opening.anew(&self.identities)?;
            self.replace(found);
            Ok(())
        })
    }

    /// What variables are set to, by name.
    fn env(&self, py: Python<'_>, mapping: Vec<(String, String)>) -> PyResult<Vec<(OsString, OsString)>> {
        self.variables(py, &mapping)
    }

    /// Stores a value, or changes what is known of one: the commit, if there was one, and the revision.
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn set(
        &self,
        py: Python<'_>,
        path: &str,
        given: Option<&Bound<'_, PyAny>>,
        group: Option<String>,
        agents: Option<Vec<String>>,
        expires: Option<Clearable>,
        description: Option<Clearable>,
    ) -> PyResult<(Option<String>, u64)> {
        let wanted = Wanted { group, agents, expires, description };
        self.store(py, path, given.map(value).transpose()?, wanted)
    }

    /// Removes a secret; the commit.
    fn rm(&self, py: Python<'_>, path: &str) -> PyResult<String> {
        let path: SecretPath = path.parse().map_err(Failure::from)?;
        self.own(py, |owner| owner.remove(&path))
    }

    /// Lets an agent read a group.
    fn grant(&self, py: Python<'_>, agent: &str, group: &str, create: bool, dry_run: bool) -> PyResult<Change> {
        self.give(py, agent, group, create, dry_run)
    }

    /// Takes a group from an agent, or one secret that it was granted beyond its groups.
    fn revoke(
        &self,
        py: Python<'_>,
        agent: &str,
        group: Option<&str>,
        secret: Option<&str>,
        dry_run: bool,
    ) -> PyResult<Change> {
        self.take(py, agent, group, secret, dry_run)
    }
}

/// A number of seconds from Python.
fn seconds(number: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(number).map_err(|_| {
        let message = format!("max_age is {number}");
        Error::Usage { message, hint: "give a number of seconds, 0 or more".into() }
    })
}
