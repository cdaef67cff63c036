//! What comes back from a call, as JavaScript takes it.

use crate::secret::NativeSecret;
use agent_vault_core::vault::{AccessChange, Overview, Row};
use agent_vault_core::{Error, SecretPath};
use agent_vault_open::Message;
use agent_vault_open::words::one_line;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

/// What is wrong. Never a secret.
#[napi(object)]
pub struct Told {
    /// The stable name of the error's kind.
    pub code: String,
    /// What kind of error it is, as exit codes tell it.
    pub class: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// What it is about.
    pub path: Option<String>,
}

impl From<agent_vault_open::Told> for Told {
    fn from(told: agent_vault_open::Told) -> Self {
        let agent_vault_open::Told { code, class, message, hint, path } = told;
        Self { code: code.into(), class, message, hint, path }
    }
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        agent_vault_open::Told::from(error).into()
    }
}

/// Something to hear of; what was asked for goes on.
#[napi(object)]
pub struct Heard {
    /// The name of the warning; none for what is no warning.
    pub warning: Option<String>,
    /// Its text.
    pub text: String,
}

impl From<&Message> for Heard {
    fn from(message: &Message) -> Self {
        let warning = match message {
            Message::Note(_) => None,
            Message::Stale(_) => Some("RemoteWarning"),
            Message::Unsigned(_) => Some("UnsignedVaultWarning"),
            _ => Some("VaultWarning"),
        };
        Self { warning: warning.map(str::to_owned), text: one_line(message.text()) }
    }
}

/// What is known of a secret without decrypting it. Times are in seconds since 1970.
#[napi(object)]
pub struct Listed {
    /// Its path.
    pub name: String,
    /// Its group.
    pub group: String,
    /// When it was made.
    pub created: i64,
    /// When its value was last set.
    pub rotated: i64,
    /// When it expires.
    pub expires: Option<i64>,
    /// The agents that can read it.
    pub authorized_agents: Vec<String>,
    /// One line for people.
    pub description: Option<String>,
    /// The agents that may read it beyond its group.
    pub agents: Vec<String>,
    /// Counts every write.
    pub revision: i64,
    /// Counts the changes of its value.
    pub value_revision: i64,
    /// Keys that could read the value and no longer may.
    pub exposed_to: Vec<String>,
    /// Whether the value is handed over and never shown.
    pub use_only: bool,
    /// The programs that it is handed to.
    pub programs: Vec<String>,
    /// The hosts that Git may send it to.
    pub hosts: Vec<String>,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            name: row.name,
            group: row.group,
            created: row.created,
            rotated: row.rotated,
            expires: row.expires,
            authorized_agents: row.authorized_agents,
            description: row.description,
            agents: row.agents,
            revision: count(row.revision),
            value_revision: count(row.value_revision),
            exposed_to: row.exposed_to,
            use_only: row.use_only,
            programs: row.programs,
            hosts: row.hosts,
        }
    }
}

/// A name, and a list of others: an agent's groups, a group's secrets, a secret's readers.
#[napi(object)]
pub struct Named {
    /// The name.
    pub name: String,
    /// What belongs to it.
    pub of: Vec<String>,
}

impl Named {
    fn all(pairs: impl IntoIterator<Item = (String, Vec<String>)>) -> Vec<Self> {
        pairs.into_iter().map(|(name, of)| Self { name, of }).collect()
    }
}

/// Who is in which group, and who reads what.
#[napi(object)]
pub struct Policy {
    /// Agents and their groups.
    pub agents: Vec<Named>,
    /// Groups and their secrets.
    pub groups: Vec<Named>,
    /// Secrets and their readers.
    pub readers: Vec<Named>,
}

impl From<Overview> for Policy {
    fn from(found: Overview) -> Self {
        Self { agents: Named::all(found.agents), groups: Named::all(found.groups), readers: Named::all(found.readers) }
    }
}

/// What an owner's call did.
#[napi(object)]
#[derive(Default)]
pub struct Changed {
    /// The commit; none where nothing had to be changed, or only was to be shown.
    pub commit: Option<String>,
    /// The secret's revision, after `set`.
    pub revision: Option<i64>,
    /// Secrets, each with the keys that can read it now and could not before.
    pub gains: Vec<Named>,
    /// Secrets, each with the keys that could read it and cannot now.
    pub loses: Vec<Named>,
}

impl From<AccessChange> for Changed {
    fn from(change: AccessChange) -> Self {
        let side = |side: Vec<(SecretPath, Vec<String>)>| {
            Named::all(side.into_iter().map(|(path, keys)| (path.to_string(), keys)))
        };
        Self { commit: change.commit, revision: None, gains: side(change.gains), loses: side(change.loses) }
    }
}

/// What comes back: what was asked for, or what is wrong.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Answer {
    /// What is wrong; nothing else is set then, but for what was heard.
    pub error: Option<Told>,
    /// What should be heard of.
    pub heard: Vec<Heard>,
    /// A value as text.
    pub text: Option<String>,
    /// A value, byte for byte.
    pub bytes: Option<Buffer>,
    /// A value that is not shown.
    pub secret: Option<NativeSecret>,
    /// A listing.
    pub listed: Option<Vec<Listed>>,
    /// Of a listing, what was left out, and why.
    pub broken: Option<Vec<String>>,
    /// The policy.
    pub policy: Option<Policy>,
    /// Variables for a program.
    pub variables: Option<Vec<Variable>>,
    /// What a change did.
    pub changed: Option<Changed>,
}

/// A variable for a program.
#[napi(object)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: String,
}
