//! What commands that hand secrets to programs begin with: env files, the caller's environment, and the vaults that
//! references name.

use crate::app::{Delivery, Reading};
use crate::exit::Failure;
use crate::output;
use crate::setting::Setting;
use agent_vault_core::vault::Freshness;
use agent_vault_core::{Error, Result, layout};
use agent_vault_deliver::environment::{COMMITTED, EnvFile, Sources};
use agent_vault_deliver::resolve::Wanted;
use agent_vault_deliver::{Values, resolve};
use agent_vault_open::references::Opened;
use std::path::{Path, PathBuf};

/// The largest env file that is read.
const LARGEST: u64 = 1 << 20;

/// Resolves all of it, or says of everything why not.
///
/// # Errors
/// [`Failure::References`].
pub fn values<'r>(
    setting: &Setting,
    reading: &Reading,
    wanted: impl IntoIterator<Item = Wanted<'r>>,
) -> Result<Values, Failure> {
    let freshness = match reading.offline {
        true => None,
        false => Some(Freshness { force: reading.fresh, ..setting.freshness()? }),
    };
    let values = resolve(wanted, &Opened::new(setting, freshness)?).map_err(Failure::References)?;
    let now = (setting.context.clock)();
    for (reference, expires) in values.expires.iter().filter(|(_, expires)| *expires <= now) {
        output::warn(&format!("{reference} expired at {expires}"));
    }
    Ok(values)
}

/// Where variables come from.
///
/// # Errors
/// [`Error::Usage`] and [`Error::Io`] for env files.
pub fn sources(delivery: &Delivery) -> Result<Sources> {
    let files = match &delivery.env_file[..] {
        [] => committed().into_iter().collect(),
        named => named.to_vec(),
    };
    let named = delivery.env.iter().map(|assigned| (assigned.name.clone(), assigned.text.clone())).collect();
    Ok(Sources {
        inherited: std::env::vars_os().filter(|(name, _)| name != "AGENT_VAULT_KEY").collect(),
        files: files.iter().map(|file| env_file(file)).collect::<Result<_>>()?,
        profile: delivery.profile.clone(),
        named,
        only: delivery.only.clone(),
    })
}

fn env_file(path: &Path) -> Result<EnvFile> {
    use std::io::Read;
    let shown = crate::setting::pretty(path);
    let mut bytes = Vec::new();
    let read = std::fs::metadata(path).and_then(|metadata| match metadata.is_file() || !is_committed(path) {
        // A pipe of the caller's own (`<(…)`) is read; one that lies in a repository would be waited for.
        true => std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes),
        false => Err(std::io::Error::other("it is no file")),
    });
    read.map_err(Error::io("read", path))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::Usage {
            message: format!("{shown} has more than {LARGEST} bytes"),
            hint: "an env file holds names and references; store what is large".into(),
        });
    }
    EnvFile::parse(&shown, &bytes, is_committed(path))
}

fn is_committed(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == COMMITTED)
}

/// The committed env file here or above, up to the folder that holds the vault or the repository; here alone where
/// there is neither.
fn committed() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let is_top = |dir: &&Path| dir.join(layout::FOLDER).is_dir() || dir.join(".git").exists();
    let top = here.ancestors().find(is_top).unwrap_or(&here);
    let found = here.ancestors().take_while(|dir| dir.starts_with(top)).map(|dir| dir.join(COMMITTED));
    let found = found.into_iter().find(|file| file.symlink_metadata().is_ok())?;
    // Shown as a person would name it.
    Some(if found.parent() == Some(&*here) { PathBuf::from(COMMITTED) } else { found })
}
