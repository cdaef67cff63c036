//! Public keys that values are encrypted to.

use crate::digest::KeyId;
use crate::error::{Error, Result, printable};
use crate::prompt::{AgeCallbacks, Prompt};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// An age recipient (`age1…`), an SSH public key (`ssh-ed25519 …`, `ssh-rsa …`), or a plugin's recipient.
///
/// Its text is canonical: an SSH key loses its comment.
#[derive(Clone)]
pub struct Recipient {
    kind: Kind,
    text: String,
}

#[derive(Clone)]
enum Kind {
    X25519(age::x25519::Recipient),
    Ssh(Box<age::ssh::Recipient>),
    Plugin(age::plugin::Recipient),
}

impl Recipient {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How documents name this key.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.text)
    }

    /// Whether it is age's own kind, whose secret can prove ownership of a root.
    pub fn is_native(&self) -> bool {
        matches!(self.kind, Kind::X25519(_))
    }

    /// The age crate's form of this recipient.
    pub(crate) fn to_age(&self, prompt: &Arc<dyn Prompt>) -> Result<Box<dyn age::Recipient + Send>> {
        Ok(match &self.kind {
            Kind::X25519(recipient) => Box::new(recipient.clone()),
            Kind::Ssh(recipient) => Box::new((**recipient).clone()),
            Kind::Plugin(recipient) => Box::new(
                age::plugin::RecipientPluginV1::new(
                    recipient.plugin(),
                    std::slice::from_ref(recipient),
                    &[],
                    AgeCallbacks(prompt.clone()),
                )
                .map_err(|error| Error::Encrypt { reason: printable(&error.to_string()) })?,
            ),
        })
    }

    /// The recipient of an age identity.
    pub(crate) fn of_x25519(identity: &age::x25519::Identity) -> Self {
        let recipient = identity.to_public();
        Self { text: recipient.to_string(), kind: Kind::X25519(recipient) }
    }

    /// The recipient of an SSH private key.
    pub(crate) fn of_ssh(recipient: age::ssh::Recipient) -> Self {
        Self { text: recipient.to_string(), kind: Kind::Ssh(Box::new(recipient)) }
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(input: &str) -> Result<Self> {
        let fail = |reason: &str| Error::InvalidRecipient { input: printable(input), reason: reason.into() };
        let input = input.trim();
        let private = ["AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY"];
        if private.iter().any(|mark| input.to_ascii_uppercase().contains(mark)) {
            return Err(Error::InvalidRecipient {
                input: "(hidden)".into(),
                reason: "it is a private key; never share it".into(),
            });
        }
        if input.starts_with("ssh-") {
            let recipient: age::ssh::Recipient = input.parse().map_err(|error| {
                fail(match error {
                    age::ssh::ParseRecipientKeyError::RsaModulusTooSmall => "RSA keys under 2048 bits are too weak",
                    age::ssh::ParseRecipientKeyError::RsaModulusTooLarge => "RSA keys over 4096 bits are not supported",
                    age::ssh::ParseRecipientKeyError::Unsupported(_) => "age takes ssh-ed25519 and ssh-rsa keys only",
                    _ => "it is not an SSH public key",
                })
            })?;
            return Ok(Self::of_ssh(recipient));
        }
        if let Ok(recipient) = input.parse::<age::x25519::Recipient>() {
            return Ok(Self { text: recipient.to_string(), kind: Kind::X25519(recipient) });
        }
        match input.parse::<age::plugin::Recipient>() {
            Ok(recipient) => Ok(Self { text: recipient.to_string(), kind: Kind::Plugin(recipient) }),
            Err(_) if input.starts_with("age1") => Err(fail("it is mistyped or cut off: its checksum does not fit")),
            Err(_) => Err(fail("it starts neither with age1 nor with ssh-")),
        }
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_refused_and_not_repeated() {
        let error = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQ".parse::<Recipient>().unwrap_err();
        assert!(!error.to_string().contains("QQQQ"), "{error}");
    }

    #[test]
    fn an_ssh_key_loses_its_comment() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
        let recipient: Recipient = format!("{key} alice@host").parse().unwrap();
        assert_eq!(recipient.as_str(), key);
    }
}
