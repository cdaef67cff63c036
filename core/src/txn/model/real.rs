//! The model beside real transactions: the same steps in the same order, and after each the same disk.

use super::disk::{Disk, FOREIGN, GONE, Lies, PATHS, Plan, Version, lies, text};
use super::writer::{How, ending, making};
use crate::folder::Folder;
use crate::layout;
use crate::repo::Repo;
use crate::signing::SigningKey;
use crate::txn::step::{End, Step, made};
use crate::txn::{Recovered, Txn, Wait, Workshop, recover};
use git2::{Oid, Repository, Signature};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tempfile::TempDir;

/// A repository whose vault holds the files of a version; copies of it as a kill would leave it.
struct Real {
    dir: TempDir,
    /// The ids of the commits, in the order of the model's numbers; somebody else's commit is the last.
    commits: Rc<RefCell<Vec<(u8, Oid)>>>,
}

/// What was done, and a copy of everything after each step.
type Recorded = Vec<(Step, PathBuf)>;

impl Real {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut options = git2::RepositoryInitOptions::new();
        options.external_template(false).initial_head("main");
        let now = dir.path().join("now");
        let git = Repository::init_opts(&now, &options).expect("a repository");
        let mut index = git.index().expect("an index");
        for path in (0..PATHS.len()).filter(|path| lies(*path, 0).is_some()) {
            let file = now.join(layout::FOLDER).join(PATHS[path]);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text(path, 0)).expect("a file");
            index.add_path(&Path::new(layout::FOLDER).join(PATHS[path])).expect("an entry");
        }
        index.write().expect("an index");
        let first = commit(&git, index.write_tree().expect("a tree"), "refs/heads/main");
        Self { dir, commits: Rc::new(RefCell::new(vec![(0, first)])) }
    }

    fn now(&self) -> PathBuf {
        self.dir.path().join("now")
    }

    /// Makes a change, with `also` called after each step; every step and what it left.
    fn change(&self, version: Version, also: impl Fn(Step, &Path) + 'static) -> (crate::Result<Oid>, Recorded) {
        let (folder, repo) = opened(&self.now());
        let key = SigningKey::generate("test").expect("a key");
        let (mut txn, recovered) = Txn::begin(&folder, repo, Wait::default()).expect("a transaction");
        assert_eq!(recovered, Recovered::Nothing);
        for (path, relative) in PATHS.iter().enumerate() {
            match lies(path, version) {
                Some(version) => txn.stage().put(relative, text(path, version).as_bytes()).expect("staged"),
                None => txn.stage().delete(relative).expect("staged"),
            }
        }
        self.recorded(&self.now(), also, || {
            let done = txn.commit("agent-vault: change\n", "eric", &key);
            if let Ok(commit) = &done {
                self.commits.borrow_mut().push((version, *commit));
            }
            done
        })
    }

    /// Runs `act` on what lies in `now`; returns every step that it made, and a copy of what each left.
    fn recorded<T>(&self, now: &Path, also: impl Fn(Step, &Path) + 'static, act: impl FnOnce() -> T) -> (T, Recorded) {
        let recorded: Rc<RefCell<Recorded>> = Rc::default();
        let (mine, now, dir) = (recorded.clone(), now.to_path_buf(), self.dir.path().to_path_buf());
        let watcher = move |step| {
            let copy = tempfile::tempdir_in(&dir).expect("a folder").keep();
            copy_tree(&now, &copy);
            mine.borrow_mut().push((step, copy));
            also(step, &now);
        };
        let done = made::watched(watcher, act);
        (done, recorded.take())
    }

    /// A copy of its own to go on with.
    fn copy(&self, of: &Path) -> PathBuf {
        let copy = tempfile::tempdir_in(self.dir.path()).expect("a folder").keep();
        copy_tree(of, &copy);
        copy
    }

    /// What lies in a repository, as the model sees it.
    fn seen(&self, now: &Path, plan: Plan) -> Disk {
        let git = Repository::open(now).expect("a repository");
        let private = now.join(".git/agent-vault");
        let number = |oid: Oid| {
            let known = self.commits.borrow().iter().find(|(_, commit)| *commit == oid).map(|(number, _)| *number);
            // The commit of a change that is under way is not known yet.
            known.unwrap_or(plan.change)
        };
        let mut branch = Vec::new();
        let mut at = git.head().expect("HEAD").target();
        while let Some(oid) = at {
            branch.insert(0, number(oid));
            at = git.find_commit(oid).expect("a commit").parent_id(0).ok();
        }
        let version = |path: usize, bytes: Option<Vec<u8>>| -> Lies {
            let bytes = bytes?;
            Some((0..=super::LAST).find(|version| text(path, *version).as_bytes() == bytes).expect("a version"))
        };
        let index = git.index().expect("an index");
        let entry = |path: usize| {
            let entry = index.get_path(&Path::new(layout::FOLDER).join(PATHS[path]), 0)?;
            Some(git.find_blob(entry.id).expect("a blob").content().to_vec())
        };
        let file = |path: usize| std::fs::read(now.join(layout::FOLDER).join(PATHS[path])).ok();
        // Staged files have numbers in the order in which they were staged: of those paths that get content.
        let staged = (0..PATHS.len()).filter(|path| lies(*path, plan.change).is_some()).enumerate();
        let stage = staged.filter(|(number, _)| private.join("stage").join(number.to_string()).exists());
        let aside = private.join(format!("set-aside-{}", self.id(plan.change)));
        Disk {
            branch,
            flushed: true,
            prepared: private.join("journal.new").exists().then_some(plan),
            journal: private.join("journal.json").exists().then_some(plan),
            stage: stage.fold(0, |bits, (_, path)| bits | 1 << path),
            files: std::array::from_fn(|path| version(path, file(path))),
            index: std::array::from_fn(|path| version(path, entry(path))),
            index_lock: now.join(".git/index.lock").exists(),
            aside: aside.exists().then(|| {
                let staged = std::fs::read_dir(aside.join("stage")).map_or(0, Iterator::count);
                assert!(staged <= PATHS.len());
                (aside.join("journal.json").exists().then_some(plan), 0)
            }),
        }
    }

    fn id(&self, number: u8) -> String {
        let commits = self.commits.borrow();
        commits.iter().find(|(known, _)| *known == number).map(|(_, oid)| oid.to_string()).unwrap_or_default()
    }
}

