//! One secret of a listing. Its fields become Python's when they are asked for: a listing has thousands.

use agent_vault_core::vault::Row;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyTzInfo};

/// What is known of a secret without decrypting it; of a signed vault, all of it verified.
#[pyclass(frozen, module = "agent_vault")]
pub struct SecretMetadata(pub Row);

/// A second in UTC.
fn time(py: Python<'_>, seconds: i64) -> PyResult<Bound<'_, PyDateTime>> {
    // Exact: years 1 to 9999 are below 2^53 seconds.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    PyDateTime::from_timestamp(py, seconds as f64, Some(&*PyTzInfo::utc(py)?))
}

#[pymethods]
impl SecretMetadata {
    /// The secret's path.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The group whose agents read it.
    #[getter]
    fn group(&self) -> &str {
        &self.0.group
    }

    /// When it was made, in UTC. Where an unsigned vault does not say, the beginning of 1970.
    #[getter]
    fn created<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        time(py, self.0.created)
    }

    /// When its value was last set, in UTC. Where an unsigned vault does not say, the beginning of 1970.
    #[getter]
    fn rotated<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        time(py, self.0.rotated)
    }

    /// When it expires, in UTC.
    #[getter]
    fn expires<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        self.0.expires.map(|seconds| time(py, seconds)).transpose()
    }

    /// The agents that can read it.
    #[getter]
    fn authorized_agents(&self) -> Vec<String> {
        self.0.authorized_agents.clone()
    }

    /// One line for people.
    #[getter]
    fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// The agents that may read it beyond its group.
    #[getter]
    fn agents(&self) -> Vec<String> {
        self.0.agents.clone()
    }

    /// Counts every write of it; 0 in an unsigned vault.
    #[getter]
    fn revision(&self) -> u64 {
        self.0.revision
    }

    /// Counts the changes of its value; 0 in an unsigned vault.
    #[getter]
    fn value_revision(&self) -> u64 {
        self.0.value_revision
    }

    /// Keys that could read the value and no longer may: rotation is due until it changes.
    #[getter]
    fn exposed_to(&self) -> Vec<String> {
        self.0.exposed_to.clone()
    }

    /// Whether its owner bound the value to programs or hosts: `get` refuses it, whatever the key.
    #[getter]
    fn use_only(&self) -> bool {
        self.0.use_only
    }

    /// The programs that a use-only value is handed to.
    #[getter]
    fn programs(&self) -> Vec<String> {
        self.0.programs.clone()
    }

    /// The hosts that Git may send it to.
    #[getter]
    fn hosts(&self) -> Vec<String> {
        self.0.hosts.clone()
    }

    fn __repr__(&self) -> String {
        format!("SecretMetadata(name={:?}, group={:?}, revision={})", self.0.name, self.0.group, self.0.revision)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (&self.0.name, self.0.revision).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Fields)> {
        let row = self.0.clone();
        let fields = (
            (row.name, row.group, row.created, row.rotated, row.expires, row.description),
            (row.authorized_agents, row.agents, row.revision, row.value_revision, row.exposed_to),
            (row.use_only, row.programs, row.hosts),
        );
        Ok((py.import("agent_vault._native")?.getattr("restore_metadata")?, fields))
    }
}

/// What a pickle holds: what it is, who reads it, and what it is for.
type Fields = (
    (String, String, i64, i64, Option<i64>, Option<String>),
    (Vec<String>, Vec<String>, u64, u64, Vec<String>),
    (bool, Vec<String>, Vec<String>),
);

/// Makes what was pickled.
#[pyfunction]
pub fn restore_metadata(
    facts: (String, String, i64, i64, Option<i64>, Option<String>),
    readers: (Vec<String>, Vec<String>, u64, u64, Vec<String>),
    purpose: (bool, Vec<String>, Vec<String>),
) -> SecretMetadata {
    let (name, group, created, rotated, expires, description) = facts;
    let (authorized_agents, agents, revision, value_revision, exposed_to) = readers;
    let (use_only, programs, hosts) = purpose;
    SecretMetadata(Row {
        name,
        group,
        created,
        rotated,
        expires,
        description,
        use_only,
        programs,
        hosts,
        authorized_agents,
        agents,
        revision,
        value_revision,
        exposed_to,
    })
}
