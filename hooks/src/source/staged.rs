//! What the next commit would bring: every path whose index entry differs from HEAD, whole.

use super::{Blob, Repo, path_of};
use crate::report::Place;
use agent_vault_core::error::{Error, Result};
use git2::{Delta, DiffOptions, ErrorCode, FileMode, Repository};
use std::path::Path;

/// The blobs that are staged: added, changed, renamed, of another mode or type. Links are looked at too (their target is
/// what Git stores); submodules have no bytes here.
///
/// # Errors
/// [`Error::Git`], for an index that libgit2 does not understand too (split or sparse): what cannot be looked at must
/// not pass for clean.
pub fn staged(repo: &Repo) -> Result<Vec<Blob>> {
    let git = repo.open()?;
    let fail = || Error::git("compare the index with HEAD");
    let head = match git.head() {
        Ok(head) => Some(head.peel_to_tree().map_err(fail())?),
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
        Err(error) => return Err(Error::Git { action: "read HEAD", source: error }),
    };
    let index = git.index().map_err(Error::git("read the index"))?;
    let mut options = DiffOptions::new();
    options.include_typechange(true).ignore_submodules(true);
    let diff = git.diff_tree_to_index(head.as_ref(), Some(&index), Some(&mut options)).map_err(fail())?;
    let mut blobs = Vec::new();
    for delta in diff.deltas() {
        let file = delta.new_file();
        if delta.status() == Delta::Deleted || file.mode() == FileMode::Commit || file.id().is_zero() {
            continue;
        }
        let path = file.path_bytes().map(path_of).unwrap_or_default();
        blobs.push(Blob { id: file.id(), place: Place::file(path) });
    }
    Ok(blobs)
}

/// The staged text of a file at the top of the repository; none when it is not in the index.
///
/// # Errors
/// [`Error::Git`]; [`Error::Corrupt`] for a larger one, a link or a submodule.
pub fn staged_file(git: &Repository, name: &str, limit: usize) -> Result<Option<Vec<u8>>> {
    let fail = || Error::git("read the index");
    let index = git.index().map_err(fail())?;
    let Some(entry) = index.get_path(Path::new(name), 0) else { return Ok(None) };
    if !matches!(entry.mode, 0o100_644 | 0o100_755) {
        return Err(Error::corrupt(name, "it is staged as something else than a file"));
    }
    let odb = git.odb().map_err(fail())?;
    let (size, _) = odb.read_header(entry.id).map_err(fail())?;
    if size > limit {
        return Err(Error::corrupt(name, format!("it has more than {limit} bytes")));
    }
    Ok(Some(odb.read(entry.id).map_err(fail())?.data().to_vec()))
}
