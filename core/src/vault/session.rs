//! A writing session: locks held, manifest verified, derived files checked. Ends in one commit or leaves nothing.

use super::{Notice, Owner, Progress, Trusted, Vault};
use crate::crypto;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout::{self, Part, limit};
use crate::manifest::Manifest;
use crate::metadata::{self, Metadata, Tombstone};
use crate::name::SecretPath;
use crate::parallel;
use crate::policy::{self, Policy, Readers, Step, Subject};
use crate::repo::Repo;
use crate::root::{self, Root};
use crate::roots;
use crate::secret::SecretBytes;
use crate::signing::{Namespace, SigningKey};
use crate::trust::{Mark, Seen};
use crate::txn::{Recovered, Stage, Txn, Wait};
use crate::yaml::Document;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// See the module.
pub(super) struct Session<'o> {
    owner: &'o Owner<'o>,
    pub(super) vault: &'o Vault,
    /// What is read stands under this root.
    pub(super) trusted: Arc<Trusted>,
    /// What is written stands under this one: the same, unless the change makes its successor.
    pub(super) root: Root,
    /// Signs what is written, where that is not the owner's key as it was.
    key: Option<SigningKey>,
    pub(super) manifest: Manifest,
    manifest_digest: Digest,
    txn: Txn<'o>,
    /// What to remember of secrets once the commit is made.
    seen: Mutex<Vec<Seen>>,
    /// Whether HEAD is a commit that this machine did not make: who may read what was perhaps decided on two sides at once.
    foreign: bool,
    /// The commit, once it is made.
    made: Made,
}

/// Where a session says which commit it made.
pub(super) type Made = Arc<OnceLock<String>>;

impl Owner<'_> {
    /// Begins a change; [`Owner::write`] is how.
    pub(super) fn begin(&self, made: Made) -> Result<Session<'_>> {
        let vault = self.vault;
        let repo = self.remerged(Repo::open(&vault.dir)?)?;
        let (txn, recovered) = Txn::begin(&vault.folder, repo, Wait::default())?;
        vault.tell_recovered(&recovered);
        // Everything is read after the locks are held: what another writer just did is part of it.
        let trusted = vault.current()?;
        if !trusted.root.owners.iter().any(|owner| owner.signing_key == self.key.verifying_key()) {
            return Err(Error::NotOwner { keys: self.identities.describe() });
        }
        let (manifest, manifest_digest) = vault.manifest_with_digest(&trusted)?;
        vault.check_derived(&trusted.root, &manifest)?;
        txn.repo().protect_bytes()?;
        let (root, key, seen) = (trusted.root.clone(), None, Mutex::default());
        let mut session = Session {
            owner: self,
            vault,
            trusted,
            root,
            key,
            manifest,
            manifest_digest,
            txn,
            seen,
            foreign: false,
            made,
        };
        session.foreign = session.check_foreign_commits()?;
        Ok(session)
    }
}

impl Vault {
    /// Turns what recovery did into a notice.
    pub(crate) fn tell_recovered(&self, recovered: &Recovered) {
        match recovered {
            Recovered::Nothing | Recovered::Forgotten => {}
            Recovered::Finished(paths) => {
                // What the killed command would have remembered.
                paths.iter().filter_map(|path| layout::parse_secret(path)).for_each(|(path, part)| {
                    let _ = if part == Part::Meta { self.metadata(&path).map(drop) } else { Ok(()) };
                });
                self.notify(Notice::Finished { files: paths.len() });
            }
            Recovered::SetAside(folder, reason) => self.notify(Notice::SetAside { folder: folder.clone(), reason }),
        }
    }
}

impl<'o> Session<'o> {
    /// A signed commit attests the whole vault tree: before one is made on a commit that this machine did not make or
    /// verify, everything in it is verified. What is verified are the files, so they must be that commit's. Says whether
    /// it is such a commit.
    fn check_foreign_commits(&self) -> Result<bool> {
        let repo = self.txn.repo();
        let Some(tree) = repo.vault_tree(self.txn.head().commit)? else { return Ok(false) };
        let mark = self.vault.memory().mark(self.vault.id, &self.vault.dir)?;
        if mark.is_some_and(|mark| mark.tree == tree.to_string()) {
            return Ok(false);
        }
        if let Some(path) = repo.first_difference(tree, &self.vault.folder)? {
            return Err(Error::Conflict {
                message: format!("{path} is not what the commit that is checked out says, and that commit is new here"),
                hint: "commit it, or bring it back with `git checkout HEAD -- .agent-vault`; then try again".into(),
            });
        }
        self.vault.survey(&self.trusted)?.first_violation().map_or(Ok(true), Err)
    }

