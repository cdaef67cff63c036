//! The first root of a vault, the key that signs it, and the files that every signed vault has: what `init` and
//! `upgrade` have in common.

use super::recorded::{self, Act};
use super::{Context, Vault};
use crate::audit::Role;
use crate::card::NewOwner;
use crate::digest::Digest;
use crate::error::Result;
use crate::escrow;
use crate::folder::Folder;
use crate::identity::Identities;
use crate::layout;
use crate::manifest::Manifest;
use crate::name::OwnerName;
use crate::prompt::Prompt;
use crate::recipient::Recipient;
use crate::repo::Repo;
use crate::root::{Root, VaultId};
use crate::roots;
use crate::signing::{Namespace, SigningKey};
use crate::trust::Mark;
use crate::txn::{Stage, Txn};
use std::path::PathBuf;
use std::sync::Arc;

/// A vault that is about to be.
pub(super) struct Founding {
    pub owner: OwnerName,
    pub signing: SigningKey,
    pub root: Root,
    pub id: VaultId,
}

impl Founding {
    /// A first root of one owner, whose key among `identities` is `recipient`, with a new signing key.
    pub fn new(owner: OwnerName, identities: &Identities, recipient: &Recipient) -> Result<Self> {
        let NewOwner { owner: first, signing } = NewOwner::new(owner.clone(), identities, recipient)?;
        let root = Root::first(first);
        let id = VaultId::of(root.render().as_bytes());
        Ok(Self { owner, signing, root, id })
    }

    /// What people compare.
    pub fn fingerprint(&self) -> String {
        self.signing.verifying_key().fingerprint()
    }

    /// Stages root, manifest and what repeats them.
    pub fn stage(&self, stage: &Stage<'_>, manifest: &Manifest, prompt: &Arc<dyn Prompt>) -> Result<()> {
        let sign = |namespace, text: &str| self.signing.sign(namespace, text.as_bytes())?.armored();
        let (root, text) = (self.root.render(), manifest.render());
        stage.put(&layout::root(1), root.as_bytes())?;
        stage.put(&layout::root_sig(1), sign(Namespace::Root, &root)?.as_bytes())?;
        stage.put(layout::MANIFEST, text.as_bytes())?;
        stage.put(layout::MANIFEST_SIG, sign(Namespace::Manifest, &text)?.as_bytes())?;
        stage.put(layout::CONFIG, super::init::config(self.id).as_bytes())?;
        stage.put(layout::OWNER_PUB, self.root.owner_pub().as_bytes())?;
        stage.put(layout::ALLOWED_SIGNERS, self.root.allowed_signers().as_bytes())?;
        let sealed = escrow::seal_signing_key(&self.signing, &self.root.owners[0].public_key, prompt)?;
        stage.put(&layout::signing_key(&self.owner), &sealed)?;
        stage.put(layout::GITIGNORE, layout::GITIGNORE_TEXT.as_bytes())?;
        stage.put(layout::GITATTRIBUTES, layout::gitattributes().as_bytes())
    }

    /// Makes what is staged the commit that begins the signed vault.
    pub fn commit(&self, txn: &mut Txn<'_>, message: &str) -> Result<git2::Oid> {
        txn.commit(&format!("agent-vault: {message}\n"), self.owner.as_str(), &self.signing)
    }

    /// Opens the vault that the commit made, remembers it here, and records what `operation` did.
    pub fn settle(
        &self,
        folder: Folder,
        dir: PathBuf,
        context: Context,
        commit: git2::Oid,
        manifest: &Manifest,
        operation: &'static str,
    ) -> Result<Vault> {
        let pin = roots::from_first(&folder, self.root.render().as_bytes())?;
        let vault = Vault::assemble(dir, folder, context, pin);
        vault.remember(true);
        let owner = &self.root.owners[0];
        let actor = recorded::known(Role::Owner, &owner.name, owner.public_key.id());
        vault.wrote(&Act::new(operation), Some(actor), &Ok(()), Some(&commit.to_string()));
        let repo = Repo::open(&vault.dir)?;
        // Not before the commit, which may fail; where this fails, the next change does it.
        let _ = repo.protect_bytes();
        let tree = repo.vault_tree(Some(commit))?.map(|oid| oid.to_string()).unwrap_or_default();
        let digest = Digest::of(manifest.render().as_bytes());
        let mark = Mark { serial: manifest.serial, manifest: digest, tree, commit: Some(commit.to_string()) };
        let _ = vault.memory().set_mark(self.id, &vault.dir, &mark);
        Ok(vault)
    }
}
