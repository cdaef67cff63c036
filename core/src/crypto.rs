//! age files: encrypt to recipients, decrypt with identities.
//!
//! Two things are done for speed, and neither decides anything. The age crate parses its header anew at every line
//! it reads; `WholeHeader` hands it the whole header at the first read. And an identity tries the stanza at its
//! own place in the metadata's list first (`Hinted`), then all others as usual.

use crate::digest::KeyId;
use crate::error::{Error, Result, printable};
use crate::identity::Identities;
use crate::name::SecretPath;
use crate::prompt::Prompt;
use crate::recipient::Recipient;
use crate::secret::SecretBytes;
use age_core::format::{FileKey, Stanza};
use memchr::memmem;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why a ciphertext did not open.
#[derive(Debug)]
pub(crate) enum Failure {
    /// None of the identities is among its recipients.
    NotRecipient,
    /// It is no age file, or a damaged one.
    Corrupt(String),
    /// An identity could not do its work: a plugin failed or is missing.
    Identity(String),
}

impl Failure {
    /// The error of a secret's ciphertext.
    pub(crate) fn of_secret(self, path: &SecretPath, identities: &Identities, file: impl FnOnce() -> PathBuf) -> Error {
        match self {
            Failure::NotRecipient => Error::NotAuthorized { name: path.to_string(), keys: identities.describe() },
            Failure::Corrupt(reason) => Error::corrupt(file(), reason),
            Failure::Identity(reason) => Error::KeyUnusable { origin: identities.origin().into(), reason },
        }
    }
}

/// Encrypts `value` to `recipients`, one stanza each and in that order (a plugin may add several).
///
/// # Errors
/// [`Error::Encrypt`].
pub(crate) fn encrypt(recipients: &[Recipient], value: &[u8], prompt: &Arc<dyn Prompt>) -> Result<Vec<u8>> {
    let recipients = recipients.iter().map(|recipient| recipient.to_age(prompt)).collect::<Result<Vec<_>>>()?;
    let fail = |reason: String| Error::Encrypt { reason: printable(&reason) };
    let encryptor =
        age::Encryptor::with_recipients(recipients.iter().map(|recipient| &**recipient as &dyn age::Recipient))
            .map_err(|error| fail(error.to_string()))?;
    let mut out = Vec::with_capacity(value.len() + 256 * (recipients.len() + 1));
    encryptor
        .wrap_output(&mut out)
        .and_then(|mut writer| {
            writer.write_all(value)?;
            writer.finish()
        })
        .map_err(|error| fail(error.to_string()))?;
    Ok(out)
}

/// Decrypts `ciphertext`; `order` is the metadata's list of recipients, a hint at most.
pub(crate) fn decrypt(identities: &Identities, ciphertext: &[u8], order: &[KeyId]) -> Result<SecretBytes, Failure> {
    let hinted: Vec<Hinted<'_>> = identities
        .iter()
        .map(|(inner, id)| Hinted { inner, first: id.and_then(|id| order.iter().position(|other| *other == id)) })
        .collect();
    open(ciphertext, hinted.iter().map(|identity| identity as &dyn age::Identity)).map_err(failure)
}

/// Decrypts with one identity of the age crate's kind.
pub(crate) fn decrypt_with(identity: &dyn age::Identity, ciphertext: &[u8]) -> Result<SecretBytes, Failure> {
    open(ciphertext, std::iter::once(identity)).map_err(failure)
}

fn failure(error: age::DecryptError) -> Failure {
    match error {
        age::DecryptError::NoMatchingKeys => Failure::NotRecipient,
        age::DecryptError::Plugin(_) | age::DecryptError::PluginResolve(_) | age::DecryptError::KeyDecryptionFailed => {
            Failure::Identity(printable(&error.to_string()))
        }
        other => Failure::Corrupt(reason(&other)),
    }
}

/// Decrypts an age file that is no secret of a vault, binary or armored; `file` names it in errors.
///
/// # Errors
/// [`Error::NotAuthorized`], [`Error::KeyUnusable`], [`Error::Corrupt`].
pub fn open_file(identities: &Identities, ciphertext: &[u8], file: &str) -> Result<SecretBytes> {
    let fail = |failure| match failure {
        Failure::NotRecipient => Error::NotAuthorized { name: printable(file), keys: identities.describe() },
        Failure::Corrupt(reason) => Error::corrupt(printable(file), reason),
        Failure::Identity(reason) => Error::KeyUnusable { origin: identities.origin().into(), reason },
    };
    if !ciphertext.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
        return decrypt(identities, ciphertext, &[]).map_err(fail);
    }
    let mut binary = Vec::with_capacity(ciphertext.len());
    age::armor::ArmoredReader::new(ciphertext)
        .read_to_end(&mut binary)
        .map_err(|_| Error::corrupt(printable(file), "its armor is damaged or cut off"))?;
    decrypt(identities, &binary, &[]).map_err(fail)
}

