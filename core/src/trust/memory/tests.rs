//! What is remembered comes back, rises only, and is of one vault.

use super::*;
use crate::recipient::Recipient;
use crate::root::{Owner, Root};
use crate::signing::SigningKey;
use tempfile::TempDir;

struct Remembering {
    _dir: TempDir,
    home: Home,
}

impl Remembering {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { home: Home::new(dir.path().join("home")), _dir: dir }
    }

    fn memory(&self) -> Memory<'_> {
        Memory::new(&self.home)
    }
}

fn pin(vault: VaultId) -> Pin {
    let key = SigningKey::generate("").unwrap().verifying_key();
    let public_key = Recipient::of_x25519(&age::x25519::Identity::generate());
    let owner = Owner { name: "eric".parse().unwrap(), public_key, signing_key: key.clone(), proof: None };
    Pin::new(vault, key, &Root::first(owner), Digest::of(b"root"))
}

fn seen(name: &str, revision: u64, text: &str) -> Seen {
    Seen { name: name.parse().unwrap(), revision, digest: Digest::of(text.as_bytes()) }
}

#[test]
fn an_empty_memory_is_none_and_a_damaged_one_is_an_error() {
    let here = Remembering::new();
    let (memory, vault, path) = (here.memory(), VaultId::of(b"ours"), "a/b".parse().unwrap());
    memory.raise_seen(vault, &seen("a/b", 2, "x")).unwrap();
    let file = memory.seen_file(vault, &path);
    std::fs::write(&file, "").unwrap();
    assert!(memory.seen(vault, &path).unwrap().is_none());
    memory.raise_seen(vault, &seen("a/b", 2, "x")).unwrap();
    assert_eq!(memory.seen(vault, &path).unwrap().unwrap().revision, 2);
    std::fs::write(&file, "\0\0\0").unwrap();
    assert!(matches!(memory.seen(vault, &path), Err(Error::Corrupt { .. })));
    // What is flushed is never empty; nor is it "nothing known" where it cannot be read.
    let pin = pin(vault);
    memory.set_pin(&pin).unwrap();
    std::fs::write(memory.pin_file(vault), "").unwrap();
    assert!(matches!(memory.pin(vault), Err(Error::Corrupt { .. })));
    std::fs::remove_file(memory.pin_file(vault)).unwrap();
    std::fs::create_dir(memory.pin_file(vault)).unwrap();
    assert!(matches!(memory.pin(vault), Err(Error::Io { .. })));
}

#[test]
fn a_pin_counts_for_its_own_vault_and_names_who_signed_root_1() {
    let here = Remembering::new();
    let (memory, ours, other) = (here.memory(), VaultId::of(b"ours"), VaultId::of(b"other"));
    let pin = pin(ours);
    assert_eq!(memory.pin(ours).unwrap(), None);
    memory.set_pin(&pin).unwrap();
    assert_eq!(memory.pin(ours).unwrap().as_ref(), Some(&pin));
    assert_eq!(pin.fingerprint(), pin.first_signer.fingerprint());
    let file = memory.pin_file(other);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::copy(memory.pin_file(ours), file).unwrap();
    assert!(matches!(memory.pin(other), Err(Error::Corrupt { .. })));
}

#[test]
fn what_was_seen_only_rises_and_is_found_again_by_name_and_all_at_once() {
    let here = Remembering::new();
    let (memory, vault) = (here.memory(), VaultId::of(b"ours"));
    let of = |name: &str| memory.seen(vault, &name.parse().unwrap()).unwrap();
    memory.raise_seen(vault, &seen("a/b", 3, "x")).unwrap();
    memory.raise_seen(vault, &seen("a/b", 2, "y")).unwrap();
    memory.raise_seen(vault, &seen("a/b", 3, "z")).unwrap();
    assert_eq!(of("a/b"), Some(seen("a/b", 3, "x")));
    memory.raise_seen(vault, &seen("a/b", 4, "w")).unwrap();
    memory.raise_seen(vault, &seen("c", 1, "c")).unwrap();
    assert_eq!(of("a/b"), Some(seen("a/b", 4, "w")));
    assert_eq!(of("d"), None);
    // What a killed writer left beside them is no memory.
    std::fs::write(here.home.vault(vault).join("seen").join("half"), "half").unwrap();
    let mut all = memory.all_seen(vault).unwrap();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(all, [seen("a/b", 4, "w"), seen("c", 1, "c")]);
}

#[test]
fn a_manifest_is_compared_with_the_mark_of_its_own_working_copy() {
    let here = Remembering::new();
    let (memory, vault, dir) = (here.memory(), VaultId::of(b"ours"), Path::new("/here/.agent-vault"));
    let compare = |serial, text: &str, old| {
        memory.compare_mark(vault, dir, (serial, Digest::of(text.as_bytes())), Path::new("manifest.yaml"), old)
    };
    assert!(compare(1, "any", false).unwrap(), "nothing was seen");
    let mark = Mark { serial: 5, manifest: Digest::of(b"five"), tree: "t".into(), commit: None };
    memory.set_mark(vault, dir, &mark).unwrap();
    assert_eq!(memory.mark(vault, dir).unwrap(), Some(mark));
    assert_eq!(memory.mark(vault, Path::new("/there/.agent-vault")).unwrap(), None);
    assert!(compare(6, "six", false).unwrap() && compare(6, "six", true).unwrap());
    assert!(!compare(5, "five", false).unwrap());
    assert!(matches!(compare(4, "four", false), Err(Error::Rollback { found: 4, seen: 5, .. })));
    assert!(matches!(compare(4, "five", false), Err(Error::Rollback { .. })), "an old number is old whatever it is on");
    assert!(matches!(compare(5, "fork", false), Err(Error::Diverged { revision: 5, .. })));
    assert!(
        !compare(4, "four", true).unwrap() && !compare(5, "fork", true).unwrap(),
        "read on purpose, not remembered"
    );
}

