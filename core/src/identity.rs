//! Private keys: files of age identities, SSH keys, plugins' identities, and the passphrase-encrypted forms of them.

use crate::digest::KeyId;
use crate::error::{Error, Result, printable};
use crate::home::Home;
use crate::name::AgentName;
use crate::prompt::{AgeCallbacks, Prompt, to_secret_string};
use crate::recipient::Recipient;
use crate::root::VaultId;
use crate::secret::SecretBytes;
use age::secrecy::ExposeSecret;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// The most bytes an identity file may have.
const MAX_KEY_FILE: u64 = 1 << 20;
/// Where a variable's text cannot be a path: it holds a key itself.
const KEY_MARKS: [&str; 4] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-", "-----BEGIN ", "\n"];

/// Whether a text is there as a file, or is written as paths are.
fn names_a_file(path: &Path) -> bool {
    let begins = |mark: &str| path.as_os_str().as_encoded_bytes().starts_with(mark.as_bytes());
    path.is_absolute() || ["./", "../", "~"].into_iter().any(begins) || path.exists()
}

/// One or more private keys from one source. Has no `Debug`, and its keys are wiped on drop.
pub struct Identities {
    entries: Vec<Entry>,
    origin: String,
    hints: KeyHints,
}

/// What the comment lines of a key file made by agent-vault say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyHints {
    /// `# vault:` the vault that the key was made for.
    pub vault: Option<VaultId>,
    /// `# owner:` fingerprint of the key that signed that vault's first root.
    pub owner: Option<String>,
    /// `# agent:` whose key it is; absent in an owner's key, which may serve several vaults.
    pub agent: Option<AgentName>,
}

struct Entry {
    identity: Box<dyn age::Identity + Send + Sync>,
    /// Computed when it is asked for: a read needs the key file's own word at most, and only as a hint.
    recipient: OnceLock<Option<Recipient>>,
    /// What the comment above the key says its public key is.
    announced: Option<Recipient>,
    native: Option<age::x25519::Identity>,
}

impl Identities {
    /// Finds the identity to use: the file named by `flag`, else `variable` (`AGENT_VAULT_KEY`: a path, a raw key,
    /// or a key file's text), else the home's `owner.key`.
    ///
    /// # Errors
    /// A source that is named but unusable is an error, never a fall-through: [`Error::KeyUnusable`],
    /// [`Error::Locked`]; [`Error::NoKey`] when nothing is named and there is no `owner.key`.
    pub fn resolve(
        flag: Option<&Path>,
        variable: Option<&OsStr>,
        home: &Home,
        prompt: &Arc<dyn Prompt>,
    ) -> Result<Self> {
        if let Some(file) = flag {
            if file.to_str().is_some_and(|text| KEY_MARKS.iter().any(|mark| text.contains(mark))) {
                return Err(unusable(
                    "--key",
                    "it is a key itself, and --key takes a file (AGENT_VAULT_KEY takes both)",
                ));
            }
            return Self::from_file(file, prompt);
        }
        if let Some(text) = variable {
            let origin = "AGENT_VAULT_KEY";
            return match text.to_str() {
                Some("") => Err(unusable(origin, "it is empty")),
                Some(text) if KEY_MARKS.iter().any(|mark| text.contains(mark)) => {
                    Self::from_bytes(SecretBytes::new(text.as_bytes().to_vec()), origin, prompt)
                }
                // Anything else that was pasted there may be a secret, and is not repeated.
                _ if !names_a_file(Path::new(text)) => {
                    Err(unusable(origin, "it is no private key, and there is no file of that name"))
                }
                _ => Self::from_file(Path::new(text), prompt),
            };
        }
        let file = home.owner_key();
        if !file.exists() {
            return Err(Error::NoKey {
                tried: format!("no --key, AGENT_VAULT_KEY is not set, and there is no {}", file.display()),
            });
        }
        Self::from_file(&file, prompt)
    }

    /// Reads an identity file of at most 1 MiB. Links and pipes are fine: the caller named it.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`], [`Error::Locked`].
    pub fn from_file(file: &Path, prompt: &Arc<dyn Prompt>) -> Result<Self> {
        Self::from_bytes(read_key_file(file)?, &printable(&file.display().to_string()), prompt)
    }

