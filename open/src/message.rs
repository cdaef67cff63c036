//! What should be heard of while a vault is used: by a person at a terminal, or in the log of a program.

use crate::news::{apart, remark};
use crate::words::{count, short};
use agent_vault_core::Vault;
use agent_vault_core::vault::Notice;
use std::sync::Arc;

/// Who is told. It may be called from any thread.
pub type Listener = Arc<dyn Fn(Message) + Send + Sync>;

/// Something to hear of. Not an error: what was asked for goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// What happened, for whoever wants to know.
    Note(String),
    /// What should not be overlooked.
    Warning(String),
    /// The remote could not be looked at, or nothing of it could be taken: what is known here is used.
    Stale(String),
    /// The vault is one of agent-vault 0.1.0: nobody signed it.
    Unsigned(String),
}

impl Message {
    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Message::Note(text) | Message::Warning(text) | Message::Stale(text) | Message::Unsigned(text) => text,
        }
    }
}

/// What a vault has to tell since it was last asked.
pub fn messages(vault: &Vault) -> Vec<Message> {
    vault.take_notices().iter().flat_map(of).collect()
}

/// One notice, in words.
fn of(notice: &Notice) -> Vec<Message> {
    let one = match notice {
        Notice::FirstContact { fingerprint, .. } => Message::Warning(format!(
            "this vault is new here; its owner's fingerprint is {fingerprint} (set AGENT_VAULT_OWNER={fingerprint} to expect it)"
        )),
        Notice::NotRemembered { reason } => Message::Warning(format!(
            "what was seen could not be remembered, so a later rollback would go unnoticed: {reason}"
        )),
        Notice::NotRecorded { reason } => Message::Warning(format!("the log does not say what is done here: {reason}")),
        Notice::Finished { files } => {
            Message::Note(format!("finished an interrupted change ({})", count(*files, "file")))
        }
        Notice::SetAside { folder, reason } => Message::Warning(format!(
            "an interrupted change was set aside because {reason}; look at {} and delete it",
            folder.display()
        )),
        Notice::Mended { secrets } => Message::Note(format!(
            "{} encrypted anew: commits from elsewhere had changed who may read",
            count(*secrets, "secret")
        )),
        Notice::Remerged { commit, remarks } => {
            let made = format!("what `git merge` made was merged anew by meaning ({})", short(commit));
            let choices = remarks.iter().map(|choice| Message::Warning(remark(choice)));
            return std::iter::once(Message::Note(made)).chain(choices).collect();
        }
        Notice::Ahead { path, commit } => {
            Message::Note(format!("{path} was read from commit {}, the newest that is verified here", short(commit)))
        }
        Notice::ListedAhead { secrets, commit } => Message::Note(format!(
            "{} listed as of commit {}, the newest that is verified here",
            count(*secrets, "secret"),
            short(commit)
        )),
        Notice::Apart { commit, news } => return apart(commit, news),
        Notice::OldState { path } => Message::Warning(format!("{path}: an older state than one seen here")),
        other => Message::Note(format!("{other:?}")),
    };
    vec![one]
}
