//! Names, validated once at the edge: what comes from outside becomes one of these types or is refused
//! before any file is touched (format: "Names").

use crate::error::{Error, Result, printable};
use std::fmt;
use std::str::FromStr;

/// The most bytes a secret path may have.
pub const MAX_PATH: usize = 255;
/// The most bytes a segment may have.
pub const MAX_SEGMENT: usize = 64;
/// The most segments a secret path may have.
pub const MAX_DEPTH: usize = 8;

/// The group (and folder) of secrets that are named by a single segment.
pub(crate) const DEFAULT: &str = "default";
/// Endings that the vault's own files have.
const RESERVED_ENDINGS: [&str; 4] = [".enc", ".meta", ".gone", ".lock"];

/// The name of a secret, such as `stripe/api-key`: 1 to 8 segments joined by `/`, 255 bytes at most.
///
/// `default/x` is spelled `x`: both parse to the same path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPath(String);

impl SecretPath {
    /// Parses a path given by a person, a program or a document.
    ///
    /// # Errors
    /// [`Error::InvalidName`] for everything that the format does not allow.
    pub fn parse(input: &str) -> Result<Self> {
        let fail = |reason| invalid("secret path", input, reason);
        if input.is_empty() {
            return Err(fail("it is empty"));
        }
        if input.len() > MAX_PATH {
            return Err(fail("it has more than 255 bytes"));
        }
        let mut depth = 0;
        for segment in input.split('/') {
            check_segment(segment).map_err(fail)?;
            depth += 1;
        }
        if depth > MAX_DEPTH {
            return Err(fail("it has more than 8 segments"));
        }
        let path = match input.strip_prefix("default/") {
            Some(rest) if !rest.contains('/') => rest,
            _ => input,
        };
        Ok(Self(path.to_owned()))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `secrets/`, without an ending: `x` is stored as `default/x`.
    pub fn stored(&self) -> String {
        if self.0.contains('/') { self.0.clone() } else { format!("{DEFAULT}/{}", self.0) }
    }

    /// The group a secret of this name has unless it is given another: its first segment.
    pub fn default_group(&self) -> GroupName {
        GroupName(self.0.split_once('/').map_or(DEFAULT, |(first, _)| first).to_owned())
    }
}

impl FromStr for SecretPath {
    type Err = Error;
    fn from_str(input: &str) -> Result<Self> {
        Self::parse(input)
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Declares a name of one segment.
macro_rules! segment_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses a name given by a person, a program or a document.
            ///
            /// # Errors
            /// [`Error::InvalidName`] for everything that the format does not allow.
            pub fn parse(input: &str) -> Result<Self> {
                check_segment(input).map_err(|reason| invalid($what, input, reason))?;
                Ok(Self(input.to_owned()))
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(input: &str) -> Result<Self> {
                Self::parse(input)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

segment_name!(
    /// The name of an agent.
    AgentName, "agent name"
);
segment_name!(
    /// The name of an owner.
    OwnerName, "owner name"
);
segment_name!(
    /// The name of a group of secrets.
    GroupName, "group"
);
segment_name!(
    /// The name that this machine has given to a vault (`vaults.NAME` in its settings).
    VaultAlias, "vault alias"
);

fn invalid(what: &'static str, input: &str, reason: &'static str) -> Error {
    Error::InvalidName { what, input: printable(input), reason }
}

/// The rules for one segment; `Err` is the rule that it breaks.
fn check_segment(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("it has an empty segment");
    }
    if segment.len() > MAX_SEGMENT {
        return Err("a segment has more than 64 bytes");
    }
    if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err("only letters, digits, '.', '_' and '-' are allowed");
    }
    if segment.starts_with(['.', '-']) {
        return Err("a segment may not start with '.' or '-'");
    }
    if segment.ends_with('.') {
        return Err("a segment may not end with '.'");
    }
    let ends_with = |ending: &str| {
        segment.len() >= ending.len()
            && segment.as_bytes()[segment.len() - ending.len()..].eq_ignore_ascii_case(ending.as_bytes())
    };
    if RESERVED_ENDINGS.iter().any(|ending| ends_with(ending)) {
        return Err("a segment may not end with .enc, .meta, .gone or .lock");
    }
    if is_device(segment.split('.').next().unwrap_or_default()) {
        return Err("Windows reserves that name for a device");
    }
    Ok(())
}

/// Windows device names, in any case (Microsoft, "Naming Files, Paths, and Namespaces").
fn is_device(stem: &str) -> bool {
    let numbered = |prefix: &str| match stem.as_bytes() {
        [start @ .., digit] => digit.is_ascii_digit() && start.eq_ignore_ascii_case(prefix.as_bytes()),
        [] => false,
    };
    ["con", "prn", "aux", "nul", "conin$", "conout$"].iter().any(|name| name.eq_ignore_ascii_case(stem))
        || numbered("com")
        || numbered("lpt")
}

/// The name among `candidates` that a mistyped `name` most likely meant (edit distance of at most a third of its length).
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(d, candidate)| *d <= 1.max(name.len().max(candidate.len()) / 3))
        .min_by_key(|(d, candidate)| (*d, candidate.to_string()))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Edit distance with swaps of neighbours (optimal string alignment), ignoring ASCII case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase().into_bytes(), b.to_ascii_lowercase().into_bytes());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn b1_hostile_secret_paths_are_refused_before_any_file_is_opened() {
        let long_segment = "a".repeat(65);
        let long_path = ["a".repeat(64), "b".repeat(64), "c".repeat(64), "d".repeat(64)].join("/");
        for input in [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/..",
            "a//b",
            "a/",
            "/a",
            ".hidden",
            "a/.git",
            "-rf",
            "a/-x",
            "a.",
            "a/b.",
            "a.enc",
            "a.META",
            "x/y.gone",
            "x.lock",
            "con",
            "CON.txt",
            "a/nul",
            "com1",
            "LPT9.x",
            "a b",
            "a\nb",
            "a\x1b[31mb",
            "a\0b",
            "a\\b",
            "C:\\x",
            "é",
            "a/1/2/3/4/5/6/7/8",
            &long_segment,
            &long_path,
        ] {
            assert!(SecretPath::parse(input).is_err(), "{input:?} was accepted");
        }
    }

