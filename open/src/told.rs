//! An error in parts, as a binding makes an exception of it.

use crate::references;
use crate::words::one_line;
use agent_vault_core::Error;
use agent_vault_deliver::Failure as Unresolved;
use agent_vault_deliver::reference::Place;

/// What is wrong, each part on one line and fit for a terminal. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The stable name of the error's kind.
    pub code: &'static str,
    /// What kind of error it is, as exit codes tell it.
    pub class: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// What it is about: the path of a secret, a file, a name.
    pub path: Option<String>,
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code(),
            class: error.class().to_string(),
            message: one_line(&error.to_string()),
            hint: one_line(&error.hint()),
            path: error.subject().map(|subject| one_line(&subject)),
        }
    }
}

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// Of several references the worst one, with the text of all.
impl From<Vec<Unresolved>> for Told {
    fn from(failures: Vec<Unresolved>) -> Self {
        let message = references::told(&failures).map(|line| one_line(&line)).collect::<Vec<_>>().join("; ");
        let Some(worst) = references::worst(&failures) else {
            return Self::from(Error::Usage { message, hint: String::new() });
        };
        // The secret, as whoever reads it alone names it.
        let path = worst.of.first().map(|(_, reference)| match &reference.place {
            Place::Here(path) => path.to_string(),
            // Whether its first part names another vault, the error knows.
            Place::Unmarked(Some(path), _) if worst.error.subject().is_some_and(|subject| subject == path.as_str()) => {
                path.to_string()
            }
            _ => one_line(&reference.to_string()),
        });
        Self { message, path, ..Self::from(&worst.error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(by: &str, reference: &str, error: Error) -> Unresolved {
        Unresolved { of: vec![(by.into(), reference.parse().unwrap())], error }
    }

    fn missing() -> Error {
        Error::NotFound { what: "secret", name: "a/b".into(), near: None }
    }

    #[test]
    fn of_several_references_the_worst_is_told_with_the_text_of_all() {
        let tampered = Error::Tampered { file: "x".into(), reason: "it was replaced\n\u{1b}[2J".into() };
        let told = Told::from(vec![failure("A", "av://./a/b", missing()), failure("B", "av://./c/d", tampered)]);
        assert_eq!((told.code, told.path.as_deref()), ("tampered", Some("c/d")));
        assert!(told.message.contains("A: av://./a/b: ") && told.message.contains("; B: "), "{}", told.message);
        assert!(!told.message.contains(['\n', '\u{1b}']), "{:?}", told.message);
    }

    #[test]
    fn a_secret_of_another_vault_is_named_by_its_reference() {
        let told = Told::from(vec![failure("A", "av://@prod/a/b?field=x", missing())]);
        assert_eq!(told.path.as_deref(), Some("av://@prod/a/b?field=x"));
        let here = Told::from(vec![failure("A", "av://a/b", missing())]);
        assert_eq!(here.path.as_deref(), Some("a/b"));
        assert_eq!(Told::from(Vec::new()).code, "usage");
    }
}
