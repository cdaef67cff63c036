//! Which variables a program is to get, and what of them has to be resolved.

use crate::dotenv::{self, Assignment, Profile};
use crate::reference::Reference;
use crate::resolve::{Values, Wanted};
use crate::text::Text;
use crate::variable::Name;
use agent_vault_core::name::nearest;
use agent_vault_core::{Error, Result, SecretBytes, SecretPath};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

/// The env file that is committed, and found without being named. It holds references only.
pub const COMMITTED: &str = ".agent-vault.env";

/// A variable that is to be set.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name. One that the caller's environment has already may be any text.
    pub name: OsString,
    /// What it is set to.
    pub text: Text,
}

impl Variable {
    /// Its name, for a person.
    pub fn shown(&self) -> String {
        agent_vault_core::error::printable(&self.name.to_string_lossy())
    }
}

/// A variable that somebody names: a secret's path, or text that holds references.
///
/// # Errors
/// [`Error::InvalidName`] and [`Error::Usage`]; no program is given `AGENT_VAULT_KEY`.
pub fn assigned(name: &str, value: &str) -> Result<(Name, Text)> {
    let text = match value.contains("av://") {
        true => Text::of_value(value.as_bytes())?,
        false => Text::reference(Reference::here(&value.parse::<SecretPath>()?)),
    };
    let name: Name = name.parse()?;
    if name.as_str() == "AGENT_VAULT_KEY" {
        return Err(Error::Usage {
            message: "AGENT_VAULT_KEY holds the key that opens the vault, and no program is given it".into(),
            hint: "name another variable".into(),
        });
    }
    Ok((name, text))
}

/// An env file.
#[derive(Debug)]
pub struct EnvFile {
    assignments: Vec<(Assignment, Text)>,
    shown: String,
}

impl EnvFile {
    /// Parses a file. In one that is committed, every value holds a reference: text that is no secret has its place
    /// elsewhere, and a secret in plain text has none.
    ///
    /// # Errors
    /// [`Error::Usage`] with file and line.
    pub fn parse(shown: &str, bytes: &[u8], committed: bool) -> Result<Self> {
        let at = |line: usize| format!("{shown}, line {line}");
        let wrong = |line: usize, what: &str, hint: &str| Error::Usage {
            message: format!("{}: {what}", at(line)),
            hint: hint.to_owned(),
        };
        let parsed = dotenv::parse(bytes)
            .map_err(|mistake| wrong(mistake.line, mistake.what, "docs/run.md says how env files are written"))?;
        let mut assignments: Vec<(Assignment, Text)> = Vec::new();
        for found in parsed {
            if found.name.runs_code() {
                return Err(wrong(
                    found.line,
                    &format!("no env file may set {}: it decides what code programs run", found.name),
                    "take the line out; set it yourself, in your shell or with --env",
                ));
            }
            let again = |other: &(Assignment, Text)| other.0.name == found.name && other.0.profile == found.profile;
            if assignments.iter().any(again) {
                return Err(wrong(found.line, &format!("{} is set twice", found.name), "remove one of the lines"));
            }
            let text = Text::of_value(found.value.expose())
                .map_err(|error| wrong(found.line, &error.to_string(), &error.hint()))?;
            if committed && !text.has_references() {
                return Err(wrong(
                    found.line,
                    &format!(
                        "the value of {} holds no reference, and {COMMITTED} is there for nothing else",
                        found.name
                    ),
                    "store the value and write av://group/name, or keep the line in a file that you name with --env-file",
                ));
            }
            assignments.push((found, text));
        }
        Ok(Self { assignments, shown: shown.to_owned() })
    }

    fn profiles(&self) -> impl Iterator<Item = &str> {
        self.assignments.iter().filter_map(|(found, _)| found.profile.as_ref()).map(Profile::as_str)
    }

