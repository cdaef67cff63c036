//! A listing on a checkout that is behind: what a verified commit has of a secret that is newer than what lies here.
//!
//! Where the work tree has all that was proven, this is a look at HEAD and at two small files. Otherwise trees are
//! compared, and only secrets that differ are looked at.

use super::Row;
use crate::error::{Error, Result};
use crate::history::document::Doc;
use crate::layout::Part;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::repo::{Repo, SecretFiles};
use crate::trust::Seen;
use crate::vault::ahead::Source;
use crate::vault::past::{Past, reopened};
use crate::vault::{Notice, Trusted, Vault};
use git2::Oid;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// A secret that a source has otherwise than the commit that is checked out.
#[derive(Default)]
struct Differs<'s> {
    checked_out: SecretFiles,
    there: Vec<(&'s Source, SecretFiles)>,
}

/// What stands in a listing instead of what lies in the work tree.
enum Instead {
    Newer(Oid, Doc),
    Broken(Error),
}

impl Vault {
    /// Replaces what is older than what `get` would read. Where the repository cannot be read, the listing stays as it is.
    pub(super) fn bring_forward(
        &self,
        trusted: &Trusted,
        rows: &mut Vec<Row>,
        broken: &mut BTreeMap<SecretPath, Error>,
    ) {
        if self.context.allow_old {
            return;
        }
        let Ok(instead) = self.instead(trusted, broken.keys()) else { return };
        if instead.is_empty() {
            return;
        }
        let mut at: HashMap<String, usize> = rows.iter().enumerate().map(|(at, row)| (row.name.clone(), at)).collect();
        let (mut told, mut gone): (BTreeMap<Oid, usize>, Vec<usize>) = (BTreeMap::new(), Vec::new());
        for (path, instead) in instead {
            let here = at.remove(path.as_str());
            let (is_listed, was_broken) = (here.is_some(), broken.remove(&path).is_some());
            let row = match instead {
                Instead::Broken(error) => {
                    broken.insert(path, error);
                    None
                }
                Instead::Newer(commit, doc) => {
                    let row = doc.metadata().map(Row::of);
                    if row.is_some() || is_listed || was_broken {
                        *told.entry(commit).or_default() += 1;
                    }
                    row
                }
            };
            match (here, row) {
                (Some(here), Some(row)) => rows[here] = row,
                (Some(here), None) => gone.push(here),
                (None, row) => rows.extend(row),
            }
        }
        gone.sort_unstable();
        gone.into_iter().rev().for_each(|at| drop(rows.swap_remove(at)));
        for (commit, secrets) in told {
            self.notify(Notice::ListedAhead { secrets, commit: commit.to_string() });
        }
    }

    /// What stands instead of what lies in the work tree, by secret.
    fn instead<'p>(
        &self,
        trusted: &Trusted,
        broken: impl Iterator<Item = &'p SecretPath>,
    ) -> Result<Vec<(SecretPath, Instead)>> {
        let (repo, past) = (Repo::open(&self.dir)?, Past::new(self));
        let Some(head) = repo.head()?.commit else { return Ok(Vec::new()) };
        let is_amid_merge = repo.check_idle().is_err();
        let sources = self.sources(&repo, &past, true, (!is_amid_merge).then_some(head));
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let checked_out = repo.vault_tree(Some(head))?;
        let mut differs: BTreeMap<SecretPath, Differs<'_>> = BTreeMap::new();
        for source in &sources {
            // What HEAD comes after has nothing that is newer.
            if checked_out == Some(source.tree) || repo.reaches(head, source.commit)? {
                continue;
            }
            for (path, change) in repo.differences(checked_out, Some(source.tree))?.secrets {
                let differs = differs.entry(path).or_default();
                differs.checked_out = change.old;
                differs.there.push((source, change.new));
            }
        }
        if is_amid_merge {
            // What Git left of two sides may be neither's: HEAD has it whole.
            for path in broken {
                let differs = differs.entry(path.clone()).or_default();
                for source in &sources {
                    differs.there.push((source, repo.secret_files(source.tree, path)?));
                }
            }
        }
        let instead = |repo: &Result<Repo>, path: &SecretPath, differs: &Differs<'_>| -> Result<Option<Instead>> {
            let repo = repo.as_ref().map_err(reopened)?;
            let local = self.local(path, trusted);
            let revision = local.as_ref().map(|metadata| metadata.revision);
            let Some(behind) = Self::behind(revision, || self.lies_as(path, &differs.checked_out), || is_amid_merge)?
            else {
                return Ok(None);
            };
            Ok(match (self.newest_of(repo, &past, path, &differs.there, behind, false)?, local) {
                (Some(found), _) => Some(Instead::Newer(found.commit, found.doc)),
                (None, Ok(_) | Err(Error::NotFound { .. })) => None,
                (None, Err(error)) => Some(Instead::Broken(error)),
            })
        };
        let differs: Vec<(SecretPath, Differs<'_>)> = differs.into_iter().collect();
        let found: Vec<Result<Option<(SecretPath, Instead)>>> = differs
            .par_iter()
            .map_init(
                || past.open(),
                |repo, (path, differs)| Ok(instead(repo, path, differs)?.map(|instead| (path.clone(), instead))),
            )
            .collect();
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// What the work tree has of a secret, compared with what was seen; nothing is remembered by it.
    fn local(&self, path: &SecretPath, trusted: &Trusted) -> Result<Metadata> {
        self.newest(|| match self.verified_metadata(path, trusted) {
            Ok((metadata, digest)) => {
                let found = Seen { name: path.clone(), revision: metadata.revision, digest };
                self.compare_age(Part::Meta, &found).map(|_| metadata)
            }
            Err(error @ Error::NotFound { .. }) => self.check_absence(path, trusted).and(Err(error)),
            Err(error) => Err(error),
        })
    }
}
