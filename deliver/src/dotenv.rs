//! Env files: `NAME=value` a line, with `[profile]` headings. The grammar is in `docs/run.md`.
//!
//! Nothing is expanded: a dollar is a dollar. What is not understood is an error with its line, and no error repeats a
//! value.

use crate::variable::Name;
use agent_vault_core::SecretBytes;
use std::str::FromStr;

pub(crate) mod reader;

use reader::Line;
pub use reader::Mistake;

const PROFILE_RULE: &str = "a profile's name is letters, digits, '_', '-' and '.'";

/// One assignment.
#[derive(Debug)]
pub struct Assignment {
    /// Its line, counted from 1.
    pub line: usize,
    /// The heading that it stands under.
    pub profile: Option<Profile>,
    /// The variable.
    pub name: Name,
    /// What it is set to, without quotes and escapes.
    pub value: SecretBytes,
}

/// The name of a profile: letters, digits, `_`, `-` and `.`, 64 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile(String);

impl Profile {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Profile {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
            Ok(Self(name.to_owned()))
        } else {
            Err(PROFILE_RULE)
        }
    }
}

/// Parses a file.
///
/// # Errors
/// A [`Mistake`] for the first line that is not understood.
pub fn parse(file: &[u8]) -> Result<Vec<Assignment>, Mistake> {
    let mut profile = None;
    let mut found = Vec::new();
    for (line, content) in reader::lines(file)? {
        let mistake = |what| Mistake { line, what };
        match content {
            Line::Heading(name) => {
                let name = std::str::from_utf8(&name).map_err(|_| mistake(PROFILE_RULE))?;
                profile = Some(name.parse().map_err(mistake)?);
            }
            Line::Assignment(name, value) => {
                let name =
                    name.parse().map_err(|_| mistake("write NAME=value, where NAME is letters, digits and '_'"))?;
                found.push(Assignment { line, profile: profile.clone(), name, value });
            }
        }
    }
    Ok(found)
}

/// Writes a value as this grammar, shells and other readers of such files take it: in single quotes, in which nothing has
/// a meaning; in double quotes where the value has a single quote.
pub fn quote(value: &[u8], mut write: impl FnMut(&[u8])) {
    if !value.contains(&b'\'') {
        [b"'", value, b"'"].into_iter().for_each(write);
        return;
    }
    write(b"\"");
    for byte in value {
        if matches!(byte, b'\\' | b'"' | b'$' | b'`') {
            write(b"\\");
        }
        write(&[*byte]);
    }
    write(b"\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(file: &str) -> Vec<(String, String)> {
        let text = |value: SecretBytes| String::from_utf8(value.expose().to_vec()).unwrap();
        parse(file.as_bytes()).unwrap().into_iter().map(|found| (found.name.to_string(), text(found.value))).collect()
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line_and_without_its_value() {
        for (file, line) in [
            ("secret\n", 1),
            ("\n# x\n=secret\n", 3),
            ("1A=secret", 1),
            ("A B=secret", 1),
            ("A='secret\n\n", 1),
            ("A=x\nB=\"secret\\\"", 2),
            ("A='secret' more", 1),
            ("A='x\n'\nB='y'secret", 3),
            ("[prod", 1),
            ("[]", 1),
            ("[a b]", 1),
            ("[prod] # x", 1),
            ("A\0B=1", 1),
        ] {
            let mistake = parse(file.as_bytes()).expect_err(file);
            assert_eq!(mistake.line, line, "{file:?}");
            assert!(!mistake.what.contains("secret"));
        }
    }

    #[test]
    fn values_are_bare_or_quoted_and_comments_are_left_out() {
        let file = "\u{feff}# first\r\nA=1\r\n  export B = two words  # comment\nC=a#b\nD=\n\nE='x # $y \\n'\nF=\"a\\n\\\"\\$b\\x\"  # c\nG='1\n2'\nH=#\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a#b"),
            ("D", ""),
            ("E", "x # $y \\n"),
            ("F", "a\n\"$b\\x"),
            ("G", "1\n2"),
            ("H", ""),
        ];
        assert_eq!(pairs(file), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn headings_begin_profiles() {
        let found = parse(b"A=1\n[prod]\nA=2\n\n[dev]\nB=3").unwrap();
        let profiles: Vec<_> = found.iter().map(|found| found.profile.as_ref().map(Profile::as_str)).collect();
        assert_eq!(profiles, [None, Some("prod"), Some("dev")]);
        assert_eq!(found[2].line, 6);
    }

    proptest! {
        #[test]
        fn any_value_survives_being_quoted_and_parsed(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut file = b"A=".to_vec();
            quote(&value, |bytes| file.extend_from_slice(bytes));
            file.extend_from_slice(b" # x\nB=1\n");
            let found = parse(&file).unwrap();
            prop_assert_eq!(found[0].value.expose(), &value[..]);
            prop_assert_eq!(found[1].value.expose(), b"1");
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(file in prop::collection::vec(prop::sample::select(&b"A=\n\r\t #'\"\\[]$\xff"[..]), 0..40)) {
            let _ = parse(&file);
        }
    }
}
