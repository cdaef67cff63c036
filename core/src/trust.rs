//! What this machine remembers of vaults outside their repositories, and the one decision that rests on it:
//! is this the vault that is known here? (format: "What a machine remembers outside the repo")

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::home::{self, Home};
use crate::identity::KeyHints;
use crate::name::SecretPath;
use crate::root::{Owner, Root, VaultId};
use crate::signing::VerifyingKey;
use crate::yaml::{self, Document, Renderer};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The last root of a vault that was verified here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    version: u32,
    /// The vault.
    pub vault: VaultId,
    /// The key that signed root 1: whose fingerprint people compare.
    pub first_signer: VerifyingKey,
    /// The root's number.
    pub root: u64,
    /// The root's digest.
    pub digest: Digest,
    /// The root's owners.
    pub owners: Vec<Owner>,
}

impl Pin {
    /// The pin of a verified root.
    pub(crate) fn new(vault: VaultId, first_signer: VerifyingKey, root: &Root, digest: Digest) -> Self {
        Self { version: 1, vault, first_signer, root: root.root, digest, owners: root.owners.clone() }
    }

    /// Fingerprint of the key that signed root 1.
    pub fn fingerprint(&self) -> String {
        self.first_signer.fingerprint()
    }
}

impl Document for Pin {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("version", self.version);
        out.field("vault", self.vault);
        out.field("first_signer", &self.first_signer);
        out.literal("root", self.root);
        out.field("digest", self.digest);
        out.maps("owners", self.owners.iter().map(Owner::line));
        out.finish()
    }
}

/// Which vault a working copy held when it was last used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The vault's folder.
    pub path: String,
    /// The vault.
    pub vault: VaultId,
}

impl Document for Place {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.field("path", &self.path);
        out.field("vault", self.vault);
        out.finish()
    }
}

/// The newest state of one secret that was read or written here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    pub name: SecretPath,
    pub revision: u64,
    /// Of the `.meta` or `.gone` file.
    pub digest: Digest,
}

impl Document for Seen {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.field("name", &self.name);
        out.literal("revision", self.revision);
        out.field("digest", self.digest);
        out.finish()
    }
}

/// The last state of a working copy that was written or verified whole here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    pub serial: u64,
    /// Of the manifest's file.
    pub manifest: Digest,
    /// The vault's tree in Git.
    pub tree: String,
}

impl Document for Mark {
    fn render(&self) -> String {
        let mut out = Renderer::default();
        out.literal("serial", self.serial);
        out.field("manifest", self.manifest);
        out.field("tree", &self.tree);
        out.finish()
    }
}

/// How what was found relates to what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// Newer, or never seen: remember it.
    Newer,
    /// The same bytes.
    Same,
    /// Lower number.
    Older,
    /// Same number, other bytes.
    Forked,
}

/// Pure: compares a document with what was seen of it.
pub(crate) fn age(seen: Option<&Seen>, found: &Seen) -> Age {
    match seen {
        None => Age::Newer,
        Some(seen) if found.revision > seen.revision => Age::Newer,
        Some(seen) if found.revision < seen.revision => Age::Older,
        Some(seen) if found.digest == seen.digest => Age::Same,
        Some(_) => Age::Forked,
    }
}

/// What is known before a vault is looked at.
#[derive(Debug, Default)]
pub(crate) struct Knowledge<'a> {
    /// The vault that this working copy held.
    pub place: Option<VaultId>,
    /// What the identity's file says.
    pub hints: Option<&'a KeyHints>,
    /// `AGENT_VAULT_OWNER`.
    pub expected: Option<&'a str>,
    /// Whether the vault's id is pinned.
    pub pinned: bool,
    /// Whether the identity proves to be the owner who signed root 1: yes, no (a forged claim), or nothing to say.
    pub proof: Option<bool>,
}

