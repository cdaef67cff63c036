//! Vaults of agent-vault 0.1.0, which nobody signed: read as they are, never written, until `upgrade` signs them.
//!
//! Nothing in such a vault can be verified. What bounds the damage is that it is read only where *nothing* is known of
//! the vault (`trust`): a host that takes a signed vault's signatures away meets the memory of every machine
//! that knows it. What is read here is hostile input like any other: bounded, never followed through links.
//!
//! [`OldVault`] reads; `facts` finds out by trying who can open what; [`plan`] decides, purely, what an upgrade signs.

use crate::audit::{Actor, Book, Record};
use crate::check::{Finding, Severity};
use crate::crypto;
use crate::error::{Error, Result, printable};
use crate::folder::{Folder, Kind};
use crate::identity::Identities;
use crate::layout::{self, Part, limit};
use crate::name::{GroupName, SecretPath, nearest};
use crate::parallel;
use crate::recipient::Recipient;
use crate::repo::Repo;
use crate::roots;
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use crate::trust::{Knowledge, Memory, judge_unsigned};
use crate::txn::Workshop;
use crate::vault::{Context, FirstContact, Listing, Row, find};
use std::path::{Path, PathBuf};

mod documents;
pub(crate) mod facts;
pub mod plan;
pub(crate) mod survey;

pub use documents::Metadata;

/// What a vault has once it is signed, and none of 0.1.0 ever had.
const SIGNED: [&str; 3] = [layout::MANIFEST_SIG, layout::ALLOWED_SIGNERS, layout::OWNERS];

/// An opened vault of 0.1.0. Nothing in it is verified, and nothing here writes.
pub struct OldVault {
    dir: PathBuf,
    folder: Folder,
    context: Context,
}

/// A decrypted secret that nobody signed.
pub struct OldSecret {
    /// The value, byte for byte.
    pub value: SecretBytes,
    /// What is claimed of it, where that can be read.
    pub metadata: Option<OldMetadata>,
}

/// What an unsigned vault claims of one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldMetadata {
    /// Where it lies, which is what decides.
    pub name: SecretPath,
    /// Its group; may be a name that the new format does not take. Fit for a terminal.
    pub group: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last encrypted.
    pub rotated: Option<Timestamp>,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// The agents that it was last encrypted to. Fit for a terminal.
    pub authorized_agents: Vec<String>,
}

/// What an unsigned vault claims of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldAgent {
    /// Its name, fit for a terminal; may be one that the new format does not take.
    pub name: String,
    /// Its groups, fit for a terminal.
    pub groups: Vec<String>,
    /// Its public key, where one can be read.
    pub public_key: Option<Recipient>,
    /// Whether its private key lies in escrow.
    pub escrow: bool,
}

/// What the text of a `manifest.yaml` claims: agents and their groups, groups and their secrets, each as it is spelled there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Agents and their groups.
    pub agents: Vec<(String, Vec<String>)>,
    /// Groups and their secrets.
    pub groups: Vec<(String, Vec<String>)>,
}

impl Policy {
    /// Parses a manifest of 0.1.0; `Err` says what is wrong.
    ///
    /// # Errors
    /// For what is no YAML of this shape, or beyond its bounds, or of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let documents::Manifest { agents, groups, .. } = documents::Manifest::parse(bytes)?;
        Ok(Self {
            agents: agents.into_iter().map(|agent| (agent.name, agent.groups)).collect(),
            groups: groups.into_iter().map(|group| (group.name, group.secrets)).collect(),
        })
    }
}

