//! Another successor of a root takes the place of the one that was trusted here: what was written under that one is named.

use super::past::{Past, judged};
use super::{News, Notice, Vault};
use crate::error::Result;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::Repo;
use git2::Oid;

/// Keeps the last commit under a root that was given up from being collected.
const APART: &str = "refs/agent-vault/apart";

impl Vault {
    /// Forgets what was seen under the root that was trusted before, and tells what was written under it.
    pub(super) fn part(&self) -> Result<()> {
        let mark = self.memory().mark(self.id, &self.dir)?.and_then(|mark| mark.commit);
        // Nothing of it is needed to trust the other root: a repository that cannot tell leaves it untold.
        if let Some(former) = mark.and_then(|text| Oid::from_str(&text).ok())
            && let Ok(Some(news)) = self.parted(former)
        {
            self.notify(Notice::Apart { commit: former.to_string(), news: Box::new(news) });
        }
        self.memory().forget_seen(self.id)
    }

    /// What a commit has since it parted from HEAD, if HEAD does not come after it. It is kept.
    fn parted(&self, former: Oid) -> Result<Option<News>> {
        let repo = Repo::open(&self.dir)?;
        let Some(head) = repo.head()?.commit else { return Ok(None) };
        if !repo.knows(former) || repo.reaches(head, former)? {
            return Ok(None);
        }
        repo.keep(&format!("{APART}/{former}"), former)?;
        let base = repo.merge_bases(head, former)?.first().copied();
        let mut news = self.news(&repo, base, former)?;
        // Other owners mean that every secret is encrypted anew: what only that touched is nobody's work.
        let tree = |commit: Oid| repo.commit(commit).map(|commit| commit.tree);
        let (old, new) = (base.map(tree).transpose()?.flatten(), tree(former)?);
        let past = Past::new(self);
        let said = |tree: Option<Oid>, path: &SecretPath| -> Option<Metadata> {
            let files = repo.secret_files(tree?, path).ok()?;
            let doc = judged(past.document(&repo, path, &files, None)).ok()?.ok()??;
            doc.metadata().cloned()
        };
        news.touched.retain(|path| match (said(old, path), said(new, path)) {
            (Some(old), Some(new)) => {
                (old.group, old.agents, old.expires, old.description)
                    != (new.group, new.agents, new.expires, new.description)
            }
            _ => true,
        });
        Ok(Some(news))
    }
}
