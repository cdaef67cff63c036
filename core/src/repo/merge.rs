//! Merge commits: the vault's folder as it was merged by meaning, everything else as Git merges it.

use super::history::malformed;
use super::objects::TREE;
use super::tree::{Entry, parse};
use super::{Changes, Repo};
use crate::error::{Error, Result};
use crate::layout;
use crate::signing::SigningKey;
use git2::{ErrorCode, ObjectType, Oid, Tree};
use std::path::PathBuf;

fn fail() -> impl FnOnce(git2::Error) -> Error {
    Error::git("merge")
}

/// Whose name and key stand on a merge.
pub(crate) struct Signer<'k> {
    pub name: &'k str,
    pub key: &'k SigningKey,
}

/// What lies beside one folder of a tree, by name, and that folder.
type Beside = (Vec<(Vec<u8>, Entry)>, Option<Oid>);

impl Repo {
    /// Stores the signed merge of two commits, moves nothing. In the vault's folder it has what `changes` make of ours;
    /// what lies outside is that of `outside`, or else merged as Git does. Returns the commit and the files to flush.
    ///
    /// # Errors
    /// [`Error::Conflict`] names the files outside the vault that both sides changed in one place.
    pub(crate) fn build_merge(
        &self,
        [ours, theirs]: [Oid; 2],
        outside: Option<Oid>,
        changes: &Changes,
        message: &str,
        signer: &Signer<'_>,
    ) -> Result<(Oid, Vec<PathBuf>)> {
        let vault = self.vault_tree(Some(ours))?.map(|oid| self.git.find_tree(oid)).transpose().map_err(fail())?;
        let (vault, mut written) = self.change_tree(vault.as_ref(), changes)?;
        let root = match outside {
            Some(commit) => self.graft(Some(&self.tree_of(commit)?), &self.folders(), vault, &mut written)?,
            None => self.around_vault([ours, theirs], vault, &mut written)?,
        };
        let commit = self.sign_commit(root, &[ours, theirs], message, signer.name, signer.key)?;
        let files = written.into_iter().chain([commit]).map(|oid| self.loose_object(oid)).collect();
        Ok((commit, files))
    }

    /// Merges what lies outside the vault, around a tree for the vault's folder.
    fn around_vault(&self, [ours, theirs]: [Oid; 2], vault: Oid, written: &mut Vec<Oid>) -> Result<Oid> {
        let mut graft = |commit: Option<Oid>| {
            let root = commit.map(|commit| self.tree_of(commit)).transpose()?;
            let oid = self.graft(root.as_ref(), &self.folders(), vault, written)?;
            self.git.find_tree(oid).map_err(fail())
        };
        let base = self.merge_bases(ours, theirs)?.first().copied();
        let (ours, theirs) = (graft(Some(ours))?, graft(Some(theirs))?);
        if ours.id() == theirs.id() {
            return Ok(ours.id());
        }
        let base = graft(base)?;
        let mut options = git2::MergeOptions::new();
        let leaves_out = self.leaves_out()?;
        // Whether a file was renamed is seen by what is in it, and that may not be here.
        options.find_renames(!leaves_out);
        let mut merged = self.git.merge_trees(&base, &ours, &theirs, Some(&options)).map_err(fail())?;
        if merged.has_conflicts() {
            let conflicts = merged.conflicts().map_err(fail())?.flatten();
            let entries = conflicts.filter_map(|conflict| conflict.our.or(conflict.their).or(conflict.ancestor));
            let mut files: Vec<String> =
                entries.map(|entry| crate::error::printable(&String::from_utf8_lossy(&entry.path))).collect();
            files.dedup();
            let (shown, more) = (files.iter().take(3).cloned().collect::<Vec<_>>().join(", "), files.len() > 3);
            return Err(Error::Conflict {
                message: format!("both sides changed {shown}{} outside the vault", if more { " and more" } else { "" }),
                hint: "merge with `git merge`, which keeps the vault's files whole, and commit; then `agent-vault sync` again".into(),
            });
        }
        // A file that is not here is one that a commit has, and stays as it is.
        git2::opts::strict_object_creation(!leaves_out);
        let written = merged.write_tree_to(&self.git);
        git2::opts::strict_object_creation(true);
        written.map_err(fail())
    }

    /// The folders that lead to the vault, and its own.
    pub(super) fn folders(&self) -> Vec<&str> {
        self.prefix.trim_end_matches('/').split('/').collect()
    }

