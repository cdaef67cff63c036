//! Everything in a vault of 0.1.0, looked at with the owner's key: what is there, what is claimed, and what is so.

use super::documents::{self, Metadata};
use super::facts::{self, Key};
use super::plan::{AgentFact, Facts, Reader, SecretFact};
use super::{OldVault, agent_file};
use crate::check::Finding;
use crate::crypto::{self, Failure};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::folder::Kind;
use crate::identity::Identities;
use crate::layout::{self, Part, limit};
use crate::manifest::LIMIT_MAX_SECRET_SIZE;
use crate::name::{AgentName, SecretPath};
use crate::vault::Progress;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

mod finding;

/// The text of 0.1.0's `.gitignore`, without comments.
const GITIGNORE: [&str; 4] = ["*.key", "*.pem", "**/private.*", "!**/*.escrow"];
/// The fields of 0.1.0's manifest.
const MANIFEST_FIELDS: [&str; 4] = ["version", "owners", "agents", "groups"];
/// The fields of 0.1.0's metadata.
const METADATA_FIELDS: [&str; 6] = ["name", "group", "created", "rotated", "expires", "authorized_agents"];

/// What was found.
pub(crate) struct Survey {
    /// All that decides what is signed.
    pub facts: Facts,
    /// The agents' private keys as far as they could be had, by the index of their agent.
    pub privates: Vec<Option<Identities>>,
}

/// The files of a vault by what they are.
#[derive(Default)]
struct Files {
    secrets: BTreeMap<SecretPath, Vec<Part>>,
    /// The folders below `agents/`.
    agents: BTreeSet<String>,
    /// Every file that the upgrade takes in or replaces.
    ours: Vec<String>,
    findings: Vec<Finding>,
}

impl OldVault {
    /// Looks at everything with the owner's key. `committed` are the paths that HEAD has.
    pub(crate) fn survey(
        &self,
        identities: &Identities,
        committed: &dyn Fn(&str) -> bool,
        progress: Progress<'_>,
    ) -> Result<Survey> {
        let owner = self.owner()?;
        let Some(owner_key) = identities.key_of(&owner) else {
            return Err(Error::NotOwner { keys: identities.describe() });
        };
        let manifest = self.manifest()?;
        let mut files = self.files()?;
        let uncommitted: Vec<&str> = files.ours.iter().map(String::as_str).filter(|path| !committed(path)).collect();
        files.findings.extend(finding::uncommitted(&uncommitted));
        self.look_for_surplus(&mut files.findings)?;

        let (mut agents, mut privates) = (Vec::new(), Vec::new());
        let listed = manifest.agents();
        let names: BTreeSet<&str> = listed.keys().copied().chain(files.agents.iter().map(String::as_str)).collect();
        for name in names {
            let (agent, private) = self.agent(name, listed.get(name), identities)?;
            agents.push(agent);
            privates.push(private);
        }
        // The owner's key first, as `facts` wants it; then the agents' whose private key is in hand.
        let proven: Vec<usize> = (0..agents.len()).filter(|at| agents[*at].unproven.is_none()).collect();
        let agent_keys = proven.iter().filter_map(|at| privates[*at].as_ref().and_then(facts::key));
        let keys: Vec<Key<'_>> = std::iter::once(owner_key).chain(agent_keys).collect();
        let search = Search { old: self, keys: &keys, proven: &proven, agents: &agents, listed: manifest.listed() };
        let (total, done) = (files.secrets.len(), AtomicUsize::new(0));
        let found: Vec<(Option<SecretFact>, Vec<Finding>)> = files
            .secrets
            .par_iter()
            .map(|(path, parts)| {
                let found = search.secret(path, parts);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                found
            })
            .collect::<Result<_>>()?;
        let mut findings = files.findings;
        let mut secrets = Vec::new();
        for (secret, about) in found {
            secrets.extend(secret);
            findings.extend(about);
        }
        findings.extend(finding::missing(&manifest, &files.secrets));
        let claimed_owner = manifest.owners.first().map(|owner| owner.name.clone());
        let folders = files.agents;
        let without_value = files.secrets.into_iter().filter(|(_, parts)| !parts.contains(&Part::Enc));
        let gone =
            without_value.flat_map(|(path, parts)| parts.into_iter().map(move |part| layout::secret(&path, part)));
        let stale = gone.collect();
        Ok(Survey {
            facts: Facts { owner: Some(owner), claimed_owner, agents, secrets, folders, findings, stale },
            privates,
        })
    }