impl OldVault {
    /// Opens the unsigned vault of `dir`: `dir/.agent-vault`, or the nearest one above. Call it when
    /// [`crate::Vault::open`] said [`Error::UnsignedVault`].
    ///
    /// # Errors
    /// [`Error::Tampered`] where anything is known of this vault or place, where only known vaults are wanted
    /// ([`FirstContact::Refuse`]), and when it is a signed vault that lost its roots; [`Error::VaultNotFound`].
    pub fn open(dir: &Path, context: Context, identities: Option<&Identities>) -> Result<Self> {
        let dir = find(dir, &context.home)?;
        let folder = Folder::open(&dir)?;
        let memory = Memory::new(&context.home);
        let knowledge = Knowledge {
            place: if context.replace { None } else { memory.place(&dir)? },
            hints: identities.map(Identities::hints),
            expected: context.expected_owner.as_deref(),
            ..Knowledge::default()
        };
        if let Some(reason) = judge_unsigned(&knowledge) {
            return Err(Error::tampered(dir, reason));
        }
        if context.first_contact == FirstContact::Refuse {
            return Err(Error::tampered(dir, "nobody signed this vault, and only vaults that are known here are used"));
        }
        if roots::first(&folder)?.is_some() {
            return Err(Error::Conflict {
                message: format!("{} is a signed vault", dir.display()),
                hint: "try again: it was upgraded just now".into(),
            });
        }
        let old = Self { dir, folder, context };
        if !old.is_half_upgraded() {
            old.check_never_signed()?;
        }
        Ok(old)
    }

    /// A vault without roots that has what only signed ones have is none of 0.1.0's.
    fn check_never_signed(&self) -> Result<()> {
        let here = self.folder.list("")?;
        for name in SIGNED.into_iter().filter(|name| here.iter().any(|entry| entry.name == *name)) {
            // A killed upgrade may have left an empty folder.
            if name != layout::OWNERS || !crate::folder::tree(&self.folder, name)?.is_empty() {
                let reason = format!("it has {name} and no roots: it was signed, and its roots were taken away");
                return Err(Error::tampered(&self.dir, reason));
            }
        }
        Ok(())
    }

    /// Whether an upgrade has moved the branch and not yet put all files in place: its journal lies in `$GIT_DIR`,
    /// where no host can put one.
    pub fn is_half_upgraded(&self) -> bool {
        let journal = Repo::open(&self.dir).and_then(|repo| Workshop::new(&repo).read_journal());
        let first = layout::root(1);
        matches!(journal, Ok(Some(journal)) if journal.files.iter().any(|target| target.path == first))
    }

    /// The vault's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The context it was opened with.
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Reads one secret. The file's place decides which secret it is, as it did in 0.1.0; nothing is verified. Recorded
    /// where it can be; an unsigned vault cannot require it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAuthorized`] when no identity is among the recipients; [`Error::Corrupt`].
    pub fn get(&self, path: &SecretPath, identities: &Identities) -> Result<OldSecret> {
        let secret = self.decrypted(path, identities);
        let keys = identities.recipients().map(|recipient| recipient.id().to_string()).collect();
        let _ = self.context.audit.append(&self.book(), |time, process| Record {
            time,
            operation: "get".into(),
            path: Some(path.to_string()),
            subject: None,
            outcome: secret.as_ref().map_or_else(|error| error.class().to_string(), |_| "ok".into()),
            commit: None,
            // Nobody signed which names belong to them.
            identity: Some(Actor { role: None, name: None, keys }),
            process,
            client: None,
        });
        secret
    }

    /// This vault's log on this machine.
    pub fn book(&self) -> Book {
        Book::unsigned(&self.context.home, &self.dir)
    }

    fn decrypted(&self, path: &SecretPath, identities: &Identities) -> Result<OldSecret> {
        let relative = layout::secret(path, Part::Enc);
        let Some(ciphertext) = self.folder.read(&relative, limit::CIPHERTEXT)? else { return Err(self.absent(path)) };
        let value = crypto::decrypt(identities, &ciphertext, &[])
            .map_err(|failure| failure.of_secret(path, identities, || self.folder.path(&relative)))?;
        Ok(OldSecret { value, metadata: self.claim(path).ok().flatten().map(|claim| shown(path, claim)) })
    }

    /// What is claimed of one secret.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`].
    pub fn metadata(&self, path: &SecretPath) -> Result<OldMetadata> {
        self.claim(path)?.map(|claim| shown(path, claim)).ok_or_else(|| self.absent(path))
    }

    fn claim(&self, path: &SecretPath) -> Result<Option<Metadata>> {
        let relative = layout::secret(path, Part::Meta);
        let Some(bytes) = self.folder.read(&relative, limit::DOCUMENT)? else { return Ok(None) };
        Metadata::parse(&bytes).map(Some).map_err(|reason| Error::corrupt(self.folder.path(&relative), reason))
    }

