//! What Git's merge driver makes of one file of a vault that both sides changed: one side's, so that a secret's two files
//! stay a pair. It is no merge by meaning: `sync` makes that from both sides' commits.

use super::Side;
use crate::digest::Digest;
use crate::layout::{self, Part};
use crate::metadata;
use crate::name::SecretPath;

/// Which side's file Git is to take for `path` (from the top of the repository), which both sides changed. `base` may be
/// empty: neither had it.
///
/// Git asks for each file by itself, and takes a file that only one side changed without asking. So metadata must go with
/// the ciphertext that Git takes: theirs, where only they have another one. And Git takes two files that look alike for
/// one that was renamed: it may offer what another secret's file became on one side. Only a document that says that it is
/// this one's is taken. Ciphertexts of two secrets never look alike to Git, as no two have more in common than their
/// first line.
pub fn take(path: &str, base: &[u8], ours: &[u8], theirs: &[u8]) -> Taken {
    let Some((secret, part)) = document(path) else { return Taken::Ours };
    match (is_its(ours, &secret, part), is_its(theirs, &secret, part)) {
        (true, true) if part == Part::Meta => metadata_side(base, ours, theirs).into(),
        (true, _) => Taken::Ours,
        (false, true) => Taken::Theirs,
        (false, false) => Taken::Neither,
    }
}

/// One side's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// That of the branch that is checked out.
    Ours,
    /// That of the branch that is merged.
    Theirs,
    /// Both are another secret's: Git is to leave each where it is, and say that there is a conflict.
    Neither,
}

impl From<Side> for Taken {
    fn from(side: Side) -> Self {
        match side {
            Side::Ours => Taken::Ours,
            Side::Theirs => Taken::Theirs,
        }
    }
}

/// The secret and the kind of a file that is a document: metadata, or a tombstone.
fn document(path: &str) -> Option<(SecretPath, Part)> {
    let folder = format!("{}/", layout::FOLDER);
    let (_, relative) = path.rsplit_once(&folder)?;
    layout::parse_secret(relative).filter(|(_, part)| *part != Part::Enc)
}

/// Whether a document says that it is of this kind, and of this secret. Nothing is verified: this decides which of two
/// files lies there until `sync` has looked at both.
fn is_its(bytes: &[u8], secret: &SecretPath, part: Part) -> bool {
    let kind = if ciphertext(bytes).is_some() { Part::Meta } else { Part::Gone };
    kind == part && field(bytes, "name: ") == Some(secret.as_str())
}

fn metadata_side(base: &[u8], ours: &[u8], theirs: &[u8]) -> Side {
    match (ciphertext(base), ciphertext(ours), ciphertext(theirs)) {
        (Some(base), Some(ours), Some(theirs)) if ours == base && theirs != base => Side::Theirs,
        _ => Side::Ours,
    }
}

/// The digest of the ciphertext that metadata name.
fn ciphertext(document: &[u8]) -> Option<Digest> {
    field(document, "digest: ")?.parse().ok()
}

/// What stands behind a key.
fn field<'d>(document: &'d [u8], key: &str) -> Option<&'d str> {
    let (body, _) = metadata::split_signed(document).ok()?;
    let line = std::str::from_utf8(body).ok()?.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::{Namespace, SigningKey};

    /// Signed metadata of a secret whose ciphertext has this digit in its digest.
    fn meta(name: &str, digit: u8) -> Vec<u8> {
        signed(&format!("version: 1\nname: {name}\ndigest: \"sha256:{}\"\n", digit.to_string().repeat(64)))
    }

    fn gone(name: &str) -> Vec<u8> {
        signed(&format!("version: 1\nname: {name}\nrevision: 7\n"))
    }

    fn signed(body: &str) -> Vec<u8> {
        let key = SigningKey::generate("test").unwrap();
        metadata::join_signed(body, &key.sign(Namespace::Secret, body.as_bytes()).unwrap())
    }

    const META: &str = "code/.agent-vault/secrets/a/b.meta";
    const GONE: &str = "code/.agent-vault/secrets/a/b.gone";

    #[test]
    fn metadata_go_with_the_ciphertext_that_git_takes() {
        let (base, same, other) = (meta("a/b", 1), meta("a/b", 1), meta("a/b", 2));
        assert_eq!(take(META, &base, &same, &other), Taken::Theirs);
        assert_eq!(take(META, &base, &other, &same), Taken::Ours);
        assert_eq!(take(META, &base, &other, &meta("a/b", 3)), Taken::Ours);
        assert_eq!(take(META, b"", &other, &same), Taken::Ours);
    }

    #[test]
    fn what_is_another_secrets_is_not_taken() {
        let (base, its, others) = (meta("a/old", 1), meta("a/b", 1), meta("a/old", 2));
        assert_eq!(take(META, &base, &its, &others), Taken::Ours);
        assert_eq!(take(META, &base, &others, &its), Taken::Theirs);
        assert_eq!(take(META, &base, &others, &others), Taken::Neither);
        assert_eq!(take(META, &base, b"", b"rubbish"), Taken::Neither);
    }

    #[test]
    fn a_tombstone_is_no_metadata_and_metadata_are_no_tombstone() {
        assert_eq!(take(META, &meta("a/b", 1), &gone("a/b"), &meta("a/b", 2)), Taken::Theirs);
        assert_eq!(take(GONE, &meta("a/b", 1), &meta("a/b", 2), &gone("a/b")), Taken::Theirs);
        assert_eq!(take(GONE, b"", &gone("a/b"), &gone("a/b")), Taken::Ours);
        assert_eq!(take(GONE, b"", &gone("a/c"), &meta("a/b", 1)), Taken::Neither);
    }

    #[test]
    fn of_all_else_ours_is_taken() {
        for path in [".agent-vault/manifest.yaml", ".agent-vault/secrets/a/b.enc", "a/b.meta", "\u{1b}[1m"] {
            assert_eq!(take(path, b"", b"ours", b"theirs"), Taken::Ours, "{path}");
        }
    }
}
