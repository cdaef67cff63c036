//! Git's history of the vault's folder: the commits, the vault's tree in each, and what differs between two trees.

use super::Repo;
use super::tree::{Entry, SecretFiles, files, join, parse};
use crate::error::{Error, Result};
use crate::folder::Kind;
use crate::layout::{self, Part};
use crate::name::SecretPath;
use git2::{ErrorCode, ObjectType, Oid, Sort};
use std::collections::{BTreeMap, HashMap};

/// So many files and folders may differ between two trees of a vault: a few objects can unfold to more than anybody can
/// look at.
const MOST: usize = 500_000;
/// The deepest folder of a vault: `secrets` and a path's own.
const DEPTH: usize = 1 + crate::name::MAX_DEPTH;

/// The vaults that were found below a tree.
pub(crate) type Known = HashMap<Oid, Vec<Oid>>;
/// So many trees are remembered at most.
const REMEMBERED: usize = 100_000;
/// No vault is looked for in folders deeper than this: trees are hostile input.
const DEEPEST: usize = 64;

/// A commit, as far as the vault is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub id: Oid,
    pub parents: Vec<Oid>,
    /// Its parents are not in this (shallow) clone.
    pub cut: bool,
    /// The vault's tree.
    pub tree: Option<Oid>,
    /// Whether the commit holds the vault more than once, where that matters.
    pub twice: bool,
}

/// Who made a commit, as the commit says: nothing of it is proven.
pub(crate) struct Authorship {
    pub author: String,
    /// Seconds since 1970.
    pub time: i64,
    pub summary: String,
}

/// A secret that differs between two trees: all its files in both.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SecretChange {
    pub old: SecretFiles,
    pub new: SecretFiles,
}

/// What differs between two trees of a vault.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub secrets: BTreeMap<SecretPath, SecretChange>,
    /// Every other file, old and new.
    pub others: BTreeMap<String, (Option<Entry>, Option<Entry>)>,
    /// How many entries of trees were compared.
    compared: usize,
}

/// Files of the vault and their objects, before and after.
pub(crate) type ChangedFiles = BTreeMap<String, (Option<Oid>, Option<Oid>)>;

fn fail() -> impl FnOnce(git2::Error) -> Error {
    Error::git("read the history")
}

impl Repo {
    /// The commits that can be reached from `tip` and from none of `hidden`, parents before their children if
    /// `oldest_first`.
    pub(crate) fn order(&self, tip: Oid, hidden: &[Oid], oldest_first: bool) -> Result<Vec<Oid>> {
        let mut walk = self.git.revwalk().map_err(fail())?;
        let sorting = if oldest_first { Sort::TOPOLOGICAL | Sort::REVERSE } else { Sort::TOPOLOGICAL | Sort::TIME };
        walk.set_sorting(sorting).map_err(fail())?;
        walk.push(tip).map_err(fail())?;
        for hidden in hidden {
            walk.hide(*hidden).map_err(fail())?;
        }
        walk.collect::<std::result::Result<_, _>>().map_err(fail())
    }

    /// One commit.
    pub(crate) fn commit(&self, id: Oid) -> Result<Commit> {
        let commit = self.git.find_commit(id).map_err(fail())?;
        let mut parents: Vec<Oid> = commit.parent_ids().collect();
        let mut cut = false;
        if self.git.is_shallow() {
            let odb = self.git.odb().map_err(fail())?;
            let lines = commit.raw_header_bytes().split(|byte| *byte == b'\n');
            // Parents come right after the tree. A line further down that looks like one is anybody's.
            let named = lines.skip(1).take_while(|line| line.starts_with(b"parent ")).count();
            cut = parents.iter().filter(|parent| odb.exists(**parent)).count() < named;
            if cut {
                // As Git does: a commit at the edge of a shallow clone has no parents.
                parents.clear();
            }
        }
        let tree = commit.tree().map_err(fail())?;
        Ok(Commit { id, parents, cut, tree: self.folder_in(&tree)?, twice: false })
    }

    /// The vault's folder in a commit's tree.
    fn folder_in(&self, tree: &git2::Tree<'_>) -> Result<Option<Oid>> {
        match tree.get_path(std::path::Path::new(self.prefix.trim_end_matches('/'))) {
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => Ok(Some(entry.id())),
            Ok(_) => Ok(None),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(fail()(error)),
        }
    }

    /// The trees of the vaults with this first root in a commit, wherever they lie; two at most. `known` keeps what was found in trees
    /// that were searched before.
    pub(crate) fn vaults(&self, commit: Oid, first_root: Oid, known: &mut Known) -> Result<Vec<Oid>> {
        let tree = self.git.find_commit(commit).map_err(fail())?.tree_id();
        self.search(tree, first_root, known, 0)
    }

