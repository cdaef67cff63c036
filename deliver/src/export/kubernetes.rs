//! A Secret of Kubernetes (API `v1`): values in base64 under `data`.

use super::{Exported, Out, unique};
use agent_vault_core::error::printable;
use agent_vault_core::{Error, Result, SecretBytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What Kubernetes takes of one Secret's values, in bytes (its `MaxSecretSize`).
const MAX: usize = 1 << 20;
/// The most characters of a key, and of a name.
const MAX_NAME: usize = 253;

/// Which object it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    name: String,
    namespace: Option<String>,
}

impl Object {
    /// The object's name (a DNS subdomain, RFC 1123) and its namespace (a label).
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that Kubernetes refuses.
    pub fn new(name: &str, namespace: Option<&str>) -> Result<Self> {
        let fail = |what: &str, text: &str| Error::Usage {
            message: format!("{:?} is no name of a {what} in Kubernetes", printable(text)),
            hint: "use lower case letters, digits and '-', with a letter or digit at both ends".into(),
        };
        if name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err(fail("Secret", name));
        }
        match namespace {
            Some(namespace) if !is_label(namespace) => Err(fail("namespace", namespace)),
            namespace => Ok(Self { name: name.into(), namespace: namespace.map(str::to_owned) }),
        }
    }

    pub(super) fn render(&self, secrets: &[Exported<'_>]) -> Result<SecretBytes> {
        let size: usize = secrets.iter().map(|secret| secret.value.bytes().len()).sum();
        if size > MAX {
            return Err(Error::Usage {
                message: format!("the values have {size} bytes; Kubernetes takes {MAX} in one Secret"),
                hint: "make several of them, with fewer secrets each".into(),
            });
        }
        let mut out = Out::new();
        out.push(format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{}\"\n", self.name).as_bytes());
        if let Some(namespace) = &self.namespace {
            out.push(format!("  namespace: \"{namespace}\"\n").as_bytes());
        }
        out.push(b"type: Opaque\ndata:");
        out.push(if secrets.is_empty() { b" {}\n" } else { b"\n" });
        for (key, secret) in unique(secrets, key)? {
            if key.len() > MAX_NAME {
                return Err(secret.unfit("Kubernetes", "has a name of more than 253 characters"));
            }
            out.push(format!("  \"{key}\": \"").as_bytes());
            out.push(Zeroizing::new(STANDARD.encode(secret.value.bytes())).as_bytes());
            out.push(b"\"\n");
        }
        Ok(out.finish())
    }
}

/// The key of a path: what keys cannot have is `/` alone, and becomes `.`.
fn key(path: &str) -> String {
    path.replace('/', ".")
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