    /// Plans the secrets that this change does not touch: after a merge that was not ours, one that was added on one side
    /// may lack an agent that was granted on the other, or have one that was revoked there.
    fn mend(&self) -> Result<usize> {
        let touched: BTreeSet<SecretPath> = super::lock(&self.seen).iter().map(|seen| seen.name.clone()).collect();
        let others = self.all()?.into_iter().filter(|secret| !touched.contains(&secret.name));
        let steps = policy::plan(&self.policy(), others.map(Subject::unchanged));
        self.apply(&steps, &|_, _| {})?;
        Ok(steps.len())
    }

    /// The commit that this session builds on, and the repository it is in.
    pub(super) fn base(&self) -> (&Repo, Option<git2::Oid>) {
        (self.txn.repo(), self.txn.head().commit)
    }

    /// The files of the vault in the commit that this session builds on.
    pub(super) fn committed(&self) -> Result<std::collections::BTreeMap<String, git2::Oid>> {
        let repo = self.txn.repo();
        repo.vault_tree(self.txn.head().commit)?
            .map(|tree| repo.files_of(tree))
            .transpose()
            .map(Option::unwrap_or_default)
    }

    /// The clock.
    pub(super) fn now(&self) -> crate::time::Timestamp {
        self.vault.context.now()
    }

