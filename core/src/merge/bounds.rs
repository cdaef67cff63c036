//! What a value may be used for, where two sides changed it apart from each other: what either took away stays away.
//!
//! Programs and hosts belong to a value: what one side allowed for its own value is not allowed for the other's.

use crate::metadata::Metadata;
use crate::purpose::{Host, ProgramPath};

/// The bound of the value that stays, which is `first`'s. `same` says that both sides have that value. A side that left
/// the bound as it was takes the other's; where both changed it, use-only wins, and of the lists stays what neither side
/// took away. Who binds a value that went to any program takes away all that are not named: where both did, only what both
/// named stays.
pub(super) fn merge(
    olds: &[&Metadata],
    first: &Metadata,
    second: &Metadata,
    same: bool,
) -> (bool, Vec<ProgramPath>, Vec<Host>) {
    let hosts = list(olds, first, second, same, |meta| &meta.hosts);
    let bound = |meta: &Metadata| (meta.use_only, meta.programs.clone());
    let unchanged = |meta: &Metadata| olds.iter().any(|old| bound(old) == bound(meta));
    if bound(first) == bound(second) || (unchanged(second) && !unchanged(first)) {
        return (first.use_only, first.programs.clone(), hosts);
    }
    match (first.use_only, second.use_only) {
        // Until now it could be handed to anything: these programs are fewer.
        (false, true) => (true, second.programs.clone(), hosts),
        // The one side lifted it, and the other left it as it was.
        (true, false) if unchanged(first) && !unchanged(second) && same => (false, Vec::new(), hosts),
        (true, false) => (true, first.programs.clone(), hosts),
        (true, true) if same && !olds.is_empty() && olds.iter().all(|old| !old.use_only) => {
            let both = first.programs.iter().filter(|program| second.programs.contains(program));
            (true, both.cloned().collect(), hosts)
        }
        (use_only, _) => (use_only, list(olds, first, second, same, |meta| &meta.programs), hosts),
    }
}

/// Of the first side's items those that the other did not take away; of one value also what the other added.
fn list<T: Ord + Clone>(
    olds: &[&Metadata],
    first: &Metadata,
    second: &Metadata,
    same: bool,
    of: impl Fn(&Metadata) -> &Vec<T>,
) -> Vec<T> {
    let before = |item: &T| olds.iter().any(|old| of(old).contains(item));
    let has = |meta: &Metadata, item: &T| of(meta).contains(item);
    let kept = of(first).iter().filter(|item| has(second, item) || !before(item));
    let added = of(second).iter().filter(|item| same && !has(first, item) && !before(item));
    let mut items: Vec<T> = kept.chain(added).cloned().collect();
    items.sort();
    items.truncate(crate::purpose::MAX_ENTRIES);
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Draft;
    use crate::root::VaultId;

    fn meta(use_only: bool, programs: &str, hosts: &str) -> Metadata {
        let vault: VaultId = "663c8fc3-a54b-87f6-af61-a85f773c542d".parse().unwrap();
        let time = "2026-11-22T10:01:00Z".parse().unwrap();
        let mut metadata = Metadata::new(Draft {
            vault,
            name: "a/b".parse().unwrap(),
            group: "a".parse().unwrap(),
            created: time,
            rotated: time,
            expires: None,
            description: None,
            agents: Vec::new(),
        });
        metadata.use_only = use_only;
        metadata.programs = programs.split_whitespace().map(|path| path.parse().unwrap()).collect();
        metadata.hosts = hosts.split_whitespace().map(|host| host.parse().unwrap()).collect();
        metadata
    }

    #[track_caller]
    fn merged(olds: &[&Metadata], first: &Metadata, second: &Metadata, same: bool, expected: (bool, &str, &str)) {
        let (use_only, programs, hosts) = merge(olds, first, second, same);
        let text = |items: Vec<String>| items.join(" ");
        let programs = text(programs.iter().map(ToString::to_string).collect());
        let hosts = text(hosts.iter().map(ToString::to_string).collect());
        assert_eq!((use_only, &*programs, &*hosts), expected);
    }

    #[test]
    fn what_only_one_side_changed_is_that_sides() {
        let (open, bound, tight) = (meta(false, "", ""), meta(true, "/b/x /b/y", ""), meta(true, "/b/x", ""));
        for (old, new, expected) in [
            (&open, &bound, (true, "/b/x /b/y", "")),
            (&bound, &tight, (true, "/b/x", "")),
            (&tight, &bound, (true, "/b/x /b/y", "")),
            (&bound, &open, (false, "", "")),
        ] {
            merged(&[old], new, old, true, expected);
            merged(&[old], old, new, true, expected);
        }
    }

    #[test]
    fn a_loosening_never_wins_over_a_tightening() {
        let (base, lifted, tight, wide) = (
            meta(true, "/b/x /b/y", "a b"),
            meta(false, "", "a b"),
            meta(true, "/b/x", "a"),
            meta(true, "/b/x /b/y /b/z", "a b c"),
        );
        for same in [true, false] {
            merged(&[&base], &lifted, &tight, same, (true, "/b/x", "a"));
            merged(&[&base], &tight, &lifted, same, (true, "/b/x", "a"));
            merged(&[&base], &wide, &tight, same, (true, "/b/x /b/z", "a c"));
        }
        let open = meta(false, "", "");
        merged(&[], &open, &tight, false, (true, "/b/x", ""));
        merged(&[], &tight, &open, false, (true, "/b/x", "a"));
    }

    #[test]
    fn two_owners_who_bind_one_value_at_once_leave_what_both_named() {
        let (base, ours, theirs) = (meta(false, "", ""), meta(true, "/b/x /b/y", "a"), meta(true, "/b/y /b/z", "b"));
        merged(&[&base], &ours, &theirs, true, (true, "/b/y", "a b"));
        merged(&[&base], &theirs, &ours, true, (true, "/b/y", "a b"));
        // Which value stays is known, and whose programs belong to it.
        merged(&[&base], &ours, &theirs, false, (true, "/b/x /b/y", "a"));
    }

    #[test]
    fn a_value_is_not_allowed_what_the_other_was_allowed() {
        let (base, ours, theirs) = (meta(true, "", ""), meta(true, "/b/x", "a.org"), meta(true, "/b/y", "b.org"));
        merged(&[&base], &ours, &theirs, false, (true, "/b/x", "a.org"));
        // The other side's new value is the one that stays; what ours allowed was for the value before it.
        merged(&[&base], &base, &ours, false, (true, "", ""));
        // A use that is lifted for a value that is gone is not lifted for the one that stays.
        merged(&[&base], &base, &meta(false, "", ""), false, (true, "", ""));
    }
}
