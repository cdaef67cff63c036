//! Cards: what somebody who shall become an owner hands to one who is (format: "Cards").
//!
//! A card holds public keys, and the new signing key sealed to its owner: nothing in it is secret. Who made it, it cannot
//! say; its fingerprint is that of its signing key, and people compare it.

use crate::crypto;
use crate::error::{Error, Result, printable};
use crate::escrow;
use crate::identity::Identities;
use crate::layout::limit;
use crate::metadata::{join_signed, split_signed};
use crate::name::OwnerName;
use crate::prompt::Prompt;
use crate::recipient::Recipient;
use crate::root::{Owner, Proof, VaultId};
use crate::signing::{Namespace, SigningKey, VerifyingKey};
use crate::yaml::{self, Document, Renderer};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// A verified card.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    version: u32,
    /// The vault that it was made for.
    pub vault: VaultId,
    /// What its maker wants to be called.
    pub name: OwnerName,
    /// What every value will be encrypted to.
    pub public_key: Recipient,
    /// What its maker will sign with.
    pub signing_key: VerifyingKey,
    /// Present when the public key is a native age key.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// The signing key, sealed to the public key, in base64.
    escrow: String,
}

impl Card {
    /// Verifies a card, then parses it; `Err` says what is wrong. The card's own key signed it, so all that this proves
    /// is that nobody altered it since.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (body, signature) = split_signed(bytes)?;
        let signer = signature.signer(Namespace::Card, body)?;
        let card: Self = yaml::parse(body)?;
        if card.version != 1 {
            return Err(format!("it has version {}, and this program knows version 1", card.version));
        }
        if card.signing_key != signer {
            return Err(format!("it is signed by {}, and not by the signing key that it names", signer.fingerprint()));
        }
        if card.public_key.is_native() != card.proof.is_some() {
            return Err("an age key comes with a proof, and no other key does".into());
        }
        let sealed = BASE64_STANDARD.decode(&card.escrow).map_err(|_| "its escrow is not base64")?;
        if BASE64_STANDARD.encode(&sealed) != card.escrow
            || crypto::stanza_count(&sealed).is_none_or(|count| count == 0)
        {
            return Err("its escrow is no age file".into());
        }
        Ok(card)
    }

    /// Reads a card's file of at most 64 KiB. Links and pipes are fine: the caller named it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Tampered`] for one that does not verify.
    pub fn read(file: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        std::fs::File::open(file)
            .and_then(|opened| opened.take(limit::SMALL + 1).read_to_end(&mut bytes))
            .map_err(Error::io("read", file))?;
        if bytes.len() as u64 > limit::SMALL {
            return Err(Error::corrupt(file, "it has more than 64 KiB, which no card has"));
        }
        Self::parse(&bytes).map_err(|reason| Error::tampered(printable(&file.display().to_string()), reason))
    }

    /// What people compare: the fingerprint of its signing key, `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.signing_key.fingerprint()
    }

    /// The owner that it describes.
    pub(crate) fn owner(&self) -> Owner {
        Owner {
            name: self.name.clone(),
            public_key: self.public_key.clone(),
            signing_key: self.signing_key.clone(),
            proof: self.proof,
        }
    }

    /// The signing key's escrow, an age file.
    pub(crate) fn escrow(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(&self.escrow).unwrap_or_default()
    }
}

impl Document for Card {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("version", self.version);
        out.field("vault", self.vault);
        out.field("name", &self.name);
        out.field("public_key", &self.public_key);
        out.field("signing_key", &self.signing_key);
        out.optional("proof", self.proof);
        out.field("escrow", &self.escrow);
        out.finish()
    }
}

/// An owner whose signing key was just made.
pub(crate) struct NewOwner {
    pub owner: Owner,
    pub signing: SigningKey,
}

impl NewOwner {
    /// A new signing key for the owner of `recipient`, which is one of `identities`.
    pub fn new(name: OwnerName, identities: &Identities, recipient: &Recipient) -> Result<Self> {
        let signing = SigningKey::generate(&format!("agent-vault {name}"))?;
        let signing_key = signing.verifying_key();
        let proof = identities.prove(recipient, signing_key.as_str().as_bytes()).map(Proof);
        Ok(Self { owner: Owner { name, public_key: recipient.clone(), signing_key, proof }, signing })
    }

