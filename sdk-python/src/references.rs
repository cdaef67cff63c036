//! Variables for a program: `agent_vault_deliver`'s, with the vaults that are open here.

use agent_vault_core::{Result, SecretBytes};
use agent_vault_open::references::{self, Opened};
use pyo3::prelude::*;
use std::ffi::OsString;

use crate::failure::Failure;
use crate::vault::Vault;

impl Vault {
    /// What variables are set to, by name.
    pub(crate) fn variables(
        &self,
        py: Python<'_>,
        mapping: &[(String, String)],
    ) -> PyResult<Vec<(OsString, OsString)>> {
        let variables = references::named(mapping).map_err(Failure::from)?;
        let filled = self.read(py, |found| {
            let opened = Opened::new(&self.opening, self.freshness)?.with(found, self.identities.clone());
            Ok(references::filled(&variables, &opened))
        })?;
        let filled = filled.map_err(Failure::from)?;
        filled.into_iter().map(|(name, value)| Ok((name, text(&value).map_err(Failure::from)?))).collect()
    }
}

/// A value as the system's text, which on Unix is any bytes.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn text(value: &SecretBytes) -> Result<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Ok(OsString::from_vec(value.expose().to_vec()))
}

#[cfg(not(unix))]
fn text(value: &SecretBytes) -> Result<OsString> {
    value.text("a variable").map(OsString::from)
}
