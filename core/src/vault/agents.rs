//! Agents: add, remove, list, and their keys.

use super::access::without;
use super::recorded::Act;
use super::{AccessChange, Owner, Progress, Vault};
use crate::error::{Error, Result};
use crate::escrow;
use crate::home;
use crate::identity::{Identities, KeyHints};
use crate::layout;
use crate::manifest::{Agent, Manifest};
use crate::name::{AgentName, GroupName, nearest};
use crate::policy::Subject;
use crate::recipient::Recipient;
use crate::root::Root;
use crate::time::Timestamp;
use std::path::{Path, PathBuf};

/// An agent as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentInfo {
    /// Its name.
    pub name: AgentName,
    /// Its groups.
    pub groups: Vec<GroupName>,
    /// Its key.
    pub public_key: Recipient,
    /// When it was added.
    pub created: Timestamp,
    /// Whether its private key lies in escrow.
    pub escrow: bool,
}

/// A key that was made for an agent.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its public half.
    pub public_key: Recipient,
    /// The file that holds it; `None` when the agent brought its own key.
    pub file: Option<PathBuf>,
    /// What changed for the secrets.
    pub change: AccessChange,
}

impl Vault {
    /// Every agent of the verified manifest.
    ///
    /// # Errors
    /// As [`Vault::manifest`].
    pub fn agents(&self) -> Result<Vec<AgentInfo>> {
        self.manifest()?
            .agents
            .into_iter()
            .map(|Agent { name, public_key, groups, created }| {
                let escrow = self.folder.has(&layout::agent_escrow(&name))?;
                Ok(AgentInfo { name, groups, public_key, created, escrow })
            })
            .collect()
    }
}

impl Owner<'_> {
    /// Adds an agent. Without a public key of its own, a key is made: one copy in the home's `agents/`, one in escrow.
    ///
    /// # Errors
    /// [`Error::Exists`] for the name or the key; and those of every write.
    pub fn add_agent(&self, name: &AgentName, public_key: Option<Recipient>) -> Result<NewKey> {
        self.write(Act::about("add-agent", Some(name)), |mut session| {
            session.require_free(name, public_key.as_ref())?;
            let made = public_key.is_none().then(Identities::generate);
            let public_key = match (&made, public_key) {
                (Some(made), _) => first_recipient(made),
                (None, Some(given)) => given,
                (None, None) => {
                    return Err(Error::Usage { message: "no key".into(), hint: "give a public key".into() });
                }
            };
            let agent = Agent {
                name: name.clone(),
                public_key: public_key.clone(),
                groups: Vec::new(),
                created: session.now(),
            };
            session.put_manifest(|manifest| manifest.insert_agent(agent))?;
            session.put(&layout::agent_public(name), format!("{public_key}\n").as_bytes())?;
            let file = match &made {
                Some(made) => Some(self.hand_out(&session, name, made)?),
                None => None,
            };
            let commit = keep_key_if(session.commit(&format!("add agent {name}")), file.as_deref())?;
            Ok(NewKey { public_key, file, change: AccessChange { commit: Some(commit), ..AccessChange::default() } })
        })
    }

    /// Adds agents that bring their own keys, with their groups, in one commit: the fixture of a benchmark is made in
    /// seconds.
    ///
    /// # Errors
    /// As [`Owner::add_agent`]; [`Error::Conflict`] when two of them share a name or a key.
    #[doc(hidden)]
    pub fn add_many_agents(&self, agents: Vec<(AgentName, Recipient, Vec<GroupName>)>) -> Result<AccessChange> {
        self.write(Act::new("add-agent"), |mut session| {
            for (name, public_key, _) in &agents {
                session.require_free(name, Some(public_key))?;
                session.put(&layout::agent_public(name), format!("{public_key}\n").as_bytes())?;
            }
            let (created, message) = (session.now(), format!("add {} agents", agents.len()));
            session.put_manifest(|manifest| {
                for (name, public_key, mut groups) in agents {
                    groups.sort();
                    groups.iter().for_each(|group| manifest.insert_group(group));
                    manifest.insert_agent(Agent { name, public_key, groups, created });
                }
            })?;
            let subjects: Vec<Subject> = session.all()?.into_iter().map(Subject::unchanged).collect();
            session.conclude(subjects, &message, false, &|_, _| {})
        })
    }

    /// Removes an agent: afterwards no current ciphertext opens with its key.
    ///
    /// # Errors
    /// [`Error::NotFound`]; and those of every write.
    pub fn remove_agent(&self, name: &AgentName, dry_run: bool, progress: Progress<'_>) -> Result<AccessChange> {
        self.write(Act::about("remove-agent", Some(name)), |mut session| {
            session.require_agent(name)?;
            session.put_manifest(|manifest| manifest.agents.retain(|agent| agent.name != *name))?;
            session.delete(&layout::agent_public(name))?;
            session.delete(&layout::agent_escrow(name))?;
            let subjects: Vec<Subject> =
                session.all()?.into_iter().map(|secret| without(name, secret, |_| true)).collect();
            session.conclude(subjects, &format!("remove agent {name}"), dry_run, progress)
        })
    }

    /// Gives an agent a new key and takes every access from the old one.
    ///
    /// # Errors
    /// [`Error::NotFound`]; and those of every write.
    pub fn recover_agent(&self, name: &AgentName, progress: Progress<'_>) -> Result<NewKey> {
        self.write(Act::about("recover-agent", Some(name)), |mut session| {
            session.require_agent(name)?;
            let made = Identities::generate();
            let public_key = first_recipient(&made);
            session.put_manifest(|manifest| {
                if let Some(agent) = manifest.agent_mut(name) {
                    agent.public_key = public_key.clone();
                }
            })?;
            session.put(&layout::agent_public(name), format!("{public_key}\n").as_bytes())?;
            let subjects: Vec<Subject> = session.all()?.into_iter().map(Subject::unchanged).collect();
            let file = self.hand_out(&session, name, &made)?;
            let change = keep_key_if(
                session.conclude(subjects, &format!("recover agent {name}"), false, progress),
                Some(&file),
            )?;
            Ok(NewKey { public_key, file: Some(file), change })
        })
    }

    /// Writes an agent's original key file from escrow, privately and exclusively.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Exists`] unless `force`; [`Error::Tampered`] when the escrow does not hold the
    /// key of the manifest; [`Error::Unrecorded`].
    pub fn restore_agent(&self, name: &AgentName, to: &Path, force: bool) -> Result<()> {
        let act = Act::about("restore-agent", Some(name));
        let key = self.vault.read(act, |_| Some(self.actor()), || self.vault.escrowed_key(name, self.identities))?;
        let text = key.to_key_file(&self.hints(name));
        if force { home::replace_private(to, text.expose(), true) } else { home::create_private(to, text.expose()) }
    }

    /// What an agent's key file says of the vault.
    pub(super) fn hints(&self, name: &AgentName) -> KeyHints {
        let owner = Some(self.vault.trusted().pin.fingerprint());
        KeyHints { vault: Some(self.vault.id), owner, agent: Some(name.clone()) }
    }

    /// Stages the escrow of a key, and then writes its file: nothing that can fail before the commit comes after it.
    fn hand_out(&self, session: &super::session::Session<'_>, name: &AgentName, key: &Identities) -> Result<PathBuf> {
        let hints = self.hints(name);
        let sealed = escrow::seal_agent_key(key, &hints, &session.root, &self.vault.context.prompt)?;
        session.put(&layout::agent_escrow(name), &sealed)?;
        let file = self.vault.context.home.free_agent_key(name, &first_recipient(key).id().to_string());
        home::create_private(&file, key.to_key_file(&hints).expose())?;
        Ok(file)
    }
}

