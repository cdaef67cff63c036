//! The variables that every face honours: `AGENT_VAULT_HOME`, `AGENT_VAULT_OWNER`, `AGENT_VAULT_TRUST`. (`AGENT_VAULT_KEY`
//! is a [`crate::Key`].)

use agent_vault_core::prompt::Prompt;
use agent_vault_core::{Context, Error, FirstContact, Home, Result};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// How a variable of the environment is looked up.
pub type Look<'l> = &'l dyn Fn(&str) -> Option<OsString>;

/// `AGENT_VAULT_HOME`, or `.agent-vault` in the user's home.
///
/// # Errors
/// [`Error::Usage`] where there is none.
pub fn home(look: Look<'_>) -> Result<PathBuf> {
    match look("AGENT_VAULT_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(PathBuf::from(home)),
        None => std::env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .map(|home| home.join(".agent-vault"))
            .ok_or_else(|| Error::Usage {
                message: "there is no home directory".into(),
                hint: "set HOME or AGENT_VAULT_HOME".into(),
            }),
    }
}

/// The core's context. `can_ask` says whether somebody is there to be asked about a vault that is not known here.
///
/// # Errors
/// [`Error::Usage`] for a variable that cannot be understood.
pub fn context(look: Look<'_>, prompt: Arc<dyn Prompt>, can_ask: bool) -> Result<Context> {
    let mut context = Context::new(Home::new(home(look)?));
    context.prompt = prompt;
    context.expected_owner = text(look, "AGENT_VAULT_OWNER")?.filter(|owner| !owner.is_empty());
    context.first_contact = match text(look, "AGENT_VAULT_TRUST")?.as_deref() {
        Some("strict") => FirstContact::Refuse,
        None | Some("") if can_ask => FirstContact::Ask,
        None | Some("") => FirstContact::Accept,
        Some(other) => {
            return Err(Error::Usage {
                message: format!("AGENT_VAULT_TRUST is {:?}", agent_vault_core::error::printable(other)),
                hint: "set it to `strict`, or unset it".into(),
            });
        }
    };
    Ok(context)
}

/// A variable that must be text.
fn text(look: Look<'_>, name: &str) -> Result<Option<String>> {
    look(name)
        .map(|value| {
            value
                .into_string()
                .map_err(|_| Error::Usage { message: format!("{name} is not text"), hint: "set it anew".into() })
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_vault_core::prompt::Nobody;

    fn made(variables: &[(&str, &str)], can_ask: bool) -> Result<Context> {
        let look = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        context(&look, Arc::new(Nobody), can_ask)
    }

    #[test]
    fn strict_refuses_what_is_unknown_and_only_who_can_answer_is_asked() {
        let home = ("AGENT_VAULT_HOME", "/h");
        assert_eq!(made(&[home], true).unwrap().first_contact, FirstContact::Ask);
        assert_eq!(made(&[home], false).unwrap().first_contact, FirstContact::Accept);
        assert_eq!(made(&[home, ("AGENT_VAULT_TRUST", "strict")], true).unwrap().first_contact, FirstContact::Refuse);
        let Err(error) = made(&[home, ("AGENT_VAULT_TRUST", "no")], true) else { panic!("accepted") };
        assert!(error.to_string().contains("AGENT_VAULT_TRUST is \"no\""), "{error}");
    }

    #[test]
    fn the_home_and_the_owner_are_those_of_the_variables() {
        let context = made(&[("AGENT_VAULT_HOME", "/h"), ("AGENT_VAULT_OWNER", "SHA256:x")], false).expect("a context");
        assert_eq!(context.home.dir(), std::path::Path::new("/h"));
        assert_eq!(context.expected_owner.as_deref(), Some("SHA256:x"));
        assert_eq!(made(&[("AGENT_VAULT_HOME", "/h"), ("AGENT_VAULT_OWNER", "")], false).unwrap().expected_owner, None);
    }
}
