//! Reading the vault as it was in a commit: from Git's objects, verified under the root in force there.

use super::Vault;
use crate::crypto;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::history::SignatureStatus;
use crate::history::chain::Chain;
use crate::history::document::Doc;
use crate::layout::{self, Part, limit};
use crate::manifest::Manifest;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::{Entry, Repo, SecretFiles};
use crate::root::{Root, VaultId};
use crate::roots;
use crate::signing::{Namespace, Signature};
use git2::Oid;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// Why something of the past is not taken: it breaks a rule, or it could not be read at all.
pub(super) enum Fault {
    Wrong(String),
    Failed(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Failed(error)
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault::Wrong(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Fault::Wrong(reason.into())
    }
}

/// A repository that opened once did not open again.
pub(super) fn reopened(error: &Error) -> Error {
    Error::Conflict { message: error.to_string(), hint: "try again".into() }
}

/// Sets a broken rule apart from a failure to read.
pub(super) fn judged<T>(found: Result<T, Fault>) -> Result<Result<T, String>> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(Fault::Wrong(reason)) => Ok(Err(reason)),
        Err(Fault::Failed(error)) => Err(error),
    }
}

/// What stands in the vault's place in a commit.
#[derive(Clone)]
pub(super) enum Ground {
    /// Nothing.
    Absent,
    /// A vault without roots.
    Unsigned,
    /// A chain of roots that verifies.
    Signed(Arc<Chain>),
    /// Roots that do not verify.
    Broken(String),
}

/// The vault's past. Chains that were verified once are kept; many threads may read, each with a [`Repo`] of its own.
pub(super) struct Past<'v> {
    vault: &'v Vault,
    /// By the tree of `roots/`.
    chains: RwLock<HashMap<Oid, Ground>>,
}

impl<'v> Past<'v> {
    pub(super) fn new(vault: &'v Vault) -> Self {
        Self { vault, chains: RwLock::default() }
    }

    pub(super) fn id(&self) -> VaultId {
        self.vault.id
    }

    pub(super) fn open(&self) -> Result<Repo> {
        Repo::open(&self.vault.dir)
    }

