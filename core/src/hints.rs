//! Names to offer somebody who is typing one. Hints and nothing more.
//!
//! Read from the working copy, the list cache, and the commit that the last look at the remote found, as they lie there: no
//! key, no network, no question, nothing verified, nothing remembered. Every name is one that the format allows, so none holds a character that a terminal would obey;
//! whether there is such a secret, agent or group is for the command that is then run to find out. What cannot be read
//! offers nothing.

use crate::cache::Cache;
use crate::folder::{Entry, Folder, Kind};
use crate::home::Home;
use crate::layout::{self, Part, limit};
use crate::manifest::Manifest;
use crate::name::{AgentName, DEFAULT, GroupName, SecretPath};
use crate::repo::Repo;
use crate::root::VaultId;
use crate::trust::Memory;
use crate::{vault, yaml};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A vault's names, for hints. Nothing is read before it is asked for.
pub struct Hints {
    home: Home,
    dir: PathBuf,
    folder: Folder,
}

impl Hints {
    /// Those of the vault that [`vault::find`] finds from `dir`; none where there is no vault.
    pub fn of(dir: &Path, home: &Home) -> Option<Self> {
        let dir = vault::find(dir, home).ok()?;
        let folder = Folder::open(&dir).ok()?;
        Some(Self { home: home.clone(), dir, folder })
    }

    /// The secrets whose path begins with `typed`, sorted, one level at a time: what lies deeper is offered as its
    /// folder, with `/` at its end. Lists one folder (or two), whatever the size of the vault.
    pub fn secrets(&self, typed: &str) -> Vec<String> {
        let (above, begun) = match typed.rsplit_once('/') {
            Some(("", _)) => return Vec::new(),
            Some(parts) => parts,
            None => ("", typed),
        };
        let mut found = self.below(above, begun);
        if above.is_empty() {
            // A secret without a folder of its own is stored in the default one, which few have reason to name.
            let deeper = self.below(DEFAULT, "").iter().any(|path| path.ends_with('/'));
            found.retain(|path| deeper || path.strip_suffix('/') != Some(DEFAULT));
            let alone = self.below(DEFAULT, begun).into_iter().filter(|path| !path.ends_with('/'));
            found.extend(alone.filter_map(|path| SecretPath::parse(&path).ok()).map(|path| path.to_string()));
            found.sort_unstable();
        }
        found
    }

