//! Who can open what, found out by trying: age's X25519 stanzas do not say whom they are for.

use crate::crypto::{self, Failure};
use crate::identity::Identities;
use crate::secret::SecretBytes;
use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use std::cell::RefCell;

/// An age identity of any kind.
pub(crate) type Key<'k> = &'k (dyn age::Identity + Send + Sync);

/// The most stanzas of one header that belong to nobody known: each is tried with every key.
const MAX_UNKNOWN: usize = 64;

/// What a ciphertext opened to, and for whom it opens.
pub(crate) struct Opened {
    /// The owner's plaintext: the payload is whole.
    pub value: SecretBytes,
    /// Whose each stanza is, in order, without grease: an index into the keys, or nobody known.
    pub stanzas: Vec<Option<usize>>,
}

/// Opens a ciphertext with the first of `keys`, the owner's, and finds out whose each stanza is. `likely` are the keys
/// to try first; they decide nothing.
///
/// A stanza is somebody's when it yields the file key that opens the payload. One that yields another key, such as a
/// forger could add, is nobody's.
pub(crate) fn open(ciphertext: &[u8], keys: &[Key<'_>], likely: &[usize]) -> Result<Opened, Failure> {
    let others = (1..keys.len()).filter(|at| !likely.contains(at));
    let order = likely.iter().copied().filter(|at| (1..keys.len()).contains(at)).chain(others).collect();
    let probe = Probe { keys, order, stanzas: RefCell::default() };
    let value = crypto::decrypt_with(&probe, ciphertext)?;
    let stanzas = probe.stanzas.into_inner();
    let unknown = stanzas.iter().filter(|stanza| stanza.is_none()).count();
    if unknown > MAX_UNKNOWN {
        return Err(Failure::Corrupt(format!("more than {MAX_UNKNOWN} of its recipients are known to nobody here")));
    }
    Ok(Opened { value, stanzas })
}

/// The age crate's form of a sole identity.
pub(crate) fn key(identities: &Identities) -> Option<Key<'_>> {
    identities.iter().next().map(|(identity, _)| identity)
}

/// An identity that opens as the owner and notes for whom else it would have opened.
struct Probe<'k> {
    keys: &'k [Key<'k>],
    order: Vec<usize>,
    stanzas: RefCell<Vec<Option<usize>>>,
}

impl Probe<'_> {
    /// Whose a stanza is.
    fn whose(&self, stanza: &Stanza, file_key: &FileKey) -> Option<usize> {
        std::iter::once(0).chain(self.order.iter().copied()).find(|at| {
            let found = self.keys.get(*at).and_then(|key| key.unwrap_stanza(stanza));
            matches!(found, Some(Ok(found)) if found.expose_secret() == file_key.expose_secret())
        })
    }
}

impl age::Identity for Probe<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        self.keys.first()?.unwrap_stanza(stanza)
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        let file_key = match self.keys.first()?.unwrap_stanzas(stanzas)? {
            Ok(file_key) => file_key,
            failed => return Some(failed),
        };
        let mut found = self.stanzas.borrow_mut();
        let mut unknown = 0;
        for stanza in stanzas.iter().filter(|stanza| !stanza.tag.ends_with("-grease")) {
            // Enough is known once there are too many.
            let whose = if unknown > MAX_UNKNOWN { None } else { self.whose(stanza, &file_key) };
            unknown += usize::from(whose.is_none());
            found.push(whose);
        }
        Some(Ok(file_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Vec<Identities> {
        (0..count).map(|_| Identities::generate()).collect()
    }

    fn sealed_to(keys: &[&Identities]) -> Vec<u8> {
        let recipients: Vec<String> = keys.iter().flat_map(|key| key.recipients().map(ToString::to_string)).collect();
        crypto::encrypt_to(&recipients, b"value").unwrap()
    }

    #[test]
    fn each_stanza_is_found_to_be_somebodys_or_nobodys() {
        let all = keys(4);
        let known: Vec<Key<'_>> = all[..3].iter().filter_map(key).collect();
        let opened = open(&sealed_to(&[&all[0], &all[2], &all[3], &all[1]]), &known, &[1]).ok().unwrap();
        assert_eq!(opened.stanzas, [Some(0), Some(2), None, Some(1)]);
        assert_eq!(opened.value.expose(), b"value");
        assert!(matches!(open(&sealed_to(&[&all[1]]), &known, &[]), Err(Failure::NotRecipient)));
    }

    #[test]
    fn a_header_of_strangers_ends_the_search() {
        let (owner, strangers) = (keys(1), keys(MAX_UNKNOWN + 2));
        let to: Vec<&Identities> = owner.iter().chain(&strangers).collect();
        let known: Vec<Key<'_>> = owner.iter().filter_map(key).collect();
        assert!(matches!(open(&sealed_to(&to), &known, &[]), Err(Failure::Corrupt(_))));
    }
}