    /// Sorts the files of the vault. Links and the like are refused at once.
    fn files(&self) -> Result<Files> {
        let mut files = Files::default();
        for (relative, kind) in crate::folder::tree(&self.folder, "")? {
            if kind == Kind::Other {
                return Err(crate::folder::planted(self.folder.path(&relative)));
            }
            if let Some((path, part)) = layout::parse_secret(&relative) {
                files.secrets.entry(path).or_default().push(part);
                files.ours.push(relative);
                continue;
            }
            match relative.split('/').collect::<Vec<_>>().as_slice() {
                [layout::MANIFEST | layout::CONFIG | layout::OWNER_PUB | layout::GITIGNORE | layout::GITATTRIBUTES] => {
                    files.ours.push(relative);
                }
                [layout::AGENTS, name, "public.key" | "private.key.escrow"] => {
                    files.agents.insert((*name).to_owned());
                    files.ours.push(relative);
                }
                [.., ".gitattributes" | ".gitignore"] => files.findings.push(finding::nested(&relative)),
                [layout::SECRETS, ..] if relative.ends_with(Part::Meta.ending()) => {}
                [layout::SECRETS, ..] if relative.ends_with(Part::Enc.ending()) => {
                    files.findings.push(finding::refused_name(&relative));
                }
                _ => files.findings.push(finding::stranger(&relative)),
            }
        }
        Ok(files)
    }

    /// What the documents hold that is not kept.
    fn look_for_surplus(&self, findings: &mut Vec<Finding>) -> Result<()> {
        for (relative, known) in
            [(layout::MANIFEST, &MANIFEST_FIELDS[..]), (layout::CONFIG, &["version", "encryption"])]
        {
            let bytes = self.folder.read(relative, limit::MANIFEST)?.unwrap_or_default();
            findings.extend(finding::surplus(relative, &documents::surplus(&bytes, known)));
        }
        let ignored = self.folder.read(layout::GITIGNORE, limit::SMALL)?.unwrap_or_default();
        let ignored = String::from_utf8_lossy(&ignored);
        let own = ignored.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        if own.clone().any(|line| !GITIGNORE.contains(&line)) {
            findings.extend(finding::surplus(layout::GITIGNORE, &["lines of its own".into()]));
        }
        if self
            .folder
            .read(layout::GITATTRIBUTES, limit::SMALL)?
            .is_some_and(|text| text != layout::gitattributes().as_bytes())
        {
            findings.extend(finding::surplus(layout::GITATTRIBUTES, &["lines of its own".into()]));
        }
        Ok(())
    }

    /// One agent: what the manifest claims, what its files hold, and whether its private key is in hand.
    fn agent(
        &self,
        name: &str,
        groups: Option<&Vec<&str>>,
        owner: &Identities,
    ) -> Result<(AgentFact, Option<Identities>)> {
        let mut agent = AgentFact {
            name: name.to_owned(),
            listed: groups.is_some(),
            groups: groups.into_iter().flatten().map(|group| (*group).to_owned()).collect(),
            key: None,
            unproven: None,
            known_here: None,
            reseal: false,
        };
        let read = |file: &str| match agent_file(name, file) {
            Some(relative) => self.folder.read(&relative, limit::SMALL),
            None => Ok(None),
        };
        let public = read("public.key")?;
        agent.key = public.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
        let Some(key) = agent.key.clone() else {
            agent.unproven = Some("it has no public key that can be read");
            return Ok((agent, None));
        };
        let home = self.home_key(name);
        agent.known_here = home.as_ref().map(|home| home.sole_native() == Some(&key));
        let escrow = read("private.key.escrow")?;
        let sealed_once = escrow.as_deref().and_then(crypto::stanza_count) == Some(1);
        let escrowed = escrow.and_then(|sealed| self.escrowed(&sealed, owner));
        let private = match (escrowed, home) {
            (Some(escrowed), _) if escrowed.sole_native() == Some(&key) => {
                agent.reseal = !sealed_once;
                Some(escrowed)
            }
            (_, Some(home)) if home.sole_native() == Some(&key) => {
                agent.reseal = true;
                Some(home)
            }
            (Some(_), _) => {
                agent.unproven = Some("its public key is not that of the private key in its escrow");
                None
            }
            (None, _) => {
                agent.unproven = Some("its private key is in no escrow that opens, and not on this machine");
                None
            }
        };
        Ok((agent, private))
    }

