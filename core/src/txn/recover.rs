//! After a crash: finish the journal's transaction, forget it, or set it aside and say so.

use super::{Journal, Wait, Workshop, finish, journal, lock};
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

/// Pure: decides by where the branch is and what the files are now (`None`: absent).
pub(super) fn verdict(journal: &Journal, head: &Head, digests: &[Option<Digest>]) -> Verdict {
    if head.reference != journal.branch {
        return Verdict::SetAside("another branch is checked out now");
    }
    let at = head.commit.map(|oid| oid.to_string());
    let fits = journal
        .files
        .iter()
        .zip(digests)
        .all(|(target, now)| *now == target.old || *now == target.new.as_ref().map(|new| new.digest));
    if at == journal.from {
        // The branch is what moves first: no file was touched.
        return Verdict::Forget;
    }
    if at.as_deref() != Some(&journal.to) {
        return Verdict::SetAside("the branch has moved on since");
    }
    if fits { Verdict::Finish } else { Verdict::SetAside("the vault's files were changed since") }
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
    let Some(found) = workshop.read_journal()? else {
        workshop.clear();
        return Ok(Recovered::Nothing);
    };
    workshop.clear_index();
    lock::remove_stale_ref(&repo.reference_lock(&found.branch), &found.to)?;
    let digests = found
        .files
        .iter()
        .map(|target| Ok(folder.read(&target.path, layout::limit::CIPHERTEXT)?.map(|bytes| Digest::of(&bytes))))
        .collect::<Result<Vec<_>>>()?;
    match verdict(&found, &repo.head()?, &digests) {
        Verdict::Finish => {
            let _index_lock = lock::IndexLock::take(repo, workshop, Wait::default())?;
            check_staged(workshop, &found, &digests)?;
            finish(folder, repo, workshop, &found, &found.blobs()?, None)?;
            Ok(Recovered::Finished(found.files.into_iter().map(|target| target.path).collect()))
        }
        Verdict::Forget => {
            journal::remove(&workshop.journal())?;
            workshop.clear();
            for target in found.files.iter().filter(|target| target.old.is_none()) {
                folder.prune(&target.path);
            }
            Ok(Recovered::Forgotten)
        }
        Verdict::SetAside(reason) => {
            let aside = workshop.dir.join(format!("set-aside-{}", found.to));
            std::fs::create_dir_all(&aside).map_err(Error::io("create", &aside))?;
            let _ = std::fs::rename(workshop.stage(), aside.join("stage"));
            std::fs::rename(workshop.journal(), aside.join("journal.json")).map_err(Error::io("write", &aside))?;
            workshop.clear();
            Ok(Recovered::SetAside(aside, reason))
        }
    }
}

/// Every target that is not new yet must have its staged file, with the journal's bytes.
fn check_staged(workshop: &Workshop, journal: &Journal, digests: &[Option<Digest>]) -> Result<()> {
    for (target, now) in journal.files.iter().zip(digests) {
        let Some(new) = target.new.as_ref().filter(|new| *now != Some(new.digest)) else { continue };
        let staged = workshop.staged(new.stage);
        let bytes = std::fs::read(&staged).map_err(Error::io("read", &staged))?;
        if Digest::of(&bytes) != new.digest {
            return Err(Error::corrupt(staged, "a staged file is damaged, and its transaction cannot be finished"));
        }
    }
    Ok(())
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
        Journal::new(&head, vec![changed, removed]).with_commit(oid(2))
    }

    fn head(branch: &str, commit: u8) -> Head {
        Head { reference: format!("refs/heads/{branch}"), commit: Some(oid(commit)) }
    }

    #[test]
    fn a_journal_is_finished_only_on_its_branch_and_only_over_its_own_files() {
        let all = [Some(digest("old")), Some(digest("gone"))];
        assert_eq!(verdict(&journal(), &head("main", 1), &all), Verdict::Forget);
        assert_eq!(verdict(&journal(), &head("main", 2), &all), Verdict::Finish);
        assert_eq!(verdict(&journal(), &head("main", 2), &[Some(digest("new")), None]), Verdict::Finish);
        assert!(matches!(verdict(&journal(), &head("main", 2), &[Some(digest("other")), None]), Verdict::SetAside(_)));
        assert!(matches!(verdict(&journal(), &head("main", 3), &all), Verdict::SetAside(_)));
        assert!(matches!(verdict(&journal(), &head("topic", 1), &all), Verdict::SetAside(_)));
    }
}
