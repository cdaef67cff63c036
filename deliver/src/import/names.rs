//! Which secret an entry becomes: its keys are the segments of its name, below a prefix. Nothing is changed unasked: what
//! the vault's grammar refuses is told, with a name that it would take.

use super::{Content, Entry};
use agent_vault_core::{Error, GroupName, Result, SecretBytes, SecretPath};
use std::collections::{BTreeMap, HashMap};

/// How entries are named.
#[derive(Debug, Default)]
pub struct Naming {
    /// What stands before each name, such as `billing/prod`.
    pub prefix: Option<SecretPath>,
    /// The whole name of an entry, by what the source calls it; the prefix is not added.
    pub renamed: BTreeMap<String, SecretPath>,
    /// Entries, and objects of them, that are left out, by what the source calls them.
    pub excluded: Vec<String>,
    /// Whether suggested names are taken.
    pub fix: bool,
}

/// An entry, and the secret that it becomes.
#[derive(Debug)]
pub struct Named {
    /// What the source calls it.
    pub source: String,
    /// The line that it begins on, where the source has lines.
    pub line: Option<usize>,
    /// Its name and value, or why there is none.
    pub outcome: std::result::Result<(SecretPath, SecretBytes), Refusal>,
}

/// Why an entry cannot become a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: String,
    /// A name that would be taken.
    pub suggestion: Option<SecretPath>,
}

impl Refusal {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), suggestion: None }
    }
}

impl Naming {
    /// Names every entry that is not left out.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the source has no entry of a name that is renamed or left out.
    pub fn name(&self, entries: Vec<Entry>) -> Result<Vec<Named>> {
        self.check(&entries)?;
        let kept =
            entries.into_iter().map(|entry| (entry.source(), entry)).filter(|(source, _)| !self.excludes(source));
        let mut named: Vec<Named> = kept
            .map(|(source, entry)| {
                let path = self.path(&source, &entry.keys);
                let outcome = match entry.content {
                    Content::NoValue(reason) => Err(Refusal::because(reason)),
                    Content::Value(value) => path.map(|path| (path, value)),
                };
                Named { source, line: entry.line, outcome }
            })
            .collect();
        refuse_clashes(&mut named);
        Ok(named)
    }

    fn excludes(&self, source: &str) -> bool {
        self.excluded.iter().any(|excluded| lies_in(source, excluded))
    }

    /// Refuses a name that no entry has: it is mistyped, and what it was meant for would be taken over.
    fn check(&self, entries: &[Entry]) -> Result<()> {
        let sources: Vec<String> = entries.iter().map(Entry::source).collect();
        let is_entry = |name: &String| sources.iter().any(|source| source == name);
        let has_entries = |name: &String| sources.iter().any(|source| lies_in(source, name));
        let unknown = self
            .renamed
            .keys()
            .find(|name| !is_entry(name))
            .or_else(|| self.excluded.iter().find(|name| !has_entries(name)));
        match unknown {
            None => Ok(()),
            Some(name) => Err(Error::NotFound {
                what: "entry",
                name: agent_vault_core::error::printable(name),
                near: agent_vault_core::name::nearest(name, sources.iter().map(String::as_str)),
            }),
        }
    }

    /// The secret's name, or why there is none.
    fn path(&self, source: &str, keys: &[String]) -> std::result::Result<SecretPath, Refusal> {
        if let Some(path) = self.renamed.get(source) {
            return Ok(path.clone());
        }
        let joined = |keys: &[String]| {
            let below: Vec<&str> =
                self.prefix.iter().map(SecretPath::as_str).chain(keys.iter().map(String::as_str)).collect();
            SecretPath::parse(&below.join("/"))
        };
        // A key with a slash in it would become two segments.
        let broken = keys.iter().find_map(|key| GroupName::parse(key).err());
        let error = match broken {
            Some(error) => error,
            None => match joined(keys) {
                Ok(path) => return Ok(path),
                Err(error) => error,
            },
        };
        let fixed: Option<Vec<String>> = keys.iter().map(|key| suggest(key)).collect();
        let suggestion = fixed.and_then(|keys| joined(&keys).ok());
        match suggestion {
            Some(path) if self.fix => Ok(path),
            suggestion => {
                let reason = match error {
                    Error::InvalidName { reason, .. } => reason.to_owned(),
                    other => other.to_string(),
                };
                Err(Refusal { reason, suggestion })
            }
        }
    }
}