    /// What lies in a folder of `secrets/` and begins with `begun`, by its full path, sorted; folders end with `/`.
    fn below(&self, above: &str, begun: &str) -> Vec<String> {
        let (relative, prefix) = match above {
            "" => (layout::SECRETS.to_owned(), String::new()),
            _ if SecretPath::parse(above).is_err() => return Vec::new(),
            _ => (format!("{}/{above}", layout::SECRETS), format!("{above}/")),
        };
        let path = |Entry { name, kind }: Entry| {
            let (name, end) = match kind {
                _ if !name.starts_with(begun) => return None,
                Kind::Folder => (name.as_str(), "/"),
                Kind::File => (name.strip_suffix(Part::Meta.ending())?, ""),
                Kind::Other => return None,
            };
            let path = format!("{prefix}{name}");
            SecretPath::parse(&path).is_ok().then(|| path + end)
        };
        let mut entries = self.folder.list(&relative).unwrap_or_default();
        let ahead = self.ahead(&relative);
        let gone: BTreeSet<&str> =
            ahead.iter().filter_map(|entry| entry.name.strip_suffix(Part::Gone.ending())).collect();
        entries.retain(|entry| !entry.name.strip_suffix(Part::Meta.ending()).is_some_and(|name| gone.contains(name)));
        entries.extend(ahead.clone());
        let mut found: Vec<String> = entries.into_iter().filter_map(path).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What the commit has in a folder that the last look at the remote found, where the work tree is behind it.
    fn ahead(&self, relative: &str) -> Vec<Entry> {
        let memory = Memory::new(&self.home);
        let looked = || memory.fetched(self.id()?, &self.dir).ok()??.ahead;
        let listed = || {
            let commit = looked()?;
            let repo = Repo::open(&self.dir).ok()?;
            repo.list_in(&commit, relative).ok()
        };
        listed().unwrap_or_default()
    }

    /// The agents of the manifest, sorted.
    pub fn agents(&self) -> Vec<String> {
        let agents: BTreeSet<AgentName> = self
            .manifest()
            .map(|manifest| manifest.agents.into_iter().map(|agent| agent.name).collect())
            .unwrap_or_default();
        agents.into_iter().map(|name| name.to_string()).collect()
    }

    /// The owners that the manifest repeats, sorted.
    pub fn owners(&self) -> Vec<String> {
        let owners = self.manifest().map(|manifest| manifest.owners).unwrap_or_default();
        let mut names: Vec<String> = owners.into_iter().map(|owner| owner.name.to_string()).collect();
        names.sort();
        names
    }

    /// The groups that the manifest or a secret's name knows, and those in the list cache, sorted.
    pub fn groups(&self) -> Vec<String> {
        let mut groups: BTreeSet<GroupName> = BTreeSet::new();
        if let Some(manifest) = self.manifest() {
            groups.extend(manifest.agents.into_iter().flat_map(|agent| agent.groups));
            groups.extend(manifest.groups.into_iter().map(|group| group.name));
        }
        let folders = self.folder.list(layout::SECRETS).unwrap_or_default();
        let folders = folders.into_iter().filter(|entry| entry.kind == Kind::Folder).map(|entry| entry.name);
        let cached = self.id().map(|id| Cache::groups(&self.home, id, &self.dir)).unwrap_or_default();
        groups.extend(folders.chain(cached).filter_map(|name| GroupName::parse(&name).ok()));
        groups.into_iter().map(|name| name.to_string()).collect()
    }

    fn id(&self) -> Option<VaultId> {
        let first = self.folder.read(&layout::root(1), limit::DOCUMENT).ok()??;
        Some(VaultId::of(&first))
    }

    /// The manifest, if it is one at all. A bound below the format's: a person waits for this.
    fn manifest(&self) -> Option<Manifest> {
        let bytes = self.folder.read(layout::MANIFEST, limit::DOCUMENT).ok()??;
        yaml::parse(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn vault(files: &[&str]) -> (tempfile::TempDir, Hints) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let file = dir.path().join(".agent-vault").join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let hints = Hints::of(dir.path(), &Home::new(dir.path().join("home"))).unwrap();
        (dir, hints)
    }

    #[test]
    fn secrets_are_offered_one_level_at_a_time_and_removed_ones_are_not() {
        let (_dir, hints) = vault(&[
            "secrets/default/alone.meta",
            "secrets/default/sub/deep.meta",
            "secrets/stripe/api-key.meta",
            "secrets/stripe/api-key.enc",
            "secrets/stripe/eu/key.meta",
            "secrets/stripe/old.gone",
        ]);
        assert_eq!(hints.secrets(""), ["alone", "default/", "stripe/"]);
        assert_eq!(hints.secrets("a"), ["alone"]);
        assert_eq!(hints.secrets("str"), ["stripe/"]);
        assert_eq!(hints.secrets("stripe/"), ["stripe/api-key", "stripe/eu/"]);
        assert_eq!(hints.secrets("stripe/a"), ["stripe/api-key"]);
        assert_eq!(hints.secrets("default/s"), ["default/sub/"]);
        assert!(hints.secrets("none/").is_empty() && hints.secrets("/").is_empty());
        assert_eq!(hints.groups(), ["default", "stripe"]);
        assert!(hints.agents().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn names_that_the_format_forbids_are_never_offered() {
        let (dir, hints) = vault(&[
            "secrets/a/\u{1b}[31mred.meta",
            "secrets/a/two\nlines.meta",
            "secrets/a/$(reboot).meta",
            "secrets/a/-rf.meta",
            "secrets/`id`/x.meta",
            "secrets/a/fine.meta",
            "manifest.yaml",
        ]);
        assert_eq!(hints.secrets("a/"), ["a/fine"]);
        assert_eq!(hints.secrets(""), ["a/"]);
        assert_eq!(hints.groups(), ["a"]);
        assert!(
            hints.secrets("../").is_empty() && hints.secrets("a/../").is_empty() && hints.secrets("\u{1b}/").is_empty()
        );
        assert!(Hints::of(&dir.path().join("nowhere"), &Home::new("/")).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a6_a_link_is_not_followed_for_a_hint() {
        let (dir, hints) = vault(&["secrets/a/fine.meta"]);
        fs::create_dir_all(dir.path().join("outside/secret-place")).unwrap();
        fs::write(dir.path().join("outside/found.meta"), "").unwrap();
        let link = dir.path().join(".agent-vault/secrets/away");
        std::os::unix::fs::symlink(dir.path().join("outside"), link).unwrap();
        assert_eq!(hints.secrets(""), ["a/"]);
        assert!(hints.secrets("away/").is_empty());
    }
}
