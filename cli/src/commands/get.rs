//! `get`

use crate::app::Get;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Found, Setting, tell};
use agent_vault_core::{Identities, Result, SecretBytes, Timestamp, home};
use std::io::{IsTerminal, Write};

/// Writes a value, byte for byte; a newline follows on a terminal only.
pub fn run(mut setting: Setting, args: &Get) -> Outcome {
    setting.context.allow_old = args.allow_old;
    let identities = setting.identities()?;
    let (value, expires) = read(&setting, args, &identities)?;
    if let Some(expires) = expires.filter(|expires| *expires <= (setting.context.clock)()) {
        output::warn(&format!("{} expired at {expires}", args.path));
    }
    match &args.output {
        Some(file) if args.force => home::replace_private(file, value.expose(), true)?,
        Some(file) => home::create_private(file, value.expose())?,
        None => {
            write(value.expose())?;
            if std::io::stdout().is_terminal() {
                write(b"\n")?;
            }
        }
    }
    Ok(Code::Done)
}

/// The value, and when it expires.
fn read(setting: &Setting, args: &Get, identities: &Identities) -> Result<(SecretBytes, Option<Timestamp>)> {
    match setting.any_vault(Some(identities))? {
        Found::Signed(vault) => {
            if !args.offline && !args.allow_old {
                setting.freshen(&vault, args.fresh)?;
            }
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

/// Writes a value to standard output, which keeps what it is given in a buffer that nobody wipes: it goes past that.
pub(super) fn write(bytes: &[u8]) -> std::io::Result<()> {
    raw(&mut std::io::stdout(), bytes)
}

/// Writes without the line buffer of standard output.
#[cfg(unix)]
fn raw(out: &mut std::io::Stdout, bytes: &[u8]) -> std::io::Result<()> {
    out.flush()?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&*out, rest) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = &rest[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn raw(out: &mut std::io::Stdout, bytes: &[u8]) -> std::io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}
