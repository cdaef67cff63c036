//! `rotate-owner`: an owner's own keys, both of them, replaced.
//!
//! The new key must be safe before anything is encrypted to it, and the old one must stay: history and other vaults open
//! with nothing else. So the home's `owner.key` comes to hold both, the new one first, durably, before the commit. Killed
//! at any moment, it opens the vault as it is.

use super::super::agents::{first_recipient, require_nobodys};
use super::super::{Owner, Progress};
use super::{OwnersChange, public_key_of};
use crate::card::NewOwner;
use crate::error::{Error, Result};
use crate::home::{self, Home};
use crate::identity::{Identities, KeyHints, is_list_of_keys, read_key_file};
use crate::layout;
use crate::prompt::Prompt;
use crate::recipient::Recipient;
use crate::secret::SecretBytes;
use crate::vault::recorded::Act;
use crate::vault::session::Session;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What `rotate-owner` did, or would do.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// What changed in the vault.
    pub owners: OwnersChange,
    /// The owner's new public key.
    pub public_key: Recipient,
    /// Fingerprint of the owner's new signing key.
    pub fingerprint: String,
    /// The file that holds the new key beside the old one; `None` when the owner brought a key.
    pub file: Option<PathBuf>,
}

impl Owner<'_> {
    /// Gives the owner at work a new signing key, and a new age key: the one of `given`, or else one that is made and put
    /// into the home's `owner.key`, before the one that is there.
    ///
    /// # Errors
    /// [`Error::Usage`] when nothing is given and `owner.key` is not a plain file with this owner's key in it;
    /// [`Error::Exists`] for a key that somebody has; and those of every write.
    pub fn rotate_owner(&self, given: Option<&Identities>, dry_run: bool, progress: Progress<'_>) -> Result<Rotated> {
        self.write(Act::about("rotate-owner", Some(&self.name)), |session| {
            self.reseat(session, given, dry_run, progress)
        })
    }

    fn reseat(
        &self,
        mut session: Session<'_>,
        given: Option<&Identities>,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<Rotated> {
        let (home, prompt) = (&self.vault.context.home, &self.vault.context.prompt);
        let mut owners = session.root.owners.clone();
        let Some(mine) = owners.iter_mut().find(|owner| owner.name == self.name) else {
            return Err(Error::NotOwner { keys: self.identities.describe() });
        };
        let made = given.is_none().then(Identities::generate);
        let key_file = made.as_ref().map(|_| KeyFile::take(home, &mine.public_key, prompt)).transpose()?;
        let public_key = match (given, &made) {
            (Some(given), _) => public_key_of(given)?.clone(),
            (None, Some(made)) => first_recipient(made),
            (None, None) => unreachable!("without a given key one is made"),
        };
        require_nobodys(&public_key, &session.root, &session.manifest)?;
        let Some(identities) = given.or(made.as_ref()) else { unreachable!("one of the two is there") };
        let new = NewOwner::new(self.name.clone(), identities, &public_key)?;
        let (fingerprint, escrow) = (new.signing.verifying_key().fingerprint(), new.escrow(prompt)?);
        *mine = new.owner;
        session.put_root(owners, Some(new.signing))?;
        session.put(&layout::signing_key(&self.name), &escrow)?;
        // The last thing before the commit. It is never taken back: whether a commit that failed is there after all, only the
        // next command finds out.
        let keep = || match (&key_file, &made) {
            (Some(key_file), Some(made)) => key_file.put_first(made, &self.vault.owners_hints(), prompt),
            _ => Ok(()),
        };
        let owners = session.reseat(&format!("rotate owner {}", self.name), dry_run, progress, keep)?;
        Ok(Rotated { owners, public_key, fingerprint, file: key_file.map(|key_file| key_file.file) })
    }
}

/// The home's `owner.key`, which no other process changes meanwhile: it may be the key of several vaults.
struct KeyFile {
    file: PathBuf,
    before: SecretBytes,
    _lock: File,
}

impl KeyFile {
    /// Takes the file that holds the owner's key as it is.
    fn take(home: &Home, public_key: &Recipient, prompt: &Arc<dyn Prompt>) -> Result<Self> {
        let file = home.owner_key();
        let unfit = |reason: &str| Error::Usage {
            message: format!("{} {reason}, so a new key cannot be put into it", file.display()),
            hint: "make a key of your own and name its file: `agent-vault rotate-owner --new-key FILE`".into(),
        };
        if !file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(unfit("is not there, or no regular file"));
        }
        let lock = home.lock_owner_key()?;
        let before = read_key_file(&file)?;
        if !is_list_of_keys(before.expose()) {
            return Err(unfit("is locked with a passphrase, or is an SSH key"));
        }
        let keys = Identities::from_bytes(SecretBytes::new(before.expose().to_vec()), "owner.key", prompt)?;
        if !keys.recipients().any(|known| known == public_key) {
            return Err(unfit("does not hold the key that you are an owner with"));
        }
        Ok(Self { file, before, _lock: lock })
    }

    /// Puts a key before those that are there: the first one is what new vaults are made with.
    fn put_first(&self, key: &Identities, hints: &KeyHints, prompt: &Arc<dyn Prompt>) -> Result<()> {
        let new = key.to_key_file(hints);
        let mut text = Zeroizing::new(Vec::with_capacity(new.len() + 1 + self.before.len()));
        text.extend_from_slice(new.expose());
        text.push(b'\n');
        text.extend_from_slice(self.before.expose());
        // What will be read later is what counts: both keys, the new one first.
        let both = Identities::from_bytes(SecretBytes::new(text.to_vec()), "owner.key", prompt)?;
        if both.recipients().next() != key.recipients().next() {
            return Err(Error::corrupt(&self.file, "a new key in it would not be found"));
        }
        home::replace_private(&self.file, &text, true)?;
        // The commit that follows outlives a power cut, and so must the name of what opens it.
        home::sync_folder_of(&self.file).map_err(Error::io("flush", &self.file))
    }
}