    /// What holds always, then what holds under the profile.
    fn of<'f>(&'f self, profile: Option<&'f Profile>) -> impl Iterator<Item = &'f (Assignment, Text)> {
        let always = self.assignments.iter().filter(|(found, _)| found.profile.is_none());
        let under =
            self.assignments.iter().filter(move |(found, _)| profile.is_some() && found.profile.as_ref() == profile);
        always.chain(under)
    }
}

/// Everything that variables come from; what comes later wins.
#[derive(Debug, Default)]
pub struct Sources {
    /// The caller's environment.
    pub inherited: Vec<(OsString, OsString)>,
    /// Env files, in order.
    pub files: Vec<EnvFile>,
    /// The profile of the files that holds.
    pub profile: Option<Profile>,
    /// Variables that a person named.
    pub named: Vec<(Name, Text)>,
    /// Only these, where any are named.
    pub only: Vec<Name>,
}

/// The variables that have to be set. Of the caller's environment these are the ones that hold references: what holds
/// none is none of our business.
///
/// # Errors
/// [`Error::Usage`] for a profile that no file has, for a name in `only` that is none of the variables, and for a value
/// that begins like a reference and is none.
pub fn variables(sources: &Sources) -> Result<Vec<Variable>> {
    if let Some(profile) = &sources.profile {
        check_profile(profile, &sources.files)?;
    }
    let is_wanted = |name: &OsStr| sources.only.is_empty() || sources.only.iter().any(|only| only.as_str() == name);
    let mut found: Vec<Variable> = Vec::new();
    let mut set = |name: OsString, text: Text| match found.iter_mut().find(|variable| variable.name == name) {
        Some(variable) => variable.text = text,
        None => found.push(Variable { name, text }),
    };
    for file in &sources.files {
        file.of(sources.profile.as_ref()).for_each(|(found, text)| set(found.name.as_str().into(), text.clone()));
    }
    sources.named.iter().for_each(|(name, text)| set(name.as_str().into(), text.clone()));
    found.retain(|variable| is_wanted(&variable.name));
    let mut inherited = Vec::new();
    for (name, value) in &sources.inherited {
        if is_wanted(name) && !found.iter().any(|variable| variable.name == *name) {
            let shown = agent_vault_core::error::printable(&name.to_string_lossy());
            let text = Text::of_value(value.as_encoded_bytes())
                .map_err(|error| Error::Usage { message: format!("{shown}: {error}"), hint: error.hint() })?;
            if text.has_references() {
                inherited.push(Variable { name: name.clone(), text });
            }
        }
    }
    inherited.extend(found);
    check_only(&sources.only, &inherited)?;
    Ok(inherited)
}

fn check_profile(profile: &Profile, files: &[EnvFile]) -> Result<()> {
    let known: BTreeSet<&str> = files.iter().flat_map(EnvFile::profiles).collect();
    if known.contains(profile.as_str()) {
        return Ok(());
    }
    let hint = match files {
        [] => format!("there is no {COMMITTED} here or above, up to the vault's folder; name a file with --env-file"),
        files => {
            let shown: Vec<&str> = files.iter().map(|file| &*file.shown).collect();
            let known: Vec<&str> = known.iter().copied().collect();
            format!("{} has {}", shown.join(", "), if known.is_empty() { "none".into() } else { known.join(", ") })
        }
    };
    let near = nearest(profile.as_str(), known).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    Err(Error::Usage { message: format!("no profile {:?}{near}", profile.as_str()), hint })
}

fn check_only(only: &[Name], variables: &[Variable]) -> Result<()> {
    let missing = |name: &&Name| !variables.iter().any(|variable| variable.name == name.as_str());
    match only.iter().find(missing) {
        None => Ok(()),
        Some(name) => Err(Error::Usage {
            message: format!("--only names {name}, and no variable of that name holds a reference"),
            hint: "name variables of the env files, of --env, or of your environment".into(),
        }),
    }
}

/// What these variables want resolved.
pub fn wanted(variables: &[Variable]) -> impl Iterator<Item = Wanted<'_>> {
    variables
        .iter()
        .flat_map(|variable| variable.text.references().map(|reference| Wanted { by: variable.shown(), reference }))
}

