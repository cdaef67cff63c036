//! What follows a change where there is a remote.

use crate::message::Message;
use crate::news::remark;
use crate::opening::Opening;
use agent_vault_core::settings::{Push, Settings};
use agent_vault_core::vault::{Asking, SyncOptions};
use agent_vault_core::{Error, Result, Vault};

impl Opening {
    /// Pushes what was changed, if `sync.push` says so; how many commits are not pushed then. None where there is no remote.
    ///
    /// # Errors
    /// As [`Vault::sync`]. The change itself is made.
    pub fn push_after_write(&self, vault: &Vault) -> Result<Option<usize>> {
        // What a repository without a remote has to say is nothing, however strange it is.
        let Ok(Some(count)) = vault.unpushed() else { return Ok(None) };
        if count == 0 || Settings::load(&self.context.home)?.push == Push::Manual {
            return Ok(Some(count));
        }
        let asking =
            Asking { identities: &|| self.identities(), travel: &|_| Ok(false), progress: &|_, _| {}, telling: None };
        let synced = vault.sync(&SyncOptions::default(), &asking);
        self.tell(vault);
        match synced {
            Ok(synced) => {
                synced.remarks.iter().for_each(|choice| self.say(Message::Warning(remark(choice))));
                Ok(Some(synced.unpushed))
            }
            // Other people's commits, or the user's own, do not travel with it unasked.
            Err(Error::Refused { .. }) => Ok(Some(count)),
            Err(error) => Err(error),
        }
    }
}
