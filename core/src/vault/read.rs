//! Reading: two files, one signature, one digest, one decryption, whatever the size of the vault.

use super::recorded::Act;
use super::{Notice, Remembered, Trusted, Vault, lock};
use crate::crypto;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::identity::Identities;
use crate::layout::{self, Part, limit};
use crate::manifest::Manifest;
use crate::metadata::{self, Metadata, Tombstone};
use crate::name::{SecretPath, nearest};
use crate::purpose::Purpose;
use crate::repo::Repo;
use crate::roots;
use crate::secret::SecretBytes;
use crate::signing::Namespace;
use crate::trust::{Age, Mark, Seen, age};
use crate::txn::{Journal, Workshop};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a reader waits for a pair of files to fit together.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A decrypted secret.
pub struct Secret {
    /// The value, byte for byte.
    pub value: SecretBytes,
    /// Its verified metadata.
    pub metadata: Arc<Metadata>,
}

/// The two files of a secret, verified and fitting.
struct Pair {
    metadata: Arc<Metadata>,
    digest: Digest,
    ciphertext: Vec<u8>,
    /// Whether it lies in the work tree; else a journal is about to put it there, and it is not remembered yet: who reads
    /// one file that is still the old one would take it for put back.
    placed: bool,
}

/// A verified manifest.
struct FoundManifest {
    manifest: Manifest,
    digest: Digest,
    /// Than what this working copy was seen with.
    newer: bool,
}

/// A change with a journal.
pub(super) struct Unfinished {
    repo: Repo,
    workshop: Workshop,
    journal: Journal,
}

impl Unfinished {
    /// Itself, once it is made: before its branch has moved it may still be withdrawn, and what it would have written never
    /// was. Looked up after the journal was read, so that what counts is what came of this very journal.
    fn made(self) -> Option<Self> {
        self.repo.has(&self.journal.branch, &self.journal.to).then_some(self)
    }
}

impl Vault {
    /// Reads one secret: verifies its metadata under the pinned root, checks the ciphertext's digest and that nothing
    /// newer was seen here, and only then decrypts. Takes no lock and reads no manifest. Recorded, however it ends.
    ///
    /// For [`Purpose::Show`]: a use-only secret is refused.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Withheld`]; [`Error::Tampered`], [`Error::Rollback`] or [`Error::Diverged`], naming the file;
    /// [`Error::NotAuthorized`] when no identity is among the recipients; [`Error::Unrecorded`]; [`Error::Corrupt`] for
    /// anything else.
    pub fn get(&self, path: &SecretPath, identities: &Identities) -> Result<Secret> {
        self.get_for(path, identities, Purpose::Show)
    }

    /// Reads one secret for a purpose, as [`Vault::get`] does. What its owner did not sign it for is refused before
    /// anything is decrypted.
    ///
    /// # Errors
    /// As [`Vault::get`].
    pub fn get_for(&self, path: &SecretPath, identities: &Identities, purpose: Purpose<'_>) -> Result<Secret> {
        let who = |secret: Option<&Secret>| Some(self.reader(identities, secret.map(|secret| &*secret.metadata)));
        let (operation, subject) = purpose.record();
        let act = Act::on(operation, path);
        let act = match subject {
            Some(subject) => act.with(subject),
            None => act,
        };
        self.read(act, who, || self.decrypted(path, identities, |metadata| purpose.check(metadata)))
    }

    /// Reads one secret, if `allowed` allows it.
    pub(super) fn decrypted(
        &self,
        path: &SecretPath,
        identities: &Identities,
        allowed: impl FnOnce(&Metadata) -> Result<()>,
    ) -> Result<Secret> {
        let pair = self.under_root(|trusted| {
            self.newest(|| {
                let pair = self.pair(path, trusted)?;
                let found = Seen { name: path.clone(), revision: pair.metadata.revision, digest: pair.digest };
                let checked = match pair.placed {
                    true => self.check_age(Part::Meta, found),
                    false => self.compare_age(Part::Meta, &found).map(drop),
                };
                checked.map(|()| pair)
            })
        });
        let pair = self.or_elsewhere(path, pair)?;
        allowed(&pair.metadata)?;
        let enc = || self.folder.path(&layout::secret(path, Part::Enc));
        let value = crypto::decrypt(identities, &pair.ciphertext, &pair.metadata.recipients)
            .map_err(|failure| failure.of_secret(path, identities, enc))?;
        Ok(Secret { value, metadata: pair.metadata })
    }

