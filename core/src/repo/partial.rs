//! Clones that were made without folders or files: which are missing.

use super::Repo;
use super::history::malformed;
use super::tree::parse;
use crate::error::{Error, Result};
use git2::{Odb, OdbLookupFlags, Oid};
use std::collections::{BTreeSet, HashMap, HashSet};

fn fail() -> impl FnOnce(git2::Error) -> Error {
    Error::git("see what this partial clone lacks")
}

/// Which folders are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The vault's own, and those that lead to it, in the whole history.
    Vault,
    /// All, in the commits that only some of those have which are compared, and where they part.
    Parting,
}

/// A search for folders that are not here.
struct Search<'r> {
    repo: &'r Repo,
    odb: Odb<'r>,
    /// With how much of the way to the vault before it.
    looked: HashSet<(Oid, usize)>,
    missing: Vec<Oid>,
}

impl Repo {
    /// The folders that are not here, in the histories of these commits. What lies below one that is missing is not known
    /// yet.
    pub(crate) fn missing_trees(&self, commits: &[Oid], reach: Reach) -> Result<Vec<Oid>> {
        let odb = self.git.odb().map_err(fail())?;
        // Each look for one that is missing would do so.
        odb.refresh().map_err(fail())?;
        let mut search = Search { repo: self, odb, looked: HashSet::new(), missing: Vec::new() };
        let way = match reach {
            Reach::Vault => self.folders(),
            Reach::Parting => Vec::new(),
        };
        for commit in self.within(commits, reach)? {
            let tree = self.git.find_commit(commit).map_err(fail())?.tree_id();
            search.look(tree, &way)?;
        }
        Ok(search.missing)
    }

    /// The files outside the vault that are not here and that both commits changed since they parted: to be merged, they
    /// have to be read.
    pub(crate) fn missing_blobs(&self, ours: Oid, theirs: Oid) -> Result<Vec<Oid>> {
        let Some(base) = self.merge_bases(ours, theirs)?.first().copied() else { return Ok(Vec::new()) };
        let tree = |commit: Oid| self.git.find_commit(commit).and_then(|commit| commit.tree()).map_err(fail());
        let base = tree(base)?;
        let changed = |commit: Oid| -> Result<HashMap<Vec<u8>, [Oid; 2]>> {
            let diff = self.git.diff_tree_to_tree(Some(&base), Some(&tree(commit)?), None).map_err(fail())?;
            let files = diff.deltas().map(|delta| {
                let path = delta.new_file().path_bytes().unwrap_or_default().to_vec();
                (path, [delta.old_file().id(), delta.new_file().id()])
            });
            Ok(files.collect())
        };
        let (here, there) = (changed(ours)?, changed(theirs)?);
        let odb = self.git.odb().map_err(fail())?;
        odb.refresh().map_err(fail())?;
        let both = here.into_iter().filter_map(|(path, files)| Some((files, *there.get(&path)?)));
        let files = both.flat_map(|(here, there)| [here, there].concat());
        let lacking = |oid: &Oid| !oid.is_zero() && !odb.exists_ext(*oid, OdbLookupFlags::NO_REFRESH);
        let missing: BTreeSet<Oid> = files.filter(lacking).collect();
        Ok(missing.into_iter().collect())
    }

    /// The commits whose folders are asked for.
    fn within(&self, commits: &[Oid], reach: Reach) -> Result<Vec<Oid>> {
        let mut found = commits.to_vec();
        match (reach, commits) {
            (Reach::Vault, _) => {
                for commit in commits {
                    found.extend(self.order(*commit, &[], true)?);
                }
            }
            (Reach::Parting, [ours, theirs]) => {
                found.extend(self.order(*ours, &[*theirs], true)?);
                found.extend(self.order(*theirs, &[*ours], true)?);
                found.extend(self.merge_bases(*ours, *theirs)?);
                // Each is compared with the one before it.
                for commit in found.clone() {
                    let commit = self.git.find_commit(commit).map_err(fail())?;
                    found.extend(commit.parent_ids().filter(|parent| self.knows(*parent)));
                }
            }
            (Reach::Parting, _) => {}
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

impl Search<'_> {
    /// Looks at a folder and at those below it that lead along the way, and, once that is gone, at all.
    fn look(&mut self, tree: Oid, way: &[&str]) -> Result<()> {
        if !self.looked.insert((tree, way.len())) {
            return Ok(());
        }
        if !self.odb.exists_ext(tree, OdbLookupFlags::NO_REFRESH) {
            self.missing.push(tree);
            return Ok(());
        }
        let raw = self.repo.raw_tree(tree)?;
        let entries = parse(&raw).ok_or_else(|| malformed(tree))?;
        let (next, rest) = match way {
            [next, rest @ ..] => (Some(next.as_bytes()), rest),
            [] => (None, way),
        };
        for (name, entry) in entries {
            if entry.is_folder() && next.is_none_or(|next| next == name) {
                self.look(entry.oid, rest)?;
            }
        }
        Ok(())
    }
}
