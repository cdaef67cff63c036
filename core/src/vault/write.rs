//! `set`, `rm`, `mv`.

use super::{Owner, session::Session};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::metadata::{Draft, Metadata, check_description};
use crate::name::{AgentName, GroupName, SecretPath, nearest};
use crate::policy::{self, Subject};
use crate::secret::SecretBytes;
use crate::time::Timestamp;

/// What to store. `None` keeps what is there.
#[derive(Default)]
pub struct SetRequest {
    /// The new value; without one, only what else is given changes.
    pub value: Option<SecretBytes>,
    /// The group; by default a new secret's is its first segment.
    pub group: Option<GroupName>,
    /// The agents that may read it beyond its group; replaces the list.
    pub agents: Option<Vec<AgentName>>,
    /// When it expires; `Some(None)` clears it.
    pub expires: Option<Option<Timestamp>>,
    /// One line for people; `Some(None)` clears it.
    pub description: Option<Option<String>>,
}

/// What `set` did, or would do.
#[derive(Debug, Clone)]
pub struct SetOutcome {
    /// Whether the secret is new.
    pub created: bool,
    /// Its metadata now.
    pub metadata: Metadata,
    /// Keys that can read it now and could not before.
    pub gains: Vec<String>,
    /// Keys that could read it before and cannot now.
    pub loses: Vec<String>,
    /// The commit; `None` for a dry run, or when nothing had to change.
    pub commit: Option<String>,
}

impl Owner<'_> {
    /// Stores a value, or changes what is known of one, in one signed commit.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NotFound`] (an agent, or the secret when there is no value),
    /// [`Error::Conflict`] when another name differs only in case; and those of every write.
    pub fn set(&self, path: &SecretPath, request: SetRequest, dry_run: bool) -> Result<SetOutcome> {
        if let Some(Some(description)) = &request.description {
            check_description(description).map_err(|reason| Error::Usage {
                message: format!("the description {reason}"),
                hint: "give one line of plain text".into(),
            })?;
        }
        let session = self.begin()?;
        session.check_value(&request)?;
        for agent in request.agents.iter().flatten() {
            session.require_agent(agent)?;
        }
        let (outcome, staged) = match session.metadata(path)? {
            Some((current, digest)) => session.change(current, digest, request)?,
            None => session.create(path, request)?,
        };
        if dry_run || !staged {
            return Ok(outcome);
        }
        let verb = if outcome.created { "add" } else { "set" };
        let commit = session.commit(&format!("{verb} {path}"))?;
        Ok(SetOutcome { commit: Some(commit), ..outcome })
    }

    /// Removes a secret; a signed tombstone takes its place. Returns the commit.
    ///
    /// # Errors
    /// [`Error::NotFound`]; and those of every write.
    pub fn remove(&self, path: &SecretPath) -> Result<String> {
        let session = self.begin()?;
        let (current, digest) = session.require_secret(path)?;
        session.bury(&current, digest)?;
        session.commit(&format!("remove {path}"))
    }

    /// Moves a secret to another name. A group that came from its old name follows the new one; then its readers
    /// change with it. Returns what changed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exists`]; and those of every write.
    pub fn rename(&self, from: &SecretPath, to: &SecretPath) -> Result<SetOutcome> {
        let session = self.begin()?;
        let (current, digest) = session.require_secret(from)?;
        if session.metadata(to)?.is_some() {
            return Err(Error::Exists { what: "secret", name: to.to_string(), detail: String::new() });
        }
        session.check_clash(to)?;
        let group = if current.group == from.default_group() { to.default_group() } else { current.group.clone() };
        let (parents, revision) = session.numbers_after(to)?;
        let moved =
            Metadata { name: to.clone(), revision: revision.max(current.revision) + 1, parents, ..current.clone() };
        let steps =
            policy::plan(&session.policy(), [Subject { fact: moved.clone(), group, agents: current.agents.clone() }]);
        let mut outcome =
            SetOutcome { created: true, metadata: moved.clone(), gains: Vec::new(), loses: Vec::new(), commit: None };
        match steps.first() {
            None => session.relocate(from, &moved)?,
            Some(step) => {
                let value = session.open(from, &current)?;
                let next = Metadata { group: step.group.clone(), exposed_to: step.exposed_to(), ..moved };
                outcome.metadata = session.seal(next, &step.readers, value.expose())?;
                outcome.gains = step.gains.iter().map(ToString::to_string).collect();
                outcome.loses = step.loses.iter().map(ToString::to_string).collect();
            }
        }
        session.delete(&layout::secret(to, layout::Part::Gone))?;
        session.bury(&current, digest)?;
        outcome.commit = Some(session.commit(&format!("move {from} to {to}"))?);
        Ok(outcome)
    }
}

