//! A real repository in a temporary folder, laid out anew for each input.

use super::case::{At, Case, Lies};
use crate::digest::Digest;
use crate::layout;
use git2::{Oid, Repository, Signature, Time};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The paths that journals of these inputs name, sorted: a pair and a tombstone of one secret, half of another's.
pub(super) const PATHS: [&str; 6] =
    ["manifest.sig", "manifest.yaml", "secrets/a/b.enc", "secrets/a/b.gone", "secrets/a/b.meta", "secrets/d/e.enc"];
/// What a file of them may hold.
pub(super) const CONTENTS: [&str; 3] = ["old", "new", "other"];

/// One of a path's contents; never that of another path.
pub(super) fn content(path: usize, content: usize) -> String {
    format!("{} {}\n", CONTENTS[content], PATHS[path])
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thing {
    File(Vec<u8>),
    Link(PathBuf),
}

impl Thing {
    pub(super) fn digest(&self) -> Option<Digest> {
        match self {
            Self::File(bytes) => Some(Digest::of(bytes)),
            Self::Link(_) => None,
        }
    }
}

/// Files and links by path.
pub(super) type Found = BTreeMap<PathBuf, Thing>;

/// The ids of the three commits: of the state before a change, of the change, of one after it. They are the same in every
/// repository of these laws, so that an input may name them.
pub(super) fn commits() -> &'static [String; 3] {
    static COMMITS: OnceLock<[String; 3]> = OnceLock::new();
    COMMITS.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        make_commits(&Repository::init(dir.path()).expect("a repository")).map(|oid| oid.to_string())
    })
}

fn make_commits(git: &Repository) -> [Oid; 3] {
    let author = Signature::new("eric", "eric@example.org", &Time::new(1_800_000_000, 0)).expect("an author");
    let mut last: Option<Oid> = None;
    [0, 1, 2].map(|number| {
        let mut builder = git.treebuilder(None).expect("a tree");
        let blob = git.blob(content(0, number).as_bytes()).expect("a blob");
        builder.insert("file", blob, 0o100_644).expect("an entry");
        let tree = git.find_tree(builder.write().expect("a tree")).expect("the tree");
        let parent = last.map(|oid| git.find_commit(oid).expect("a commit"));
        let commit = git.commit(None, &author, &author, "change", &tree, &parent.iter().collect::<Vec<_>>());
        *last.insert(commit.expect("a commit"))
    })
}

/// The repository, a vault's folder in it, and a folder beside it that nothing may touch.
pub(super) struct World {
    dir: TempDir,
    commits: [Oid; 3],
    index: Vec<u8>,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut options = git2::RepositoryInitOptions::new();
        options.external_template(false).initial_head("main");
        let git = Repository::init_opts(dir.path().join("repo"), &options).expect("a repository");
        let commits = make_commits(&git);
        git.reference("refs/heads/topic", commits[0], true, "").expect("a branch");
        git.index().and_then(|mut index| index.write()).expect("an index");
        let index = std::fs::read(dir.path().join("repo/.git/index")).expect("an index");
        std::fs::create_dir(dir.path().join("beside")).expect("a folder");
        // What a path out of the vault, or a reference out of Git's folder, would hit: empty, as a stale lock is.
        for name in ["main.lock", "file", "b.enc"] {
            std::fs::write(dir.path().join("beside").join(name), "").expect("a file");
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        Self { dir, commits, index }
    }

    pub(super) fn vault(&self) -> PathBuf {
        self.dir.path().join("repo").join(layout::FOLDER)
    }

    fn git(&self) -> PathBuf {
        self.dir.path().join("repo/.git")
    }

    /// Git's private folder for this program.
    pub(super) fn private(&self) -> PathBuf {
        self.git().join("agent-vault")
    }

    /// Git's files that a recovery may change: the index, and its own stale locks.
    pub(super) fn written_by_recovery(&self) -> [PathBuf; 3] {
        ["index", "index.lock", "refs/heads/main.lock"].map(|name| self.git().join(name))
    }

