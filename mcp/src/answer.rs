//! What a tool answers, and how an error is told to a model: what happened, and what to do next.

use agent_vault_core::Error;
use agent_vault_core::error::printable;
use agent_vault_deliver::Failure as Unresolved;
use agent_vault_open::references;
use agent_vault_open::words::{one_line, safe};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

/// The most characters of an error that are told.
const LONGEST: usize = 2_000;

/// Text, and the same for programs.
pub struct Answer {
    text: String,
    structured: Option<Value>,
}

impl Answer {
    /// Text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), structured: None }
    }

    /// Text and its parts.
    pub fn with(text: impl Into<String>, structured: Value) -> Self {
        Self { text: text.into(), structured: Some(structured) }
    }
}

impl From<Answer> for CallToolResult {
    fn from(answer: Answer) -> Self {
        let mut result = CallToolResult::success(vec![ContentBlock::text(answer.text)]);
        result.structured_content = answer.structured;
        result
    }
}

/// Why a call failed.
#[derive(Debug)]
pub enum Failure {
    /// One error.
    One(Error),
    /// References that cannot be resolved, each with the reason.
    References(Vec<Unresolved>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::One(error)
    }
}

/// A call that was made wrongly.
pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::One(Error::Usage { message: message.into(), hint: hint.into() })
}

/// An error, as a tool's answer: the model reads it, and can act on it.
impl From<Failure> for CallToolResult {
    fn from(failure: Failure) -> Self {
        let (text, worst) = match &failure {
            Failure::One(error) => (safe(&error.to_string()), Some(error)),
            Failure::References(failures) => {
                let told: Vec<String> = references::told(failures).map(|line| one_line(&line)).collect();
                (told.join("\n"), references::worst(failures).map(|failure| &failure.error))
            }
        };
        let text = cut(&text, LONGEST);
        let hint = worst.map(|error| cut(&safe(&error.hint()), LONGEST)).unwrap_or_default();
        let mut result = CallToolResult::error(vec![ContentBlock::text(format!("error: {text}\nhint: {hint}"))]);
        result.structured_content = Some(json!({
            "code": worst.map(Error::code),
            "class": worst.map(|error| error.class().to_string()),
            "message": text,
            "hint": hint,
            "path": worst.and_then(Error::subject).map(|subject| cut(&one_line(&subject), LONGEST)),
        }));
        result
    }
}

/// What was sent is repeated in errors, and may have any length.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned() + "…",
        None => text.to_owned(),
    }
}

/// What somebody calls itself, short and on one line.
pub fn client(name: &str, version: &str) -> String {
    let cut = |text: &str, most: usize| cut(&printable(text), most);
    match version.is_empty() {
        true => cut(name, 100),
        false => format!("{} {}", cut(name, 100), cut(version, 40)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_hint_and_without_what_a_terminal_obeys_or_a_key() {
        let error =
            Error::Usage { message: "bad \u{1b}[2J AGE-SECRET-KEY-1QQQ".into(), hint: "do\u{202e} this".into() };
        let result = CallToolResult::from(Failure::One(error));
        let text = serde_json::to_string(&result).unwrap();
        assert_eq!(result.is_error, Some(true));
        assert!(!text.contains("1QQQ") && !text.contains('\u{202e}') && !text.contains("\\u001b"), "{text}");
        assert!(text.contains("hint: do? this") && text.contains("\"code\":\"usage\""), "{text}");
    }

    #[test]
    fn what_a_client_calls_itself_is_short_and_printable() {
        assert_eq!(client("cursor", "1.2"), "cursor 1.2");
        assert_eq!(client("x", ""), "x");
        let long = client(&"\u{1b}".repeat(5_000), &"9".repeat(5_000));
        assert!(long.chars().count() <= 143 && !long.contains('\u{1b}'), "{long}");
    }
}
