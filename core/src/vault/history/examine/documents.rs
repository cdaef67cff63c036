//! What a commit does to each document: a secret's, the manifest with what belongs to it, and files that no vault has.

use super::{Examiner, Parent, Verdict};
use crate::error::{Result, printable};
use crate::history::chain::Chain;
use crate::history::document::Doc;
use crate::history::rules;
use crate::layout;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::{Differences, Repo, SecretChange, SecretFiles};
use crate::vault::past::judged;
use git2::Oid;
use std::collections::BTreeMap;

impl Examiner<'_> {
    /// One secret that differs from some parent's. Says whether it is taken whole from one of them.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn secret(
        &self,
        repo: &Repo,
        path: &SecretPath,
        change: &SecretChange,
        chain: &Chain,
        olds: &[SecretFiles],
        (free, claims): (bool, &mut Claims),
        verdict: &mut Verdict,
    ) -> Result<bool> {
        let name = || files_of(path);
        let taken = olds.iter().any(|old| old.same(&change.new));
        let new = match judged(self.past.document(repo, path, &change.new, Some(&chain.root)))? {
            Ok(new) => new,
            Err(reason) => {
                verdict.wrong(name(), reason);
                return Ok(taken);
            }
        };
        if let Some(metadata) = new.as_ref().and_then(Doc::metadata)
            && !taken
            && let Err(reason) = judged(self.past.ciphertext(repo, metadata, &change.new).map(drop))?
        {
            verdict.wrong(name(), reason);
        }
        if let Some(new) = &new {
            verdict.verified += 1;
            verdict.documents.push((new.digest, new.number(), new.parents().to_vec()));
        }
        let mut before = Vec::new();
        for old in olds.iter().filter(|old| !old.same(&change.new)) {
            // What was broken before was told where it broke.
            if let Ok(Some(doc)) = judged(self.past.document(repo, path, old, None))? {
                before.push(doc);
            }
        }
        if taken {
            match &new {
                Some(new) => verdict.claims.extend(before.iter().map(|old| (name(), new.digest, old.digest))),
                None if before.is_empty() => {}
                None => verdict.wrong(name(), "it vanished, and no signed tombstone took its place"),
            }
            return Ok(true);
        }
        if free {
            return Ok(false);
        }
        match rules::secret(new.as_ref(), &before.iter().collect::<Vec<_>>()) {
            Err(reason) => verdict.wrong(name(), reason),
            Ok(fit) => {
                let Some(new) = new else { return Ok(false) };
                verdict.claims.extend(fit.after.into_iter().map(|old| (name(), new.digest, old)));
                claims.note(path, new, &before, fit.moved);
            }
        }
        Ok(false)
    }

    /// Files outside `secrets/`: what no vault has is told, what could harm one is refused.
    pub(super) fn others(&self, differences: &Differences, verdict: &mut Verdict) {
        for (path, (_, new)) in &differences.others {
            let Some(new) = new else { continue };
            if !new.is_file() {
                verdict.wrong(
                    printable(path),
                    "it is not a regular file: a vault holds neither links nor other repositories",
                );
            } else if path.ends_with("/.gitattributes") || path.ends_with("/.gitignore") {
                verdict.wrong(
                    printable(path),
                    "a nested file of this name could make Git change or hide the vault's files",
                );
            } else if !layout::is_ours(path) {
                verdict.strangers.push(printable(path));
            }
        }
    }

    /// Manifest and derived files of a tree; returns the manifest's serial, and whether it names parents.
    pub(super) fn policy(
        &self,
        repo: &Repo,
        tree: Oid,
        chain: &Chain,
        verdict: &mut Verdict,
    ) -> Result<Option<(u64, bool)>> {
        match judged(self.past.manifest(repo, tree, &chain.root))? {
            Err(reason) => {
                verdict.wrong(Some(layout::MANIFEST.into()), reason);
                Ok(None)
            }
            Ok((manifest, digest)) => {
                verdict.verified += 1;
                verdict.documents.push((digest, manifest.serial, manifest.parents.clone()));
                let wrong = self.past.derived(repo, tree, &chain.root, &manifest)?;
                wrong.into_iter().for_each(|(path, reason)| verdict.wrong(path, reason));
                Ok(Some((manifest.serial, !manifest.parents.is_empty())))
            }
        }
    }

    /// Everything outside `secrets/` is one: the manifest and what belongs to it. Says whether a signature has to attest
    /// it, because it is not whole one of the parents'.
    pub(super) fn rules_changed(
        &self,
        repo: &Repo,
        tree: Oid,
        chain: &Chain,
        parents: &[Parent],
        verdict: &mut Verdict,
    ) -> Result<bool> {
        let differs = |parent: &&Parent| {
            let others = parent.differences.as_ref().map(|differences| &differences.others);
            others.is_some_and(|others| others.keys().any(|path| layout::is_ours(path)))
        };
        let changed: Vec<&Parent> = parents.iter().filter(differs).collect();
        if changed.is_empty() {
            return Ok(false);
        }
        let mut attested = changed.len() == parents.len();
        if attested {
            self.policy(repo, tree, chain, verdict)?;
        }
        let Ok((new, digest)) = judged(self.past.manifest(repo, tree, &chain.root))? else { return Ok(attested) };
        let mut olds = Vec::new();
        for parent in &changed {
            // A manifest that did not verify was told where it came in.
            olds.extend(judged(self.past.manifest(repo, parent.tree, &parent.chain.root))?.ok());
        }
        // Same manifest, other files: nothing tells which of them came first.
        attested |= olds.iter().any(|(_, old)| *old == digest);
        olds.retain(|(_, old)| *old != digest);
        let path = || layout::MANIFEST.to_owned();
        if changed.len() < parents.len() {
            verdict.claims.extend(olds.iter().map(|(_, old)| (path(), digest, *old)));
        } else if !olds.is_empty() {
            match rules::manifest(&new, &olds.iter().map(|(old, digest)| (old, *digest)).collect::<Vec<_>>()) {
                Err(reason) => verdict.wrong(path(), reason),
                Ok(after) => verdict.claims.extend(after.into_iter().map(|old| (path(), digest, old))),
            }
        }
        Ok(attested)
    }

    /// Under a new root every document must stand anew: its signer may be an owner no longer.
    pub(super) fn all_again(
        &self,
        repo: &Repo,
        tree: Oid,
        chain: &Chain,
        known: &BTreeMap<&SecretPath, SecretChange>,
        verdict: &mut Verdict,
    ) -> Result<()> {
        let all = repo.differences(None, Some(tree))?;
        for (path, change) in all.secrets.iter().filter(|(path, _)| !known.contains_key(path)) {
            if let Err(reason) = judged(self.past.document(repo, path, &change.new, Some(&chain.root)))? {
                verdict.wrong(files_of(path), format!("under root {}: {reason}", chain.len()));
            }
        }
        Ok(())
    }
}

/// Secrets of one commit that were moved: each new name needs the old one.
#[derive(Default)]
pub(super) struct Claims {
    arrived: Vec<(SecretPath, Metadata, u64)>,
    left: Vec<Metadata>,
}

impl Claims {
    fn note(&mut self, path: &SecretPath, new: Doc, before: &[Doc], is_moved: bool) {
        match new.metadata() {
            Some(metadata) if is_moved => {
                let last = before.iter().map(Doc::number).max().unwrap_or(0);
                self.arrived.push((path.clone(), metadata.clone(), last));
            }
            Some(_) => {}
            None => self.left.extend(before.iter().filter_map(Doc::metadata).cloned()),
        }
    }

    pub(super) fn moves(self, verdict: &mut Verdict) {
        for (path, new, last) in self.arrived {
            if let Err(reason) = rules::arrival(&new, last, &self.left) {
                verdict.wrong(files_of(&path), reason);
            }
        }
    }
}

/// What a secret's files are called below the vault's folder, without their endings.
pub(super) fn files_of(path: &SecretPath) -> String {
    let file = layout::secret(path, layout::Part::Meta);
    file.strip_suffix(layout::Part::Meta.ending()).unwrap_or(&file).to_owned()
}
