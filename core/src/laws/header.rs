//! The shortcuts in reading age files.

use crate::crypto::{open_for_test, stanza_count};
use age::{DecryptError, Identity};
use age_core::format::{FileKey, Stanza};
use std::cell::Cell;
use std::io::Read;
use std::sync::OnceLock;

/// A key that everybody knows.
fn key() -> &'static age::x25519::Identity {
    static KEY: OnceLock<age::x25519::Identity> = OnceLock::new();
    KEY.get_or_init(|| {
        let text = bech32::encode::<bech32::Bech32>(bech32::Hrp::parse_unchecked("age-secret-key-"), &[7; 32]);
        text.expect("a key's text").to_uppercase().parse().expect("a key")
    })
}

/// Reading with the whole header at once does what the age library does by itself, and with a hint it opens the same and
/// refuses the same; where the library finds a header, the stanzas are counted as it counts them.
///
/// A hint may change the reason of a refusal: the library stops at the first stanza that is damaged, and the hint passes
/// over those before its own.
pub fn header(input: &[u8]) {
    let plain = by_the_library(input);
    assert_eq!(ours(input, None), plain);
    let stanzas = input.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-> ")).take(4).count();
    for first in 0..stanzas + 2 {
        assert_eq!(ours(input, Some(first)).ok(), plain.clone().ok(), "with stanza {first} tried first");
    }
    let counted = stanza_count(input);
    if let Some(count) = stanzas_of_the_library(input) {
        assert_eq!(counted, Some(count), "the library finds {count} stanzas");
    }
}

fn ours(input: &[u8], first: Option<usize>) -> Result<Vec<u8>, String> {
    let keys = [key() as &(dyn Identity + Send + Sync)];
    open_for_test(input, keys.into_iter(), first)
        .map(|value| value.expose().to_vec())
        .map_err(|error| format!("{error:?}"))
}

fn by_the_library(input: &[u8]) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    age::Decryptor::new_buffered(input)
        .and_then(|decryptor| decryptor.decrypt(std::iter::once(key() as &dyn Identity)))
        .and_then(|mut reader| Ok(reader.read_to_end(&mut value)?))
        .map(|_| value)
        .map_err(|error| format!("{error:?}"))
}

/// An identity that opens nothing and counts what it is shown, but for the grease.
struct Counter(Cell<Option<usize>>);

impl Identity for Counter {
    fn unwrap_stanza(&self, _stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        None
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        self.0.set(Some(stanzas.iter().filter(|stanza| !stanza.tag.ends_with("-grease")).count()));
        None
    }
}

fn stanzas_of_the_library(input: &[u8]) -> Option<usize> {
    let counter = Counter(Cell::new(None));
    let _ = age::Decryptor::new_buffered(input).ok()?.decrypt(std::iter::once(&counter as &dyn Identity));
    counter.0.get()
}
