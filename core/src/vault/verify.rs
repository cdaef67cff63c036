//! Everything in a vault, looked at once: what `verify` counts and `check` judges.

use super::{Trusted, Vault, read::PATIENCE};
use crate::crypto;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::folder::Kind;
use crate::layout::{self, Part, limit};
use crate::manifest::Manifest;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::parallel;
use crate::policy::{self, Policy, Subject};
use crate::repo::Repo;
use crate::root::Root;
use crate::roots;
use crate::trust::Seen;
use crate::txn::{self, VaultLock, Wait};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What `verify` counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signed roots in the chain.
    pub roots: u64,
    /// Signatures that verified: roots, manifest, metadata, tombstones.
    pub signatures: usize,
    /// Ciphertexts whose digest is the signed one.
    pub digests: usize,
    /// Secrets whose signed recipients are those that policy names, in ciphertexts with at least as many stanzas.
    pub recipient_sets: usize,
}

/// Everything in the vault.
pub(crate) struct Survey {
    pub manifest: Option<Manifest>,
    pub secrets: BTreeMap<SecretPath, Metadata>,
    /// What an owner did not sign, or signed otherwise. In the order of their files.
    pub violations: Vec<Error>,
    /// Files that no vault has.
    pub strangers: Vec<String>,
    pub counts: Counts,
}

impl Survey {
    /// The first thing that an owner did not sign.
    pub(crate) fn first_violation(self) -> Option<Error> {
        self.violations.into_iter().next()
    }
}

impl Vault {
    /// Verifies every signature, digest and recipient set.
    ///
    /// # Errors
    /// The first [`Error::Tampered`] (or other error) found; [`Error::Unfinished`] when an interrupted change lies here
    /// that could not be finished first.
    pub fn verify(&self) -> Result<Counts> {
        let settled = self.settle();
        let trusted = self.current()?;
        let survey = self.survey(&trusted)?;
        let counts = survey.counts;
        match (survey.first_violation(), settled) {
            (None, _) => Ok(counts),
            // Half of a change looks like tampering.
            (Some(_), Err(error)) if self.journal().is_some() => Err(Error::Unfinished { reason: error.to_string() }),
            (Some(violation), _) => Err(violation),
        }
    }

    /// Finishes what a killed command left, and holds writers off for as long as the lock is kept.
    pub(crate) fn settle(&self) -> Result<Option<VaultLock>> {
        let repo = Repo::open(&self.dir)?;
        let (recovered, lock) = txn::recover(&self.folder, &repo, Wait::default())?;
        self.tell_recovered(&recovered);
        Ok(lock)
    }

    /// Looks at everything; what is wrong is collected, not returned as an error.
    pub(crate) fn survey(&self, trusted: &Trusted) -> Result<Survey> {
        let mut survey = Survey {
            manifest: None,
            secrets: BTreeMap::new(),
            violations: Vec::new(),
            strangers: Vec::new(),
            counts: Counts::default(),
        };
        match self.verify_chain(trusted) {
            Ok(roots) => (survey.counts.roots, survey.counts.signatures) = (roots, roots as usize),
            Err(error) => survey.violations.push(error),
        }
        match self.manifest_with_digest(trusted) {
            Ok((manifest, _)) => {
                survey.counts.signatures += 1;
                if let Err(error) = self.check_derived(&trusted.root, &manifest) {
                    survey.violations.push(error);
                }
                survey.manifest = Some(manifest);
            }
            Err(error) => survey.violations.push(error),
        }
        let files = crate::folder::tree(&self.folder, "")?;
        let mut parts: BTreeMap<SecretPath, Vec<Part>> = BTreeMap::new();
        for (relative, kind) in files {
            match (kind, layout::parse_secret(&relative)) {
                (Kind::File, Some((path, part))) => parts.entry(path).or_default().push(part),
                (Kind::File, None) if self.belongs(&relative, trusted, survey.manifest.as_ref()) => {}
                (Kind::Other, _) => survey.violations.push(crate::folder::planted(self.folder.path(&relative))),
                (_, None) if relative.ends_with("/.gitattributes") => survey.violations.push(Error::tampered(
                    self.folder.path(&relative),
                    "a nested .gitattributes could make Git change the vault's bytes: remove it",
                )),
                _ => survey.strangers.push(relative),
            }
        }
        if let Err(error) = self.check_attributes() {
            survey.violations.push(error);
        }
        survey.strangers.sort();
        let policy = survey.manifest.as_ref().map(|manifest| Policy::new(&trusted.root, manifest));
        let found: Vec<_> = parts
            .par_iter()
            .map(|(path, parts)| self.verify_patiently(path, parts, trusted, policy.as_ref()))
            .collect();
        // What was seen here and is gone without a tombstone.
        for seen in self.memory().all_seen(self.id)? {
            if self.context.allow_old || parts.contains_key(&seen.name) {
                continue;
            }
            // A writer may have made it after the listing.
            let there = |part| self.folder.has(&layout::secret(&seen.name, part));
            if !there(Part::Meta)? && !there(Part::Gone)? {
                survey.violations.push(self.vanished(&seen));
            }
        }
        for result in found {
            match result {
                Ok((metadata, counts)) => {
                    survey.counts.signatures += counts.signatures;
                    survey.counts.digests += counts.digests;
                    survey.counts.recipient_sets += counts.recipient_sets;
                    if let Some(metadata) = metadata {
                        survey.secrets.insert(metadata.name.clone(), metadata);
                    }
                }
                Err(error) => survey.violations.push(error),
            }
        }
        Ok(survey)
    }

