//! The allow list: findings that somebody has looked at and left, each with a reason.
//!
//! It lies at the top of the repository, is committed like everything else, and is read from where the findings are: for
//! a commit from the index, so that what excuses it is in it.

use crate::finding::Finding;
use crate::rules;
use agent_vault_core::error::{Error, Result, printable};
use agent_vault_core::name::nearest;
use git2::{Pathspec, PathspecFlags};
use serde::Deserialize;
use std::path::Path;

/// Its name.
pub const FILE: &str = ".agent-vault-allow.yaml";
/// The largest that is read, in bytes.
pub const LIMIT: usize = 1 << 20;
/// The fewest letters and digits of a reason.
const REASON: usize = 3;

/// An allow list.
#[derive(Default)]
pub struct AllowList {
    entries: Vec<(Pathspec, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    allow: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    rule: String,
    reason: String,
}

impl AllowList {
    /// Reads the text of an allow list.
    ///
    /// # Errors
    /// [`Error::Usage`] for what cannot be read to the last field, and for an entry without a reason or with a rule that
    /// does not exist: an excuse that is not understood excuses nothing.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        let wrong = |reason: String| Error::Usage {
            message: format!("{}: {reason}", printable(file)),
            hint: "correct it: it has `version: 1`, and below `allow` entries with path, rule and reason".into(),
        };
        if bytes.len() > LIMIT {
            return Err(wrong("an allow list of more than 1 MiB is not read".into()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".into()))?;
        let document = read(text).map_err(|reason| wrong(format!("it is no allow list: {reason}")))?;
        if document.version != 1 {
            return Err(wrong(format!("allow list version {} is not known here", document.version)));
        }
        let entries = document.allow.into_iter().enumerate().map(|(at, entry)| {
            let entry = check(entry).map_err(|reason| wrong(format!("entry {}: {reason}", at + 1)))?;
            let spec = Pathspec::new([entry.path.as_str()]).map_err(Error::git("read a path of the allow list"))?;
            Ok((spec, entry.rule))
        });
        Ok(Self { entries: entries.collect::<Result<_>>()? })
    }

    /// Whether a finding is excused. Paths match as in a Git pathspec: a folder means what is in it, and `*` any text.
    pub fn excuses(&self, path: &Path, finding: &Finding) -> bool {
        let at = |spec: &Pathspec| spec.matches_path(path, PathspecFlags::USE_CASE);
        self.entries.iter().any(|(spec, rule)| rule == finding.rule && at(spec))
    }
}

fn read(text: &str) -> Result<Document, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 8,
            max_anchors: 0,
            max_aliases: 0,
            max_documents: 1,
            max_events: 200_000,
            max_nodes: 100_000,
            max_total_scalar_bytes: LIMIT,
        },
    };
    let first_line = |error: serde_saphyr::Error| {
        printable(error.to_string().lines().next().unwrap_or("it is not YAML").trim_start_matches("error: "))
    };
    serde_saphyr::from_str_with_options(text, options).map_err(first_line)
}

fn check(entry: Entry) -> Result<Entry, String> {
    if entry.reason.chars().filter(|c| c.is_alphanumeric()).count() < REASON {
        return Err(format!("{} has no reason; say why it may stay", printable(&entry.path)));
    }
    let names = rules::names();
    if !names.contains(&entry.rule.as_str()) {
        let meant = nearest(&entry.rule, names).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        return Err(format!("there is no rule {:?}{meant}", printable(&entry.rule)));
    }
    // `!` and `:` have meanings in pathspecs that nobody would expect of a list of excuses.
    if entry.path.is_empty() || entry.path.starts_with(['!', ':', '/']) || entry.path.contains('\0') {
        return Err(format!("{:?} is no path below the top of the repository", printable(&entry.path)));
    }
    Ok(entry)
}
