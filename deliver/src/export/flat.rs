//! `.env`: one variable for each secret.

use super::{Exported, Out, unique};
use crate::dotenv;
use agent_vault_core::{Result, SecretBytes};

/// The variable of a path: upper case, with `_` for whatever a variable cannot have, and before a digit at its beginning.
pub(super) fn variable(path: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = path.chars().map(upper).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// In the dialect that `import` reads, and so that a shell reads the same.
pub(super) fn variables(secrets: &[Exported<'_>]) -> Result<SecretBytes> {
    let mut out = Out::new();
    for (name, secret) in unique(secrets, variable)? {
        let value = secret.value.bytes();
        if value.contains(&0) {
            return Err(secret.unfit("a .env file", "holds a NUL byte"));
        }
        out.push(name.as_bytes());
        out.push(b"=");
        dotenv::quote(value, |bytes| out.push(bytes));
        out.push(b"\n");
    }
    Ok(out.finish())
}
