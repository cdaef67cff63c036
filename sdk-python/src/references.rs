//! Variables for a program: `agent_vault_deliver`'s, with the vaults that are open here.

use agent_vault_core::{Result, SecretBytes};
use agent_vault_deliver::environment::{self, Sources, Variable};
use agent_vault_deliver::{Failure as Unresolved, Values, resolve};
use agent_vault_open::references::Opened;
use pyo3::prelude::*;
use std::ffi::OsString;

use crate::convert::tell;
use crate::failure::{Failure, references};
use crate::vault::Vault;
use agent_vault_open::Message;

/// What came of resolving.
type Resolved = Result<std::result::Result<Values, Vec<Unresolved>>>;

impl Vault {
    /// What variables are set to, by name.
    pub(crate) fn variables(
        &self,
        py: Python<'_>,
        mapping: &[(String, String)],
    ) -> PyResult<Vec<(OsString, OsString)>> {
        let named = mapping.iter().map(|(name, value)| environment::assigned(name, value));
        let named = named.collect::<Result<Vec<_>>>().map_err(Failure::from)?;
        let sources = Sources { named, ..Sources::default() };
        let variables = environment::variables(&sources).map_err(Failure::from)?;
        let resolved = self.work(py, |found| -> Resolved {
            self.freshen(found)?;
            let opened = Opened::new(&self.opening, self.freshness)?.with(found, self.identities.clone());
            Ok(resolve(environment::wanted(&variables), &opened))
        })?;
        let values = resolved.map_err(|failures| references(py, &failures))?;
        let now = (self.opening.context.clock)();
        let expired = values.expires.iter().filter(|(_, expires)| *expires <= now);
        tell(py, expired.map(|(of, at)| Message::Warning(format!("{of} expired at {at}"))).collect())?;
        filled(&variables, &values)
    }
}

fn filled(variables: &[Variable], values: &Values) -> PyResult<Vec<(OsString, OsString)>> {
    let filled = environment::filled(variables, values).map_err(Failure::from)?;
    filled.into_iter().map(|(name, value)| Ok((name, text(&value).map_err(Failure::from)?))).collect()
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
