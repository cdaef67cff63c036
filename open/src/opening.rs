//! Which vault is meant, with which key, and how it is opened.

use crate::message::{Listener, Message, messages};
use crate::words::pretty;
use agent_vault_core::prompt::{Nobody, Prompt};
use agent_vault_core::settings::Settings;
use agent_vault_core::vault::{self, Fresh, Freshness};
use agent_vault_core::{Context, Error, Identities, OldVault, Result, SecretBytes, Vault};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A vault of either kind, for what only reads.
pub enum Found {
    /// One that an owner signed.
    Signed(Vault),
    /// One of agent-vault 0.1.0.
    Old(OldVault),
}

/// Where the identity comes from.
#[derive(Clone)]
pub enum Key {
    /// A file that was named: `--key`.
    File(PathBuf),
    /// The text of a key or of a key file, which came from `origin`.
    Text {
        /// What messages call it.
        origin: &'static str,
        /// The text.
        text: Arc<SecretBytes>,
    },
    /// None was named: `AGENT_VAULT_KEY` if it is set, else the home's `owner.key`.
    Unnamed {
        /// What `AGENT_VAULT_KEY` is set to.
        variable: Option<OsString>,
    },
}

/// What opens vaults: a place, a context, a key, and somebody who is told.
#[derive(Clone)]
pub struct Opening {
    /// Where to look for the vault.
    pub dir: PathBuf,
    /// The core's context.
    pub context: Context,
    /// Whether that is a cached clone.
    is_cached: bool,
    key: Key,
    listener: Listener,
}

impl Opening {
    /// `named` is a folder, or an address that git takes: of that a cached clone is made, or used.
    ///
    /// # Errors
    /// As [`vault::cached`].
    pub fn new(context: Context, named: &Path, key: Key, listener: Listener) -> Result<Self> {
        let (dir, is_cached) = place(&context, named)?;
        Ok(Self { dir, is_cached, context, key, listener })
    }

    /// The same for another vault, which is named in the same way. Whom to expect as its owner is not known:
    /// `AGENT_VAULT_OWNER` is about the vault here.
    ///
    /// # Errors
    /// As [`vault::cached`].
    pub fn elsewhere(&self, named: &str) -> Result<Self> {
        let context = Context { expected_owner: None, ..self.context.clone() };
        let (dir, is_cached) = place(&context, Path::new(named))?;
        Ok(Self { dir, is_cached, context, key: self.key.clone(), listener: self.listener.clone() })
    }

    /// Whether the vault lies in a cached clone, in which nobody works.
    pub fn is_cached(&self) -> bool {
        self.is_cached
    }

    /// How fresh a read is to be, by what is set on this machine.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn freshness(&self) -> Result<Freshness> {
        let settings = Settings::load(&self.context.home)?;
        Ok(Freshness {
            max_age: settings.max_age.duration(),
            limit: settings.fetch_timeout.duration(),
            force: false,
            whole: self.is_cached,
        })
    }

    /// Looks at the remote, if it is time to: `sync.max_age` after the last look of any process here.
    ///
    /// # Errors
    /// As [`Settings::load`], and with `force` those of [`Vault::freshen`]; without it they are told.
    pub fn freshen(&self, vault: &Vault, force: bool) -> Result<()> {
        self.freshen_as(vault, &Freshness { force, ..self.freshness()? })
    }

    /// The same, with a word of one's own on how fresh it has to be.
    ///
    /// # Errors
    /// With [`Freshness::force`], those of [`Vault::freshen`].
    pub fn freshen_as(&self, vault: &Vault, freshness: &Freshness) -> Result<()> {
        if let Fresh::Failed(error) = vault.freshen(freshness)? {
            self.say(Message::Stale(format!("{error}; this is what is known here")));
        }
        Ok(())
    }

    /// The identity to use.
    ///
    /// # Errors
    /// As [`Identities::resolve`].
    pub fn identities(&self) -> Result<Identities> {
        self.identities_with(&self.context.prompt)
    }

    /// The identity to use, if it opens without a question.
    ///
    /// # Errors
    /// As [`Identities::resolve`].
    pub fn identities_without_asking(&self) -> Result<Identities> {
        self.identities_with(&(Arc::new(Nobody) as Arc<dyn Prompt>))
    }

    fn identities_with(&self, prompt: &Arc<dyn Prompt>) -> Result<Identities> {
        let home = &self.context.home;
        match &self.key {
            Key::File(file) => Identities::resolve(Some(file), None, home, prompt),
            Key::Text { origin, text } => {
                Identities::from_bytes(SecretBytes::new(text.expose().to_vec()), origin, prompt)
            }
            Key::Unnamed { variable } => Identities::resolve(None, variable.as_deref(), home, prompt),
        }
    }

    /// The identity to use, if there is one.
    ///
    /// # Errors
    /// As [`Identities::resolve`], but for an absent or a locked key.
    pub fn identities_if_any(&self) -> Result<Option<Identities>> {
        match self.identities() {
            Ok(identities) => Ok(Some(identities)),
            Err(Error::NoKey { .. } | Error::Locked { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The vault, opened with what an identity knows of it.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn vault(&self, identities: Option<&Identities>) -> Result<Vault> {
        let vault = Vault::open(&self.dir, self.context.clone(), identities)?;
        if self.is_cached {
            self.freshen(&vault, false)?;
        }
        self.tell(&vault);
        Ok(vault)
    }

    /// Vault and identity, for what only reads: an absent key is no reason not to look.
    ///
    /// # Errors
    /// As [`Opening::vault`] and [`Opening::identities_if_any`].
    pub fn vault_to_look_at(&self) -> Result<Vault> {
        self.vault(self.identities_if_any()?.as_ref())
    }

    /// The same, and a vault of 0.1.0 is good enough.
    ///
    /// # Errors
    /// As [`Opening::any_vault`] and [`Opening::identities_if_any`].
    pub fn any_vault_to_look_at(&self) -> Result<Found> {
        self.any_vault(self.identities_if_any()?.as_ref())
    }

    /// A vault of either kind; one that nobody signed comes with a warning.
    ///
    /// # Errors
    /// As [`Opening::vault`], and [`OldVault::open`].
    pub fn any_vault(&self, identities: Option<&Identities>) -> Result<Found> {
        match self.vault(identities) {
            Err(Error::UnsignedVault { .. }) => {}
            signed => return signed.map(Found::Signed),
        }
        let old = OldVault::open(&self.dir, self.context.clone(), identities)?;
        self.say(Message::Unsigned(format!(
            "{} is not signed: nothing in it can be verified; `agent-vault upgrade` signs it",
            pretty(old.dir())
        )));
        Ok(Found::Old(old))
    }

    /// Tells what a vault has to tell, once.
    pub fn tell(&self, vault: &Vault) {
        messages(vault).into_iter().for_each(|message| self.say(message));
    }

    /// Tells something.
    pub fn say(&self, message: Message) {
        (self.listener)(message);
    }
}

/// The folder that is meant, and whether it is the cached clone of an address.
fn place(context: &Context, named: &Path) -> Result<(PathBuf, bool)> {
    match named.to_str().filter(|text| vault::is_address(text) && !named.exists()) {
        Some(url) => Ok((vault::cached(&context.home, url, None)?, true)),
        None => Ok((named.to_path_buf(), false)),
    }
}
