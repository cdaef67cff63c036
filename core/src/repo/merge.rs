//! Merge commits: the vault's folder as it was merged by meaning, everything else as Git merges it.

use super::objects::TREE;
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

    /// Whether two commits differ in nothing but files that a vault has.
    pub(crate) fn differ_in_vault_only(&self, a: Option<Oid>, b: Oid) -> Result<bool> {
        let tree = |commit: Oid| self.tree_of(commit);
        let (a, b) = (a.map(tree).transpose()?, tree(b)?);
        let diff = self.git.diff_tree_to_tree(a.as_ref(), Some(&b), None).map_err(fail())?;
        Ok(diff.deltas().all(|delta| {
            [delta.old_file(), delta.new_file()].iter().all(|file| {
                let path = file.path_bytes().map(String::from_utf8_lossy);
                path.is_none_or(|path| path.strip_prefix(&*self.prefix).is_some_and(layout::is_ours))
            })
        }))
    }

    /// The commits of `tip` and not of `hidden` that touch files which are none of the vault's.
    pub(crate) fn travellers(&self, tip: Oid, hidden: &[Oid]) -> Result<Vec<Oid>> {
        let mut found = Vec::new();
        for id in self.order(tip, hidden, true)? {
            let parents: Vec<Oid> = self.commit(id)?.parents;
            // A merge brings what its parents have: those are looked at by themselves.
            let alone = parents.len() < 2;
            if alone && !self.differ_in_vault_only(parents.first().copied(), id)? {
                found.push(id);
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
}
