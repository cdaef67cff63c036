//! One secret's signed metadata, and the tombstone that takes its place (format: "`<path>.meta`").

use crate::digest::{Digest, KeyId};
use crate::error::{Error, Result, printable};
use crate::name::{AgentName, GroupName, SecretPath};
use crate::purpose::{self, Host, ProgramPath};
use crate::root::VaultId;
use crate::signing::Signature;
use crate::time::Timestamp;
use crate::yaml::{self, Document, Renderer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The most bytes a description may have.
pub const MAX_DESCRIPTION: usize = 1024;
/// What stands before the signature on a document's last line.
const SIGNATURE: &[u8] = b"signature: ";

/// A key that could read the current value and no longer may: `name@key-id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exposure {
    /// Whose key it was.
    pub name: AgentName,
    /// Which key.
    pub key: KeyId,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.name, self.key))
    }
}

impl FromStr for Exposure {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let (name, key) = text.split_once('@').ok_or_else(|| Error::Usage {
            message: format!("{:?} names no key", printable(text)),
            hint: "name@key-id".into(),
        })?;
        Ok(Self { name: name.parse()?, key: key.parse()? })
    }
}

/// What is known of a secret without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Of the format: 1.
    pub version: u32,
    /// The vault it belongs to.
    pub vault: VaultId,
    /// The secret's path.
    pub name: SecretPath,
    /// Which group's members read it.
    pub group: GroupName,
    /// 1 + the greatest of its parents'; every write counts.
    pub revision: u64,
    /// Rises only when the value changes.
    pub value_revision: u64,
    /// The `.meta` or `.gone` it replaces.
    pub parents: Vec<Digest>,
    /// When the secret was made.
    pub created: Timestamp,
    /// When its value was last set.
    pub rotated: Timestamp,
    /// When the value stops being good.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// One line for people, 1,024 bytes at most.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether the value is handed over and never shown.
    #[serde(default)]
    pub use_only: bool,
    /// The programs that a use-only value is handed to. Sorted.
    #[serde(default)]
    pub programs: Vec<ProgramPath>,
    /// The hosts that Git may send it to. Sorted.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// The agents that can read it, in the order of their stanzas (which follow the owners').
    #[serde(default)]
    pub authorized_agents: Vec<AgentName>,
    /// The agents that may read it beyond its group. Sorted.
    pub agents: Vec<AgentName>,
    /// The ids of the keys it is encrypted to, in the order of their stanzas, owners first: the fact.
    #[serde(default)]
    pub recipients: Vec<KeyId>,
    /// The keys that could read this value and no longer may. Sorted.
    pub exposed_to: Vec<Exposure>,
    /// Of the `.enc` file.
    pub digest: Digest,
}

/// The parts of a new [`Metadata`] that its writer decides.
pub(crate) struct Draft {
    pub vault: VaultId,
    pub name: SecretPath,
    pub group: GroupName,
    pub created: Timestamp,
    pub rotated: Timestamp,
    pub expires: Option<Timestamp>,
    pub description: Option<String>,
    pub agents: Vec<AgentName>,
}

impl Metadata {
    /// The first metadata of a secret, to be completed by the sealing of its value.
    pub(crate) fn new(draft: Draft) -> Self {
        let Draft { vault, name, group, created, rotated, expires, description, agents } = draft;
        Self {
            version: 1,
            vault,
            name,
            group,
            revision: 0,
            value_revision: 0,
            parents: Vec::new(),
            created,
            rotated,
            expires,
            description,
            use_only: false,
            programs: Vec::new(),
            hosts: Vec::new(),
            authorized_agents: Vec::new(),
            agents,
            recipients: Vec::new(),
            exposed_to: Vec::new(),
            digest: Digest::of(b""),
        }
    }

