//! Reads what references stand for: all of it or nothing, each secret once.

use crate::field;
use crate::reference::{Place, Reference};
use agent_vault_core::hints::Hints;
use agent_vault_core::purpose::{Program, Purpose};
use agent_vault_core::{Error, Identities, OldVault, Result, SecretBytes, SecretPath, Timestamp, Vault, VaultAlias};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Below this many secrets, starting threads costs more than they bring.
const FEW: usize = 16;

/// The face's vaults. It opens them as it does for any read: with its keys, its notices, its rules of freshness.
pub trait Vaults {
    /// Whether this machine knows a vault by that name.
    fn knows(&self, alias: &VaultAlias) -> bool;

    /// Opens a vault: that of an alias, or the one here. Called once for each that is needed.
    ///
    /// # Errors
    /// Whatever keeps it from being opened.
    fn open(&self, alias: Option<&VaultAlias>) -> Result<Box<dyn Reader + '_>>;
}

/// An opened vault. Threads share it.
pub trait Reader: Sync {
    /// Reads one secret, recorded.
    ///
    /// # Errors
    /// As [`Vault::get`].
    fn read(&self, path: &SecretPath) -> Result<Read>;

    /// Whether there are secrets whose names begin with this segment.
    fn has_below(&self, segment: &str) -> bool;
}

/// A secret that was read.
pub struct Read {
    /// Its value.
    pub value: SecretBytes,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// Whether its owner bound it to programs: it goes to the one that it was read for, and is not shown.
    pub use_only: bool,
}

/// A signed vault, and the keys to read it with.
pub struct Signed {
    /// The vault.
    pub vault: Vault,
    /// The keys.
    pub identities: Arc<Identities>,
    /// The program that gets what is read; without one it is read to be shown.
    pub program: Option<Arc<Program>>,
}

impl Reader for Signed {
    fn read(&self, path: &SecretPath) -> Result<Read> {
        let purpose = self.program.as_deref().map_or(Purpose::Show, Purpose::Run);
        let secret = self.vault.get_for(path, &self.identities, purpose)?;
        let metadata = secret.metadata;
        Ok(Read { value: secret.value, expires: metadata.expires, use_only: metadata.use_only })
    }

    fn has_below(&self, segment: &str) -> bool {
        has_below(self.vault.dir(), self.vault.context(), segment)
    }
}

/// A vault of agent-vault 0.1.0, and the keys to read it with.
pub struct Unsigned {
    /// The vault.
    pub vault: OldVault,
    /// The keys.
    pub identities: Arc<Identities>,
}

impl Reader for Unsigned {
    fn read(&self, path: &SecretPath) -> Result<Read> {
        let secret = self.vault.get(path, &self.identities)?;
        let expires = secret.metadata.and_then(|metadata| metadata.expires);
        Ok(Read { value: secret.value, expires, use_only: false })
    }

    fn has_below(&self, segment: &str) -> bool {
        has_below(self.vault.dir(), self.vault.context(), segment)
    }
}

/// Whether a vault's folder has secrets whose names begin with this segment.
pub fn has_below(dir: &std::path::Path, context: &agent_vault_core::Context, segment: &str) -> bool {
    Hints::of(dir, &context.home).is_some_and(|hints| !hints.secrets(&format!("{segment}/")).is_empty())
}

/// A reference, and who wants it: a variable, an argument, a line of a file.
#[derive(Debug, Clone)]
pub struct Wanted<'r> {
    /// Who wants it, for a person.
    pub by: String,
    /// The reference.
    pub reference: &'r Reference,
}

/// References that cannot be resolved, for one reason.
#[derive(Debug)]
pub struct Failure {
    /// Them, and who wants each.
    pub of: Vec<(String, Reference)>,
    /// The reason.
    pub error: Error,
}

/// What references stand for.
#[derive(Debug, Default)]
pub struct Values {
    values: HashMap<Reference, SecretBytes>,
    /// The secrets that have expired, by the first reference to each.
    pub expires: Vec<(Reference, Timestamp)>,
    /// The references to use-only secrets.
    pub use_only: HashSet<Reference>,
}

impl Values {
    /// What a reference stands for.
    ///
    /// # Panics
    /// For a reference that was not among those that were resolved.
    pub fn of(&self, reference: &Reference) -> &SecretBytes {
        self.values.get(reference).expect("it was resolved")
    }

    /// Every value that was read, or taken out of one.
    pub fn all(&self) -> impl Iterator<Item = (&Reference, &SecretBytes)> {
        self.values.iter()
    }
}

/// The secret that a reference is about, when it is known what its first segment means.
type Target = (Option<VaultAlias>, SecretPath);