    /// What a vault's tree stands on.
    pub(super) fn ground(&self, repo: &Repo, tree: Option<Oid>) -> Result<Ground> {
        let Some(tree) = tree else { return Ok(Ground::Absent) };
        let Some(folder) = repo.entry(tree, layout::ROOTS)? else { return Ok(Ground::Unsigned) };
        if let Some(known) = self.chains.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&folder.oid) {
            return Ok(known.clone());
        }
        if repo.entry(tree, &layout::root(1))?.is_none() {
            return Ok(Ground::Unsigned);
        }
        let found = judged(
            Chain::read(|path, limit| match judged(self.file(repo, tree, path, limit))? {
                Ok(bytes) => Ok(bytes),
                // What cannot be read as a file is no root; the chain ends or breaks there.
                Err(_) => Ok(Some(Vec::new())),
            })
            .map_err(Fault::Failed)
            .and_then(|read| read.map_err(Fault::Wrong)),
        )?;
        let ground = match found {
            Ok(chain) => Ground::Signed(Arc::new(chain)),
            Err(reason) => Ground::Broken(reason),
        };
        self.chains.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(folder.oid, ground.clone());
        Ok(ground)
    }

    /// A plain file of a vault's tree.
    pub(super) fn file(&self, repo: &Repo, tree: Oid, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
        repo.entry(tree, path)?.map(|entry| self.bytes(repo, entry, limit)).transpose()
    }

    /// The content of a file.
    fn bytes(&self, repo: &Repo, entry: Entry, limit: u64) -> Result<Vec<u8>, Fault> {
        if !entry.is_file() {
            return Err("it is not a regular file".into());
        }
        repo.content(entry.oid, limit)?.ok_or_else(|| format!("it has more than {limit} bytes").into())
    }

    /// A secret's document; none when there is no such secret. With a root, its signature is checked; without one it is a
    /// document that was checked where it came into the vault.
    pub(super) fn document(
        &self,
        repo: &Repo,
        path: &SecretPath,
        files: &SecretFiles,
        root: Option<&Root>,
    ) -> Result<Option<Doc>, Fault> {
        let read = |part, entry| -> Result<Option<Doc>, Fault> {
            let bytes = self.bytes(repo, entry, limit::DOCUMENT)?;
            let doc = match root {
                Some(root) => Doc::verify(part, &bytes, self.vault.id, path, root),
                None => Doc::known(part, &bytes, self.vault.id, path),
            };
            Ok(Some(doc?))
        };
        match (files.meta, files.gone, files.enc) {
            (Some(_), Some(_), _) => Err("metadata and a tombstone stand side by side".into()),
            (Some(_), None, None) => Err("the ciphertext is missing".into()),
            (Some(meta), None, Some(_)) => read(Part::Meta, meta),
            (None, Some(_), Some(_)) => Err("a ciphertext stands beside its tombstone".into()),
            (None, Some(gone), None) => read(Part::Gone, gone),
            (None, None, Some(_)) => Err("the ciphertext has no signed metadata: an orphan".into()),
            (None, None, None) => Ok(None),
        }
    }

    /// A secret's document that was checked where it came into the vault, by the object that holds it.
    pub(super) fn known(&self, repo: &Repo, path: &SecretPath, meta: Oid) -> Result<Doc, Fault> {
        let bytes = repo.content(meta, limit::DOCUMENT)?.ok_or("it is too large")?;
        Ok(Doc::known(Part::Meta, &bytes, self.vault.id, path)?)
    }

    /// The ciphertext that metadata were signed for.
    pub(super) fn ciphertext(&self, repo: &Repo, metadata: &Metadata, files: &SecretFiles) -> Result<Vec<u8>, Fault> {
        let entry = files.enc.ok_or("the ciphertext is missing")?;
        let bytes = self.bytes(repo, entry, limit::CIPHERTEXT)?;
        if Digest::of(&bytes) != metadata.digest {
            return Err("the ciphertext is not the one that its metadata was signed for".into());
        }
        match crypto::stanza_count(&bytes) {
            Some(count) if count >= metadata.recipients.len() => Ok(bytes),
            _ => Err("the ciphertext is encrypted to fewer keys than its metadata names".into()),
        }
    }

    /// The manifest of a tree, verified under its root, and the digest of its file.
    pub(super) fn manifest(&self, repo: &Repo, tree: Oid, root: &Root) -> Result<(Manifest, Digest), Fault> {
        let bytes = self.file(repo, tree, layout::MANIFEST, limit::MANIFEST)?.ok_or("the manifest is missing")?;
        let signature = self.file(repo, tree, layout::MANIFEST_SIG, limit::SMALL)?;
        roots::check(signature.as_deref(), &bytes, Namespace::Manifest, root.signing_keys())?;
        Ok((Manifest::parse(&bytes, self.vault.id, root)?, Digest::of(&bytes)))
    }

    /// Whether the manifest of a tree is signed by an owner of `root`, which may be a later one than it was made under.
    pub(super) fn manifest_signed(&self, repo: &Repo, tree: Oid, root: &Root) -> Result<(), Fault> {
        let bytes = self.file(repo, tree, layout::MANIFEST, limit::MANIFEST)?.ok_or("the manifest is missing")?;
        let signature = self.file(repo, tree, layout::MANIFEST_SIG, limit::SMALL)?;
        roots::check(signature.as_deref(), &bytes, Namespace::Manifest, root.signing_keys()).map(drop)?;
        Ok(())
    }

    /// The files that repeat what is signed: the first that does not, and why.
    pub(super) fn derived(
        &self,
        repo: &Repo,
        tree: Oid,
        root: &Root,
        manifest: &Manifest,
    ) -> Result<Vec<(String, String)>> {
        let agents =
            manifest.agents.iter().map(|agent| (layout::agent_public(&agent.name), format!("{}\n", agent.public_key)));
        let fixed = [
            (layout::OWNER_PUB.to_owned(), root.owner_pub()),
            (layout::ALLOWED_SIGNERS.to_owned(), root.allowed_signers()),
            (layout::CONFIG.to_owned(), super::init::config(self.vault.id)),
            (layout::GITATTRIBUTES.to_owned(), layout::gitattributes()),
        ];
        let mut wrong = Vec::new();
        for (path, text) in fixed.into_iter().chain(agents) {
            match judged(self.file(repo, tree, &path, limit::MANIFEST))? {
                Ok(Some(bytes)) if bytes == text.as_bytes() => {}
                Ok(Some(_)) => wrong.push((path, "it does not agree with what is signed".into())),
                Ok(None) => wrong.push((path, "it is missing".into())),
                Err(reason) => wrong.push((path, reason)),
            }
        }
        Ok(wrong)
    }

    /// Who signed a commit, under the root that is in force in it.
    pub(super) fn signature(&self, repo: &Repo, commit: Oid, root: &Root) -> Result<SignatureStatus> {
        let Some((armored, content)) = repo.signature_of(commit)? else { return Ok(SignatureStatus::Unsigned) };
        let Ok(signature) = Signature::from_armored(armored.as_bytes()) else {
            return Ok(SignatureStatus::UnknownKey { fingerprint: None });
        };
        Ok(match signature.signer(Namespace::Git, &content) {
            Err(_) => SignatureStatus::Bad,
            Ok(key) => match root.signer(&key) {
                Some(owner) => SignatureStatus::Good { owner: owner.name.to_string() },
                None => SignatureStatus::UnknownKey { fingerprint: Some(key.fingerprint()) },
            },
        })
    }
}
