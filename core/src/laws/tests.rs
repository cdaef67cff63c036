//! The corpora, replayed: every input that a fuzzer or a person found worth keeping.

use super::ALL;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("fuzz")
}

/// The files of a law's corpus, sorted.
fn corpus(law: &str) -> Vec<PathBuf> {
    let dir = fuzz().join("corpus").join(law);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_law_holds_for_every_input_of_its_corpus() {
    for (name, law) in ALL {
        let files = corpus(name);
        assert!(!files.is_empty(), "fuzz/corpus/{name} is empty");
        for file in files {
            eprintln!("{}", file.display()); // shown for the one that fails
            law(&std::fs::read(&file).unwrap());
        }
    }
}

#[test]
fn every_law_has_a_fuzz_target_of_its_name_that_runs_it() {
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (name, _) in ALL {
        let target = std::fs::read_to_string(fuzz().join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("agent_vault_core::laws::{name}(input)")), "{name}: {target}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no target in fuzz/Cargo.toml");
    }
}

#[test]
fn the_corpora_reach_what_the_laws_are_about() {
    // A corpus of inputs that are all refused at once would replay in vain.
    let accepted = |law: &str, accepts: &dyn Fn(&[u8]) -> bool| {
        let found = corpus(law).iter().filter(|file| accepts(&std::fs::read(file).unwrap())).count();
        assert!(found > 0, "no input of fuzz/corpus/{law} is accepted");
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    accepted("root", &|bytes| crate::root::Root::parse(bytes).is_ok());
    accepted("card", &|bytes| crate::card::Card::parse(bytes).is_ok());
    accepted("manifest", &|bytes| crate::yaml::parse::<crate::manifest::Manifest>(bytes).is_ok());
    accepted("metadata", &|bytes| crate::yaml::parse::<crate::metadata::Metadata>(bytes).is_ok());
    accepted("tombstone", &|bytes| crate::yaml::parse::<crate::metadata::Tombstone>(bytes).is_ok());
    accepted("memory", &|bytes| crate::yaml::parse::<crate::trust::Pin>(bytes).is_ok());
    accepted("memory", &|bytes| crate::yaml::parse::<crate::trust::Mark>(bytes).is_ok());
    accepted("signatures", &|bytes| crate::signing::Signature::from_armored(bytes).is_ok());
    accepted("signatures", &|bytes| text(bytes).parse::<crate::signing::Signature>().is_ok());
    accepted("signed", &|bytes| crate::metadata::split_signed(bytes).is_ok());
    accepted("header", &|bytes| crate::crypto::stanza_count(bytes).is_some());
    accepted("recipients", &|bytes| text(bytes).parse::<crate::recipient::Recipient>().is_ok());
    accepted("names", &|bytes| crate::layout::is_ours(&text(bytes)));
    accepted("time", &|bytes| text(bytes).parse::<crate::Timestamp>().is_ok());
}
