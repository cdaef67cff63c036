//! What is told of what was found. Every text is fit for a terminal: it comes from whoever could push.

use super::super::documents::Manifest;
use crate::check::{Finding, Severity};
use crate::error::printable;
use crate::layout::{self, Part};
use crate::name::SecretPath;
use std::collections::{BTreeMap, BTreeSet};

fn make(severity: Severity, code: &'static str, subject: &str, message: String, remedy: String) -> Finding {
    Finding { severity, code, subject: printable(subject), message, remedy }
}

/// The first of these files by name, and how many more there are.
pub(super) fn uncommitted(files: &[&str]) -> Option<Finding> {
    let (first, more) = files.split_first()?;
    let message = match more.len() {
        0 => "it is not in the commit that is checked out".to_owned(),
        1 => "it and 1 more file are not in the commit that is checked out".to_owned(),
        more => format!("it and {more} more files are not in the commit that is checked out"),
    };
    let remedy = "commit the vault as it is (`git add -f .agent-vault`, `git commit`), or move away what does not belong to it; then try again";
    Some(make(Severity::Error, "uncommitted", first, message, remedy.into()))
}

pub(super) fn nested(relative: &str) -> Finding {
    let remedy = format!("`git rm --cached {0}; rm {0}`, commit, then try again", printable(relative));
    make(Severity::Error, "planted", relative, "no vault has such a file".into(), remedy)
}

pub(super) fn refused_name(relative: &str) -> Finding {
    let message = "its name is one that the new format does not take: it stays where it is, and is no secret of the upgraded vault";
    let remedy = "bring its value in under another name: `age -d -i ~/.agent-vault/owner.key FILE | agent-vault set NAME`, then remove it";
    make(Severity::Warning, "name-refused", relative, message.into(), remedy.into())
}

pub(super) fn stranger(relative: &str) -> Finding {
    let message = "it is no file of a vault: it stays where it is".into();
    make(Severity::Warning, "orphan", relative, message, "remove it, or move it elsewhere".into())
}

pub(super) fn surplus(relative: &str, surplus: &[String]) -> Option<Finding> {
    let message = format!("{} cannot be kept: Git's history has the old text", printable(&surplus.join(", ")));
    let remedy = "keep them elsewhere if they are needed".into();
    (!surplus.is_empty()).then(|| make(Severity::Warning, "not-kept", relative, message, remedy))
}

pub(super) fn unreadable(path: &SecretPath, reason: &str) -> Finding {
    let file = layout::secret(path, Part::Enc);
    let remedy = format!(
        "bring it back from Git (`git log -- .agent-vault/{file}`), or give it up: `git rm .agent-vault/{}.*`; commit, then try again",
        file.trim_end_matches(".enc")
    );
    make(
        Severity::Error,
        "unreadable",
        path.as_str(),
        format!("its value cannot be signed: {}", printable(reason)),
        remedy,
    )
}

pub(super) fn no_value(path: &SecretPath) -> Finding {
    let remedy = "bring its `.enc` back from Git first if it should be there".into();
    make(
        Severity::Warning,
        "no-value",
        path.as_str(),
        "it has no ciphertext: its other files are removed".into(),
        remedy,
    )
}

pub(super) fn no_metadata(path: &SecretPath, reason: &str) -> Finding {
    let message = format!("its metadata cannot be read ({}): times begin today", printable(reason));
    let remedy = format!("afterwards: `agent-vault set {path} --group GROUP --expires WHEN`");
    make(Severity::Warning, "not-kept", path.as_str(), message, remedy)
}

pub(super) fn other_name(path: &SecretPath, name: &str) -> Finding {
    let message = format!("its metadata are those of {:?}: the file's place decides", printable(name));
    let remedy = "see in Git's history whether somebody swapped them".into();
    make(Severity::Warning, "misplaced", path.as_str(), message, remedy)
}

/// What the manifest lists and nothing is there of, or nothing that the new format could name.
pub(super) fn missing(manifest: &Manifest, there: &BTreeMap<SecretPath, Vec<Part>>) -> Vec<Finding> {
    let listed = manifest.groups.iter().flat_map(|group| &group.secrets);
    let gone: BTreeSet<&String> =
        listed.filter(|name| SecretPath::parse(name).is_ok_and(|path| !there.contains_key(&path))).collect();
    let missing = |name: &String| {
        let remedy = "bring it back from Git first if it should be there".into();
        make(Severity::Warning, "no-value", name, "the manifest lists it, and it has no files".into(), remedy)
    };
    gone.into_iter().map(missing).collect()
}