    #[test]
    fn an_error_never_carries_control_characters() {
        let error = SecretPath::parse("a\x1b[31m\n").unwrap_err().to_string();
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }

    #[test]
    fn default_is_spelled_without_its_folder() {
        let path = SecretPath::parse("default/x").unwrap();
        assert_eq!(
            (path.as_str(), path.stored().as_str(), path.default_group().as_str()),
            ("x", "default/x", "default")
        );
        assert_eq!(SecretPath::parse("default/a/b").unwrap().as_str(), "default/a/b");
    }

    #[test]
    fn a_mistyped_name_finds_its_neighbour() {
        assert_eq!(nearest("stirpe", ["stripe", "postgres"]).as_deref(), Some("stripe"));
        assert_eq!(nearest("zzz", ["stripe", "postgres"]), None);
    }

    proptest! {
        #[test]
        fn every_valid_path_survives_a_round_trip_and_stays_below_its_folder(
            segments in prop::collection::vec("[A-Za-z0-9_][A-Za-z0-9._-]{0,20}[A-Za-z0-9_]", 1..8)
        ) {
            let text = segments.join("/");
            if let Ok(path) = SecretPath::parse(&text) {
                prop_assert_eq!(&SecretPath::parse(path.as_str()).unwrap(), &path);
                prop_assert_eq!(&SecretPath::parse(&path.stored()).unwrap(), &path);
                prop_assert!(std::path::Path::new(&path.stored()).components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }

        #[test]
        fn arbitrary_text_never_panics_and_what_is_accepted_is_plain(text in any::<String>()) {
            if let Ok(path) = SecretPath::parse(&text) {
                prop_assert!(path.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b)));
            }
        }
    }
}
