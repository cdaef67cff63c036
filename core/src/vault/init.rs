//! `init`: a new vault in a Git repository.

use super::founding::Founding;
use super::{Context, Vault, is_home};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::home;
use crate::identity::{Identities, KeyHints};
use crate::layout;
use crate::manifest::Manifest;
use crate::name::OwnerName;
use crate::repo::Repo;
use crate::root::VaultId;
use crate::txn::{Txn, Wait};
use std::path::{Path, PathBuf};

/// What `init` did.
pub struct Initialised {
    /// The new vault, opened.
    pub vault: Vault,
    /// Whether a Git repository was made for it.
    pub created_repository: bool,
    /// The owner's key file.
    pub owner_key: PathBuf,
    /// Whether that key was made now, or was there before.
    pub created_key: bool,
    /// Whether Git knows an author; else commits carry the owner's name.
    pub has_author: bool,
    /// The commit.
    pub commit: String,
}

/// What was made so far, to be unmade when a later step fails.
#[derive(Default)]
struct Undo {
    key: Option<PathBuf>,
    vault: Option<PathBuf>,
    repository: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(file) = &self.key {
            let _ = std::fs::remove_file(file);
        }
        if let Some(dir) = &self.vault {
            let _ = std::fs::remove_dir_all(dir);
        }
        // A vault that another `init` made meanwhile needs the repository.
        if let Some(dir) = self.repository.as_ref().filter(|dir| !dir.with_file_name(layout::FOLDER).exists()) {
            let _ = std::fs::remove_dir_all(dir);
        }
        for dir in self.folders.iter().rev() {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

impl Undo {
    /// Nothing will be unmade.
    fn keep(mut self) {
        (self.key, self.vault, self.repository) = (None, None, None);
        self.folders.clear();
    }

    /// Makes `dir` and what is missing above it.
    fn make_folders(&mut self, dir: &Path) -> Result<()> {
        self.note_missing(dir);
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))
    }

    /// What of `dir` is not there yet will be made from here on.
    fn note_missing(&mut self, dir: &Path) {
        let missing = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
        missing.reverse();
        self.folders.append(&mut missing);
    }
}

/// Creates a vault in `dir`, in the repository around it or in a new one, with the home's owner key or a new one.
/// When a step fails, nothing of it stays. `before_repository` is called before a repository is made.
///
/// # Errors
/// [`Error::Exists`] when there is a vault; [`Error::KeyUnusable`] or [`Error::Locked`] for an existing owner key that
/// cannot be used; and those of every write.
pub fn init(
    dir: &Path,
    owner: Option<OwnerName>,
    context: Context,
    before_repository: &dyn Fn(&Path),
) -> Result<Initialised> {
    let mut undo = Undo::default();
    undo.make_folders(dir)?;
    let dir = dir.canonicalize().map_err(Error::io("find", dir))?;
    let vault_dir = dir.join(layout::FOLDER);
    if is_home(&vault_dir, &context.home) {
        return Err(Error::Conflict {
            message: format!("{} is agent-vault's own folder for keys and memory", vault_dir.display()),
            hint: "create the vault in another folder, such as a repository".into(),
        });
    }
    if vault_dir.symlink_metadata().is_ok() {
        let detail = "open it with any other command".to_string();
        return Err(Error::Exists { what: "vault", name: vault_dir.display().to_string(), detail });
    }
    let created_repository = !Repo::exists_around(&dir)?;
    if created_repository {
        before_repository(&dir);
        undo.repository = Some(dir.join(".git"));
        Repo::create(&dir)?;
    }
    let repo = Repo::open(&vault_dir)?;
    repo.check_idle()?;
    let has_author = repo.has_author();
    let owner = owner.unwrap_or_else(|| owner_name(&repo));

    let key_file = context.home.owner_key();
    let created_key = key_file.symlink_metadata().is_err();
    let identities =
        if created_key { Identities::generate() } else { Identities::from_file(&key_file, &context.prompt)? };
    let recipient = identities.recipients().next().cloned().ok_or_else(|| Error::KeyUnusable {
        origin: key_file.display().to_string(),
        reason: "its public key is not known: add a line `# public key: age1…` above it".into(),
    })?;

    let founding = Founding::new(owner, &identities, &recipient)?;
    let manifest = Manifest::first(founding.id, &founding.root);

    std::fs::create_dir(&vault_dir).map_err(Error::io("create", &vault_dir))?;
    undo.vault = Some(vault_dir.clone());
    let folder = Folder::open(&vault_dir)?;
    if created_key {
        let hints = KeyHints { vault: Some(founding.id), owner: Some(founding.fingerprint()), agent: None };
        undo.note_missing(context.home.dir());
        home::create_private(&key_file, identities.to_key_file(&hints).expose())?;
        undo.key = Some(key_file.clone());
    }
    let (mut txn, _) = Txn::begin(&folder, repo, Wait::default())?;
    founding.stage(&txn.stage(), &manifest, &context.prompt)?;
    let commit = match founding.commit(&mut txn, "create the vault") {
        // The commit is made: what it needs must stay.
        Err(error @ Error::Unfinished { .. }) => {
            undo.keep();
            return Err(error);
        }
        other => other?,
    };
    drop(txn);
    undo.keep();

    let vault = founding.settle(folder, vault_dir, context, commit, &manifest, "init")?;
    Ok(Initialised {
        vault,
        created_repository,
        owner_key: key_file,
        created_key,
        has_author,
        commit: commit.to_string(),
    })
}

/// `config.yaml`: what 0.1.0 wants to see, and the id as a hint. Nothing rests on it.
pub(crate) fn config(id: VaultId) -> String {
    format!("version: 1\nencryption: {{format: age}}\nvault: {}\n", crate::yaml::scalar(&id.to_string()))
}

/// A name made of Git's `user.name` (`Eric Müller` becomes `eric`), else `owner`.
pub(super) fn owner_name(repo: &Repo) -> OwnerName {
    let user = repo.user_name().unwrap_or_default().to_lowercase();
    let first = user.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| !word.is_empty()).unwrap_or("owner");
    OwnerName::parse(first)
        .or_else(|_| OwnerName::parse("owner"))
        .unwrap_or_else(|_| unreachable!("a constant name is valid"))
}
