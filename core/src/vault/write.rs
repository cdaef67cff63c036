//! `set`, one secret or many; `rm`, `mv`.

use super::recorded::Act;
use super::session::{Sealer, Session};
use super::spelling::Spellings;
use super::{Owner, Progress};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::metadata::{Draft, Exposure, Metadata, check_description};
use crate::name::{AgentName, GroupName, SecretPath, nearest};
use crate::policy::{self, Policy, Subject};
use crate::purpose::{self, Host, ProgramPath};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// Whether it is handed over and never shown. `Some(false)` lifts it, and clears the programs.
    pub use_only: Option<bool>,
    /// The programs that a use-only value is handed to; replaces the list.
    pub programs: Option<Vec<ProgramPath>>,
    /// The hosts that Git may send it to; replaces the list.
    pub hosts: Option<Vec<Host>>,
    /// The revision that is to be replaced, 0 for a secret that is not there; without one, whatever is there.
    pub expect: Option<u64>,
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

/// What is decided for one secret under a session's policy, before anything is encrypted.
pub(super) struct Decision {
    created: bool,
    pub(super) next: Metadata,
    content: Content,
    gains: Vec<String>,
    loses: Vec<String>,
}

impl Decision {
    /// What carrying it out would come to, with nothing encrypted.
    fn forecast(self, policy: &Policy<'_>) -> SetOutcome {
        let Decision { created, next, content, gains, loses } = self;
        let metadata = match content {
            Content::Nothing | Content::Metadata => next,
            Content::Reencrypted | Content::New(_) => {
                let readers = policy.readers(&next.group, &next.agents);
                Metadata { recipients: readers.ids(), authorized_agents: readers.agents, ..next }
            }
        };
        SetOutcome { created, metadata, gains, loses, commit: None }
    }
}

/// What a decision writes.
enum Content {
    /// Nothing: all is so already.
    Nothing,
    /// Metadata alone.
    Metadata,
    /// The value as it is, for other readers.
    Reencrypted,
    /// A new value.
    New(SecretBytes),
}

impl SetRequest {
    /// Refuses what can be refused without looking at the vault.
    fn check(&self) -> Result<()> {
        let Some(Some(description)) = &self.description else { return Ok(()) };
        check_description(description).map_err(|reason| Error::Usage {
            message: format!("the description {reason}"),
            hint: "give one line of plain text".into(),
        })
    }

    /// Puts what the value may be used for into the metadata. Without a word about it, it stays.
    fn bind(&mut self, next: &mut Metadata) -> Result<()> {
        let (use_only, programs, hosts) = (self.use_only.take(), self.programs.take(), self.hosts.take());
        let asked = use_only.is_some() || programs.is_some() || hosts.is_some();
        next.use_only = use_only.unwrap_or(next.use_only);
        if let Some(hosts) = hosts {
            next.hosts = purpose::sorted(hosts);
        }
        match programs {
            Some(programs) => next.programs = purpose::sorted(programs),
            None if !next.use_only => next.programs = Vec::new(),
            None => {}
        }
        let wrong = |message: String, hint: &str| Error::Usage { message, hint: hint.into() };
        let checked = purpose::check_lists(next.use_only, &next.programs, &next.hosts);
        checked.map_err(|reason| wrong(format!("{} {reason}", next.name), "programs go with --use-only"))?;
        if asked && next.use_only && next.programs.is_empty() && next.hosts.is_empty() {
            return Err(wrong(
                format!("{} would be of no use: it is use-only, and for no program and no host", next.name),
                "name them: --programs gh,/usr/bin/curl, or --hosts github.com",
            ));
        }
        Ok(())
    }
}

