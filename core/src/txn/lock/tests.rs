//! A lock is waited for, taken once, and taken away from nobody who lives.

use super::*;
use crate::layout;

struct Locked {
    dir: tempfile::TempDir,
    repo: Repo,
    workshop: Workshop,
}

impl Locked {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vault = dir.path().join(layout::FOLDER);
        std::fs::create_dir_all(&vault).unwrap();
        git2::Repository::init(dir.path()).unwrap();
        let repo = Repo::open(&vault).unwrap();
        let workshop = Workshop::new(&repo);
        std::fs::create_dir_all(&workshop.dir).unwrap();
        Self { dir, repo, workshop }
    }
}

const NO_WAIT: Wait = Wait { vault: Duration::ZERO, index: Duration::ZERO };

#[test]
fn a_lock_that_another_holds_is_busy_and_free_once_it_is_dropped() {
    let here = Locked::new();
    let vault = VaultLock::take(&here.workshop, NO_WAIT).unwrap();
    assert!(matches!(VaultLock::take(&here.workshop, NO_WAIT), Err(Error::Busy { what: "the vault", .. })));
    drop(vault);
    VaultLock::take(&here.workshop, NO_WAIT).unwrap();
    let index = IndexLock::take(&here.repo, &here.workshop, NO_WAIT).unwrap();
    assert!(matches!(
        IndexLock::take(&here.repo, &here.workshop, NO_WAIT),
        Err(Error::Busy { what: "Git's index", .. })
    ));
    drop(index);
    IndexLock::take(&here.repo, &here.workshop, NO_WAIT).unwrap();
    assert!(!here.repo.index_lock().exists());
}

#[test]
fn a_lock_that_cannot_be_made_is_an_error_of_its_own_and_not_waited_for() {
    let here = Locked::new();
    let elsewhere = Workshop { dir: here.dir.path().join("elsewhere") };
    std::fs::create_dir(&elsewhere.dir).unwrap();
    std::fs::remove_dir_all(here.dir.path().join(".git")).unwrap();
    assert!(matches!(IndexLock::take(&here.repo, &elsewhere, NO_WAIT), Err(Error::Io { action: "create", .. })));
}

#[test]
fn a_dead_writers_index_lock_is_removed_and_nobody_elses() {
    let here = Locked::new();
    let lock = here.repo.index_lock();
    remove_stale(&lock).unwrap();
    std::mem::forget(IndexLock::take(&here.repo, &here.workshop, NO_WAIT).unwrap());
    assert!(lock.exists());
    remove_stale(&lock).unwrap();
    assert!(!lock.exists());
    for git in ["", "DIRC"] {
        std::fs::write(&lock, git).unwrap();
        remove_stale(&lock).unwrap();
        assert_eq!(std::fs::read_to_string(&lock).unwrap(), git);
    }
}

#[test]
fn a_branchs_lock_is_removed_when_it_holds_the_journals_commit_or_stays_empty() {
    let here = Locked::new();
    let lock = here.dir.path().join("main.lock");
    let commit = "01".repeat(20);
    remove_stale_ref(&lock, &commit).unwrap();
    for ours in [String::new(), commit.clone(), format!("{commit}\n")] {
        std::fs::write(&lock, &ours).unwrap();
        remove_stale_ref(&lock, &commit).unwrap();
        assert!(!lock.exists(), "{ours:?}");
    }
    std::fs::write(&lock, "02".repeat(20)).unwrap();
    remove_stale_ref(&lock, &commit).unwrap();
    assert!(lock.exists());
}

#[test]
fn what_is_tried_is_tried_again_until_it_works_or_time_is_up() {
    let mut tried = 0;
    let done = poll(Duration::from_secs(600), || {
        tried += 1;
        (tried == 12).then_some(tried)
    });
    assert_eq!(done, Some(12));
    let mut tried = 0;
    assert_eq!(
        poll(Duration::ZERO, || -> Option<()> {
            tried += 1;
            None
        }),
        None
    );
    assert_eq!(tried, 1, "once, however little time there is");
}
