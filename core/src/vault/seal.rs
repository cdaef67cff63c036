//! `seal`, `open`, `reseal`: values that live in other files, for the readers of a group.

use super::recorded::Act;
use super::{Owner, Vault};
use crate::crypto;
use crate::digest::KeyId;
use crate::error::{Error, Result};
use crate::identity::Identities;
use crate::name::{GroupName, OwnerName, nearest};
use crate::policy::{Policy, Readers};
use crate::seal::{Plaintext, Sealed};
use crate::secret::SecretBytes;
use crate::signing::Namespace;

/// Who vouches for a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealer {
    /// An owner of the root in force signed it.
    Owner(OwnerName),
    /// The key with this fingerprint signed it, and belongs to no owner, or to none any more.
    Stranger(String),
    /// Nobody: whoever knows the readers' public keys can have made it.
    Nobody,
}

/// An opened value.
#[derive(Debug)]
pub struct Opened {
    /// The value, byte for byte.
    pub value: SecretBytes,
    /// Who vouches for it.
    pub sealer: Sealer,
}

/// A value sealed anew, and whom that concerns.
#[derive(Debug)]
pub struct Resealed {
    /// The new text.
    pub sealed: Sealed,
    /// Keys that can open it now and could not before.
    pub gains: Vec<KeyId>,
    /// Keys that could open it before; they may have kept the value.
    pub loses: Vec<KeyId>,
}

impl Vault {
    /// Encrypts a value for those who may read secrets of `group` now. No key is needed; an `owner` signs it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a group that nobody has; [`Error::TooLarge`]; [`Error::Tampered`] of the manifest;
    /// [`Error::Encrypt`].
    pub fn seal(&self, group: &GroupName, value: SecretBytes, owner: Option<&Owner<'_>>) -> Result<Sealed> {
        let who = || owner.map(Owner::actor);
        self.read(
            Act::about("seal", Some(group)),
            |_| who(),
            || {
                let limit = self.manifest()?.settings.max_secret_size;
                if value.len() as u64 > limit {
                    return Err(Error::TooLarge { size: value.len() as u64, limit });
                }
                let readers = self.readers_of(group)?;
                let group = group.clone();
                let mut plaintext =
                    Plaintext { vault: self.id, group, recipients: readers.ids(), signature: None, value };
                if let Some(owner) = owner {
                    plaintext.signature = Some(owner.key.sign(Namespace::Seal, &plaintext.signed())?);
                }
                self.encrypted(&plaintext, &readers)
            },
        )
    }

    /// Opens a sealed value of this vault. Recorded.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value of another vault; [`Error::NotAuthorized`]; [`Error::Tampered`] when it was altered, or
    /// moved here from another vault or group.
    pub fn unseal(&self, sealed: &Sealed, identities: &Identities) -> Result<Opened> {
        let who = |_: Option<&Opened>| Some(self.reader(identities, None));
        self.read(Act::about("open", Some(&sealed.group)), who, || {
            let plaintext = self.plaintext(sealed, identities)?;
            let sealer = self.sealer(&plaintext, sealed)?;
            Ok(Opened { value: plaintext.value, sealer })
        })
    }

    /// Seals a value anew, if others may read its group now than those it was sealed for. An owner's signature stays. Recorded
    /// as opened.
    ///
    /// # Errors
    /// As [`Vault::unseal`] and [`Vault::seal`].
    pub fn reseal(&self, sealed: &Sealed, identities: &Identities) -> Result<Option<Resealed>> {
        let who = |_: Option<&Option<Resealed>>| Some(self.reader(identities, None));
        self.read(Act::about("reseal", Some(&sealed.group)), who, || {
            let mut plaintext = self.plaintext(sealed, identities)?;
            self.sealer(&plaintext, sealed)?;
            let readers = self.readers_of(&sealed.group)?;
            let (before, now) = (std::mem::take(&mut plaintext.recipients), readers.ids());
            if before == now {
                return Ok(None);
            }
            let without = |all: &[KeyId], other: &[KeyId]| -> Vec<KeyId> {
                all.iter().filter(|key| !other.contains(key)).copied().collect()
            };
            let (gains, loses) = (without(&now, &before), without(&before, &now));
            plaintext.recipients = now;
            Ok(Some(Resealed { sealed: self.encrypted(&plaintext, &readers)?, gains, loses }))
        })
    }

    fn encrypted(&self, plaintext: &Plaintext, readers: &Readers) -> Result<Sealed> {
        let ciphertext = crypto::encrypt(&readers.recipients, &plaintext.render(), &self.context.prompt)?;
        Ok(Sealed { vault: plaintext.vault, group: plaintext.group.clone(), ciphertext })
    }

    /// Decrypts, and checks that it is where it was made for.
    fn plaintext(&self, sealed: &Sealed, identities: &Identities) -> Result<Plaintext> {
        if sealed.vault != self.id {
            return Err(Error::Usage {
                message: format!("it was sealed for vault {}, and this is {}", sealed.vault, self.id),
                hint: "name the vault that it belongs to with -C DIR".into(),
            });
        }
        let opened = crypto::open_file(identities, &sealed.ciphertext, &sealed.place())?;
        let plaintext = Plaintext::parse(opened.expose()).map_err(|reason| Error::corrupt(sealed.place(), reason))?;
        if plaintext.vault != sealed.vault || plaintext.group != sealed.group {
            return Err(Error::tampered(
                sealed.place(),
                format!("it was made for group {} of vault {}, and moved", plaintext.group, plaintext.vault),
            ));
        }
        Ok(plaintext)
    }

    /// Who signed it.
    fn sealer(&self, plaintext: &Plaintext, sealed: &Sealed) -> Result<Sealer> {
        let Some(signature) = &plaintext.signature else { return Ok(Sealer::Nobody) };
        let key = signature
            .signer(Namespace::Seal, &plaintext.signed())
            .map_err(|reason| Error::tampered(sealed.place(), reason))?;
        let trusted = self.current()?;
        let owner = trusted.root.owners.iter().find(|owner| owner.signing_key == key);
        Ok(owner.map_or_else(|| Sealer::Stranger(key.fingerprint()), |owner| Sealer::Owner(owner.name.clone())))
    }

    /// Who may read a group, by the verified policy.
    fn readers_of(&self, group: &GroupName) -> Result<Readers> {
        let (manifest, trusted) = (self.manifest()?, self.current()?);
        let named = manifest.groups.iter().map(|group| &group.name);
        let joined = manifest.agents.iter().flat_map(|agent| &agent.groups);
        let known: Vec<&GroupName> = named.chain(joined).collect();
        if !known.contains(&group) && !self.secrets()?.iter().any(|secret| secret.group == *group) {
            let near = nearest(group.as_str(), known.iter().map(|group| group.as_str()));
            return Err(Error::NotFound { what: "group", name: group.to_string(), near });
        }
        Ok(Policy::new(&trusted.root, &manifest).readers(group, &[]))
    }
}
