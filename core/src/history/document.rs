//! A secret's signed document, whichever it is: metadata, or the tombstone in their place.

use crate::digest::{Digest, KeyId};
use crate::layout::Part;
use crate::metadata::{self, Exposure, Metadata, Tombstone};
use crate::name::SecretPath;
use crate::root::{Root, VaultId};
use crate::signing::Namespace;
use std::collections::BTreeSet;

/// A `.meta` or `.gone`, and the digest of its file.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    pub digest: Digest,
    pub record: Record,
}

impl Doc {
    /// What `log` says of it.
    pub(crate) fn revision(&self, name: &SecretPath) -> super::Revision {
        let value_revision = self.metadata().map(|metadata| metadata.value_revision);
        super::Revision { name: name.clone(), revision: self.number(), value_revision }
    }
}

/// What a document says.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Meta(Box<Metadata>),
    Gone(Tombstone),
}

impl Doc {
    /// Verifies a document under a root, then parses it; `Err` says what is wrong.
    pub(crate) fn verify(
        part: Part,
        bytes: &[u8],
        vault: VaultId,
        path: &SecretPath,
        root: &Root,
    ) -> Result<Self, String> {
        let (body, signature) = metadata::split_signed(bytes)?;
        signature.verify(Namespace::Secret, body, root.signing_keys())?;
        Self::parse(part, bytes, body, vault, path)
    }

    /// Parses a document that was verified where it came into the vault.
    pub(crate) fn known(part: Part, bytes: &[u8], vault: VaultId, path: &SecretPath) -> Result<Self, String> {
        let (body, _) = metadata::split_signed(bytes)?;
        Self::parse(part, bytes, body, vault, path)
    }

    fn parse(part: Part, bytes: &[u8], body: &[u8], vault: VaultId, path: &SecretPath) -> Result<Self, String> {
        let record = match part {
            Part::Gone => Record::Gone(Tombstone::parse(body, vault, path)?),
            _ => Record::Meta(Box::new(Metadata::parse(body, vault, path)?)),
        };
        Ok(Self { digest: Digest::of(bytes), record })
    }

    /// Its revision.
    pub(crate) fn number(&self) -> u64 {
        match &self.record {
            Record::Meta(metadata) => metadata.revision,
            Record::Gone(gone) => gone.revision,
        }
    }

    /// What it replaces.
    pub(crate) fn parents(&self) -> &[Digest] {
        match &self.record {
            Record::Meta(metadata) => &metadata.parents,
            Record::Gone(gone) => &gone.parents,
        }
    }

    /// The metadata, if the secret is there.
    pub(crate) fn metadata(&self) -> Option<&Metadata> {
        match &self.record {
            Record::Meta(metadata) => Some(metadata),
            Record::Gone(_) => None,
        }
    }
}

/// Whether two documents speak of the same value: it was made, and last set, at the same time, as the same number.
pub(crate) fn same_value(a: &Metadata, b: &Metadata) -> bool {
    (a.created, a.rotated, a.value_revision) == (b.created, b.rotated, b.value_revision)
}

/// Whether `new` is what a move makes of `from`. A tombstone at the new name has the revision `before` (0 without one).
pub(crate) fn moved(new: &Metadata, from: &Metadata, before: u64) -> bool {
    same_value(new, from) && new.revision == from.revision.max(before) + 1 && new.name != from.name
}

/// The keys that could read a value and that `new` neither counts among its readers nor names as exposed.
pub(crate) fn forgotten(new: &Metadata, old: &Metadata) -> Vec<KeyId> {
    let kept: BTreeSet<KeyId> =
        new.recipients.iter().copied().chain(new.exposed_to.iter().map(|exposure: &Exposure| exposure.key)).collect();
    let had = old.recipients.iter().copied().chain(old.exposed_to.iter().map(|exposure| exposure.key));
    had.filter(|key| !kept.contains(key)).collect()
}
