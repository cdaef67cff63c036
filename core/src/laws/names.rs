//! Names and the paths that are made of them.

use crate::layout::{self, Part};
use crate::name::{AgentName, GroupName, OwnerName, SecretPath};
use std::path::{Component, Path};

/// What is taken for a name renders to itself and lies inside the vault; what is taken for one of the vault's own paths
/// leads nowhere else.
pub fn names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match SecretPath::parse(text) {
        Ok(path) => secret_path(text, &path),
        Err(error) => {
            let told = error.to_string();
            assert!(!told.chars().any(char::is_control), "an error with control characters: {told:?}");
        }
    }
    if let Ok(agent) = AgentName::parse(text) {
        assert_eq!(agent.to_string(), text);
        assert!(OwnerName::parse(text).is_ok() && GroupName::parse(text).is_ok(), "{text:?} is a name for some only");
        inside(&layout::agent_public(&agent));
        inside(&layout::agent_escrow(&agent));
    }
    if let Ok(owner) = OwnerName::parse(text) {
        assert_eq!(owner.to_string(), text);
        inside(&layout::signing_key(&owner));
    }
    if layout::is_ours(text) {
        inside(text);
    }
    if let Some((path, part)) = layout::parse_secret(text) {
        assert_eq!(layout::secret(&path, part), text);
    }
}

fn secret_path(text: &str, path: &SecretPath) {
    // `default/x` is the long spelling of `x`, and there is no other.
    assert!(text == path.as_str() || text == path.stored(), "{text:?} became {path}");
    for spelling in [path.as_str(), &path.stored()] {
        assert_eq!(&SecretPath::parse(spelling).expect("a path's own spelling"), path);
    }
    assert!(GroupName::parse(path.default_group().as_str()).is_ok(), "{path} has no group");
    for part in [Part::Enc, Part::Meta, Part::Gone] {
        let file = layout::secret(path, part);
        inside(&file);
        assert_eq!(layout::parse_secret(&file), Some((path.clone(), part)));
    }
}

/// A path of the vault's own, made of plain parts only.
fn inside(relative: &str) {
    assert!(layout::is_ours(relative), "{relative:?} is a path that nothing may be written to");
    assert!(relative.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)), "{relative:?}");
    assert!(Path::new(relative).components().all(|part| matches!(part, Component::Normal(_))), "{relative:?}");
    assert_eq!(Path::new(relative).components().count(), relative.split('/').count(), "{relative:?}");
}
