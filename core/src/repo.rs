//! Git through libgit2: commits of the vault's own paths and nothing else, in process.
//!
//! No hook, filter or helper of the repository is ever run here, and bytes never pass through Git's conversions.

use crate::error::{Error, Result};
use crate::layout;
use git2::{ObjectType, Oid, Repository, RepositoryOpenFlags, RepositoryState, Signature};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod attributes;
mod history;
mod index;
mod merge;
mod objects;
mod partial;
mod tree;
mod upstream;

pub(crate) use history::{Commit, Differences, Known, SecretChange};
pub(crate) use merge::Signer;
pub(crate) use partial::Reach;
pub(crate) use tree::{Entry, SecretFiles};
pub(crate) use upstream::check_branch;

/// File mode of a regular file, in a tree and in the index.
const BLOB: i32 = 0o100_644;

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

/// Refuses a repository whose own files lie around the vault. Git takes every folder with `HEAD`, `objects` and `refs` for
/// one and does what its `config` says, and a push can bring such files; what is called `.git` no push can bring.
fn check_apart(git: &Repository, above: &Path) -> Result<()> {
    let canonical = |path: &Path| path.canonicalize().map_err(Error::io("find", path));
    let own = canonical(git.path())?;
    if git.is_bare() || !canonical(above)?.starts_with(&own) {
        return Ok(());
    }
    Err(Error::tampered(
        own,
        "HEAD, objects, refs and config lie here, beside committed files, and make Git take this folder for a repository; nothing in it was run",
    ))
}

/// The id that Git gives a file's content.
pub(crate) fn blob_id(bytes: &[u8]) -> Result<Oid> {
    Oid::hash_object(ObjectType::Blob, bytes).map_err(Error::git("read a file"))
}

/// What one path of the vault becomes: a blob, or nothing.
pub(crate) type Changes = BTreeMap<String, Option<Oid>>;

impl Repo {
    /// Opens the repository whose work tree holds `vault_dir`.
    pub(crate) fn open(vault_dir: &Path) -> Result<Self> {
        agent_vault_sys::allow_foreign_repositories();
        let above = vault_dir.parent().unwrap_or(vault_dir);
        // One walk up, where `Repository::discover` takes two.
        let git = Repository::open_ext(above, RepositoryOpenFlags::CROSS_FS, std::iter::empty::<&Path>())
            .map_err(Error::unopened)?;
        check_apart(&git, above)?;
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
            Err(error) => Err(Error::unopened(error)),
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

    /// The file of a reference that was just moved. HEAD is the work tree's, branches are everybody's.
    pub(crate) fn reference_file(&self, reference: &str) -> PathBuf {
        let dir = if reference == "HEAD" { self.git.path() } else { self.git.commondir() };
        dir.join(reference)
    }

    /// Git's own lock of a reference.
    pub(crate) fn reference_lock(&self, reference: &str) -> PathBuf {
        self.reference_file(&format!("{reference}.lock"))
    }

    /// The top of the work tree, and this work tree's own `$GIT_DIR`.
    pub(crate) fn dirs(&self) -> (&Path, &Path) {
        (&self.workdir, self.git.path())
    }

    /// The vault's folder, relative to the top of the work tree.
    pub(crate) fn folder(&self) -> &str {
        self.prefix.trim_end_matches('/')
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

    /// Whether a commit, named by its id, is in a reference's history.
    pub(crate) fn has(&self, reference: &str, commit: &str) -> bool {
        let (Ok(Some(at)), Ok(commit)) = (self.commit_of(reference), Oid::from_str(commit)) else { return false };
        at == commit || self.git.graph_descendant_of(at, commit).unwrap_or(false)
    }

    /// The vault's tree in a commit.
    pub(crate) fn vault_tree(&self, commit: Option<Oid>) -> Result<Option<Oid>> {
        let Some(commit) = commit else { return Ok(None) };
        let tree =
            self.git.find_commit(commit).and_then(|commit| commit.tree()).map_err(Error::git("read a commit"))?;
        Ok(tree.get_path(Path::new(self.prefix.trim_end_matches('/'))).ok().map(|entry| entry.id()))
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
    pub(crate) fn move_ref(&self, head: &Head, commit: Oid, log: &str) -> Result<bool> {
        let moved = match head.commit {
            Some(old) => self.git.reference_matching(&head.reference, commit, true, old, log),
            None => self.git.reference(&head.reference, commit, false, log),
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
}