/// A commit on top of a branch, as somebody with `git` makes it.
fn commit(git: &Repository, tree: Oid, branch: &str) -> Oid {
    let author = Signature::now("mara", "mara@example.org").expect("an author");
    let parent = git.refname_to_id(branch).ok().map(|oid| git.find_commit(oid).expect("a commit"));
    let tree = git.find_tree(tree).expect("a tree");
    let parents: Vec<_> = parent.iter().collect();
    git.commit(Some(branch), &author, &author, "another", &tree, &parents).expect("a commit")
}

fn opened(now: &Path) -> (Folder, Repo) {
    let vault = now.join(layout::FOLDER);
    (Folder::open(&vault).expect("a folder"), Repo::open(&vault).expect("a repository"))
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("a kind").is_dir() {
            std::fs::create_dir_all(&copy).expect("a folder");
            copy_tree(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).expect("a copy");
        }
    }
}

/// What the model's disk is after a real step. Flushes cannot be seen.
fn after(disk: &mut Disk, plan: Plan, step: Step) {
    match step {
        Step::Make(step) => assert!(disk.make(plan, step)),
        Step::End(step) => while !disk.end(plan, step) {},
    }
    disk.flushed = true;
}

/// Follows the model through real steps, and compares the disk after each.
fn compare(real: &Real, disk: &mut Disk, plan: Plan, recorded: &Recorded) {
    for (step, copy) in recorded {
        after(disk, plan, *step);
        let mut seen = real.seen(copy, plan);
        seen.aside = disk.aside;
        assert_eq!(seen, *disk, "after {step:?}");
    }
}

