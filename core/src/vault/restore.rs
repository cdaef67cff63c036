//! `restore`: a former value, stored anew.
//!
//! It becomes a new value for those who may read the secret today. But it is not new to everybody: whoever could read it
//! then and may not now knows it, so `exposed_to` names them, and the rotation stays due.

use super::past::{Fault, Ground, Past, judged};
use super::recorded::Act;
use super::session::Session;
use super::spelling::Spellings;
use super::{Owner, SetOutcome, SetRequest};
use crate::crypto;
use crate::error::{Error, Result, printable};
use crate::history::Revision;
use crate::history::chain::Chain;
use crate::history::document::same_value;
use crate::metadata::{Exposure, Metadata};
use crate::name::{AgentName, SecretPath};
use crate::repo::{Repo, SecretFiles};
use crate::root::Root;
use crate::secret::SecretBytes;
use git2::Oid;
use std::collections::BTreeSet;
use std::str::FromStr;

use super::log::Traced;

/// Which of a secret's former values is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Former {
    /// The one in a commit, given in any way that Git knows: an id or its beginning, `HEAD~3`, a branch, a tag.
    Commit(String),
    /// The one with this revision, written `r7`.
    Revision(u64),
}

impl FromStr for Former {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('r').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        Ok(number
            .and_then(|digits| digits.parse().ok())
            .map_or_else(|| Former::Commit(text.to_owned()), Former::Revision))
    }
}

/// What `restore` did, or would do.
#[derive(Debug, Clone)]
pub struct Restored {
    /// What was stored; nothing when the value is the current one already.
    pub outcome: Option<SetOutcome>,
    /// The commit that the value was taken from.
    pub from: String,
    /// What it was there.
    pub revision: Revision,
}

/// A former state that counts.
struct Found {
    commit: Oid,
    name: SecretPath,
    files: SecretFiles,
    metadata: Metadata,
}

