//! What follows a change where there is a remote: it is pushed, or a line says that it is not.

use crate::output;
use crate::setting::Setting;
use agent_vault_core::Vault;

/// Pushes what was changed, if `sync.push` says so, and mentions what is not pushed. The change itself is made: nothing
/// that fails here is an error.
pub fn after_write(setting: &Setting, vault: &Vault) {
    match setting.push_after_write(vault) {
        Ok(None | Some(0)) => {}
        Ok(Some(count)) => {
            output::note_last(format!("{} not pushed yet: `agent-vault sync`", output::count(count, "commit")));
        }
        Err(error) => output::warn(&format!("not pushed: {error}; the change is made, `agent-vault sync` pushes it")),
    }
}
