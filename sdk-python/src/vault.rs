//! An opened vault.

use agent_vault_core::vault::Freshness;
use agent_vault_core::{Identities, Result, SecretBytes, audit};
use agent_vault_open::{Found, Key, Message, Opening, surroundings};
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::convert::{tell, variables};
use crate::failure::Failure;
use crate::gate;

/// The variables that are looked at.
const VARIABLES: [&str; 4] = ["AGENT_VAULT_HOME", "AGENT_VAULT_KEY", "AGENT_VAULT_OWNER", "AGENT_VAULT_TRUST"];

/// What this process writes its log with.
static LOG: OnceLock<Arc<audit::Log>> = OnceLock::new();

/// An opened vault and the key to read it with. `agent_vault.Vault` is the class for programs.
#[pyclass(frozen, module = "agent_vault._native")]
pub struct Vault {
    pub(crate) opening: Opening,
    pub(crate) identities: Arc<Identities>,
    found: RwLock<Arc<Found>>,
    /// How fresh a read has to be; none where it does not matter.
    pub(crate) freshness: Option<Freshness>,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Vault {
    /// The vault as it was opened last.
    pub(crate) fn found(&self) -> Arc<Found> {
        self.found.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Works on the vault without Python's lock, and then tells what there is to be heard of. What is told may be made an
    /// exception of, by `warnings.simplefilter("error")`.
    pub(crate) fn work<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&Found) -> Result<T> + Send) -> PyResult<T> {
        let done = gate::work(py, || {
            let found = self.found();
            let done = work(&found);
            if let Found::Signed(vault) = &*found {
                self.opening.tell(vault);
            }
            done
        });
        self.tell(py)?;
        Ok(done.map_err(Failure::from)?)
    }

    /// The same, of the state that the remote has, if it is time to look there.
    pub(crate) fn read<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&Found) -> Result<T> + Send) -> PyResult<T> {
        self.work(py, |found| {
            self.freshen(found)?;
            work(found)
        })
    }

    /// Looks at the remote, if it is time to.
    pub(crate) fn freshen(&self, found: &Found) -> Result<()> {
        match (&self.freshness, found) {
            (Some(freshness), Found::Signed(vault)) => self.opening.freshen_as(vault, freshness),
            _ => Ok(()),
        }
    }

    /// One value; that it has expired is told.
    pub(crate) fn value(&self, py: Python<'_>, path: &str) -> PyResult<SecretBytes> {
        self.read(py, |found| self.opening.value(found, &self.identities, &path.parse()?))
    }

    fn tell(&self, py: Python<'_>) -> PyResult<()> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        if heard.is_empty() { Ok(()) } else { tell(py, heard) }
    }
}

impl Vault {
    /// Opens a vault. Where no key is named, the variable or the home has it; where no age is, this machine's settings.
    pub(crate) fn open(
        py: Python<'_>,
        named: PathBuf,
        key: Option<Key>,
        auto_pull: bool,
        max_age: Option<Duration>,
    ) -> PyResult<Self> {
        let variables = variables(py, &VARIABLES)?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let opened = gate::work(py, || -> Result<_> {
            let opening = opening(named, key, &variables, &heard)?;
            let freshness = match auto_pull {
                true => Some(opening.freshness()?),
                false => None,
            };
            let identities = opening.identities()?;
            let found = opening.any_vault(Some(&identities))?;
            Ok((opening, identities, found, freshness))
        });
        let (opening, identities, found, freshness) = opened.map_err(Failure::from)?;
        let freshness = freshness.map(|set| Freshness { max_age: max_age.unwrap_or(set.max_age), ..set });
        let (identities, found) = (Arc::new(identities), RwLock::new(Arc::new(found)));
        let vault = Self { opening, identities, found, freshness, heard };
        vault.tell(py)?;
        Ok(vault)
    }

    /// Puts another one in its place: the same vault, opened anew.
    pub(crate) fn replace(&self, found: Found) {
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
    }
}

/// The opening, with what it tells.
fn opening(
    named: PathBuf,
    key: Option<Key>,
    variables: &[(String, Option<OsString>)],
    heard: &Arc<Mutex<Vec<Message>>>,
) -> Result<Opening> {
    let look = |name: &str| variables.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.clone());
    let nobody = Arc::new(agent_vault_core::prompt::Nobody);
    let mut context = surroundings::context(&look, nobody, false)?;
    context.audit = LOG.get_or_init(Arc::default).clone();
    let key = key.unwrap_or_else(|| Key::Unnamed { variable: look("AGENT_VAULT_KEY") });
    let heard = heard.clone();
    let listener = Arc::new(move |message| heard.lock().unwrap_or_else(PoisonError::into_inner).push(message));
    Opening::new(context, &named, key, listener)
}