impl Vault {
    /// An agent's key from escrow.
    fn escrowed_key(&self, name: &AgentName, identities: &Identities) -> Result<Identities> {
        let trusted = self.current()?;
        let manifest = self.manifest()?;
        let agent = manifest.agent(name).ok_or_else(|| Error::NotFound {
            what: "agent",
            name: name.to_string(),
            near: nearest(name.as_str(), manifest.agents.iter().map(|agent| agent.name.as_str())),
        })?;
        escrow::open_agent_key(&self.folder, name, &agent.public_key, &trusted.root, identities, &self.context.prompt)
    }
}

impl super::session::Session<'_> {
    /// Refuses an agent's name or key that is taken. Names that differ only in case could not both be checked out
    /// everywhere; a shared key would make two agents one.
    fn require_free(&self, name: &AgentName, key: Option<&Recipient>) -> Result<()> {
        if let Some(agent) =
            self.manifest.agents.iter().find(|agent| agent.name.as_str().eq_ignore_ascii_case(name.as_str()))
        {
            return Err(Error::Exists { what: "agent", name: agent.name.to_string(), detail: String::new() });
        }
        key.map_or(Ok(()), |key| require_nobodys(key, &self.root, &self.manifest))
    }
}

/// Refuses a key that an agent or an owner has: each key is one party's.
pub(super) fn require_nobodys(key: &Recipient, root: &Root, manifest: &Manifest) -> Result<()> {
    let agents = manifest.agents.iter().map(|agent| (agent.name.as_str(), &agent.public_key));
    let owners = root.owners.iter().map(|owner| (owner.name.as_str(), &owner.public_key));
    match agents.chain(owners).find(|(_, other)| *other == key) {
        Some((holder, _)) => {
            Err(Error::Exists { what: "key", name: key.id().to_string(), detail: format!("it is {holder}'s") })
        }
        None => Ok(()),
    }
}

/// The recipient of a key that was just made.
pub(super) fn first_recipient(key: &Identities) -> Recipient {
    let Some(recipient) = key.recipients().next() else { unreachable!("a generated key has a recipient") };
    recipient.clone()
}

/// Removes the new key's file when the change that it is for did not happen.
fn keep_key_if<T>(result: Result<T>, file: Option<&Path>) -> Result<T> {
    match (&result, file) {
        (Err(Error::Unfinished { .. }), _) | (Ok(_), _) | (_, None) => {}
        (Err(_), Some(file)) => drop(std::fs::remove_file(file)),
    }
    result
}