    /// Parses what was verified; `Err` says what is wrong.
    pub fn parse(body: &[u8], vault: VaultId, name: &SecretPath) -> Result<Self, String> {
        let metadata: Self = yaml::parse(body)?;
        check_identity(metadata.version, metadata.vault, &metadata.name, metadata.revision, vault, name)?;
        yaml::check_count("value_revision", metadata.value_revision)?;
        if metadata.recipients.len() < metadata.authorized_agents.len() + 1 {
            return Err("it names more agents than it has recipients for".into());
        }
        if let Some(description) = &metadata.description {
            check_description(description).map_err(|reason| format!("its description {reason}"))?;
        }
        purpose::check_lists(metadata.use_only, &metadata.programs, &metadata.hosts)
            .map_err(|reason| format!("it {reason}"))?;
        Ok(metadata)
    }

    /// Which keys can read the value, by name: agents from the metadata itself, owners as `owner_name` knows them, and
    /// `owner` where it does not. No key is left out.
    pub(crate) fn readers(&self, owner_name: impl Fn(KeyId) -> Option<AgentName>) -> Vec<Exposure> {
        let owners = self.recipients.len() - self.authorized_agents.len();
        let (owner_keys, agent_keys) = self.recipients.split_at(owners);
        let owners =
            owner_keys.iter().map(|key| Exposure { name: owner_name(*key).unwrap_or_else(some_owner), key: *key });
        let agents =
            self.authorized_agents.iter().zip(agent_keys).map(|(name, key)| Exposure { name: name.clone(), key: *key });
        owners.chain(agents).collect()
    }

    /// The agent to whom one of these keys belongs, if its value is encrypted to it.
    pub(crate) fn agent_among(&self, keys: &[KeyId]) -> Option<(AgentName, KeyId)> {
        let owners = self.recipients.len().saturating_sub(self.authorized_agents.len());
        let mut agents = self.authorized_agents.iter().zip(&self.recipients[owners..]);
        agents.find(|(_, key)| keys.contains(key)).map(|(name, key)| (name.clone(), *key))
    }

    /// Whether the value should be set anew: a key that may no longer read it has read it.
    pub fn rotation_due(&self) -> bool {
        !self.exposed_to.is_empty()
    }

    /// Whether the value is past its expiry.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// What an owner's key is called whose name nobody knows.
pub(crate) fn some_owner() -> AgentName {
    AgentName::parse("owner").unwrap_or_else(|_| unreachable!("a constant name is valid"))
}

/// Refuses descriptions that a document may not hold; `Err` ends a sentence.
pub(crate) fn check_description(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_DESCRIPTION {
        Err("has more than 1,024 bytes")
    } else if !text.chars().all(yaml::is_plain) {
        Err("holds control characters or line breaks")
    } else {
        Ok(())
    }
}

impl Document for Metadata {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("version", self.version);
        out.field("vault", self.vault);
        out.field("name", &self.name);
        out.field("group", &self.group);
        out.literal("revision", self.revision);
        out.literal("value_revision", self.value_revision);
        out.list("parents", &self.parents);
        out.literal("created", self.created);
        out.literal("rotated", self.rotated);
        if let Some(expires) = self.expires {
            out.literal("expires", expires);
        }
        out.optional("description", self.description.as_ref());
        if self.use_only {
            out.literal("use_only", true);
        }
        if !self.programs.is_empty() {
            out.list("programs", &self.programs);
        }
        if !self.hosts.is_empty() {
            out.list("hosts", &self.hosts);
        }
        out.list("authorized_agents", &self.authorized_agents);
        out.list("agents", &self.agents);
        out.list("recipients", &self.recipients);
        out.list("exposed_to", &self.exposed_to);
        out.field("digest", self.digest);
        out.finish()
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut rest = text.to_owned();
        let agents = yaml::take_list(&mut rest, text, "authorized_agents");
        let recipients = yaml::take_list(&mut rest, text, "recipients");
        let (Some(agents), Some(recipients)) = (agents, recipients) else { return yaml::library(text) };
        let mut metadata: Self = yaml::library(&rest)?;
        metadata.authorized_agents = texts(agents)?;
        metadata.recipients = texts(recipients)?;
        Ok(metadata)
    }
}

