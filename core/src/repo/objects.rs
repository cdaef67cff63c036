//! Git's objects: the blobs of staged files, the trees above them, and the signed commit.

use super::{BLOB, Changes, Head, Repo};
use crate::error::{Error, Result};
use crate::signing::{Namespace, SigningKey};
use git2::{ObjectType, Odb, Oid, Repository, Tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// File mode of a folder in a tree.
pub(super) const TREE: i32 = 0o040_000;
/// From this many files on, small ones are packed.
const MANY: usize = 64;
/// The most bytes of a file that is packed: writing a greater one costs more than making its file.
const SMALL: usize = 64 << 10;
/// The bytes that one pack holds in memory while it is made.
const FULL: usize = 8 << 20;

/// Objects that will be one pack, in memory.
struct Batch {
    memory: Odb<'static>,
    objects: Vec<Oid>,
    bytes: usize,
}

impl Batch {
    fn new() -> Result<Self> {
        let memory = Odb::new().map_err(fail())?;
        memory.add_new_mempack_backend(1).map_err(fail())?;
        Ok(Self { memory, objects: Vec::new(), bytes: 0 })
    }

    fn add(&mut self, bytes: &[u8]) -> Result<Oid> {
        let oid = self.memory.write(ObjectType::Blob, bytes).map_err(fail())?;
        self.bytes += bytes.len();
        self.objects.push(oid);
        Ok(oid)
    }
}

fn fail() -> impl FnOnce(git2::Error) -> Error {
    Error::git("store objects")
}

impl Repo {
    /// Stores the content of `files` as blobs; returns their ids in that order, and the files to flush. Many small ones
    /// become packs, as they would by `git gc`: thousands of loose objects are slow to write, and slow for Git after.
    /// A pack is made in `scratch`, so that a kill leaves no half of one among Git's.
    pub(crate) fn write_blobs(&self, files: &[PathBuf], scratch: &Path) -> Result<(Vec<Oid>, Vec<PathBuf>)> {
        let read = |file: &PathBuf| std::fs::read(file).map_err(Error::io("read", file));
        let loose = |bytes: &[u8]| self.git.blob(bytes).map_err(fail());
        if files.len() < MANY {
            let oids = files.iter().map(|file| loose(&read(file)?)).collect::<Result<Vec<_>>>()?;
            let written = oids.iter().map(|oid| self.loose_object(*oid)).collect();
            return Ok((oids, written));
        }
        let (mut oids, mut written, mut batch) = (Vec::with_capacity(files.len()), Vec::new(), Batch::new()?);
        for file in files {
            let bytes = read(file)?;
            if bytes.len() <= SMALL {
                oids.push(batch.add(&bytes)?);
            } else {
                let oid = loose(&bytes)?;
                written.push(self.loose_object(oid));
                oids.push(oid);
            }
            if batch.bytes >= FULL {
                written.extend(self.write_pack(std::mem::replace(&mut batch, Batch::new()?), scratch)?);
            }
        }
        written.extend(self.write_pack(batch, scratch)?);
        Ok((oids, written))
    }

    /// Writes a batch as one pack with its index; returns the two files, or none for an empty batch.
    fn write_pack(&self, batch: Batch, scratch: &Path) -> Result<Vec<PathBuf>> {
        if batch.objects.is_empty() {
            return Ok(Vec::new());
        }
        let memory = Repository::from_odb(batch.memory).map_err(fail())?;
        let mut builder = memory.packbuilder().map_err(fail())?;
        builder.set_threads(rayon::current_num_threads() as u32);
        for oid in &batch.objects {
            builder.insert_object(*oid, None).map_err(fail())?;
        }
        builder.write(scratch, 0).map_err(fail())?;
        let unnamed = || fail()(git2::Error::from_str("the pack has no name"));
        let name = builder.name().map_err(fail())?.ok_or_else(unnamed)?;
        let dir = self.git.commondir().join("objects").join("pack");
        std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        // The index last: with it, Git takes the pack for whole.
        let place = |ending| {
            let file = format!("pack-{name}.{ending}");
            std::fs::rename(scratch.join(&file), dir.join(&file)).map_err(Error::io("write", dir.join(&file)))?;
            Ok(dir.join(file))
        };
        Ok(vec![place("pack")?, place("idx")?])
    }

    /// The file of a loose object; it may be packed instead.
    pub(super) fn loose_object(&self, oid: Oid) -> PathBuf {
        let hex = oid.to_string();
        self.git.commondir().join("objects").join(&hex[..2]).join(&hex[2..])
    }

    /// Stores the trees and the signed commit of `changes` on top of `head`; moves nothing. Returns the commit, and the
    /// files to flush.
    pub(crate) fn build_commit(
        &self,
        head: &Head,
        changes: &Changes,
        message: &str,
        author: &str,
        key: &SigningKey,
    ) -> Result<(Oid, Vec<PathBuf>)> {
        let parents: Vec<Oid> = head.commit.into_iter().collect();
        let base = parents.first().map(|oid| self.tree_of(*oid)).transpose()?;
        let changes: BTreeMap<String, Option<Oid>> =
            changes.iter().map(|(path, oid)| (format!("{}{path}", self.prefix), *oid)).collect();
        let (root, mut written) = self.change_tree(base.as_ref(), &changes)?;
        written.push(self.sign_commit(root, &parents, message, author, key)?);
        Ok((*written.last().unwrap_or(&root), written.iter().map(|oid| self.loose_object(*oid)).collect()))
    }

    /// The tree that `changes` make of another; with the trees that were stored for it.
    pub(super) fn change_tree(&self, base: Option<&Tree<'_>>, changes: &Changes) -> Result<(Oid, Vec<Oid>)> {
        let entries: Vec<(&str, Option<Oid>)> = changes.iter().map(|(path, oid)| (path.as_str(), *oid)).collect();
        let mut written = Vec::new();
        let root = match self.update_tree(base, &entries, &mut written)? {
            Some(root) => root,
            None => self.git.treebuilder(None).and_then(|builder| builder.write()).map_err(fail())?,
        };
        Ok((root, written))
    }

    /// Stores a signed commit.
    pub(super) fn sign_commit(
        &self,
        tree: Oid,
        parents: &[Oid],
        message: &str,
        author: &str,
        key: &SigningKey,
    ) -> Result<Oid> {
        let tree = self.git.find_tree(tree).map_err(fail())?;
        let parents: Vec<git2::Commit<'_>> =
            parents.iter().map(|oid| self.git.find_commit(*oid)).collect::<Result<_, _>>().map_err(fail())?;
        let author = self.author(author)?;
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        let buffer = self.git.commit_create_buffer(&author, &author, message, &tree, &parents).map_err(fail())?;
        let text = std::str::from_utf8(&buffer).map_err(|_| Error::Usage {
            message: "the author's name in Git's configuration is not UTF-8".into(),
            hint: "set user.name".into(),
        })?;
        let signature = key.sign(Namespace::Git, text.as_bytes())?.armored()?;
        self.git.commit_signed(text, signature.trim_end(), None).map_err(fail())
    }

    /// The root tree of a commit.
    pub(super) fn tree_of(&self, commit: Oid) -> Result<Tree<'_>> {
        self.git.find_commit(commit).and_then(|commit| commit.tree()).map_err(fail())
    }

    /// Applies sorted `entries` (paths relative to `base`) to a tree, touching only the folders they lie in.
    fn update_tree(
        &self,
        base: Option<&Tree<'_>>,
        entries: &[(&str, Option<Oid>)],
        written: &mut Vec<Oid>,
    ) -> Result<Option<Oid>> {
        let mut builder = self.git.treebuilder(base).map_err(fail())?;
        let mut rest = entries;
        while let Some((path, oid)) = rest.first() {
            let Some((folder, _)) = path.split_once('/') else {
                match oid {
                    Some(oid) => drop(builder.insert(path, *oid, BLOB).map_err(fail())?),
                    None if builder.get(path).map_err(fail())?.is_some() => builder.remove(path).map_err(fail())?,
                    None => {}
                }
                rest = &rest[1..];
                continue;
            };
            let below = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            let end = rest.iter().position(|(path, _)| !below(path)).unwrap_or(rest.len());
            let inner: Vec<(&str, Option<Oid>)> =
                rest[..end].iter().map(|(path, oid)| (&path[folder.len() + 1..], *oid)).collect();
            rest = &rest[end..];
            let subtree = match base.and_then(|base| base.get_name(folder)) {
                Some(entry) if entry.kind() == Some(ObjectType::Tree) => {
                    Some(self.git.find_tree(entry.id()).map_err(fail())?)
                }
                _ => None,
            };
            match self.update_tree(subtree.as_ref(), &inner, written)? {
                Some(oid) => drop(builder.insert(folder, oid, TREE).map_err(fail())?),
                None if builder.get(folder).map_err(fail())?.is_some() => builder.remove(folder).map_err(fail())?,
                None => {}
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let oid = builder.write().map_err(fail())?;
        written.push(oid);
        Ok(Some(oid))
    }
}
