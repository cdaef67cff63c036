//! `upgrade`: a vault of 0.1.0 becomes a signed one, in one commit.
//!
//! What is signed is decided by [`crate::legacy::plan`] and put into effect as every change of access is: a policy,
//! [`policy::plan`] over what is so, and one transaction.

use super::founding::Founding;
use super::{Progress, Vault, session};
use crate::crypto;
use crate::digest::{Digest, KeyId};
use crate::error::{Error, Result};
use crate::escrow;
use crate::identity::{Identities, KeyHints};
use crate::layout::{self, Part, limit};
use crate::legacy::OldVault;
use crate::legacy::plan::{Plan, PlannedSecret, plan};
use crate::legacy::survey::Survey;
use crate::manifest::{Agent, Manifest};
use crate::metadata::{Draft, Metadata};
use crate::name::OwnerName;
use crate::policy::{self, Policy, Step, Subject};
use crate::repo::Repo;
use crate::time::Timestamp;
use crate::trust::Seen;
use crate::txn::{Stage, Txn, Wait};
use git2::Oid;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An upgrade that was looked at and not made yet. Dropped, it leaves nothing.
pub struct Upgrade<'i> {
    old: OldVault,
    identities: &'i Identities,
    founding: Founding,
    plan: Plan,
    privates: Vec<Option<Identities>>,
    /// The vault's tree in the commit that was looked at.
    tree: Option<Oid>,
}

/// What `upgrade` did.
pub struct Upgraded {
    /// The signed vault, opened.
    pub vault: Vault,
    /// How many secrets it has.
    pub secrets: usize,
    /// How many of them were encrypted anew.
    pub reencrypted: usize,
    /// The commit.
    pub commit: String,
}

impl OldVault {
    /// Looks at everything as the owner and decides what an upgrade would sign; changes nothing. `owner` names the
    /// owner in the signed vault, by default as the old manifest does.
    ///
    /// # Errors
    /// [`Error::NotOwner`] unless a key's public half is that of `owner.pub`; [`Error::Conflict`] when no commit holds
    /// the vault; [`Error::Tampered`] for planted links; [`Error::Corrupt`] for a manifest that cannot be read. What
    /// keeps the vault from being signed otherwise is told in the plan ([`Plan::obstacles`]).
    pub fn prepare_upgrade<'i>(
        self,
        identities: &'i Identities,
        owner: Option<OwnerName>,
        progress: Progress<'_>,
    ) -> Result<Upgrade<'i>> {
        if !Repo::exists_around(self.dir())? {
            return Err(uncommitted("there is no Git repository here, and an upgrade ends in a commit"));
        }
        let repo = Repo::open(self.dir())?;
        let tree = repo.vault_tree(repo.head()?.commit)?;
        let committed = tree.map(|tree| repo.files_of(tree)).transpose()?.unwrap_or_default();
        let Survey { facts, privates } = self.survey(identities, &|path| committed.contains_key(path), progress)?;
        let key = self.owner()?;
        let plan = plan(&facts);
        let named = plan.owner.as_deref().and_then(|name| OwnerName::parse(name).ok());
        let owner = owner.or(named).unwrap_or_else(|| super::init::owner_name(&repo));
        let founding = Founding::new(owner, identities, &key)?;
        Ok(Upgrade { old: self, identities, founding, plan, privates, tree })
    }

    /// Finishes an upgrade that was killed after its commit, and clears away what one left that was killed before.
    /// Returns whether the vault is signed now.
    ///
    /// # Errors
    /// Those of every write.
    pub fn finish_upgrade(&self) -> Result<bool> {
        let repo = Repo::open(self.dir())?;
        crate::txn::recover(self.folder(), &repo, Wait::default())?;
        Ok(crate::roots::first(self.folder())?.is_some())
    }
}

