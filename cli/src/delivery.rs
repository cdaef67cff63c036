//! What commands that hand secrets to programs begin with: env files, the caller's environment, and the vaults that
//! references name.

use crate::app::{Delivery, Looking};
use crate::exit::Failure;
use crate::output;
use crate::setting::{Found, Setting, tell};
use agent_vault_core::purpose::Program;
use agent_vault_core::settings::Settings;
use agent_vault_core::{Error, Identities, Result, SecretPath, VaultAlias, layout};
use agent_vault_deliver::environment::{COMMITTED, EnvFile, Sources};
use agent_vault_deliver::resolve::{Read, Signed, Unsigned, Wanted};
use agent_vault_deliver::{Reader, Values, Vaults, resolve};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest env file that is read.
const LARGEST: u64 = 1 << 20;

/// The vaults of this call.
struct Opening<'s> {
    setting: &'s Setting,
    looking: &'s Looking,
    settings: Settings,
    /// What gets the values; they are shown where there is none.
    program: Option<Arc<Program>>,
    /// Unlocked once, for whichever vaults there are.
    identities: OnceCell<Arc<Identities>>,
}

impl Vaults for Opening<'_> {
    fn knows(&self, alias: &VaultAlias) -> bool {
        self.settings.vaults.contains_key(alias)
    }

    fn open(&self, alias: Option<&VaultAlias>) -> Result<Box<dyn Reader + '_>> {
        let other = alias.and_then(|alias| self.settings.vaults.get(alias)).map(|place| self.setting.elsewhere(place));
        let other = other.transpose()?;
        let setting = other.as_ref().unwrap_or(self.setting);
        let identities = match self.identities.get() {
            Some(identities) => identities.clone(),
            None => {
                let identities = Arc::new(setting.identities()?);
                self.identities.get_or_init(|| identities).clone()
            }
        };
        match setting.any_vault(Some(&identities))? {
            Found::Signed(vault) => {
                setting.freshen_for(&vault, self.looking)?;
                Ok(Box::new(Telling(Signed { vault, identities, program: self.program.clone() })))
            }
            Found::Old(vault) => Ok(Box::new(Unsigned { vault, identities })),
        }
    }
}

/// A vault whose notices are told when the reading is done.
struct Telling(Signed);

impl Reader for Telling {
    fn read(&self, path: &SecretPath) -> Result<Read> {
        self.0.read(path)
    }

    fn has_below(&self, segment: &str) -> bool {
        self.0.has_below(segment)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        tell(&self.0.vault);
    }
}

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
    let settings = Settings::load(&setting.context.home)?;
    let opening = Opening { setting, looking, settings, program, identities: OnceCell::new() };
    let values = resolve(wanted, &opening).map_err(Failure::References)?;
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
    Ok(Sources {
        inherited: std::env::vars_os().filter(|(name, _)| name != "AGENT_VAULT_KEY").collect(),
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