/// The reading path: whole header first, then the payload into memory that is wiped.
fn open<'a>(
    ciphertext: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<SecretBytes, age::DecryptError> {
    let mut reader = age::Decryptor::new_buffered(WholeHeader::new(ciphertext))?.decrypt(identities)?;
    // A plaintext is shorter than its ciphertext: the buffer never grows, so no copy of it stays behind.
    let mut value = Zeroizing::new(Vec::with_capacity(ciphertext.len()));
    reader.read_to_end(&mut value)?;
    Ok(SecretBytes::new(std::mem::take(&mut *value)))
}

/// In plain words, without the age crate's localisation machinery where it is not needed.
fn reason(error: &age::DecryptError) -> String {
    match error {
        age::DecryptError::InvalidHeader => "its age header is invalid".into(),
        age::DecryptError::InvalidMac => "its age header was altered (the MAC does not fit)".into(),
        age::DecryptError::UnknownFormat => "it is no age file of a version known here".into(),
        age::DecryptError::Io(_) | age::DecryptError::DecryptionFailed => "its payload is damaged or cut off".into(),
        other => printable(&other.to_string()),
    }
}

/// How many recipients' stanzas the header has, not counting the grease that age adds; `None` if it is no age file.
pub(crate) fn stanza_count(ciphertext: &[u8]) -> Option<usize> {
    let header = std::str::from_utf8(&ciphertext[..header_len(ciphertext)?]).ok()?;
    Some(
        header
            .lines()
            .filter_map(|line| line.strip_prefix("-> "))
            .filter(|stanza| !stanza.split(' ').next().unwrap_or_default().ends_with("-grease"))
            .count(),
    )
}

/// The length of the header: up to the LF of the first line that begins with `---`.
fn header_len(ciphertext: &[u8]) -> Option<usize> {
    let last = if ciphertext.starts_with(b"---") { 0 } else { memmem::find(ciphertext, b"\n---")? + 1 };
    Some(last + memchr::memchr(b'\n', &ciphertext[last..])? + 1)
}

/// A reader over a whole age file whose first line-wise read yields the whole header.
struct WholeHeader<'a> {
    rest: &'a [u8],
    header: usize,
}

impl<'a> WholeHeader<'a> {
    fn new(ciphertext: &'a [u8]) -> Self {
        Self { rest: ciphertext, header: header_len(ciphertext).unwrap_or(0) }
    }
}

impl Read for WholeHeader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.header = 0;
        self.rest.read(buffer)
    }
}

impl BufRead for WholeHeader<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        Ok(self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.header = 0;
        self.rest.consume(amount);
    }

    fn read_until(&mut self, byte: u8, out: &mut Vec<u8>) -> std::io::Result<usize> {
        match std::mem::take(&mut self.header) {
            0 => self.rest.read_until(byte, out),
            header => {
                let (head, rest) = self.rest.split_at(header);
                out.extend_from_slice(head);
                self.rest = rest;
                Ok(header)
            }
        }
    }
}

/// An identity that tries one stanza first and then, as any other, all of them.
struct Hinted<'a> {
    inner: &'a (dyn age::Identity + Send + Sync),
    first: Option<usize>,
}

impl age::Identity for Hinted<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        self.inner.unwrap_stanza(stanza)
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        let hinted = self.first.and_then(|at| stanzas.get(at)).and_then(|stanza| self.inner.unwrap_stanza(stanza));
        match hinted {
            Some(Ok(key)) => Some(Ok(key)),
            _ => self.inner.unwrap_stanzas(stanzas),
        }
    }
}

/// Encrypts to public keys given as text, as anyone can: what an attacker without keys would do.
///
/// # Errors
/// [`Error::InvalidRecipient`], [`Error::Encrypt`].
pub fn encrypt_to(recipients: &[impl AsRef<str>], value: &[u8]) -> Result<Vec<u8>> {
    let recipients = recipients.iter().map(|text| text.as_ref().parse()).collect::<Result<Vec<Recipient>>>()?;
    encrypt(&recipients, value, &(Arc::new(crate::prompt::Nobody) as Arc<dyn Prompt>))
}

/// The reading path with the age crate's own types, for the comparison with age's test vectors.
#[doc(hidden)]
pub fn open_for_test<'a>(
    ciphertext: &[u8],
    identities: impl Iterator<Item = &'a (dyn age::Identity + Send + Sync)>,
    first: Option<usize>,
) -> Result<SecretBytes, age::DecryptError> {
    let hinted: Vec<Hinted<'_>> = identities.map(|inner| Hinted { inner, first }).collect();
    open(ciphertext, hinted.iter().map(|identity| identity as &dyn age::Identity))
}
