//! What a sops file says of itself.

use super::super::tree::{Node, Scalar};

/// What of it is needed to open the file.
#[derive(Default)]
pub(super) struct Metadata {
    /// The data key, as armored age files.
    pub(super) age: Vec<String>,
    /// The encrypted digest.
    pub(super) mac: String,
    /// What that one authenticates.
    pub(super) last_modified: String,
    /// Whether values in the clear are no part of the digest.
    pub(super) mac_only_encrypted: bool,
}

/// Rules that go by comments: whether they hold cannot be seen once comments are gone.
const OF_COMMENTS: [&str; 2] = ["unencrypted_comment_regex", "encrypted_comment_regex"];
/// A data key that is split among several groups of recipients.
const GROUPS: &str = "it is encrypted to several key groups (Shamir), which is not understood: decrypt it with sops and import what comes out";
const COMMENTS: &str =
    "comments decide what is encrypted in it, which is not understood: decrypt it with sops and import what comes out";

/// Whether an object has what each sops file has.
pub(super) fn has_mac(node: &Node) -> bool {
    matches!(node, Node::Map(members) if members.iter().any(|(key, _)| key == "mac"))
}

impl Metadata {
    /// Of a JSON or YAML file.
    pub(super) fn of_node(node: Node) -> Result<Self, &'static str> {
        let Node::Map(members) = node else { return Err("its sops metadata are not an object") };
        let mut found = Self::default();
        for (key, node) in members {
            match (key.as_str(), node) {
                ("age", Node::List(items)) => found.age.extend(items.into_iter().filter_map(sealed_key)),
                ("key_groups", Node::List(groups)) if !groups.is_empty() => return Err(GROUPS),
                (key, Node::Scalar(scalar)) => found.field(key, text(&scalar))?,
                _ => {}
            }
        }
        found.complete()
    }

    /// Of the flat names of a `.env` file, such as `age__list_0__map_enc`.
    pub(super) fn of_flat(fields: impl IntoIterator<Item = (String, String)>) -> Result<Self, &'static str> {
        let mut found = Self::default();
        for (key, value) in fields {
            if key.starts_with("age__list_") && key.ends_with("__map_enc") {
                found.age.push(value);
            } else if key.starts_with("key_groups__") {
                return Err(GROUPS);
            } else {
                found.field(&key, &value)?;
            }
        }
        found.complete()
    }

    fn field(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "mac" => self.mac = value.to_owned(),
            "lastmodified" => self.last_modified = value.to_owned(),
            "mac_only_encrypted" => self.mac_only_encrypted = value == "true",
            "shamir_threshold" if !matches!(value, "" | "0" | "1") => return Err(GROUPS),
            _ if OF_COMMENTS.contains(&key) && !value.is_empty() => return Err(COMMENTS),
            _ => {}
        }
        Ok(())
    }

    fn complete(self) -> Result<Self, &'static str> {
        if self.mac.is_empty() || self.last_modified.is_empty() {
            return Err("its sops metadata have no mac or no lastmodified");
        }
        Ok(self)
    }
}

/// `enc` of one recipient.
fn sealed_key(recipient: Node) -> Option<String> {
    let Node::Map(members) = recipient else { return None };
    members.into_iter().find_map(|(key, node)| match (key.as_str(), node) {
        ("enc", Node::Scalar(scalar)) => Some(text(&scalar).to_owned()),
        _ => None,
    })
}

fn text(scalar: &Scalar) -> &str {
    std::str::from_utf8(scalar.text.expose()).unwrap_or_default()
}