/// The steps of a whole change that nothing disturbs.
fn whole(plan: Plan) -> Vec<Step> {
    making().map(Step::Make).chain(ending(plan, How::Finished).into_iter().map(Step::End)).collect()
}

fn steps(recorded: &Recorded) -> Vec<Step> {
    recorded.iter().map(|(step, _)| *step).collect()
}

/// A disk on which a change is about to be made.
fn before(plan: Plan) -> Disk {
    let mut disk = Disk::new();
    if plan.old == 1 {
        disk.branch.push(1);
        (disk.files, disk.index) =
            (std::array::from_fn(|path| lies(path, 1)), std::array::from_fn(|path| lies(path, 1)));
    }
    (disk.index_lock, disk.stage) = (true, plan.staged());
    disk
}

#[test]
fn a_real_change_makes_the_models_steps_and_leaves_the_models_disk_after_each() {
    let real = Real::new();
    for change in [1, 2] {
        let plan = Plan { change, from: change - 1, old: change - 1 };
        let (done, recorded) = real.change(change, |_, _| {});
        done.expect("a commit");
        assert_eq!(steps(&recorded), whole(plan));
        compare(&real, &mut before(plan), plan, &recorded);
        let seen = real.seen(&real.now(), plan);
        assert!(seen.is_settled(), "{seen:?}");
        assert_eq!(seen.files[GONE], lies(GONE, change));
    }
}

#[test]
fn e1_a_real_recovery_after_a_kill_at_any_step_and_at_any_of_its_own_decides_as_the_model() {
    let real = Real::new();
    let plan = Plan { change: 1, from: 0, old: 0 };
    let (done, recorded) = real.change(1, |_, _| {});
    done.expect("a commit");
    let mut disk = before(plan);
    let (mut forgotten, mut finished) = (0, 0);
    for (step, copy) in &recorded {
        after(&mut disk, plan, *step);
        let how = disk.journal.map(|plan| (disk.verdict(plan), disk.branch.contains(&plan.change)));
        let (outcome, second) = killed_again(&real, copy, plan, &disk);
        match (how, outcome) {
            (None, Recovered::Nothing) => {}
            (Some((crate::txn::recover::Verdict::Forget, false)), Recovered::Forgotten) => forgotten += 1,
            (Some((crate::txn::recover::Verdict::Finish, true)), Recovered::Finished(_)) => finished += 1,
            other => panic!("after {step:?}: {other:?}"),
        }
        assert_eq!(second.newest(), disk.newest(), "after {step:?}: the branch decides");
    }
    assert!(forgotten > 0 && finished > 5, "{forgotten} forgotten, {finished} finished");
}

/// Recovers what a kill left, and what a kill at each step of that recovery left; all end the same.
fn killed_again(real: &Real, killed: &Path, plan: Plan, disk: &Disk) -> (Recovered, Disk) {
    let now = real.copy(killed);
    let recovers = |now: &Path| {
        let (folder, repo) = opened(now);
        recover(&folder, &repo, Wait::default()).expect("a recovery").0
    };
    let (outcome, recorded) = real.recorded(&now, |_, _| {}, || recovers(&now));
    let how = match &outcome {
        Recovered::Nothing => None,
        Recovered::Finished(_) => Some(How::FinishedLater),
        Recovered::Forgotten => Some(How::Forgotten),
        Recovered::SetAside(..) => Some(How::SetAside),
    };
    let expected: Vec<Step> = how.map(|how| ending(plan, how)).unwrap_or_default().into_iter().map(Step::End).collect();
    assert_eq!(steps(&recorded), expected);
    // Forgetting and setting aside take no lock of Git's.
    let mut disk = Disk { index_lock: how == Some(How::FinishedLater), ..disk.clone() };
    compare(real, &mut disk, plan, &recorded);
    let ended = real.seen(&now, plan);
    if how != Some(How::SetAside) {
        assert!(ended.is_settled(), "{ended:?}");
    }
    for (step, copy) in &recorded {
        let _ = recovers(copy);
        assert_eq!(real.seen(copy, plan), ended, "killed again after {step:?}");
    }
    (outcome, ended)
}