impl Owner<'_> {
    /// Stores a value, or changes what is known of one, in one signed commit.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NotFound`] (an agent, or the secret when there is no value),
    /// [`Error::Conflict`] when another name differs only in case, or when it is not the expected revision that is there;
    /// and those of every write.
    pub fn set(&self, path: &SecretPath, request: SetRequest, dry_run: bool) -> Result<SetOutcome> {
        request.check()?;
        self.write(Act::on("set", path), |session| {
            let decision = session.decide(&session.policy(), &mut Spellings::new(self.vault), path, request)?;
            let verb = match decision {
                Decision { content: Content::Nothing, .. } => None,
                Decision { created: true, .. } => Some("add"),
                Decision { created: false, .. } => Some("set"),
            };
            let outcome = session.sealer().write(&session.policy(), decision)?;
            match verb {
                Some(verb) if !dry_run => {
                    let commit = session.commit(&format!("{verb} {path}"))?;
                    Ok(SetOutcome { commit: Some(commit), ..outcome })
                }
                _ => Ok(outcome),
            }
        })
    }

    /// Stores many values, or changes what is known of them, in one signed commit: all of them or none. Values are
    /// encrypted on all cores; a dry run encrypts none. `message` says in the commit what was done ("import 12 secrets from .env"); the outcomes
    /// come in the order of the requests.
    ///
    /// # Errors
    /// As [`Owner::set`] for the first request that cannot be fulfilled; [`Error::Usage`] when a secret is named twice.
    pub fn set_many(
        &self,
        requests: Vec<(SecretPath, SetRequest)>,
        message: &str,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<Vec<SetOutcome>> {
        requests.iter().try_for_each(|(_, request)| request.check())?;
        check_unique(&requests)?;
        let act = Act::new("set").on_all(requests.iter().map(|(path, _)| path));
        self.write(act, |session| {
            let policy = session.policy();
            let mut spellings = Spellings::new(self.vault);
            let decisions = requests
                .into_iter()
                .map(|(path, request)| session.decide(&policy, &mut spellings, &path, request))
                .collect::<Result<Vec<_>>>()?;
            if dry_run {
                return Ok(decisions.into_iter().map(|decision| decision.forecast(&policy)).collect());
            }
            let written: Vec<bool> =
                decisions.iter().map(|decision| !matches!(decision.content, Content::Nothing)).collect();
            let (sealer, total, done) = (session.sealer(), decisions.len(), AtomicUsize::new(0));
            let mut outcomes = decisions
                .into_par_iter()
                .map(|decision| {
                    let outcome = sealer.write(&policy, decision)?;
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                    Ok(outcome)
                })
                .collect::<Result<Vec<_>>>()?;
            if !written.contains(&true) {
                return Ok(outcomes);
            }
            let commit = session.commit(message)?;
            for (outcome, _) in outcomes.iter_mut().zip(written).filter(|(_, written)| *written) {
                outcome.commit = Some(commit.clone());
            }
            Ok(outcomes)
        })
    }

    /// Removes a secret; a signed tombstone takes its place. Returns the commit.
    ///
    /// # Errors
    /// [`Error::NotFound`]; and those of every write.
    pub fn remove(&self, path: &SecretPath) -> Result<String> {
        self.write(Act::on("rm", path), |session| {
            let (current, digest) = session.require_secret(path)?;
            session.bury(&current, digest)?;
            session.commit(&format!("remove {path}"))
        })
    }

    /// Moves a secret to another name. A group that came from its old name follows the new one; then its readers
    /// change with it. Returns what changed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Exists`]; and those of every write.
    pub fn rename(&self, from: &SecretPath, to: &SecretPath) -> Result<SetOutcome> {
        self.write(Act::on("mv", from).with(to), |session| {
            let (current, digest) = session.require_secret(from)?;
            if session.metadata(to)?.is_some() {
                return Err(Error::Exists { what: "secret", name: to.to_string(), detail: String::new() });
            }
            Spellings::new(self.vault).add(to)?;
            let group = if current.group == from.default_group() { to.default_group() } else { current.group.clone() };
            let (parents, revision) = session.numbers_after(to)?;
            let moved =
                Metadata { name: to.clone(), revision: revision.max(current.revision) + 1, parents, ..current.clone() };
            let steps = policy::plan(
                &session.policy(),
                [Subject { fact: moved.clone(), group, agents: current.agents.clone() }],
            );
            let mut outcome = SetOutcome {
                created: true,
                metadata: moved.clone(),
                gains: Vec::new(),
                loses: Vec::new(),
                commit: None,
            };
            // A new ciphertext even where nobody gains or loses anything: Git takes two files of one content for one that was
            // renamed, and a plain `git merge` would put there what the other side made of the old name's.
            let value = session.sealer().open(&current)?;
            let (next, readers) = match steps.first() {
                None => (moved, session.policy().readers(&current.group, &current.agents)),
                Some(step) => {
                    (outcome.gains, outcome.loses) = (texts(&step.gains), texts(&step.loses));
                    let next = Metadata { group: step.group.clone(), exposed_to: step.exposed_to(), ..moved };
                    (next, step.readers.clone())
                }
            };
            outcome.metadata = session.sealer().seal(next, &readers, value.expose())?;
            session.delete(&layout::secret(to, layout::Part::Gone))?;
            session.bury(&current, digest)?;
            outcome.commit = Some(session.commit(&format!("move {from} to {to}"))?);
            Ok(outcome)
        })
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

    /// Decides what becomes of one secret. Nothing is encrypted yet.
    pub(super) fn decide(
        &self,
        policy: &Policy<'_>,
        spellings: &mut Spellings<'_>,
        path: &SecretPath,
        request: SetRequest,
    ) -> Result<Decision> {
        self.check_value(&request)?;
        for agent in request.agents.iter().flatten() {
            self.require_agent(agent)?;
        }
        let found = self.metadata(path)?;
        check_expected(path, request.expect, found.as_ref().map_or(0, |(current, _)| current.revision))?;
        match found {
            Some((current, digest)) => self.change(policy, current, digest, request),
            None => {
                let decision = self.create(policy, path, request)?;
                spellings.add(path)?;
                Ok(decision)
            }
        }
    }

    /// The first revision of a secret (or the first after its removal).
    fn create(&self, policy: &Policy<'_>, path: &SecretPath, mut request: SetRequest) -> Result<Decision> {
        let Some(value) = request.value.take() else {
            return Err(Error::NotFound {
                what: "secret",
                name: path.to_string(),
                near: self.vault.nearest_secret(path),
            });
        };
        let now = self.now();
        let mut next = Metadata::new(Draft {
            vault: self.vault.id,
            name: path.clone(),
            group: request.group.take().unwrap_or_else(|| path.default_group()),
            created: now,
            rotated: now,
            expires: request.expires.flatten(),
            description: request.description.take().flatten(),
            agents: sorted(request.agents.take().unwrap_or_default()),
        });
        request.bind(&mut next)?;
        let (parents, revision) = self.numbers_after(path)?;
        (next.parents, next.revision, next.value_revision) = (parents, revision + 1, revision + 1);
        self.delete(&layout::secret(path, layout::Part::Gone))?;
        // It has no readers yet, so the plan names all that it gets.
        let steps = policy::plan(policy, [Subject::unchanged(next.clone())]);
        let gains = steps.iter().flat_map(|step| texts(&step.gains)).collect();
        Ok(Decision { created: true, next, content: Content::New(value), gains, loses: Vec::new() })
    }

    /// The next revision of a secret.
    fn change(
        &self,
        policy: &Policy<'_>,
        current: Metadata,
        digest: Digest,
        mut request: SetRequest,
    ) -> Result<Decision> {
        let subject = Subject {
            group: request.group.take().unwrap_or_else(|| current.group.clone()),
            agents: request.agents.take().map_or_else(|| current.agents.clone(), sorted),
            fact: current.clone(),
        };
        let (group, agents) = (subject.group.clone(), subject.agents.clone());
        let step = policy::plan(policy, [subject]).pop();
        let mut next = Metadata {
            expires: request.expires.unwrap_or(current.expires),
            description: request.description.take().unwrap_or_else(|| current.description.clone()),
            group,
            agents,
            ..current.clone()
        };
        request.bind(&mut next)?;
        let content = match (request.value, &step) {
            (Some(value), _) => {
                (next.value_revision, next.rotated, next.exposed_to) =
                    (current.value_revision + 1, self.now(), Vec::new());
                Content::New(value)
            }
            (None, Some(step)) if step.reencrypt => {
                next.exposed_to = step.exposed_to();
                Content::Reencrypted
            }
            (None, _) if next == current => Content::Nothing,
            (None, _) => Content::Metadata,
        };
        if !matches!(content, Content::Nothing) {
            (next.revision, next.parents) = (current.revision + 1, vec![digest]);
        }
        let (gains, loses) = step.map_or_else(Default::default, |step| (texts(&step.gains), texts(&step.loses)));
        Ok(Decision { created: false, next, content, gains, loses })
    }

    /// The parents and the last revision that a new secret continues from: its tombstone's, or none.
    fn numbers_after(&self, path: &SecretPath) -> Result<(Vec<Digest>, u64)> {
        Ok(self.tombstone(path)?.map_or((Vec::new(), 0), |(gone, digest)| (vec![digest], gone.revision)))
    }
}

impl Sealer<'_> {
    /// Carries a decision out: encrypts, signs and stages.
    pub(super) fn write(&self, policy: &Policy<'_>, decision: Decision) -> Result<SetOutcome> {
        let Decision { created, next, content, gains, loses } = decision;
        let readers = |next: &Metadata| policy.readers(&next.group, &next.agents);
        let metadata = match content {
            Content::Nothing => next,
            Content::Metadata => {
                self.resign(&next)?;
                next
            }
            Content::Reencrypted => {
                let value = self.open(&next)?;
                let readers = readers(&next);
                self.seal(next, &readers, value.expose())?
            }
            Content::New(value) => {
                let readers = readers(&next);
                self.seal(next, &readers, value.expose())?
            }
        };
        Ok(SetOutcome { created, metadata, gains, loses, commit: None })
    }
}

/// Refuses to replace another revision than the one that the caller has seen.
fn check_expected(path: &SecretPath, expected: Option<u64>, found: u64) -> Result<()> {
    match expected {
        Some(expected) if expected != found => Err(Error::Conflict {
            message: match found {
                0 => format!("{path} was removed meanwhile"),
                found => format!("{path} was changed meanwhile: it has revision {found} now, not {expected}"),
            },
            hint: "look at what is there now, then try again; nothing was changed".into(),
        }),
        _ => Ok(()),
    }
}

/// Refuses two requests for one secret: which of them would count?
fn check_unique(requests: &[(SecretPath, SetRequest)]) -> Result<()> {
    let mut seen = HashSet::new();
    match requests.iter().find(|(path, _)| !seen.insert(path)) {
        Some((path, _)) => {
            Err(Error::Usage { message: format!("{path} is named twice"), hint: "name each secret once".into() })
        }
        None => Ok(()),
    }
}

fn texts(exposures: &[Exposure]) -> Vec<String> {
    exposures.iter().map(ToString::to_string).collect()
}

fn sorted(mut agents: Vec<AgentName>) -> Vec<AgentName> {
    agents.sort();
    agents.dedup();
    agents
}