    /// Who may read what, under the manifest of this session.
    pub(super) fn policy(&self) -> Policy<'_> {
        Policy::new(&self.root, &self.manifest).in_place_of(&self.trusted.root)
    }

    /// The owner at work.
    pub(super) fn owner(&self) -> &'o Owner<'o> {
        self.owner
    }

    /// What signs the change.
    fn key(&self) -> &SigningKey {
        self.key.as_ref().unwrap_or(&self.owner.key)
    }

    fn stage(&self) -> Stage<'_> {
        self.txn.stage()
    }

    /// A secret's verified metadata, if there is one, and the digest of its file.
    pub(super) fn metadata(&self, path: &SecretPath) -> Result<Option<(Metadata, Digest)>> {
        let Some(found) = self.vault.read_metadata(path, &self.trusted)? else {
            // Not there is one thing, made to vanish another: numbers must not start again.
            return self.vault.check_absence(path, &self.trusted).map(|()| None);
        };
        let seen = Seen { name: path.clone(), revision: found.metadata.revision, digest: found.digest };
        self.vault.check_age(Part::Meta, seen)?;
        Ok(Some(((*found.metadata).clone(), found.digest)))
    }

    /// A secret's verified tombstone, if there is one, and the digest of its file.
    pub(super) fn tombstone(&self, path: &SecretPath) -> Result<Option<(Tombstone, Digest)>> {
        self.vault.read_tombstone(path, &self.trusted)
    }

    /// The manifest's successor takes its place.
    pub(super) fn put_manifest(&mut self, change: impl FnOnce(&mut Manifest)) -> Result<()> {
        let mut next = self.manifest.successor(self.manifest_digest);
        change(&mut next);
        next.check_names().map_err(|reason| Error::Conflict {
            message: format!("the manifest would be one that nobody accepts: {reason}"),
            hint: "name each agent and each key once; nothing was changed".into(),
        })?;
        let text = next.render();
        let signature = self.key().sign(Namespace::Manifest, text.as_bytes())?.armored()?;
        self.stage().put(layout::MANIFEST, text.as_bytes())?;
        self.stage().put(layout::MANIFEST_SIG, signature.as_bytes())?;
        self.manifest_digest = Digest::of(text.as_bytes());
        self.manifest = next;
        Ok(())
    }

    /// The root's successor takes its place: one of these owners, which the owner at work signs, as the last thing under the
    /// old root. Under the new one `key` signs, if one is given.
    pub(super) fn put_root(&mut self, owners: Vec<root::Owner>, key: Option<SigningKey>) -> Result<()> {
        let next = self.root.successor(self.trusted.pin.digest, owners);
        let text = next.render();
        let refused = |reason| Error::Conflict {
            message: format!("the next root would be one that nobody accepts: {reason}"),
            hint: "name each owner and each key once; nothing was changed".into(),
        };
        roots::acceptable(next.root, self.trusted.pin.digest, text.as_bytes()).map_err(refused)?;
        let signature = self.owner.key.sign(Namespace::Root, text.as_bytes())?.armored()?;
        self.put(&layout::root(next.root), text.as_bytes())?;
        self.put(&layout::root_sig(next.root), signature.as_bytes())?;
        self.put(layout::OWNER_PUB, next.owner_pub().as_bytes())?;
        self.put(layout::ALLOWED_SIGNERS, next.allowed_signers().as_bytes())?;
        (self.root, self.key) = (next.clone(), key);
        self.put_manifest(|manifest| manifest.stand_under(&next))
    }

    /// Stages one of the vault's plain files.
    pub(super) fn put(&self, relative: &str, bytes: &[u8]) -> Result<()> {
        self.stage().put(relative, bytes)
    }

    /// Stages the removal of a file.
    pub(super) fn delete(&self, relative: &str) -> Result<()> {
        self.stage().delete(relative)
    }

    /// Puts a signed tombstone in place of a secret.
    pub(super) fn bury(&self, metadata: &Metadata, digest: Digest) -> Result<()> {
        self.put_tombstone(Tombstone::of(metadata, digest))?;
        self.delete(&layout::secret(&metadata.name, Part::Meta))?;
        self.delete(&layout::secret(&metadata.name, Part::Enc))
    }

    /// Signs and stages a tombstone.
    pub(super) fn put_tombstone(&self, gone: Tombstone) -> Result<()> {
        let body = gone.render();
        let signature = self.key().sign(Namespace::Secret, body.as_bytes())?;
        let bytes = metadata::join_signed(&body, &signature);
        self.put(&layout::secret(&gone.name, Part::Gone), &bytes)?;
        super::lock(&self.seen).push(Seen { name: gone.name, revision: gone.revision, digest: Digest::of(&bytes) });
        Ok(())
    }

    /// Runs a plan: on all cores, each value in memory only for its own step.
    pub(super) fn apply(&self, steps: &[Step], progress: Progress<'_>) -> Result<Vec<Metadata>> {
        let sealer = self.sealer();
        let done = AtomicUsize::new(0);
        steps
            .par_iter()
            .map(|step| {
                let metadata = sealer.apply(step)?;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, steps.len());
                Ok(metadata)
            })
            .collect()
    }

    /// The part of the session that many threads may use.
    pub(super) fn sealer(&self) -> Sealer<'_> {
        Sealer {
            vault: self.vault,
            owner: self.owner,
            key: self.key(),
            trusted: &self.trusted,
            stage: self.stage(),
            seen: &self.seen,
        }
    }

    /// Makes the change one signed commit, and remembers what is newest now. Returns the commit's id.
    pub(super) fn commit(self, message: &str) -> Result<String> {
        let mended = if self.foreign { self.mend()? } else { 0 };
        let Session { owner, vault, key, manifest, manifest_digest, mut txn, seen, made, .. } = self;
        let key = key.as_ref().unwrap_or(&owner.key);
        let before = txn.head().commit.map(|commit| commit.to_string());
        let commit = txn.commit(&format!("agent-vault: {message}\n"), owner.name.as_str(), key)?;
        let _ = made.set(commit.to_string());
        // A new root is followed, and pinned, by whoever meets it next; the change is made, whatever comes of that.
        let _ = vault.current();
        // Still under the lock: marks only rise.
        let memory = vault.memory();
        let tree = txn.repo().vault_tree(Some(commit))?.map(|oid| oid.to_string()).unwrap_or_default();
        // A step upon what is proven is proven.
        let proven = memory.mark(vault.id, &vault.dir).ok().flatten().and_then(|mark| mark.commit);
        let commit_proven = if proven == before { Some(commit.to_string()) } else { proven };
        let mark = Mark { serial: manifest.serial, manifest: manifest_digest, tree, commit: commit_proven };
        let marked = memory.set_mark(vault.id, &vault.dir, &mark);
        let seen = seen.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let remembered = parallel::try_each(&seen, |seen| memory.raise_seen(vault.id, seen));
        if let Err(error) = marked.and(remembered) {
            vault.notify(Notice::NotRemembered { reason: error.to_string() });
        }
        if mended > 0 {
            vault.notify(Notice::Mended { secrets: mended });
        }
        Ok(commit.to_string())
    }
}

