//! The vaults that references name, opened as for any read, and how references that fail are told.

use crate::opening::{Found, Opening};
use crate::told::Told;
use agent_vault_core::purpose::Program;
use agent_vault_core::settings::Settings;
use agent_vault_core::vault::Freshness;
use agent_vault_core::{Class, Identities, Purpose, Result, SecretBytes, SecretPath, Vault, VaultAlias};
use agent_vault_deliver::environment::{self, Sources, Variable};
use agent_vault_deliver::resolve::{Read, Signed, Unsigned, resolve};
use agent_vault_deliver::{Failure, Reader, Vaults};
use std::ffi::OsString;
use std::sync::{Arc, OnceLock};

/// The vaults of one call.
pub struct Opened<'o> {
    opening: &'o Opening,
    settings: Settings,
    /// How fresh what is read has to be; none looks at no remote. Whether a clone is a cached one is each vault's own.
    freshness: Option<Freshness>,
    /// Unlocked once, for whichever vaults there are.
    identities: OnceLock<Arc<Identities>>,
    /// The vault here, where it is open already.
    here: Option<&'o Found>,
    /// What gets the values; they are shown where there is none.
    program: Option<Arc<Program>>,
}

impl<'o> Opened<'o> {
    /// Opens vaults as `opening` does.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn new(opening: &'o Opening, freshness: Option<Freshness>) -> Result<Self> {
        let settings = Settings::load(&opening.context.home)?;
        Ok(Self { opening, settings, freshness, identities: OnceLock::new(), here: None, program: None })
    }

    /// The same, where the vault here is open already, and looked at as often as it is to be.
    #[must_use]
    pub fn with(self, here: &'o Found, identities: Arc<Identities>) -> Self {
        Self { here: Some(here), identities: OnceLock::from(identities), ..self }
    }

    /// The same, where what is read goes to a program, and is not shown.
    #[must_use]
    pub fn handed_to(self, program: Option<Arc<Program>>) -> Self {
        Self { program, ..self }
    }

    fn identities(&self, opening: &Opening) -> Result<Arc<Identities>> {
        if let Some(identities) = self.identities.get() {
            return Ok(identities.clone());
        }
        let identities = Arc::new(opening.identities()?);
        Ok(self.identities.get_or_init(|| identities).clone())
    }
}

impl Vaults for Opened<'_> {
    fn knows(&self, alias: &VaultAlias) -> bool {
        self.settings.vaults.contains_key(alias)
    }

    fn open(&self, alias: Option<&VaultAlias>) -> Result<Box<dyn Reader + '_>> {
        if let (None, Some(found), Some(identities)) = (alias, self.here, self.identities.get()) {
            return Ok(Box::new(Here { found, identities }));
        }
        let other = alias.and_then(|alias| self.settings.vaults.get(alias)).map(|place| self.opening.elsewhere(place));
        let other = other.transpose()?;
        let opening = other.as_ref().unwrap_or(self.opening);
        let identities = self.identities(opening)?;
        match opening.any_vault(Some(&identities))? {
            Found::Signed(vault) => {
                if let Some(freshness) = &self.freshness {
                    opening.freshen_as(&vault, &Freshness { whole: opening.is_cached(), ..*freshness })?;
                }
                let opening = opening.clone();
                Ok(Box::new(Telling { signed: Signed { vault, identities, program: self.program.clone() }, opening }))
            }
            Found::Old(vault) => Ok(Box::new(Unsigned { vault, identities })),
        }
    }
}

/// A vault that is open already. What is read from it is shown, so nothing of it is use-only.
struct Here<'o> {
    found: &'o Found,
    identities: &'o Arc<Identities>,
}

impl Reader for Here<'_> {
    fn read(&self, path: &SecretPath) -> Result<Read> {
        self.found.read(path, self.identities, Purpose::Show)
    }

    fn has_below(&self, segment: &str) -> bool {
        agent_vault_deliver::resolve::has_below(self.found.dir(), self.found.context(), segment)
    }
}

/// A vault whose notices are told when the reading is done.
struct Telling {
    signed: Signed,
    opening: Opening,
}

impl Telling {
    fn vault(&self) -> &Vault {
        &self.signed.vault
    }
}

impl Reader for Telling {
    fn read(&self, path: &SecretPath) -> Result<Read> {
        self.signed.read(path)
    }

    fn has_below(&self, segment: &str) -> bool {
        self.signed.has_below(segment)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.opening.tell(self.vault());
    }
}

/// Variables for a program, from names with secrets' paths or text with references. Nothing is read yet.
///
/// # Errors
/// [`agent_vault_core::Error::Usage`] and others for a name or a text that is none.
pub fn named(mapping: &[(String, String)]) -> Result<Vec<Variable>> {
    let named = mapping.iter().map(|(name, value)| environment::assigned(name, value)).collect::<Result<Vec<_>>>()?;
    environment::variables(&Sources { named, ..Sources::default() })
}

/// What variables are set to: all of them or none. What has expired is told to the opening's listener.
///
/// # Errors
/// The worst of the references that cannot be resolved, with the text of all.
pub fn filled(variables: &[Variable], opened: &Opened<'_>) -> Result<Vec<(OsString, SecretBytes)>, Told> {
    let values = resolve(environment::wanted(variables), opened)?;
    for (of, expires) in &values.expires {
        opened.opening.tell_expired(of, *expires);
    }
    Ok(environment::filled(variables, &values)?)
}

/// What is told of references that cannot be resolved: of each who wanted it, and why it failed.
pub fn told(failures: &[Failure]) -> impl Iterator<Item = String> {
    failures
        .iter()
        .flat_map(|failure| failure.of.iter().map(|(by, reference)| format!("{by}: {reference}: {}", failure.error)))
}

/// The failure by which a program goes: the first one's, unless something was tampered with, which nobody should miss.
pub fn worst(failures: &[Failure]) -> Option<&Failure> {
    failures.iter().find(|failure| failure.error.class() == Class::Tampered).or_else(|| failures.first())
}