    fn escrowed(&self, sealed: &[u8], owner: &Identities) -> Option<Identities> {
        let text = crypto::decrypt(owner, sealed, &[]).ok()?;
        Identities::from_bytes(text, "the escrow", &self.context.prompt).ok()
    }

    /// The key that 0.1.0 left on the machine where the agent was made; of a vault with an agent of that name.
    fn home_key(&self, name: &str) -> Option<Identities> {
        let file = self.context.home.agent_key(&AgentName::parse(name).ok()?);
        file.is_file().then(|| Identities::from_file(&file, &self.context.prompt).ok()).flatten()
    }
}

/// What is needed to look at one secret.
struct Search<'s> {
    old: &'s OldVault,
    keys: &'s [Key<'s>],
    /// The agents of `keys`, from the second key on.
    proven: &'s [usize],
    agents: &'s [AgentFact],
    listed: BTreeMap<SecretPath, Vec<String>>,
}

impl Search<'_> {
    /// One secret; nothing when it has no value, or one that cannot be taken over.
    fn secret(&self, path: &SecretPath, parts: &[Part]) -> Result<(Option<SecretFact>, Vec<Finding>)> {
        let mut findings = Vec::new();
        if !parts.contains(&Part::Enc) {
            return Ok((None, vec![finding::no_value(path)]));
        }
        if parts.contains(&Part::Gone) {
            findings.push(finding::nested(&layout::secret(path, Part::Gone)));
        }
        let metadata = self.metadata(path, &mut findings)?;
        let listed = self.listed.get(path).cloned().unwrap_or_default();
        let named = |agent: &AgentFact| {
            let by_name = metadata.as_ref().is_some_and(|metadata| metadata.authorized_agents.contains(&agent.name));
            by_name || agent.groups.iter().any(|group| listed.contains(group))
        };
        let likely: Vec<usize> =
            (0..self.proven.len()).filter(|at| named(&self.agents[self.proven[*at]])).map(|at| at + 1).collect();
        let relative = layout::secret(path, Part::Enc);
        let ciphertext = match self.old.folder.read(&relative, limit::CIPHERTEXT) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error @ Error::Corrupt { .. }) => {
                findings.push(finding::unreadable(path, &error.to_string()));
                return Ok((None, findings));
            }
            Err(error) => return Err(error),
        };
        let opened = match facts::open(&ciphertext, self.keys, &likely) {
            Ok(opened) => opened,
            Err(failure) => {
                findings.push(finding::unreadable(
                    path,
                    match &failure {
                        Failure::NotRecipient => "the owner's key does not open it",
                        Failure::Corrupt(reason) | Failure::Identity(reason) => reason,
                    },
                ));
                return Ok((None, findings));
            }
        };
        let size = opened.value.len() as u64;
        if size > LIMIT_MAX_SECRET_SIZE {
            findings.push(finding::unreadable(
                path,
                &format!("it has {size} bytes, and a vault takes {LIMIT_MAX_SECRET_SIZE} at most"),
            ));
        }
        let reader = |stanza: Option<usize>| match stanza {
            Some(0) => Reader::Owner,
            Some(at) => Reader::Agent(self.proven[at - 1]),
            None => Reader::Unknown,
        };
        let readers = opened.stanzas.into_iter().map(reader).collect();
        let secret =
            SecretFact { path: path.clone(), digest: Digest::of(&ciphertext), size, readers, listed, metadata };
        Ok((Some(secret), findings))
    }

    fn metadata(&self, path: &SecretPath, findings: &mut Vec<Finding>) -> Result<Option<Metadata>> {
        let relative = layout::secret(path, Part::Meta);
        let Some(bytes) = self.old.folder.read(&relative, limit::DOCUMENT)? else {
            findings.push(finding::no_metadata(path, "it has none"));
            return Ok(None);
        };
        match Metadata::parse(&bytes) {
            Ok(metadata) => {
                findings.extend(finding::surplus(&relative, &documents::surplus(&bytes, &METADATA_FIELDS)));
                if SecretPath::parse(&metadata.name).ok().as_ref() != Some(path) {
                    findings.push(finding::other_name(path, &metadata.name));
                }
                Ok(Some(metadata))
            }
            Err(reason) => {
                findings.push(finding::no_metadata(path, &reason));
                Ok(None)
            }
        }
    }
}
