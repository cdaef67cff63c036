//! Where things lie in a vault: the only place that joins paths below `.agent-vault/`.

use crate::name::{AgentName, OwnerName, SecretPath};

/// The vault's folder in its repository.
pub const FOLDER: &str = ".agent-vault";

pub(crate) const CONFIG: &str = "config.yaml";
pub(crate) const OWNER_PUB: &str = "owner.pub";
pub(crate) const MANIFEST: &str = "manifest.yaml";
pub(crate) const MANIFEST_SIG: &str = "manifest.sig";
pub(crate) const ALLOWED_SIGNERS: &str = "allowed_signers";
pub(crate) const SECRETS: &str = "secrets";
pub(crate) const AGENTS: &str = "agents";
pub(crate) const OWNERS: &str = "owners";
pub(crate) const ROOTS: &str = "roots";
pub(crate) const GITIGNORE: &str = ".gitignore";
pub(crate) const GITATTRIBUTES: &str = ".gitattributes";

/// `.gitignore`: a key that strays into the vault's folder is not committed.
pub(crate) const GITIGNORE_TEXT: &str = "*.key\n*.pem\n**/private.*\n!agents/*/public.key\n!**/*.escrow\n!secrets/**/*.enc\n!secrets/**/*.meta\n!secrets/**/*.gone\n";
/// What keeps Git from converting bytes; also in `$GIT_DIR/info/attributes`, where a nested file cannot undo it.
pub(crate) const ATTRIBUTES: &str = "-text -eol -filter -ident -working-tree-encoding merge=agent-vault";

/// Byte limits of the files that are read whole.
pub(crate) mod limit {
    /// Roots, metadata.
    pub(crate) const DOCUMENT: u64 = 4 << 20;
    /// The manifest: 1,000 agents take about 200 KB.
    pub(crate) const MANIFEST: u64 = 32 << 20;
    /// Signatures, keys, escrow, config.
    pub(crate) const SMALL: u64 = 64 << 10;
    /// A ciphertext: the largest value and a header for many recipients.
    pub(crate) const CIPHERTEXT: u64 = crate::manifest::LIMIT_MAX_SECRET_SIZE + (16 << 20);
}

/// The files of one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The ciphertext.
    Enc,
    /// The metadata.
    Meta,
    /// The tombstone.
    Gone,
}

impl Part {
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Part::Enc => ".enc",
            Part::Meta => ".meta",
            Part::Gone => ".gone",
        }
    }
}

/// `.gitattributes` of the vault's folder.
pub(crate) fn gitattributes() -> String {
    format!("** {ATTRIBUTES}\n")
}

pub(crate) fn secret(path: &SecretPath, part: Part) -> String {
    format!("{SECRETS}/{}{}", path.stored(), part.ending())
}

pub(crate) fn root(number: u64) -> String {
    format!("{ROOTS}/{number}.yaml")
}

pub(crate) fn root_sig(number: u64) -> String {
    format!("{ROOTS}/{number}.sig")
}

pub(crate) fn signing_key(owner: &OwnerName) -> String {
    format!("{OWNERS}/{owner}/signing.key.escrow")
}

pub(crate) fn agent_public(agent: &AgentName) -> String {
    format!("{AGENTS}/{agent}/public.key")
}

pub(crate) fn agent_escrow(agent: &AgentName) -> String {
    format!("{AGENTS}/{agent}/private.key.escrow")
}

/// The secret and part that a path below the vault's folder belongs to.
pub(crate) fn parse_secret(relative: &str) -> Option<(SecretPath, Part)> {
    let stored = relative.strip_prefix("secrets/")?;
    [Part::Enc, Part::Meta, Part::Gone].into_iter().find_map(|part| {
        let path = SecretPath::parse(stored.strip_suffix(part.ending())?).ok()?;
        (secret(&path, part) == relative).then_some((path, part))
    })
}

/// Whether a path is one that this module makes: nothing else is ever written, whatever a journal says.
pub(crate) fn is_ours(relative: &str) -> bool {
    if matches!(relative, CONFIG | OWNER_PUB | MANIFEST | MANIFEST_SIG | ALLOWED_SIGNERS | GITIGNORE | GITATTRIBUTES) {
        return true;
    }
    let parts: Vec<&str> = relative.split('/').collect();
    match parts.as_slice() {
        [ROOTS, file] => file
            .strip_suffix(".yaml")
            .or_else(|| file.strip_suffix(".sig"))
            .is_some_and(|number| number.parse::<u64>().is_ok_and(|n| n > 0 && n.to_string() == number)),
        [OWNERS, owner, "signing.key.escrow"] => OwnerName::parse(owner).is_ok(),
        [AGENTS, agent, "public.key" | "private.key.escrow"] => AgentName::parse(agent).is_ok(),
        [SECRETS, ..] => parse_secret(relative).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vaults_own_paths_are_ours() {
        for path in
            ["config.yaml", "roots/12.sig", "agents/ci/public.key", "secrets/default/x.enc", "secrets/a/b/c.gone"]
        {
            assert!(is_ours(path), "{path}");
        }
        for path in [
            "../x",
            "roots/0.yaml",
            "roots/01.yaml",
            "secrets/x.enc",
            "secrets/a/../../x.enc",
            "secrets/a/.hooks/x.enc",
            "agents/../x/public.key",
            "hooks/pre-commit",
            "",
        ] {
            assert!(!is_ours(path), "{path}");
        }
    }

    #[test]
    fn a_path_and_its_secret_are_each_others_inverse() {
        for name in ["x", "a/b", "default/a/b"] {
            let path = SecretPath::parse(name).unwrap();
            for part in [Part::Enc, Part::Meta, Part::Gone] {
                assert_eq!(parse_secret(&secret(&path, part)), Some((path.clone(), part)));
            }
        }
    }
}
