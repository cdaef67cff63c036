//! `check`: what is wrong, what soon will be, and what to do about each.

use crate::error::{Error, Result};
use crate::layout;
use crate::metadata::Metadata;
use crate::name::AgentName;
use crate::policy::{self, Policy, Subject};
use crate::time::{DAY, Timestamp};
use crate::vault::Vault;
use serde::Serialize;
use std::path::Path;

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is wrong now.
    Error,
    /// Something should be done.
    Warning,
    /// Good to know.
    Info,
}

/// One thing that `check` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing, stable for programs: `tampered`, `rotation-due`, …
    pub code: &'static str,
    /// The file, secret or agent.
    pub subject: String,
    /// What is so.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Looks at the whole vault and at this home; finishes an interrupted change first. `within` is how many days ahead an
/// expiry is announced.
///
/// # Errors
/// Only those that keep it from looking; what is wrong is a finding.
pub fn check(vault: &Vault, within: i64) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let _settled = vault.settle().map_err(|error| findings.push(not_recovered(vault, &error)));
    let trusted = vault.current()?;
    let survey = vault.survey(&trusted)?;
    findings.extend(survey.violations.iter().map(violation));
    findings.extend(survey.strangers.iter().map(|path| stranger(path)));
    if let Some(manifest) = &survey.manifest {
        let policy = Policy::new(&trusted.root, manifest);
        for step in policy::plan(&policy, survey.secrets.values().cloned().map(Subject::unchanged)) {
            findings.push(Finding {
                severity: Severity::Error,
                code: "policy-differs",
                subject: step.path().to_string(),
                message: format!(
                    "its recipients are not those that policy names ({} more, {} fewer)",
                    step.gains.len(),
                    step.loses.len()
                ),
                remedy: format!("re-encrypt it: `agent-vault set {}` with its value", step.path()),
            });
        }
        for agent in &manifest.agents {
            let explicit = survey.secrets.values().any(|secret| secret.agents.contains(&agent.name));
            if agent.groups.is_empty() && !explicit {
                findings.push(idle_agent(&agent.name));
            }
            if !vault.folder().has(&layout::agent_escrow(&agent.name)).unwrap_or(false) {
                findings.push(no_escrow(&agent.name));
            }
        }
    }
    let now = (vault.context().clock)();
    findings.extend(survey.secrets.values().flat_map(|secret| due(secret, now, within)));
    findings.extend(open_modes(vault.context().home.dir()));
    findings.sort_by(|a, b| (a.severity, a.code, &a.subject).cmp(&(b.severity, b.code, &b.subject)));
    Ok(findings)
}

fn not_recovered(vault: &Vault, error: &Error) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "not-recovered",
        subject: vault.dir().display().to_string(),
        message: format!("an interrupted change could not be looked at: {error}"),
        remedy: error.hint(),
    }
}

fn violation(error: &Error) -> Finding {
    let (code, file) = match error {
        Error::Tampered { file, .. } => ("tampered", Some(file)),
        Error::Rollback { file, .. } => ("rollback", Some(file)),
        Error::Diverged { file, .. } => ("diverged", Some(file)),
        Error::Corrupt { file, .. } => ("corrupt", Some(file)),
        _ => ("unreadable", None),
    };
    Finding {
        severity: Severity::Error,
        code,
        subject: file.map(|file| file.display().to_string()).unwrap_or_else(|| "vault".into()),
        message: error.to_string(),
        remedy: error.hint(),
    }
}

/// A file that no vault has. Some are more than clutter.
fn stranger(relative: &str) -> Finding {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    let subject = crate::error::printable(relative);
    let (severity, code, message, remedy) = match name {
        ".gitignore" => {
            (Severity::Error, "planted", "a nested .gitignore could keep files of the vault out of Git", "remove it")
        }
        // An agent's that no manifest knows is clutter, whatever its ending.
        _ if name != "public.key" && (name.ends_with(".key") || name.ends_with(".pem")) => (
            Severity::Error,
            "stray-key",
            "it looks like a private key inside the vault's folder",
            "move it out of the repository, and rotate it if it was ever committed",
        ),
        _ => (Severity::Warning, "orphan", "it is no file of a vault", "remove it, or move it elsewhere"),
    };
    Finding { severity, code, subject, message: message.into(), remedy: remedy.into() }
}

