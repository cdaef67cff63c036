//! The merge of two commits by meaning, as one signed commit that lies in Git's object store and nowhere else yet.
//!
//! What the documents become is decided by [`crate::merge`]; here they are read from the two trees, signed, and encrypted
//! anew where the merged policy asks for it. No file of the work tree and no branch is touched: who lost the race for the
//! remote throws the commit away and makes another.

use super::past::{Ground, Past, judged};
use super::{Owner, Progress, Vault};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::history::chain::Chain;
use crate::manifest::Manifest;
use crate::merge::{Remark, Side};
use crate::repo::{Changes, Head, Repo, Signer};
use crate::txn::Workshop;
use git2::Oid;
use std::collections::BTreeMap;
use std::sync::Arc;

mod policy;
mod secrets;

/// What a merge commit says.
const MESSAGE: &str = "agent-vault: merge\n";

/// A merge that was made.
pub(super) struct Woven {
    pub commit: Oid,
    /// What a person should hear of.
    pub remarks: Vec<Remark>,
    /// How many secrets were encrypted anew.
    pub reencrypted: usize,
}

/// One of the states that are merged, or one that both come from.
pub(super) struct State {
    pub commit: Oid,
    pub tree: Oid,
    pub chain: Arc<Chain>,
    pub manifest: Manifest,
    pub digest: Digest,
}

/// What a file of the merged vault is made of.
pub(super) enum Content {
    /// An object that one of the two has.
    Object(Oid),
    Bytes(Vec<u8>),
}

/// Files of the merged vault that are not ours; `None` for one that goes.
pub(super) type Files = BTreeMap<String, Option<Content>>;

/// What the parts of a merge share.
pub(super) struct Weaver<'w> {
    owner: &'w Owner<'w>,
    past: &'w Past<'w>,
    ours: State,
    theirs: State,
    bases: Vec<State>,
    /// The longer of the two chains.
    chain: Arc<Chain>,
    outside: Option<Oid>,
}

impl Owner<'_> {
    /// Makes the merge of two commits whose histories are proven. What lies outside the vault is merged as Git does, or
    /// taken from the commit `outside`.
    ///
    /// # Errors
    /// [`Error::NotOwner`] when the root in force does not name the acting owner; [`Error::Conflict`] for two successors
    /// of one root, and for files outside the vault that do not merge; [`Error::NotAuthorized`] where a value has to be
    /// encrypted anew that the acting owner cannot read.
    pub(super) fn weave(
        &self,
        repo: &Repo,
        [ours, theirs]: [Oid; 2],
        outside: Option<Oid>,
        progress: Progress<'_>,
    ) -> Result<Woven> {
        let past = Past::new(self.vault);
        let state = |commit| state(self.vault, &past, repo, commit);
        if repo.commit(theirs)?.tree.is_none() {
            // They have no vault (yet): ours stays as it is.
            let signer = Signer { name: self.name.as_str(), key: &self.key };
            let none = Changes::new();
            let (commit, objects) = repo.build_merge([ours, theirs], outside, &none, MESSAGE, &signer)?;
            Workshop::new(repo).flush(&objects)?;
            return Ok(Woven { commit, remarks: Vec::new(), reencrypted: 0 });
        }
        let missing = |commit: Oid| Error::tampered(&self.vault.dir, format!("commit {commit} has no valid vault"));
        let (first, second) = (state(ours)?, state(theirs)?);
        let (first, second) = (first.ok_or_else(|| missing(ours))?, second.ok_or_else(|| missing(theirs))?);
        // Where the histories have nothing in common, or nothing with a vault, everything is new on both sides.
        let bases = repo.merge_bases(ours, theirs)?.into_iter().map(state);
        let bases = bases.filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
        let chain = longer(&first.chain, &second.chain)?;
        if chain.root.signer(&self.key.verifying_key()).is_none() {
            return Err(Error::NotOwner { keys: self.identities.describe() });
        }
        let weaver = Weaver { owner: self, past: &past, ours: first, theirs: second, bases, chain, outside };
        weaver.run(repo, progress)
    }
}

