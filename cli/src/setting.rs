//! The program's surroundings, read once: environment, home, terminal. The core sees none of them directly.

use crate::app::App;
use crate::output;
use crate::terminal::Terminal;
use agent_vault_core::prompt::{Nobody, Prompt};
use agent_vault_core::settings::Settings;
use agent_vault_core::vault::{self, Fresh, Freshness, Notice};
use agent_vault_core::{Context, Error, FirstContact, Home, Identities, OldVault, Result, Vault};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A vault of either kind, for commands that only read.
pub enum Found {
    /// One that an owner signed.
    Signed(Vault),
    /// One of agent-vault 0.1.0.
    Old(OldVault),
}

/// What every command starts from.
pub struct Setting {
    /// Where to look for the vault.
    pub dir: PathBuf,
    /// The core's context.
    pub context: Context,
    /// Whether that is a cached clone.
    is_cached: bool,
    /// `--key`.
    key: Option<PathBuf>,
}

impl Setting {
    /// Reads options and environment.
    pub fn new(app: &App) -> Result<Self> {
        output::set_quiet(app.common.quiet);
        let mut context = Context::new(Home::new(home()?));
        context.prompt = Arc::new(Terminal);
        context.expected_owner = variable("AGENT_VAULT_OWNER")?.filter(|owner| !owner.is_empty());
        context.first_contact = match variable("AGENT_VAULT_TRUST")?.as_deref() {
            Some("strict") => FirstContact::Refuse,
            None | Some("") if Terminal::is_there() => FirstContact::Ask,
            None | Some("") => FirstContact::Accept,
            Some(other) => {
                return Err(Error::Usage {
                    message: format!("AGENT_VAULT_TRUST is {:?}", agent_vault_core::error::printable(other)),
                    hint: "set it to `strict`, or unset it".into(),
                });
            }
        };
        let named = app.common.vault.clone().unwrap_or_else(|| PathBuf::from("."));
        let (dir, is_cached) = place(&context, &named)?;
        Ok(Self { dir, is_cached, context, key: app.common.key.clone() })
    }

    /// The same for another vault, which is named as `--vault` names one. Whom to expect as its owner is not known:
    /// `AGENT_VAULT_OWNER` is about the vault here.
    ///
    /// # Errors
    /// As [`vault::cached`].
    pub fn elsewhere(&self, named: &str) -> Result<Self> {
        let context = Context { expected_owner: None, ..self.context.clone() };
        let (dir, is_cached) = place(&context, Path::new(named))?;
        Ok(Self { dir, is_cached, context, key: self.key.clone() })
    }

    /// Looks at the remote, if it is time to: `sync.max_age` after the last look of any process here.
    pub fn freshen(&self, vault: &Vault, force: bool) -> Result<()> {
        let settings = Settings::load(&self.context.home)?;
        let freshness = Freshness {
            max_age: settings.max_age.duration(),
            limit: settings.fetch_timeout.duration(),
            force,
            whole: self.is_cached,
        };
        if let Fresh::Failed(error) = vault.freshen(&freshness)? {
            output::warn(&format!("{error}; this is what is known here"));
        }
        Ok(())
    }

    /// The identity to use.
    pub fn identities(&self) -> Result<Identities> {
        self.identities_with(&self.context.prompt)
    }

    /// The identity to use, if it opens without a question.
    pub fn identities_without_asking(&self) -> Result<Identities> {
        self.identities_with(&(Arc::new(Nobody) as Arc<dyn Prompt>))
    }

    fn identities_with(&self, prompt: &Arc<dyn Prompt>) -> Result<Identities> {
        let variable = std::env::var_os("AGENT_VAULT_KEY");
        Identities::resolve(self.key.as_deref(), variable.as_deref(), &self.context.home, prompt)
    }

    /// The vault, opened with what an identity knows of it.
    pub fn vault(&self, identities: Option<&Identities>) -> Result<Vault> {
        let vault = Vault::open(&self.dir, self.context.clone(), identities)?;
        if self.is_cached {
            self.freshen(&vault, false)?;
        }
        tell(&vault);
        Ok(vault)
    }

    /// Vault and identity, for commands that only read: an absent key is no reason not to look.
    pub fn vault_to_look_at(&self) -> Result<Vault> {
        self.vault(self.identities_if_any()?.as_ref())
    }

