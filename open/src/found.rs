//! A vault of either kind, for what both kinds can do.

use crate::message::Message;
use crate::opening::{Found, Opening};
use agent_vault_core::vault::{Listing, Overview};
use agent_vault_core::{
    Context, Error, GroupName, Identities, Owner, Purpose, Result, SecretBytes, SecretPath, Timestamp,
};
use agent_vault_deliver::resolve::Read;
use std::fmt::Display;
use std::path::Path;

impl Found {
    /// Its folder.
    pub fn dir(&self) -> &Path {
        match self {
            Found::Signed(vault) => vault.dir(),
            Found::Old(old) => old.dir(),
        }
    }

    /// The core's context that it was opened with.
    pub fn context(&self) -> &Context {
        match self {
            Found::Signed(vault) => vault.context(),
            Found::Old(old) => old.context(),
        }
    }

    /// Whether an owner signed it.
    pub fn is_signed(&self) -> bool {
        matches!(self, Found::Signed(_))
    }

    /// Reads one secret. Nothing is use-only where nothing is signed.
    ///
    /// # Errors
    /// As [`agent_vault_core::Vault::get_for`], and [`agent_vault_core::OldVault::get`].
    pub fn read(&self, path: &SecretPath, identities: &Identities, purpose: Purpose<'_>) -> Result<Read> {
        match self {
            Found::Signed(vault) => {
                let secret = vault.get_for(path, identities, purpose)?;
                let metadata = secret.metadata;
                Ok(Read { value: secret.value, expires: metadata.expires, use_only: metadata.use_only })
            }
            Found::Old(old) => {
                let secret = old.get(path, identities)?;
                let expires = secret.metadata.and_then(|metadata| metadata.expires);
                Ok(Read { value: secret.value, expires, use_only: false })
            }
        }
    }

    /// Every secret, or those of a group.
    ///
    /// # Errors
    /// As [`agent_vault_core::Vault::list`], and [`agent_vault_core::OldVault::list`].
    pub fn list(&self, group: Option<&GroupName>) -> Result<Listing> {
        match self {
            Found::Signed(vault) => vault.list(group),
            Found::Old(old) => old.list(group),
        }
    }

    /// Who is in which group, and who reads what.
    ///
    /// # Errors
    /// As [`agent_vault_core::Vault::overview`], and [`agent_vault_core::OldVault::overview`].
    pub fn overview(&self) -> Result<Overview> {
        match self {
            Found::Signed(vault) => vault.overview(),
            Found::Old(old) => old.overview(),
        }
    }
}

impl Opening {
    /// Opens the vault anew, and verifies its policy.
    ///
    /// # Errors
    /// As [`Opening::any_vault`], and [`agent_vault_core::Vault::manifest`].
    pub fn anew(&self, identities: &Identities) -> Result<Found> {
        let found = self.any_vault(Some(identities))?;
        match &found {
            Found::Signed(vault) => drop(vault.manifest()?),
            Found::Old(old) => drop(old.agents()?),
        }
        Ok(found)
    }

    /// Looks at the remote now. Where it cannot be reached, that is told, or an error if it is `strict`.
    ///
    /// # Errors
    /// As [`Opening::freshen`].
    pub fn pull(&self, found: &Found, strict: bool) -> Result<()> {
        let Found::Signed(vault) = found else { return Ok(()) };
        match self.freshen(vault, true) {
            // No remote: what is here is all there is.
            Err(Error::Conflict { .. }) if !strict && vault.unpushed().is_ok_and(|count| count.is_none()) => Ok(()),
            Err(error @ (Error::Remote { .. } | Error::GitProgram { .. })) if !strict => {
                self.say(Message::Stale(format!("{error}; this is what is known here")));
                Ok(())
            }
            looked => looked,
        }
    }

    /// One value, for a program that asks for it; that it has expired is told.
    ///
    /// # Errors
    /// As [`Found::read`].
    pub fn value(&self, found: &Found, identities: &Identities, path: &SecretPath) -> Result<SecretBytes> {
        let Read { value, expires, .. } = found.read(path, identities, Purpose::Show)?;
        if let Some(expires) = expires {
            self.tell_expired(path, expires);
        }
        Ok(value)
    }

    /// Tells that a value has expired, if it has by now.
    pub(crate) fn tell_expired(&self, of: &dyn Display, expires: Timestamp) {
        if expires <= (self.context.clock)() {
            self.say(Message::Warning(format!("{of} expired at {expires}")));
        }
    }

    /// Does one thing as the owner, and then pushes, where this machine is set so. That it cannot be pushed is told.
    ///
    /// # Errors
    /// Those of `act` and of [`agent_vault_core::Vault::unlock`]; [`Error::UnsignedVault`].
    pub fn own<T>(
        &self,
        found: &Found,
        identities: &Identities,
        act: impl FnOnce(&Owner<'_>) -> Result<T>,
    ) -> Result<T> {
        let vault = match found {
            Found::Signed(vault) => vault,
            Found::Old(old) => return Err(Error::UnsignedVault { vault: old.dir().to_path_buf() }),
        };
        let done = vault.unlock(identities).and_then(|owner| act(&owner))?;
        if let Err(error) = self.push_after_write(vault) {
            let text = format!("not pushed: {error}; the change is made, `agent-vault sync` pushes it");
            self.say(Message::Warning(text));
        }
        Ok(done)
    }
}
