//! Signatures: their two written forms, and what they are good for.

use crate::metadata::{join_signed, split_signed};
use crate::secret::SecretBytes;
use crate::signing::{Namespace, Signature, SigningKey, VerifyingKey};
use ssh_key::{LineEnding, PrivateKey, private::Ed25519Keypair};
use std::sync::OnceLock;

/// What the genuine signature of these laws is over.
const MESSAGE: &[u8] = b"version: 1\nname: a/b\n";
const PURPOSES: [Namespace; 5] =
    [Namespace::Root, Namespace::Manifest, Namespace::Secret, Namespace::Card, Namespace::Git];

/// A key that everybody knows, and its signature over [`MESSAGE`]. Ed25519 signs the same text the same way each time.
fn genuine() -> &'static (VerifyingKey, Signature) {
    static GENUINE: OnceLock<(VerifyingKey, Signature)> = OnceLock::new();
    GENUINE.get_or_init(|| {
        let text = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32])).to_openssh(LineEnding::LF).expect("a key");
        let key = SigningKey::from_openssh(&SecretBytes::new(text.as_bytes().to_vec())).expect("an Ed25519 key");
        (key.verifying_key(), key.sign(Namespace::Secret, MESSAGE).expect("a signature"))
    })
}

/// A signature has one text and one armored form, and only the genuine one verifies: over its text, for its purpose.
pub fn signatures(input: &[u8]) {
    if let Ok(signature) = Signature::from_armored(input) {
        assert_eq!(signature.armored().expect("an armored form").as_bytes(), input);
        counts_for_nothing_else(&signature);
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(signature) = text.parse::<Signature>() {
        assert_eq!(signature.to_string(), text);
        counts_for_nothing_else(&signature);
    }
    if let Ok(key) = text.parse::<VerifyingKey>() {
        assert_eq!(key.to_string(), text);
        assert!(key.fingerprint().starts_with("SHA256:"), "{key}");
    }
}

fn counts_for_nothing_else(signature: &Signature) {
    let text = signature.to_string();
    assert_eq!(text.parse::<Signature>().as_ref().ok(), Some(signature));
    if let Ok(armored) = signature.armored() {
        assert_eq!(Signature::from_armored(armored.as_bytes()).as_ref(), Ok(signature));
    }
    let (key, good) = genuine();
    for purpose in PURPOSES {
        let verified = signature.verify(purpose, MESSAGE, [key]).is_ok();
        assert_eq!(verified, signature == good && purpose == Namespace::Secret, "{text} for {}", purpose.as_str());
        assert!(signature.verify(purpose, b"another text\n", [key]).is_err(), "{text} over another text");
    }
}

/// What is split into a text and its signature is, put together again, the same bytes.
pub fn signed(input: &[u8]) {
    let Ok((body, signature)) = split_signed(input) else { return };
    assert!(body.ends_with(b"\n"), "the signed text is not made of lines");
    match std::str::from_utf8(body) {
        Ok(text) => assert_eq!(join_signed(text, &signature), input),
        // No document is such a text; what is signed is still what stands there.
        Err(_) => assert!(input.starts_with(body) && input.len() == body.len() + signature.to_string().len() + 12),
    }
    counts_for_nothing_else(&signature);
}
