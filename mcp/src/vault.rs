//! The vault that is served. It is opened at the first call that needs it, and anew as long as that fails: a server that
//! was started too early, or without a key, says so in each answer, and works when the reason is gone.

use crate::options::Options;
use agent_vault_core::audit::Log;
use agent_vault_core::prompt::Nobody;
use agent_vault_core::purpose::{Program, Purpose};
use agent_vault_core::{Context, Error, Identities, Result, SecretBytes, SecretPath, VaultAlias};
use agent_vault_deliver::mask::SHORTEST_LINE;
use agent_vault_deliver::resolve::{self, Read};
use agent_vault_deliver::{Reader, Vaults};
use agent_vault_open::words::one_line;
use agent_vault_open::{Found, Key, Message, Opening, surroundings};
use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What is served, whether or not it can be opened.
pub struct Place {
    repo: PathBuf,
    key: Option<PathBuf>,
    log: Arc<Log>,
    open: Mutex<Option<Arc<Open>>>,
}

/// An opened vault.
pub struct Open {
    opening: Opening,
    found: Found,
    identities: Option<Arc<Identities>>,
    /// What the key's file holds, line by line: masked in what programs print.
    own: Vec<SecretBytes>,
}

impl Place {
    /// The vault of these options.
    pub fn new(options: &Options) -> Self {
        let Options { repo, key, .. } = options;
        Self { repo: repo.clone(), key: key.clone(), log: Arc::default(), open: Mutex::default() }
    }

    /// Says in the log for whom this process works from now on.
    pub fn work_for(&self, client: &str) {
        self.log.work_for(Some(client));
    }

    /// The vault.
    ///
    /// # Errors
    /// As [`Opening::any_vault`], each time until there is one.
    pub fn open(&self) -> Result<Arc<Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        let made = Arc::new(self.make()?);
        // Without a key it is looked for again with the next call.
        if made.identities.is_some() {
            *open = Some(made.clone());
        }
        Ok(made)
    }

    fn make(&self) -> Result<Open> {
        let context = surroundings::context(&look, Arc::new(Nobody), false)?;
        let context = Context { audit: self.log.clone(), ..context };
        let key = match &self.key {
            Some(file) => Key::File(file.clone()),
            None => Key::Unnamed { variable: look("AGENT_VAULT_KEY") },
        };
        let opening = Opening::new(context, &self.repo, key, Arc::new(tell))?;
        let identities = opening.identities_if_any()?.map(Arc::new);
        let found = opening.any_vault(identities.as_deref())?;
        let own = self.own(&opening);
        Ok(Open { opening, found, identities, own })
    }

    /// The lines of the key, wherever it is from; none where that cannot be read.
    fn own(&self, opening: &Opening) -> Vec<SecretBytes> {
        let variable = look("AGENT_VAULT_KEY").filter(|text| !text.is_empty());
        let text = match (&self.key, variable) {
            (Some(file), _) => std::fs::read(file),
            (None, Some(text)) => std::fs::read(&text).or_else(|_| Ok(text.into_encoded_bytes())),
            (None, None) => std::fs::read(opening.context.home.owner_key()),
        };
        let text = SecretBytes::new(text.unwrap_or_default());
        let lines = text.expose().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines =
            lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with(b"#") && !line.starts_with(b"-----"));
        lines.map(|line| SecretBytes::new(line.to_vec())).collect()
    }
}

impl Open {
    /// The vault as it is found here, looked at as often as this machine is set to.
    ///
    /// # Errors
    /// As [`Opening::freshen`].
    pub fn fresh(&self) -> Result<&Found> {
        if let Found::Signed(vault) = &self.found {
            self.opening.freshen(vault, false)?;
        }
        Ok(&self.found)
    }

    /// The key.
    ///
    /// # Errors
    /// As [`Opening::identities`].
    pub fn identities(&self) -> Result<Arc<Identities>> {
        match &self.identities {
            Some(identities) => Ok(identities.clone()),
            None => self.opening.identities().map(Arc::new),
        }
    }

    /// Does something that stands in the log under a name of its own, where the vault has a log for that.
    ///
    /// # Errors
    /// Those of `work`, and as [`agent_vault_core::Vault::recorded`].
    pub fn recorded<T>(
        &self,
        operation: &'static str,
        path: Option<&SecretPath>,
        subject: Option<&str>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        match &self.found {
            Found::Signed(vault) => vault.recorded(operation, path, subject, work),
            Found::Old(_) => work(),
        }
    }

    /// Has the log say that something was refused; the error to be told.
    pub fn refused(&self, operation: &'static str, path: Option<&SecretPath>, error: Error) -> Error {
        match self.recorded::<Infallible>(operation, path, None, || Err(error)) {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    /// What the key is made of, to be masked.
    pub fn own(&self) -> &[SecretBytes] {
        &self.own
    }

    /// The time, by this machine's clock.
    pub fn now(&self) -> agent_vault_core::Timestamp {
        (self.opening.context.clock)()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Found::Signed(vault) = &self.found {
            self.opening.tell(vault);
        }
    }
}

/// A variable of this process.
fn look(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// What should be heard of goes to standard error, which clients keep as the server's log.
fn tell(message: Message) {
    let word = if matches!(message, Message::Note(_)) { "note" } else { "warning" };
    eprintln!("{word}: {}", one_line(message.text()));
}

/// The vault, for values that a program gets. Other vaults that this machine knows are not the model's to name.
pub struct For<'o> {
    /// The vault.
    pub open: &'o Open,
    /// The keys to read it with.
    pub identities: Arc<Identities>,
    /// Who gets what is read.
    pub program: &'o Program,
}

impl Vaults for For<'_> {
    fn knows(&self, _alias: &VaultAlias) -> bool {
        false
    }

    fn open(&self, alias: Option<&VaultAlias>) -> Result<Box<dyn Reader + '_>> {
        match alias {
            None => Ok(Box::new(Here(self))),
            Some(alias) => Err(Error::Usage {
                message: format!("this server serves one vault, and {alias} is another"),
                hint: "name a secret of this one, such as av://group/name".into(),
            }),
        }
    }
}

struct Here<'f>(&'f For<'f>);

impl Reader for Here<'_> {
    fn read(&self, path: &SecretPath) -> Result<Read> {
        let For { open, identities, program } = self.0;
        open.found.read(path, identities, Purpose::Run(program))
    }

    fn has_below(&self, segment: &str) -> bool {
        let found = &self.0.open.found;
        resolve::has_below(found.dir(), found.context(), segment)
    }
}