fn texts<T: FromStr<Err = Error>>(items: Vec<&str>) -> Result<Vec<T>, String> {
    items.into_iter().map(str::parse).collect::<Result<_>>().map_err(|error| error.to_string())
}

/// What stays of a removed secret: its numbers go on from here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    version: u32,
    /// The vault it belongs to.
    pub vault: VaultId,
    /// The secret's path.
    pub name: SecretPath,
    /// 1 + the greatest of its parents'.
    pub revision: u64,
    /// The `.meta` it replaces.
    pub parents: Vec<Digest>,
}

impl Tombstone {
    /// A tombstone with these numbers.
    pub(crate) fn new(vault: VaultId, name: SecretPath, revision: u64, parents: Vec<Digest>) -> Self {
        Self { version: 1, vault, name, revision, parents }
    }

    /// The same, with other numbers.
    pub(crate) fn continuing(self, revision: u64, parents: Vec<Digest>) -> Self {
        Self { revision, parents, ..self }
    }

    /// The tombstone that replaces `metadata`, whose file has `digest`.
    pub(crate) fn of(metadata: &Metadata, digest: Digest) -> Self {
        Self {
            version: 1,
            vault: metadata.vault,
            name: metadata.name.clone(),
            revision: metadata.revision + 1,
            parents: vec![digest],
        }
    }

    /// The same tombstone for another owner to sign; this one's file has `digest`.
    pub(crate) fn renewed(&self, digest: Digest) -> Self {
        Self { revision: self.revision + 1, parents: vec![digest], ..self.clone() }
    }

    /// Parses what was verified; `Err` says what is wrong.
    pub fn parse(body: &[u8], vault: VaultId, name: &SecretPath) -> Result<Self, String> {
        let gone: Self = yaml::parse(body)?;
        check_identity(gone.version, gone.vault, &gone.name, gone.revision, vault, name)?;
        Ok(gone)
    }
}

impl Document for Tombstone {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("version", self.version);
        out.field("vault", self.vault);
        out.field("name", &self.name);
        out.literal("revision", self.revision);
        out.list("parents", &self.parents);
        out.finish()
    }
}

/// What metadata and tombstones must agree on with the place where they were found.
fn check_identity(
    version: u32,
    found_vault: VaultId,
    found_name: &SecretPath,
    revision: u64,
    vault: VaultId,
    name: &SecretPath,
) -> Result<(), String> {
    if version != 1 {
        return Err(format!("it has version {version}, and this program knows version 1"));
    }
    if found_vault != vault {
        return Err(format!("it belongs to another vault ({found_vault})"));
    }
    if found_name != name {
        return Err(format!("it is the signed document of another secret ({found_name})"));
    }
    yaml::check_count("revision", revision)
}

/// Splits a document into what is signed and its signature; `Err` says what is wrong.
pub(crate) fn split_signed(bytes: &[u8]) -> Result<(&[u8], Signature), String> {
    if bytes.contains(&b'\r') {
        return Err("line endings changed by Git: it holds carriage returns (check core.autocrlf and .gitattributes, then check the file out again)".into());
    }
    let line = bytes.strip_suffix(b"\n").ok_or("it does not end with a line break")?;
    let at = line.iter().rposition(|byte| *byte == b'\n').ok_or("it has no signature")? + 1;
    let signature = line[at..]
        .strip_prefix(SIGNATURE)
        .ok_or("its last line is not its signature: text was added after it, or it was never signed")?;
    let text = std::str::from_utf8(signature).map_err(|_| "its signature is not text")?;
    Ok((&bytes[..at], text.parse().map_err(|_| "its signature is not one".to_string())?))
}

/// Puts a document and its signature together.
pub(crate) fn join_signed(body: &str, signature: &Signature) -> Vec<u8> {
    format!("{body}signature: {signature}\n").into_bytes()
}

#[cfg(test)]
mod tests;
