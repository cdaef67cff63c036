//! A vault: the API that every face calls.

use crate::audit;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::home::Home;
use crate::identity::Identities;
use crate::layout;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use crate::prompt::{Nobody, Prompt};
use crate::root::{Root, VaultId};
use crate::roots;
use crate::time::Timestamp;
use crate::trust::{Knowledge, Memory, Pin, judge, judge_unsigned};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

mod access;
mod agents;
mod ahead;
mod apart;
mod clones;
mod founding;
mod fresh;
mod history;
mod incoming;
mod init;
mod list;
mod log;
mod news;
mod overview;
mod owner;
mod owners;
mod past;
mod read;
mod recorded;
mod remerge;
mod restore;
mod seal;
mod session;
mod settings;
mod spelling;
mod sync;
mod upgrade;
mod verify;
mod weave;
mod write;

pub use crate::merge::{Remark, driver};
pub use access::{AccessChange, Progress};
pub use agents::{AgentInfo, NewKey};
pub use clones::{cached, clone, is_address};
pub use fresh::{Fresh, Freshness};
pub use init::{Initialised, init};
pub use list::{Listing, Row};
pub use news::{Membership, News};
pub use overview::Overview;
pub use owner::Owner;
pub use owners::{MadeCard, OwnersChange, Rotated};
pub use read::Secret;
pub use restore::{Former, Restored};
pub use seal::{Opened, Resealed, Sealer};
pub use sync::{Asking, SyncOptions, Synced, Telling, Travel};
pub use upgrade::{Upgrade, Upgraded};
pub use verify::Counts;
pub use write::{SetOutcome, SetRequest};

/// What a vault needs from the outside. The library itself knows no environment, no HOME, no clock and no terminal.
#[derive(Clone)]
pub struct Context {
    /// The folder of keys and memory.
    pub home: Home,
    /// The clock.
    pub clock: fn() -> Timestamp,
    /// Who answers questions.
    pub prompt: Arc<dyn Prompt>,
    /// What to do with a vault that nothing is known about.
    pub first_contact: FirstContact,
    /// Fingerprint that the owner must have (`AGENT_VAULT_OWNER`).
    pub expected_owner: Option<String>,
    /// Read states older than those seen here, on purpose.
    pub allow_old: bool,
    /// Trust another vault in the place of the one that the working copy held before, or another successor of a root, on
    /// purpose.
    pub replace: bool,
    /// What this process writes its log with; one for the process.
    pub audit: Arc<audit::Log>,
}

