//! A transaction in a real repository, and what it leaves in its workshop.

use super::journal::New;
use super::*;
use git2::{Repository, ResetType};

const FILE: &str = "manifest.yaml";

struct Place {
    dir: tempfile::TempDir,
    folder: Folder,
    workshop: Workshop,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vault = dir.path().join(layout::FOLDER);
        std::fs::create_dir_all(&vault).unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        Repository::init_opts(dir.path(), options.external_template(false).initial_head("main")).unwrap();
        let (folder, repo) = (Folder::open(&vault).unwrap(), Repo::open(&vault).unwrap());
        Self { dir, folder, workshop: Workshop::new(&repo) }
    }

    fn git(&self) -> Repository {
        Repository::open(self.dir.path()).unwrap()
    }

    fn begin(&self) -> Txn<'_> {
        let repo = Repo::open(&self.dir.path().join(layout::FOLDER)).unwrap();
        Txn::begin(&self.folder, repo, Wait::default()).unwrap().0
    }

    /// Commits `text` as the file's content.
    fn change(&self, text: &str) -> git2::Oid {
        let mut txn = self.begin();
        txn.stage().put(FILE, text.as_bytes()).unwrap();
        txn.commit("change", "eric", &SigningKey::generate("test").unwrap()).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.folder.path(FILE)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    /// Everything, as it was at a commit.
    fn back(&self, to: git2::Oid) {
        let git = self.git();
        git.reset(git.find_commit(to).unwrap().as_object(), ResetType::Hard, None).unwrap();
    }

    fn head(&self) -> git2::Oid {
        self.git().head().unwrap().target().unwrap()
    }

    /// The newest line of Git's log of the branch.
    fn log(&self) -> String {
        self.git().reflog("refs/heads/main").unwrap().get(0).unwrap().message().unwrap().unwrap().to_owned()
    }
}

#[test]
fn a_change_is_logged_as_a_commit_and_leaves_nothing_in_the_workshop() {
    let place = Place::new();
    let commit = place.change("one");
    assert_eq!((place.head(), place.text().as_str()), (commit, "one"));
    assert_eq!(place.log(), "commit: change");
    let left = |place: &Place| !place.workshop.stage().exists() && !place.workshop.index().exists();
    assert!(left(&place));
    // Nor does one that was given up.
    let txn = place.begin();
    txn.stage().put(FILE, b"two").unwrap();
    assert!(place.workshop.stage().exists());
    drop(txn);
    assert!(left(&place));
    assert_eq!(place.text(), "one");
}

#[test]
fn what_a_dead_writer_left_of_the_index_is_in_nobodys_way() {
    let place = Place::new();
    place.change("one");
    std::fs::write(place.workshop.index(), "half").unwrap();
    std::fs::write(place.workshop.dir.join("index.lock"), "half").unwrap();
    place.change("two");
    assert_eq!(place.text(), "two");
    assert!(!place.workshop.index().exists() && !place.workshop.dir.join("index.lock").exists());
}

#[test]
fn a_branch_is_moved_forward_with_its_files_and_its_log_says_so() {
    let place = Place::new();
    let (first, second) = (place.change("one"), place.change("two"));
    place.back(first);
    place.begin().advance(second).unwrap();
    assert_eq!((place.head(), place.text().as_str()), (second, "two"));
    assert_eq!(place.log(), "agent-vault sync: Fast-forward");
    assert!(place.git().statuses(None).unwrap().is_empty());
}

#[test]
fn a_branch_is_not_moved_over_what_was_changed_or_staged_and_not_committed() {
    let place = Place::new();
    let (first, second) = (place.change("one"), place.change("two"));
    let stage = |text: &str| {
        std::fs::write(place.file(), text).unwrap();
        let git = place.git();
        let mut index = git.index().unwrap();
        index.add_path(&Path::new(layout::FOLDER).join(FILE)).unwrap();
        index.write().unwrap();
    };
    let edited: [(&str, &dyn Fn()); 4] = [
        ("changed", &|| std::fs::write(place.file(), "mine").unwrap()),
        ("removed", &|| std::fs::remove_file(place.file()).unwrap()),
        ("changed and staged", &|| stage("mine")),
        ("staged and changed back", &|| {
            stage("mine");
            std::fs::write(place.file(), "one").unwrap();
        }),
    ];
    for (what, edit) in edited {
        place.back(first);
        edit();
        let before = std::fs::read(place.file()).ok();
        assert!(matches!(place.begin().advance(second), Err(Error::Conflict { .. })), "{what}");
        assert_eq!((place.head(), std::fs::read(place.file()).ok()), (first, before), "{what}");
    }
}

#[test]
fn what_a_journal_promises_is_read_wherever_it_lies_and_is_nothing_else() {
    let place = Place::new();
    let new = New { digest: Digest::of(b"new"), stage: 0, blob: String::new() };
    let gone = Target { path: "secrets/a/b.enc".into(), old: Some(Digest::of(b"gone")), new: None };
    let files = vec![Target { path: FILE.into(), old: None, new: Some(new) }, gone];
    let journal = Journal::new(&Head { reference: "refs/heads/main".into(), commit: None }, files);
    let pending = |path: &str| place.workshop.pending(&place.folder, &journal, path, layout::limit::CIPHERTEXT);
    assert_eq!(pending(FILE), None);
    std::fs::create_dir_all(place.workshop.stage()).unwrap();
    std::fs::write(place.workshop.staged(0), "new").unwrap();
    assert_eq!(pending(FILE).as_deref(), Some(b"new".as_slice()));
    assert_eq!(pending("secrets/a/b.enc"), None, "it goes");
    assert_eq!(pending("secrets/a/b.meta"), None, "the journal does not name it");
    std::fs::write(place.workshop.staged(0), "damaged").unwrap();
    assert_eq!(pending(FILE), None);
    std::fs::remove_file(place.workshop.staged(0)).unwrap();
    std::fs::write(place.file(), "new").unwrap();
    assert_eq!(pending(FILE).as_deref(), Some(b"new".as_slice()), "it is in its place already");
    std::fs::write(place.file(), "old").unwrap();
    assert_eq!(pending(FILE), None);
}

#[test]
fn a_scratch_folder_is_one_of_its_own_and_goes() {
    let place = Place::new();
    let (one, two) = (place.workshop.scratch().unwrap(), place.workshop.scratch().unwrap());
    assert_ne!(one.path(), two.path());
    let kept = one.path().to_path_buf();
    std::fs::write(kept.join("object"), "content").unwrap();
    drop(one);
    assert!(!kept.exists() && two.path().is_dir());
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_flushed_is_told() {
    let place = Place::new();
    let file = place.dir.path().join("file");
    std::fs::write(&file, "content").unwrap();
    place.workshop.flush(std::slice::from_ref(&file)).unwrap();
    assert!(matches!(place.workshop.flush(&[file.join("below a file")]), Err(Error::Io { action: "flush", .. })));
}