/// Resolves references. Every vault is opened once, every secret read once, and many of them on all cores.
///
/// # Errors
/// Every reference that cannot be resolved, with the reason. Nothing is resolved then.
pub fn resolve<'r>(wanted: impl IntoIterator<Item = Wanted<'r>>, vaults: &dyn Vaults) -> Result<Values, Vec<Failure>> {
    let mut asked: Vec<(&Reference, Vec<String>)> = Vec::new();
    let mut position: HashMap<&Reference, usize> = HashMap::new();
    for Wanted { by, reference } in wanted {
        let at = *position.entry(reference).or_insert_with(|| {
            asked.push((reference, Vec::new()));
            asked.len() - 1
        });
        asked[at].1.push(by);
    }
    let mut job = Job { vaults, opened: BTreeMap::new(), failures: Vec::new() };
    let targets = job.targets(&asked);
    let secrets = job.read(&targets);
    let mut values = Values::default();
    for ((reference, by), target) in asked.iter().zip(&targets) {
        let Some(Ok(read)) = target.as_ref().and_then(|target| secrets.get(target)) else { continue };
        let value = match &reference.field {
            Some(field) => field::of(&read.value, field),
            None => Ok(SecretBytes::new(read.value.expose().to_vec())),
        };
        match value {
            Ok(value) => {
                values.values.insert((*reference).clone(), value);
                if read.use_only {
                    values.use_only.insert((*reference).clone());
                }
            }
            Err(error) => job.failures.push(Failure { of: named(reference, by), error }),
        }
    }
    for (target, read) in secrets {
        let of =
            asked.iter().zip(&targets).filter(|(_, other)| other.as_ref() == Some(&target)).map(|(asked, _)| asked);
        match read {
            Ok(Read { expires: Some(expires), .. }) => {
                values.expires.extend(of.take(1).map(|(reference, _)| ((*reference).clone(), expires)));
            }
            Ok(_) => {}
            Err(error) => {
                job.failures.push(Failure { of: of.flat_map(|(reference, by)| named(reference, by)).collect(), error });
            }
        }
    }
    if job.failures.is_empty() { Ok(values) } else { Err(job.failures) }
}

fn named(reference: &Reference, by: &[String]) -> Vec<(String, Reference)> {
    by.iter().map(|by| (by.clone(), reference.clone())).collect()
}

struct Job<'v> {
    vaults: &'v dyn Vaults,
    opened: BTreeMap<Option<VaultAlias>, Box<dyn Reader + 'v>>,
    failures: Vec<Failure>,
}

impl<'v> Job<'v> {
    /// The secret that each reference is about; nothing for one that failed.
    fn targets(&mut self, asked: &[(&Reference, Vec<String>)]) -> Vec<Option<Target>> {
        let mut targets = Vec::new();
        for (reference, by) in asked {
            let target = match self.target(reference) {
                Ok(target) => Some(target),
                Err(error) => {
                    self.failures.push(Failure { of: named(reference, by), error });
                    None
                }
            };
            targets.push(target);
        }
        // A vault that does not open is one failure of all that is wanted of it.
        for at in 0..targets.len() {
            let Some((alias, _)) = &targets[at] else { continue };
            let alias = alias.clone();
            if let Err(error) = self.reader(alias.as_ref()) {
                let of =
                    asked.iter().zip(&targets).filter(|(_, target)| target.as_ref().is_some_and(|of| of.0 == alias));
                let of = of.flat_map(|((reference, by), _)| named(reference, by)).collect();
                self.failures.push(Failure { of, error });
                targets
                    .iter_mut()
                    .filter(|target| target.as_ref().is_some_and(|of| of.0 == alias))
                    .for_each(|target| *target = None);
            }
        }
        targets
    }

    /// A name whose first segment is an alias too is taken for neither.
    fn target(&mut self, reference: &Reference) -> Result<Target> {
        match &reference.place {
            Place::Here(path) => Ok((None, path.clone())),
            Place::There(alias, path) if self.vaults.knows(alias) => Ok((Some(alias.clone()), path.clone())),
            Place::There(alias, _) => Err(Error::NotFound { what: "vault alias", name: alias.to_string(), near: None }),
            Place::Unmarked(here, there) => {
                match (here, there.as_ref().filter(|(alias, _)| self.vaults.knows(alias))) {
                    (Some(here), None) => Ok((None, here.clone())),
                    (None, None) => Err(Error::Usage {
                        message: "its path has more segments than a secret's, and its first is no alias".into(),
                        hint: "`agent-vault config get` lists the aliases, vaults.ALIAS".into(),
                    }),
                    (None, Some((alias, path))) => Ok((Some(alias.clone()), path.clone())),
                    (Some(_), Some((alias, path))) => {
                        if self.is_used_here(alias)? {
                            return Err(Error::Conflict {
                                message: format!(
                                    "{alias} is an alias on this machine, and the vault here has secrets below that name too"
                                ),
                                hint: format!(
                                    "write av://@{alias}/{path} for the other vault, or av://./{alias}/{path} for this one"
                                ),
                            });
                        }
                        Ok((Some(alias.clone()), path.clone()))
                    }
                }
            }
        }
    }

    /// Whether the vault here, if there is one, has secrets below an alias's name.
    fn is_used_here(&mut self, alias: &VaultAlias) -> Result<bool> {
        match self.reader(None) {
            Ok(reader) => Ok(reader.has_below(alias.as_str())),
            Err(Error::VaultNotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn reader(&mut self, alias: Option<&VaultAlias>) -> Result<&dyn Reader> {
        let key = alias.cloned();
        if !self.opened.contains_key(&key) {
            let reader = self.vaults.open(alias)?;
            self.opened.insert(key.clone(), reader);
        }
        Ok(&*self.opened[&key])
    }

    /// Reads each secret once.
    fn read(&self, targets: &[Option<Target>]) -> BTreeMap<Target, Result<Read>> {
        let mut needed: Vec<&Target> = targets.iter().flatten().collect();
        needed.sort_unstable();
        needed.dedup();
        let opened: BTreeMap<_, &dyn Reader> = self.opened.iter().map(|(alias, reader)| (alias, &**reader)).collect();
        let read = |target: &&Target| ((*target).clone(), opened[&target.0].read(&target.1));
        if needed.len() < FEW { needed.iter().map(read).collect() } else { needed.par_iter().map(read).collect() }
    }
}
