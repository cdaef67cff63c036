//! `clone`

use super::Bar;
use crate::app::Clone;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Setting, pretty};
use agent_vault_core::Error;
use agent_vault_core::vault;
use std::path::PathBuf;

/// Clones a repository and proves the history of its vault.
pub fn run(mut setting: Setting, args: &Clone) -> Outcome {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => last_part(&args.url)?,
    };
    vault::clone(&args.url, &dir, super::telling().as_ref())?;
    setting.dir.clone_from(&dir);
    let vault = setting.vault_to_look_at()?;
    let bar = Bar::new("verifying commits");
    let settled = vault.settle_in(&|done, all| bar.tick(done, all));
    drop(bar);
    crate::setting::tell(&vault);
    settled?;
    output::print(&format!("cloned into {}\n", pretty(&dir)))?;
    output::note(&format!("owner fingerprint: {}", super::fingerprint(&vault)));
    Ok(Code::Done)
}

/// The folder that `git clone` would make: the address's last part, without `.git`.
fn last_part(url: &str) -> Result<PathBuf, Error> {
    let path = url.trim_end_matches('/').trim_end_matches(".git").trim_end_matches('/');
    let name = path.rsplit(['/', ':', '\\']).next().unwrap_or_default();
    match name {
        "" | "." | ".." => Err(Error::Usage {
            message: "the address does not end with a name for the folder".into(),
            hint: "name the folder: `agent-vault clone URL DIR`".into(),
        }),
        name => Ok(PathBuf::from(name)),
    }
}
