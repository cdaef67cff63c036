//! `get`

use crate::app::Get;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Found, Setting, tell};
use agent_vault_core::{Identities, Result, SecretBytes, Timestamp, home};
use std::io::IsTerminal;

/// Writes a value, byte for byte; a newline follows on a terminal only.
pub fn run(mut setting: Setting, args: &Get) -> Outcome {
    setting.context.allow_old = args.looking.allow_old;
    let identities = setting.identities()?;
    let (value, expires) = read(&setting, args, &identities)?;
    if let Some(expires) = expires.filter(|expires| *expires <= (setting.context.clock)()) {
        output::warn(&format!("{} expired at {expires}", args.path));
    }
    match &args.output {
        Some(file) if args.force => home::replace_private(file, value.expose(), true)?,
        Some(file) => home::create_private(file, value.expose())?,
        None => {
            let mut out = std::io::stdout();
            // Standard output keeps what it is given in a buffer that nobody wipes: the value goes past it.
            output::raw(&mut out, value.expose())?;
            if out.is_terminal() {
                output::raw(&mut out, b"\n")?;
            }
        }
    }
    Ok(Code::Done)
}

/// The value, and when it expires.
fn read(setting: &Setting, args: &Get, identities: &Identities) -> Result<(SecretBytes, Option<Timestamp>)> {
    match setting.any_vault(Some(identities))? {
        Found::Signed(vault) => {
            setting.freshen_for(&vault, &args.looking)?;
            let secret = match args.reveal {
                true => vault.unlock(identities).and_then(|owner| owner.reveal(&args.path)),
                false => vault.get(&args.path, identities),
            };
            tell(&vault);
            secret.map(|secret| (secret.value, secret.metadata.expires))
        }
        Found::Old(old) => {
            let secret = old.get(&args.path, identities)?;
            Ok((secret.value, secret.metadata.and_then(|metadata| metadata.expires)))
        }
    }
}
