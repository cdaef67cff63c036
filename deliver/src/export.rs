//! Hands secrets out in the forms that other programs read: `.env`, JSON, YAML, a Secret of Kubernetes.
//!
//! All of them or none: a name that would stand for two secrets, and a value that the form cannot hold, are errors.

use agent_vault_core::error::printable;
use agent_vault_core::{Error, Result, SecretBytes, SecretPath};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

mod flat;
mod kubernetes;
mod nested;

pub use kubernetes::Object;

/// A form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// `NAME='value'`
    Dotenv,
    /// One object; `flat` names each secret by its whole path.
    Json {
        /// Whether segments are no objects.
        flat: bool,
    },
    /// The same in YAML.
    Yaml {
        /// Whether segments are no objects.
        flat: bool,
    },
    /// `kind: Secret`
    Kubernetes(Object),
}

/// How names and values are written.
#[derive(Debug, Clone, Default)]
pub struct Writing {
    /// What is taken off the beginning of each name.
    pub prefix: Option<SecretPath>,
    /// Whether every value is written in base64.
    pub base64: bool,
}

/// Renders secrets, in the order of their names.
///
/// # Errors
/// [`Error::Usage`] when a secret does not lie below the prefix, when its value cannot be held, and [`Error::Conflict`]
/// when two would get one name.
pub fn render(form: &Form, secrets: &[(SecretPath, SecretBytes)], writing: &Writing) -> Result<SecretBytes> {
    let mut secrets: Vec<_> = secrets.iter().map(|(path, value)| (path, value)).collect();
    secrets.sort_by(|a, b| a.0.cmp(b.0));
    let named = secrets
        .into_iter()
        .map(|(path, value)| Ok(Exported { path, name: writing.name(path)?, value: writing.value(value) }))
        .collect::<Result<Vec<_>>>()?;
    match form {
        Form::Dotenv => flat::variables(&named),
        Form::Json { flat } => nested::tree(&named, *flat)?.json(),
        Form::Yaml { flat } => nested::tree(&named, *flat)?.yaml(),
        Form::Kubernetes(object) => object.render(&named),
    }
}

/// One secret as it is to be written.
struct Exported<'s> {
    path: &'s SecretPath,
    /// Its path below the prefix.
    name: &'s str,
    value: Shown<'s>,
}

/// A value as it is to be written.
enum Shown<'s> {
    Raw(&'s [u8]),
    Base64(Zeroizing<String>),
}

impl Shown<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Raw(bytes) => bytes,
            Self::Base64(text) => text.as_bytes(),
        }
    }
}

impl Exported<'_> {
    /// The value, for forms that hold text.
    fn text(&self, form: &str) -> Result<&str> {
        std::str::from_utf8(self.value.bytes()).map_err(|_| self.unfit(form, "is not UTF-8 text"))
    }

    fn unfit(&self, form: &str, why: &str) -> Error {
        Error::Usage {
            message: format!("the value of {} {why}, which {form} cannot hold: nothing was written", self.path),
            hint: "say --base64 to write every value in base64, or leave it out".into(),
        }
    }
}

impl Writing {
    fn name<'p>(&self, path: &'p SecretPath) -> Result<&'p str> {
        let Some(prefix) = &self.prefix else { return Ok(path.as_str()) };
        let below = path.as_str().strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/'));
        below.ok_or_else(|| Error::Usage {
            message: format!("{path} does not lie below {prefix}"),
            hint: "choose only secrets below it, or leave --prefix out".into(),
        })
    }

    fn value<'s>(&self, value: &'s SecretBytes) -> Shown<'s> {
        if self.base64 {
            Shown::Base64(Zeroizing::new(STANDARD.encode(value.expose())))
        } else {
            Shown::Raw(value.expose())
        }
    }
}

/// Gives each secret the name that `name` makes of its path; no two may get the same.
fn unique<'s, 'e>(
    secrets: &'e [Exported<'s>],
    name: impl Fn(&str) -> String,
) -> Result<BTreeMap<String, &'e Exported<'s>>> {
    let mut named: BTreeMap<String, &Exported<'_>> = BTreeMap::new();
    for secret in secrets {
        let name = name(secret.name);
        if let Some(other) = named.get(&name) {
            return Err(clash(other.path, secret.path, &format!("both would be named {}", printable(&name))));
        }
        named.insert(name, secret);
    }
    Ok(named)
}

fn clash(one: &SecretPath, other: &SecretPath, why: &str) -> Error {
    Error::Conflict {
        message: format!("{one} and {other}: {why}; nothing was written"),
        hint: "export them one after the other, or rename one of them (`agent-vault mv`)".into(),
    }
}

/// A text that is wiped, also when it grows.
struct Out(Zeroizing<Vec<u8>>);

impl Out {
    fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(64 << 10)))
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            // Grown by hand: the old buffer is wiped, which a growing vector would not do.
            let mut larger = Zeroizing::new(Vec::with_capacity((self.0.capacity() + bytes.len()) * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    fn finish(mut self) -> SecretBytes {
        SecretBytes::new(std::mem::take(&mut *self.0))
    }
}

#[cfg(test)]
mod tests;