fn idle_agent(agent: &AgentName) -> Finding {
    Finding {
        severity: Severity::Info,
        code: "agent-without-groups",
        subject: agent.to_string(),
        message: "it can read nothing".into(),
        remedy: format!("`agent-vault grant {agent} GROUP`, or `agent-vault remove-agent {agent}`"),
    }
}

fn no_escrow(agent: &AgentName) -> Finding {
    Finding {
        severity: Severity::Info,
        code: "no-escrow",
        subject: agent.to_string(),
        message: "its private key is not in escrow: it cannot be restored, only replaced".into(),
        remedy: format!("none, if the agent keeps its own key; else `agent-vault recover-agent {agent}`"),
    }
}

/// Expiry and rotation.
fn due(secret: &Metadata, now: Timestamp, within: i64) -> Vec<Finding> {
    let name = secret.name.as_str();
    let mut findings: Vec<Finding> =
        secret.expires.and_then(|expires| expiry(name, expires, now, within)).into_iter().collect();
    if secret.use_only && secret.programs.is_empty() && secret.hosts.is_empty() {
        findings.push(Finding {
            severity: Severity::Warning,
            code: "of-no-use",
            subject: secret.name.to_string(),
            message: "it is use-only, and for no program and no host: nothing gets it".into(),
            remedy: format!("`agent-vault set {name} --use-only --programs …`, or `--no-use-only`"),
        });
    }
    if secret.rotation_due() {
        let keys: Vec<String> = secret.exposed_to.iter().map(ToString::to_string).collect();
        findings.push(Finding {
            severity: Severity::Warning,
            code: "rotation-due",
            subject: secret.name.to_string(),
            message: format!(
                "{} could read its current value and no longer may; history and copies stay readable to them",
                keys.join(", ")
            ),
            remedy: format!("rotate the credential at its source, then {}", set_anew(name)),
        });
    }
    findings
}

/// What to say of a secret's expiry, if anything.
pub(crate) fn expiry(name: &str, expires: Timestamp, now: Timestamp, within: i64) -> Option<Finding> {
    let days = (expires.unix() - now.unix()).div_euclid(DAY);
    let (code, message) = match () {
        () if expires <= now => ("expired", format!("it expired at {expires}")),
        () if days < within => ("expiring", format!("it expires at {expires}, in {days} days")),
        () => return None,
    };
    Some(Finding { severity: Severity::Warning, code, subject: name.to_owned(), message, remedy: set_anew(name) })
}

fn set_anew(name: &str) -> String {
    format!("set a new value: `agent-vault set {name}`")
}

/// Key files and folders of the home that others can read.
#[cfg(unix)]
fn open_modes(home: &Path) -> Vec<Finding> {
    use std::os::unix::fs::MetadataExt;
    let agents = std::fs::read_dir(home.join("agents")).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = [home.to_path_buf(), home.join("owner.key"), home.join("agents")].into_iter().chain(agents);
    files
        .filter_map(|path| {
            let metadata = path.metadata().ok()?;
            let mode = metadata.mode() & 0o777;
            let right = if metadata.is_dir() { 0o700 } else { 0o600 };
            (mode & 0o077 != 0).then(|| Finding {
                severity: Severity::Error,
                code: "file-mode",
                subject: path.display().to_string(),
                message: format!("others can reach it (mode {mode:o})"),
                remedy: format!("chmod {right:o} {}; if others could read a key, replace it", path.display()),
            })
        })
        .collect()
}

#[cfg(not(unix))]
fn open_modes(_home: &Path) -> Vec<Finding> {
    Vec::new()
}
