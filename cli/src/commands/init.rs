//! `init`

use crate::app::Init;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Setting, pretty};
use agent_vault_core::Vault;
use agent_vault_core::vault::{self, Initialised};
use std::path::Path;

/// Creates a vault.
pub fn run(setting: &Setting, args: &Init) -> Outcome {
    let dir = args.dir.as_deref().unwrap_or(&setting.dir);
    let announce = |dir: &Path| output::note(&format!("no Git repository here: creating one in {}", pretty(dir)));
    let Initialised { vault, created_key, owner_key, has_author, .. } =
        vault::init(dir, args.owner.clone(), setting.context.clone(), &announce)?;
    let fingerprint = super::fingerprint(&vault);
    output::note(&format!("vault created: {}", pretty(vault.dir())));
    if !args.no_hook {
        hook(&vault);
    }
    if !has_author {
        output::note("Git knows no user.name and user.email here: commits carry the owner's name");
    }
    if owned_by_another(vault.dir()) {
        output::note(
            "this repository belongs to another user: agent-vault uses it (it runs nothing from it), but git itself asks for `git config --global --add safe.directory`",
        );
    }
    if created_key {
        output::note(&format!("owner key created: {}", pretty(&owner_key)));
    } else {
        output::note(&format!("owner key reused: {}", pretty(&owner_key)));
    }
    output::print(&format!("owner fingerprint: {fingerprint}\n"))?;
    output::note(&format!(
        "Back up one file: {}. Whoever has it opens the whole vault; without it nobody does.",
        pretty(&owner_key)
    ));
    Ok(Code::Done)
}

/// Installs the commit hook. The vault is made whether or not that works.
fn hook(vault: &Vault) {
    let Some(dir) = vault.dir().parent() else { return };
    if let Err(error) = super::hook::install(dir) {
        output::warn(&format!("no commit hook: {error}; {}", error.hint()));
    }
}

/// Whether Git would call the repository's folder unsafe.
#[cfg(unix)]
fn owned_by_another(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| path.metadata().map(|metadata| metadata.uid()).ok();
    let above = dir.parent().and_then(owner);
    above.is_some() && above != owner(dir)
}

#[cfg(not(unix))]
fn owned_by_another(_dir: &Path) -> bool {
    false
}
