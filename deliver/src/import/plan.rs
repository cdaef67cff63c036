//! What an import would do, and doing it: first all is compared with the vault, then one commit stores everything or nothing.

use super::names::{Named, Refusal};
use agent_vault_core::metadata::Metadata;
use agent_vault_core::vault::{Progress, SetOutcome, SetRequest};
use agent_vault_core::{Error, GroupName, Identities, Owner, Purpose, Result, SecretBytes, SecretPath, Vault};
use rayon::prelude::*;

/// What becomes of a secret that is there with another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the import is refused.
    Refuse,
    /// It gets the new value.
    Update,
    /// It stays, and the rest is imported.
    Keep,
}

/// What becomes of one entry.
#[derive(Debug)]
pub enum Action {
    /// A new secret.
    Create(SecretPath, SecretBytes),
    /// A new value, in place of the one with this revision.
    Change(SecretPath, SecretBytes, u64),
    /// The secret has this value already.
    Unchanged(SecretPath),
    /// The secret has another value and keeps it, as asked.
    Kept(SecretPath),
    /// The secret has another value, and nobody said what to do.
    Exists(SecretPath),
    /// It cannot become a secret.
    Refused(Refusal),
}

impl Action {
    /// The secret that it is about.
    pub fn path(&self) -> Option<&SecretPath> {
        match self {
            Action::Create(path, _) | Action::Change(path, _, _) => Some(path),
            Action::Unchanged(path) | Action::Kept(path) | Action::Exists(path) => Some(path),
            Action::Refused(_) => None,
        }
    }

    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Action::Create(..) => "create",
            Action::Change(..) => "change",
            Action::Unchanged(_) => "unchanged",
            Action::Kept(_) => "keep",
            Action::Exists(_) => "exists",
            Action::Refused(_) => "refuse",
        }
    }
}

/// One line of a plan.
#[derive(Debug)]
pub struct Item {
    /// What the source calls it.
    pub source: String,
    /// The line that it begins on, where the source has lines.
    pub line: Option<usize>,
    /// What becomes of it.
    pub action: Action,
}

/// All that an import would do, in the source's order.
#[derive(Debug)]
pub struct Plan(Vec<Item>);

impl Plan {
    /// Compares entries with the vault. Secrets that are there are decrypted, on all cores, to see whether they have the value
    /// already.
    ///
    /// # Errors
    /// Those of reading a secret.
    pub fn new(vault: &Vault, identities: &Identities, named: Vec<Named>, existing: Existing) -> Result<Self> {
        let limit = vault.manifest()?.settings.max_secret_size;
        let decide = |named: Named| -> Result<Item> {
            let Named { source, line, outcome } = named;
            let action = match outcome {
                Err(refusal) => Action::Refused(refusal),
                Ok((_, value)) if value.len() as u64 > limit => {
                    let reason = format!("it has {} bytes; this vault takes {limit} at most", value.len());
                    Action::Refused(Refusal { reason, suggestion: None })
                }
                Ok((path, value)) => match vault.look_up(&path)? {
                    None => Action::Create(path, value),
                    Some(current) => compare(vault, identities, &current, value, existing)?,
                },
            };
            Ok(Item { source, line, action })
        };
        Ok(Self(named.into_par_iter().map(decide).collect::<Result<_>>()?))
    }

    /// Its lines.
    pub fn items(&self) -> &[Item] {
        &self.0
    }

    /// How many lines are of a kind.
    pub fn count(&self, word: &str) -> usize {
        self.0.iter().filter(|item| item.action.word() == word).count()
    }

    /// Why it cannot be carried out, if so.
    pub fn refusal(&self) -> Option<Error> {
        let (refused, exist) = (self.count("refuse"), self.count("exists"));
        if refused > 0 {
            return Some(Error::Usage {
                message: format!("{refused} of {} cannot become secrets: nothing was imported", self.0.len()),
                hint: "name them anew (--rename SOURCE=PATH, or --fix-names to take what is suggested), or leave them out (--exclude SOURCE)".into(),
            });
        }
        (exist > 0).then(|| Error::Conflict {
            message: format!("{exist} of {} are there with another value: nothing was imported", self.0.len()),
            hint: "say --update to replace their values, or --keep to leave them as they are".into(),
        })
    }

    /// Stores everything in one commit, with `group` in place of new secrets' own; a dry run finds out whether that would
    /// be refused. Returns what became of those that were to be created or changed, in order.
    ///
    /// # Errors
    /// [`Plan::refusal`]; [`Error::Conflict`] when the vault has changed since the plan was made; and those of every write.
    pub fn apply(
        self,
        owner: &Owner<'_>,
        group: Option<&GroupName>,
        message: &str,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<Vec<SetOutcome>> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let requests: Vec<_> = self
            .0
            .into_iter()
            .filter_map(|item| match item.action {
                Action::Create(path, value) => Some((path, value, 0, group.cloned())),
                Action::Change(path, value, revision) => Some((path, value, revision, None)),
                _ => None,
            })
            .map(|(path, value, revision, group)| {
                (path, SetRequest { value: Some(value), expect: Some(revision), group, ..SetRequest::default() })
            })
            .collect();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        owner.set_many(requests, message, dry_run, progress)
    }
}

fn compare(
    vault: &Vault,
    identities: &Identities,
    current: &Metadata,
    value: SecretBytes,
    existing: Existing,
) -> Result<Action> {
    let path = current.name.clone();
    // Only whether it is another value is told.
    let secret = vault.get_for(&path, identities, Purpose::Recognise)?;
    if secret.value.expose() == value.expose() {
        return Ok(Action::Unchanged(path));
    }
    Ok(match existing {
        Existing::Refuse => Action::Exists(path),
        Existing::Keep => Action::Kept(path),
        // What was compared is what is replaced: if another revision is there by then, nothing is imported.
        Existing::Update => Action::Change(path, value, secret.metadata.revision),
    })
}
