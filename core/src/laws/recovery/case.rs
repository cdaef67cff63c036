//! What an input says of the world, and the journal in it.

use super::world::{CONTENTS, PATHS};
use crate::digest::Digest;
use std::fmt::Write;

/// Where HEAD is: at the commit before the change, at the change's, at a later one, at the first but on another branch,
/// or at the change's without a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    From,
    To,
    Later,
    Elsewhere,
    Detached,
}

/// What lies at a path of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lies {
    Nothing,
    Content(usize),
    Folder,
    Link,
}

/// One input.
#[derive(Debug)]
pub(super) struct Case {
    pub at: At,
    /// By [`PATHS`].
    pub files: Vec<Lies>,
    /// By number: which path's content, and which of [`CONTENTS`].
    pub staged: Vec<Option<(usize, usize)>>,
    /// A folder of an earlier journal of the same commit, as it would be if one was set aside before.
    pub aside: bool,
    /// A folder of the vault that is a link out of it.
    pub link: bool,
    /// What other kills leave: our index lock, our copy of the index, a journal that never counted, the branch's lock.
    pub leftovers: bool,
    /// The journal's bytes; none without one.
    pub journal: Vec<u8>,
}

impl Case {
    /// Bytes before the journal.
    const FIXED: usize = 2 * PATHS.len() + 2;
    /// Flags in the second byte.
    const ASIDE: u8 = 1;
    const LINK: u8 = 2;
    const LEFTOVERS: u8 = 4;
    const RECIPE: u8 = 8;

    pub(super) fn read(input: &[u8]) -> Option<Self> {
        let (fixed, rest) = input.split_at_checked(Self::FIXED)?;
        let (head, flags, things) = (fixed[0], fixed[1], &fixed[2..]);
        let (files, staged) = things.split_at(PATHS.len());
        let at = [At::From, At::To, At::Later, At::Elsewhere, At::Detached][usize::from(head % 5)];
        let lies = |byte: &u8| match byte % 8 {
            0 => Lies::Nothing,
            1 => Lies::Folder,
            2 => Lies::Link,
            content => Lies::Content(usize::from(content) % CONTENTS.len()),
        };
        let stage = |byte: &u8| {
            let (path, content) = (usize::from(byte >> 4), usize::from(byte & 15));
            (path < PATHS.len() && content < CONTENTS.len()).then_some((path, content))
        };
        Some(Self {
            at,
            files: files.iter().map(lies).collect(),
            staged: staged.iter().map(stage).collect(),
            aside: flags & Self::ASIDE != 0,
            link: flags & Self::LINK != 0,
            leftovers: flags & Self::LEFTOVERS != 0,
            journal: if flags & Self::RECIPE != 0 { recipe(rest) } else { rest.to_vec() },
        })
    }
}

/// A journal that reads well, out of few bytes: branch and commits, then four bytes for each path.
fn recipe(bytes: &[u8]) -> Vec<u8> {
    let Some((fixed, targets)) = bytes.split_at_checked(3) else { return Vec::new() };
    let commits = super::world::commits();
    let commit = |byte: u8| commits[usize::from(byte) % commits.len()].clone();
    let branch = ["refs/heads/main", "HEAD", "refs/heads/topic", "../main"][usize::from(fixed[0] % 4)];
    let from = if fixed[1] == u8::MAX { "null".into() } else { format!("{:?}", commit(fixed[1])) };
    let mut text =
        format!("{{\"version\":1,\"branch\":{branch:?},\"from\":{from},\"to\":{:?},\"files\":[", commit(fixed[2]));
    for (number, target) in targets.chunks_exact(4).enumerate() {
        let path = usize::from(target[0]) % PATHS.len();
        let digest =
            |content: u8| Digest::of(super::world::content(path, usize::from(content) % CONTENTS.len()).as_bytes());
        let old = if target[1] % 4 == 3 { "null".into() } else { format!("\"{}\"", digest(target[1])) };
        let new = match target[2] % 4 {
            3 => "null".into(),
            content => {
                format!(
                    "{{\"digest\":\"{}\",\"stage\":{},\"blob\":\"{}\"}}",
                    digest(content),
                    target[3] % 8,
                    commits[0]
                )
            }
        };
        let comma = if number == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{{\"path\":{:?},\"old\":{old},\"new\":{new}}}", PATHS[path]);
    }
    text.push_str("]}");
    text.into_bytes()
}