    fn search(&self, tree: Oid, first_root: Oid, known: &mut Known, depth: usize) -> Result<Vec<Oid>> {
        if let Some(found) = known.get(&tree) {
            return Ok(found.clone());
        }
        let raw = self.raw_tree(tree)?;
        let mut found = Vec::new();
        for (name, entry) in parse(&raw).ok_or_else(|| malformed(tree))? {
            if !entry.is_folder() || depth > DEEPEST {
                continue;
            }
            let is_ours = name == layout::FOLDER.as_bytes()
                && self.entry(entry.oid, &layout::root(1))?.is_some_and(|root| root.oid == first_root);
            if is_ours {
                found.push(entry.oid);
            } else {
                found.extend(self.search(entry.oid, first_root, known, depth + 1)?);
            }
            // One is the vault, two are too many; a tree of trees could hold more than can be counted.
            if found.len() > 1 {
                found.truncate(2);
                break;
            }
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(tree, found.clone());
        Ok(found)
    }

    /// What a commit says of its author.
    pub(crate) fn authorship(&self, id: Oid) -> Result<Authorship> {
        let commit = self.git.find_commit(id).map_err(fail())?;
        let author = commit.author();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Authorship {
            author: text(author.name_bytes()),
            time: author.when().seconds(),
            summary: text(commit.message_bytes().split(|byte| *byte == b'\n').next().unwrap_or_default()),
        })
    }

    /// A commit's signature, armored, and the bytes that it is over; none where it has no signature.
    pub(crate) fn signature_of(&self, id: Oid) -> Result<Option<(String, Vec<u8>)>> {
        match self.git.extract_signature(&id, None) {
            Ok((signature, content)) => {
                let armored = String::from_utf8_lossy(&signature).trim_end().to_owned() + "\n";
                Ok(Some((armored, content.to_vec())))
            }
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(fail()(error)),
        }
    }

    /// The commit that a person means by `HEAD~3`, a branch, a tag or the beginning of an id.
    pub(crate) fn find_commit(&self, spec: &str) -> Result<Oid> {
        let found = self.git.revparse_single(spec).and_then(|object| object.peel_to_commit());
        found.map(|commit| commit.id()).map_err(|_| Error::NotFound {
            what: "commit",
            name: crate::error::printable(spec),
            near: None,
        })
    }

    /// Whether one commit can be reached from another.
    pub(crate) fn reaches(&self, from: Oid, commit: Oid) -> Result<bool> {
        Ok(from == commit || self.git.graph_descendant_of(from, commit).map_err(fail())?)
    }

    /// The best common ancestors of two commits; none where they have none.
    pub(crate) fn merge_bases(&self, a: Oid, b: Oid) -> Result<Vec<Oid>> {
        match self.git.merge_bases(a, b) {
            Ok(bases) => Ok(bases.iter().copied().collect()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Vec::new()),
            Err(error) => Err(fail()(error)),
        }
    }

    /// Whether a commit is in this repository.
    pub(crate) fn knows(&self, commit: Oid) -> bool {
        self.git.find_commit(commit).is_ok()
    }

    /// Whether a tree is in this repository.
    pub(crate) fn knows_tree(&self, tree: Oid) -> bool {
        self.git.find_tree(tree).is_ok()
    }

    /// A file's content; `None` when it has more than `limit` bytes or is no file.
    pub(crate) fn content(&self, oid: Oid, limit: u64) -> Result<Option<Vec<u8>>> {
        let odb = self.git.odb().map_err(fail())?;
        let (size, kind) = odb.read_header(oid).map_err(fail())?;
        if kind != ObjectType::Blob || size as u64 > limit {
            return Ok(None);
        }
        Ok(Some(odb.read(oid).map_err(fail())?.data().to_vec()))
    }

