//! Roots: who the owners are (format: "`roots/<n>.yaml`").

use crate::digest::{Digest, KeyId};
use crate::error::{Error, Result, printable};
use crate::name::OwnerName;
use crate::recipient::Recipient;
use crate::signing::VerifyingKey;
use crate::yaml::{self, Document, Renderer, scalar};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// The most owners a root may have.
const MAX_OWNERS: usize = 64;

/// The id of a vault: a UUIDv8 cut from the SHA-256 of `roots/1.yaml`, so nobody can claim another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VaultId([u8; 16]);

impl VaultId {
    /// The id of the vault whose first root has these bytes (RFC 9562, section 5.8).
    pub fn of(first_root: &[u8]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&Digest::of(first_root).0[..16]);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        Self(id)
    }
}

impl fmt::Display for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let h = crate::digest::hex(&self.0);
        f.pad(&format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]))
    }
}

impl fmt::Debug for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VaultId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let fail = || Error::Usage {
            message: format!("{:?} is no vault id", printable(text)),
            hint: "a UUID, as `agent-vault trust` shows it".into(),
        };
        let digits: String = text.split('-').collect();
        let mut id = [0; 16];
        if digits.len() != 32 || !digits.is_ascii() {
            return Err(fail());
        }
        for (byte, at) in id.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| fail())?;
        }
        let id = Self(id);
        if id.to_string() == text { Ok(id) } else { Err(fail()) }
    }
}

/// What an owner's native secret says of the owner's signing key (see [`crate::identity::Identities`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof(pub(crate) [u8; 32]);

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl FromStr for Proof {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        BASE64_STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| Error::Usage { message: "not a proof".into(), hint: "base64 of 32 bytes".into() })
    }
}

/// One owner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The name, unique in the root.
    pub name: OwnerName,
    /// What every value is encrypted to.
    pub public_key: Recipient,
    /// What signs policy, secrets and commits of this vault.
    pub signing_key: VerifyingKey,
    /// Present for owners with a native age key.
    #[serde(default)]
    pub proof: Option<Proof>,
}

impl Owner {
    /// The owner as a line of a document.
    pub(crate) fn line(&self) -> String {
        let proof = self.proof.map(|proof| format!(", proof: {}", scalar(&proof.to_string()))).unwrap_or_default();
        format!(
            "{{name: {}, public_key: {}, signing_key: {}{proof}}}",
            scalar(self.name.as_str()),
            scalar(self.public_key.as_str()),
            scalar(self.signing_key.as_str()),
        )
    }
}

/// A link of the chain of owners.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    version: u32,
    /// Its number, from 1.
    pub root: u64,
    /// The digest of the root before it; absent in root 1.
    #[serde(default)]
    pub previous: Option<Digest>,
    /// At least one.
    pub owners: Vec<Owner>,
}

impl Root {
    /// The first root of a new vault.
    pub(crate) fn first(owner: Owner) -> Self {
        Self { version: 1, root: 1, previous: None, owners: vec![owner] }
    }

    /// The root of other owners that follows this one, whose file has `digest`.
    pub(crate) fn successor(&self, digest: Digest, owners: Vec<Owner>) -> Self {
        Self { version: 1, root: self.root + 1, previous: Some(digest), owners }
    }

    /// The root that a pin remembers.
    pub(crate) fn of_pin(pin: &crate::trust::Pin) -> Self {
        Self { version: 1, root: pin.root, previous: None, owners: pin.owners.clone() }
    }

    /// Parses what was verified (or, for root 1 alone, what will be verified against its own keys); `Err` says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let root: Self = yaml::parse(bytes)?;
        if root.version != 1 {
            return Err(format!("it has version {}, and this program knows version 1", root.version));
        }
        if root.root == 0 || root.previous.is_some() != (root.root > 1) {
            return Err("its number and its previous root do not fit".into());
        }
        if root.owners.is_empty() || root.owners.len() > MAX_OWNERS {
            return Err(format!("it has {} owners; 1 to {MAX_OWNERS} are allowed", root.owners.len()));
        }
        for (at, owner) in root.owners.iter().enumerate() {
            let clash = root.owners[..at].iter().any(|other| {
                other.name.as_str().eq_ignore_ascii_case(owner.name.as_str())
                    || other.public_key == owner.public_key
                    || other.signing_key == owner.signing_key
            });
            if clash {
                return Err(format!("owner {} is there twice, or shares a key with another", owner.name));
            }
        }
        Ok(root)
    }

    /// The canonical bytes.
    pub fn render(&self) -> String {
        Document::render(self)
    }

    /// The keys that may sign what stands under this root.
    pub fn signing_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.owners.iter().map(|owner| &owner.signing_key)
    }

    /// The owner with this signing key.
    pub fn signer(&self, key: &VerifyingKey) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.signing_key == *key)
    }

    /// The owner of that name.
    pub fn owner(&self, name: &OwnerName) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.name == *name)
    }

    /// The owner whose public key has this id.
    pub fn by_key(&self, id: KeyId) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.public_key.id() == id)
    }

    /// The text of `owner.pub`: the first owner's public key.
    pub(crate) fn owner_pub(&self) -> String {
        format!("{}\n", self.owners[0].public_key)
    }

    /// The text of `allowed_signers` (ssh-keygen(1), "ALLOWED SIGNERS").
    pub(crate) fn allowed_signers(&self) -> String {
        self.owners.iter().fold(String::new(), |text, owner| {
            text + &format!(
                "{} namespaces=\"git,agent-vault.root,agent-vault.manifest,agent-vault.secret\" {}\n",
                owner.name, owner.signing_key
            )
        })
    }
}

impl Document for Root {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("version", self.version);
        out.literal("root", self.root);
        out.optional("previous", self.previous);
        out.maps("owners", self.owners.iter().map(Owner::line));
        out.finish()
    }
}
