//! The reading path beside the plain age crate, over all of the age project's own test vectors (C2SP CCTV, "age").
//!
//! The reading path differs from the crate's plain calls in two ways, both for speed: the header is read whole, and one
//! stanza is tried first. Neither may change what opens, or how what does not open fails. So every vector goes both
//! ways, with every stanza as the one tried first, and the outcomes must be the same to the word.

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use agent_vault_core::crypto;
use agent_vault_core::digest::Digest;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many vectors the age package brings.
const VECTORS: usize = 123;

/// age opens these although the specification does not: files of its early days lack the short final line.
const LEGACY: [&str; 2] = ["stanza_missing_body", "stanza_missing_final_line"];

type Identity = Box<dyn age::Identity + Send + Sync>;

/// One file of the test kit.
struct Vector {
    name: String,
    /// `success`, `header failure`, …
    expect: String,
    /// SHA-256 of all that may be released, in hex; where there is a payload.
    payload: Option<String>,
    identities: Vec<Identity>,
    armored: bool,
    file: Vec<u8>,
}

/// A plaintext, or the error in full.
type Outcome = Result<Vec<u8>, String>;

#[test]
fn the_reading_path_agrees_with_plain_age_on_every_vector() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(testkit())
        .expect("the age package brings its test vectors")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    names.sort();
    let mut opened = 0;
    for path in &names {
        let vector = Vector::read(path);
        let mut file = vector.file.clone();
        if vector.armored {
            // Armor is none of the reading path's business: a vault's files are binary, so to both sides an armored
            // file is no age file. What it holds is compared when the armor itself is sound.
            assert!(compare(&vector, &file).is_err(), "{}", vector.name);
            match dearmored(&file) {
                Some(decoded) => file = decoded,
                None => {
                    assert!(vector.expects_no_armor(), "{}: sound armor was not read", vector.name);
                    continue;
                }
            }
        }
        let outcome = compare(&vector, &file);
        vector.judge(&file, &outcome);
        opened += usize::from(outcome.is_ok());
    }
    assert_eq!(names.len(), VECTORS, "vectors were added or lost: look at them, then correct the number here");
    assert!(opened > 20, "only {opened} vectors opened: the comparison says nothing");
}

/// The reading path with every hint must do what plain age does. Returns what that is.
fn compare(vector: &Vector, file: &[u8]) -> Outcome {
    let (plain, _) = plain(vector, file);
    let stanzas = file.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-> ")).count();
    // A hint is a number in a document: it may also point past the last stanza.
    for first in [None].into_iter().chain((0..stanzas + 2).map(Some)) {
        let ours = crypto::open_for_test(file, vector.identities.iter().map(|identity| &**identity), first)
            .map(|value| value.expose().to_vec())
            .map_err(|error| format!("{error:?}"));
        assert_eq!(ours, plain, "{} with {first:?} tried first", vector.name);
    }
    plain
}

/// What the age crate does by itself, and all that it releases until it fails.
fn plain(vector: &Vector, file: &[u8]) -> (Outcome, Vec<u8>) {
    let mut released = Vec::new();
    let identities = vector.identities.iter().map(|identity| &**identity as &dyn age::Identity);
    let outcome = age::Decryptor::new_buffered(file)
        .and_then(|decryptor| decryptor.decrypt(identities))
        .and_then(|mut reader| Ok(reader.read_to_end(&mut released)?))
        .map(|_| released.clone())
        .map_err(|error| format!("{error:?}"));
    (outcome, released)
}

fn dearmored(file: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    ArmoredReader::new(file).read_to_end(&mut decoded).ok().map(|_| decoded)
}

impl Vector {
    /// The format is described at <https://github.com/C2SP/CCTV/tree/main/age>: lines of `key: value`, an empty line,
    /// the age file.
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("a readable vector");
        let mut rest = bytes.as_slice();
        let mut vector = Self {
            name: path.file_name().expect("a name").to_string_lossy().into_owned(),
            expect: String::new(),
            payload: None,
            identities: Vec::new(),
            armored: false,
            file: Vec::new(),
        };
        let mut compressed = false;
        loop {
            let mut line = String::new();
            rest.read_line(&mut line).expect("a header of text");
            let Some((key, value)) = line.trim_end().split_once(": ") else { break };
            match (key, value) {
                ("expect", expect) => vector.expect = expect.to_owned(),
                ("payload", digest) => vector.payload = Some(digest.to_owned()),
                ("identity", key) => {
                    vector.identities.push(Box::new(key.parse::<age::x25519::Identity>().expect("a key")));
                }
                ("passphrase", phrase) => {
                    let mut identity = age::scrypt::Identity::new(SecretString::from(phrase));
                    // As in age's own test: enough for the vectors that open, little enough for those that should not.
                    identity.set_max_work_factor(16);
                    vector.identities.push(Box::new(identity));
                }
                ("armored", "yes") => vector.armored = true,
                ("compressed", "zlib") => compressed = true,
                ("file key" | "comment", _) => {}
                unknown => panic!("{}: {unknown:?} is new to this test", vector.name),
            }
        }
        if compressed {
            flate2::read::ZlibDecoder::new(rest).read_to_end(&mut vector.file).expect("zlib data");
        } else {
            vector.file = rest.to_vec();
        }
        vector
    }

    /// Whether the armor is broken, or such that age's reader does not take it for armor.
    fn expects_no_armor(&self) -> bool {
        self.expect == "armor failure" || self.name == "armor_garbage_encoded"
    }

    /// What is compared must be what the vector is about: a test kit that was read wrongly would agree on anything.
    fn judge(&self, file: &[u8], outcome: &Outcome) {
        let digest = |bytes: &[u8]| Digest::of(bytes).hex();
        match (self.expect.as_str(), outcome) {
            ("success", Ok(value)) => assert_eq!(Some(digest(value)), self.payload, "{}", self.name),
            ("payload failure", Err(_)) => {
                let (_, released) = plain(self, file);
                assert_eq!(Some(digest(&released)), self.payload, "{}", self.name);
            }
            (_, Ok(_)) if LEGACY.contains(&self.name.as_str()) => {}
            ("header failure" | "HMAC failure" | "no match" | "armor failure", Err(_)) => {}
            // age's reader finds armor only at the very beginning.
            ("success", Err(_)) if self.name == "armor_whitespace_outside" => {}
            (expected, outcome) => panic!("{}: expected {expected}, got {outcome:?}", self.name),
        }
    }
}

/// The folder of vectors in the source of the very age crate that the library is built with.
fn testkit() -> PathBuf {
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    // Only this host's packages: those of other systems need not be there.
    let metadata = cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let manifest = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .find(|package| package["name"] == "age")
        .and_then(|package| package["manifest_path"].as_str())
        .expect("age is a dependency");
    Path::new(manifest).with_file_name("tests").join("testdata").join("testkit")
}
