//! Values that a command has stored become known to the commit hook.

use crate::output;
use crate::setting::Setting;
use agent_vault_core::{Error, SecretBytes, SecretPath, Vault};
use agent_vault_hooks::fingerprints;

/// Lets the commit hook recognise a value, or says why it will not. With `dry_run` it only says.
pub fn told(setting: &Setting, vault: &Vault, path: &SecretPath, value: &SecretBytes, dry_run: bool) {
    if let Some(reason) = fingerprints::weakness(value.expose()) {
        output::note(&format!("  the commit hook will not recognise this value: {reason}"));
    } else if !dry_run && let Err(error) = fingerprints::append(&setting.context.home, vault.id(), path, value) {
        failed(&error);
    }
}

/// Lets the commit hook recognise many values, or says how many it will not.
pub fn told_all(setting: &Setting, vault: &Vault, values: &[(SecretPath, SecretBytes)]) {
    let weak = values.iter().filter(|(_, value)| fingerprints::weakness(value.expose()).is_some()).count();
    if weak > 0 {
        output::note(&format!(
            "the commit hook will not recognise {}: too short, or too easily guessed",
            output::count(weak, "value")
        ));
    }
    let all = values.iter().map(|(path, value)| (path, value));
    if let Err(error) = fingerprints::append_all(&setting.context.home, vault.id(), all) {
        failed(&error);
    }
}

/// Says that a value was stored, and is not known to the commit hook.
pub fn failed(error: &Error) {
    output::warn(&format!("the commit hook will not recognise this value: {error}"));
}
