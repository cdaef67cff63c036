//! The manifest: which agents there are, in which groups, and the vault's settings (format: "manifest.yaml").

use crate::digest::Digest;
use crate::name::{AgentName, GroupName, OwnerName};
use crate::recipient::Recipient;
use crate::root::{Root, VaultId};
use crate::time::Timestamp;
use crate::yaml::{self, Document, Renderer, flow, scalar};
use serde::{Deserialize, Serialize};

/// `settings.max_secret_size` of a new vault.
pub const DEFAULT_MAX_SECRET_SIZE: u64 = 1 << 20;
/// The most that `settings.max_secret_size` may be.
pub const LIMIT_MAX_SECRET_SIZE: u64 = 16 << 20;
/// The feature level this program knows (`settings.needs`).
const LEVEL: &str = "1";

/// An agent: its key and the groups it may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Unique in the vault, ignoring case.
    pub name: AgentName,
    /// Unique in the vault.
    pub public_key: Recipient,
    /// Sorted.
    pub groups: Vec<GroupName>,
    /// When it was added.
    pub created: Timestamp,
}

/// A group that exists even while no secret carries it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The name.
    pub name: GroupName,
    /// For old readers; empty in version 1, where a secret's own signed group decides.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// The owners, repeated for old readers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerCopy {
    /// As in the root.
    pub name: OwnerName,
    /// As in the root.
    pub public_key: Recipient,
}

/// Settings that are policy: an owner signs them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The most bytes a value may have.
    pub max_secret_size: u64,
    /// Whether a read that cannot be recorded is refused.
    pub audit_required: bool,
    /// The feature level a program must know.
    pub needs: String,
}

/// The policy document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    /// The vault it belongs to.
    pub vault: VaultId,
    /// The root whose owners could sign it.
    pub root: u64,
    /// 1 + the greatest of its parents'.
    pub serial: u64,
    /// The manifests it replaces.
    pub parents: Vec<Digest>,
    /// A copy of the root's.
    pub owners: Vec<OwnerCopy>,
    /// Sorted by name.
    pub agents: Vec<Agent>,
    /// Sorted by name.
    pub groups: Vec<Group>,
    /// Signed settings.
    pub settings: Settings,
}

impl Manifest {
    /// The manifest of a new vault.
    pub(crate) fn first(vault: VaultId, root: &Root) -> Self {
        Self {
            version: 1,
            vault,
            root: root.root,
            serial: 1,
            parents: Vec::new(),
            owners: copy_owners(root),
            agents: Vec::new(),
            groups: Vec::new(),
            settings: Settings { max_secret_size: DEFAULT_MAX_SECRET_SIZE, audit_required: false, needs: LEVEL.into() },
        }
    }

    /// Parses what was verified; `Err` says what is wrong.
    pub fn parse(bytes: &[u8], vault: VaultId, root: &Root) -> Result<Self, String> {
        let manifest: Self = yaml::parse(bytes)?;
        if manifest.version != 1 {
            return Err(format!("it has version {}, and this program knows version 1", manifest.version));
        }
        if manifest.settings.needs != LEVEL {
            return Err(format!(
                "it needs feature level {:?}; this program knows {LEVEL}: use a newer one",
                crate::error::printable(&manifest.settings.needs)
            ));
        }
        if manifest.vault != vault {
            return Err(format!("it belongs to another vault ({})", manifest.vault));
        }
        if manifest.root != root.root || manifest.owners != copy_owners(root) {
            return Err(format!(
                "it was made under another root ({}, and the current one is {})",
                manifest.root, root.root
            ));
        }
        if manifest.settings.max_secret_size > LIMIT_MAX_SECRET_SIZE {
            return Err(format!("its max_secret_size is over {LIMIT_MAX_SECRET_SIZE}"));
        }
        if manifest.groups.iter().any(|group| !group.secrets.is_empty()) {
            return Err("a group lists secrets, which version 1 does not: a secret's own signed group decides".into());
        }
        yaml::check_count("serial", manifest.serial)?;
        manifest.check_names()?;
        Ok(manifest)
    }

