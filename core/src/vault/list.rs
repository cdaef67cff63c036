//! Every secret's metadata, verified; quick when nothing changed.

mod forward;

use super::recorded::Act;
use super::{Trusted, Vault};
use crate::cache::Cache;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::folder::{Folder, Kind};
use crate::layout::{self, Part};
use crate::metadata::Metadata;
use crate::name::{GroupName, SecretPath};
use crate::parallel;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One secret in a listing. Plain text and numbers: 10,000 of them are read back from the cache in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The secret's path.
    pub name: String,
    /// Its group.
    pub group: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When its value was last set, in seconds since 1970.
    pub rotated: i64,
    /// When it expires, in seconds since 1970.
    pub expires: Option<i64>,
    /// One line for people.
    pub description: Option<String>,
    /// Whether the value is handed over and never shown.
    pub use_only: bool,
    /// The programs that a use-only value is handed to.
    pub programs: Vec<String>,
    /// The hosts that Git may send it to.
    pub hosts: Vec<String>,
    /// The agents that can read it.
    pub authorized_agents: Vec<String>,
    /// The agents that may read it beyond its group.
    pub agents: Vec<String>,
    /// Counts every write.
    pub revision: u64,
    /// Counts changes of the value.
    pub value_revision: u64,
    /// Keys that could read the value and no longer may.
    pub exposed_to: Vec<String>,
}

