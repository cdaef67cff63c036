//! Signatures in OpenSSH's own format (SSHSIG, Ed25519, SHA-512), so that stock `ssh-keygen -Y verify` checks a vault.
//!
//! Source: OpenSSH's `PROTOCOL.sshsig`.

use crate::error::{Error, Result, printable};
use crate::secret::SecretBytes;
use base64::{Engine, prelude::BASE64_STANDARD};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig, public::KeyData};
use std::fmt;
use std::str::FromStr;

/// What a signature is for; one made for another purpose never verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// `roots/<n>.yaml`
    Root,
    /// `manifest.yaml`
    Manifest,
    /// `.meta` and `.gone`
    Secret,
    /// An owner's card
    Card,
    /// Sealed values
    Seal,
    /// Git commits
    Git,
}

impl Namespace {
    /// The namespace as it stands in signatures.
    pub fn as_str(self) -> &'static str {
        match self {
            Namespace::Root => "agent-vault.root",
            Namespace::Manifest => "agent-vault.manifest",
            Namespace::Secret => "agent-vault.secret",
            Namespace::Card => "agent-vault.card",
            Namespace::Seal => "agent-vault.seal",
            Namespace::Git => "git",
        }
    }
}

/// An owner's signing key for one vault. Wiped on drop; has no `Debug`.
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// A new key.
    pub(crate) fn generate(comment: &str) -> Result<Self> {
        let mut key = PrivateKey::random(&mut rand::rngs::OsRng, Algorithm::Ed25519).map_err(broken)?;
        key.set_comment(comment);
        Ok(Self(key))
    }

    /// Reads an unencrypted OpenSSH private key.
    pub(crate) fn from_openssh(text: &SecretBytes) -> Option<Self> {
        PrivateKey::from_openssh(text.expose()).ok().filter(|key| key.algorithm() == Algorithm::Ed25519).map(Self)
    }

    /// The key in OpenSSH's format, unencrypted.
    pub(crate) fn to_openssh(&self) -> Result<SecretBytes> {
        let text = self.0.to_openssh(LineEnding::LF).map_err(broken)?;
        Ok(SecretBytes::new(text.as_bytes().to_vec()))
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::from_data(self.0.public_key().key_data().clone())
    }

    /// Signs `message` for a purpose.
    pub(crate) fn sign(&self, namespace: Namespace, message: &[u8]) -> Result<Signature> {
        self.0.sign(namespace.as_str(), HashAlg::Sha512, message).map(Signature).map_err(broken)
    }
}

/// ssh-key's errors here can only come from a broken random source or a key of another kind.
fn broken(error: ssh_key::Error) -> Error {
    Error::Encrypt { reason: format!("signing failed: {error}") }
}

/// The public half of a signing key: `ssh-ed25519 AAAA…`, without comment.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    key: PublicKey,
    text: String,
}

impl VerifyingKey {
    fn from_data(data: KeyData) -> Self {
        let key = PublicKey::new(data, "");
        let text = key.to_openssh().unwrap_or_default();
        Self { key, text }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }
}

impl FromStr for VerifyingKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        PublicKey::from_openssh(text)
            .ok()
            .filter(|key| key.algorithm() == Algorithm::Ed25519)
            .map(|key| Self::from_data(key.key_data().clone()))
            .filter(|key| key.text == text)
            .ok_or_else(|| Error::Usage {
                message: format!("{:?} is no ssh-ed25519 public key", printable(text)),
                hint: "ssh-ed25519 AAAA…, without a comment".into(),
            })
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An SSHSIG. Its text is the base64 of its bytes; its armored form is that of `.sig` files.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(SshSig);

