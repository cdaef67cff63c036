//! The chain of owners: from what is pinned here (or from root 1) forward, each root signed by an owner of the one before.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::layout::{self, limit};
use crate::root::{Root, VaultId};
use crate::signing::{Namespace, Signature, VerifyingKey};
use crate::trust::Pin;

/// The most roots a chain may have.
pub(crate) const MAX_ROOTS: u64 = 10_000;

/// The bytes of root 1, which make the vault's id; `None` in a vault without signatures.
pub(crate) fn first(folder: &Folder) -> Result<Option<Vec<u8>>> {
    folder.read(&layout::root(1), limit::DOCUMENT)
}

/// Walks the chain from root 1, whose bytes are given, to its end.
pub(crate) fn from_first(folder: &Folder, first: &[u8]) -> Result<Pin> {
    let file = folder.path(&layout::root(1));
    let root = Root::parse(first).map_err(|reason| Error::tampered(&file, reason))?;
    if root.root != 1 {
        return Err(Error::tampered(file, format!("it calls itself root {}", root.root)));
    }
    let signer = verify(folder, 1, first, root.signing_keys())?.clone();
    let pin = Pin::new(VaultId::of(first), signer, &root, Digest::of(first));
    Ok(forward(folder, &pin)?.unwrap_or(pin))
}

/// Walks on from a pin; `None` when it is the chain's end already, which costs one look at a file.
pub(crate) fn forward(folder: &Folder, pin: &Pin) -> Result<Option<Pin>> {
    let mut last: Option<Pin> = None;
    loop {
        let at = last.as_ref().unwrap_or(pin);
        let number = at.root + 1;
        if number > MAX_ROOTS || !folder.has(&layout::root(number))? {
            return Ok(last);
        }
        let file = folder.path(&layout::root(number));
        let bytes = folder
            .read(&layout::root(number), limit::DOCUMENT)?
            .ok_or_else(|| Error::tampered(&file, "it vanished while it was read"))?;
        let keys: Vec<VerifyingKey> = at.owners.iter().map(|owner| owner.signing_key.clone()).collect();
        verify(folder, number, &bytes, &keys)?;
        let root = follow(number, at.digest, &bytes).map_err(|reason| Error::tampered(&file, reason))?;
        last = Some(Pin::new(at.vault, at.first_signer.clone(), &root, Digest::of(&bytes)));
    }
}

/// Whether another root stands in the place of the one that is pinned: two owners made successors of one root, apart from
/// each other, or somebody forged one. Root 1 makes the vault's id, so it needs no look.
pub(crate) fn forked(folder: &Folder, pin: &Pin) -> Result<bool> {
    if pin.root == 1 {
        return Ok(false);
    }
    let found = folder.read(&layout::root(pin.root), limit::DOCUMENT)?;
    Ok(found.is_some_and(|bytes| Digest::of(&bytes) != pin.digest))
}

/// Parses root `number`, whose signature was checked, as the successor of the root with digest `before`; `Err` says
/// what is wrong.
pub(crate) fn follow(number: u64, before: Digest, bytes: &[u8]) -> Result<Root, String> {
    let root = Root::parse(bytes)?;
    if root.root == number && root.previous == Some(before) {
        Ok(root)
    } else {
        Err("it does not follow the root before it".into())
    }
}

/// Whether the root `number` with these bytes, which an owner is about to sign, is one that readers will follow; `Err`
/// says why not.
pub(crate) fn acceptable(number: u64, before: Digest, bytes: &[u8]) -> Result<(), String> {
    if number > MAX_ROOTS {
        return Err(format!("a chain has at most {MAX_ROOTS} roots"));
    }
    follow(number, before, bytes).map(drop)
}

/// Checks `roots/<number>.sig` over `bytes`.
fn verify<'k>(
    folder: &Folder,
    number: u64,
    bytes: &[u8],
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
) -> Result<&'k VerifyingKey> {
    detached(folder, &layout::root_sig(number), bytes, Namespace::Root, keys)
}

/// Checks the detached signature `sig` over `bytes`; a missing one counts as tampering.
pub(crate) fn detached<'k>(
    folder: &Folder,
    sig: &str,
    bytes: &[u8],
    namespace: Namespace,
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
) -> Result<&'k VerifyingKey> {
    let armored = folder.read(sig, limit::SMALL)?;
    check(armored.as_deref(), bytes, namespace, keys)
        .map_err(|reason| Error::tampered(folder.path(sig).with_extension("yaml"), reason))
}

/// Checks an armored signature over `bytes`; `Err` says what is wrong.
pub(crate) fn check<'k>(
    armored: Option<&[u8]>,
    bytes: &[u8],
    namespace: Namespace,
    keys: impl IntoIterator<Item = &'k VerifyingKey>,
) -> Result<&'k VerifyingKey, String> {
    if bytes.contains(&b'\r') {
        return Err("line endings changed by Git: it holds carriage returns (check core.autocrlf and .gitattributes, then check the file out again)".into());
    }
    Signature::from_armored(armored.ok_or("its signature is missing")?)?.verify(namespace, bytes, keys)
}