    /// The whole chain from root 1, which must end where this machine is.
    fn verify_chain(&self, trusted: &Trusted) -> Result<u64> {
        let first = roots::first(&self.folder)?
            .ok_or_else(|| Error::tampered(self.folder.path(&layout::root(1)), "it is missing"))?;
        let end = roots::from_first(&self.folder, &first)?;
        if end.digest != trusted.pin.digest {
            return Err(Error::tampered(
                self.folder.path(layout::ROOTS),
                "the chain of roots does not end at the root that is pinned here",
            ));
        }
        Ok(end.root)
    }

    /// Whether one of the vault's own paths has its place under this root and manifest.
    fn belongs(&self, relative: &str, trusted: &Trusted, manifest: Option<&Manifest>) -> bool {
        let parts: Vec<&str> = relative.split('/').collect();
        layout::is_ours(relative)
            && match parts.as_slice() {
                [layout::AGENTS, agent, _] => {
                    manifest.is_none_or(|manifest| manifest.agents.iter().any(|known| known.name.as_str() == *agent))
                }
                [layout::OWNERS, owner, _] => trusted.root.owners.iter().any(|known| known.name.as_str() == *owner),
                [layout::ROOTS, file] => file
                    .split('.')
                    .next()
                    .and_then(|number| number.parse().ok())
                    .is_some_and(|number: u64| number <= trusted.root.root),
                _ => true,
            }
    }

    /// `.gitattributes` must keep Git from converting anything.
    fn check_attributes(&self) -> Result<()> {
        let file = self.folder.path(layout::GITATTRIBUTES);
        match self.folder.read(layout::GITATTRIBUTES, limit::SMALL)? {
            Some(bytes) if bytes == layout::gitattributes().as_bytes() => Ok(()),
            Some(_) => Err(Error::tampered(file, "it was changed: Git could convert the vault's bytes")),
            None => Err(Error::tampered(file, "it is missing: Git could convert the vault's bytes")),
        }
    }

    /// Looks again, for a second, while a writer is at work: what it is about to replace is no violation.
    fn verify_patiently(
        &self,
        path: &SecretPath,
        parts: &[Part],
        trusted: &Trusted,
        policy: Option<&Policy<'_>>,
    ) -> Result<(Option<Metadata>, Counts)> {
        let start = Instant::now();
        let mut found = self.verify_secret(path, parts, trusted, policy);
        while found.is_err() && start.elapsed() < PATIENCE && self.journal().is_some() {
            std::thread::sleep(Duration::from_millis(5));
            found = self.verify_now(path, trusted, policy);
        }
        // The writer may have ended between the look at the files and the look for its journal.
        if found.is_err() { self.verify_now(path, trusted, policy) } else { found }
    }