impl Owner<'_> {
    /// Stores a former value of a secret as a new one, for those who may read the secret today. The keys that could read
    /// this value at any time and may not now are in its `exposed_to`. A removed secret is made again, with group,
    /// agents, expiry, description and use of then. A value that was use-only then stays so, whatever the one that it
    /// replaces may be used for.
    ///
    /// A document counts when it verifies under a root of this vault's chain. Under a root that is no longer in force it
    /// must also lie in HEAD's history, and that be proven: its owners' keys may be in other hands now. Of a commit under
    /// another successor of one of its roots counts what an owner signed who is one now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the commit, the revision, or the secret in it; [`Error::Tampered`] for what does not
    /// verify; [`Error::NotAuthorized`] when the owner's key could not read it then; and those of every write.
    pub fn restore(&self, path: &SecretPath, former: &Former, dry_run: bool) -> Result<Restored> {
        self.write(Act::on("restore", path), |session| {
            let past = Past::new(self.vault);
            let (repo, head) = session.base();
            let head = head.ok_or_else(|| not_found(path, former))?;
            let commit = match former {
                Former::Commit(spec) => Some(repo.find_commit(spec)?),
                Former::Revision(_) => None,
            };
            let traced = past.trace(repo, path, std::iter::once(head).chain(commit), usize::MAX)?;
            let found = session.find(&past, path, former, commit, &traced)?;
            let value = self.former_value(&past, repo, &found.name, &found.metadata, &found.files)?;
            let revision = Revision {
                name: found.name.clone(),
                revision: found.metadata.revision,
                value_revision: Some(found.metadata.value_revision),
            };
            let restored = |outcome| Restored { outcome, from: found.commit.to_string(), revision: revision.clone() };
            let current = session.metadata(path)?.map(|(current, _)| current);
            if let Some(current) = &current
                && session.sealer().open(current)?.expose() == value.expose()
            {
                return Ok(restored(None));
            }
            let knew = self.readers_of(&past, repo, &found, &value, &traced)?;
            let request = match current {
                Some(current) if found.metadata.use_only && !current.use_only => SetRequest {
                    use_only: Some(true),
                    programs: Some(found.metadata.programs.clone()),
                    ..SetRequest::default()
                },
                Some(_) => SetRequest::default(),
                None => session.request_of(&found.metadata),
            };
            let policy = session.policy();
            let request = SetRequest { value: Some(value), ..request };
            let mut decision = session.decide(&policy, &mut Spellings::new(self.vault), path, request)?;
            let next = &mut decision.next;
            let readers: BTreeSet<_> = policy.readers(&next.group, &next.agents).ids().into_iter().collect();
            next.exposed_to = knew.into_iter().filter(|exposure| !readers.contains(&exposure.key)).collect();
            let outcome = session.sealer().write(&policy, decision)?;
            if dry_run {
                return Ok(restored(Some(outcome)));
            }
            let short = found.commit.to_string()[..12].to_owned();
            let commit = session.commit(&format!("restore {path} from {short}"))?;
            Ok(restored(Some(SetOutcome { commit: Some(commit), ..outcome })))
        })
    }

    /// Decrypts a former ciphertext.
    fn former_value(
        &self,
        past: &Past<'_>,
        repo: &Repo,
        name: &SecretPath,
        metadata: &Metadata,
        files: &SecretFiles,
    ) -> Result<SecretBytes> {
        let file = || self.vault.dir().join(crate::layout::secret(name, crate::layout::Part::Enc));
        let sealed = past.ciphertext(repo, metadata, files).map_err(|fault| match fault {
            Fault::Wrong(reason) => Error::tampered(file(), reason),
            Fault::Failed(error) => error,
        })?;
        crypto::decrypt(self.identities, &sealed, &metadata.recipients)
            .map_err(|failure| failure.of_secret(name, self.identities, file))
    }

    /// Every key that could read this very value, in any revision of the secret. The same value may have been set more
    /// than once: what the owner can open is compared.
    fn readers_of(
        &self,
        past: &Past<'_>,
        repo: &Repo,
        found: &Found,
        value: &SecretBytes,
        traced: &[Traced],
    ) -> Result<BTreeSet<Exposure>> {
        let states =
            || traced.iter().filter_map(|traced| Some((traced, traced.doc.as_ref().ok()?.as_ref()?.metadata()?)));
        let mut judged: Vec<(&Metadata, bool)> = vec![(&found.metadata, true)];
        let mut knew = BTreeSet::new();
        for (traced, metadata) in states() {
            let known = judged.iter().find(|(other, _)| same_value(other, metadata)).map(|(_, same)| *same);
            let same = match known {
                Some(same) => same,
                None => {
                    let opened = self.former_value(past, repo, &traced.name, metadata, &traced.files);
                    // What does not open is another value, as far as anybody here can tell.
                    let same = opened.is_ok_and(|opened| opened.expose() == value.expose());
                    judged.push((metadata, same));
                    same
                }
            };
            if same {
                knew.extend(readers(metadata, &traced.chain));
            }
        }
        Ok(knew)
    }
}

/// The keys that could read a revision's value: its recipients, and those that could before.
fn readers(metadata: &Metadata, chain: &Chain) -> Vec<Exposure> {
    let owner = |key| chain.root.by_key(key).and_then(|owner| AgentName::parse(owner.name.as_str()).ok());
    metadata.readers(owner).into_iter().chain(metadata.exposed_to.iter().cloned()).collect()
}

fn not_found(path: &SecretPath, former: &Former) -> Error {
    let name = match former {
        Former::Commit(spec) => format!("{path}@{}", printable(spec)),
        Former::Revision(number) => format!("{path}@r{number}"),
    };
    Error::NotFound { what: "former value", name, near: None }
}

