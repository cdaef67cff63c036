//! Keys: private ones and public ones, as people hand them over.

use crate::identity::Identities;
use crate::prompt::{Nobody, Prompt};
use crate::recipient::Recipient;
use crate::secret::SecretBytes;
use std::sync::Arc;

/// Where a private key stands on a line of its own.
const PRIVATE: [&str; 2] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-"];
/// The least of a key that counts as one: shorter ones are words that a message may contain.
const TELLING: usize = 24;

/// A key file is taken or refused, and no message repeats a key from it; a native key's own file reads back as that key.
pub fn identities(input: &[u8]) {
    let read = |text: &[u8]| {
        let nobody: Arc<dyn Prompt> = Arc::new(Nobody);
        Identities::from_bytes(SecretBytes::new(text.to_vec()), "the input", &nobody)
    };
    let found = match read(input) {
        Ok(found) => found,
        Err(error) => {
            let told = format!("{error} {error:?} {}", error.hint());
            let text = String::from_utf8_lossy(input);
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= TELLING);
            for line in lines.filter(|line| PRIVATE.iter().any(|mark| line.starts_with(mark))) {
                assert!(!told.contains(line), "a key in an error: {told}");
            }
            return;
        }
    };
    assert!(found.iter().count() > 0, "accepted, and without a key");
    assert!(!found.describe().contains(PRIVATE[0]));
    found.recipients().for_each(stable);
    if let Some(native) = found.sole_native() {
        let again = read(found.to_key_file(found.hints()).expose()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.sole_native(), Some(native));
        assert_eq!(again.hints(), found.hints());
    }
}

/// A public key has one text, of one line, and reads back as itself; a private key is never repeated.
pub fn recipients(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.parse::<Recipient>() {
        Ok(recipient) => stable(&recipient),
        Err(error) => {
            let told = format!("{error} {error:?}");
            assert!(!error.to_string().chars().any(char::is_control), "{told:?}");
            let private = text.to_ascii_uppercase().contains(PRIVATE[0]) && text.trim().len() >= TELLING;
            assert!(!private || !told.contains(text.trim()), "a key in an error: {told}");
        }
    }
}

fn stable(recipient: &Recipient) {
    let text = recipient.as_str();
    assert!(text.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{text:?} is more than one plain line");
    let again: Recipient = text.parse().unwrap_or_else(|error| panic!("{text:?} does not read back: {error}"));
    assert_eq!((again.as_str(), again.id(), again.is_native()), (text, recipient.id(), recipient.is_native()));
}