    /// Sorted and unique, so that two people's manifests differ only where they mean different things.
    pub(crate) fn check_names(&self) -> Result<(), String> {
        let rising = |names: Vec<String>| names.windows(2).all(|pair| pair[0] < pair[1]);
        let sorted = rising(self.agents.iter().map(|agent| agent.name.as_str().to_ascii_lowercase()).collect())
            && rising(self.groups.iter().map(|group| group.name.to_string()).collect())
            && self.agents.iter().all(|agent| rising(agent.groups.iter().map(ToString::to_string).collect()));
        if !sorted {
            return Err("its agents or groups are not sorted, or one is there twice".into());
        }
        // By id: that is how a secret's metadata names them.
        let agents = self.agents.iter().map(|agent| agent.public_key.id());
        let mut keys: Vec<_> = agents.chain(self.owners.iter().map(|owner| owner.public_key.id())).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two of its agents or owners share a key".into());
        }
        Ok(())
    }

    /// The canonical bytes.
    pub fn render(&self) -> String {
        Document::render(self)
    }

    /// This manifest's successor, before any change: serial and parents moved on.
    pub(crate) fn successor(&self, digest: Digest) -> Self {
        Self { serial: self.serial + 1, parents: vec![digest], ..self.clone() }
    }

    /// A manifest that continues two, with the settings of this one and without agents and groups.
    pub(crate) fn continuing(&self, serial: u64, parents: Vec<Digest>, root: &Root) -> Self {
        let (agents, groups, owners) = (Vec::new(), Vec::new(), copy_owners(root));
        Self { serial, parents, root: root.root, owners, agents, groups, ..self.clone() }
    }

    /// Puts it under another root.
    pub(crate) fn stand_under(&mut self, root: &Root) {
        (self.root, self.owners) = (root.root, copy_owners(root));
    }

    /// The agent of that name.
    pub fn agent(&self, name: &AgentName) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.name == *name)
    }

    /// The agent of that name, to change it.
    pub(crate) fn agent_mut(&mut self, name: &AgentName) -> Option<&mut Agent> {
        self.agents.iter_mut().find(|agent| agent.name == *name)
    }

    /// Adds an agent at its place.
    pub(crate) fn insert_agent(&mut self, agent: Agent) {
        let key = agent.name.as_str().to_ascii_lowercase();
        let at = self.agents.partition_point(|other| other.name.as_str().to_ascii_lowercase() < key);
        self.agents.insert(at, agent);
    }

    /// Adds a group at its place, unless it is there.
    pub(crate) fn insert_group(&mut self, name: &GroupName) {
        if let Err(at) = self.groups.binary_search_by(|group| group.name.cmp(name)) {
            self.groups.insert(at, Group { name: name.clone(), secrets: Vec::new() });
        }
    }
}

fn copy_owners(root: &Root) -> Vec<OwnerCopy> {
    root.owners
        .iter()
        .map(|owner| OwnerCopy { name: owner.name.clone(), public_key: owner.public_key.clone() })
        .collect()
}

impl Document for Manifest {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("version", self.version);
        out.field("vault", self.vault);
        out.literal("root", self.root);
        out.literal("serial", self.serial);
        out.list("parents", &self.parents);
        out.maps(
            "owners",
            self.owners.iter().map(|owner| {
                format!("{{name: {}, public_key: {}}}", scalar(owner.name.as_str()), scalar(owner.public_key.as_str()))
            }),
        );
        out.maps(
            "agents",
            self.agents.iter().map(|agent| {
                format!(
                    "{{name: {}, public_key: {}, groups: {}, created: {}}}",
                    scalar(agent.name.as_str()),
                    scalar(agent.public_key.as_str()),
                    flow(&agent.groups),
                    agent.created
                )
            }),
        );
        out.maps(
            "groups",
            self.groups
                .iter()
                .map(|group| format!("{{name: {}, secrets: {}}}", scalar(group.name.as_str()), flow(&group.secrets))),
        );
        let Settings { max_secret_size, audit_required, needs } = &self.settings;
        out.raw(&format!(
            "settings: {{max_secret_size: {max_secret_size}, audit_required: {audit_required}, needs: {}}}",
            scalar(needs)
        ));
        out.finish()
    }
}
