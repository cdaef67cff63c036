//! Files as they lie on disk.

use super::{FEW, LARGEST, Repo, path_of};
use crate::report::{Located, Place, Scanner};
use agent_vault_core::error::{Error, Result};
use git2::{Repository, StatusOptions, StatusShow};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Looks at the files of a work tree that Git has or would take: tracked ones, and untracked ones that are not ignored.
/// Returns how many there are.
///
/// # Errors
/// [`Error::Git`], [`Error::Io`].
pub fn worktree(git: &Repository, scanner: &Scanner) -> Result<(Vec<Located>, usize)> {
    let fail = || Error::git("list the work tree");
    let top = git.workdir().ok_or_else(|| Error::Usage {
        message: "a bare repository has no files".into(),
        hint: "look at its history: --history".into(),
    })?;
    let index = git.index().map_err(fail())?;
    let mut paths: BTreeSet<PathBuf> = index.iter().map(|entry| path_of(&entry.path)).collect();
    let mut options = StatusOptions::new();
    options.show(StatusShow::Workdir).include_untracked(true).recurse_untracked_dirs(true).exclude_submodules(true);
    let new = git.statuses(Some(&mut options)).map_err(fail())?;
    paths.extend(new.iter().filter(|entry| entry.status().is_wt_new()).map(|entry| path_of(entry.path_bytes())));
    let files: Vec<(PathBuf, PathBuf)> = paths.into_iter().map(|path| (top.join(&path), path)).collect();
    look(&files, scanner)
}

/// Looks at files, and at everything below folders: all but `.git`, and but what Git ignores where there is a repository.
/// Links are not followed. Returns how many files there are.
///
/// # Errors
/// [`Error::Io`], also for a path that is not there.
pub fn files(paths: &[PathBuf], scanner: &Scanner) -> Result<(Vec<Located>, usize)> {
    let mut all = Vec::new();
    for path in paths {
        let metadata = path.symlink_metadata().map_err(Error::io("find", path))?;
        if metadata.is_dir() {
            let git = Repo::around(path).open_if_there()?;
            below(path, git.as_ref(), &mut all)?;
        } else {
            all.push((path.clone(), path.clone()));
        }
    }
    look(&all, scanner)
}

/// Every file below a folder.
fn below(top: &Path, git: Option<&Repository>, into: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let fail = || Error::io("list", &folder);
        for entry in std::fs::read_dir(&folder).map_err(fail())? {
            let entry = entry.map_err(fail())?;
            let path = entry.path();
            let ignored = || {
                let absolute = std::path::absolute(&path).ok();
                git.zip(absolute).is_some_and(|(git, path)| git.is_path_ignored(path).unwrap_or(false))
            };
            if entry.file_name() == ".git" || ignored() {
                continue;
            }
            match entry.file_type().map_err(fail())? {
                kind if kind.is_dir() => folders.push(path),
                _ => into.push((path.clone(), path)),
            }
        }
    }
    into.sort();
    Ok(())
}

/// Looks at files: where each lies, and what it is called.
fn look(files: &[(PathBuf, PathBuf)], scanner: &Scanner) -> Result<(Vec<Located>, usize)> {
    let one = |(path, name): &(PathBuf, PathBuf)| file(path, name, scanner);
    let found: Vec<Vec<Located>> = if files.len() < FEW {
        files.iter().map(one).collect::<Result<_>>()?
    } else {
        files.par_iter().map(one).collect::<Result<_>>()?
    };
    Ok((found.into_iter().flatten().collect(), files.len()))
}

fn file(path: &Path, name: &Path, scanner: &Scanner) -> Result<Vec<Located>> {
    let place = Place::file(name);
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        // Tracked, and deleted in the work tree.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::Io { action: "look at", path: path.into(), source: error }),
    };
    if metadata.is_symlink() {
        let target = std::fs::read_link(path).map_err(Error::io("read", path))?;
        return Ok(scanner.look(&place, target.as_os_str().as_encoded_bytes()));
    }
    // Submodules are folders; pipes and devices have no end.
    if !metadata.is_file() {
        return Ok(Vec::new());
    }
    if metadata.len() > LARGEST {
        return Ok(vec![Scanner::not_scanned(&place, metadata.len())]);
    }
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    Ok(scanner.look(&place, &bytes))
}