    /// Reads the text of an identity file; `origin` names it in messages.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`], [`Error::Locked`].
    pub fn from_bytes(text: SecretBytes, origin: &str, prompt: &Arc<dyn Prompt>) -> Result<Self> {
        let text = if is_encrypted_file(text.expose()) { unlock(text, origin, prompt)? } else { text };
        let text = std::str::from_utf8(text.expose()).map_err(|_| unusable(origin, "it is not text"))?;
        let mut found = Self { entries: Vec::new(), origin: origin.into(), hints: KeyHints::default() };
        if text.trim_start().starts_with("-----BEGIN ") {
            found.entries.push(ssh_entry(text.trim_start(), origin, prompt)?);
        } else {
            found.read_lines(text, prompt)?;
        }
        if found.entries.is_empty() {
            return Err(unusable(origin, "it holds no private key"));
        }
        Ok(found)
    }

    /// The lines of an age identity file: comments, native keys, plugins' keys.
    fn read_lines(&mut self, text: &str, prompt: &Arc<dyn Prompt>) -> Result<()> {
        let mut announced = None;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix('#') {
                self.hints.read(comment);
                announced = announced_recipient(comment).or(announced);
            } else if line.starts_with("AGE-PLUGIN-") {
                let identity: age::plugin::Identity =
                    line.parse().map_err(|reason: &str| unusable(&self.origin, reason))?;
                let plugin = age::plugin::IdentityPluginV1::new(
                    identity.plugin(),
                    std::slice::from_ref(&identity),
                    AgeCallbacks(prompt.clone()),
                )
                .map_err(|error| unusable(&self.origin, error.to_string()))?;
                let recipient = OnceLock::from(announced.take());
                self.entries.push(Entry { identity: Box::new(plugin), recipient, announced: None, native: None });
            } else {
                let identity: age::x25519::Identity = line.parse().map_err(|_| {
                    unusable(&self.origin, "a line is no age identity (mistyped, cut off, or of a kind not known here)")
                })?;
                self.entries.push(Entry::native(identity, announced.take()));
            }
        }
        Ok(())
    }

    /// A new native identity.
    pub(crate) fn generate() -> Self {
        Self {
            entries: vec![Entry::native(age::x25519::Identity::generate(), None)],
            origin: "a new key".into(),
            hints: KeyHints::default(),
        }
    }

    /// Where the keys came from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What the key file's comments say.
    pub fn hints(&self) -> &KeyHints {
        &self.hints
    }

    /// The public keys, as far as they are known (a plugin's is known only from a comment).
    pub fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        self.entries.iter().filter_map(Entry::recipient)
    }

    /// The ids of the public keys, for messages.
    pub fn describe(&self) -> String {
        let ids: Vec<String> = self.recipients().map(|recipient| recipient.id().to_string()).collect();
        if ids.is_empty() { format!("the key from {}", self.origin) } else { ids.join(", ") }
    }

    /// The public key, when there is one key and it is a native one.
    pub(crate) fn sole_native(&self) -> Option<&Recipient> {
        match self.entries.as_slice() {
            [entry] if entry.native.is_some() => entry.recipient(),
            _ => None,
        }
    }

    /// The age crate's identity whose public key is `recipient`.
    pub(crate) fn key_of(&self, recipient: &Recipient) -> Option<&(dyn age::Identity + Send + Sync)> {
        self.entries.iter().find(|entry| entry.recipient() == Some(recipient)).map(|entry| &*entry.identity)
    }

    /// Whether the public key of one of the keys is not known.
    pub(crate) fn has_unknown(&self) -> bool {
        self.entries.iter().any(|entry| entry.recipient().is_none())
    }

    /// The age crate's identities, each with the id that it probably has.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&(dyn age::Identity + Send + Sync), Option<KeyId>)> {
        self.entries.iter().map(|entry| {
            let likely = entry.announced.as_ref().or_else(|| entry.recipient());
            (&*entry.identity, likely.map(Recipient::id))
        })
    }

    /// HMAC-SHA256 of `message` under HKDF-SHA256 (no salt, info `agent-vault owner v1`) of the native secret whose
    /// public key is `recipient`; `None` when there is no such native key here.
    pub(crate) fn prove(&self, recipient: &Recipient, message: &[u8]) -> Option<[u8; 32]> {
        let entry = self.entries.iter().find(|entry| entry.recipient() == Some(recipient))?;
        let text = entry.native.as_ref()?.to_string();
        let (_, secret) = bech32::decode(text.expose_secret()).ok()?;
        let secret = Zeroizing::new(secret);
        let mut key = Zeroizing::new([0u8; 32]);
        hkdf::Hkdf::<Sha256>::new(None, &secret).expand(b"agent-vault owner v1", &mut *key).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&*key).ok()?;
        mac.update(message);
        Some(mac.finalize().into_bytes().into())
    }

    /// The text of a key file for the first (native) key, with comments that say whose it is.
    pub(crate) fn to_key_file(&self, hints: &KeyHints) -> SecretBytes {
        let entry = &self.entries[0];
        let mut text = Zeroizing::new(String::with_capacity(512));
        match &hints.agent {
            Some(agent) => text.push_str(&format!("# agent-vault: key of an agent\n# agent: {agent}\n")),
            None => {
                text.push_str("# agent-vault: key of an owner. Keep a copy of this file: it opens the whole vault.\n")
            }
        }
        if let Some(vault) = &hints.vault {
            text.push_str(&format!("# vault: {vault}\n"));
        }
        if let Some(owner) = &hints.owner {
            text.push_str(&format!("# owner: {owner}\n"));
        }
        if let (Some(recipient), Some(native)) = (entry.recipient(), &entry.native) {
            text.push_str(&format!("# public key: {recipient}\n"));
            text.push_str(native.to_string().expose_secret());
            text.push('\n');
        }
        SecretBytes::new(text.as_bytes().to_vec())
    }
}

