//! The schemas of what commands print with `--json`, in `docs/schemas`.

use super::top;
use serde_json::{Map, Value};

/// One schema.
pub struct Schema {
    /// Its file's name in `docs/schemas`.
    pub file: String,
    /// The schema itself.
    pub schema: Value,
}

impl Schema {
    /// Every schema, by file name.
    pub fn all() -> Vec<Self> {
        let folder = top().join("docs/schemas");
        let mut all: Vec<Self> = std::fs::read_dir(&folder)
            .expect("docs/schemas")
            .map(|entry| {
                let path = entry.expect("a file").path();
                let text = std::fs::read(&path).expect("a schema");
                let schema =
                    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                Self { file: path.file_name().expect("a name").to_string_lossy().into_owned(), schema }
            })
            .collect();
        all.sort_by(|a, b| a.file.cmp(&b.file));
        all
    }

    /// The commands whose output it describes. A word of our own; validators pass over what they do not know.
    pub fn commands(&self) -> Vec<&str> {
        let list = self.schema["x-commands"].as_array().expect("x-commands");
        list.iter().map(|name| name.as_str().expect("a command")).collect()
    }

    /// What it describes, in a sentence.
    pub fn description(&self) -> &str {
        self.schema["description"].as_str().expect("a description")
    }

    /// Every field as one would write it in jq, with its type and meaning.
    pub fn fields(&self) -> Vec<(String, String, String)> {
        let mut fields = Vec::new();
        collect(&self.schema, "", &mut fields);
        fields
    }
}

fn collect(schema: &Value, path: &str, into: &mut Vec<(String, String, String)>) {
    if let Some(items) = schema.get("items") {
        collect(items, &format!("{}[]", if path.is_empty() { "." } else { path }), into);
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).unwrap_or(&Map::new()) {
        let path = format!("{path}.{name}");
        let meaning = field["description"].as_str().unwrap_or_else(|| panic!("{path} has no description"));
        into.push((path.clone(), kind(field), meaning.to_owned()));
        collect(field, &path, into);
    }
}

/// `string`, `string or null`, `array of string`, `"a" or "b"`.
fn kind(field: &Value) -> String {
    if let Some(choices) = field.get("enum").and_then(Value::as_array) {
        return choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    }
    if let Some(constant) = field.get("const") {
        return constant.to_string();
    }
    match &field["type"] {
        Value::String(kind) if kind == "array" => format!("array of {}", kind_of_items(&field["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        other => panic!("a field of type {other}"),
    }
}

fn kind_of_items(items: &Value) -> String {
    if items["type"] == "object" { "objects".to_owned() } else { kind(items) }
}
