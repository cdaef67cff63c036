//! Git through libgit2: commits of the vault's own paths and nothing else, in process.
//!
//! No hook, filter or helper of the repository is ever run here, and bytes never pass through Git's conversions.

use crate::error::{Error, Result};
use crate::layout;
use crate::signing::{Namespace, SigningKey};
use git2::{Index, IndexEntry, IndexTime, ObjectType, Oid, Repository, RepositoryState, Signature, Tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// File mode of a regular file in a tree.
const BLOB: i32 = 0o100_644;
/// File mode of a folder in a tree.
const TREE: i32 = 0o040_000;

/// The repository around a vault.
pub(crate) struct Repo {
    git: Repository,
    workdir: PathBuf,
    /// The vault's folder relative to the work tree, ending with `/`.
    prefix: String,
}

/// Where HEAD points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// `refs/heads/main`, or `HEAD` when detached.
    pub reference: String,
    /// The commit; none in a repository without commits.
    pub commit: Option<Oid>,
}

/// What one path of the vault becomes: a blob, or nothing.
pub(crate) type Changes = BTreeMap<String, Option<Oid>>;

impl Repo {
    /// Opens the repository whose work tree holds `vault_dir`.
    pub(crate) fn open(vault_dir: &Path) -> Result<Self> {
        agent_vault_sys::allow_foreign_repositories();
        let above = vault_dir.parent().unwrap_or(vault_dir);
        let git = Repository::discover(above).map_err(Error::git("open the repository"))?;
        Self::around(git, vault_dir)
    }

    /// Wraps an opened repository.
    pub(crate) fn around(git: Repository, vault_dir: &Path) -> Result<Self> {
        let Some(workdir) = git.workdir().map(Path::to_path_buf) else {
            return Err(Error::Conflict {
                message: "a bare repository has no work tree for a vault".into(),
                hint: "use a clone with a work tree".into(),
            });
        };
        let canonical = |path: &Path| path.canonicalize().map_err(Error::io("find", path));
        let root = canonical(&workdir)?;
        let parent = canonical(vault_dir.parent().unwrap_or(vault_dir))?;
        let inside = parent.strip_prefix(&root).map_err(|_| Error::Conflict {
            message: format!("{} is not inside the work tree {}", parent.display(), root.display()),
            hint: "check core.worktree of the repository".into(),
        })?;
        let mut prefix = String::new();
        for part in inside.components() {
            let part = part.as_os_str().to_str().ok_or_else(|| Error::Usage {
                message: "a folder above the vault has a name that is not UTF-8".into(),
                hint: "move the vault".into(),
            })?;
            prefix.push_str(part);
            prefix.push('/');
        }
        prefix.push_str(layout::FOLDER);
        prefix.push('/');
        Ok(Self { git, workdir: root, prefix })
    }