#[test]
fn e1_a_real_change_that_loses_the_race_is_withdrawn_by_the_models_steps() {
    let real = Real::new();
    let plan = Plan { change: 1, from: 0, old: 0 };
    let commits = real.commits.clone();
    let (done, recorded) = real.change(1, move |step, now| {
        if step == Step::Make(crate::txn::step::Make::Publish) {
            let git = Repository::open(now).expect("a repository");
            let tree = git.head().and_then(|head| head.peel_to_tree()).expect("a tree").id();
            commits.borrow_mut().push((FOREIGN, commit(&git, tree, "refs/heads/main")));
        }
    });
    assert!(matches!(done, Err(crate::Error::Conflict { .. })), "{done:?}");
    let withdrawn = making().take(making().count() - 1).map(Step::Make);
    let expected: Vec<Step> = withdrawn.chain(ending(plan, How::Withdrawn).into_iter().map(Step::End)).collect();
    assert_eq!(steps(&recorded), expected);
    let seen = real.seen(&real.now(), plan);
    assert_eq!(seen.branch, [0, FOREIGN]);
    assert!(seen.is_settled(), "{seen:?}");
}

#[test]
fn e1_what_is_set_aside_after_a_kill_is_all_there() {
    let real = Real::new();
    let plan = Plan { change: 1, from: 0, old: 0 };
    let (done, recorded) = real.change(1, |_, _| {});
    done.expect("a commit");
    let half = recorded.iter().position(|(step, _)| matches!(step, Step::End(End::Put(_)))).expect("a put");
    let copy = &recorded[half].1;
    let git = Repository::open(copy).expect("a repository");
    let tree = git.head().and_then(|head| head.peel_to_tree()).expect("a tree").id();
    real.commits.borrow_mut().push((FOREIGN, commit(&git, tree, "refs/heads/main")));
    let private = copy.join(".git/agent-vault");
    let journal = std::fs::read(private.join("journal.json")).expect("a journal");
    let staged = std::fs::read_dir(private.join("stage")).expect("a stage").count();
    assert!(staged > 2, "{staged} files");
    let mut disk = before(plan);
    recorded[..=half].iter().for_each(|(step, _)| after(&mut disk, plan, *step));
    disk.branch.push(FOREIGN);
    let (outcome, _) = killed_again(&real, copy, plan, &disk);
    let Recovered::SetAside(folder, _) = outcome else { panic!("{outcome:?}") };
    assert_eq!(std::fs::read(folder.join("journal.json")).expect("kept"), journal);
    assert_eq!(std::fs::read_dir(folder.join("stage")).expect("kept").count(), staged);
    let workshop = Workshop::new(&opened(copy).1);
    assert!(workshop.read_journal().expect("readable").is_some(), "the copy that was killed is as it was");
}

#[test]
fn e1_a_staged_file_that_cannot_be_read_stops_the_recovery_and_loses_nothing() {
    let real = Real::new();
    let (done, recorded) = real.change(1, |_, _| {});
    done.expect("a commit");
    let moved = recorded.iter().find(|(step, _)| *step == Step::Make(crate::txn::step::Make::Move)).expect("a move");
    let private = moved.1.join(".git/agent-vault");
    std::fs::remove_file(private.join("stage/0")).expect("a staged file");
    std::fs::create_dir(private.join("stage/0")).expect("a folder");
    let staged = std::fs::read_dir(private.join("stage")).expect("a stage").count();
    let (folder, repo) = opened(&moved.1);
    assert!(matches!(recover(&folder, &repo, Wait::default()), Err(crate::Error::Io { .. })));
    assert!(private.join("journal.json").exists());
    assert_eq!(std::fs::read_dir(private.join("stage")).expect("a stage").count(), staged);
}
