//! An owner who unlocked the signing key: every writing call goes through one.

use super::recorded::Act;
use super::{Secret, Vault};
use crate::error::{Error, Result};
use crate::escrow;
use crate::identity::Identities;
use crate::layout;
use crate::name::{OwnerName, SecretPath};
use crate::root::{self, Proof};
use crate::signing::SigningKey;

/// An owner at work. The signing key is wiped when this is dropped.
pub struct Owner<'v> {
    pub(super) vault: &'v Vault,
    pub(super) identities: &'v Identities,
    pub(super) name: OwnerName,
    pub(super) key: SigningKey,
}

impl Vault {
    /// Opens the signing key of the owner whom `identities` belong to. Recorded when it fails; what the owner then does is
    /// recorded as such.
    ///
    /// # Errors
    /// [`Error::NotOwner`]; [`Error::Tampered`] when the escrow holds another key than the root names.
    pub fn unlock<'v>(&'v self, identities: &'v Identities) -> Result<Owner<'v>> {
        let unlocked = self.unlocked(identities);
        if unlocked.is_err() {
            self.wrote(&Act::new("unlock"), Some(self.reader(identities, None)), &unlocked, None);
        }
        unlocked
    }

    fn unlocked<'v>(&'v self, identities: &'v Identities) -> Result<Owner<'v>> {
        let trusted = self.current()?;
        let known: Vec<_> = identities.recipients().collect();
        let owners = &trusted.root.owners;
        // An identity whose public key is known opens its own escrow only; a plugin's is tried on each.
        let candidates = owners.iter().filter(|owner| identities.has_unknown() || known.contains(&&owner.public_key));
        for owner in candidates {
            if let Some(key) = escrow::open_signing_key(&self.folder, owner, identities)? {
                self.check_proof(trusted.root.root, owner, identities)?;
                return Ok(Owner { vault: self, identities, name: owner.name.clone(), key });
            }
        }
        Err(Error::NotOwner { keys: identities.describe() })
    }

    /// Refuses a signing key that somebody else made for an owner's native key: it would sign in the owner's name.
    fn check_proof(&self, number: u64, owner: &root::Owner, identities: &Identities) -> Result<()> {
        let made = identities.prove(&owner.public_key, owner.signing_key.as_str().as_bytes()).map(Proof);
        if made.is_none() || made == owner.proof {
            return Ok(());
        }
        Err(Error::tampered(
            self.folder.path(&layout::root(number)),
            "it names your key with a signing key that you did not make: somebody else can sign in your name",
        ))
    }
}

impl<'v> Owner<'v> {
    /// The vault.
    pub fn vault(&self) -> &'v Vault {
        self.vault
    }

    /// Reads one secret to show it, use-only or not. Recorded as such.
    ///
    /// # Errors
    /// As [`Vault::get`], but for [`Error::Withheld`].
    pub fn reveal(&self, path: &SecretPath) -> Result<Secret> {
        let read = || self.vault.decrypted(path, self.identities, |_| Ok(()));
        self.vault.read(Act::on("reveal", path), |_| Some(self.actor()), read)
    }

    /// The owner's name.
    pub fn name(&self) -> &OwnerName {
        &self.name
    }
}
