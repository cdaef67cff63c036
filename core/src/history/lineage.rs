//! Which document descends from which, by the parents that they name.

use crate::digest::Digest;
use std::collections::{HashMap, HashSet};

/// Every document of a history: its number, and the documents that it replaces.
#[derive(Debug, Default)]
pub(crate) struct Lineage(HashMap<Digest, Node>);

#[derive(Debug)]
struct Node {
    number: u64,
    parents: Box<[Digest]>,
}

impl Lineage {
    /// Takes a verified document in.
    pub(crate) fn add(&mut self, digest: Digest, number: u64, parents: &[Digest]) {
        self.0.entry(digest).or_insert_with(|| Node { number, parents: parents.into() });
    }

    /// Whether `new` is `old`, or comes after it.
    pub(crate) fn continues(&self, new: Digest, old: Digest) -> bool {
        let least = self.0.get(&old).map_or(0, |node| node.number);
        let (mut open, mut seen) = (vec![new], HashSet::new());
        while let Some(digest) = open.pop() {
            if digest == old {
                return true;
            }
            match self.0.get(&digest) {
                Some(node) if node.number > least && seen.insert(digest) => open.extend(&node.parents),
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_descends_from_all_that_its_parents_descend_from_and_from_nothing_else() {
        let digest = |name: &str| Digest::of(name.as_bytes());
        let mut lineage = Lineage::default();
        for (name, number, parents) in [
            ("1", 1, vec![]),
            ("2a", 2, vec!["1"]),
            ("2b", 2, vec!["1"]),
            ("3", 3, vec!["2a", "2b"]),
            ("3c", 3, vec!["2b"]),
        ] {
            let parents: Vec<Digest> = parents.into_iter().map(digest).collect();
            lineage.add(digest(name), number, &parents);
        }
        for (new, old, so) in [
            ("3", "1", true),
            ("3", "2a", true),
            ("3", "2b", true),
            ("3", "3", true),
            ("3c", "2a", false),
            ("2a", "3", false),
        ] {
            assert_eq!(lineage.continues(digest(new), digest(old)), so, "{new} {old}");
        }
    }
}