#[test]
fn a_vault_is_forgotten_with_its_places_and_no_other_is() {
    let here = Remembering::new();
    let (memory, ours, other) = (here.memory(), VaultId::of(b"ours"), VaultId::of(b"other"));
    let places = [("/b/.agent-vault", ours), ("/a/.agent-vault", ours), ("/c/.agent-vault", other)];
    for (path, vault) in places {
        memory.set_place(Path::new(path), vault).unwrap();
        assert_eq!(memory.place(Path::new(path)).unwrap(), Some(vault));
    }
    assert_eq!(memory.place(Path::new("/d/.agent-vault")).unwrap(), None);
    [ours, other].into_iter().for_each(|vault| memory.set_pin(&pin(vault)).unwrap());
    let found = |vault| {
        let all = remembered(&here.home).unwrap();
        all.into_iter().find(|found| found.pin.vault == vault).map(|found| found.places)
    };
    assert_eq!(found(ours), Some(vec!["/a/.agent-vault".into(), "/b/.agent-vault".into()]), "sorted");
    assert_eq!(found(other), Some(vec!["/c/.agent-vault".into()]));
    forget_vault(&here.home, ours).unwrap();
    assert_eq!((found(ours), memory.pin(ours).unwrap()), (None, None));
    assert_eq!(memory.place(Path::new("/a/.agent-vault")).unwrap(), None);
    assert_eq!(found(other), Some(vec!["/c/.agent-vault".into()]));
    // Once more: there is nothing to forget, and what cannot be removed is told.
    forget_vault(&here.home, ours).unwrap();
    std::fs::write(here.home.vault(ours), "a file").unwrap();
    assert!(matches!(forget_vault(&here.home, ours), Err(Error::Io { .. })));
}

#[test]
fn a_look_at_a_remote_is_noted_for_its_own_working_copy() {
    let here = Remembering::new();
    let (memory, vault, dir) = (here.memory(), VaultId::of(b"ours"), Path::new("/here/.agent-vault"));
    assert_eq!(memory.fetched(vault, dir).unwrap(), None);
    for ahead in [Some("0123456789".to_owned()), None] {
        let fetched = Fetched { time: 1_700_000_000, ahead };
        memory.set_fetched(vault, dir, &fetched).unwrap();
        assert_eq!(memory.fetched(vault, dir).unwrap(), Some(fetched));
    }
    assert_eq!(memory.fetched(vault, Path::new("/there/.agent-vault")).unwrap(), None);
    assert_eq!(memory.fetched(VaultId::of(b"other"), dir).unwrap(), None);
}

#[test]
fn a_mark_of_a_remotes_branch_counts_for_that_branch_of_that_remote() {
    let here = Remembering::new();
    let (memory, vault) = (here.memory(), VaultId::of(b"ours"));
    let mark =
        Mark { serial: 3, manifest: Digest::of(b"three"), tree: "t".into(), commit: Some("0123456789".to_owned()) };
    assert_eq!(memory.branch_mark(vault, "https://host/a", "main").unwrap(), None);
    memory.set_branch_mark(vault, "https://host/a", "main", &mark).unwrap();
    assert_eq!(memory.branch_mark(vault, "https://host/a", "main").unwrap(), Some(mark));
    assert_eq!(memory.branch_mark(vault, "https://host/a", "topic").unwrap(), None);
    assert_eq!(memory.branch_mark(vault, "https://host/b", "main").unwrap(), None);
}

#[test]
fn what_was_seen_is_named_and_can_be_forgotten_without_the_vault() {
    let here = Remembering::new();
    let (memory, vault, dir) = (here.memory(), VaultId::of(b"ours"), Path::new("/here/.agent-vault"));
    memory.set_pin(&pin(vault)).unwrap();
    memory
        .set_mark(vault, dir, &Mark { serial: 1, manifest: Digest::of(b"one"), tree: "t".into(), commit: None })
        .unwrap();
    ["a/b", "c"].iter().for_each(|name| memory.raise_seen(vault, &seen(name, 1, name)).unwrap());
    // One whose memory is damaged, or lost in a power cut, is left out.
    for (name, damage) in [("d", "\0"), ("e", "")] {
        memory.raise_seen(vault, &seen(name, 1, name)).unwrap();
        std::fs::write(memory.seen_file(vault, &name.parse().unwrap()), damage).unwrap();
    }
    let mut names: Vec<String> = seen_names(&here.home, vault).iter().map(ToString::to_string).collect();
    names.sort_unstable();
    assert_eq!(names, ["a/b", "c"]);
    memory.forget_seen(vault).unwrap();
    assert_eq!(seen_names(&here.home, vault), []);
    assert_eq!(memory.all_seen(vault).unwrap(), []);
    assert_eq!(memory.mark(vault, dir).unwrap(), None);
    assert!(memory.pin(vault).unwrap().is_some());
    // There may be nothing to forget.
    memory.forget_seen(vault).unwrap();
}

#[test]
fn a_place_that_is_gone_is_removed_and_one_that_cannot_be_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    remove(&dir.path().join("none")).unwrap();
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    assert!(matches!(remove(&folder), Err(Error::Io { action: "remove", .. })));
}