    /// Whether a repository has `dir` in its work tree. One that cannot be opened is an error, not an absence.
    pub(crate) fn exists_around(dir: &Path) -> Result<bool> {
        agent_vault_sys::allow_foreign_repositories();
        match Repository::discover(dir) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == git2::ErrorCode::NotFound && dir.join(".git").symlink_metadata().is_err() => {
                Ok(false)
            }
            Err(error) => Err(Error::Git { action: "open the repository", source: error }),
        }
    }

    /// Creates a repository in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<()> {
        Repository::init(dir).map(drop).map_err(Error::git("create a repository"))
    }

    /// The folder for locks, journal and staged files: `git rev-parse --git-path agent-vault`.
    pub(crate) fn private_dir(&self) -> PathBuf {
        self.git.path().join("agent-vault")
    }

    /// Git's own lock of this work tree's index.
    pub(crate) fn index_lock(&self) -> PathBuf {
        self.git.path().join("index.lock")
    }

    /// Git's own lock of a reference. HEAD is the work tree's, branches are everybody's.
    pub(crate) fn reference_lock(&self, reference: &str) -> PathBuf {
        let dir = if reference == "HEAD" { self.git.path() } else { self.git.commondir() };
        dir.join(format!("{reference}.lock"))
    }

    fn index_file(&self) -> PathBuf {
        self.git.path().join("index")
    }

    /// Refuses while a merge, rebase or the like is under way.
    pub(crate) fn check_idle(&self) -> Result<()> {
        let state = match self.git.state() {
            RepositoryState::Clean => return Ok(()),
            RepositoryState::Merge => "merge",
            RepositoryState::Revert | RepositoryState::RevertSequence => "revert",
            RepositoryState::CherryPick | RepositoryState::CherryPickSequence => "cherry-pick",
            RepositoryState::Bisect => return Ok(()),
            RepositoryState::Rebase | RepositoryState::RebaseInteractive | RepositoryState::RebaseMerge => "rebase",
            RepositoryState::ApplyMailbox | RepositoryState::ApplyMailboxOrRebase => "git am",
        };
        Err(Error::GitBusy { state })
    }

    /// Where HEAD points now.
    pub(crate) fn head(&self) -> Result<Head> {
        let fail = || Error::git("read HEAD");
        let head = self.git.find_reference("HEAD").map_err(fail())?;
        if let Some(target) = head.symbolic_target().map_err(fail())? {
            return Ok(Head { reference: target.to_owned(), commit: self.commit_of(target)? });
        }
        Ok(Head { reference: "HEAD".into(), commit: head.target() })
    }

    /// The commit of a reference; none when there is no such reference.
    pub(crate) fn commit_of(&self, reference: &str) -> Result<Option<Oid>> {
        match self.git.refname_to_id(reference) {
            Ok(oid) => Ok(Some(oid)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(Error::Git { action: "read a branch", source: error }),
        }
    }

    /// The vault's tree in a commit.
    pub(crate) fn vault_tree(&self, commit: Option<Oid>) -> Result<Option<Oid>> {
        let Some(commit) = commit else { return Ok(None) };
        let tree =
            self.git.find_commit(commit).and_then(|commit| commit.tree()).map_err(Error::git("read a commit"))?;
        Ok(tree.get_path(Path::new(self.prefix.trim_end_matches('/'))).ok().map(|entry| entry.id()))
    }

    /// Stores a blob.
    pub(crate) fn write_blob(&self, bytes: &[u8]) -> Result<Oid> {
        self.git.blob(bytes).map_err(Error::git("store a file"))
    }

    /// The file of a loose object, for flushing it; it may be packed instead.
    pub(crate) fn loose_object(&self, oid: Oid) -> PathBuf {
        let hex = oid.to_string();
        self.git.commondir().join("objects").join(&hex[..2]).join(&hex[2..])
    }

    /// Stores the trees and the signed commit of `changes` on top of `head`; moves nothing. Returns the commit and
    /// every tree that was written.
    pub(crate) fn build_commit(
        &self,
        head: &Head,
        changes: &Changes,
        message: &str,
        author: &str,
        key: &SigningKey,
    ) -> Result<(Oid, Vec<Oid>)> {
        let fail = || Error::git("build a commit");
        let parent = head.commit.map(|oid| self.git.find_commit(oid)).transpose().map_err(fail())?;
        let base = parent.as_ref().map(|commit| commit.tree()).transpose().map_err(fail())?;
        let changes: BTreeMap<String, Option<Oid>> =
            changes.iter().map(|(path, oid)| (format!("{}{path}", self.prefix), *oid)).collect();
        let entries: Vec<(&str, Option<Oid>)> = changes.iter().map(|(path, oid)| (path.as_str(), *oid)).collect();
        let mut written = Vec::new();
        let root = self.update_tree(base.as_ref(), &entries, &mut written)?;
        let root = match root {
            Some(root) => root,
            None => self.git.treebuilder(None).and_then(|builder| builder.write()).map_err(fail())?,
        };
        let tree = self.git.find_tree(root).map_err(fail())?;
        let author = self.author(author)?;
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let buffer = self.git.commit_create_buffer(&author, &author, message, &tree, &parents).map_err(fail())?;
        let text = std::str::from_utf8(&buffer).map_err(|_| Error::Usage {
            message: "the author's name in Git's configuration is not UTF-8".into(),
            hint: "set user.name".into(),
        })?;
        let signature = key.sign(Namespace::Git, text.as_bytes())?.armored()?;
        let commit = self.git.commit_signed(text, signature.trim_end(), None).map_err(fail())?;
        Ok((commit, written))
    }

    /// Applies sorted `entries` (paths relative to `base`) to a tree, touching only the folders they lie in.
    fn update_tree(
        &self,
        base: Option<&Tree<'_>>,
        entries: &[(&str, Option<Oid>)],
        written: &mut Vec<Oid>,
    ) -> Result<Option<Oid>> {
        let fail = || Error::git("build a tree");
        let mut builder = self.git.treebuilder(base).map_err(fail())?;
        let mut rest = entries;
        while let Some((path, oid)) = rest.first() {
            let Some((folder, _)) = path.split_once('/') else {
                match oid {
                    Some(oid) => drop(builder.insert(path, *oid, BLOB).map_err(fail())?),
                    None if builder.get(path).map_err(fail())?.is_some() => builder.remove(path).map_err(fail())?,
                    None => {}
                }
                rest = &rest[1..];
                continue;
            };
            let below = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            let end = rest.iter().position(|(path, _)| !below(path)).unwrap_or(rest.len());
            let inner: Vec<(&str, Option<Oid>)> =
                rest[..end].iter().map(|(path, oid)| (&path[folder.len() + 1..], *oid)).collect();
            rest = &rest[end..];
            let subtree = match base.and_then(|base| base.get_name(folder)) {
                Some(entry) if entry.kind() == Some(ObjectType::Tree) => {
                    Some(self.git.find_tree(entry.id()).map_err(fail())?)
                }
                _ => None,
            };
            match self.update_tree(subtree.as_ref(), &inner, written)? {
                Some(oid) => drop(builder.insert(folder, oid, TREE).map_err(fail())?),
                None if builder.get(folder).map_err(fail())?.is_some() => builder.remove(folder).map_err(fail())?,
                None => {}
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let oid = builder.write().map_err(fail())?;
        written.push(oid);
        Ok(Some(oid))
    }

    /// The user's Git identity, or one made of the owner's name.
    fn author(&self, owner: &str) -> Result<Signature<'static>> {
        self.git
            .signature()
            .or_else(|_| Signature::now(owner, &format!("{owner}@agent-vault.invalid")))
            .map_err(Error::git("name the author"))
    }

    /// Whether Git knows who the user is.
    pub(crate) fn has_author(&self) -> bool {
        self.git.signature().is_ok()
    }

    /// Git's `user.name`, if it is set.
    pub(crate) fn user_name(&self) -> Option<String> {
        self.git.config().ok()?.get_string("user.name").ok()
    }

    /// Moves the reference of `head` to `commit`, if it still points where `head` says.
    pub(crate) fn move_ref(&self, head: &Head, commit: Oid, message: &str) -> Result<bool> {
        let log = format!("commit: {message}");
        let moved = match head.commit {
            Some(old) => self.git.reference_matching(&head.reference, commit, true, old, &log),
            None => self.git.reference(&head.reference, commit, false, &log),
        };
        match moved {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.code(),
                    git2::ErrorCode::Modified | git2::ErrorCode::Exists | git2::ErrorCode::Locked
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(Error::Git { action: "move the branch", source: error }),
        }
    }

    /// Reads the index into memory, from a copy beside ours: libgit2 writes an index only under Git's own lock, and
    /// that lock is ours already.
    pub(crate) fn read_index(&self, copy: &Path) -> Result<Index> {
        match std::fs::copy(self.index_file(), copy) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => drop(std::fs::remove_file(copy)),
            Err(error) => return Err(Error::Io { action: "read", path: self.index_file(), source: error }),
        }
        Index::open(copy).map_err(|source| match source.message() {
            text if text.contains("extension") => Error::Conflict {
                message: "the repository's index is split or sparse, which agent-vault cannot update".into(),
                hint: "run `git update-index --no-split-index` (or `git sparse-checkout init --no-sparse-index`), then try again".into(),
            },
            _ => Error::Git { action: "read the index", source },
        })
    }

    /// Puts `changes` into the index, with the stat data of the files in the work tree, and moves it into place.
    pub(crate) fn write_index(&self, mut index: Index, copy: &Path, changes: &Changes) -> Result<()> {
        let fail = || Error::git("update the index");
        for (path, oid) in changes {
            let path = format!("{}{path}", self.prefix);
            match oid {
                Some(oid) => index.add(&self.index_entry(&path, *oid)?).map_err(fail())?,
                None => match index.remove(Path::new(&path), 0) {
                    Err(error) if error.code() != git2::ErrorCode::NotFound => return Err(fail()(error)),
                    _ => {}
                },
            }
        }
        index.write().map_err(fail())?;
        std::fs::rename(copy, self.index_file()).map_err(Error::io("write", self.index_file()))
    }

    fn index_entry(&self, path: &str, id: Oid) -> Result<IndexEntry> {
        let file = self.workdir.join(path);
        let stat = std::fs::symlink_metadata(&file).map_err(Error::io("look at", &file))?;
        let mut entry = IndexEntry {
            ctime: IndexTime::new(0, 0),
            mtime: IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: BLOB as u32,
            uid: 0,
            gid: 0,
            file_size: stat.len() as u32,
            id,
            flags: 0,
            flags_extended: 0,
            path: path.as_bytes().to_vec(),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            entry.ctime = IndexTime::new(stat.ctime() as i32, stat.ctime_nsec() as u32);
            entry.mtime = IndexTime::new(stat.mtime() as i32, stat.mtime_nsec() as u32);
            (entry.dev, entry.ino, entry.uid, entry.gid) =
                (stat.dev() as u32, stat.ino() as u32, stat.uid(), stat.gid());
        }
        entry.flags = (path.len().min(0xfff)) as u16;
        Ok(entry)
    }

    /// Every file of a vault's tree, by its path in the vault's folder.
    pub(crate) fn files_of(&self, tree: Oid) -> Result<BTreeMap<String, Oid>> {
        let fail = || Error::git("read a commit");
        let tree = self.git.find_tree(tree).map_err(fail())?;
        let mut committed = BTreeMap::new();
        tree.walk(git2::TreeWalkMode::PreOrder, |parent, entry| {
            if entry.kind() != Some(ObjectType::Tree) {
                committed.insert(format!("{parent}{}", String::from_utf8_lossy(entry.name_bytes())), entry.id());
            }
            git2::TreeWalkResult::Ok
        })
        .map_err(fail())?;
        Ok(committed)
    }

    /// The first path whose file differs from a vault's tree, or that only one of the two has.
    pub(crate) fn first_difference(&self, tree: Oid, folder: &crate::folder::Folder) -> Result<Option<String>> {
        let fail = || Error::git("read a commit");
        let mut committed = self.files_of(tree)?;
        for (path, _) in crate::folder::tree(folder, "")? {
            let Some(oid) = committed.remove(&path) else {
                // What Git does not have is not attested; `check` tells of it.
                continue;
            };
            let same = match folder.read(&path, layout::limit::CIPHERTEXT)? {
                Some(bytes) => Oid::hash_object(ObjectType::Blob, &bytes).map_err(fail())? == oid,
                None => false,
            };
            if !same {
                return Ok(Some(path));
            }
        }
        Ok(committed.into_keys().next())
    }

    /// Repeats the vault's attributes in `$GIT_DIR/info/attributes`, which a nested `.gitattributes` cannot override.
    pub(crate) fn protect_bytes(&self) -> Result<()> {
        let file = self.git.commondir().join("info").join("attributes");
        let line = format!("{} {}", attributes_pattern(&self.prefix), layout::ATTRIBUTES).into_bytes();
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", &file)(error)),
        };
        if text.split(|byte| *byte == b'\n').any(|existing| existing == line) {
            return Ok(());
        }
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let gap: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
        let temporary = file.with_extension("agent-vault-new");
        std::fs::write(&temporary, [text.as_slice(), gap, line.as_slice(), b"\n"].concat())
            .map_err(Error::io("write", &temporary))?;
        std::fs::rename(&temporary, &file).map_err(Error::io("write", &file))
    }
}

/// The pattern of everything below `prefix`: glob characters escaped, in quotes where there is a blank
/// (gitattributes(5)).
fn attributes_pattern(prefix: &str) -> String {
    let mut pattern = String::new();
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | '\\' | '!' | '#') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push_str("**");
    if pattern.contains([' ', '\t', '"']) {
        format!("\"{}\"", pattern.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_and_globs_is_one_pattern() {
        assert_eq!(attributes_pattern(".agent-vault/"), ".agent-vault/**");
        assert_eq!(attributes_pattern("a b/[x]/.agent-vault/"), "\"a b/\\\\[x]/.agent-vault/**\"");
    }
}
