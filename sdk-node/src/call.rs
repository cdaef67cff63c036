//! The calls that there are, and how each is made of the core's.

use crate::answer::{Answer, Changed, Listed, Told, Variable};
use crate::secret::NativeSecret;
use crate::vault::Opened;
use agent_vault_core::vault::{Listing, SetRequest};
use agent_vault_core::{AgentName, Error, GroupName, Owner, Result, SecretBytes, SecretPath, Timestamp};
use agent_vault_open::references;
use napi_derive::napi;

/// In which form a value is wanted.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// As text.
    Text,
    /// Byte for byte.
    Bytes,
    /// As something that is not shown.
    Secret,
}

/// What `set` is to make of a secret beside its value; what is absent stays.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct Wishes {
    /// Its group.
    pub group: Option<String>,
    /// The agents that may read it beyond its group.
    pub agents: Option<Vec<String>>,
    /// When it expires: a time, a date or a duration; an empty text clears it.
    pub expires: Option<String>,
    /// One line for people; an empty text clears it.
    pub description: Option<String>,
}

/// A value to be stored, and what is to be made of its secret.
#[derive(Default)]
pub struct Wanted {
    /// The value; without one the stored one stays.
    pub value: Option<SecretBytes>,
    /// The rest.
    pub wishes: Wishes,
}

impl Wanted {
    fn request(self, now: Timestamp) -> Result<SetRequest> {
        let Wishes { group, agents, expires, description } = self.wishes;
        let agents = agents.map(|names| names.iter().map(|name| AgentName::parse(name)).collect());
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let expires = expires.map(|text| given(text).map(|text| Timestamp::parse_expiry(&text, now)).transpose());
        Ok(SetRequest {
            value: self.value,
            group: group.map(|name| name.parse::<GroupName>()).transpose()?,
            agents: agents.transpose()?,
            expires: expires.transpose()?,
            description: description.map(given),
            ..SetRequest::default()
        })
    }
}

/// One call.
pub enum Call {
    /// A value.
    Get(String, Form),
    /// Every secret, or those of a group.
    List(Option<String>),
    /// Who is in which group, and who reads what.
    Policy,
    /// Variables for a program.
    Env(Vec<(String, String)>),
    /// A look at the remote, now.
    Pull(bool),
    /// The vault, opened anew.
    Reload,
    /// A value stored, or what is known of one.
    Set(String, Wanted),
    /// A secret removed.
    Remove(String),
    /// A group given to an agent.
    Grant(String, String, bool, bool),
    /// A group or a secret taken from an agent.
    Revoke(String, Option<String>, Option<String>, bool),
}

/// Makes the call; what is wrong is part of the answer, and so is what was heard.
pub fn make(opened: &Opened, call: &mut Call) -> Answer {
    let mut answer = match call {
        Call::Env(mapping) => env(opened, mapping).unwrap_or_else(|told| failed(told.into())),
        call => done(opened, call).unwrap_or_else(|error| failed(Told::from(&error))),
    };
    answer.heard = opened.heard();
    answer
}

fn failed(error: Told) -> Answer {
    Answer { error: Some(error), ..Answer::default() }
}

fn done(opened: &Opened, call: &mut Call) -> Result<Answer> {
    let changed = |changed: Changed| Answer { changed: Some(changed), ..Answer::default() };
    Ok(match call {
        Call::Get(path, form) => value(opened, path, *form)?,
        Call::List(group) => {
            let group = group.as_deref().map(str::parse::<GroupName>).transpose()?;
            let Listing { rows, broken } = opened.fresh()?.list(group.as_ref())?;
            let broken = broken.iter().map(ToString::to_string).collect();
            let listed = rows.into_iter().map(Listed::from).collect();
            Answer { listed: Some(listed), broken: Some(broken), ..Answer::default() }
        }
        Call::Policy => Answer { policy: Some(opened.fresh()?.overview()?.into()), ..Answer::default() },
        Call::Pull(strict) => {
            opened.pull(*strict)?;
            Answer::default()
        }
        Call::Reload => {
            opened.reload()?;
            Answer::default()
        }
        Call::Set(path, wanted) => {
            let path: SecretPath = path.parse()?;
            let request = std::mem::take(wanted).request(opened.now())?;
            let made = own(opened, |owner| owner.set(&path, request, false))?;
            let revision = i64::try_from(made.metadata.revision).ok();
            changed(Changed { commit: made.commit, revision, ..Changed::default() })
        }
        Call::Remove(path) => {
            let path: SecretPath = path.parse()?;
            changed(Changed { commit: Some(own(opened, |owner| owner.remove(&path))?), ..Changed::default() })
        }
        Call::Grant(agent, group, create, dry_run) => {
            let (agent, group): (AgentName, GroupName) = (agent.parse()?, group.parse()?);
            changed(own(opened, |owner| owner.grant(&agent, &group, *create, *dry_run, &|_, _| {}))?.into())
        }
        Call::Revoke(agent, group, secret, dry_run) => {
            let agent: AgentName = agent.parse()?;
            let group = group.as_deref().map(str::parse::<GroupName>).transpose()?;
            let secret = secret.as_deref().map(str::parse::<SecretPath>).transpose()?;
            let change = own(opened, |owner| match (&group, &secret) {
                (Some(group), None) => owner.revoke(&agent, group, *dry_run, &|_, _| {}),
                (None, Some(secret)) => owner.revoke_secret(&agent, secret, *dry_run),
                _ => Err(Error::Usage {
                    message: "revoke takes a group or a secret".into(),
                    hint: "revoke(\"ci\", \"stripe\"), or revoke(\"ci\", { secret: \"stripe/api-key\" })".into(),
                }),
            })?;
            changed(change.into())
        }
        // It has failures of its own kind.
        Call::Env(_) => Answer::default(),
    })
}

fn value(opened: &Opened, path: &str, form: Form) -> Result<Answer> {
    let path: SecretPath = path.parse()?;
    let value = opened.opening.value(&*opened.fresh()?, &opened.identities, &path)?;
    Ok(match form {
        Form::Text => Answer { text: Some(value.text(path.as_str())?.to_owned()), ..Answer::default() },
        Form::Bytes => Answer { bytes: Some(value.expose().to_vec().into()), ..Answer::default() },
        Form::Secret => Answer { secret: Some(NativeSecret::new(value)), ..Answer::default() },
    })
}

/// Does one thing as the owner.
fn own<T>(opened: &Opened, act: impl FnOnce(&Owner<'_>) -> Result<T>) -> Result<T> {
    opened.opening.own(&opened.found(), &opened.identities, act)
}

/// All of the variables, or why there are none.
fn env(opened: &Opened, mapping: &[(String, String)]) -> std::result::Result<Answer, agent_vault_open::Told> {
    let variables = references::named(mapping)?;
    let found = opened.fresh()?;
    let reader = references::Opened::new(&opened.opening, opened.freshness)?.with(&found, opened.identities.clone());
    let filled = references::filled(&variables, &reader)?;
    let text = |(name, value): (std::ffi::OsString, SecretBytes)| {
        let name = name.to_string_lossy().into_owned();
        Ok(Variable { value: value.text(&name)?.to_owned(), name })
    };
    let variables = filled.into_iter().map(text).collect::<Result<_>>()?;
    Ok(Answer { variables: Some(variables), ..Answer::default() })
}