impl Session<'_> {
    /// Refuses a value larger than the vault's setting.
    fn check_value(&self, request: &SetRequest) -> Result<()> {
        let limit = self.manifest.settings.max_secret_size;
        match &request.value {
            Some(value) if value.len() as u64 > limit => Err(Error::TooLarge { size: value.len() as u64, limit }),
            _ => Ok(()),
        }
    }

    /// Refuses an agent that does not exist.
    pub(super) fn require_agent(&self, name: &AgentName) -> Result<()> {
        if self.manifest.agent(name).is_some() {
            return Ok(());
        }
        let near = nearest(name.as_str(), self.manifest.agents.iter().map(|agent| agent.name.as_str()));
        Err(Error::NotFound { what: "agent", name: name.to_string(), near })
    }

    /// A secret that must exist.
    pub(super) fn require_secret(&self, path: &SecretPath) -> Result<(Metadata, Digest)> {
        self.metadata(path)?.ok_or_else(|| Error::NotFound {
            what: "secret",
            name: path.to_string(),
            near: self.vault.nearest_secret(path),
        })
    }

    /// The first revision of a secret (or the first after its removal).
    fn create(&self, path: &SecretPath, request: SetRequest) -> Result<(SetOutcome, bool)> {
        let Some(value) = request.value else {
            return Err(Error::NotFound {
                what: "secret",
                name: path.to_string(),
                near: self.vault.nearest_secret(path),
            });
        };
        self.check_clash(path)?;
        let now = self.now();
        let mut metadata = Metadata::new(Draft {
            vault: self.vault.id,
            name: path.clone(),
            group: request.group.unwrap_or_else(|| path.default_group()),
            created: now,
            rotated: now,
            expires: request.expires.flatten(),
            description: request.description.flatten(),
            agents: sorted(request.agents.unwrap_or_default()),
        });
        let (parents, revision) = self.numbers_after(path)?;
        (metadata.parents, metadata.revision, metadata.value_revision) = (parents, revision + 1, revision + 1);
        let readers = self.policy().readers(&metadata.group, &metadata.agents);
        let metadata = self.seal(metadata, &readers, value.expose())?;
        self.delete(&layout::secret(path, layout::Part::Gone))?;
        let gains = metadata.readers(|key| self.policy().owner_name(key)).iter().map(ToString::to_string).collect();
        Ok((SetOutcome { created: true, metadata, gains, loses: Vec::new(), commit: None }, true))
    }

    /// The next revision of a secret. The second part says whether anything was staged.
    fn change(&self, current: Metadata, digest: Digest, request: SetRequest) -> Result<(SetOutcome, bool)> {
        let subject = Subject {
            group: request.group.unwrap_or_else(|| current.group.clone()),
            agents: request.agents.map_or_else(|| current.agents.clone(), sorted),
            fact: current.clone(),
        };
        let (group, agents) = (subject.group.clone(), subject.agents.clone());
        let steps = policy::plan(&self.policy(), [subject]);
        let step = steps.first();
        let names =
            |of: Option<&Vec<crate::metadata::Exposure>>| of.into_iter().flatten().map(ToString::to_string).collect();
        let next = Metadata {
            revision: current.revision + 1,
            parents: vec![digest],
            expires: request.expires.unwrap_or(current.expires),
            description: request.description.unwrap_or_else(|| current.description.clone()),
            group,
            agents,
            ..current.clone()
        };
        let gains = names(step.map(|step| &step.gains));
        let loses = names(step.map(|step| &step.loses));
        let outcome = |metadata| SetOutcome { created: false, metadata, gains, loses, commit: None };
        if let Some(value) = request.value {
            let readers = self.policy().readers(&next.group, &next.agents);
            let next = Metadata {
                value_revision: current.value_revision + 1,
                rotated: self.now(),
                exposed_to: Vec::new(),
                ..next
            };
            return Ok((outcome(self.seal(next, &readers, value.expose())?), true));
        }
        if let Some(step) = step.filter(|step| step.reencrypt) {
            let value = self.open(&current.name, &current)?;
            let next = Metadata { exposed_to: step.exposed_to(), ..next };
            return Ok((outcome(self.seal(next, &step.readers, value.expose())?), true));
        }
        let unchanged =
            Metadata { revision: current.revision, parents: current.parents.clone(), ..next.clone() } == current;
        if unchanged {
            return Ok((outcome(current), false));
        }
        self.resign(&next)?;
        Ok((outcome(next), true))
    }

    /// Decrypts a value in order to seal it anew.
    fn open(&self, path: &SecretPath, metadata: &Metadata) -> Result<SecretBytes> {
        let secret = self.vault.get(path, self.identities())?;
        if secret.metadata.digest == metadata.digest {
            Ok(secret.value)
        } else {
            Err(Error::tampered(self.vault.dir(), "a secret changed while it was read"))
        }
    }

    /// The parents and the last revision that a new secret continues from: its tombstone's, or none.
    fn numbers_after(&self, path: &SecretPath) -> Result<(Vec<Digest>, u64)> {
        Ok(self.tombstone(path)?.map_or((Vec::new(), 0), |(gone, digest)| (vec![digest], gone.revision)))
    }

    /// Refuses a new name of which a prefix differs from an existing one only in case: the two could not both be
    /// checked out on macOS or Windows.
    fn check_clash(&self, path: &SecretPath) -> Result<()> {
        let stored = path.stored();
        let mut folder = layout::SECRETS.to_owned();
        let depth = stored.split('/').count();
        for (at, part) in stored.split('/').enumerate() {
            for entry in self.vault.folder().list(&folder)? {
                let name =
                    if at + 1 == depth { entry.name.strip_suffix(".meta").unwrap_or("") } else { entry.name.as_str() };
                if name != part && name.eq_ignore_ascii_case(part) {
                    return Err(Error::Conflict {
                        message: format!("{path} differs only in case from an existing name ({name:?})"),
                        hint: "use the existing spelling, or another name".into(),
                    });
                }
            }
            folder = format!("{folder}/{part}");
        }
        Ok(())
    }
}

fn sorted(mut agents: Vec<AgentName>) -> Vec<AgentName> {
    agents.sort();
    agents.dedup();
    agents
}