impl Session<'_> {
    /// The former state that is meant, if it counts.
    fn find(
        &self,
        past: &Past<'_>,
        path: &SecretPath,
        former: &Former,
        commit: Option<Oid>,
        traced: &[Traced],
    ) -> Result<Found> {
        let (repo, head) = self.base();
        let is_value = |traced: &&Traced| matches!(&traced.doc, Ok(Some(doc)) if doc.metadata().is_some());
        let (commit, names) = match (commit, former) {
            (Some(commit), _) => (commit, traced.iter().map(|traced| &traced.name).collect::<BTreeSet<_>>()),
            (None, Former::Revision(number)) => {
                let numbered = |traced: &&Traced| matches!(&traced.doc, Ok(Some(doc)) if doc.number() == *number);
                let all = || traced.iter().filter(is_value).filter(numbered);
                let state = all().find(|traced| traced.name == *path).or_else(|| all().next());
                let state = state.ok_or_else(|| not_found(path, former))?;
                (state.commit, BTreeSet::from([&state.name]))
            }
            (None, Former::Commit(_)) => return Err(not_found(path, former)),
        };
        let tree = repo.commit(commit)?.tree.ok_or_else(|| not_found(path, former))?;
        let root = self.counting(past, commit, tree, head)?;
        for name in std::iter::once(path).chain(names.into_iter().filter(|name| *name != path)) {
            let files = repo.secret_files(tree, name)?;
            match judged(past.document(repo, name, &files, Some(&root)))? {
                Ok(Some(doc)) => {
                    if let Some(metadata) = doc.metadata() {
                        return Ok(Found { commit, name: name.clone(), files, metadata: metadata.clone() });
                    }
                }
                Ok(None) => {}
                Err(reason) => {
                    let file = crate::layout::secret(name, crate::layout::Part::Meta);
                    return Err(Error::tampered(self.vault.dir().join(file), format!("in commit {commit}: {reason}")));
                }
            }
        }
        Err(not_found(path, former))
    }

    /// The root whose owners' documents of a commit count here.
    fn counting(&self, past: &Past<'_>, commit: Oid, tree: Oid, head: Option<Oid>) -> Result<Root> {
        let (repo, _) = self.base();
        let refused = |reason: String| Error::tampered(self.vault.dir(), format!("in commit {commit}: {reason}"));
        let chain = match past.ground(repo, Some(tree))? {
            Ground::Signed(chain) if chain.id == self.vault.id() => chain,
            Ground::Signed(chain) => return Err(refused(format!("it is another vault ({})", chain.id))),
            Ground::Broken(reason) => return Err(refused(reason)),
            Ground::Absent | Ground::Unsigned => {
                return Err(refused("nobody signed what the vault's folder holds there".into()));
            }
        };
        if chain.holds(&self.trusted.pin) && chain.len() == self.trusted.pin.root {
            return Ok(chain.root.clone());
        }
        let head = head.ok_or_else(|| refused("there is no history".into()))?;
        let Ground::Signed(now) = past.ground(repo, repo.commit(head)?.tree)? else {
            return Err(refused("HEAD has no vault".into()));
        };
        if now.holds(&self.trusted.pin) && !now.extends(&chain) && !chain.extends(&now) {
            return Ok(self.trusted.root.clone());
        }
        if !now.extends(&chain) || !now.holds(&self.trusted.pin) || !repo.reaches(head, commit)? {
            return Err(refused("its roots are not those of this vault's history".into()));
        }
        // All of HEAD's: a merge that undid what the others hold could bring in a branch that is sound by itself.
        let history = self.vault.prove(repo, head, None, &|_, _| {})?;
        match history.violations.first() {
            None => Ok(chain.root.clone()),
            Some(violation) => Err(refused(format!(
                "it was written under a former root, and the history is not proven (commit {}: {})",
                violation.commit, violation.reason
            ))),
        }
    }

    /// How a removed secret is made again: as it was, for the agents that there still are.
    fn request_of(&self, metadata: &Metadata) -> SetRequest {
        let agents = metadata.agents.iter().filter(|agent| self.manifest.agent(agent).is_some());
        SetRequest {
            group: Some(metadata.group.clone()),
            agents: Some(agents.cloned().collect()),
            expires: metadata.expires.map(Some),
            description: metadata.description.clone().map(Some),
            use_only: Some(metadata.use_only),
            programs: Some(metadata.programs.clone()),
            hosts: Some(metadata.hosts.clone()),
            ..SetRequest::default()
        }
    }
}