    /// The signing key, sealed to its owner.
    pub fn escrow(&self, prompt: &Arc<dyn Prompt>) -> Result<Vec<u8>> {
        escrow::seal_signing_key(&self.signing, &self.owner.public_key, prompt)
    }

    /// The card's text.
    pub fn card(&self, vault: VaultId, prompt: &Arc<dyn Prompt>) -> Result<Vec<u8>> {
        let Owner { name, public_key, signing_key, proof } = self.owner.clone();
        let escrow = BASE64_STANDARD.encode(self.escrow(prompt)?);
        let body = Card { version: 1, vault, name, public_key, signing_key, proof, escrow }.render();
        Ok(join_signed(&body, &self.signing.sign(Namespace::Card, body.as_bytes())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Nobody;

    fn prompt() -> Arc<dyn Prompt> {
        Arc::new(Nobody)
    }

    fn vault() -> VaultId {
        VaultId::of(b"a vault")
    }

    /// A new owner's card, and that owner.
    fn made() -> (NewOwner, Vec<u8>) {
        let keys = Identities::generate();
        let recipient = keys.recipients().next().unwrap().clone();
        let new = NewOwner::new("bob".parse().unwrap(), &keys, &recipient).unwrap();
        let card = new.card(vault(), &prompt()).unwrap();
        (new, card)
    }

    /// A card with this body, signed by `key` for `purpose`.
    fn signed(body: &str, key: &SigningKey, purpose: Namespace) -> Vec<u8> {
        join_signed(body, &key.sign(purpose, body.as_bytes()).unwrap())
    }

    fn body(card: &[u8]) -> String {
        String::from_utf8(split_signed(card).unwrap().0.to_vec()).unwrap()
    }

    #[test]
    fn a_card_says_whose_it_is_and_for_which_vault() {
        let (new, bytes) = made();
        let card = Card::parse(&bytes).unwrap();
        assert_eq!((card.vault, card.owner()), (vault(), new.owner));
        assert_eq!(card.fingerprint(), new.signing.verifying_key().fingerprint());
        assert_eq!(crypto::stanza_count(&card.escrow()), Some(1));
    }

    #[test]
    fn a7_a_card_that_was_altered_anywhere_is_none() {
        let (_, bytes) = made();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Card::parse(&altered).is_err(), "byte {at}");
        }
        for more in [&b"\n"[..], b"# more\n", b"escrow: x\n"] {
            assert!(Card::parse(&[&bytes, more].concat()).is_err() && Card::parse(&[more, &bytes].concat()).is_err());
        }
    }

    #[test]
    fn a7_a_card_that_another_key_signed_or_for_another_purpose_is_none() {
        let (new, bytes) = made();
        let (stranger, _) = made();
        let text = body(&bytes);
        assert!(Card::parse(&signed(&text, &new.signing, Namespace::Card)).is_ok());
        assert!(Card::parse(&signed(&text, &stranger.signing, Namespace::Card)).unwrap_err().contains("not by the"));
        for purpose in [Namespace::Root, Namespace::Manifest, Namespace::Secret, Namespace::Git] {
            assert!(Card::parse(&signed(&text, &new.signing, purpose)).is_err(), "{purpose:?}");
        }
    }

    #[test]
    fn a_card_whose_parts_do_not_fit_is_none() {
        let (new, bytes) = made();
        let text = body(&bytes);
        let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap().to_owned() + "\n";
        let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
        for (part, other) in [
            ("version: ", "version: 2\n".to_owned()),
            ("proof: ", String::new()),
            ("public_key: ", format!("public_key: \"{ssh}\"\n")),
            ("escrow: ", "escrow: \"\"\n".to_owned()),
            ("escrow: ", "escrow: \"bm8gYWdlIGZpbGU=\"\n".to_owned()),
            ("name: ", "name: \"../x\"\n".to_owned()),
        ] {
            let changed = text.replace(&line(part), &other);
            assert_ne!(changed, text);
            assert!(Card::parse(&signed(&changed, &new.signing, Namespace::Card)).is_err(), "{part} {other}");
        }
    }
}
