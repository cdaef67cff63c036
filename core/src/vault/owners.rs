//! Owners: cards, add, remove, rotate. Each change is the next root, and with it everything that stands under a root is
//! encrypted, sealed and signed anew, in one commit.

use super::agents::require_nobodys;
use super::recorded::Act;
use super::session::Session;
use super::{AccessChange, Owner, Progress, Vault};
use crate::card::{Card, NewOwner};
use crate::error::{Error, Result};
use crate::escrow;
use crate::folder;
use crate::history::document::Doc;
use crate::home;
use crate::identity::{Identities, KeyHints};
use crate::layout::{self, Part, limit};
use crate::name::{AgentName, OwnerName, SecretPath, nearest};
use crate::policy::{self, Subject};
use crate::recipient::Recipient;
use crate::repo::Repo;
use crate::root::Root;
use crate::trust::Seen;
use std::collections::BTreeSet;
use std::path::PathBuf;

mod rotate;

pub use rotate::Rotated;

/// What a change of owners did, or would do.
#[derive(Debug, Clone)]
pub struct OwnersChange {
    /// The number of the new root.
    pub root: u64,
    /// Who gained and lost what, and the commit.
    pub change: AccessChange,
    /// The agents whose private keys lie in escrow. Whoever was an owner until now could take them out.
    pub escrowed: Vec<AgentName>,
}

/// A card that was just made.
pub struct MadeCard {
    /// What it says.
    pub card: Card,
    /// Its text.
    pub text: Vec<u8>,
    /// The home's `owner.key`, where that was made for it.
    pub created_key: Option<PathBuf>,
}

impl Vault {
    /// Makes the card of somebody who shall become an owner of this vault, with a new signing key in it. Without
    /// identities, the home gets an `owner.key`.
    ///
    /// # Errors
    /// [`Error::Exists`] for a name or key that is taken (an agent's key stays an agent's), or for a home that has an
    /// `owner.key` already; [`Error::KeyUnusable`] when no public key is known; and those of [`Vault::manifest`].
    pub fn make_card(&self, name: Option<OwnerName>, identities: Option<&Identities>) -> Result<MadeCard> {
        let (trusted, manifest) = (self.current()?, self.manifest()?);
        let name = match name {
            Some(name) => name,
            None => super::init::owner_name(&Repo::open(&self.dir)?),
        };
        let made = identities.is_none().then(Identities::generate);
        let (identities, created_key) = match (identities, &made) {
            (Some(given), _) => (given, None),
            (None, Some(made)) => (made, Some(self.context.home.owner_key())),
            (None, None) => unreachable!("without identities some are made"),
        };
        let public_key = public_key_of(identities)?;
        require_free(&name, &trusted.root)?;
        require_nobodys(public_key, &trusted.root, &manifest)?;
        let text = NewOwner::new(name, identities, public_key)?.card(self.id, &self.context.prompt)?;
        let card = Card::parse(&text).map_err(|reason| Error::Encrypt { reason })?;
        if let Some(file) = &created_key {
            home::create_private(file, identities.to_key_file(&self.owners_hints()).expose())?;
        }
        Ok(MadeCard { card, text, created_key })
    }

    /// Refuses a card that cannot make its maker an owner of this vault now.
    ///
    /// # Errors
    /// [`Error::Tampered`] for another vault's card, [`Error::Exists`] for a name or key that is taken.
    pub fn check_card(&self, card: &Card) -> Result<()> {
        let (trusted, manifest) = (self.current()?, self.manifest()?);
        if card.vault != self.id {
            let reason = format!("the card is for another vault ({}), and this is {}", card.vault, self.id);
            return Err(Error::tampered(&self.dir, reason));
        }
        require_free(&card.name, &trusted.root)?;
        require_nobodys(&card.public_key, &trusted.root, &manifest)?;
        match trusted.root.signer(&card.signing_key) {
            Some(owner) => Err(Error::Exists {
                what: "signing key",
                name: card.fingerprint(),
                detail: format!("it is {}'s", owner.name),
            }),
            None => Ok(()),
        }
    }

    /// What an owner's key file says of the vault.
    fn owners_hints(&self) -> KeyHints {
        KeyHints { vault: Some(self.id), owner: Some(self.trusted().pin.fingerprint()), agent: None }
    }
}