impl Entry {
    fn native(identity: age::x25519::Identity, announced: Option<Recipient>) -> Self {
        Self { identity: Box::new(identity.clone()), recipient: OnceLock::new(), announced, native: Some(identity) }
    }

    /// The public key, from the private one where that can be; a comment's word is not taken for it.
    fn recipient(&self) -> Option<&Recipient> {
        self.recipient.get_or_init(|| self.native.as_ref().map(Recipient::of_x25519)).as_ref()
    }
}

impl KeyHints {
    /// Takes in one comment line. Lines that do not parse are people's own remarks.
    fn read(&mut self, comment: &str) {
        let Some((key, value)) = comment.split_once(':') else { return };
        let value = value.trim();
        match key.trim() {
            "vault" => self.vault = value.parse().ok().or(self.vault),
            "owner" if value.starts_with("SHA256:") => self.owner = Some(value.to_owned()),
            "agent" => self.agent = value.parse().ok().or(self.agent.take()),
            _ => {}
        }
    }
}

/// The text of an identity file of at most 1 MiB.
pub(crate) fn read_key_file(file: &Path) -> Result<SecretBytes> {
    let origin = printable(&file.display().to_string());
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MAX_KEY_FILE + 1).read_to_end(&mut text))
        .map_err(|error| unusable(&origin, error.to_string()))?;
    if text.len() as u64 > MAX_KEY_FILE {
        return Err(unusable(&origin, "it has more than 1 MiB"));
    }
    Ok(SecretBytes::new(std::mem::take(&mut *text)))
}

/// Whether an identity file holds keys line by line, so that it can hold one more; neither encrypted nor an SSH key.
pub(crate) fn is_list_of_keys(text: &[u8]) -> bool {
    !is_encrypted_file(text) && !text.trim_ascii_start().starts_with(b"-----BEGIN ")
}

/// `# public key: age1…` (age-keygen) or `# Recipient: age1…` (plugins).
fn announced_recipient(comment: &str) -> Option<Recipient> {
    let (key, value) = comment.split_once(':')?;
    matches!(key.trim().to_ascii_lowercase().as_str(), "public key" | "recipient").then(|| value.trim().parse().ok())?
}

fn unusable(origin: &str, reason: impl Into<String>) -> Error {
    Error::KeyUnusable { origin: origin.into(), reason: reason.into() }
}

/// Whether the text is itself an age file, binary or armored.
fn is_encrypted_file(text: &[u8]) -> bool {
    text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// Opens a passphrase-encrypted identity file.
fn unlock(text: SecretBytes, origin: &str, prompt: &Arc<dyn Prompt>) -> Result<SecretBytes> {
    let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(text.expose()))
        .ok()
        .filter(age::Decryptor::is_scrypt)
        .ok_or_else(|| unusable(origin, "it is an age file, but not one that a passphrase opens"))?;
    let locked = |reason: &str| Error::Locked { origin: origin.into(), reason: reason.into() };
    let passphrase = prompt.passphrase(&format!("Passphrase for {origin}")).map_err(|error| match error {
        Error::NobodyToAsk { .. } => locked("it needs a passphrase, and there is no terminal to ask on"),
        other => other,
    })?;
    let passphrase = to_secret_string(&passphrase).ok_or_else(|| locked("the passphrase is not text"))?;
    let identity = age::scrypt::Identity::new(passphrase);
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    decryptor
        .decrypt(std::iter::once(&identity as &dyn age::Identity))
        .map_err(|_| locked("wrong passphrase"))?
        .take(MAX_KEY_FILE)
        .read_to_end(&mut out)
        .map_err(|_| unusable(origin, "it is damaged"))?;
    Ok(SecretBytes::new(std::mem::take(&mut *out)))
}

