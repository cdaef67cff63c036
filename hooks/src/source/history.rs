//! Everything that a history holds: each blob once, under the first commit and path that brought it, and the messages of
//! commits and tags.

use super::{Blob, Repo, path_of};
use crate::report::{Located, Place, Scanner};
use agent_vault_core::error::{Error, Result};
use git2::{Commit, ErrorCode, ObjectType, Oid, Repository, Sort};
use std::collections::HashSet;

/// How many blobs are gathered before they are looked at.
const PORTION: usize = 4096;

/// Which part of a history.
#[derive(Debug, Clone)]
pub enum Reach {
    /// Whatever a reference or HEAD reaches.
    All,
    /// What the commits brought that `to` reaches and `from` does not.
    Range {
        /// The revision before.
        from: String,
        /// The last revision.
        to: String,
    },
}

impl Reach {
    /// Reads `A..B`; an end that is left out means HEAD, as in Git.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn range(text: &str) -> Result<Self> {
        let wrong = || Error::Usage {
            message: format!("{:?} is no range of commits", agent_vault_core::error::printable(text)),
            hint: "name two revisions, such as origin/main..HEAD".into(),
        };
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        if to.starts_with('.') || from.is_empty() && to.is_empty() {
            return Err(wrong());
        }
        let or_head = |text: &str| if text.is_empty() { "HEAD" } else { text }.to_owned();
        Ok(Reach::Range { from: or_head(from), to: or_head(to) })
    }
}

/// What was walked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Walked {
    /// Commits.
    pub commits: usize,
    /// Blobs.
    pub blobs: usize,
}

/// Looks at a history. `tick` is told how many commits of how many are done.
///
/// # Errors
/// [`Error::Git`]; [`Error::NotFound`] for a revision that is not there.
pub fn history(
    repo: &Repo,
    reach: &Reach,
    scanner: &Scanner,
    tick: &dyn Fn(usize, usize),
) -> Result<(Vec<Located>, Walked)> {
    let git = repo.open()?;
    let commits = commits(&git, reach)?;
    let within: HashSet<Oid> = commits.iter().copied().collect();
    let mut walk = Walk { git: &git, seen: HashSet::new(), blobs: Vec::new() };
    let (mut found, mut walked) = (Vec::new(), Walked { commits: commits.len(), blobs: 0 });
    let mut look = |walk: &mut Walk<'_>, least: usize| {
        if walk.blobs.len() >= least {
            let blobs = std::mem::take(&mut walk.blobs);
            walked.blobs += blobs.len();
            found.extend(repo.look(&blobs, scanner)?);
        }
        Ok::<_, Error>(())
    };
    let mut messages = Vec::new();
    for (done, id) in commits.iter().enumerate() {
        let commit = git.find_commit(*id).map_err(Error::git("read a commit"))?;
        if matches!(reach, Reach::Range { .. }) {
            walk.pass_parents(&commit, &within)?;
        }
        walk.tree(commit.tree_id(), &commit.id().to_string())?;
        messages.extend(scanner.look(&message(commit.id()), commit.message_raw_bytes()));
        look(&mut walk, PORTION)?;
        tick(done, commits.len());
    }
    if matches!(reach, Reach::All) {
        messages.extend(walk.tags(scanner)?);
    }
    look(&mut walk, 1)?;
    found.extend(messages);
    Ok((found, walked))
}

fn message(id: Oid) -> Place {
    Place { path: None, commit: Some(id.to_string()) }
}

/// The commits, parents first.
fn commits(git: &Repository, reach: &Reach) -> Result<Vec<Oid>> {
    let fail = || Error::git("walk the history");
    let mut walk = git.revwalk().map_err(fail())?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME | Sort::REVERSE).map_err(fail())?;
    match reach {
        Reach::All => {
            walk.push_glob("*").map_err(fail())?;
            // A detached HEAD is no reference's.
            match git.head().and_then(|head| head.peel_to_commit()) {
                Ok(commit) => walk.push(commit.id()).map_err(fail())?,
                Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {}
                Err(error) => return Err(Error::Git { action: "read HEAD", source: error }),
            }
        }
        Reach::Range { from, to } => {
            walk.push(revision(git, to)?).map_err(fail())?;
            walk.hide(revision(git, from)?).map_err(fail())?;
        }
    }
    walk.collect::<Result<_, _>>().map_err(fail())
}

fn revision(git: &Repository, name: &str) -> Result<Oid> {
    let commit = git.revparse_single(name).and_then(|object| object.peel_to_commit());
    commit.map(|commit| commit.id()).map_err(|_| Error::NotFound { what: "commit", name: name.to_owned(), near: None })
}

/// Blobs as they are met.
struct Walk<'g> {
    git: &'g Repository,
    seen: HashSet<Oid>,
    blobs: Vec<Blob>,
}

impl Walk<'_> {
    /// Gathers the blobs below a tree that were not met before. With a stack of its own: hostile trees are deep.
    fn tree(&mut self, root: Oid, commit: &str) -> Result<()> {
        let mut trees = vec![(root, Vec::new())];
        while let Some((id, prefix)) = trees.pop() {
            if !self.seen.insert(id) {
                continue;
            }
            let tree = self.git.find_tree(id).map_err(Error::git("read a tree"))?;
            for entry in &tree {
                let mut path = prefix.clone();
                path.extend_from_slice(entry.name_bytes());
                match entry.kind() {
                    Some(ObjectType::Tree) => {
                        path.push(b'/');
                        trees.push((entry.id(), path));
                    }
                    Some(ObjectType::Blob) if self.seen.insert(entry.id()) => {
                        let place = Place { path: Some(path_of(&path)), commit: Some(commit.to_owned()) };
                        self.blobs.push(Blob { id: entry.id(), place });
                    }
                    // Submodules have no bytes here.
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Passes over what the parents outside the range have.
    fn pass_parents(&mut self, commit: &Commit<'_>, within: &HashSet<Oid>) -> Result<()> {
        let gathered = self.blobs.len();
        for parent in commit.parents().filter(|parent| !within.contains(&parent.id())) {
            self.tree(parent.tree_id(), "")?;
        }
        self.blobs.truncate(gathered);
        Ok(())
    }

    /// What annotated tags say, and trees and blobs that a reference names without a commit.
    fn tags(&mut self, scanner: &Scanner) -> Result<Vec<Located>> {
        let fail = || Error::git("read the references");
        let mut found = Vec::new();
        let references: Vec<Oid> =
            self.git.references().map_err(fail())?.filter_map(|reference| reference.ok()?.target()).collect();
        for mut id in references {
            while let Ok(tag) = self.git.find_tag(id) {
                if !self.seen.insert(id) {
                    break;
                }
                found.extend(scanner.look(&message(id), tag.message_bytes().unwrap_or_default()));
                id = tag.target_id();
            }
            let name = id.to_string();
            match self.git.find_object(id, None).ok().and_then(|object| object.kind()) {
                Some(ObjectType::Tree) => self.tree(id, &name)?,
                Some(ObjectType::Blob) if self.seen.insert(id) => {
                    self.blobs.push(Blob { id, place: Place { path: Some("(tagged)".into()), commit: Some(name) } });
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