/// Whether an entry is this one, or lies in the object of this name.
fn lies_in(source: &str, name: &str) -> bool {
    source.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Refuses entries that would be one secret, or whose names differ only in case.
fn refuse_clashes(named: &mut [Named]) {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut clashes = Vec::new();
    for (at, entry) in named.iter().enumerate() {
        let Ok((path, _)) = &entry.outcome else { continue };
        match first.get(&path.as_str().to_ascii_lowercase()) {
            Some(other) => clashes.push((at, *other)),
            None => drop(first.insert(path.as_str().to_ascii_lowercase(), at)),
        }
    }
    for (at, other) in clashes {
        let other = named[other].source.clone();
        named[at].outcome =
            Err(Refusal::because(format!("it would get the name of {other}, or one that differs only in case")));
    }
}

/// The nearest segment that the vault takes: each run of what it refuses becomes `-`.
pub fn suggest(key: &str) -> Option<String> {
    let mut fixed = String::new();
    for c in key.chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        if c != '-' || !fixed.ends_with('-') {
            fixed.push(c);
        }
    }
    let trimmed = fixed.trim_start_matches(['.', '-']).trim_end_matches(['.', '-']);
    let shorter = trimmed.get(..trimmed.len().min(60))?.trim_end_matches(['.', '-']);
    let ending = || shorter.rsplit_once('.').map(|(stem, ending)| format!("{stem}-{ending}"));
    let device = || match shorter.split_once('.') {
        Some((stem, rest)) => format!("{stem}_.{rest}"),
        None => format!("{shorter}_"),
    };
    let accepted =
        |segment: &String| GroupName::parse(segment).is_ok() && segment.bytes().any(|b| b.is_ascii_alphanumeric());
    [Some(shorter.to_owned()), ending(), Some(device())].into_iter().flatten().find(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(keys: &[&str]) -> Entry {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Entry { keys, line: None, content: Content::Value(SecretBytes::new(b"v".to_vec())) }
    }

    fn told(naming: &Naming, entries: &[&[&str]]) -> Vec<String> {
        let named = naming.name(entries.iter().map(|keys| entry(keys)).collect()).expect("names");
        let tell = |named: Named| match named.outcome {
            Ok((path, _)) => path.to_string(),
            Err(Refusal { reason, suggestion: None }) => format!("! {reason}"),
            Err(Refusal { suggestion: Some(path), .. }) => format!("? {path}"),
        };
        named.into_iter().map(tell).collect()
    }

    #[test]
    fn keys_become_segments_below_the_prefix() {
        let naming = Naming { prefix: Some("app/prod".parse().unwrap()), ..Naming::default() };
        let names = told(&naming, &[&["DATABASE_URL"], &["db", "password"]]);
        assert_eq!(names, ["app/prod/DATABASE_URL", "app/prod/db/password"]);
        assert_eq!(told(&Naming::default(), &[&["A"]]), ["A"]);
    }

    #[test]
    fn a_name_that_the_vault_refuses_is_suggested_another_and_never_changed_unasked() {
        let entries: [&[&str]; 4] = [&["a b"], &["a/b", "c"], &[".hidden"], &["é"]];
        assert_eq!(told(&Naming::default(), &entries)[..3], ["? a-b", "? a-b/c", "? hidden"]);
        assert!(told(&Naming::default(), &entries)[3].starts_with("! "));
        let fixing = Naming { fix: true, ..Naming::default() };
        assert_eq!(told(&fixing, &entries)[..3], ["a-b", "a-b/c", "hidden"]);
        let renamed = BTreeMap::from([("é".to_owned(), "e".parse().unwrap())]);
        assert_eq!(told(&Naming { renamed, ..Naming::default() }, &entries)[3], "e");
        let deep: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
        assert_eq!(told(&fixing, &[&deep]), ["! it has more than 8 segments"]);
    }

    #[test]
    fn two_entries_never_become_one_secret() {
        let fixing = Naming { fix: true, ..Naming::default() };
        let names = told(&fixing, &[&["a b"], &["a-b"], &["A"], &["a"]]);
        assert!(names[0] == "a-b" && names[2] == "A", "{names:?}");
        assert!(names[1].starts_with("! it would get the name of a b") && names[3].starts_with("! "), "{names:?}");
    }

    #[test]
    fn what_is_left_out_is_not_named_and_a_mistyped_name_is_an_error() {
        let naming = Naming { excluded: vec!["a".into(), "b/c".into()], ..Naming::default() };
        let entries: [&[&str]; 5] = [&["a", "x"], &["a", "y"], &["ab"], &["b", "c"], &["b", "d"]];
        assert_eq!(told(&naming, &entries), ["ab", "b/d"]);
        let naming = Naming { excluded: vec!["ax".into()], ..Naming::default() };
        assert!(matches!(naming.name(vec![entry(&["ab"])]), Err(Error::NotFound { near: Some(_), .. })));
        let renamed = BTreeMap::from([("b".to_owned(), "c".parse().unwrap())]);
        assert!(Naming { renamed, ..Naming::default() }.name(vec![entry(&["a"])]).is_err());
    }

    #[test]
    fn suggestions_avoid_what_is_reserved() {
        for (key, suggestion) in [
            ("x.enc", "x-enc"),
            ("con", "con_"),
            ("NUL.txt", "NUL-txt"),
            ("-a.", "a"),
            ("a  b", "a-b"),
            ("db url!", "db-url"),
        ] {
            assert_eq!(suggest(key).as_deref(), Some(suggestion), "{key}");
        }
        assert_eq!(suggest("..."), None);
    }

    proptest! {
        #[test]
        fn a_suggestion_is_accepted_and_stays_as_it_is(key: String) {
            if let Some(segment) = suggest(&key) {
                prop_assert!(GroupName::parse(&segment).is_ok());
                prop_assert_eq!(suggest(&segment), Some(segment));
            }
        }
    }
}