    /// A tree in which one folder is another.
    fn graft(&self, base: Option<&Tree<'_>>, path: &[&str], tree: Oid, written: &mut Vec<Oid>) -> Result<Oid> {
        let [folder, rest @ ..] = path else { return Ok(tree) };
        let inner = match base.and_then(|base| base.get_name(folder)) {
            Some(entry) if entry.kind() == Some(ObjectType::Tree) => {
                Some(self.git.find_tree(entry.id()).map_err(fail())?)
            }
            _ => None,
        };
        let inner = self.graft(inner.as_ref(), rest, tree, written)?;
        let mut builder = self.git.treebuilder(base).map_err(fail())?;
        builder.insert(folder, inner, TREE).map_err(fail())?;
        let oid = builder.write().map_err(fail())?;
        written.push(oid);
        Ok(oid)
    }

    /// Whether two commits differ in nothing but files that a vault has. What differs elsewhere is not gone into: a few
    /// objects can unfold to more files than anybody can look at.
    pub(crate) fn differ_in_vault_only(&self, a: Option<Oid>, b: Oid) -> Result<bool> {
        let tree = |commit: Oid| Ok::<_, Error>(self.tree_of(commit)?.id());
        let (mut a, mut b) = (a.map(tree).transpose()?, Some(tree(b)?));
        for folder in self.folders() {
            if a == b {
                return Ok(true);
            }
            let (old, new) = (self.beside(a, folder)?, self.beside(b, folder)?);
            if old.0 != new.0 {
                return Ok(false);
            }
            (a, b) = (old.1, new.1);
        }
        Ok(self.differences(a, b)?.others.keys().all(|path| layout::is_ours(path)))
    }

    /// One folder of a tree, and all that lies beside it.
    fn beside(&self, tree: Option<Oid>, folder: &str) -> Result<Beside> {
        let Some(tree) = tree else { return Ok((Vec::new(), None)) };
        let (raw, mut inner, mut others) = (self.raw_tree(tree)?, None, Vec::new());
        for (name, entry) in parse(&raw).ok_or_else(|| malformed(tree))? {
            match entry.is_folder() && name == folder.as_bytes() {
                true => inner = Some(entry.oid),
                false => others.push((name.to_vec(), entry)),
            }
        }
        Ok((others, inner))
    }

    /// The commits of `tip` and not of `hidden` that bring changes to files which are none of the vault's.
    pub(crate) fn travellers(&self, tip: Oid, hidden: &[Oid]) -> Result<Vec<Oid>> {
        let apart = |a: Option<Oid>, b: Oid| Ok::<_, Error>(!self.differ_in_vault_only(a, b)?);
        let mut found = Vec::new();
        for id in self.order(tip, hidden, true)? {
            // What a merge has of a parent came with that parent.
            let parents = self.commit(id)?.parents;
            let mut brings = parents.is_empty() && apart(None, id)?;
            for (at, parent) in parents.iter().enumerate() {
                brings = (at == 0 || brings) && apart(Some(*parent), id)?;
            }
            if brings {
                found.push(id);
            }
        }
        // A merge may have chosen what one side had changed already.
        if let ([], [hidden]) = (found.as_slice(), hidden) {
            let bases = self.merge_bases(tip, *hidden)?;
            let kept =
                bases.iter().map(|base| self.differ_in_vault_only(Some(*base), tip)).collect::<Result<Vec<_>>>()?;
            if !kept.is_empty() && !kept.contains(&true) {
                found.push(tip);
            }
        }
        Ok(found)
    }

    /// Whether a remote is known to have a commit.
    pub(crate) fn is_published(&self, commit: Oid) -> Result<bool> {
        for pattern in ["refs/remotes/*", "refs/agent-vault/fetched/*"] {
            for reference in self.git.references_glob(pattern).map_err(fail())?.flatten() {
                let Some(tip) = reference.target() else { continue };
                if self.knows(tip) && self.reaches(tip, commit)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Makes a private reference point at a commit: what it reaches is kept by `git gc`.
    pub(crate) fn keep(&self, reference: &str, commit: Oid) -> Result<()> {
        match self.git.reference(reference, commit, true, "agent-vault: verified") {
            Ok(_) => Ok(()),
            Err(error) if error.code() == ErrorCode::Locked => Ok(()),
            Err(error) => Err(Error::Git { action: "keep a commit", source: error }),
        }
    }

    /// How many private references there are whose names match a pattern such as `refs/agent-vault/refused/*`.
    pub(crate) fn kept(&self, pattern: &str) -> Result<usize> {
        let count =
            |git: &git2::Repository| Ok(git.references_glob(pattern)?.names().filter_map(|name| name.ok()).count());
        count(&self.git).map_err(|error| Error::Git { action: "count what was kept", source: error })
    }
}