impl Context {
    /// Accepts unknown vaults with a notice, asks nobody, uses the system's clock.
    pub fn new(home: Home) -> Self {
        Self {
            home,
            clock: Timestamp::now,
            prompt: Arc::new(Nobody),
            first_contact: FirstContact::Accept,
            expected_owner: None,
            allow_old: false,
            replace: false,
            audit: Arc::default(),
        }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// What to do with a vault that nothing is known about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstContact {
    /// Ask, as ssh does.
    Ask,
    /// Remember it, with a notice.
    Accept,
    /// Refuse it.
    Refuse,
}

/// Something that a person should hear of, once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A vault was met for the first time and is remembered from now on.
    FirstContact {
        /// Its id.
        vault: VaultId,
        /// Fingerprint of its owner's signing key.
        fingerprint: String,
    },
    /// This machine could not write down what it saw: it cannot tell a rollback next time.
    NotRemembered {
        /// Why.
        reason: String,
    },
    /// This machine's log does not say what this process reads and writes. Told once for the process.
    NotRecorded {
        /// Why.
        reason: String,
    },
    /// An interrupted change was completed.
    Finished {
        /// How many files it had.
        files: usize,
    },
    /// An interrupted change fitted neither branch nor files; it lies here.
    SetAside {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// Secrets were encrypted anew because commits came from elsewhere: what was added on one side was not yet readable to
    /// whom the other side had granted it, or still to whom it had revoked it.
    Mended {
        /// How many.
        secrets: usize,
    },
    /// HEAD was a merge by `git merge`; it was made anew by meaning.
    Remerged {
        /// The merge that took its place.
        commit: String,
        /// Choices that it made.
        remarks: Vec<Remark>,
    },
    /// The work tree has an older state than this machine has verified: what was verified was read.
    Ahead {
        /// Which secret.
        path: SecretPath,
        /// The commit that it was read from.
        commit: String,
    },
    /// The work tree has an older state than this machine has verified: what was verified was listed.
    ListedAhead {
        /// How many secrets are listed otherwise than the work tree has them.
        secrets: usize,
        /// The commit that has them so.
        commit: String,
    },
    /// Another successor of a root was trusted: what was written here under the one that was trusted before, and is in no
    /// state that follows it.
    Apart {
        /// The last commit under the former root.
        commit: String,
        /// What was written there since the two parted.
        news: Box<News>,
    },
    /// A state older than one seen here was read on purpose.
    OldState {
        /// Which secret.
        path: SecretPath,
    },
}

/// An opened vault. Cheap to keep, safe to share between threads.
pub struct Vault {
    dir: PathBuf,
    folder: Folder,
    context: Context,
    id: VaultId,
    trusted: RwLock<Arc<Trusted>>,
    /// Metadata that was verified under the trusted root, by the exact bytes of its file.
    verified: Mutex<HashMap<SecretPath, Arc<Remembered>>>,
    notices: Mutex<Vec<Notice>>,
}

/// The root in force, and its pin.
pub(crate) struct Trusted {
    pub pin: Pin,
    pub root: Root,
}

/// Verified metadata and the bytes it was verified as.
pub(crate) struct Remembered {
    pub root: u64,
    pub bytes: Vec<u8>,
    pub metadata: Arc<Metadata>,
    pub digest: Digest,
    /// Whether they lie in the work tree; else a journal is about to put them there.
    pub placed: bool,
}

impl Trusted {
    fn new(pin: Pin) -> Arc<Self> {
        Arc::new(Self { root: Root::of_pin(&pin), pin })
    }
}

impl Vault {
    /// Opens the vault of `dir`: `dir/.agent-vault`, or the nearest one above.
    ///
    /// `identities` may hold knowledge of the vault (a key made for it, an owner's key), which spares the question of
    /// first contact and refuses a vault that took its place.
    ///
    /// # Errors
    /// [`Error::VaultNotFound`], [`Error::UnsignedVault`], and wherever anything is known about this vault or place
    /// and it is not that: [`Error::Tampered`]. [`Error::Untrusted`] or [`Error::Refused`] on first contact.
    pub fn open(dir: &Path, context: Context, identities: Option<&Identities>) -> Result<Self> {
        let dir = find(dir, &context.home)?;
        let folder = Folder::open(&dir)?;
        let memory = Memory::new(&context.home);
        let place = if context.replace { None } else { memory.place(&dir)? };
        let knowledge = Knowledge {
            place,
            hints: identities.map(Identities::hints),
            expected: context.expected_owner.as_deref(),
            ..Knowledge::default()
        };
        let Some(first) = roots::first(&folder)? else {
            return Err(match judge_unsigned(&knowledge) {
                Some(reason) => Error::tampered(&dir, reason),
                None => Error::UnsignedVault { vault: dir },
            });
        };
        let id = VaultId::of(&first);
        let pinned = memory.pin(id)?;
        let known_pin = pinned.is_some();
        let forked = match &pinned {
            None => false,
            // On purpose, any chain that does not hold the pinned root takes its place; a shorter one, too.
            Some(pin) => roots::forked(&folder, pin)? || (context.replace && !folder.has(&layout::root(pin.root))?),
        };
        let pin = match pinned {
            Some(_) if forked && context.replace => (roots::from_first(&folder, &first)?, true),
            Some(pin) if forked => return Err(fork(&folder, &pin)),
            Some(pin) => roots::forward(&folder, &pin)?.map_or((pin, false), |newer| (newer, true)),
            None => (roots::from_first(&folder, &first)?, true),
        };
        let (pin, risen) = pin;
        let knowledge = Knowledge {
            pinned: known_pin,
            proof: if known_pin { None } else { identities.and_then(|identities| proof(&first, &pin, identities)) },
            ..knowledge
        };
        let known = judge(id, &pin.fingerprint(), &knowledge).map_err(|reason| Error::tampered(&dir, reason))?;
        let vault = Self::assemble(dir, folder, context, pin);
        if !known {
            vault.meet()?;
        }
        if forked {
            vault.part()?;
        }
        if risen || place.is_none() {
            vault.remember(place.is_none());
        }
        Ok(vault)
    }

    /// A vault whose root is verified and trusted.
    fn assemble(dir: PathBuf, folder: Folder, context: Context, pin: Pin) -> Self {
        Self {
            id: pin.vault,
            dir,
            folder,
            context,
            trusted: RwLock::new(Trusted::new(pin)),
            verified: Mutex::default(),
            notices: Mutex::default(),
        }
    }

