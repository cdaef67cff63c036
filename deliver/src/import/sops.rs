//! Files of sops (3.x) with age recipients: decrypted here, with the identities that sops would use.
//!
//! The structure is in the clear and each value is encrypted by itself. A random data key stands in the file's metadata,
//! encrypted to each recipient as an armored age file; a value is AES-256-GCM with a nonce of 32 bytes, and authenticates
//! the keys that lead to it. A digest over all values in their order, encrypted too, authenticates the file as a whole:
//! nothing is given out before it was compared. The format is that of `aes/cipher.go`, `sops.go` and `stores/` of
//! github.com/getsops/sops, tag v3.11.0.

use super::malformed;
use super::tree::{Kind, Node, Scalar};
use agent_vault_core::{Error, Identities, Result, SecretBytes, crypto};
use metadata::Metadata;
use sha2::{Digest, Sha512};
use value::{DataKey, Sealed};

pub mod dotenv;
mod metadata;
mod value;

/// The key that metadata stand under.
const METADATA: &str = "sops";
/// What a digest over encrypted values alone begins with: SHA-256 of `sops`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// Whether a JSON or YAML document is a sops file.
pub fn is_sops(top: &Node) -> bool {
    let Node::Map(members) = top else { return false };
    members.iter().any(|(key, node)| key == METADATA && metadata::has_mac(node))
}

/// Decrypts a document, and verifies it as a whole; what it says of itself is taken out.
///
/// # Errors
/// [`Error::NotAuthorized`] when it is encrypted to none of the identities; [`Error::Corrupt`] when it was altered;
/// [`Error::Usage`] for what is not understood: files without age recipients, several key groups, rules on comments.
pub fn decrypt(top: Node, identities: &Identities, source: &str) -> Result<Node> {
    let Node::Map(members) = top else { return Err(malformed(source, None, "its top is not an object with names")) };
    let (of_sops, rest): (Vec<_>, Vec<_>) = members.into_iter().partition(|(key, _)| key == METADATA);
    let metadata = of_sops.into_iter().next().map(|(_, node)| Metadata::of_node(node));
    let metadata = metadata.unwrap_or(Err("it has no sops metadata")).map_err(|why| malformed(source, None, why))?;
    open(Node::Map(rest), &metadata, identities, source)
}

fn open(tree: Node, metadata: &Metadata, identities: &Identities, source: &str) -> Result<Node> {
    let key = data_key(metadata, identities, source)?;
    let mut opener = Opener {
        key: &key,
        digest: Sha512::new(),
        only_encrypted: metadata.mac_only_encrypted,
        source,
        keys: Vec::new(),
    };
    if metadata.mac_only_encrypted {
        opener.digest.update(ONLY_ENCRYPTED);
    }
    let tree = opener.node(tree)?.unwrap_or(Node::Map(Vec::new()));
    let computed = value::upper_hex(&opener.digest.finalize());
    let altered = || Error::corrupt(source, "it was altered: its MAC does not fit (sops would refuse it as well)");
    let sealed = Sealed::parse(&metadata.mac).ok_or_else(altered)?;
    let mac = sealed.open(&key, &metadata.last_modified).ok_or_else(altered)?;
    if mac.expose() == computed.as_bytes() { Ok(tree) } else { Err(altered()) }
}

/// The file's key, by the first of its age files that one of the identities opens.
fn data_key(metadata: &Metadata, identities: &Identities, source: &str) -> Result<DataKey> {
    let mut failure = None;
    for sealed in &metadata.age {
        match crypto::open_file(identities, sealed.as_bytes(), source) {
            Ok(key) => {
                return DataKey::new(key).ok_or_else(|| Error::corrupt(source, "its data key has not 32 bytes"));
            }
            Err(error @ Error::NotAuthorized { .. }) => failure = failure.or(Some(error)),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| malformed(source, None, "it has no age recipients, and only those are understood")))
}

struct Opener<'f> {
    key: &'f DataKey,
    digest: Sha512,
    only_encrypted: bool,
    source: &'f str,
    keys: Vec<String>,
}

impl Opener<'_> {
    /// `None` for a comment: sops writes one in a list as an item of it.
    fn node(&mut self, node: Node) -> Result<Option<Node>> {
        Ok(Some(match node {
            Node::Map(members) => {
                let mut opened = Vec::with_capacity(members.len());
                for (key, node) in members {
                    self.keys.push(key);
                    let node = self.node(node)?;
                    opened.extend(self.keys.pop().zip(node));
                }
                Node::Map(opened)
            }
            // Items of a list authenticate the list's keys.
            Node::List(items) => {
                Node::List(items.into_iter().filter_map(|item| self.node(item).transpose()).collect::<Result<_>>()?)
            }
            Node::Scalar(scalar) => return Ok(self.scalar(scalar)?.map(Node::Scalar)),
        }))
    }

    fn scalar(&mut self, scalar: Scalar) -> Result<Option<Scalar>> {
        let text = std::str::from_utf8(scalar.text.expose()).unwrap_or_default();
        let sealed = if scalar.kind == Kind::Text && value::looks_sealed(text) { Some(text) } else { None };
        let Some(sealed) = sealed else { return self.in_the_clear(scalar).map(Some) };
        let place: String = self.keys.iter().map(|key| format!("{key}:")).collect();
        let opened = Sealed::parse(sealed).and_then(|sealed| Some((sealed.open(self.key, &place)?, sealed)));
        let Some((value, sealed)) = opened else {
            let keys: Vec<String> = self.keys.iter().map(|key| agent_vault_core::error::printable(key)).collect();
            return Err(Error::corrupt(self.source, format!("the value of {} was altered or moved", keys.join("/"))));
        };
        if sealed.kind == "comment" {
            return Ok(None);
        }
        self.digest.update(value.expose());
        // sops writes booleans as Python does, and gives them back as YAML and JSON do.
        let text = match (sealed.kind, value.expose()) {
            ("bool", b"True") => SecretBytes::new(b"true".to_vec()),
            ("bool", b"False") => SecretBytes::new(b"false".to_vec()),
            _ => value,
        };
        Ok(Some(Scalar { text, kind: Kind::Text, line: scalar.line }))
    }

    fn in_the_clear(&mut self, scalar: Scalar) -> Result<Scalar> {
        if scalar.kind == Kind::Null {
            return Ok(scalar);
        }
        if self.only_encrypted {
            // Whoever can write the file can write this: it is no secret, and nobody vouches for it.
            return Ok(Scalar { kind: Kind::Unproven, ..scalar });
        }
        let text = std::str::from_utf8(scalar.text.expose()).unwrap_or_default();
        match scalar.kind {
            Kind::Number => self.digest.update(value::canonical_number(text).as_bytes()),
            Kind::Bool if text.eq_ignore_ascii_case("true") => self.digest.update(b"True"),
            Kind::Bool => self.digest.update(b"False"),
            _ => self.digest.update(scalar.text.expose()),
        }
        Ok(scalar)
    }
}

#[cfg(test)]
mod tests;
