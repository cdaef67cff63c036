//! Env files: `NAME=value` a line, with `[profile]` headings. The grammar is in `docs/run.md`.
//!
//! Nothing is expanded: a dollar is a dollar. What is not understood is an error with its line, and no error repeats a
//! value.

use crate::variable::Name;
use std::str::FromStr;

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its line, counted from 1.
    pub line: usize,
    /// The heading that it stands under.
    pub profile: Option<Profile>,
    /// The variable.
    pub name: Name,
    /// What it is set to, without quotes and escapes.
    pub value: Vec<u8>,
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
            Err("a profile's name is letters, digits, '_', '-' and '.'")
        }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it; never a value.
    pub what: &'static str,
}

/// Parses a file.
///
/// # Errors
/// A [`Mistake`] for the first line that is not understood.
pub fn parse(file: &[u8]) -> Result<Vec<Assignment>, Mistake> {
    let mut reader = Reader { rest: file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file), line: 1 };
    let mut profile = None;
    let mut found = Vec::new();
    while !reader.rest.is_empty() {
        let line = reader.line;
        let mistake = |what| Mistake { line, what };
        reader.skip_blanks();
        match reader.peek() {
            None | Some(b'\n' | b'#') => {}
            Some(b'[') => {
                let heading = reader.line_end().trim_ascii_end();
                let name = heading[1..].strip_suffix(b"]").and_then(|name| std::str::from_utf8(name).ok());
                let name = name.ok_or_else(|| mistake("a heading is [profile], on a line of its own"))?;
                profile = Some(name.parse().map_err(mistake)?);
                continue;
            }
            Some(_) => {
                let name = reader.name().map_err(mistake)?;
                let value = reader.value().map_err(mistake)?;
                found.push(Assignment { line, profile: profile.clone(), name, value });
            }
        }
        let rest = reader.line_end();
        if !rest.is_empty() && !rest.starts_with(b"#") {
            return Err(mistake("only a comment may follow a quoted value"));
        }
    }
    Ok(found)
}

struct Reader<'f> {
    rest: &'f [u8],
    line: usize,
}

impl<'f> Reader<'f> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.line += usize::from(*first == b'\n');
        Some(*first)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.take();
        }
    }

    /// What is left of the line; the reader stands at the next one.
    fn line_end(&mut self) -> &'f [u8] {
        let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.take();
        line
    }

    /// `NAME=`, perhaps after `export`.
    fn name(&mut self) -> Result<Name, &'static str> {
        const RULE: &str = "write NAME=value, where NAME is letters, digits and '_'";
        for word in [&b"export "[..], b"export\t"] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                self.skip_blanks();
            }
        }
        let line = self.rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let end = line.iter().position(|byte| *byte == b'=').ok_or(RULE)?;
        let name = std::str::from_utf8(line[..end].trim_ascii_end()).ok().and_then(|name| name.parse().ok());
        self.rest = &self.rest[end + 1..];
        name.ok_or(RULE)
    }

    /// A value in quotes or without.
    fn value(&mut self) -> Result<Vec<u8>, &'static str> {
        self.skip_blanks();
        let value = match self.peek() {
            Some(b'\'') => self.quoted(b'\'')?,
            Some(b'"') => self.quoted(b'"')?,
            _ => return Ok(self.bare()),
        };
        self.skip_blanks();
        Ok(value)
    }

    /// To the end of the line, or to a comment, which stands after a blank.
    fn bare(&mut self) -> Vec<u8> {
        let line = self.rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let comment = (0..line.len()).find(|at| line[*at] == b'#' && (*at == 0 || line[*at - 1].is_ascii_whitespace()));
        let end = comment.unwrap_or(line.len());
        self.rest = &self.rest[end..];
        line[..end].trim_ascii_end().to_vec()
    }

    /// Between quotes, over as many lines as it takes.
    fn quoted(&mut self, quote: u8) -> Result<Vec<u8>, &'static str> {
        self.take();
        let mut value = Vec::new();
        loop {
            match self.take().ok_or("the quote has no end")? {
                byte if byte == quote => return Ok(value),
                b'\\' if quote == b'"' => match self.take().ok_or("the quote has no end")? {
                    b'n' => value.push(b'\n'),
                    b'r' => value.push(b'\r'),
                    b't' => value.push(b'\t'),
                    byte @ (b'\\' | b'"' | b'$' | b'`') => value.push(byte),
                    byte => value.extend([b'\\', byte]),
                },
                byte => value.push(byte),
            }
        }
    }
}

/// A value as this grammar, and other readers of such files, take it: in single quotes, or in double quotes with escapes
/// where it holds a single quote or a line's end.
pub fn quoted(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() * 2 + 2);
    if !value.iter().any(|byte| b"'\n\r".contains(byte)) {
        out.push(b'\'');
        out.extend_from_slice(value);
        out.push(b'\'');
        return out;
    }
    out.push(b'"');
    for byte in value {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' | b'"' | b'$' | b'`' => out.extend([b'\\', *byte]),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(file: &str) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
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
            let file = [b"A=", &quoted(&value)[..], b" # x\nB=1\n"].concat();
            let found = parse(&file).unwrap();
            prop_assert_eq!(&found[0].value, &value);
            prop_assert_eq!(&found[1].value, b"1");
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(file in prop::collection::vec(prop::sample::select(&b"A=\n\r\t #'\"\\[]$\xff"[..]), 0..40)) {
            let _ = parse(&file);
        }
    }
}
