//! Git's trees, read raw. They are hostile input like everything else: one that Git itself would not write (entries out
//! of order, or twice) is refused, so that nobody can make two readers see two vaults in it.

use crate::layout::Part;
use git2::Oid;
use std::cmp::Ordering;

/// The kinds of a tree's entries (Git, `cache.h`): the upper bits of a mode.
const KIND: u32 = 0o170_000;
const TREE: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

/// One entry of a tree: what it is and which object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    mode: u32,
    pub oid: Oid,
}

impl Entry {
    /// A folder.
    pub(super) fn folder(oid: Oid) -> Self {
        Self { mode: TREE, oid }
    }

    /// Whether it is a file, executable or not; all else (a link, another repository) no vault has.
    pub(crate) fn is_file(self) -> bool {
        self.mode & KIND == FILE
    }

    pub(super) fn is_folder(self) -> bool {
        self.mode & KIND == TREE
    }

    /// Whether the content is the same; whether a file may be executed is nobody's concern.
    pub(super) fn same(self, other: Self) -> bool {
        self.oid == other.oid && self.mode & KIND == other.mode & KIND
    }
}

/// The files of one secret in a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SecretFiles {
    pub enc: Option<Entry>,
    pub meta: Option<Entry>,
    pub gone: Option<Entry>,
}

impl SecretFiles {
    fn slot(&mut self, part: Part) -> &mut Option<Entry> {
        match part {
            Part::Enc => &mut self.enc,
            Part::Meta => &mut self.meta,
            Part::Gone => &mut self.gone,
        }
    }

    /// One of them.
    pub(crate) fn file(&self, part: Part) -> Option<Entry> {
        match part {
            Part::Enc => self.enc,
            Part::Meta => self.meta,
            Part::Gone => self.gone,
        }
    }

    /// Whether all of them are the same.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let same = |a: Option<Entry>, b: Option<Entry>| match (a, b) {
            (Some(a), Some(b)) => a.same(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same(self.enc, other.enc) && same(self.meta, other.meta) && same(self.gone, other.gone)
    }
}
pub(super) type Listed<'t> = (&'t [u8], Entry);

/// All files of the secret whose names begin with `stem`.
pub(super) fn files(entries: &[Listed<'_>], stem: &[u8]) -> SecretFiles {
    let mut found = SecretFiles::default();
    for part in [Part::Enc, Part::Meta, Part::Gone] {
        let name = [stem, part.ending().as_bytes()].concat();
        let at = entries.binary_search_by(|(other, entry)| order((other, entry.is_folder()), (&name, false)));
        *found.slot(part) = at.ok().map(|at| entries[at].1);
    }
    found
}

/// Git's order of a tree's entries: a folder counts as if its name ended with a slash (Git, `base_name_compare`).
fn order(a: (&[u8], bool), b: (&[u8], bool)) -> Ordering {
    let end = |folder: bool| if folder { b'/' } else { 0 };
    let common = a.0.len().min(b.0.len());
    a.0[..common].cmp(&b.0[..common]).then_with(|| {
        let next = |(name, folder): (&[u8], bool)| name.get(common).copied().unwrap_or_else(|| end(folder));
        next(a).cmp(&next(b)).then_with(|| a.0.len().cmp(&b.0.len()))
    })
}

/// The entries of a tree object: `mode SP name NUL id`. `None` for what Git does not write.
pub(super) fn parse(mut raw: &[u8]) -> Option<Vec<Listed<'_>>> {
    let mut entries: Vec<Listed<'_>> = Vec::with_capacity(raw.len() / 40);
    while !raw.is_empty() {
        let blank = memchr::memchr(b' ', &raw[..raw.len().min(8)])?;
        let mode = u32::from_str_radix(std::str::from_utf8(&raw[..blank]).ok()?, 8).ok()?;
        let end = memchr::memchr(0, raw)?;
        let (name, id) = (raw.get(blank + 1..end)?, raw.get(end + 1..end + 21)?);
        let entry = Entry { mode, oid: Oid::from_bytes(id).ok()? };
        if name.is_empty() || name.contains(&b'/') {
            return None;
        }
        if let Some((last, before)) = entries.last()
            && order((last, before.is_folder()), (name, entry.is_folder())) != Ordering::Less
        {
            return None;
        }
        entries.push((name, entry));
        raw = &raw[end + 21..];
    }
    Some(entries)
}

/// The entries of two trees side by side.
pub(super) fn join<'t>(old: &[Listed<'t>], new: &[Listed<'t>]) -> Vec<(&'t [u8], Option<Entry>, Option<Entry>)> {
    let (mut at, mut beside, mut joined) = (0, 0, Vec::new());
    while at < old.len() || beside < new.len() {
        let side = match (old.get(at), new.get(beside)) {
            (Some(a), Some(b)) => order((a.0, a.1.is_folder()), (b.0, b.1.is_folder())),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        match side {
            Ordering::Equal => {
                if !old[at].1.same(new[beside].1) {
                    joined.push((old[at].0, Some(old[at].1), Some(new[beside].1)));
                }
                (at, beside) = (at + 1, beside + 1);
            }
            Ordering::Less => {
                joined.push((old[at].0, Some(old[at].1), None));
                at += 1;
            }
            Ordering::Greater => {
                joined.push((new[beside].0, None, Some(new[beside].1)));
                beside += 1;
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, &str)]) -> Vec<u8> {
        let entry = |(mode, name): &(&str, &str)| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[7; 20]].concat();
        entries.iter().flat_map(entry).collect()
    }

    #[test]
    fn a_tree_that_git_would_not_write_is_refused() {
        assert!(parse(&tree(&[("100644", "a.enc"), ("40000", "a"), ("100644", "a0")])).is_some());
        for hostile in [
            [("100644", "b"), ("100644", "a")],
            [("100644", "a"), ("100644", "a")],
            [("100644", "a"), ("100644", "b/c")],
            [("100644", ""), ("100644", "a")],
            [("rubbish", "a"), ("100644", "b")],
        ] {
            assert!(parse(&tree(&hostile)).is_none(), "{hostile:?}");
        }
        let whole = tree(&[("100644", "a")]);
        assert!((1..whole.len()).all(|end| parse(&whole[..end]).is_none()));
    }

    #[test]
    fn a_folder_sorts_as_if_its_name_ended_with_a_slash() {
        assert_eq!(order((b"a", true), (b"a.enc", false)), Ordering::Greater);
        assert_eq!(order((b"a", false), (b"a.enc", false)), Ordering::Less);
        assert_eq!(order((b"a", true), (b"a0", false)), Ordering::Less);
    }
}
