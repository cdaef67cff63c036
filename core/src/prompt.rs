//! How the library asks a person: a face implements [`Prompt`], and without a face nobody answers.

use crate::error::{Error, Result};
use crate::secret::SecretBytes;
use age::secrecy::SecretString;
use std::sync::Arc;

/// Questions to a person. Every method's default says that nobody is there.
pub trait Prompt: Send + Sync {
    /// Asks for a passphrase, unseen.
    ///
    /// # Errors
    /// [`Error::NobodyToAsk`] without a terminal, [`Error::Refused`] when the person gave up.
    fn passphrase(&self, question: &str) -> Result<SecretBytes> {
        Err(nobody(question, "use a key without a passphrase here"))
    }

    /// Asks a yes-or-no question.
    ///
    /// # Errors
    /// As [`Prompt::passphrase`].
    fn confirm(&self, question: &str) -> Result<bool> {
        Err(nobody(question, "answer it beforehand"))
    }

    /// Shows a message, such as "touch the key".
    fn tell(&self, _message: &str) {}
}

/// Nobody is there.
pub struct Nobody;
impl Prompt for Nobody {}

fn nobody(question: &str, answer: &str) -> Error {
    Error::NobodyToAsk { question: question.into(), answer: answer.into() }
}

/// A [`Prompt`] as the age crate wants it.
#[derive(Clone)]
pub(crate) struct AgeCallbacks(pub(crate) Arc<dyn Prompt>);

impl age::Callbacks for AgeCallbacks {
    fn display_message(&self, message: &str) {
        self.0.tell(message);
    }

    fn confirm(&self, message: &str, _yes: &str, _no: Option<&str>) -> Option<bool> {
        self.0.confirm(message).ok()
    }

    fn request_public_string(&self, _description: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        self.0.passphrase(description).ok().and_then(|secret| to_secret_string(&secret))
    }
}

/// A passphrase as the age crate wants it; `None` when it is not UTF-8.
pub(crate) fn to_secret_string(secret: &SecretBytes) -> Option<SecretString> {
    std::str::from_utf8(secret.expose()).ok().map(SecretString::from)
}
