//! `recover-agent` and `restore-agent`

use super::agents::tell_key;
use super::{Bar, as_owner, tell_change, warn_exposed};
use crate::app::{RecoverAgent, RestoreAgent};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Setting, pretty};

/// Gives an agent a new key.
pub fn recover(setting: &Setting, args: &RecoverAgent) -> Outcome {
    let bar = Bar::new("re-encrypting");
    let key = as_owner(setting, |owner| owner.recover_agent(&args.name, &|done, all| bar.tick(done, all)))?;
    drop(bar);
    output::note(&format!("agent {} has a new key ({})", args.name, key.public_key.id()));
    if let Some(file) = &key.file {
        tell_key(file);
    }
    tell_change(&key.change);
    warn_exposed(&key.change);
    Ok(Code::Done)
}

/// Writes an agent's original key.
pub fn restore(setting: &Setting, args: &RestoreAgent) -> Outcome {
    as_owner(setting, |owner| owner.restore_agent(&args.name, &args.to, args.force))?;
    output::note(&format!("the key of {} is in {}", args.name, pretty(&args.to)));
    Ok(Code::Done)
}
