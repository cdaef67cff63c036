//! What holds for any bytes whatever, for fuzzing and for replay: functions that panic where it does not hold. Compiled
//! for tests and under the feature `laws`, which only `fuzz/` asks for. A new one needs a line in [`ALL`], a target of its
//! name in `fuzz/fuzz_targets`, and a first input in `fuzz/corpus`.

use crate::dotenv::{self, Assignment};
use crate::environment::{COMMITTED, EnvFile, Sources, Variable, variables};
use crate::field;
use crate::import::names::Naming;
use crate::import::tree::Lists;
use crate::import::{self, Content, Entry, Format};
use crate::reference::Reference;
use crate::text::{Part, Text};
use agent_vault_core::{Error, SecretBytes};
use std::collections::BTreeSet;

pub use crate::mask::law::mask;

/// What must hold for every input.
pub type Law = fn(&[u8]);

/// Every law of this crate by the name of its fuzz target and of its folder in `fuzz/corpus`.
pub const ALL: [(&str, Law); 7] = [
    ("dotenv", dotenv),
    ("env_file", env_file),
    ("field_json", field_json),
    ("field_yaml", field_yaml),
    ("import", import),
    ("mask", mask),
    ("reference", reference),
];

/// No more fields of a document are asked for.
const MOST: usize = 64;

/// A reference is its own text; a text with references, written with its dollars doubled, reads back as itself.
pub fn reference(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.parse::<Reference>() {
        Ok(reference) => {
            assert_eq!(reference.to_string(), text);
            let whole = Text::of_value(input).expect("a reference is a value");
            assert_eq!(whole.references().collect::<Vec<_>>(), [&reference]);
            if let Some(field) = &reference.field {
                assert_eq!(of_field(field.as_str()).field.as_ref(), Some(field), "{text:?}");
            }
        }
        Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error:?}"),
    }
    if let Ok(template) = Text::of_template(input) {
        let parts = template.parts();
        let written = written(parts);
        let again = Text::of_template(&written).unwrap_or_else(|error| panic!("{input:?}: {error}"));
        assert_eq!(again.parts(), parts, "{input:?}");
        let value = SecretBytes::new(b"${av://a}".to_vec());
        let filled = template.fill(|_| &value);
        let literal: usize =
            parts.iter().map(|part| if let Part::Literal(bytes) = part { bytes.len() } else { value.len() }).sum();
        assert_eq!(filled.len(), literal, "a value is put in as it is");
    }
}

/// A template of these parts.
fn written(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Reference(reference) => out.extend_from_slice(format!("${{{reference}}}").as_bytes()),
            Part::Literal(bytes) => {
                let is_before_a_reference = at + 1 < parts.len();
                let mut dollars = 0;
                for (at, byte) in bytes.iter().enumerate() {
                    let ends_a_run = bytes[at..].starts_with(b"{av://");
                    if ends_a_run {
                        out.extend(std::iter::repeat_n(b'$', dollars));
                    }
                    out.push(*byte);
                    dollars = if *byte == b'$' { dollars + 1 } else { 0 };
                }
                if is_before_a_reference {
                    out.extend(std::iter::repeat_n(b'$', dollars));
                }
            }
        }
    }
    out
}

/// What is read from an env file, written and read again, is the same; a mistake has a line of the file.
pub fn dotenv(input: &[u8]) {
    let found = match dotenv::parse(input) {
        Ok(found) => found,
        Err(mistake) => {
            let lines = input.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&mistake.line), "line {} of {lines}", mistake.line);
            return;
        }
    };
    let mut file = Vec::new();
    let mut profile = None;
    for assignment in &found {
        if assignment.profile != profile {
            profile = assignment.profile.clone();
            let name = profile.as_ref().expect("nothing follows a heading but another").as_str();
            file.extend_from_slice(format!("[{name}]\n").as_bytes());
        }
        file.extend_from_slice(format!("{}=", assignment.name).as_bytes());
        dotenv::quote(assignment.value.expose(), |bytes| file.extend_from_slice(bytes));
        file.push(b'\n');
    }
    let again = dotenv::parse(&file).unwrap_or_else(|mistake| panic!("line {}: {}", mistake.line, mistake.what));
    let parts = |found: &[Assignment]| -> Vec<_> {
        found.iter().map(|it| (it.profile.clone(), it.name.clone(), it.value.expose().to_vec())).collect()
    };
    assert_eq!(parts(&again), parts(&found));
}

/// A committed env file sets nothing that decides what code runs, and nothing without a reference.
pub fn env_file(input: &[u8]) {
    let Ok(file) = EnvFile::parse(COMMITTED, input, true) else { return };
    assert!(EnvFile::parse(COMMITTED, input, false).is_ok(), "what is committed is an env file");
    let lines = dotenv::parse(input).expect("an env file has lines");
    let profiles = lines.iter().map(|line| line.profile.clone()).chain([None]).collect::<Vec<_>>();
    let mut files = vec![file];
    for profile in profiles {
        let sources = Sources { files, profile, ..Sources::default() };
        let found = variables(&sources).expect("a profile of its own");
        let names: BTreeSet<String> = found.iter().map(Variable::shown).collect();
        assert_eq!(names.len(), found.len(), "a variable is set twice");
        for variable in &found {
            let name: crate::Name = variable.shown().parse().expect("a name");
            assert!(!name.runs_code() && variable.text.has_references(), "{name}");
            assert!(lines.iter().any(|line| line.name == name));
        }
        files = sources.files;
    }
}