    /// What the work tree has, or what a verified commit has instead: where that is newer, and where the work tree is older
    /// than what was seen here (another branch, a bisect, a copy that lags behind).
    fn or_elsewhere(&self, path: &SecretPath, local: Result<Pair>) -> Result<Pair> {
        match self.elsewhere(path, local.as_ref().map(|pair| pair.metadata.revision), true)? {
            Some(found) => Ok(Pair {
                metadata: Arc::new(found.metadata(path)?),
                digest: found.doc.digest,
                ciphertext: found.ciphertext.unwrap_or_default(),
                placed: false,
            }),
            None => local,
        }
    }

    /// One secret's verified metadata, for somebody to see: of the state that [`Vault::get`] reads. Recorded.
    ///
    /// # Errors
    /// As [`Vault::get`].
    pub fn show(&self, path: &SecretPath) -> Result<Arc<Metadata>> {
        let newest = || {
            let local = self.metadata(path);
            match self.elsewhere(path, local.as_ref().map(|metadata| metadata.revision), false)? {
                Some(found) => found.metadata(path).map(Arc::new),
                None => local,
            }
        };
        self.read(Act::on("show", path), |_| None, newest)
    }

    /// One secret's verified metadata; its value is not looked at. A step of something else, and not recorded by itself.
    ///
    /// # Errors
    /// As [`Vault::get`].
    pub fn metadata(&self, path: &SecretPath) -> Result<Arc<Metadata>> {
        self.under_root(|trusted| {
            self.newest(|| {
                let Some(found) = self.read_metadata(path, trusted)? else { return Err(self.absent(path, trusted)) };
                let seen = Seen { name: path.clone(), revision: found.metadata.revision, digest: found.digest };
                let checked = match found.placed {
                    true => self.check_age(Part::Meta, seen),
                    false => self.compare_age(Part::Meta, &seen).map(drop),
                };
                checked.map(|()| found.metadata.clone())
            })
        })
    }

    /// Reads under the root in force; where that fails and there is a newer root by now, once more under that one: what was
    /// found may stand under it.
    pub(super) fn under_root<T>(&self, read: impl Fn(&Trusted) -> Result<T>) -> Result<T> {
        let mut trusted = self.current()?;
        loop {
            let found = read(&trusted);
            if !matches!(found, Err(Error::Tampered { .. })) {
                return found;
            }
            let now = self.current()?;
            if now.pin.root == trusted.pin.root {
                return found;
            }
            trusted = now;
        }
    }

    /// Looks again before it says that something is old: a writer may have replaced it, and its mark have risen, since
    /// it was read. As long as the mark goes on rising, so does this.
    pub(super) fn newest<T>(&self, look: impl Fn() -> Result<T>) -> Result<T> {
        let mut last = 0;
        loop {
            match look() {
                Err(Error::Rollback { seen: mark, .. } | Error::Diverged { revision: mark, .. }) if mark > last => {
                    last = mark;
                }
                done => return done,
            }
        }
    }

    /// The verified manifest.
    ///
    /// # Errors
    /// [`Error::Tampered`], [`Error::Rollback`], [`Error::Diverged`].
    pub fn manifest(&self) -> Result<Manifest> {
        self.under_root(|trusted| self.manifest_with_digest(trusted)).map(|(manifest, _)| manifest)
    }

    /// The verified manifest and the digest of its file.
    pub(crate) fn manifest_with_digest(&self, trusted: &Trusted) -> Result<(Manifest, Digest)> {
        self.newest(|| self.fitting_manifest(trusted))
    }