/// The variables with what their references stand for.
///
/// # Errors
/// [`Error::Usage`] for a value that no environment can hold.
pub fn filled(variables: &[Variable], values: &Values) -> Result<Vec<(OsString, SecretBytes)>> {
    let fill = |variable: &Variable| {
        let value = variable.text.fill(|reference| values.of(reference));
        if value.expose().contains(&0) {
            return Err(Error::Usage {
                message: format!("{}: the value holds a NUL byte, which no environment can hold", variable.shown()),
                hint: "hand it over in a file: --file VAR=PATH, or --fd VAR=PATH".into(),
            });
        }
        Ok((variable.name.clone(), value))
    };
    variables.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(text: &str) -> Result<EnvFile> {
        EnvFile::parse(COMMITTED, text.as_bytes(), true)
    }

    fn names(sources: &Sources) -> Vec<String> {
        variables(sources).unwrap().iter().map(Variable::shown).collect()
    }

    #[test]
    fn a_committed_file_holds_references_only_and_no_file_says_what_code_runs() {
        for (text, told) in [
            ("PORT=8080", "line 1: the value of PORT holds no reference"),
            ("A=av://a\n\nB='see av://a'", "line 3: the value of B holds no reference"),
            ("A=", "holds no reference"),
            ("A=av://a b", "is no reference"),
            ("PATH=av://a", "line 1: no env file may set PATH"),
            ("[prod]\nLD_PRELOAD=${av://a}", "line 2: no env file may set LD_PRELOAD"),
            ("A=av://a\nA=av://b", "line 2: A is set twice"),
        ] {
            let error = committed(text).expect_err(text);
            assert!(error.to_string().contains(told), "{error}");
        }
        assert!(EnvFile::parse("x", b"PORT=8080", false).is_ok());
        assert!(EnvFile::parse("x", b"GIT_DIR=1", false).is_err());
    }

    #[test]
    fn what_comes_later_wins_and_only_picks() {
        let file = |text: &str| EnvFile::parse("x", text.as_bytes(), false).unwrap();
        let sources = || Sources {
            inherited: vec![
                ("HOME".into(), "/h".into()),
                ("A".into(), "av://inherited".into()),
                ("I".into(), "av://i".into()),
            ],
            files: vec![file("A=1\nB=1\n[prod]\nB=2\nC=3\n[dev]\nD=4\n")],
            ..Sources::default()
        };
        assert_eq!(names(&sources()), ["I", "A", "B"]);
        let prod = Sources { profile: Some("prod".parse().unwrap()), ..sources() };
        let found = variables(&prod).unwrap();
        assert_eq!(names(&prod), ["I", "A", "B", "C"]);
        assert_eq!(found[2].text, Text::literal(b"2"));
        let named = Sources { named: vec![("B".parse().unwrap(), Text::literal(b"9"))], ..prod };
        assert_eq!(variables(&named).unwrap()[2].text, Text::literal(b"9"));
        let only = Sources { only: vec!["I".parse().unwrap(), "C".parse().unwrap()], ..named };
        assert_eq!(names(&only), ["I", "C"]);
        let missing = Sources { only: vec!["HOME".parse().unwrap()], ..sources() };
        assert!(variables(&missing).is_err(), "HOME holds no reference");
        let profile = Sources { profile: Some("prdo".parse().unwrap()), ..sources() };
        assert!(variables(&profile).unwrap_err().to_string().contains("did you mean \"prod\"?"));
    }

    #[test]
    fn a_value_of_the_callers_environment_that_begins_like_a_reference_is_one_or_an_error() {
        let sources = Sources { inherited: vec![("X".into(), "av://a b".into())], ..Sources::default() };
        assert!(variables(&sources).unwrap_err().to_string().starts_with("X: "));
        let only = Sources { only: vec!["Y".parse().unwrap()], ..sources };
        assert!(variables(&only).unwrap_err().to_string().contains("--only names Y"));
    }
}