    /// One secret with the files that it has now.
    fn verify_now(
        &self,
        path: &SecretPath,
        trusted: &Trusted,
        policy: Option<&Policy<'_>>,
    ) -> Result<(Option<Metadata>, Counts)> {
        let mut parts = Vec::new();
        for part in [Part::Enc, Part::Meta, Part::Gone] {
            if self.folder.has(&layout::secret(path, part))? {
                parts.push(part);
            }
        }
        self.verify_secret(path, &parts, trusted, policy)
    }

    /// One secret's files: a signed pair that fits, or a signed tombstone.
    fn verify_secret(
        &self,
        path: &SecretPath,
        parts: &[Part],
        trusted: &Trusted,
        policy: Option<&Policy<'_>>,
    ) -> Result<(Option<Metadata>, Counts)> {
        let file = |part| self.folder.path(&layout::secret(path, part));
        let mut counts = Counts::default();
        let gone = if parts.contains(&Part::Gone) { self.read_tombstone(path, trusted)? } else { None };
        counts.signatures += usize::from(gone.is_some());
        if !parts.contains(&Part::Meta) {
            if parts.contains(&Part::Enc) {
                return Err(Error::tampered(file(Part::Enc), "it has no signed metadata: an orphan"));
            }
            if let Some((gone, digest)) = gone {
                self.check_age(Part::Gone, Seen { name: path.clone(), revision: gone.revision, digest })?;
            }
            return Ok((None, counts));
        }
        let (metadata, meta_digest) = self.verified_metadata(path, trusted)?;
        counts.signatures += 1;
        self.check_age(Part::Meta, Seen { name: path.clone(), revision: metadata.revision, digest: meta_digest })?;
        if gone.is_some_and(|(gone, _)| gone.revision > metadata.revision) {
            return Err(Error::tampered(
                file(Part::Meta),
                "it stands beside the tombstone that removed it: an older state was put back",
            ));
        }
        let ciphertext = self.folder.read(&layout::secret(path, Part::Enc), limit::CIPHERTEXT)?;
        let ciphertext = ciphertext.ok_or_else(|| Error::tampered(file(Part::Enc), "the ciphertext is missing"))?;
        if Digest::of(&ciphertext) != metadata.digest {
            return Err(Error::tampered(
                file(Part::Enc),
                "it is not the ciphertext that its metadata was signed for: it was replaced",
            ));
        }
        counts.digests += 1;
        match crypto::stanza_count(&ciphertext) {
            Some(count) if count >= metadata.recipients.len() => {}
            _ => return Err(Error::tampered(file(Part::Enc), "it is encrypted to fewer keys than its metadata names")),
        }
        if policy.is_some_and(|policy| policy::plan(policy, [Subject::unchanged(metadata.clone())]).is_empty()) {
            counts.recipient_sets += 1;
        }
        Ok((Some(metadata), counts))
    }

    /// The files that repeat what is signed elsewhere, for old readers and for `ssh-keygen`: they must agree with it.
    pub(crate) fn check_derived(&self, root: &Root, manifest: &Manifest) -> Result<()> {
        let expect = |relative: &str, text: &str, signed: &str| match self.folder.read(relative, limit::MANIFEST)? {
            Some(bytes) if bytes == text.as_bytes() => Ok(()),
            Some(bytes) if bytes.contains(&b'\r') => Err(Error::tampered(
                self.folder.path(relative),
                "line endings changed by Git: it holds carriage returns",
            )),
            Some(_) => Err(Error::tampered(
                self.folder.path(relative),
                format!("it does not agree with the signed {signed}: it was changed"),
            )),
            None => Err(Error::tampered(self.folder.path(relative), "it is missing")),
        };
        expect(layout::OWNER_PUB, &root.owner_pub(), "root")?;
        expect(layout::ALLOWED_SIGNERS, &root.allowed_signers(), "root")?;
        expect(layout::CONFIG, &super::init::config(self.id), "root")?;
        parallel::try_each(&manifest.agents, |agent| {
            expect(&layout::agent_public(&agent.name), &format!("{}\n", agent.public_key), "manifest")
        })
    }
}