    /// Everything below the temporary folder but Git's objects.
    pub(super) fn everything(&self) -> Found {
        let mut found = Found::new();
        let mut folders = vec![self.dir.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let kind = path.symlink_metadata().expect("an entry").file_type();
                if kind.is_symlink() {
                    let to = std::fs::read_link(&path).expect("a link");
                    found.insert(path, Thing::Link(to));
                } else if !kind.is_dir() {
                    let bytes = std::fs::read(&path).expect("a file");
                    found.insert(path, Thing::File(bytes));
                } else if !path.ends_with(".git/objects") {
                    folders.push(path);
                }
            }
        }
        found
    }

    /// Makes the world what an input says.
    pub(super) fn lay_out(&self, case: &Case) {
        for dir in [self.vault(), self.private()] {
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).expect("a folder");
        }
        let _ = std::fs::remove_file(self.git().join("index.lock"));
        write(&self.git().join("index"), &self.index);
        self.point_head(case.at);
        for (path, lies) in case.files.iter().enumerate() {
            self.lay(path, *lies);
        }
        if case.link {
            // The folder of the last path: a link where the others have real ones.
            let _ = std::fs::remove_dir_all(self.vault().join("secrets/d"));
            self.link(&self.vault().join("secrets/d"), "beside");
        }
        let private = self.private();
        for (number, staged) in case.staged.iter().enumerate() {
            if let Some((path, which)) = staged {
                write(&private.join("stage").join(number.to_string()), content(*path, *which).as_bytes());
            }
        }
        if case.aside {
            let aside = private.join(format!("set-aside-{}", self.commits[1]));
            write(&aside.join("stage/0"), b"kept from before\n");
            write(&aside.join("journal.json"), b"kept from before\n");
        }
        let lock = self.git().join("refs/heads/main.lock");
        let _ = std::fs::remove_file(&lock);
        if case.leftovers {
            write(&self.git().join("index.lock"), b"agent-vault holds this index");
            write(&private.join("index"), b"half an ind");
            write(&private.join("index.lock"), b"");
            write(&private.join("journal.new"), b"{\"version\":1");
            write(&lock, self.commits[1].to_string().as_bytes());
        }
        if !case.journal.is_empty() {
            write(&private.join("journal.json"), &case.journal);
        }
    }

    fn point_head(&self, at: At) {
        let [from, to, later] = self.commits;
        let branch = |commit: Oid| {
            write(&self.git().join("HEAD"), b"ref: refs/heads/main\n");
            write(&self.git().join("refs/heads/main"), format!("{commit}\n").as_bytes());
        };
        match at {
            At::From => branch(from),
            At::To => branch(to),
            At::Later => branch(later),
            At::Elsewhere => {
                branch(from);
                write(&self.git().join("HEAD"), b"ref: refs/heads/topic\n");
            }
            At::Detached => {
                branch(to);
                write(&self.git().join("HEAD"), format!("{to}\n").as_bytes());
            }
        }
    }

    fn lay(&self, path: usize, lies: Lies) {
        let file = self.vault().join(PATHS[path]);
        match lies {
            Lies::Nothing => {}
            Lies::Content(which) => write(&file, content(path, which).as_bytes()),
            Lies::Folder => std::fs::create_dir_all(file).expect("a folder"),
            Lies::Link => self.link(&file, "beside/file"),
        }
    }

    #[cfg(unix)]
    fn link(&self, at: &Path, to: &str) {
        std::fs::create_dir_all(at.parent().expect("a folder above")).expect("a folder");
        std::os::unix::fs::symlink(self.dir.path().join(to), at).expect("a link");
    }

    /// Elsewhere a link needs rights that tests do not have.
    #[cfg(not(unix))]
    fn link(&self, _at: &Path, _to: &str) {}
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}