impl Weaver<'_> {
    fn side(&self, side: Side) -> &State {
        match side {
            Side::Ours => &self.ours,
            Side::Theirs => &self.theirs,
        }
    }

    fn run(&self, repo: &Repo, progress: Progress<'_>) -> Result<Woven> {
        let mut files = Files::new();
        let policy = self.policy(repo, &mut files)?;
        let mut remarks = policy.remarks.clone();
        let (secrets, reencrypted, said) = self.secrets(repo, &policy, progress)?;
        files.extend(secrets);
        remarks.extend(said);
        let (changes, stored) = self.store(repo, files)?;
        let name = self.owner.name.as_str();
        let signer = Signer { name, key: &self.owner.key };
        let commits = [self.ours.commit, self.theirs.commit];
        let (commit, objects) = repo.build_merge(commits, self.outside, &changes, MESSAGE, &signer)?;
        // Before anybody hears of it, it must outlive a power cut.
        Workshop::new(repo).flush(&[stored, objects].concat())?;
        Ok(Woven { commit, remarks, reencrypted })
    }

    /// Makes objects of what is new.
    fn store(&self, repo: &Repo, files: Files) -> Result<(Changes, Vec<std::path::PathBuf>)> {
        let scratch = Workshop::new(repo).scratch()?;
        let (mut changes, mut paths, mut staged) = (Changes::new(), Vec::new(), Vec::new());
        for (path, content) in files {
            match content {
                None => drop(changes.insert(path, None)),
                Some(Content::Object(oid)) => drop(changes.insert(path, Some(oid))),
                Some(Content::Bytes(bytes)) => {
                    let file = scratch.path().join(paths.len().to_string());
                    std::fs::write(&file, bytes).map_err(Error::io("write", &file))?;
                    paths.push(path);
                    staged.push(file);
                }
            }
        }
        let (blobs, written) = repo.write_blobs(&staged, scratch.path())?;
        changes.extend(paths.into_iter().zip(blobs.into_iter().map(Some)));
        Ok((changes, written))
    }
}

/// The vault in a commit; none where there is no signed one of this id.
fn state(vault: &Vault, past: &Past<'_>, repo: &Repo, commit: Oid) -> Result<Option<State>> {
    let Some(tree) = repo.commit(commit)?.tree else { return Ok(None) };
    let Ground::Signed(chain) = past.ground(repo, Some(tree))? else { return Ok(None) };
    if chain.id != vault.id {
        return Ok(None);
    }
    let (manifest, digest) = judged(past.manifest(repo, tree, &chain.root))?
        .map_err(|reason| Error::tampered(vault.dir(), format!("commit {commit}: {reason}")))?;
    Ok(Some(State { commit, tree, chain, manifest, digest }))
}

/// The chain that holds the other.
fn longer(ours: &Arc<Chain>, theirs: &Arc<Chain>) -> Result<Arc<Chain>> {
    if ours.extends(theirs) {
        Ok(ours.clone())
    } else if theirs.extends(ours) {
        Ok(theirs.clone())
    } else {
        Err(forked(ours, theirs))
    }
}

/// Two owners made different successors of one root: nobody but a person can say which counts.
pub(super) fn forked(ours: &Chain, theirs: &Chain) -> Error {
    let owners = |chain: &Chain| {
        let names: Vec<&str> = chain.root.owners.iter().map(|owner| owner.name.as_str()).collect();
        names.join(", ")
    };
    Error::Conflict {
        message: format!(
            "root {} has two successors: owners were changed on both sides at once (here they are {}, there {})",
            ours.common(theirs),
            owners(ours),
            owners(theirs)
        ),
        hint: "ask the other owners which side counts; reading and writing go on as before. On the side that gives way: `git branch apart`, `git reset --hard @{upstream}`, `agent-vault trust replace`, which names what was only there"
            .into(),
    }
}

/// HEAD, as a transaction wants it.
pub(super) fn at(head: &Head) -> Result<Oid> {
    head.commit.ok_or_else(|| Error::Conflict {
        message: "this repository has no commit yet".into(),
        hint: "commit something first, or use `agent-vault clone`".into(),
    })
}
