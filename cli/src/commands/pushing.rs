//! What follows a change where there is a remote: it is pushed, or a line says that it is not.

use crate::output;
use crate::setting::Setting;
use agent_vault_core::settings::{Push, Settings};
use agent_vault_core::vault::{Asking, SyncOptions};
use agent_vault_core::{Error, Result, Vault};

/// Pushes what was changed, if `sync.push` says so, and mentions what is not pushed. The change itself is made: nothing
/// that fails here is an error.
pub fn after_write(setting: &Setting, vault: &Vault) {
    match unpushed(setting, vault) {
        Ok(None | Some(0)) => {}
        Ok(Some(count)) => {
            output::note_last(format!("{} not pushed yet: `agent-vault sync`", output::count(count, "commit")));
        }
        Err(error) => output::warn(&format!("not pushed: {error}; the change is made, `agent-vault sync` pushes it")),
    }
}

fn unpushed(setting: &Setting, vault: &Vault) -> Result<Option<usize>> {
    // What a repository without a remote has to say is nothing, however strange it is.
    let Ok(Some(count)) = vault.unpushed() else { return Ok(None) };
    if count == 0 || Settings::load(&setting.context.home)?.push == Push::Manual {
        return Ok(Some(count));
    }
    let asking =
        Asking { identities: &|| setting.identities(), travel: &|_| Ok(false), progress: &|_, _| {}, telling: None };
    let synced = vault.sync(&SyncOptions::default(), &asking);
    crate::setting::tell(vault);
    match synced {
        Ok(synced) => {
            synced.remarks.iter().for_each(|remark| output::warn(&super::remarked(remark)));
            Ok(Some(synced.unpushed))
        }
        // Other people's commits, or the user's own, do not travel with it unasked.
        Err(Error::Refused { .. }) => Ok(Some(count)),
        Err(error) => Err(error),
    }
}
