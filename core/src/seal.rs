//! Sealed values: `avs://1/VAULT/GROUP/…`, one line of text that stands in a file for a value (`docs/seal.md`).
//!
//! ```text
//! sealed    = "avs://1/" vault-id "/" group "/" base64url-without-padding( age file of plaintext )
//! plaintext = signed-head "recipients: " key-id *( "," key-id ) LF [ "signature: " base64( SSHSIG of signed ) LF ] LF value
//! signed    = signed-head LF value
//! signed-head = "agent-vault seal 1" LF "vault: " vault-id LF "group: " group LF
//! ```
//!
//! What stands in the clear only says where to look; vault and group count as the encrypted part has them.

use crate::digest::KeyId;
use crate::error::{Error, Result, printable};
use crate::name::GroupName;
use crate::root::VaultId;
use crate::secret::SecretBytes;
use crate::signing::Signature;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// How every sealed value begins.
pub const SCHEME: &str = "avs://";
/// The one version.
const VERSION: &str = "1/";
/// The characters of a vault's id.
const ID: usize = 36;

/// A sealed value, as it is written; nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The vault that it says it is of.
    pub vault: VaultId,
    /// The group that it says it is for.
    pub group: GroupName,
    pub(crate) ciphertext: Vec<u8>,
}

impl Sealed {
    /// Parses the sealed value at the beginning of `text`, as far as it goes. Returns it, and how long it is.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is none, or is cut off.
    pub fn parse_prefix(text: &str) -> Result<(Self, usize)> {
        let fail = |reason: &str| Error::Usage {
            message: format!("{:?} is no sealed value: {reason}", printable(text.get(..24).unwrap_or(text))),
            hint: "avs://1/VAULT/GROUP/…, whole, as `agent-vault seal` printed it".into(),
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| fail("it does not begin with avs://"))?;
        let rest = rest.strip_prefix(VERSION).ok_or_else(|| fail("it is of a version not known here"))?;
        let vault = rest.get(..ID).and_then(|id| id.parse().ok()).ok_or_else(|| fail("it has no vault id"))?;
        let rest = rest[ID..].strip_prefix('/').ok_or_else(|| fail("it has no group"))?;
        let (group, rest) = rest.split_once('/').ok_or_else(|| fail("it has no group"))?;
        let group = GroupName::parse(group).map_err(|_| fail("its group has no valid name"))?;
        let in_payload = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let end = rest.bytes().position(|byte| !in_payload(byte)).unwrap_or(rest.len());
        let ciphertext = BASE64_URL_SAFE_NO_PAD.decode(&rest[..end]).map_err(|_| fail("it is cut off or mistyped"))?;
        if ciphertext.is_empty() {
            return Err(fail("it is cut off"));
        }
        Ok((Self { vault, group, ciphertext }, text.len() - rest.len() + end))
    }

    /// How messages name it.
    pub(crate) fn place(&self) -> String {
        format!("the sealed value for group {}", self.group)
    }
}

impl FromStr for Sealed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (sealed, length) = Self::parse_prefix(text)?;
        if length == text.len() {
            return Ok(sealed);
        }
        Err(Error::Usage {
            message: "something follows the sealed value".into(),
            hint: "avs://1/VAULT/GROUP/…, and nothing else".into(),
        })
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(&self.ciphertext);
        write!(f, "{SCHEME}{VERSION}{}/{}/{payload}", self.vault, self.group)
    }
}

/// What was encrypted.
pub(crate) struct Plaintext {
    pub(crate) vault: VaultId,
    pub(crate) group: GroupName,
    pub(crate) recipients: Vec<KeyId>,
    pub(crate) signature: Option<Signature>,
    pub(crate) value: SecretBytes,
}

impl Plaintext {
    fn head(&self) -> String {
        format!("agent-vault seal 1\nvault: {}\ngroup: {}\n", self.vault, self.group)
    }

    /// What an owner signs: not the recipients, so that a reader can seal it anew for others.
    pub(crate) fn signed(&self) -> Zeroizing<Vec<u8>> {
        joined(&[self.head().as_bytes(), b"\n", self.value.expose()])
    }

    pub(crate) fn render(&self) -> Zeroizing<Vec<u8>> {
        let ids: Vec<String> = self.recipients.iter().map(ToString::to_string).collect();
        let signature = self.signature.as_ref().map(|signature| format!("signature: {signature}\n"));
        let head = format!("{}recipients: {}\n{}\n", self.head(), ids.join(","), signature.unwrap_or_default());
        joined(&[head.as_bytes(), self.value.expose()])
    }

    /// `Err` says what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").ok_or("it has no head")?;
        let (head, value) = (&bytes[..end], &bytes[end + 2..]);
        let head = std::str::from_utf8(head).map_err(|_| "its head is no text")?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some("agent-vault seal 1") {
            return Err("it was not made by `seal`");
        }
        let mut field = |name: &str| lines.next_if(|line| line.starts_with(name)).map(|line| &line[name.len()..]);
        let vault = field("vault: ").and_then(|id| id.parse().ok()).ok_or("its head names no vault")?;
        let group = field("group: ").and_then(|group| group.parse().ok()).ok_or("its head names no group")?;
        let ids = field("recipients: ").ok_or("its head names no recipients")?;
        let recipients =
            ids.split(',').map(str::parse).collect::<Result<_>>().map_err(|_| "its recipients are none")?;
        let signature = field("signature: ").map(str::parse).transpose().map_err(|_: Error| "its signature is none")?;
        if lines.next().is_some() {
            return Err("its head holds more than is known here");
        }
        Ok(Self { vault, group, recipients, signature, value: SecretBytes::new(value.to_vec()) })
    }
}

fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // As long as it becomes: the buffer never grows, so no copy of it stays behind.
    let mut out = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}
