//! An opened vault, and the methods that JavaScript calls on it: each in two forms, on libuv's threads and at once.

use crate::answer::{Answer, Heard, Told};
use crate::call::{Call, Form, Wanted, Wishes, make};
use crate::work::Work;
use agent_vault_core::vault::Freshness;
use agent_vault_core::{Error, Identities, Result, SecretBytes, Timestamp, audit};
use agent_vault_open::{Found, Key, Message, Opening, surroundings};
use napi::bindgen_prelude::{AsyncTask, Buffer};
use napi_derive::napi;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// What this process writes its log with.
static LOG: OnceLock<Arc<audit::Log>> = OnceLock::new();

/// A vault, with the key to read it with.
pub struct Opened {
    /// How it was opened.
    pub opening: Opening,
    /// The key.
    pub identities: Arc<Identities>,
    found: RwLock<Arc<Found>>,
    /// How fresh a read has to be; none where it does not matter.
    pub freshness: Option<Freshness>,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Opened {
    /// The vault as it was opened last.
    pub fn found(&self) -> Arc<Found> {
        self.found.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The vault, after a look at the remote if it is time for one.
    ///
    /// # Errors
    /// As [`Opening::freshen_as`].
    pub fn fresh(&self) -> Result<Arc<Found>> {
        let found = self.found();
        if let (Some(freshness), Found::Signed(vault)) = (&self.freshness, &*found) {
            self.opening.freshen_as(vault, freshness)?;
        }
        Ok(found)
    }

    /// Looks at the remote now. Where it cannot be reached, that is told, or an error if it is `strict`.
    ///
    /// # Errors
    /// As [`Opening::freshen`].
    pub fn pull(&self, strict: bool) -> Result<()> {
        self.opening.pull(&self.found(), strict)
    }

    /// Opens the vault anew, and verifies its manifest.
    ///
    /// # Errors
    /// As [`Opening::any_vault`].
    pub fn reload(&self) -> Result<()> {
        let found = self.opening.anew(&self.identities)?;
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(())
    }

    /// The time, by this machine's clock.
    pub fn now(&self) -> Timestamp {
        (self.opening.context.clock)()
    }

    /// What should be heard of since it was last asked.
    pub fn heard(&self) -> Vec<Heard> {
        if let Found::Signed(vault) = &*self.found() {
            self.opening.tell(vault);
        }
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        heard.iter().map(Heard::from).collect()
    }

    fn new(wanted: Place) -> Result<Self> {
        let Place { repo_path, key_path, key_str, auto_pull, max_age, env } = wanted;
        let look = |name: &str| env.get(name).map(OsString::from);
        let mut context = surroundings::context(&look, Arc::new(agent_vault_core::prompt::Nobody), false)?;
        context.audit = LOG.get_or_init(Arc::default).clone();
        let key = match (key_str, key_path) {
            (Some(text), _) => Key::Text { origin: "keyStr", text: Arc::new(SecretBytes::new(text.into_bytes())) },
            (None, Some(file)) => Key::File(PathBuf::from(file)),
            (None, None) => Key::Unnamed { variable: look("AGENT_VAULT_KEY") },
        };
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = heard.clone();
        let listener = Arc::new(move |message| listener.lock().unwrap_or_else(PoisonError::into_inner).push(message));
        let opening = Opening::new(context, &PathBuf::from(repo_path), key, listener)?;
        let freshness = if auto_pull { Some(opening.freshness()?) } else { None };
        let max_age = max_age.map(seconds).transpose()?;
        let freshness = freshness.map(|set| Freshness { max_age: max_age.unwrap_or(set.max_age), ..set });
        let identities = Arc::new(opening.identities()?);
        let found = RwLock::new(Arc::new(opening.any_vault(Some(&identities))?));
        Ok(Self { opening, identities, found, freshness, heard })
    }
}

/// How a vault is to be opened.
#[napi(object, object_to_js = false)]
pub struct Place {
    /// The repository's folder, any in it, or an address that Git takes.
    pub repo_path: String,
    /// A key file.
    pub key_path: Option<String>,
    /// A raw key, or a key file's text.
    pub key_str: Option<String>,
    /// Whether reads look at the remote.
    pub auto_pull: bool,
    /// How old the last look may be, in seconds.
    pub max_age: Option<f64>,
    /// The variables of the caller that count.
    pub env: HashMap<String, String>,
}

/// An opened vault. `Vault` of the package is the class for programs.
#[napi]
pub struct NativeVault(Arc<Opened>);

/// A vault, or why there is none.
#[napi(object, object_from_js = false)]
pub struct Entrance {
    /// The vault.
    pub vault: Option<NativeVault>,
    /// What is wrong.
    pub error: Option<Told>,
    /// What should be heard of.
    pub heard: Vec<Heard>,
}

/// Opens a vault.
#[napi]
pub fn open(wanted: Place) -> Entrance {
    match Opened::new(wanted) {
        Ok(opened) => {
            let heard = opened.heard();
            Entrance { vault: Some(NativeVault(Arc::new(opened))), error: None, heard }
        }
        Err(error) => Entrance { vault: None, error: Some(Told::from(&error)), heard: Vec::new() },
    }
}

impl NativeVault {
    fn begin(&self, call: Call) -> AsyncTask<Work> {
        AsyncTask::new(Work { opened: self.0.clone(), call })
    }
}

#[napi]
impl NativeVault {
    /// The vault's folder.
    #[napi(getter)]
    pub fn dir(&self) -> String {
        self.0.found().dir().to_string_lossy().into_owned()
    }

    /// Whether an owner signed it.
    #[napi(getter)]
    pub fn signed(&self) -> bool {
        self.0.found().is_signed()
    }

    /// A value as text.
    #[napi]
    pub fn get(&self, path: String) -> AsyncTask<Work> {
        self.begin(Call::Get(path, Form::Text))
    }

    /// A value, byte for byte.
    #[napi]
    pub fn get_bytes(&self, path: String) -> AsyncTask<Work> {
        self.begin(Call::Get(path, Form::Bytes))
    }

    /// A value that is not shown.
    #[napi]
    pub fn get_secret(&self, path: String) -> AsyncTask<Work> {
        self.begin(Call::Get(path, Form::Secret))
    }

    /// Every secret, or those of a group.
    #[napi]
    pub fn list(&self, group: Option<String>) -> AsyncTask<Work> {
        self.begin(Call::List(group))
    }

    /// The same, at once.
    #[napi]
    pub fn list_sync(&self, group: Option<String>) -> Answer {
        make(&self.0, &mut Call::List(group))
    }

    /// Who is in which group, and who reads what.
    #[napi]
    pub fn policy(&self) -> AsyncTask<Work> {
        self.begin(Call::Policy)
    }

    /// The same, at once.
    #[napi]
    pub fn policy_sync(&self) -> Answer {
        make(&self.0, &mut Call::Policy)
    }

    /// Variables for a program: pairs of a name and what it is set to.
    #[napi]
    pub fn env(&self, names: Vec<String>, values: Vec<String>) -> AsyncTask<Work> {
        self.begin(Call::Env(names.into_iter().zip(values).collect()))
    }

    /// Looks at the remote now.
    #[napi]
    pub fn pull(&self, strict: bool) -> AsyncTask<Work> {
        self.begin(Call::Pull(strict))
    }

    /// The same, at once.
    #[napi]
    pub fn pull_sync(&self, strict: bool) -> Answer {
        make(&self.0, &mut Call::Pull(strict))
    }

    /// Opens the vault anew, at once.
    #[napi]
    pub fn reload_sync(&self) -> Answer {
        make(&self.0, &mut Call::Reload)
    }

    /// Stores a value, or changes what is known of one.
    #[napi]
    pub fn set(&self, path: String, value: Option<Buffer>, wishes: Wishes) -> AsyncTask<Work> {
        let value = value.map(|value| SecretBytes::new(value.to_vec()));
        self.begin(Call::Set(path, Wanted { value, wishes }))
    }

    /// Removes a secret.
    #[napi]
    pub fn remove(&self, path: String) -> AsyncTask<Work> {
        self.begin(Call::Remove(path))
    }

    /// Lets an agent read a group.
    #[napi]
    pub fn grant(&self, agent: String, group: String, create: bool, dry_run: bool) -> AsyncTask<Work> {
        self.begin(Call::Grant(agent, group, create, dry_run))
    }

    /// Takes a group from an agent, or one secret that it was granted beyond its groups.
    #[napi]
    pub fn revoke(
        &self,
        agent: String,
        group: Option<String>,
        secret: Option<String>,
        dry_run: bool,
    ) -> AsyncTask<Work> {
        self.begin(Call::Revoke(agent, group, secret, dry_run))
    }
}

/// A number of seconds from JavaScript.
fn seconds(number: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(number).map_err(|_| Error::Usage {
        message: format!("maxAge is {number}"),
        hint: "give a number of seconds, 0 or more".into(),
    })
}