/// The bytes of a `.meta`.
pub(super) fn sign(metadata: &Metadata, key: &SigningKey) -> Result<Vec<u8>> {
    let body = metadata.render();
    // What is signed must read back: nobody could replace it otherwise.
    Metadata::parse(body.as_bytes(), metadata.vault, &metadata.name).map_err(|reason| Error::Usage {
        message: format!("{}: {reason}", metadata.name),
        hint: "give other text".into(),
    })?;
    let signature = key.sign(Namespace::Secret, body.as_bytes())?;
    Ok(metadata::join_signed(&body, &signature))
}

/// What one thread needs to seal a secret.
pub(super) struct Sealer<'s> {
    vault: &'s Vault,
    owner: &'s Owner<'s>,
    key: &'s SigningKey,
    trusted: &'s Trusted,
    stage: Stage<'s>,
    seen: &'s Mutex<Vec<Seen>>,
}

impl Sealer<'_> {
    /// Signs metadata and stages it, with its ciphertext where that is new.
    fn stage(&self, metadata: &Metadata, ciphertext: Option<&[u8]>) -> Result<()> {
        let bytes = sign(metadata, self.key)?;
        if let Some(ciphertext) = ciphertext {
            self.stage.put(&layout::secret(&metadata.name, Part::Enc), ciphertext)?;
        }
        self.stage.put(&layout::secret(&metadata.name, Part::Meta), &bytes)?;
        let (name, revision) = (metadata.name.clone(), metadata.revision);
        super::lock(self.seen).push(Seen { name, revision, digest: Digest::of(&bytes) });
        Ok(())
    }

    /// Encrypts a new value of a secret to `readers`; completes, signs and stages its metadata.
    pub(super) fn seal(&self, metadata: Metadata, readers: &Readers, value: &[u8]) -> Result<Metadata> {
        let ciphertext = crypto::encrypt(&readers.recipients, value, &self.vault.context.prompt)?;
        let sealed = Metadata {
            recipients: readers.ids(),
            authorized_agents: readers.agents.clone(),
            digest: Digest::of(&ciphertext),
            ..metadata
        };
        self.stage(&sealed, Some(&ciphertext))?;
        Ok(sealed)
    }

    /// Signs and stages metadata whose value stays as it is.
    pub(super) fn resign(&self, metadata: &Metadata) -> Result<()> {
        self.stage(metadata, None)
    }

    /// Decrypts the ciphertext that verified metadata names.
    pub(super) fn open(&self, metadata: &Metadata) -> Result<SecretBytes> {
        let sealed = self.vault.ciphertext(&metadata.name, metadata.digest)?;
        let enc = || self.vault.folder.path(&layout::secret(&metadata.name, Part::Enc));
        crypto::decrypt(self.owner.identities, &sealed, &metadata.recipients)
            .map_err(|failure| failure.of_secret(&metadata.name, self.owner.identities, enc))
    }

    /// One step of a plan.
    fn apply(&self, step: &Step) -> Result<Metadata> {
        let (fact, parent) = self.vault.verified_metadata(step.path(), self.trusted)?;
        if fact != step.fact {
            return Err(Error::tampered(
                self.vault.dir(),
                format!("{} was changed while it was re-encrypted", step.path()),
            ));
        }
        let next = Metadata {
            group: step.group.clone(),
            agents: step.agents.clone(),
            revision: fact.revision + 1,
            parents: vec![parent],
            exposed_to: step.exposed_to(),
            ..fact
        };
        if !step.reencrypt {
            self.resign(&next)?;
            return Ok(next);
        }
        let value = self.open(&next)?;
        self.seal(next, &step.readers, value.expose())
    }
}

impl Vault {
    /// A ciphertext with the digest that its metadata was signed for.
    pub(crate) fn ciphertext(&self, path: &SecretPath, digest: Digest) -> Result<Vec<u8>> {
        let relative = layout::secret(path, Part::Enc);
        let file = self.folder.path(&relative);
        let bytes = self
            .folder
            .read(&relative, limit::CIPHERTEXT)?
            .ok_or_else(|| Error::tampered(&file, "the ciphertext is missing"))?;
        if Digest::of(&bytes) == digest {
            Ok(bytes)
        } else {
            Err(Error::tampered(file, "it is not the ciphertext that its metadata was signed for: it was replaced"))
        }
    }
}
