//! References: `av://group/name`, by the grammar in `docs/references.md`.

use agent_vault_core::error::printable;
use agent_vault_core::{Error, Result, SecretPath, VaultAlias};
use std::fmt;
use std::str::FromStr;

/// How every reference begins.
pub const SCHEME: &str = "av://";
/// What stands between a secret and one of its fields.
const FIELD: &str = "?field=";
/// No reference is longer: an alias, a path, and a field that is written with three characters for each of its bytes.
const LONGEST: usize = 4096;

/// Which vault a reference is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// `av://./…`: the vault here, whatever its names are.
    Here(SecretPath),
    /// `av://@ALIAS/…`: the vault that this machine knows by that name.
    There(VaultAlias, SecretPath),
    /// `av://…`: a name of the vault here or, where its first segment is an alias, of that vault. At least one of both.
    Unmarked(Option<SecretPath>, Option<(VaultAlias, SecretPath)>),
}

/// A part of a value that is JSON, YAML or dotenv: a name, or a JSON Pointer (RFC 6901) where it begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field(String);

impl Field {
    /// A field at the top of a value, by its name.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Its text, as it stands in the value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reference to a secret, or to a field of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The secret.
    pub place: Place,
    /// The field of its value; all of it where there is none.
    pub field: Option<Field>,
    text: String,
}

impl Reference {
    /// The reference to a secret of the vault here.
    pub fn here(path: &SecretPath) -> Self {
        Self { place: Place::Here(path.clone()), field: None, text: format!("{SCHEME}./{path}") }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| {
            Error::Usage {
            message: format!("{:?} is no reference: {reason}", printable(text)),
            hint: "write av://group/name, av://@ALIAS/group/name, and ?field=NAME after it for a part of a value; docs/references.md has the grammar".into(),
        }
        };
        if text.len() > LONGEST {
            return Err(wrong("it is too long"));
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it does not begin with av://"))?;
        let (secret, field) = match rest.split_once('?') {
            None => (rest, None),
            Some((secret, _)) => {
                let field =
                    rest[secret.len()..].strip_prefix(FIELD).ok_or_else(|| wrong("only ?field=NAME may follow"))?;
                (secret, Some(Field(decode(field).ok_or_else(|| wrong(FIELD_RULE))?)))
            }
        };
        let place = place(secret).map_err(|error| wrong(&reason(&error)))?;
        Ok(Self { place, field, text: text.to_owned() })
    }
}

/// What breaks the rules of a name.
fn reason(error: &Error) -> String {
    match error {
        Error::InvalidName { reason, .. } => (*reason).to_owned(),
        other => other.to_string(),
    }
}

/// The secret and where it is.
fn place(text: &str) -> Result<Place> {
    if let Some(path) = text.strip_prefix("./") {
        return path.parse().map(Place::Here);
    }
    if let Some(marked) = text.strip_prefix('@') {
        let (alias, path) = marked.split_once('/').unwrap_or((marked, ""));
        return Ok(Place::There(alias.parse()?, path.parse()?));
    }
    let other = text.split_once('/').and_then(|(alias, path)| Some((alias.parse().ok()?, path.parse().ok()?)));
    match (text.parse::<SecretPath>(), other) {
        (Err(error), None) => Err(error),
        (here, other) => Ok(Place::Unmarked(here.ok(), other)),
    }
}

const FIELD_RULE: &str =
    "a field is letters, digits, '.', '_', '~', '-' and '/'; other characters are written as %XX, in UTF-8";

/// Decodes RFC 3986's percent-encoding; `None` for what the grammar does not allow.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                bytes.push((high * 16 + low) as u8);
            }
            b'.' | b'_' | b'~' | b'-' | b'/' => bytes.push(byte),
            _ if byte.is_ascii_alphanumeric() => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok().filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Reference> {
        text.parse()
    }

    #[test]
    fn what_is_no_reference_is_refused_whole() {
        for text in [
            "",
            "av:",
            "av://",
            "av:///a",
            "AV://a/b",
            " av://a/b",
            "av://a/b ",
            "av://a/b\n",
            "av://a b",
            "av://a/../b",
            "av://.hidden",
            "av://../a",
            "av://@",
            "av://@prod",
            "av://@prod/",
            "av://@/a/b",
            "av://@prod/./a",
            "av://./@prod/a",
            "av://./",
            "av://a/b?",
            "av://a/b?field",
            "av://a/b?field=",
            "av://a/b?field=a b",
            "av://a/b?field=a&x=y",
            "av://a/b?field=%4",
            "av://a/b?field=%zz",
            "av://a/b?field=%ff",
            "av://a/b?field=a}",
            "av://a/b?FIELD=a",
            "av://a/b#c",
            "av://a/b%2fc",
            "av://user@host/a",
            "av://1/2/3/4/5/6/7/8/9/10",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.hint().contains("av://group/name"), "{text:?}");
        }
        assert!(parse(&format!("av://a?field={}", "a".repeat(5000))).is_err());
    }

    #[test]
    fn a_reference_says_which_vault_secret_and_field() {
        let path = |text: &str| text.parse::<SecretPath>().unwrap();
        let alias = |text: &str| text.parse::<VaultAlias>().unwrap();
        assert_eq!(parse("av://./prod/key").unwrap().place, Place::Here(path("prod/key")));
        assert_eq!(parse("av://@prod/db/pw").unwrap().place, Place::There(alias("prod"), path("db/pw")));
        assert_eq!(parse("av://token").unwrap().place, Place::Unmarked(Some(path("token")), None));
        assert_eq!(
            parse("av://prod/db/pw").unwrap().place,
            Place::Unmarked(Some(path("prod/db/pw")), Some((alias("prod"), path("db/pw"))))
        );
        assert_eq!(
            parse("av://prod/1/2/3/4/5/6/7/8").unwrap().place,
            Place::Unmarked(None, Some((alias("prod"), path("1/2/3/4/5/6/7/8")))),
            "nine segments are one alias and eight of a path"
        );
        for (text, field) in
            [("user", "user"), ("/a/0/b~1c", "/a/0/b~1c"), ("tls.crt", "tls.crt"), ("a%20%C3%A9%7D", "a é}")]
        {
            let reference = parse(&format!("av://db/login?field={text}")).unwrap();
            assert_eq!(reference.field.unwrap().as_str(), field);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_comes_out_as_it_went_in(text in "(av://)?[@./a-c?field=%0-9~\u{e9} ]{0,24}") {
            if let Ok(reference) = parse(&text) {
                prop_assert_eq!(reference.to_string(), text.clone());
                prop_assert_eq!(parse(&reference.to_string()).unwrap(), reference);
                let fits_anywhere = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}$\"'\\".contains(&byte));
                prop_assert!(fits_anywhere);
            }
        }
    }
}
