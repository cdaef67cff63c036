//! How a transaction ends: finished, withdrawn, forgotten or set aside.

use super::step::{self, End};
use super::{Journal, Workshop, flush, journal};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::repo::Repo;
use std::path::PathBuf;

/// A transaction that is being ended, by its own writer or by a later one.
pub(super) struct Ending<'t> {
    pub folder: &'t Folder,
    pub repo: &'t Repo,
    pub workshop: &'t Workshop,
    pub journal: &'t Journal,
    /// The index that its writer has read already.
    pub index: Option<git2::Index>,
}

impl Ending<'_> {
    /// Makes these steps, one after the other, until one fails.
    pub(super) fn run(mut self, steps: impl IntoIterator<Item = End>) -> Result<()> {
        for step in steps {
            self.make(step)?;
            step::made::end(step);
        }
        Ok(())
    }

    fn make(&mut self, step: End) -> Result<()> {
        match step {
            // What is acknowledged is where the branch is.
            End::FlushBranch => flush::named(&self.repo.reference_file(&self.journal.branch)),
            End::Put(at) => self.put(at),
            End::Remove(at) => self.folder.remove(&self.journal.files[at].path),
            End::Index => {
                let copy = self.workshop.index();
                let index = self.index.take().map_or_else(|| self.repo.read_index(&copy), Ok)?;
                self.repo.write_index(index, &copy, &self.journal.blobs()?)
            }
            End::Close => journal::remove(&self.workshop.journal()),
            End::Clear => {
                self.workshop.clear();
                Ok(())
            }
            End::Prune => {
                let new = self.journal.files.iter().filter(|target| target.old.is_none());
                new.for_each(|target| self.folder.prune(&target.path));
                Ok(())
            }
            End::KeepStage => self.keep("stage"),
            End::KeepJournal => self.keep("journal.json"),
        }
    }

    /// Puts a staged file in its place; it lies there already when it is staged no more.
    fn put(&self, at: usize) -> Result<()> {
        let target = &self.journal.files[at];
        let staged = target.new.as_ref().map(|new| self.workshop.staged(new.stage));
        match staged.filter(|staged| staged.exists()) {
            Some(staged) => {
                self.folder.make_parents(&target.path)?;
                self.folder.adopt(&staged, &target.path)
            }
            None => Ok(()),
        }
    }

    /// Moves something of the workshop to where it is kept.
    fn keep(&self, name: &str) -> Result<()> {
        let aside = self.aside();
        std::fs::create_dir_all(&aside).map_err(Error::io("create", &aside))?;
        match std::fs::rename(self.workshop.dir.join(name), aside.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("write", aside)(error)),
            _ => Ok(()),
        }
    }

    /// The folder that keeps this journal, or will: one that holds no other and, while there are staged files, no others.
    pub(super) fn aside(&self) -> PathBuf {
        let taken = |dir: &PathBuf| {
            let both = |name: &str| dir.join(name).exists() && self.workshop.dir.join(name).exists();
            both("journal.json") || both("stage")
        };
        let name = format!("set-aside-{}", self.journal.to);
        let others = (2..).map(|number| self.workshop.dir.join(format!("{name}-{number}")));
        let mut dirs = [self.workshop.dir.join(&name)].into_iter().chain(others);
        dirs.find(|dir| !taken(dir)).unwrap_or_else(|| self.workshop.dir.join(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::Head;

    #[test]
    fn what_is_set_aside_never_takes_the_place_of_what_was_set_aside_before() {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        let vault = repo.join(crate::layout::FOLDER);
        std::fs::create_dir_all(&vault).unwrap();
        git2::Repository::init(&repo).unwrap();
        let (folder, repo) = (Folder::open(&vault).unwrap(), Repo::open(&vault).unwrap());
        let workshop = Workshop::new(&repo);
        let head = Head { reference: "refs/heads/main".into(), commit: None };
        let mut journal = Journal::new(&head, Vec::new());
        journal.to = "01".repeat(20);
        for (number, name) in ["", "-2", "-3"].into_iter().enumerate() {
            std::fs::create_dir_all(workshop.stage()).unwrap();
            std::fs::write(workshop.staged(0), format!("staged {number}")).unwrap();
            std::fs::write(workshop.journal(), format!("journal {number}")).unwrap();
            let ending =
                || Ending { folder: &folder, repo: &repo, workshop: &workshop, journal: &journal, index: None };
            let aside = ending().aside();
            assert_eq!(aside, workshop.dir.join(format!("set-aside-{}{name}", journal.to)));
            // Killed in the middle, and again from the start.
            ending().run([End::KeepStage]).unwrap();
            assert_eq!(ending().aside(), aside, "the other half goes to the same folder");
            ending().run(step::SETTING_ASIDE).unwrap();
            assert_eq!(std::fs::read_to_string(aside.join("stage/0")).unwrap(), format!("staged {number}"));
            assert_eq!(std::fs::read_to_string(aside.join("journal.json")).unwrap(), format!("journal {number}"));
            assert!(!workshop.journal().exists() && !workshop.stage().exists());
        }
        let first = workshop.dir.join(format!("set-aside-{}", journal.to));
        assert_eq!(std::fs::read_to_string(first.join("stage/0")).unwrap(), "staged 0");
    }
    #[cfg(unix)]
    #[test]
    fn what_cannot_be_set_aside_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let vault = dir.path().join(crate::layout::FOLDER);
        std::fs::create_dir_all(&vault).unwrap();
        git2::Repository::init(dir.path()).unwrap();
        let (folder, repo) = (Folder::open(&vault).unwrap(), Repo::open(&vault).unwrap());
        let workshop = Workshop::new(&repo);
        let mut journal = Journal::new(&Head { reference: "refs/heads/main".into(), commit: None }, Vec::new());
        journal.to = "01".repeat(20);
        std::fs::create_dir_all(workshop.stage()).unwrap();
        std::fs::write(workshop.staged(0), "staged").unwrap();
        std::fs::write(workshop.journal(), "journal").unwrap();
        // A folder cannot be moved over a link that leads nowhere.
        let aside = workshop.dir.join(format!("set-aside-{}", journal.to));
        std::fs::create_dir_all(&aside).unwrap();
        std::os::unix::fs::symlink("nowhere", aside.join("stage")).unwrap();
        let ending = Ending { folder: &folder, repo: &repo, workshop: &workshop, journal: &journal, index: None };
        assert!(matches!(ending.run(step::SETTING_ASIDE), Err(Error::Io { .. })));
        assert_eq!(std::fs::read_to_string(workshop.staged(0)).unwrap(), "staged");
        assert_eq!(std::fs::read_to_string(workshop.journal()).unwrap(), "journal");
    }
}
