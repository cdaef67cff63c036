//! `${{ … }}`: names, and the one comparison that the examples make.

use super::Texts;
use serde_json::Value;

/// A text with what its expressions stand for.
#[track_caller]
pub fn filled(text: &str, contexts: &Texts) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").expect("an expression has an end");
        out.push_str(before);
        out.push_str(&value(expression.trim(), contexts));
        rest = after;
    }
    out + rest
}

/// The texts of a map, filled.
#[track_caller]
pub fn texts(map: &Value, contexts: &Texts) -> Texts {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(name, text)| (name.clone(), filled(text.as_str().expect("a text"), contexts))).collect()
}

/// Whether a condition holds: `NAME == 'text'`.
#[track_caller]
pub fn is_true(condition: &str, contexts: &Texts) -> bool {
    let (name, text) = condition.split_once(" == ").unwrap_or_else(|| panic!("no comparison: {condition}"));
    let text = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).expect("a text in quotes");
    value(name, contexts) == text
}

/// A secret that is not set, an output that no step wrote: both are empty. Anything else is a mistake.
#[track_caller]
fn value(name: &str, contexts: &Texts) -> String {
    let may_be_absent = name.starts_with("secrets.") || name.starts_with("steps.");
    match contexts.get(name) {
        Some(value) => value.clone(),
        None if may_be_absent => String::new(),
        None => panic!("nothing is called {name}"),
    }
}