    /// First contact: ask, accept with a notice, or refuse.
    fn meet(&self) -> Result<()> {
        let fingerprint = self.trusted().pin.fingerprint();
        match self.context.first_contact {
            FirstContact::Refuse => return Err(Error::Untrusted { fingerprint }),
            FirstContact::Accept => {}
            FirstContact::Ask => {
                let question = format!(
                    "The vault {} is not known here.\nIts owner's fingerprint is {fingerprint}.\nCompare it with the owner. Trust this vault?",
                    self.dir.display()
                );
                if !self.context.prompt.confirm(&question)? {
                    return Err(Error::Refused { what: "trusting an unknown vault".into() });
                }
            }
        }
        self.notify(Notice::FirstContact { vault: self.id, fingerprint });
        Ok(())
    }

    /// Writes down root and place; a home that cannot be written is a notice, not an error.
    fn remember(&self, new_place: bool) {
        let memory = self.memory();
        let pinned = memory.set_pin(&self.trusted().pin);
        let placed = if new_place { memory.set_place(&self.dir, self.id) } else { Ok(()) };
        if let Err(error) = pinned.and(placed) {
            self.notify(Notice::NotRemembered { reason: error.to_string() });
        }
    }

    /// The vault's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The vault's id.
    pub fn id(&self) -> VaultId {
        self.id
    }

    /// The context it was opened with.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The root that is pinned here.
    pub fn pin(&self) -> Pin {
        self.trusted().pin.clone()
    }

    /// What happened that a person should hear of; each is told once.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *lock(&self.notices))
    }

    pub(crate) fn notify(&self, notice: Notice) {
        lock(&self.notices).push(notice);
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(crate) fn memory(&self) -> Memory<'_> {
        Memory::new(&self.context.home)
    }

    pub(crate) fn trusted(&self) -> Arc<Trusted> {
        self.trusted.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// The root in force: walks forward first if there is a newer one, which costs a look at one file.
    pub(crate) fn current(&self) -> Result<Arc<Trusted>> {
        let trusted = self.trusted();
        match roots::forward(&self.folder, &trusted.pin)? {
            None => Ok(trusted),
            Some(newer) => {
                let newer = Trusted::new(newer);
                *self.trusted.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = newer.clone();
                self.remember(false);
                Ok(newer)
            }
        }
    }
}

/// The nearest vault folder at or above `dir`; the home, which often has the same name, is none.
///
/// # Errors
/// [`Error::VaultNotFound`].
pub fn find(dir: &Path, home: &Home) -> Result<PathBuf> {
    let not_found = || Error::VaultNotFound { start: dir.to_path_buf() };
    let start = dir.canonicalize().map_err(|_| not_found())?;
    let own = start.file_name().is_some_and(|name| name == layout::FOLDER).then(|| start.clone());
    own.into_iter()
        .chain(start.ancestors().map(|dir| dir.join(layout::FOLDER)))
        .find(|candidate| {
            let found = candidate.symlink_metadata();
            found.is_ok_and(|metadata| metadata.is_dir() || metadata.file_type().is_symlink())
                && !is_home(candidate, home)
        })
        .ok_or_else(not_found)
}

/// Whether a folder is the home itself.
fn is_home(candidate: &Path, home: &Home) -> bool {
    candidate == home.dir()
        || home.dir().canonicalize().is_ok_and(|home| candidate.canonicalize().is_ok_and(|found| found == home))
}

/// What is told of two successors of one root.
fn fork(folder: &Folder, pin: &Pin) -> Error {
    let names: Vec<&str> = pin.owners.iter().map(|owner| owner.name.as_str()).collect();
    Error::tampered(
        folder.path(&layout::root(pin.root)),
        format!(
            "it is another root {} than the one that is known here (of {}): owners were changed twice, apart from each other, or it is forged; whose counts is for people to say (`agent-vault trust replace` takes this one)",
            pin.root,
            names.join(", ")
        ),
    )
}

/// Whether an identity proves to be the owner who signed root 1: `Some(false)` when root 1 names its key without a good proof.
fn proof(first: &[u8], pin: &Pin, identities: &Identities) -> Option<bool> {
    let root = Root::parse(first).ok()?;
    let owner = root.owners.iter().find(|owner| {
        owner.public_key.is_native() && identities.recipients().any(|recipient| *recipient == owner.public_key)
    })?;
    let expected = identities.prove(&owner.public_key, owner.signing_key.as_str().as_bytes())?;
    match owner.proof {
        // A proof can be copied from the true vault; only together with that key's signature does it say anything.
        Some(found) if found.0 == expected => (owner.signing_key == pin.first_signer).then_some(true),
        _ => Some(false),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