/// Pure: whether the vault `id`, whose root 1 was signed by the key with `fingerprint`, is the known one.
/// `Ok(false)` is first contact; `Err` says what contradicts what.
pub(crate) fn judge(id: VaultId, fingerprint: &str, known: &Knowledge<'_>) -> Result<bool, String> {
    if let Some(place) = known.place
        && place != id
    {
        return Err(format!(
            "this working copy held vault {place}, and now holds another one ({id}, owner {fingerprint})"
        ));
    }
    if let Some(expected) = known.expected
        && expected != fingerprint
    {
        return Err(format!("the owner is {fingerprint}, and AGENT_VAULT_OWNER expects {expected}"));
    }
    // An owner's key may serve several vaults: its comments recommend one, and forbid none.
    if let Some(hints) = known.hints.filter(|hints| hints.agent.is_some()) {
        if let Some(vault) = hints.vault.filter(|vault| *vault != id) {
            return Err(format!(
                "your key was made for vault {vault}, and this is another one ({id}, owner {fingerprint})"
            ));
        }
        if let Some(owner) = hints.owner.as_deref().filter(|owner| *owner != fingerprint) {
            return Err(format!("your key was made by owner {owner}, and this vault's owner is {fingerprint}"));
        }
    }
    if known.proof == Some(false) && !known.pinned {
        return Err("it names your key as its owner's, but the proof that you made it is missing or false".into());
    }
    let hinted = known.hints.is_some_and(|hints| hints.vault == Some(id));
    Ok(known.pinned || known.place.is_some() || known.expected.is_some() || known.proof == Some(true) || hinted)
}

/// Pure: why a vault without signatures is not the known one; `None` when nothing is known.
pub(crate) fn judge_unsigned(known: &Knowledge<'_>) -> Option<String> {
    if let Some(place) = known.place {
        return Some(format!("this working copy held vault {place}, and its roots and signatures are gone"));
    }
    if let Some(expected) = known.expected {
        return Some(format!("nobody signed it, and AGENT_VAULT_OWNER expects {expected}"));
    }
    let vault = known.hints.filter(|hints| hints.agent.is_some())?.vault?;
    Some(format!("your key was made for vault {vault}, and nobody signed this one"))
}