impl Owner<'_> {
    /// Makes the maker of a card an owner: the next root, and every value and escrow encrypted to that owner too. Whose
    /// card it is, people have compared before.
    ///
    /// # Errors
    /// As [`Vault::check_card`]; [`Error::Conflict`] when the chain or the root is full; and those of every write.
    pub fn add_owner(&self, card: &Card, dry_run: bool, progress: Progress<'_>) -> Result<OwnersChange> {
        self.write(Act::about("add-owner", Some(&card.name)), |mut session| {
            self.vault.check_card(card)?;
            let owners = session.root.owners.iter().cloned().chain([card.owner()]).collect();
            session.put_root(owners, None)?;
            session.put(&layout::signing_key(&card.name), &card.escrow())?;
            session.reseat(&format!("add owner {}", card.name), dry_run, progress, || Ok(()))
        })
    }

    /// Takes an owner's every right: the next root, in which no current value, escrow or signature is theirs. What they could
    /// read stays marked as exposed.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] for the last owner, and for the one at work: somebody who stays has to
    /// sign the new root's first commit; and those of every write.
    pub fn remove_owner(&self, name: &OwnerName, dry_run: bool, progress: Progress<'_>) -> Result<OwnersChange> {
        self.write(Act::about("remove-owner", Some(name)), |session| self.unseat(session, name, dry_run, progress))
    }

    fn unseat(
        &self,
        mut session: Session<'_>,
        name: &OwnerName,
        dry_run: bool,
        progress: Progress<'_>,
    ) -> Result<OwnersChange> {
        let mut owners = session.root.owners.clone();
        if session.root.owner(name).is_none() {
            let near = nearest(name.as_str(), owners.iter().map(|owner| owner.name.as_str()));
            return Err(Error::NotFound { what: "owner", name: name.to_string(), near });
        }
        if owners.len() == 1 {
            return Err(Error::Conflict {
                message: format!("{name} is the last owner: without one nobody opens this vault again"),
                hint: "add another first: `agent-vault add-owner --card FILE`; a key is replaced by `agent-vault rotate-owner`".into(),
            });
        }
        if *name == self.name {
            return Err(Error::Conflict {
                message: format!("{name} is you, and an owner who stays has to sign the change"),
                hint: format!(
                    "ask another owner to run `agent-vault remove-owner {name}`; a key is replaced by `agent-vault rotate-owner`"
                ),
            });
        }
        owners.retain(|owner| owner.name != *name);
        session.put_root(owners, None)?;
        session.delete(&layout::signing_key(name))?;
        session.reseat(&format!("remove owner {name}"), dry_run, progress, || Ok(()))
    }
}

/// Refuses an owner's name that is taken, in any case.
fn require_free(name: &OwnerName, root: &Root) -> Result<()> {
    match root.owners.iter().find(|owner| owner.name.as_str().eq_ignore_ascii_case(name.as_str())) {
        Some(owner) => {
            let detail = "`--name` gives a card another one".into();
            Err(Error::Exists { what: "owner", name: owner.name.to_string(), detail })
        }
        None => Ok(()),
    }
}

/// The public key that values will be encrypted to.
fn public_key_of(identities: &Identities) -> Result<&Recipient> {
    identities.recipients().next().ok_or_else(|| Error::KeyUnusable {
        origin: identities.origin().to_owned(),
        reason: "its public key is not known: add a line `# public key: age1…` above it".into(),
    })
}

impl Session<'_> {
    /// Puts everything under the new root, in one commit: values, escrows, and the tombstones that nobody in it signed.
    /// `before_commit` is called when all of that is staged.
    fn reseat(
        self,
        message: &str,
        dry_run: bool,
        progress: Progress<'_>,
        before_commit: impl FnOnce() -> Result<()>,
    ) -> Result<OwnersChange> {
        let steps = policy::plan_anew(&self.policy(), self.all()?.into_iter().map(Subject::unchanged));
        let (root, change, escrowed) = (self.root.root, AccessChange::of(&steps), self.escrowed()?);
        if dry_run {
            return Ok(OwnersChange { root, change, escrowed });
        }
        escrowed.iter().try_for_each(|agent| self.reseal(agent))?;
        self.renew_tombstones()?;
        self.apply(&steps, progress)?;
        before_commit()?;
        let commit = self.commit(message)?;
        Ok(OwnersChange { root, change: AccessChange { commit: Some(commit), ..change }, escrowed })
    }

    /// The agents whose private keys lie in escrow.
    fn escrowed(&self) -> Result<Vec<AgentName>> {
        let names = self.manifest.agents.iter().map(|agent| agent.name.clone());
        let there = |name: &AgentName| self.vault.folder().has(&layout::agent_escrow(name));
        names.filter_map(|name| there(&name).map(|there| there.then_some(name)).transpose()).collect()
    }

    /// Stages an agent's escrow for the owners of the new root.
    fn reseal(&self, name: &AgentName) -> Result<()> {
        let Some(agent) = self.manifest.agent(name) else { return Ok(()) };
        let (owner, prompt) = (self.owner(), &self.vault.context().prompt);
        let key = escrow::open_agent_key(
            self.vault.folder(),
            name,
            &agent.public_key,
            &self.trusted.root,
            owner.identities,
            prompt,
        )?;
        let sealed = escrow::seal_agent_key(&key, &owner.hints(name), &self.root, prompt)?;
        self.put(&layout::agent_escrow(name), &sealed)
    }

    /// Signs the tombstones anew whose signer is no owner any more.
    fn renew_tombstones(&self) -> Result<()> {
        let entries = folder::tree(self.vault.folder(), layout::SECRETS)?;
        let found = entries.iter().filter_map(|(relative, _)| layout::parse_secret(relative));
        let paths: BTreeSet<SecretPath> = found.filter(|(_, part)| *part == Part::Gone).map(|(path, _)| path).collect();
        self.require_committed(Part::Gone, &paths.iter().collect())?;
        paths.iter().try_for_each(|path| {
            let Some((gone, digest)) = self.tombstone(path)? else { return Ok(()) };
            self.vault.check_age(Part::Gone, Seen { name: path.clone(), revision: gone.revision, digest })?;
            if self.stands(path)? { Ok(()) } else { self.put_tombstone(gone.renewed(digest)) }
        })
    }

    /// Whether a tombstone verifies under the new root too.
    fn stands(&self, path: &SecretPath) -> Result<bool> {
        let bytes = self.vault.folder().read(&layout::secret(path, Part::Gone), limit::DOCUMENT)?;
        Ok(bytes.is_some_and(|bytes| Doc::verify(Part::Gone, &bytes, self.vault.id(), path, &self.root).is_ok()))
    }
}
