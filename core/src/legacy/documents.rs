//! The documents of 0.1.0, as its serializer wrote them or a person edited them: real YAML without one rendering.
//!
//! Nobody signed them, so nothing here is believed; what is parsed is what somebody *claims*. Sizes, depth and nodes
//! are bounded, anchors and aliases refused ([`yaml::library`]). Strings stay strings until somebody needs a name.

use crate::name::SecretPath;
use crate::time::Timestamp;
use crate::yaml;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// The policy that the manifest claims.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    #[serde(default)]
    pub owners: Vec<Owner>,
    #[serde(default)]
    pub agents: Vec<Agent>,
    #[serde(default)]
    pub groups: Vec<Group>,
}

/// An owner; 0.1.0 has one, and its key stands in `owner.pub`.
#[derive(Debug, Deserialize)]
pub(crate) struct Owner {
    pub name: String,
}

/// An agent and its groups. Its key stands in a file of its own.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Agent {
    pub name: String,
    #[serde(default)]
    pub groups: Vec<String>,
}

/// A group and the secrets in it, each as it was spelled when it was first set.
#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    pub name: String,
    #[serde(default)]
    pub secrets: Vec<String>,
}

impl Manifest {
    /// Parses a manifest; `Err` says what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = yaml::library(text(bytes)?)?;
        match manifest.version {
            1 => Ok(manifest),
            other => Err(format!("it has version {other}, and agent-vault 0.1.0 wrote version 1")),
        }
    }

    /// The groups that list each secret. Names that are none, and spellings (`default/x` is `x`), are settled here.
    pub(crate) fn listed(&self) -> BTreeMap<SecretPath, Vec<String>> {
        let mut listed: BTreeMap<SecretPath, Vec<String>> = BTreeMap::new();
        for group in &self.groups {
            for path in group.secrets.iter().filter_map(|name| SecretPath::parse(name).ok()) {
                let groups = listed.entry(path).or_default();
                if !groups.contains(&group.name) {
                    groups.push(group.name.clone());
                }
            }
        }
        listed
    }

    /// The agents by name, each once: what is listed twice is one.
    pub(crate) fn agents(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut agents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for agent in &self.agents {
            agents.entry(&agent.name).or_default().extend(agent.groups.iter().map(String::as_str));
        }
        agents
    }
}

/// What the text of a `.meta` file claims of one secret. Any of it may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Its name, which may be none.
    pub name: String,
    /// Its group.
    pub group: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last encrypted.
    pub rotated: Option<Timestamp>,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// The agents that it was last encrypted to.
    pub authorized_agents: Vec<String>,
}

/// The same with times as they are written.
#[derive(Deserialize)]
struct Written {
    name: String,
    group: String,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    rotated: Option<String>,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    authorized_agents: Vec<String>,
}

impl Metadata {
    /// Parses metadata; `Err` says what is wrong.
    ///
    /// # Errors
    /// For what is no YAML of this shape, or beyond its bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Written { name, group, created, rotated, expires, authorized_agents } = yaml::library(text(bytes)?)?;
        let time = |text: Option<String>| text.map(|text| Timestamp::parse_any(&text)).transpose();
        let (created, rotated, expires) = (time(created)?, time(rotated)?, time(expires)?);
        Ok(Self { name, group, created, rotated, expires, authorized_agents })
    }
}

/// What a document holds that the new format has no place for: its fields, and whether there are comments.
pub(crate) fn surplus(bytes: &[u8], known: &[&str]) -> Vec<String> {
    let Ok(text) = text(bytes) else { return Vec::new() };
    let fields: BTreeMap<String, IgnoredAny> = yaml::library(text).unwrap_or_default();
    let mut surplus: Vec<String> = fields
        .into_keys()
        .filter(|field| !known.contains(&field.as_str()))
        .map(|field| format!("field {field:?}"))
        .collect();
    if text.lines().any(|line| line.trim_start().starts_with('#') || line.contains(" #")) {
        surplus.push("comments".into());
    }
    surplus
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_0_1_0_wrote_is_read_with_its_quotes_blocks_and_fractions() {
        let manifest = Manifest::parse(
            b"version: 1\nowners:\n- name: erika\n  public_key: owner.pub\nagents:\n- name: 'true'\n  groups:\n  - stripe\n- name: my bot\n  groups: []\ngroups:\n- name: default\n  secrets:\n  - token\n  - default/token\n  - ../x\n",
        )
        .unwrap();
        assert_eq!(manifest.agents()["true"], ["stripe"]);
        assert_eq!(manifest.listed().keys().map(SecretPath::as_str).collect::<Vec<_>>(), ["token"]);
        let metadata = Metadata::parse(
            b"name: stripe/only\ngroup: stripe\ncreated: 2026-11-22T22:33:29.967683697Z\nrotated: 2026-11-22T22:33:29.967683697Z\nexpires: 2026-12-31T22:00:00Z\nauthorized_agents:\n- ci\n- 'true'\n",
        )
        .unwrap();
        assert_eq!(metadata.created.unwrap().to_string(), "2026-11-22T22:33:29Z");
        assert_eq!(metadata.authorized_agents, ["ci", "true"]);
    }

    #[test]
    fn a6_bombs_anchors_and_other_versions_are_refused() {
        let bomb = "version: 1\nagents: &a [{name: x}]\ngroups: *a\n";
        let deep = format!("version: 1\nagents: {}", "[".repeat(100_000));
        for hostile in [bomb, deep.as_str(), "version: 2\n", "", "- x\n", "version: 1\nagents: {name: x}\n"] {
            assert!(Manifest::parse(hostile.as_bytes()).is_err(), "{hostile:.40}");
        }
        assert!(Metadata::parse(b"name: a\ngroup: b\ncreated: yesterday\n").is_err());
        assert!(Metadata::parse(b"\xff").is_err());
    }

    #[test]
    fn fields_and_comments_without_a_place_are_found() {
        let text = b"# ours\nversion: 1\nagents: []\nteam: red\n";
        assert_eq!(surplus(text, &["version", "agents"]), ["field \"team\"", "comments"]);
        assert!(surplus(b"version: 1\nagents: []\n", &["version", "agents"]).is_empty());
    }
}