/// The memory itself: files of their own, written only when something rises.
pub(crate) struct Memory<'a> {
    home: &'a Home,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(home: &'a Home) -> Self {
        Self { home }
    }

    fn pin_file(&self, vault: VaultId) -> PathBuf {
        self.home.vault(vault).join("pin.yaml")
    }

    pub(crate) fn pin(&self, vault: VaultId) -> Result<Option<Pin>> {
        let file = self.pin_file(vault);
        let pin: Option<Pin> = load(&file)?;
        match pin {
            Some(pin) if pin.vault != vault => Err(Error::corrupt(file, "it is the pin of another vault")),
            other => Ok(other),
        }
    }

    pub(crate) fn set_pin(&self, pin: &Pin) -> Result<()> {
        home::replace_private(&self.pin_file(pin.vault), pin.render().as_bytes(), true)
    }

    pub(crate) fn place(&self, vault_dir: &Path) -> Result<Option<VaultId>> {
        Ok(load::<Place>(&self.home.place(vault_dir))?.map(|place| place.vault))
    }

    pub(crate) fn set_place(&self, vault_dir: &Path, vault: VaultId) -> Result<()> {
        let path: String = vault_dir.to_string_lossy().chars().filter(|c| yaml::is_plain(*c)).collect();
        home::replace_private(&self.home.place(vault_dir), Place { path, vault }.render().as_bytes(), true)
    }

    /// Every working copy that is remembered.
    pub(crate) fn places(&self) -> Vec<Place> {
        let entries = std::fs::read_dir(self.home.places()).into_iter().flatten().flatten();
        let mut places: Vec<Place> = entries.filter_map(|entry| load(&entry.path()).ok().flatten()).collect();
        places.sort_by(|a, b| a.path.cmp(&b.path));
        places
    }

    fn mark_file(&self, vault: VaultId, vault_dir: &Path) -> PathBuf {
        self.home.vault(vault).join("marks").join(Digest::of(vault_dir.as_os_str().as_encoded_bytes()).hex())
    }

    pub(crate) fn mark(&self, vault: VaultId, vault_dir: &Path) -> Result<Option<Mark>> {
        load_unflushed(&self.mark_file(vault, vault_dir))
    }

    pub(crate) fn set_mark(&self, vault: VaultId, vault_dir: &Path, mark: &Mark) -> Result<()> {
        home::replace_private(&self.mark_file(vault, vault_dir), mark.render().as_bytes(), false)
    }

    /// Refuses a manifest older than, or forked from, the one last seen in this working copy; remembers a newer one.
    pub(crate) fn check_mark(
        &self,
        vault: VaultId,
        vault_dir: &Path,
        serial: u64,
        manifest: Digest,
        file: &Path,
        allow_old: bool,
    ) -> Result<()> {
        let mark = self.mark(vault, vault_dir)?;
        match mark.as_ref().map(|mark| (mark.serial, mark.manifest)) {
            Some((seen, _)) if serial < seen && !allow_old => {
                Err(Error::Rollback { file: file.into(), found: serial, seen })
            }
            Some((seen, digest)) if serial == seen && manifest != digest && !allow_old => {
                Err(Error::Diverged { file: file.into(), revision: serial })
            }
            Some((seen, _)) if serial <= seen => Ok(()),
            // The tree around it was not verified by this. A home that cannot be written forgets, and reading goes on.
            _ => {
                let _ = self.set_mark(vault, vault_dir, &Mark { serial, manifest, tree: String::new() });
                Ok(())
            }
        }
    }

    fn seen_file(&self, vault: VaultId, path: &SecretPath) -> PathBuf {
        self.home.vault(vault).join("seen").join(Digest::of(path.as_str().as_bytes()).hex())
    }

    pub(crate) fn seen(&self, vault: VaultId, path: &SecretPath) -> Result<Option<Seen>> {
        load_unflushed(&self.seen_file(vault, path))
    }

    /// Every secret that was seen of a vault.
    pub(crate) fn all_seen(&self, vault: VaultId) -> Result<Vec<Seen>> {
        let entries = std::fs::read_dir(self.home.vault(vault).join("seen")).into_iter().flatten().flatten();
        let files = entries.filter(|entry| entry.file_name().len() == 64).map(|entry| entry.path());
        files.filter_map(|file| load_unflushed(&file).transpose()).collect()
    }

    /// Remembers a state of a secret, if it is newer than what was seen. Not flushed to disk: a lost mark is a fresh
    /// machine's view, never a wrong one.
    pub(crate) fn raise_seen(&self, vault: VaultId, found: &Seen) -> Result<()> {
        match age(self.seen(vault, &found.name)?.as_ref(), found) {
            Age::Newer => home::replace_private(&self.seen_file(vault, &found.name), found.render().as_bytes(), false),
            _ => Ok(()),
        }
    }
}

/// A vault that is remembered in a home, and the working copies it was seen in.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Its pinned root.
    pub pin: Pin,
    /// The vault folders of its working copies.
    pub places: Vec<String>,
}

/// Every vault that is remembered in a home.
///
/// # Errors
/// [`Error::Corrupt`] for a damaged pin, [`Error::Io`].
pub fn remembered(home: &Home) -> Result<Vec<Remembered>> {
    let memory = Memory::new(home);
    let places = memory.places();
    let mut found = Vec::new();
    for vault in home.vaults() {
        if let Some(pin) = memory.pin(vault)? {
            let places = places.iter().filter(|place| place.vault == vault).map(|place| place.path.clone()).collect();
            found.push(Remembered { pin, places });
        }
    }
    Ok(found)
}

/// Forgets a vault: its pin, everything seen of it, and the working copies it was in.
///
/// # Errors
/// [`Error::Io`].
pub fn forget_vault(home: &Home, vault: VaultId) -> Result<()> {
    for entry in std::fs::read_dir(home.places()).into_iter().flatten().flatten() {
        if load::<Place>(&entry.path()).ok().flatten().is_some_and(|place| place.vault == vault) {
            remove(&entry.path())?;
        }
    }
    let dir = home.vault(vault);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: dir, source: error })
        }
        _ => Ok(()),
    }
}

