//! One encrypted value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{AesGcm, Nonce, Tag, aes::Aes256};
use agent_vault_core::SecretBytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// AES-256-GCM with sops' long nonce.
type Cipher = AesGcm<Aes256, U32>;

const BEGINNING: &str = "ENC[AES256_GCM,";

/// The key of one file's values.
pub(super) struct DataKey(Cipher);

impl DataKey {
    /// `None` when it has not 32 bytes.
    pub(super) fn new(key: SecretBytes) -> Option<Self> {
        Cipher::new_from_slice(key.expose()).ok().map(Self)
    }
}

/// Whether a text is meant as an encrypted value.
pub(super) fn looks_sealed(text: &str) -> bool {
    text.starts_with(BEGINNING)
}

/// The parts of an encrypted value.
pub(super) struct Sealed<'t> {
    data: Vec<u8>,
    nonce: Nonce<U32>,
    tag: Tag,
    /// `str`, `int`, `float`, `bool`, `bytes`, …
    pub(super) kind: &'t str,
}

impl<'t> Sealed<'t> {
    /// `None` when it is not of that form.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let mut fields = text.strip_prefix(BEGINNING)?.strip_suffix(']')?.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix(':');
        let (data, nonce, tag, kind) = (field("data")?, field("iv")?, field("tag")?, field("type")?);
        if fields.next().is_some() {
            return None;
        }
        let nonce: [u8; 32] = STANDARD.decode(nonce).ok()?.try_into().ok()?;
        let tag: [u8; 16] = STANDARD.decode(tag).ok()?.try_into().ok()?;
        Some(Self { data: STANDARD.decode(data).ok()?, nonce: nonce.into(), tag: tag.into(), kind })
    }

    /// The value; `None` when it was altered, or stands in another place than `place`.
    pub(super) fn open(&self, key: &DataKey, place: &str) -> Option<SecretBytes> {
        let mut value = Zeroizing::new(self.data.clone());
        key.0.decrypt_in_place_detached(&self.nonce, place.as_bytes(), &mut value, &self.tag).ok()?;
        Some(SecretBytes::new(std::mem::take(&mut *value)))
    }
}

/// A number in the clear, as it goes into the digest: integers in decimal, others as Go's `FormatFloat(f, 'f', -1, 64)`.
pub(super) fn canonical_number(text: &str) -> String {
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    let integer = if let Some(hex) = text.strip_prefix("0x") {
        radix(hex, 16)
    } else if let Some(octal) = text.strip_prefix("0o") {
        radix(octal, 8)
    } else {
        text.strip_prefix('+').unwrap_or(text).parse().ok()
    };
    match (integer, text.parse::<f64>()) {
        (Some(integer), _) => integer.to_string(),
        (None, Ok(number)) => number.to_string(),
        (None, Err(_)) => text.to_owned(),
    }
}

/// Hexadecimal digits in upper case.
pub(super) fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