impl Signature {
    /// The `-----BEGIN SSH SIGNATURE-----` form.
    pub(crate) fn armored(&self) -> Result<String> {
        let mut text = self.0.to_pem(LineEnding::LF).map_err(broken)?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// Reads the armored form; `Err` says what is wrong.
    pub(crate) fn from_armored(text: &[u8]) -> Result<Self, String> {
        if text.contains(&b'\r') {
            return Err("line endings changed by Git: it holds carriage returns".into());
        }
        let signature = SshSig::from_pem(text).map(Self).map_err(|_| "it is no SSH signature".to_string())?;
        match signature.armored() {
            Ok(again) if again.as_bytes() == text => Ok(signature),
            _ => Err("it holds more than one SSH signature in its usual form".into()),
        }
    }

    /// Checks this signature over `message`: made for `namespace`, by one of `keys`. Returns which.
    pub(crate) fn verify<'k>(
        &self,
        namespace: Namespace,
        message: &[u8],
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<&'k VerifyingKey, String> {
        self.check_purpose(namespace)?;
        let key = keys.into_iter().find(|key| key.key.key_data() == self.0.public_key()).ok_or_else(|| {
            format!(
                "it is signed by {}, which is no owner's key",
                PublicKey::new(self.0.public_key().clone(), "").fingerprint(HashAlg::Sha256)
            )
        })?;
        key.key
            .verify(namespace.as_str(), message, &self.0)
            .map(|()| key)
            .map_err(|_| "its signature does not fit its content: it was altered".into())
    }
}

impl Signature {
    fn check_purpose(&self, namespace: Namespace) -> Result<(), String> {
        // The version is not signed, and the library takes a lower one: OpenSSH would refuse what is accepted here.
        if self.0.version() != SshSig::VERSION
            || self.0.namespace() != namespace.as_str()
            || self.0.hash_alg() != HashAlg::Sha512
            || !self.0.reserved().is_empty()
        {
            return Err(format!("its signature was not made for {}", namespace.as_str()));
        }
        Ok(())
    }

    /// Checks this signature over `message` with whatever key made it, and returns that key: whose it is, the caller
    /// has to ask.
    pub(crate) fn signer(&self, namespace: Namespace, message: &[u8]) -> Result<VerifyingKey, String> {
        let key = VerifyingKey::from_data(self.0.public_key().clone());
        self.verify(namespace, message, [&key])?;
        Ok(key)
    }
}

impl FromStr for Signature {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        use ssh_encoding::Decode;
        let fail =
            || Error::Usage { message: "not an SSH signature in base64".into(), hint: "base64 of an SSHSIG".into() };
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| fail())?;
        let mut rest = bytes.as_slice();
        let signature = SshSig::decode(&mut rest).map(Self).map_err(|_| fail())?;
        if rest.is_empty() && signature.to_string() == text { Ok(signature) } else { Err(fail()) }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ssh_encoding::Encode;
        let mut bytes = Vec::new();
        self.0.encode(&mut bytes).map_err(|_| fmt::Error)?;
        f.write_str(&BASE64_STANDARD.encode(bytes))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_counts_for_its_purpose_its_key_and_its_text_only() {
        let (key, other) = (SigningKey::generate("a").unwrap(), SigningKey::generate("b").unwrap());
        let (public, stranger) = (key.verifying_key(), other.verifying_key());
        let signature = key.sign(Namespace::Secret, b"text").unwrap();
        assert!(signature.verify(Namespace::Secret, b"text", [&stranger, &public]).is_ok());
        assert!(signature.verify(Namespace::Manifest, b"text", [&public]).is_err());
        assert!(signature.verify(Namespace::Secret, b"texT", [&public]).is_err());
        assert!(signature.verify(Namespace::Secret, b"text", [&stranger]).is_err());
        assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        let armored = signature.armored().unwrap();
        assert_eq!(Signature::from_armored(armored.as_bytes()).unwrap(), signature);
        assert!(Signature::from_armored(format!("{armored}more\n").as_bytes()).is_err());
        // What is not signed of a signature: its version.
        let text = signature.to_string();
        let other: Signature = text.replacen("U1NIU0lHAAAAAQ", "U1NIU0lHAAAAAA", 1).parse().unwrap();
        assert!(other != signature && other.verify(Namespace::Secret, b"text", [&public]).is_err());
    }
}
