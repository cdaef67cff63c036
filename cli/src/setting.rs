//! The program's surroundings, read once: options, environment, terminal. What is common to all faces is
//! `agent_vault_open`'s.

use crate::app::{App, Looking};
use crate::output;
use crate::terminal::Terminal;
use agent_vault_core::{Result, Vault};
pub use agent_vault_open::Found;
pub use agent_vault_open::words::pretty;
use agent_vault_open::{Key, Message, Opening, message, surroundings};
use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;

/// What every command starts from.
pub struct Setting(Opening);

impl Setting {
    /// Reads options and environment.
    pub fn new(app: &App) -> Result<Self> {
        output::set_quiet(app.common.quiet);
        let context = surroundings::context(&look, Arc::new(Terminal), Terminal::is_there())?;
        let named = app.common.vault.clone().unwrap_or_else(|| PathBuf::from("."));
        let key = match &app.common.key {
            Some(file) => Key::File(file.clone()),
            None => Key::Unnamed { variable: look("AGENT_VAULT_KEY") },
        };
        Opening::new(context, &named, key, Arc::new(say)).map(Self)
    }

    /// Looks at the remote as a read does, unless it was told not to.
    pub fn freshen_for(&self, vault: &Vault, looking: &Looking) -> Result<()> {
        if looking.offline || looking.allow_old { Ok(()) } else { self.freshen(vault, looking.fresh) }
    }
}

impl Deref for Setting {
    type Target = Opening;

    fn deref(&self) -> &Opening {
        &self.0
    }
}

impl DerefMut for Setting {
    fn deref_mut(&mut self) -> &mut Opening {
        &mut self.0
    }
}

/// A variable of this process.
fn look(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// `AGENT_VAULT_HOME`, or `.agent-vault` in the user's home.
///
/// # Errors
/// As [`surroundings::home`].
pub fn home() -> Result<PathBuf> {
    surroundings::home(&look)
}

/// Tells what a person should hear of, once.
pub fn tell(vault: &Vault) {
    message::messages(vault).into_iter().for_each(say);
}

fn say(message: Message) {
    match message {
        Message::Note(text) => output::note(&text),
        other => output::warn(other.text()),
    }
}