    /// The manifest and its signature, from the work tree or, while a transaction is being finished, from its journal.
    fn fitting_manifest(&self, trusted: &Trusted) -> Result<(Manifest, Digest)> {
        let start = Instant::now();
        loop {
            // The two files are replaced one after the other: while they do not fit, look into the journal, and again.
            let error = match self.verify_manifest(trusted, |relative, limit| self.folder.read(relative, limit)) {
                Err(error @ Error::Tampered { .. }) => error,
                Ok(found) => return Ok(self.remember_manifest(found)),
                Err(error) => return Err(error),
            };
            let journal = self.journal();
            let patience = if journal.is_some() { PATIENCE } else { Duration::from_millis(20) };
            let found = match journal.and_then(Unfinished::made) {
                Some(change) => self.verify_manifest(trusted, |relative, limit| {
                    match change.workshop.pending(&self.folder, &change.journal, relative, limit) {
                        Some(bytes) => Ok(Some(bytes)),
                        None => self.folder.read(relative, limit),
                    }
                }),
                None => Err(error),
            };
            let risen = || self.current().is_ok_and(|now| now.pin.root != trusted.pin.root);
            if found.is_ok() || start.elapsed() >= patience || risen() {
                return found.map(|found| (found.manifest, found.digest));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Remembers a manifest that lies in the work tree, if it is newer. A home that cannot be written forgets, and reading
    /// goes on.
    fn remember_manifest(&self, found: FoundManifest) -> (Manifest, Digest) {
        let FoundManifest { manifest, digest, newer } = found;
        if newer {
            // The tree around it was not verified by this.
            let commit = self.memory().mark(self.id, &self.dir).ok().flatten().and_then(|mark| mark.commit);
            let mark = Mark { serial: manifest.serial, manifest: digest, tree: String::new(), commit };
            let _ = self.memory().set_mark(self.id, &self.dir, &mark);
        }
        (manifest, digest)
    }

    /// Verifies the manifest that `read` finds.
    fn verify_manifest(
        &self,
        trusted: &Trusted,
        read: impl Fn(&str, u64) -> Result<Option<Vec<u8>>>,
    ) -> Result<FoundManifest> {
        let file = self.folder.path(layout::MANIFEST);
        let tampered = |reason: String| Error::tampered(&file, reason);
        let bytes =
            read(layout::MANIFEST, limit::MANIFEST)?.ok_or_else(|| tampered("the manifest is missing".into()))?;
        let signature = read(layout::MANIFEST_SIG, limit::SMALL)?;
        roots::check(signature.as_deref(), &bytes, Namespace::Manifest, trusted.root.signing_keys())
            .map_err(tampered)?;
        let manifest = Manifest::parse(&bytes, self.id, &trusted.root).map_err(tampered)?;
        let digest = Digest::of(&bytes);
        let found = (manifest.serial, digest);
        let newer = self.memory().compare_mark(self.id, &self.dir, found, &file, self.context.allow_old)?;
        Ok(FoundManifest { manifest, digest, newer })
    }

    /// The change of a writer at work, or of one that died.
    pub(super) fn journal(&self) -> Option<Unfinished> {
        let repo = Repo::open(&self.dir).ok()?;
        let workshop = Workshop::new(&repo);
        let journal = workshop.read_journal().ok()??;
        Some(Unfinished { repo, workshop, journal })
    }

    /// Reads and verifies `.meta`; remembers the verification of byte-identical metadata under the same root.
    pub(crate) fn read_metadata(&self, path: &SecretPath, trusted: &Trusted) -> Result<Option<Arc<Remembered>>> {
        let relative = layout::secret(path, Part::Meta);
        let Some(bytes) = self.folder.read(&relative, limit::DOCUMENT)? else { return Ok(None) };
        if let Some(known) = lock(&self.verified).get(path)
            && known.root == trusted.pin.root
            && known.bytes == bytes
        {
            return Ok(Some(known.clone()));
        }
        let (bytes, metadata, placed) = match self.verify_metadata(path, &bytes, trusted) {
            Ok(metadata) => (bytes, metadata, true),
            Err(_) if !self.is_spelled(&relative) => return Ok(None),
            Err(error) => {
                self.in_its_place(&relative, &bytes, |new| self.verify_metadata(path, new, trusted)).ok_or(error)?
            }
        };
        let (root, metadata, digest) = (trusted.pin.root, Arc::new(metadata), Digest::of(&bytes));
        let remembered = Arc::new(Remembered { root, bytes, metadata, digest, placed });
        if placed {
            lock(&self.verified).insert(path.clone(), remembered.clone());
        }
        Ok(Some(remembered))
    }

    /// What takes the place of a file that does not verify: under a new root that is what an unfinished change is about to
    /// put there, or has put there since it was read. Its bytes, what they say, and whether they are in place.
    pub(super) fn in_its_place<T>(
        &self,
        relative: &str,
        bytes: &[u8],
        verify: impl Fn(&[u8]) -> Result<T>,
    ) -> Option<(Vec<u8>, T, bool)> {
        let pending = self
            .journal()
            .and_then(Unfinished::made)
            .and_then(|change| change.workshop.pending(&self.folder, &change.journal, relative, limit::DOCUMENT));
        let now = self.folder.read(relative, limit::DOCUMENT).ok().flatten();
        let new = pending.or_else(|| now.clone()).filter(|new| new != bytes)?;
        let found = verify(&new).ok()?;
        let placed = now.as_ref() == Some(&new);
        Some((new, found, placed))
    }

    /// Verifies, then parses, the bytes of a `.meta`.
    pub(crate) fn verify_metadata(&self, path: &SecretPath, bytes: &[u8], trusted: &Trusted) -> Result<Metadata> {
        let verified = metadata::split_signed(bytes).and_then(|(body, signature)| {
            signature.verify(Namespace::Secret, body, trusted.root.signing_keys())?;
            Metadata::parse(body, self.id, path)
        });
        verified.map_err(|reason| Error::tampered(self.folder.path(&layout::secret(path, Part::Meta)), reason))
    }

    /// Reads and verifies `.gone`.
    pub(crate) fn read_tombstone(&self, path: &SecretPath, trusted: &Trusted) -> Result<Option<(Tombstone, Digest)>> {
        let relative = layout::secret(path, Part::Gone);
        let Some(bytes) = self.folder.read(&relative, limit::DOCUMENT)? else { return Ok(None) };
        let verify = |bytes: &[u8]| {
            let verified = metadata::split_signed(bytes).and_then(|(body, signature)| {
                signature.verify(Namespace::Secret, body, trusted.root.signing_keys())?;
                Tombstone::parse(body, self.id, path)
            });
            verified.map_err(|reason| Error::tampered(self.folder.path(&relative), reason))
        };
        match verify(&bytes) {
            Ok(gone) => Ok(Some((gone, Digest::of(&bytes)))),
            Err(_) if !self.is_spelled(&relative) => Ok(None),
            Err(error) => {
                let (bytes, gone, _) = self.in_its_place(&relative, &bytes, verify).ok_or(error)?;
                Ok(Some((gone, Digest::of(&bytes))))
            }
        }
    }

    /// Whether a file has exactly this name: on a file system that ignores case, another spelling also opens it.
    fn is_spelled(&self, relative: &str) -> bool {
        relative.match_indices('/').map(|(at, _)| at).chain([relative.len()]).all(|end| {
            let (folder, name) = relative[..end].rsplit_once('/').unwrap_or(("", &relative[..end]));
            self.folder.list(folder).is_ok_and(|entries| entries.iter().any(|entry| entry.name == name))
        })
    }

    /// The two files of a secret, from the work tree or, while a transaction is being finished, from its journal.
    fn pair(&self, path: &SecretPath, trusted: &Trusted) -> Result<Pair> {
        let enc = layout::secret(path, Part::Enc);
        let start = Instant::now();
        loop {
            let Some(found) = self.read_metadata(path, trusted)? else { return Err(self.absent(path, trusted)) };
            let ciphertext = self.folder.read(&enc, limit::CIPHERTEXT)?;
            match ciphertext {
                Some(ciphertext) if Digest::of(&ciphertext) == found.metadata.digest => {
                    let (metadata, digest) = (found.metadata.clone(), found.digest);
                    return Ok(Pair { metadata, digest, ciphertext, placed: found.placed });
                }
                other => {
                    if let Some(pair) = self.pair_from_journal(path, trusted) {
                        return Ok(pair);
                    }
                    if start.elapsed() >= PATIENCE {
                        let reason = match other {
                            Some(_) => "it is not the ciphertext that its metadata was signed for: it was replaced",
                            None => "the ciphertext is missing",
                        };
                        return Err(Error::tampered(self.folder.path(&enc), reason));
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The pair that an unfinished transaction is about to put in place.
    fn pair_from_journal(&self, path: &SecretPath, trusted: &Trusted) -> Option<Pair> {
        let Unfinished { workshop, journal, .. } = self.journal().and_then(Unfinished::made)?;
        let part = |part, limit| workshop.pending(&self.folder, &journal, &layout::secret(path, part), limit);
        let bytes = part(Part::Meta, limit::DOCUMENT)?;
        let metadata = self.verify_metadata(path, &bytes, trusted).ok()?;
        let ciphertext = part(Part::Enc, limit::CIPHERTEXT)
            .or_else(|| self.folder.read(&layout::secret(path, Part::Enc), limit::CIPHERTEXT).ok().flatten())?;
        (Digest::of(&ciphertext) == metadata.digest).then(|| Pair {
            metadata: Arc::new(metadata),
            digest: Digest::of(&bytes),
            ciphertext,
            placed: false,
        })
    }

    /// Compares with what was seen here, and remembers what is newer.
    pub(super) fn check_age(&self, part: Part, found: Seen) -> Result<()> {
        if self.compare_age(part, &found)?
            && let Err(error) = self.memory().raise_seen(self.id, &found)
        {
            self.notify(Notice::NotRemembered { reason: error.to_string() });
        }
        Ok(())
    }

    /// Refuses what is older than what was seen here; whether it is newer.
    pub(super) fn compare_age(&self, part: Part, found: &Seen) -> Result<bool> {
        let seen = self.memory().seen(self.id, &found.name)?;
        let file = || self.folder.path(&layout::secret(&found.name, part));
        match age(seen.as_ref(), found) {
            Age::Same => Ok(false),
            Age::Newer => Ok(true),
            Age::Older | Age::Forked if self.context.allow_old => {
                self.notify(Notice::OldState { path: found.name.clone() });
                Ok(false)
            }
            Age::Older => {
                Err(Error::Rollback { file: file(), found: found.revision, seen: seen.map_or(0, |seen| seen.revision) })
            }
            Age::Forked => Err(Error::Diverged { file: file(), revision: found.revision }),
        }
    }

    /// What a missing `.meta` means: never there, properly removed, or made to vanish.
    fn absent(&self, path: &SecretPath, trusted: &Trusted) -> Error {
        self.check_absence(path, trusted).err().unwrap_or_else(|| Error::NotFound {
            what: "secret",
            name: path.to_string(),
            near: self.nearest_secret(path),
        })
    }

    /// Refuses the absence of a secret that was seen here and never properly removed.
    pub(super) fn check_absence(&self, path: &SecretPath, trusted: &Trusted) -> Result<()> {
        if let Some((gone, digest)) = self.read_tombstone(path, trusted)? {
            return self.check_age(Part::Gone, Seen { name: path.clone(), revision: gone.revision, digest });
        }
        match self.memory().seen(self.id, path) {
            Ok(Some(seen)) if !self.context.allow_old => Err(self.vanished(&seen)),
            _ => Ok(()),
        }
    }

    /// A secret that was seen here, and of which nothing is left, not even a tombstone.
    pub(super) fn vanished(&self, seen: &Seen) -> Error {
        Error::Rollback {
            file: self.folder.path(&layout::secret(&seen.name, Part::Meta)),
            found: 0,
            seen: seen.revision,
        }
    }

    /// The existing secret whose name is most like `path`.
    pub(crate) fn nearest_secret(&self, path: &SecretPath) -> Option<String> {
        let names = super::list::paths(&self.folder).ok()?;
        nearest(path.as_str(), names.iter().map(SecretPath::as_str))
    }
}

#[cfg(test)]
mod tests;