/// An OpenSSH or PEM private key; an encrypted one is unlocked once, here.
fn ssh_entry(text: &str, origin: &str, prompt: &Arc<dyn Prompt>) -> Result<Entry> {
    let parsed = age::ssh::Identity::from_buffer(text.as_bytes(), Some(origin.into()))
        .map_err(|_| unusable(origin, "it is no SSH private key"))?;
    let identity = match parsed {
        age::ssh::Identity::Encrypted(key) => {
            let locked = |reason: &str| Error::Locked { origin: origin.into(), reason: reason.into() };
            let passphrase = prompt.passphrase(&format!("Passphrase for {origin}")).map_err(|error| match error {
                Error::NobodyToAsk { .. } => locked("it needs a passphrase, and there is no terminal to ask on"),
                other => other,
            })?;
            let passphrase = to_secret_string(&passphrase).ok_or_else(|| locked("the passphrase is not text"))?;
            key.decrypt(passphrase).map_err(|_| locked("wrong passphrase"))?.into()
        }
        age::ssh::Identity::Unsupported(_) => {
            return Err(unusable(origin, "age takes ssh-ed25519 and ssh-rsa keys only"));
        }
        plain => plain,
    };
    let recipient = age::ssh::Recipient::try_from(identity.clone()).ok().map(Recipient::of_ssh);
    Ok(Entry { identity: Box::new(identity), recipient: OnceLock::from(recipient), announced: None, native: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::Nobody;

    fn read(text: &str) -> Result<Identities> {
        Identities::from_bytes(
            SecretBytes::new(text.as_bytes().to_vec()),
            "test",
            &(Arc::new(Nobody) as Arc<dyn Prompt>),
        )
    }

    #[test]
    fn what_was_pasted_in_the_place_of_a_key_is_not_repeated() {
        let temp = tempfile::tempdir().unwrap();
        let (home, prompt) = (Home::new(temp.path()), Arc::new(Nobody) as Arc<dyn Prompt>);
        let told = |text: &str| {
            let Err(error) = Identities::resolve(None, Some(OsStr::new(text)), &home, &prompt) else {
                panic!("{text}")
            };
            (error.code(), error.to_string())
        };
        for pasted in ["sk_live_51_a_secret", "hunter2", "c2VjcmV0/c2VjcmV0+Zw==", "two\nlines"] {
            let (code, text) = told(pasted);
            assert_eq!(code, "key-unusable");
            assert!(!text.contains(pasted) && !text.contains("secret") && text.contains("AGENT_VAULT_KEY"), "{text}");
        }
        for path in ["/nowhere/ci.key", "./ci.key", "~/ci.key", "../ci.key"] {
            assert!(told(path).1.contains(path), "a path that is mistyped is named");
        }
    }

    #[test]
    fn a_key_file_says_whose_it_is_and_reads_back() {
        let key = Identities::generate();
        let hints =
            KeyHints { vault: None, owner: Some("SHA256:abc".into()), agent: Some(AgentName::parse("ci").unwrap()) };
        let file = key.to_key_file(&hints);
        let again = read(std::str::from_utf8(file.expose()).unwrap()).unwrap();
        assert_eq!(again.hints(), &hints);
        assert_eq!(again.recipients().next(), key.recipients().next());
    }

    #[test]
    fn c5_a_broken_key_is_never_repeated_in_the_error() {
        for text in [
            "AGE-SECRET-KEY-1QQQSECRETQQQ",
            "# only a comment\n",
            "",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nQQQSECRET\n",
        ] {
            let Err(error) = read(text) else { panic!("accepted {text:?}") };
            assert!(!error.to_string().contains("SECRETQ"), "{error}");
        }
    }

    #[test]
    fn a_proof_depends_on_key_and_message() {
        let (a, b) = (Identities::generate(), Identities::generate());
        let of = |keys: &Identities, message: &[u8]| keys.prove(keys.recipients().next().unwrap(), message).unwrap();
        assert_eq!(of(&a, b"m"), of(&a, b"m"));
        assert_ne!(of(&a, b"m"), of(&a, b"n"));
        assert_ne!(of(&a, b"m"), of(&b, b"m"));
        assert_eq!(a.prove(b.recipients().next().unwrap(), b"m"), None);
    }
}