    fn absent(&self, path: &SecretPath) -> Error {
        let names = self.names().unwrap_or_default().taken;
        let near = nearest(path.as_str(), names.iter().map(SecretPath::as_str));
        Error::NotFound { what: "secret", name: path.to_string(), near }
    }

    /// What is claimed of every secret (of a group, if one is named). Agents that may read beyond the group are those
    /// whom the manifest does not put into it.
    ///
    /// # Errors
    /// Those of the folder itself; a single broken file does not hide the others ([`Listing::broken`]).
    pub fn list(&self, group: Option<&GroupName>) -> Result<Listing> {
        let mut listing = Listing::default();
        let names = self.names()?;
        listing.broken.extend(names.refused.iter().map(|relative| {
            Error::corrupt(self.folder.path(relative), "its name is one that this version does not take")
        }));
        let members = self.manifest().unwrap_or_default();
        let in_group = |agent: &String, group: &String| {
            members.agents.iter().any(|member| member.name == *agent && member.groups.contains(group))
        };
        for (path, found) in
            parallel::map(names.taken, |path| (self.claim(&path), path)).into_iter().map(|(f, p)| (p, f))
        {
            match found {
                Ok(Some(claim)) => {
                    let explicit = claim.authorized_agents.iter().filter(|agent| !in_group(agent, &claim.group));
                    let explicit = explicit.map(|agent| printable(agent)).collect();
                    listing.rows.push(row(shown(&path, claim), explicit));
                }
                // 0.1.0 reads such a one, and so do we.
                Ok(None) => listing.rows.push(row(unknown(&path), Vec::new())),
                Err(error) => listing.broken.push(error),
            }
        }
        listing.rows.retain(|row| group.is_none_or(|group| row.group == group.as_str()));
        listing.rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listing)
    }

    /// What is claimed of every agent, by name.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the manifest.
    pub fn agents(&self) -> Result<Vec<OldAgent>> {
        let manifest = self.manifest()?;
        let agent = |(name, groups): (&str, Vec<&str>)| {
            let public_key = agent_file(name, "public.key").and_then(|relative| {
                let bytes = self.folder.read(&relative, limit::SMALL).ok()??;
                std::str::from_utf8(&bytes).ok()?.parse().ok()
            });
            let escrow = agent_file(name, "private.key.escrow");
            let escrow = escrow.is_some_and(|relative| self.folder.has(&relative).unwrap_or(false));
            let groups = groups.into_iter().map(printable).collect();
            OldAgent { name: printable(name), groups, public_key, escrow }
        };
        Ok(manifest.agents().into_iter().map(agent).collect())
    }

    /// The groups that the manifest names, fit for a terminal.
    pub(crate) fn groups(&self) -> Result<Vec<String>> {
        Ok(self.manifest()?.groups.iter().map(|group| printable(&group.name)).collect())
    }

    /// The key that `owner.pub` claims to be the owner's.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn owner(&self) -> Result<Recipient> {
        let file = || self.folder.path(layout::OWNER_PUB);
        let bytes = self.folder.read(layout::OWNER_PUB, limit::SMALL)?;
        let bytes = bytes.ok_or_else(|| Error::corrupt(file(), "the owner's public key is missing"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::corrupt(file(), "it is not text"))?;
        text.parse().map_err(|error: Error| Error::corrupt(file(), error.to_string()))
    }

    /// The secrets that open with one of the keys, found by trying.
    ///
    /// # Errors
    /// Those of the folder itself.
    pub fn readable(&self, identities: &Identities) -> Result<Vec<SecretPath>> {
        let opens = |path: SecretPath| {
            let bytes = self.folder.read(&layout::secret(&path, Part::Enc), limit::CIPHERTEXT).ok()??;
            crypto::decrypt(identities, &bytes, &[]).ok().map(|_| path)
        };
        Ok(parallel::map(self.names()?.taken, opens).into_iter().flatten().collect())
    }

    /// What is wrong, as far as an unsigned vault can tell: that it is unsigned, and what cannot be read.
    ///
    /// # Errors
    /// Those of the folder itself.
    pub fn check(&self, within: i64) -> Result<Vec<Finding>> {
        let mut findings = vec![Finding {
            severity: Severity::Error,
            code: "unsigned",
            subject: self.dir.display().to_string(),
            message: "nobody signed this vault of agent-vault 0.1.0: nothing in it can be verified".into(),
            remedy: "`agent-vault upgrade --dry-run` shows what is in it, `agent-vault upgrade` signs it".into(),
        }];
        let listing = self.list(None)?;
        let broken = listing.broken.iter().map(|error| (self.dir.display().to_string(), error));
        let manifest = self.manifest().map(drop).err();
        let owner = self.owner().map(drop).err();
        let broken = broken.chain([&manifest, &owner].into_iter().flatten().map(|error| (String::new(), error)));
        findings.extend(broken.map(|(subject, error)| Finding {
            severity: Severity::Error,
            code: "unreadable",
            subject,
            message: error.to_string(),
            remedy: error.hint(),
        }));
        let now = (self.context.clock)();
        for row in listing.rows {
            let Some(expires) = row.expires.and_then(Timestamp::from_unix) else { continue };
            findings.extend(crate::check::expiry(&row.name, expires, now, within));
        }
        Ok(findings)
    }

    pub(crate) fn manifest(&self) -> Result<documents::Manifest> {
        let file = || self.folder.path(layout::MANIFEST);
        let bytes = self.folder.read(layout::MANIFEST, limit::MANIFEST)?;
        let bytes = bytes.ok_or_else(|| Error::corrupt(file(), "the manifest is missing"))?;
        documents::Manifest::parse(&bytes).map_err(|reason| Error::corrupt(file(), reason))
    }

    /// The secrets that have a ciphertext. A link, which could hide some, is an error.
    fn names(&self) -> Result<Names> {
        let mut names = Names::default();
        for (relative, kind) in crate::folder::tree(&self.folder, layout::SECRETS)? {
            match (kind, layout::parse_secret(&relative)) {
                (Kind::Other, _) => return Err(crate::folder::planted(self.folder.path(&relative))),
                (_, Some((path, Part::Enc))) => names.taken.push(path),
                (_, None) if relative.ends_with(Part::Enc.ending()) => names.refused.push(relative),
                _ => {}
            }
        }
        names.taken.sort();
        names.refused.sort();
        Ok(names)
    }
}

