//! `edit`

use super::set::read;
use super::{pushing, readers, recognise};
use crate::app::Edit;
use crate::editor;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::scratch::Scratch;
use crate::setting::Setting;
use agent_vault_core::vault::SetRequest;
use agent_vault_core::{Error, Identities, Owner, Result, SecretBytes, home};
use std::path::Path;

/// Opens a value in the editor and stores what comes out of it.
pub fn run(setting: &Setting, args: &Edit) -> Outcome {
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    // Who may not store it need not open it.
    let owner = vault.unlock(&identities)?;
    let (before, revision) = current(&owner, args, &identities)?;
    crate::setting::tell(&vault);
    let scratch = Scratch::new("while it is edited")?;
    let file = scratch.file(args.path.as_str());
    home::create_private(&file, before.expose())?;
    editor::edit(&file)?;
    let after = edited(&file, &before)?;
    if after.expose() == before.expose() {
        output::note(&format!("nothing changed in {}: nothing is stored", args.path));
        return Ok(Code::Done);
    }
    // The request takes the value over; its fingerprint is for after the change.
    let remembered = SecretBytes::new(after.expose().to_vec());
    let request = SetRequest { value: Some(after), expect: Some(revision), ..SetRequest::default() };
    let outcome = owner.set(&args.path, request, false);
    crate::setting::tell(&vault);
    match outcome {
        Ok(outcome) => {
            drop(scratch);
            let done = if outcome.created { "added" } else { "changed" };
            let metadata = &outcome.metadata;
            output::note(&format!("{done} {}, revision {}, group {}", args.path, metadata.revision, metadata.group));
            output::note(&format!("  readable by {}", readers(&metadata.authorized_agents)));
            recognise::told(setting, &vault, &args.path, &remembered, false);
            pushing::after_write(setting, &vault);
            Ok(Code::Done)
        }
        // The commit is made; there is nothing to keep.
        Err(error @ Error::Unfinished { .. }) => Err(error.into()),
        Err(error) => {
            scratch.keep();
            let file = file.display();
            output::warn(&format!(
                "what you wrote was not stored. It is kept, in plaintext, in {file}\n         `agent-vault set {} --from-file {file} --trim` stores it; then delete the file and its folder.",
                args.path
            ));
            Err(error.into())
        }
    }
}

/// The value that is there and its revision; nothing and 0 for a secret that is not there.
fn current(owner: &Owner<'_>, args: &Edit, identities: &Identities) -> Result<(SecretBytes, u64)> {
    let path = &args.path;
    let secret = match if args.reveal { owner.reveal(path) } else { owner.vault().get(path, identities) } {
        Ok(secret) => secret,
        Err(Error::NotFound { .. }) => return Ok((SecretBytes::default(), 0)),
        Err(error) => return Err(error),
    };
    let value = secret.value.expose();
    if value.contains(&0) || std::str::from_utf8(value).is_err() {
        return Err(Error::Usage {
            message: format!("{path} is no text, and an editor would damage it"),
            hint: format!(
                "`agent-vault get {path} --output FILE`, change it, then `agent-vault set {path} --from-file FILE`"
            ),
        });
    }
    Ok((secret.value, secret.metadata.revision))
}

/// What the editor left. Most editors end a text with a newline: one that the value did not have is taken away again.
fn edited(file: &Path, before: &SecretBytes) -> Result<SecretBytes> {
    let failed = |source| Error::Io { action: "read", path: file.to_path_buf(), source };
    let mut after = std::fs::File::open(file).and_then(read).map_err(failed)?;
    if before.expose().last() != Some(&b'\n') {
        after.trim_newline();
    }
    Ok(after)
}
