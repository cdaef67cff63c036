//! What commands that hand secrets to programs begin with: env files, the caller's environment, and the vaults that
//! references name.

use crate::app::{Delivery, Looking};
use crate::exit::Failure;
use crate::output;
use crate::setting::Setting;
use agent_vault_core::purpose::Program;
use agent_vault_core::vault::Freshness;
use agent_vault_core::{Error, Result, layout};
use agent_vault_deliver::environment::{COMMITTED, EnvFile, Sources};
use agent_vault_deliver::resolve::Wanted;
use agent_vault_deliver::{Values, resolve};
use agent_vault_open::references::Opened;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest env file that is read.
const LARGEST: u64 = 1 << 20;

/// Resolves all of it, to be shown, or says of everything why not.
///
/// # Errors
/// [`Failure::References`].
pub fn values<'r>(
    setting: &Setting,
    looking: &Looking,
    wanted: impl IntoIterator<Item = Wanted<'r>>,
) -> Result<Values, Failure> {
    values_for(setting, looking, wanted, None)
}

/// The same, for a program.
///
/// # Errors
/// [`Failure::References`].
pub fn values_for<'r>(
    setting: &Setting,
    looking: &Looking,
    wanted: impl IntoIterator<Item = Wanted<'r>>,
    program: Option<Arc<Program>>,
) -> Result<Values, Failure> {
    let freshness = match looking.offline || looking.allow_old {
        true => None,
        false => Some(Freshness { force: looking.fresh, ..setting.freshness()? }),
    };
    let opened = Opened::new(setting, freshness)?.handed_to(program);
    let values = resolve(wanted, &opened).map_err(Failure::References)?;
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
        [] => committed_here().into_iter().collect(),
        named => named.to_vec(),
    };
    let named = delivery.env.iter().map(|assigned| (assigned.name.clone(), assigned.text.clone())).collect();
    let inherited = |(name, _): &(OsString, OsString)| !delivery.no_inherit && name != "AGENT_VAULT_KEY";
    Ok(Sources {
        inherited: std::env::vars_os().filter(inherited).collect(),
        files: files.iter().map(|file| env_file(file)).collect::<Result<_>>()?,
        profile: delivery.profile.clone(),
        named,
        only: delivery.only.clone(),
    })
}

fn env_file(path: &Path) -> Result<EnvFile> {
    EnvFile::parse(&crate::setting::pretty(path), &read(path)?, is_committed(path))
}

/// The bytes of an env file.
///
/// # Errors
/// [`Error::Io`]; [`Error::Usage`] for one that is too large.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::metadata(path).and_then(|metadata| match metadata.is_file() || !is_committed(path) {
        // A pipe of the caller's own (`<(…)`) is read; one that lies in a repository would be waited for.
        true => std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes),
        false => Err(std::io::Error::other("it is no file")),
    });
    read.map_err(Error::io("read", path))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::Usage {
            message: format!("{} has more than {LARGEST} bytes", crate::setting::pretty(path)),
            hint: "an env file holds names and references; store what is large".into(),
        });
    }
    Ok(bytes)
}

fn is_committed(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == COMMITTED)
}

/// The committed env file that holds for the current folder, shown as a person would name it.
fn committed_here() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let found = committed(&here)?;
    Some(if found.parent() == Some(&*here) { PathBuf::from(COMMITTED) } else { found })
}

/// The committed env file in a folder or above, up to the one that holds the vault or the repository; in that folder
/// alone where there is neither.
pub fn committed(here: &Path) -> Option<PathBuf> {
    let is_top = |dir: &&Path| dir.join(layout::FOLDER).is_dir() || dir.join(".git").exists();
    let top = here.ancestors().find(is_top).unwrap_or(here);
    let found = here.ancestors().take_while(|dir| dir.starts_with(top)).map(|dir| dir.join(COMMITTED));
    found.into_iter().find(|file| file.symlink_metadata().is_ok())
}