/// Reads a small document of this machine's own; a damaged one is an error, never "nothing known".
fn load<D: Document>(file: &Path) -> Result<Option<D>> {
    match std::fs::read(file) {
        Ok(bytes) => yaml::parse(&bytes).map(Some).map_err(|reason| Error::corrupt(file, reason)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Io { action: "read", path: file.into(), source: error }),
    }
}

/// The same for what is written without a flush: a power cut may leave an empty file, which is a fresh machine's view.
fn load_unflushed<D: Document>(file: &Path) -> Result<Option<D>> {
    match file.metadata() {
        Ok(metadata) if metadata.len() == 0 => Ok(None),
        _ => load(file),
    }
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: file.into(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> VaultId {
        VaultId::of(text.as_bytes())
    }

    #[test]
    fn a7_another_vault_is_refused_wherever_anything_is_known() {
        let (ours, theirs) = (id("ours"), id("theirs"));
        let hints = KeyHints { vault: Some(ours), owner: Some("SHA256:me".into()), agent: Some("ci".parse().unwrap()) };
        let refused = |known: Knowledge<'_>| judge(theirs, "SHA256:them", &known).is_err();
        assert!(refused(Knowledge { place: Some(ours), ..Default::default() }));
        assert!(refused(Knowledge { expected: Some("SHA256:me"), ..Default::default() }));
        assert!(refused(Knowledge { hints: Some(&hints), ..Default::default() }));
        assert!(refused(Knowledge { proof: Some(false), ..Default::default() }));
        let owner_only = KeyHints { vault: None, ..hints.clone() };
        assert!(refused(Knowledge { hints: Some(&owner_only), ..Default::default() }));
    }

    #[test]
    fn the_known_vault_is_trusted_and_a_new_one_is_first_contact() {
        let ours = id("ours");
        let hints = KeyHints { vault: Some(ours), owner: None, agent: None };
        assert_eq!(judge(ours, "f", &Knowledge::default()), Ok(false));
        for known in [
            Knowledge { place: Some(ours), ..Default::default() },
            Knowledge { pinned: true, ..Default::default() },
            Knowledge { expected: Some("f"), ..Default::default() },
            Knowledge { hints: Some(&hints), ..Default::default() },
            Knowledge { proof: Some(true), ..Default::default() },
        ] {
            assert_eq!(judge(ours, "f", &known), Ok(true));
        }
        // An owner's key that was first used elsewhere forbids nothing here.
        assert_eq!(judge(id("second"), "f", &Knowledge { hints: Some(&hints), ..Default::default() }), Ok(false));
    }

    #[test]
    fn an_empty_memory_is_none_and_a_damaged_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_path_buf());
        let (memory, vault, path) = (Memory::new(&home), id("ours"), "a/b".parse().unwrap());
        let found = Seen { name: "a/b".parse().unwrap(), revision: 2, digest: Digest::of(b"x") };
        memory.raise_seen(vault, &found).unwrap();
        let file = memory.seen_file(vault, &path);
        std::fs::write(&file, "").unwrap();
        assert!(memory.seen(vault, &path).unwrap().is_none());
        memory.raise_seen(vault, &found).unwrap();
        assert_eq!(memory.seen(vault, &path).unwrap().unwrap().revision, 2);
        std::fs::write(&file, "\0\0\0").unwrap();
        assert!(matches!(memory.seen(vault, &path), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn older_and_forked_states_are_told_apart() {
        let at =
            |revision, text: &str| Seen { name: "a/b".parse().unwrap(), revision, digest: Digest::of(text.as_bytes()) };
        assert_eq!(age(None, &at(1, "a")), Age::Newer);
        assert_eq!(age(Some(&at(1, "a")), &at(2, "b")), Age::Newer);
        assert_eq!(age(Some(&at(2, "b")), &at(2, "b")), Age::Same);
        assert_eq!(age(Some(&at(2, "b")), &at(1, "a")), Age::Older);
        assert_eq!(age(Some(&at(2, "b")), &at(2, "c")), Age::Forked);
    }
}