    /// A file or folder in a vault's tree.
    pub(crate) fn entry(&self, tree: Oid, path: &str) -> Result<Option<Entry>> {
        let mut at = Entry::folder(tree);
        for part in path.split('/') {
            if !at.is_folder() {
                return Ok(None);
            }
            let raw = self.raw_tree(at.oid)?;
            match parse(&raw).ok_or_else(|| malformed(at.oid))?.into_iter().find(|(name, _)| *name == part.as_bytes()) {
                Some((_, entry)) => at = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// What lies in a folder of the vault in a commit, given by its id.
    pub(crate) fn list_in(&self, commit: &str, folder: &str) -> Result<Vec<crate::folder::Entry>> {
        let commit = Oid::from_str(commit).map_err(fail())?;
        let Some(tree) = self.vault_tree(Some(commit))? else { return Ok(Vec::new()) };
        let Some(folder) = self.entry(tree, folder)?.filter(|entry| entry.is_folder()) else { return Ok(Vec::new()) };
        let raw = self.raw_tree(folder.oid)?;
        let entries = parse(&raw).ok_or_else(|| malformed(folder.oid))?;
        let kind = |entry: Entry| match entry {
            entry if entry.is_folder() => Kind::Folder,
            entry if entry.is_file() => Kind::File,
            _ => Kind::Other,
        };
        let entries = entries.into_iter();
        Ok(entries
            .filter_map(|(name, entry)| {
                Some(crate::folder::Entry { name: std::str::from_utf8(name).ok()?.to_owned(), kind: kind(entry) })
            })
            .collect())
    }

    /// All files of one secret in a vault's tree.
    pub(crate) fn secret_files(&self, tree: Oid, path: &SecretPath) -> Result<SecretFiles> {
        let meta = layout::secret(path, Part::Meta);
        let Some((folder, name)) = meta.rsplit_once('/') else { return Ok(SecretFiles::default()) };
        let Some(folder) = self.entry(tree, folder)?.filter(|entry| entry.is_folder()) else {
            return Ok(SecretFiles::default());
        };
        let raw = self.raw_tree(folder.oid)?;
        let entries = parse(&raw).ok_or_else(|| malformed(folder.oid))?;
        Ok(files(&entries, name.trim_end_matches(Part::Meta.ending()).as_bytes()))
    }

    pub(super) fn raw_tree(&self, oid: Oid) -> Result<Vec<u8>> {
        let odb = self.git.odb().map_err(fail())?;
        let object = odb.read(oid).map_err(fail())?;
        if object.kind() != ObjectType::Tree {
            return Err(malformed(oid));
        }
        Ok(object.data().to_vec())
    }

    /// What differs between two trees of a vault; without an old one, everything that the new one holds.
    pub(crate) fn differences(&self, old: Option<Oid>, new: Option<Oid>) -> Result<Differences> {
        let mut found = Differences::default();
        self.compare("", [old, new], &mut found, 0)?;
        Ok(found)
    }

    /// Every file of the vault that differs between two trees, old and new.
    pub(crate) fn changed_files(&self, old: Option<Oid>, new: Option<Oid>) -> Result<ChangedFiles> {
        let Differences { secrets, others, .. } = self.differences(old, new)?;
        let mut changed = ChangedFiles::new();
        for (path, SecretChange { old, new }) in secrets {
            for part in [Part::Enc, Part::Meta, Part::Gone] {
                let (old, new) = (old.file(part), new.file(part));
                if old.map(|entry| entry.oid) != new.map(|entry| entry.oid) {
                    let oids = (old.map(|entry| entry.oid), new.map(|entry| entry.oid));
                    changed.insert(layout::secret(&path, part), oids);
                }
            }
        }
        let ours = others.into_iter().filter(|(path, _)| layout::is_ours(path));
        let files = |entry: Option<Entry>| entry.filter(|entry| entry.is_file()).map(|entry| entry.oid);
        changed.extend(ours.map(|(path, (old, new))| (path, (files(old), files(new)))));
        Ok(changed)
    }

    fn compare(&self, folder: &str, trees: [Option<Oid>; 2], found: &mut Differences, depth: usize) -> Result<()> {
        if trees[0] == trees[1] {
            return Ok(());
        }
        if depth > DEPTH {
            let (old, new) = (trees[0], trees[1]);
            let entry = |oid: Option<Oid>| oid.map(Entry::folder);
            found.others.insert(folder.trim_end_matches('/').to_owned(), (entry(old), entry(new)));
            return Ok(());
        }
        let raw = |tree: Option<Oid>| tree.map_or(Ok(Vec::new()), |oid| self.raw_tree(oid));
        let (old_bytes, new_bytes) = (raw(trees[0])?, raw(trees[1])?);
        let entries = |bytes, oid: Option<Oid>| parse(bytes).ok_or_else(|| malformed(oid.unwrap_or(Oid::ZERO_SHA1)));
        let (old, new) = (entries(&old_bytes, trees[0])?, entries(&new_bytes, trees[1])?);
        let name = |name: &[u8]| format!("{folder}{}", String::from_utf8_lossy(name));
        let pairs = join(&old, &new);
        found.compared += 1 + pairs.len();
        if found.compared > MOST {
            return Err(fail()(git2::Error::from_str("more files of the vault differ than a vault can have")));
        }
        for pair in pairs {
            match pair {
                (_, Some(a), Some(b)) if a.same(b) => {}
                (part, a, b) => {
                    let folder_of =
                        |entry: Option<Entry>| entry.filter(|entry| entry.is_folder()).map(|entry| entry.oid);
                    let file_of = |entry: Option<Entry>| entry.filter(|entry| !entry.is_folder());
                    let relative = name(part);
                    if folder_of(a).is_some() || folder_of(b).is_some() {
                        self.compare(&format!("{relative}/"), [folder_of(a), folder_of(b)], found, depth + 1)?;
                    }
                    let (a, b) = (file_of(a), file_of(b));
                    if a.is_none() && b.is_none() {
                        continue;
                    }
                    match layout::parse_secret(&relative) {
                        Some((path, _)) => {
                            let stem = part.rsplitn(2, |byte| *byte == b'.').nth(1).unwrap_or_default();
                            found
                                .secrets
                                .entry(path)
                                .or_insert_with(|| SecretChange { old: files(&old, stem), new: files(&new, stem) });
                        }
                        None => drop(found.others.insert(relative, (a, b))),
                    }
                }
            }
        }
        Ok(())
    }
}

pub(super) fn malformed(oid: Oid) -> Error {
    fail()(git2::Error::from_str(&format!("the tree {oid} is one that Git does not write")))
}