impl Upgrade<'_> {
    /// What would be signed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The owner's name in the signed vault.
    pub fn owner(&self) -> &OwnerName {
        &self.founding.owner
    }

    /// Fingerprint of the signing key that the vault gets if this upgrade is made.
    pub fn fingerprint(&self) -> String {
        self.founding.fingerprint()
    }

    /// Signs what was planned, in one commit. Nothing happens when the vault is no longer what was looked at.
    ///
    /// # Errors
    /// [`Error::Conflict`] when something has to be settled first, or the vault changed meanwhile; and those of every
    /// write.
    pub fn apply(self, progress: Progress<'_>) -> Result<Upgraded> {
        if let Some(finding) = self.plan.obstacles().next() {
            return Err(Error::Conflict {
                message: format!("{}: {}", finding.subject, finding.message),
                hint: finding.remedy.clone(),
            });
        }
        let (dir, context) = (self.old.dir().to_path_buf(), self.old.context().clone());
        let folder = crate::folder::Folder::open(&dir)?;
        // 0.1.0 made its folders readable to everybody. Right whatever becomes of the upgrade; where it fails, `check` tells.
        let _ = crate::home::narrow(&context.home);
        let (mut txn, _) = Txn::begin(&folder, Repo::open(&dir)?, Wait::default())?;
        self.check_unchanged(&txn)?;
        let manifest = self.manifest((context.clock)());
        manifest.check_names().map_err(|reason| Error::Conflict {
            message: format!("the manifest would be one that nobody accepts: {reason}"),
            hint: "this is a defect: please report it; nothing was changed".into(),
        })?;
        let stage = txn.stage();
        self.founding.stage(&stage, &manifest, &context.prompt)?;
        self.stage_agents(&stage)?;
        self.plan.stale.iter().try_for_each(|path| stage.delete(path))?;
        let policy = Policy::new(&self.founding.root, &manifest);
        let (total, done) = (self.plan.secrets.len(), AtomicUsize::new(0));
        let staged = self
            .plan
            .secrets
            .par_iter()
            .map(|secret| {
                let staged = self.stage_secret(&stage, &policy, secret, (context.clock)());
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                staged
            })
            .collect::<Result<Vec<_>>>()?;
        let commit = self.founding.commit(&mut txn, "upgrade the vault of agent-vault 0.1.0")?;
        // Still under the lock: marks only rise.
        let vault =
            self.founding.settle(crate::folder::Folder::open(&dir)?, dir, context, commit, &manifest, "upgrade")?;
        let (seen, reencrypted): (Vec<Seen>, Vec<bool>) = staged.into_iter().unzip();
        let remembered = seen.iter().try_for_each(|seen| vault.memory().raise_seen(vault.id(), seen));
        if let Err(error) = remembered {
            vault.notify(super::Notice::NotRemembered { reason: error.to_string() });
        }
        let reencrypted = reencrypted.into_iter().filter(|anew| *anew).count();
        Ok(Upgraded { vault, secrets: total, reencrypted, commit: commit.to_string() })
    }

    /// The commit must be the one that was looked at, and the files its files.
    fn check_unchanged(&self, txn: &Txn<'_>) -> Result<()> {
        let repo = txn.repo();
        let Some(tree) = self.tree else {
            return Err(uncommitted("this vault is in no commit, and an upgrade ends in one"));
        };
        if crate::roots::first(self.old.folder())?.is_some() || repo.vault_tree(txn.head().commit)? != Some(tree) {
            return Err(Error::Conflict {
                message: "the vault changed while it was looked at".into(),
                hint: "run `agent-vault upgrade` again; nothing was changed".into(),
            });
        }
        match repo.first_difference(tree, self.old.folder())? {
            None => Ok(()),
            Some(path) => Err(uncommitted(&format!("{path} is not what the commit that is checked out says"))),
        }
    }

    /// The policy that is signed: what agents keep.
    fn manifest(&self, now: Timestamp) -> Manifest {
        let mut manifest = Manifest::first(self.founding.id, &self.founding.root);
        manifest.settings.max_secret_size = self.plan.max_secret_size;
        for planned in &self.plan.agents {
            let Some((name, public_key)) = planned.kept.clone() else { continue };
            let mut groups = planned.groups.clone();
            groups.sort();
            manifest.insert_agent(Agent { name, public_key, groups, created: now });
        }
        let groups = self.plan.secrets.iter().map(|secret| &secret.group);
        groups.for_each(|group| manifest.insert_group(group));
        manifest
    }

    /// The agents' public keys as the format wants them, and an escrow where the old one does not do.
    fn stage_agents(&self, stage: &Stage<'_>) -> Result<()> {
        for planned in &self.plan.agents {
            let Some((name, key)) = &planned.kept else { continue };
            stage.put(&layout::agent_public(name), format!("{key}\n").as_bytes())?;
            if let (true, Some(private)) = (planned.reseal, &self.privates[planned.at]) {
                let hints = KeyHints {
                    vault: Some(self.founding.id),
                    owner: Some(self.founding.fingerprint()),
                    agent: Some(name.clone()),
                };
                let sealed = escrow::seal_agent_key(private, &hints, &self.founding.root, &self.old.context().prompt)?;
                stage.put(&layout::agent_escrow(name), &sealed)?;
            }
        }
        Ok(())
    }

    /// Signs one secret, encrypted anew where its readers change. Returns what to remember, and whether it was.
    fn stage_secret(
        &self,
        stage: &Stage<'_>,
        policy: &Policy<'_>,
        secret: &PlannedSecret,
        now: Timestamp,
    ) -> Result<(Seen, bool)> {
        let fact = self.fact(secret, now);
        let step = policy::plan(policy, [Subject::unchanged(fact.clone())]).pop();
        check_step(secret, step.as_ref())?;
        let mut next = fact;
        next.exposed_to = step.as_ref().map(Step::exposed_to).unwrap_or_default();
        if secret.reencrypt {
            let readers = policy.readers(&next.group, &next.agents);
            let ciphertext =
                crypto::encrypt(&readers.recipients, self.value(secret)?.expose(), &self.old.context().prompt)?;
            (next.recipients, next.authorized_agents) = (readers.ids(), readers.agents);
            next.digest = Digest::of(&ciphertext);
            stage.put(&layout::secret(&secret.path, Part::Enc), &ciphertext)?;
        }
        let bytes = session::sign(&next, &self.founding.signing)?;
        stage.put(&layout::secret(&secret.path, Part::Meta), &bytes)?;
        let seen = Seen { name: secret.path.clone(), revision: next.revision, digest: Digest::of(&bytes) };
        Ok((seen, secret.reencrypt))
    }

    /// Metadata that say of a secret what is so, under the policy fields that it gets.
    fn fact(&self, secret: &PlannedSecret, now: Timestamp) -> Metadata {
        let claim = secret.metadata.as_ref();
        let mut fact = Metadata::new(Draft {
            vault: self.founding.id,
            name: secret.path.clone(),
            group: secret.group.clone(),
            created: claim.and_then(|claim| claim.created).unwrap_or(now),
            rotated: claim.and_then(|claim| claim.rotated).unwrap_or(now),
            expires: claim.and_then(|claim| claim.expires),
            description: None,
            agents: secret.explicit.clone(),
        });
        (fact.revision, fact.value_revision, fact.digest) = (1, 1, secret.digest);
        let owners: Vec<KeyId> = self.founding.root.owners.iter().map(|owner| owner.public_key.id()).collect();
        fact.recipients = owners.into_iter().chain(secret.fact.iter().map(|exposure| exposure.key)).collect();
        fact.authorized_agents = secret.fact.iter().map(|exposure| exposure.name.clone()).collect();
        fact
    }

    /// The value of the ciphertext that was looked at.
    fn value(&self, secret: &PlannedSecret) -> Result<crate::secret::SecretBytes> {
        let relative = layout::secret(&secret.path, Part::Enc);
        let file = || self.old.folder().path(&relative);
        let sealed = self.old.folder().read(&relative, limit::CIPHERTEXT)?.unwrap_or_default();
        if Digest::of(&sealed) != secret.digest {
            return Err(Error::tampered(file(), "it was changed while the vault was upgraded"));
        }
        crypto::decrypt(self.identities, &sealed, &[])
            .map_err(|failure| failure.of_secret(&secret.path, self.identities, file))
    }
}

/// What is put into effect must be what was shown, and give nothing to anybody.
fn check_step(shown: &PlannedSecret, step: Option<&Step>) -> Result<()> {
    let gains = step.is_some_and(|step| !step.gains.is_empty());
    let loses = step.map(|step| step.loses.as_slice()).unwrap_or_default();
    let same = loses.iter().all(|exposure| shown.loses.contains(exposure)) && loses.len() == shown.loses.len();
    if gains || !same {
        return Err(Error::Conflict {
            message: format!("{} would get other readers than were shown", shown.path),
            hint: "this is a defect: please report it; nothing was changed".into(),
        });
    }
    Ok(())
}

fn uncommitted(message: &str) -> Error {
    Error::Conflict {
        message: message.into(),
        hint: "commit the vault as it is (`git add -f .agent-vault`, `git commit`), or bring it back with `git checkout HEAD -- .agent-vault`; then try again".into(),
    }
}
