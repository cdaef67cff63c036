//! After a crash: finish the journal's transaction, forget it, or set it aside and say so.

use super::{Ending, Journal, Target, Wait, Workshop, lock, step};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::layout;
use crate::repo::{Head, Repo};
use std::path::PathBuf;

/// What recovery did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// There was nothing to do.
    Nothing,
    /// A transaction was completed; its paths.
    Finished(Vec<String>),
    /// A transaction that had not begun to change anything was dropped.
    Forgotten,
    /// A transaction that fits neither the branch nor the files was moved here for a person to look at.
    SetAside(PathBuf, &'static str),
}

/// What to do with a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Finish,
    Forget,
    SetAside(&'static str),
}

/// What is on disk of one target; `None`: absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    pub file: Option<Digest>,
    pub staged: Option<Digest>,
}

/// Pure: decides by where the branch is and what the targets are now.
pub(super) fn verdict(journal: &Journal, head: &Head, now: &[Now]) -> Verdict {
    if head.reference != journal.branch {
        return Verdict::SetAside("another branch is checked out now");
    }
    let targets = || journal.files.iter().zip(now).map(|(target, now)| (target, target.digest(), now));
    let at = head.commit.map(|oid| oid.to_string());
    if at == journal.from {
        // The branch is what moves first: only who moved it back finds files that are new.
        return match targets().any(|(target, new, now)| now.file == new && now.file != target.old) {
            false => Verdict::Forget,
            true => Verdict::SetAside("the branch was moved back since"),
        };
    }
    if at.as_deref() != Some(&journal.to) {
        return Verdict::SetAside("the branch has moved on since");
    }
    if targets().any(|(target, new, now)| now.file != target.old && now.file != new) {
        return Verdict::SetAside("the vault's files were changed since");
    }
    // What is staged would take its place; what is not must be there.
    if targets().any(|(_, new, now)| new.is_some() && now.staged.or(now.file) != new) {
        return Verdict::SetAside("its staged files are damaged or gone");
    }
    Verdict::Finish
}

/// Takes the vault's lock and recovers, for who looks at the whole vault: while the lock is held, no writer comes in
/// between. There is none where nobody ever wrote.
pub(crate) fn recover(folder: &Folder, repo: &Repo, wait: Wait) -> Result<(Recovered, Option<lock::VaultLock>)> {
    let workshop = Workshop::new(repo);
    if !workshop.dir.exists() {
        return Ok((Recovered::Nothing, None));
    }
    let lock = lock::VaultLock::take(&workshop, wait)?;
    Ok((under_lock(folder, repo, &workshop)?, Some(lock)))
}

/// Recovers; the caller holds the vault's lock.
pub(super) fn under_lock(folder: &Folder, repo: &Repo, workshop: &Workshop) -> Result<Recovered> {
    lock::remove_stale(&repo.index_lock())?;
    repo.forget_stale_config()?;
    let Some(found) = workshop.read_journal()? else {
        workshop.clear();
        return Ok(Recovered::Nothing);
    };
    workshop.clear_index();
    lock::remove_stale_ref(&repo.reference_lock(&found.branch), &found.to)?;
    let now = found.files.iter().map(|target| look(folder, workshop, target)).collect::<Result<Vec<_>>>()?;
    let ending = Ending { folder, repo, workshop, journal: &found, index: None };
    match verdict(&found, &repo.head()?, &now) {
        Verdict::Finish => {
            let _index_lock = lock::IndexLock::take(repo, workshop, Wait::default())?;
            ending.run(step::finishing(&found.files))?;
            Ok(Recovered::Finished(found.files.into_iter().map(|target| target.path).collect()))
        }
        Verdict::Forget => {
            ending.run(step::FORGETTING)?;
            Ok(Recovered::Forgotten)
        }
        Verdict::SetAside(reason) => {
            let aside = ending.aside();
            ending.run(step::SETTING_ASIDE)?;
            Ok(Recovered::SetAside(aside, reason))
        }
    }
}

fn look(folder: &Folder, workshop: &Workshop, target: &Target) -> Result<Now> {
    let staged = match target.new.as_ref().map(|new| workshop.staged(new.stage)) {
        None => None,
        Some(path) => match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("read", path)(error)),
        },
    };
    let digest = |bytes: Option<Vec<u8>>| bytes.map(|bytes| Digest::of(&bytes));
    Ok(Now { file: digest(folder.read(&target.path, layout::limit::CIPHERTEXT)?), staged: digest(staged) })
}

#[cfg(test)]
mod tests {
    use super::super::journal::{New, Target};
    use super::*;
    use git2::Oid;

    fn oid(n: u8) -> Oid {
        Oid::from_bytes(&[n; 20]).unwrap()
    }

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn journal() -> Journal {
        let head = Head { reference: "refs/heads/main".into(), commit: Some(oid(1)) };
        let new = New { digest: digest("new"), stage: 0, blob: oid(9).to_string() };
        let changed = Target { path: "manifest.yaml".into(), old: Some(digest("old")), new: Some(new) };
        let removed = Target { path: "secrets/a/b.enc".into(), old: Some(digest("gone")), new: None };
        let mut journal = Journal::new(&head, vec![changed, removed]);
        journal.to = oid(2).to_string();
        journal
    }

    fn head(branch: &str, commit: u8) -> Head {
        Head { reference: format!("refs/heads/{branch}"), commit: Some(oid(commit)) }
    }

    fn now(file: Option<&str>, staged: Option<&str>) -> Now {
        Now { file: file.map(digest), staged: staged.map(digest) }
    }

    #[test]
    fn a_journal_is_finished_only_on_its_branch_and_only_over_its_own_files() {
        let untouched = [now(Some("old"), Some("new")), now(Some("gone"), None)];
        let done = [now(Some("new"), None), now(None, None)];
        assert_eq!(verdict(&journal(), &head("main", 1), &untouched), Verdict::Forget);
        assert_eq!(verdict(&journal(), &head("main", 2), &untouched), Verdict::Finish);
        assert_eq!(verdict(&journal(), &head("main", 2), &done), Verdict::Finish);
        let aside = |head, now: &[Now]| matches!(verdict(&journal(), &head, now), Verdict::SetAside(_));
        assert!(aside(head("main", 2), &[now(Some("other"), Some("new")), now(None, None)]));
        assert!(aside(head("main", 3), &untouched));
        assert!(aside(head("topic", 1), &untouched));
    }

    #[test]
    fn a_journal_is_not_forgotten_where_its_branch_was_moved_back_over_new_files() {
        let gone = now(Some("gone"), None);
        for half in [[now(Some("new"), None), gone], [now(Some("old"), Some("new")), now(None, None)]] {
            assert!(matches!(verdict(&journal(), &head("main", 1), &half), Verdict::SetAside(_)), "{half:?}");
        }
        // A file that somebody edited before the change was made is none of the change's.
        let edited = [now(Some("edited"), Some("new")), gone];
        assert_eq!(verdict(&journal(), &head("main", 1), &edited), Verdict::Forget);
    }

    #[test]
    fn nothing_is_finished_with_staged_files_that_are_not_the_journals() {
        let gone = now(Some("gone"), None);
        for first in [now(Some("old"), None), now(Some("old"), Some("damaged")), now(Some("new"), Some("damaged"))] {
            assert!(matches!(verdict(&journal(), &head("main", 2), &[first, gone]), Verdict::SetAside(_)), "{first:?}");
        }
    }
}
