//! The one call through which every read and every write goes: it is done, then its line is appended to this machine's log,
//! and only then does the caller get what came of it.

use super::session::{Made, Session};
use super::{Notice, Owner, Vault};
use crate::audit::{Actor, Book, Moment, Process, Record, Role};
use crate::error::{Error, Result};
use crate::identity::Identities;
use crate::metadata::Metadata;
use crate::name::SecretPath;

/// What is about to be done: the name of its command, and to what.
pub(super) struct Act {
    operation: &'static str,
    /// One line each; a line without a path when there is none.
    paths: Vec<SecretPath>,
    subject: Option<String>,
}

impl Act {
    /// Something about the vault as a whole.
    pub(super) fn new(operation: &'static str) -> Self {
        Self { operation, paths: Vec::new(), subject: None }
    }

    /// Something done to a secret.
    pub(super) fn on(operation: &'static str, path: &SecretPath) -> Self {
        Self { paths: vec![path.clone()], ..Self::new(operation) }
    }

    /// Something done to an agent or a group.
    pub(super) fn about(operation: &'static str, subject: Option<impl ToString>) -> Self {
        Self { subject: subject.map(|subject| subject.to_string()), ..Self::new(operation) }
    }

    /// The same, with something else that was named.
    pub(super) fn with(self, subject: impl ToString) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }

    /// The same, done to these secrets.
    pub(super) fn on_all<'p>(self, paths: impl Iterator<Item = &'p SecretPath>) -> Self {
        Self { paths: paths.cloned().collect(), ..self }
    }

    /// The lines of it.
    fn records<'a>(
        &'a self,
        identity: Option<Actor>,
        outcome: &'a str,
        commit: Option<&'a str>,
    ) -> impl Iterator<Item = impl FnOnce(Moment, Process) -> Record> {
        let none = self.paths.is_empty().then_some(None);
        let paths = self.paths.iter().map(|path| Some(path.to_string())).chain(none);
        paths.map(move |path| {
            let identity = identity.clone();
            move |time, process| Record {
                time,
                operation: self.operation.into(),
                path,
                subject: self.subject.clone(),
                outcome: outcome.into(),
                commit: commit.map(str::to_owned),
                identity,
                process,
                client: None,
            }
        })
    }
}

/// The kind of what came of something.
fn outcome<T>(result: &Result<T>, done: &str) -> String {
    match result {
        Ok(_) => done.to_owned(),
        Err(Error::Unfinished { .. }) => "unfinished".to_owned(),
        Err(error) => error.class().to_string(),
    }
}

impl Vault {
    /// This vault's log on this machine.
    pub fn book(&self) -> Book {
        Book::of(&self.context.home, self.id)
    }

    /// Reads: what cannot be recorded is given to nobody where the manifest says so, or a newer one that is verified here. It
    /// is asked only then.
    pub(super) fn read<T>(
        &self,
        act: Act,
        who: impl FnOnce(Option<&T>) -> Option<Actor>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let result = work();
        let Err(error) = self.append(&act, who(result.as_ref().ok()), &outcome(&result, "ok"), None) else {
            return result;
        };
        if result.is_ok() && self.newest_manifest()?.settings.audit_required {
            return Err(Error::Unrecorded { reason: error.to_string() });
        }
        self.tell_unrecorded(&error);
        result
    }

    /// Does something of a face's own that stands in the log by a name of its own, such as starting a program with values.
    /// What it reads of the vault has lines of its own.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Unrecorded`] where the vault's owners ask that reads are recorded, and this is not.
    pub fn recorded<T>(
        &self,
        operation: &'static str,
        path: Option<&SecretPath>,
        subject: Option<&str>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let act = path.map_or_else(|| Act::new(operation), |path| Act::on(operation, path));
        let subject = subject.map(crate::audit::said);
        self.read(Act { subject, ..act }, |_| None, work)
    }

    /// Records a write, which stands in the history whatever becomes of this.
    pub(super) fn wrote<T>(&self, act: &Act, who: Option<Actor>, result: &Result<T>, commit: Option<&str>) {
        let done = if commit.is_some() { "ok" } else { "unchanged" };
        if let Err(error) = self.append(act, who, &outcome(result, done), commit) {
            self.tell_unrecorded(&error);
        }
    }

    fn append(&self, act: &Act, who: Option<Actor>, outcome: &str, commit: Option<&str>) -> Result<()> {
        let book = self.book();
        act.records(who, outcome, commit).try_for_each(|record| self.context.audit.append(&book, record))
    }

    fn tell_unrecorded(&self, error: &Error) {
        if self.context.audit.is_to_be_told() {
            self.notify(Notice::NotRecorded { reason: error.to_string() });
        }
    }

    /// Whose keys these are: by the root, by the metadata of what was read, or, where nothing was, by the manifest.
    pub(super) fn reader(&self, identities: &Identities, read: Option<&Metadata>) -> Actor {
        let mine: Vec<_> = identities.recipients().collect();
        if let Some(owner) = self.trusted().root.owners.iter().find(|owner| mine.contains(&&owner.public_key)) {
            return known(Role::Owner, &owner.name, owner.public_key.id());
        }
        let ids: Vec<_> = mine.iter().map(|recipient| recipient.id()).collect();
        let agent = match read {
            Some(metadata) => metadata.agent_among(&ids),
            None if mine.is_empty() => None,
            None => self.manifest().ok().and_then(|manifest| {
                let agent = manifest.agents.into_iter().find(|agent| mine.contains(&&agent.public_key))?;
                Some((agent.name, agent.public_key.id()))
            }),
        };
        match agent {
            Some((name, key)) => known(Role::Agent, &name, key),
            None => Actor { role: None, name: None, keys: ids.iter().map(ToString::to_string).collect() },
        }
    }
}

pub(super) fn known(role: Role, name: &impl ToString, key: crate::digest::KeyId) -> Actor {
    Actor { role: Some(role), name: Some(name.to_string()), keys: vec![key.to_string()] }
}

impl Owner<'_> {
    /// Writes: begins a session, and records how it ended.
    pub(super) fn write<'s, T>(&'s self, act: Act, work: impl FnOnce(Session<'s>) -> Result<T>) -> Result<T> {
        // As it was before: the change may give the owner another key.
        let (who, made) = (self.actor(), Made::default());
        let result = self.begin(made.clone()).and_then(work);
        self.vault.wrote(&act, Some(who), &result, made.get().map(String::as_str));
        result
    }

    /// This owner, in a record.
    pub(super) fn actor(&self) -> Actor {
        let trusted = self.vault.trusted();
        let key = trusted.root.owners.iter().find(|owner| owner.name == self.name).map(|owner| owner.public_key.id());
        Actor {
            role: Some(Role::Owner),
            name: Some(self.name.to_string()),
            keys: key.iter().map(ToString::to_string).collect(),
        }
    }
}
