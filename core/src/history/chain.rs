//! The chain of roots in one commit's tree.

use crate::digest::Digest;
use crate::error::Result;
use crate::layout::{self, limit};
use crate::root::{Root, VaultId};
use crate::roots::{self, MAX_ROOTS};
use crate::signing::{Namespace, VerifyingKey};
use crate::trust::Pin;

/// A chain of roots that verifies, from root 1 to the one in force.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub id: VaultId,
    /// Of each root its digest and the key that signed it.
    links: Vec<(Digest, VerifyingKey)>,
    /// The root in force.
    pub root: Root,
}

impl Chain {
    /// Reads and verifies the chain whose files `read` finds; `Ok(Err)` says what is wrong with it.
    pub(crate) fn read(read: impl Fn(&str, u64) -> Result<Option<Vec<u8>>>) -> Result<Result<Self, String>> {
        let Some(first) = read(&layout::root(1), limit::DOCUMENT)? else {
            return Ok(Err("roots/1.yaml is missing".into()));
        };
        let sig = |number| read(&layout::root_sig(number), limit::SMALL);
        let mut chain = match Self::first(&first, sig(1)?.as_deref()) {
            Ok(chain) => chain,
            Err(reason) => return Ok(Err(format!("roots/1.yaml: {reason}"))),
        };
        while chain.len() < MAX_ROOTS {
            let number = chain.len() + 1;
            let Some(bytes) = read(&layout::root(number), limit::DOCUMENT)? else { break };
            if let Err(reason) = chain.append(number, &bytes, sig(number)?.as_deref()) {
                return Ok(Err(format!("roots/{number}.yaml: {reason}")));
            }
        }
        Ok(Ok(chain))
    }

    fn first(bytes: &[u8], sig: Option<&[u8]>) -> Result<Self, String> {
        let root = Root::parse(bytes)?;
        if root.root != 1 {
            return Err(format!("it calls itself root {}", root.root));
        }
        let signer = roots::check(sig, bytes, Namespace::Root, root.signing_keys())?.clone();
        Ok(Self { id: VaultId::of(bytes), links: vec![(Digest::of(bytes), signer)], root })
    }

    fn append(&mut self, number: u64, bytes: &[u8], sig: Option<&[u8]>) -> Result<(), String> {
        let signer = roots::check(sig, bytes, Namespace::Root, self.root.signing_keys())?.clone();
        self.root = roots::follow(number, self.end(), bytes)?;
        self.links.push((Digest::of(bytes), signer));
        Ok(())
    }

    /// How many roots it has.
    pub(crate) fn len(&self) -> u64 {
        self.links.len() as u64
    }

    /// The digest of the root in force.
    fn end(&self) -> Digest {
        self.links.last().map_or_else(|| Digest::of(b""), |(digest, _)| *digest)
    }

    /// Whether it holds every link of an older chain, signed by the same keys.
    pub(crate) fn extends(&self, older: &Self) -> bool {
        self.links.starts_with(&older.links)
    }

    /// How many roots two chains have in common.
    pub(crate) fn common(&self, other: &Self) -> u64 {
        self.links.iter().zip(&other.links).take_while(|(a, b)| a == b).count() as u64
    }

    /// Whether it holds the root that is pinned on this machine.
    pub(crate) fn holds(&self, pin: &Pin) -> bool {
        let pinned = usize::try_from(pin.root).ok().and_then(|number| self.links.get(number.checked_sub(1)?));
        self.id == pin.vault && pinned.is_some_and(|(digest, _)| *digest == pin.digest)
    }
}