impl Row {
    fn of(metadata: &Metadata) -> Self {
        let texts = |names: &[crate::name::AgentName]| names.iter().map(ToString::to_string).collect();
        Self {
            name: metadata.name.to_string(),
            group: metadata.group.to_string(),
            created: metadata.created.unix(),
            rotated: metadata.rotated.unix(),
            expires: metadata.expires.map(|time| time.unix()),
            description: metadata.description.clone(),
            use_only: metadata.use_only,
            programs: metadata.programs.iter().map(ToString::to_string).collect(),
            hosts: metadata.hosts.iter().map(ToString::to_string).collect(),
            authorized_agents: texts(&metadata.authorized_agents),
            agents: texts(&metadata.agents),
            revision: metadata.revision,
            value_revision: metadata.value_revision,
            exposed_to: metadata.exposed_to.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What a listing found.
#[derive(Debug, Default)]
pub struct Listing {
    /// The secrets whose metadata verified, by name.
    pub rows: Vec<Row>,
    /// The files that did not.
    pub broken: Vec<Error>,
}

impl Vault {
    /// Every secret (of a group, if one is named), its metadata verified: of the state that [`Vault::get`] reads. Values and
    /// ciphertexts are not looked at. Recorded.
    ///
    /// # Errors
    /// Those of the folder itself; a single broken file does not hide the others ([`Listing::broken`]).
    pub fn list(&self, group: Option<&GroupName>) -> Result<Listing> {
        self.read(Act::about("list", group), |_| None, || self.listing(group))
    }

    fn listing(&self, group: Option<&GroupName>) -> Result<Listing> {
        // Read while the root rose, it may be broken under the old one only.
        let mut trusted = self.current()?;
        loop {
            let listing = self.list_under(&trusted, group)?;
            let now = self.current()?;
            if listing.broken.is_empty() || now.pin.root == trusted.pin.root {
                return Ok(listing);
            }
            trusted = now;
        }
    }

    fn list_under(&self, trusted: &Trusted, group: Option<&GroupName>) -> Result<Listing> {
        let mut cache = Cache::load(&self.context.home, self.id, &self.dir, trusted.pin.digest);
        let Scan { files, planted } = scan(&self.folder)?;
        let mut kept = Vec::with_capacity(files.len());
        let mut fresh = Vec::new();
        for (path, stamp) in files {
            match stamp.and_then(|stamp| cache.take(&path, &stamp)) {
                Some(row) => kept.push((stamp, row)),
                None => fresh.push((path, stamp)),
            }
        }
        let changed = !fresh.is_empty() || !cache.is_empty();
        let mut broken = BTreeMap::new();
        for (path, stamp, found) in parallel::map(fresh, |(path, stamp)| {
            let found = self.listed(&path, trusted);
            (path, stamp, found)
        }) {
            match found {
                Ok(found) => kept.extend(found.map(|metadata| (stamp, Row::of(&metadata)))),
                Err(error) => drop(broken.insert(path, error)),
            }
        }
        if changed {
            let known = kept.iter().filter_map(|(stamp, row)| Some(((*stamp)?, row.clone())));
            Cache::store(&self.context.home, self.id, &self.dir, trusted.pin.digest, known);
        }
        let mut rows: Vec<Row> = kept.into_iter().map(|(_, row)| row).collect();
        self.bring_forward(trusted, &mut rows, &mut broken);
        rows.retain(|row| group.is_none_or(|group| row.group == group.as_str()));
        rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Listing { rows, broken: planted.into_iter().chain(broken.into_values()).collect() })
    }

    /// Every secret's verified metadata, by name.
    ///
    /// # Errors
    /// The first broken file.
    pub fn secrets(&self) -> Result<Vec<Metadata>> {
        self.under_root(|trusted| {
            paths(&self.folder)?.par_iter().filter_map(|path| self.listed(path, trusted).transpose()).collect()
        })
    }

    /// One secret's verified metadata, or none where there is no such secret. A step of something else, and not recorded by
    /// itself; unlike [`Vault::metadata`], it looks for no similar names.
    ///
    /// # Errors
    /// As [`Vault::get`]; that the secret was made to vanish is one.
    pub fn look_up(&self, path: &SecretPath) -> Result<Option<Metadata>> {
        self.under_root(|trusted| self.listed(path, trusted))
    }

    /// The verified metadata of a secret that a folder listed; none when it was properly removed since.
    fn listed(&self, path: &SecretPath, trusted: &Trusted) -> Result<Option<Metadata>> {
        self.newest(|| match self.verified_metadata(path, trusted) {
            Ok((metadata, _)) => Ok(Some(metadata)),
            Err(Error::NotFound { .. }) => self.check_absence(path, trusted).map(|()| None),
            Err(error) => Err(error),
        })
    }

    /// One secret's metadata and the digest of its file, without remembering either.
    pub(crate) fn verified_metadata(&self, path: &SecretPath, trusted: &Trusted) -> Result<(Metadata, Digest)> {
        let relative = layout::secret(path, Part::Meta);
        let bytes = self.folder.read(&relative, layout::limit::DOCUMENT)?.ok_or_else(|| Error::NotFound {
            what: "secret",
            name: path.to_string(),
            near: None,
        })?;
        match self.verify_metadata(path, &bytes, trusted) {
            Ok(metadata) => Ok((metadata, Digest::of(&bytes))),
            Err(error) => {
                let verify = |new: &[u8]| self.verify_metadata(path, new, trusted);
                let (bytes, metadata, _) = self.in_its_place(&relative, &bytes, verify).ok_or(error)?;
                Ok((metadata, Digest::of(&bytes)))
            }
        }
    }

    /// Every secret's verified metadata; the first broken file is an error.
    pub(crate) fn all_metadata(&self, trusted: &Trusted) -> Result<Vec<(Metadata, Digest)>> {
        paths(&self.folder)?.par_iter().map(|path| self.verified_metadata(path, trusted)).collect()
    }

    /// The same of some secrets; one that is not in the work tree is left out, as it is there.
    pub(crate) fn metadata_of(&self, paths: &[SecretPath], trusted: &Trusted) -> Result<Vec<(Metadata, Digest)>> {
        let found = paths.par_iter().filter_map(|path| match self.verified_metadata(path, trusted) {
            Err(Error::NotFound { .. }) => None,
            found => Some(found),
        });
        found.collect()
    }
}

/// What lies below `secrets/`.
#[derive(Default)]
struct Scan {
    /// Every `.meta` with its stamp; none where it could not be looked at.
    files: Vec<(SecretPath, Option<crate::folder::Stamp>)>,
    /// Links and the like, which may hide secrets.
    planted: Vec<Error>,
}

fn scan(folder: &Folder) -> Result<Scan> {
    let mut folders = vec![layout::SECRETS.to_owned()];
    let mut found = Scan::default();
    while !folders.is_empty() {
        let level = parallel::map(std::mem::take(&mut folders), |relative| {
            folder.scan(&relative, Part::Meta.ending()).map(|entries| (relative, entries))
        });
        for scanned in level {
            let (parent, entries) = scanned?;
            for (entry, stamp) in entries {
                let relative = format!("{parent}/{}", entry.name);
                match (entry.kind, stamp, layout::parse_secret(&relative)) {
                    (Kind::Folder, ..) => folders.push(relative),
                    (Kind::File, stamp, Some((path, Part::Meta))) => found.files.push((path, stamp)),
                    (Kind::Other, ..) => found.planted.push(crate::folder::planted(folder.path(&relative))),
                    _ => {}
                }
            }
        }
    }
    Ok(found)
}

/// The secrets that have a `.meta`, sorted. A link, which could hide some from a revocation, is an error.
pub(crate) fn paths(folder: &Folder) -> Result<Vec<SecretPath>> {
    let entries = crate::folder::tree(folder, layout::SECRETS)?;
    if let Some((relative, _)) = entries.iter().find(|(_, kind)| *kind == Kind::Other) {
        return Err(crate::folder::planted(folder.path(relative)));
    }
    let mut paths: Vec<SecretPath> = entries
        .into_iter()
        .filter_map(|(relative, _)| layout::parse_secret(&relative))
        .filter_map(|(path, part)| (part == Part::Meta).then_some(path))
        .collect();
    paths.sort();
    Ok(paths)
}
