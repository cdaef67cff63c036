//! What a program goes by: a name for each kind of error, and what it is about. Texts change, these do not.

use super::Error;

impl Error {
    /// The stable name of this error's kind, finer than its [`Error::class`]: what a binding gives its language's programs
    /// to compare with.
    pub fn code(&self) -> &'static str {
        match self {
            Error::InvalidName { .. } => "invalid-name",
            Error::Usage { .. } => "usage",
            Error::NotText { .. } => "not-text",
            Error::VaultNotFound { .. } => "vault-not-found",
            Error::UnsignedVault { .. } => "unsigned-vault",
            Error::NotFound { what: "secret", .. } => "secret-not-found",
            Error::NotFound { .. } => "not-found",
            Error::NotAuthorized { .. } => "not-authorized",
            Error::Withheld { .. } => "withheld",
            Error::NotOwner { .. } => "not-owner",
            Error::Tampered { .. } => "tampered",
            Error::Rollback { .. } | Error::WentBack { .. } => "rollback",
            Error::Diverged { .. } => "diverged",
            Error::Rewritten { .. } => "rewritten",
            Error::Untrusted { .. } => "untrusted",
            Error::Corrupt { .. } => "corrupt",
            Error::NoKey { .. } => "no-key",
            Error::KeyUnusable { .. } => "key-unusable",
            Error::Locked { .. } => "key-locked",
            Error::InvalidRecipient { .. } => "invalid-public-key",
            Error::Exists { .. } => "exists",
            Error::Conflict { .. } => "conflict",
            Error::Busy { .. } | Error::GitBusy { .. } => "busy",
            Error::TooLarge { .. } => "too-large",
            Error::Refused { .. } => "refused",
            Error::NobodyToAsk { .. } => "nobody-to-ask",
            Error::Io { .. } => "io",
            Error::Git { .. } => "git",
            Error::Remote { .. } => "remote",
            Error::GitProgram { .. } => "git-program",
            Error::Encrypt { .. } => "encrypt",
            Error::Altered { .. } => "altered-log",
            Error::Unrecorded { .. } => "unrecorded",
            Error::Unfinished { .. } => "unfinished",
        }
    }

    /// What it is about: a secret's or another thing's name, a file, or where a key came from. None where it is about no
    /// one thing. Never a secret.
    pub fn subject(&self) -> Option<String> {
        match self {
            Error::InvalidName { input: name, .. }
            | Error::InvalidRecipient { input: name, .. }
            | Error::NotFound { name, .. }
            | Error::NotText { name }
            | Error::NotAuthorized { name, .. }
            | Error::Withheld { name, .. }
            | Error::Exists { name, .. }
            | Error::KeyUnusable { origin: name, .. }
            | Error::Locked { origin: name, .. }
            | Error::Remote { url: name, .. } => Some(name.clone()),
            Error::VaultNotFound { start: file }
            | Error::UnsignedVault { vault: file }
            | Error::Tampered { file, .. }
            | Error::Rollback { file, .. }
            | Error::Diverged { file, .. }
            | Error::Corrupt { file, .. }
            | Error::Busy { file, .. }
            | Error::Io { path: file, .. }
            | Error::Altered { file, .. } => Some(file.display().to_string()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;

    #[test]
    fn a_missing_secret_has_a_code_of_its_own_and_is_named() {
        let missing = |what| Error::NotFound { what, name: "a/b".into(), near: None };
        assert_eq!(missing("secret").code(), "secret-not-found");
        assert_eq!(missing("agent").code(), "not-found");
        assert_eq!(missing("secret").subject().as_deref(), Some("a/b"));
        assert_eq!(Error::Refused { what: "it".into() }.subject(), None);
    }
}