/// The ciphertexts of a vault.
#[derive(Default)]
struct Names {
    taken: Vec<SecretPath>,
    /// Files whose name is no secret's in the new format.
    refused: Vec<String>,
}

/// Where a file of an agent lies, whose name may be one that the new format does not take; none for a name that would
/// lead elsewhere.
fn agent_file(name: &str, file: &str) -> Option<String> {
    let one_folder = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0']);
    one_folder.then(|| format!("{}/{name}/{file}", layout::AGENTS))
}

fn shown(path: &SecretPath, claim: Metadata) -> OldMetadata {
    let Metadata { group, created, rotated, expires, authorized_agents, .. } = claim;
    OldMetadata {
        name: path.clone(),
        group: printable(&group),
        created,
        rotated,
        expires,
        authorized_agents: authorized_agents.iter().map(|agent| printable(agent)).collect(),
    }
}

/// A secret of which nothing is claimed.
fn unknown(path: &SecretPath) -> OldMetadata {
    OldMetadata {
        name: path.clone(),
        group: path.default_group().to_string(),
        created: None,
        rotated: None,
        expires: None,
        authorized_agents: Vec::new(),
    }
}

/// Numbers of a secret that has none yet are 0; times that nobody claims are the epoch's.
fn row(claim: OldMetadata, agents: Vec<String>) -> Row {
    let seconds = |time: Option<Timestamp>| time.map_or(0, Timestamp::unix);
    Row {
        name: claim.name.to_string(),
        group: claim.group,
        created: seconds(claim.created),
        rotated: seconds(claim.rotated),
        expires: claim.expires.map(Timestamp::unix),
        description: None,
        use_only: false,
        programs: Vec::new(),
        hosts: Vec::new(),
        authorized_agents: claim.authorized_agents,
        agents,
        revision: 0,
        value_revision: 0,
        exposed_to: Vec::new(),
    }
}