/// What an import reads from JSON, a field of it is.
pub fn field_json(input: &[u8]) {
    fields(input, Format::Json, field::Kind::Json);
}

/// What an import reads from YAML, a field of it is.
pub fn field_yaml(input: &[u8]) {
    fields(input, Format::Yaml, field::Kind::Yaml);
}

fn fields(input: &[u8], format: Format, kind: field::Kind) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let value = SecretBytes::new(input.to_vec());
    let whole = of_field("field");
    let of = |reference: &Reference| field::of(&value, reference.field.as_ref().expect("a field"));
    // Whatever it is, it is looked at without harm.
    let _ = of(&whole);
    if field::kind(text) != kind {
        return;
    }
    for Entry { keys, content, .. } in entries(input, format).into_iter().flatten().take(MOST) {
        let pointer: String =
            keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
        let reference = percent_encoded(&pointer);
        // No reference is that long.
        let Ok(reference) = reference.parse::<Reference>() else { continue };
        match (content, of(&reference)) {
            (Content::Value(expected), Ok(found)) => assert!(
                found.expose() == expected.expose(),
                "{pointer:?} is {:?} and not {:?}",
                String::from_utf8_lossy(found.expose()),
                String::from_utf8_lossy(expected.expose())
            ),
            (Content::Value(_), Err(error)) => {
                assert!(kind == field::Kind::Yaml, "{pointer:?}: {error}");
            }
            (Content::NoValue(_), _) => {}
        }
    }
}

fn entries(input: &[u8], format: Format) -> Result<Vec<Entry>, Error> {
    let nobody = || Err(Error::NoKey { tried: "nothing".into() });
    import::read(input, format, Lists::Indexed, "law", &nobody)
}

fn percent_encoded(field: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-/".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("av://a?field={}", field.bytes().map(encode).collect::<String>())
}

/// The reference that names this field.
fn of_field(field: &str) -> Reference {
    percent_encoded(field).parse().expect("a field that was written as one")
}

/// Readers read the same twice, in the order of the source; every entry gets a name of its own, or a reason; no error
/// repeats a line of the input.
pub fn import(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let format = [Format::Dotenv, Format::Json, Format::Yaml][usize::from(*first) % 3];
    let found = match entries(rest, format) {
        Ok(found) => found,
        Err(error) => {
            let told = error.to_string();
            assert!(!told.chars().any(char::is_control), "{told:?}");
            return;
        }
    };
    let shape = |entries: &[Entry]| -> Vec<_> {
        let value = |entry: &Entry| match &entry.content {
            Content::Value(value) => Ok(value.expose().to_vec()),
            Content::NoValue(why) => Err(*why),
        };
        entries.iter().map(|entry| (entry.keys.clone(), entry.line, value(entry))).collect()
    };
    let again = entries(rest, format).expect("it was read before");
    assert_eq!(shape(&found), shape(&again));
    let lines: Vec<usize> = found.iter().filter_map(|entry| entry.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    let count = found.len();
    let named = Naming { fix: true, ..Naming::default() }.name(found).expect("nothing is renamed");
    assert_eq!(named.len(), count);
    let paths: Vec<String> = named
        .iter()
        .filter_map(|named| named.outcome.as_ref().ok())
        .map(|(path, _)| path.as_str().to_ascii_lowercase())
        .collect();
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len(), "two entries become one secret");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
    }

    fn corpus(law: &str) -> Vec<Vec<u8>> {
        let dir = fuzz().join("corpus").join(law);
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn every_law_holds_for_every_input_of_its_corpus() {
        for (name, law) in ALL {
            let inputs = corpus(name);
            assert!(!inputs.is_empty(), "fuzz/corpus/{name} is empty");
            for input in inputs {
                eprintln!("{name}: {:?}", String::from_utf8_lossy(&input)); // shown for the one that fails
                law(&input);
            }
        }
    }

    #[test]
    fn every_law_has_a_fuzz_target_of_its_name_that_runs_it() {
        let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
        for (name, _) in ALL {
            let target = std::fs::read_to_string(fuzz().join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
            assert!(target.contains(&format!("agent_vault_deliver::laws::{name}(input)")), "{name}: {target}");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no target in fuzz/Cargo.toml");
        }
    }

    #[test]
    fn the_corpora_reach_what_the_laws_are_about() {
        // A corpus of inputs that are all refused at once would replay in vain.
        let accepted = |law: &str, accepts: &dyn Fn(&[u8]) -> bool| {
            assert!(corpus(law).iter().any(|input| accepts(input)), "no input of fuzz/corpus/{law} is accepted");
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        accepted("reference", &|bytes| text(bytes).parse::<Reference>().is_ok_and(|it| it.field.is_some()));
        accepted("reference", &|bytes| Text::of_template(bytes).is_ok_and(|text| text.references().count() > 1));
        accepted("dotenv", &|bytes| dotenv::parse(bytes).is_ok_and(|found| found.len() > 1));
        accepted("env_file", &|bytes| EnvFile::parse(COMMITTED, bytes, true).is_ok());
        accepted("field_json", &|bytes| entries(bytes, Format::Json).is_ok_and(|found| found.len() > 1));
        accepted("field_yaml", &|bytes| entries(bytes, Format::Yaml).is_ok_and(|found| found.len() > 1));
        for (first, format) in [(0, Format::Dotenv), (1, Format::Json), (2, Format::Yaml)] {
            accepted("import", &|bytes| {
                bytes.first().is_some_and(|byte| byte % 3 == first) && entries(&bytes[1..], format).is_ok()
            });
        }
    }
}