    /// The same, and a vault of 0.1.0 is good enough.
    pub fn any_vault_to_look_at(&self) -> Result<Found> {
        self.any_vault(self.identities_if_any()?.as_ref())
    }

    /// A vault of either kind; one that nobody signed comes with a warning.
    pub fn any_vault(&self, identities: Option<&Identities>) -> Result<Found> {
        match self.vault(identities) {
            Err(Error::UnsignedVault { .. }) => {}
            signed => return signed.map(Found::Signed),
        }
        let old = OldVault::open(&self.dir, self.context.clone(), identities)?;
        output::warn(&format!(
            "{} is not signed: nothing in it can be verified; `agent-vault upgrade` signs it",
            pretty(old.dir())
        ));
        Ok(Found::Old(old))
    }

    fn identities_if_any(&self) -> Result<Option<Identities>> {
        match self.identities() {
            Ok(identities) => Ok(Some(identities)),
            Err(Error::NoKey { .. } | Error::Locked { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The folder that is meant, and whether it is the cached clone of an address.
fn place(context: &Context, named: &Path) -> Result<(PathBuf, bool)> {
    match named.to_str().filter(|text| vault::is_address(text) && !named.exists()) {
        Some(url) => Ok((vault::cached(&context.home, url, None)?, true)),
        None => Ok((named.to_path_buf(), false)),
    }
}

/// `AGENT_VAULT_HOME`, or `.agent-vault` in the user's home.
///
/// # Errors
/// [`Error::Usage`] where there is none.
pub fn home() -> Result<PathBuf> {
    match std::env::var_os("AGENT_VAULT_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(PathBuf::from(home)),
        None => std::env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .map(|home| home.join(".agent-vault"))
            .ok_or_else(|| Error::Usage {
                message: "there is no home directory".into(),
                hint: "set HOME or AGENT_VAULT_HOME".into(),
            }),
    }
}

/// A variable that must be text.
fn variable(name: &str) -> Result<Option<String>> {
    std::env::var_os(name)
        .map(|value| {
            value
                .into_string()
                .map_err(|_| Error::Usage { message: format!("{name} is not text"), hint: "set it anew".into() })
        })
        .transpose()
}

/// Tells what a person should hear of, once.
pub fn tell(vault: &Vault) {
    for notice in vault.take_notices() {
        match notice {
            Notice::FirstContact { fingerprint, .. } => output::warn(&format!(
                "this vault is new here; its owner's fingerprint is {fingerprint} (set AGENT_VAULT_OWNER={fingerprint} to expect it)"
            )),
            Notice::NotRemembered { reason } => {
                output::warn(&format!(
                    "what was seen could not be remembered, so a later rollback would go unnoticed: {reason}"
                ));
            }
            Notice::NotRecorded { reason } => {
                output::warn(&format!("the log does not say what is done here: {reason}"));
            }
            Notice::Finished { files } => {
                output::note(&format!("finished an interrupted change ({})", output::count(files, "file")))
            }
            Notice::SetAside { folder, reason } => output::warn(&format!(
                "an interrupted change was set aside because {reason}; look at {} and delete it",
                folder.display()
            )),
            Notice::Mended { secrets } => output::note(&format!(
                "{} encrypted anew: commits from elsewhere had changed who may read",
                output::count(secrets, "secret")
            )),
            Notice::Remerged { commit, remarks } => {
                output::note(&format!("what `git merge` made was merged anew by meaning ({})", output::short(&commit)));
                remarks.iter().for_each(|remark| output::warn(&crate::commands::remarked(remark)));
            }
            Notice::Ahead { path, commit } => output::note(&format!(
                "{path} was read from commit {}, which is newer than what is checked out here",
                output::short(&commit)
            )),
            Notice::OldState { path } => output::warn(&format!("{path}: an older state than one seen here")),
            other => output::note(&format!("{other:?}")),
        }
    }
}

/// A path as a person would type it: `~` for the home directory.
pub fn pretty(path: &Path) -> String {
    let home = std::env::home_dir().filter(|home| home.as_os_str().len() > 1);
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf)) {
        Some(rest) => output::one_line(&format!("~/{}", rest.display())),
        None => output::one_line(&path.display().to_string()),
    }
}
