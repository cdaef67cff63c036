//! What there is: documents, commits, and who has which of them.

use super::clones::Person;
use super::host::View;
use super::ledger::Ledger;
use super::{Step, judge};
use crate::digest::{Digest, KeyId};
use crate::history::document::{Doc, Record};
use crate::history::lineage::Lineage;
use crate::manifest::{Agent, Manifest};
use crate::merge::Remark;
use crate::metadata::Metadata;
use crate::name::{AgentName, GroupName, SecretPath};
use crate::policy::Policy;
use crate::recipient::Recipient;
use crate::root::{Owner, Root, VaultId};
use crate::time::Timestamp;
use crate::yaml::Document;
use base64::{Engine, prelude::BASE64_STANDARD};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::OnceLock;

/// Owners, and after them a reader.
pub(super) const CLONES: usize = OWNERS.len() + 1;
const OWNERS: [&str; 3] = ["ann", "ben", "cleo"];
/// The names of secrets. Two differ in case only, and one is what a renamed one would be called.
pub(super) const PATHS: [&str; 5] = ["a/x", "a/y", "b/x", "A/x", "a/x-2"];
pub(super) const AGENTS: [&str; 3] = ["ci", "bot", "CI"];
pub(super) const GROUPS: [&str; 2] = ["a", "b"];

pub(super) type CommitId = usize;

/// What never changes: a root of three owners, and keys for agents.
pub(super) struct Parts {
    pub root: Root,
    pub vault: VaultId,
    pub keys: Vec<Recipient>,
    pub paths: Vec<SecretPath>,
    pub agents: Vec<AgentName>,
    pub groups: Vec<GroupName>,
}

/// The same in every run: the order of keys decides who keeps a name.
pub(super) fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let key = |name: &str| -> Recipient {
            let bytes = Digest::of(name.as_bytes()).0;
            let text = bech32::encode::<bech32::Bech32>(bech32::Hrp::parse_unchecked("age"), &bytes).unwrap();
            text.parse().unwrap()
        };
        let owner = |name: &&str| {
            let wire = [&[0, 0, 0, 11], b"ssh-ed25519".as_slice(), &[0, 0, 0, 32], &Digest::of(name.as_bytes()).0];
            let signing_key = format!("ssh-ed25519 {}", BASE64_STANDARD.encode(wire.concat())).parse().unwrap();
            Owner { name: name.parse().unwrap(), public_key: key(name), signing_key, proof: None }
        };
        let mut owners = OWNERS.iter().map(owner);
        let mut root = Root::first(owners.next().unwrap());
        root.owners.extend(owners);
        Parts {
            vault: VaultId::of(root.render().as_bytes()),
            root,
            keys: (0..6).map(|number| key(&format!("agent {number}"))).collect(),
            paths: PATHS.iter().map(|path| path.parse().unwrap()).collect(),
            agents: AGENTS.iter().map(|name| name.parse().unwrap()).collect(),
            groups: GROUPS.iter().map(|name| name.parse().unwrap()).collect(),
        }
    })
}

/// The vault in a commit.
#[derive(Clone)]
pub(super) struct State {
    pub manifest: Rc<Manifest>,
    pub digest: Digest,
    pub secrets: BTreeMap<SecretPath, Rc<Doc>>,
}

impl State {
    /// What a tree's id is.
    pub fn key(&self) -> Digest {
        let all = [&self.digest].into_iter().chain(self.secrets.values().map(|doc| &doc.digest));
        Digest::of(&all.flat_map(|digest| digest.0).collect::<Vec<u8>>())
    }

    pub fn policy(&self) -> Policy<'_> {
        Policy::new(&parts().root, &self.manifest)
    }

    pub fn live(&self) -> impl Iterator<Item = &Metadata> {
        self.secrets.values().filter_map(|doc| doc.metadata())
    }
}

pub(super) struct Commit {
    pub parents: Vec<CommitId>,
    pub state: Rc<State>,
    /// What it and all before it break, if anything.
    pub broken: Option<String>,
    /// What whoever made it was told.
    pub remarks: Vec<Remark>,
    /// Whether an owner signed it.
    pub signed: bool,
    before: Vec<u64>,
}

/// What a ciphertext holds, and for whom.
pub(super) struct Sealed {
    pub value: u64,
    pub recipients: Vec<KeyId>,
}

/// How often something happened.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told {
    pub writes: u64,
    pub merges: u64,
    pub remerges: u64,
    pub remarks: u64,
    pub races: u64,
    pub refused: u64,
    pub went_back: u64,
    pub mended: u64,
    pub forged_and_true: u64,
}

impl std::ops::Add for Told {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            writes: self.writes + more.writes,
            merges: self.merges + more.merges,
            remerges: self.remerges + more.remerges,
            remarks: self.remarks + more.remarks,
            races: self.races + more.races,
            refused: self.refused + more.refused,
            went_back: self.went_back + more.went_back,
            mended: self.mended + more.mended,
            forged_and_true: self.forged_and_true + more.forged_and_true,
        }
    }
}

impl Told {
    /// All of it happened, what is rare in a long run.
    pub fn check(&self, steps: u64) {
        let Self { writes, merges, remerges, remarks, races, refused, went_back, mended, forged_and_true } = *self;
        let common = [writes, merges, remarks, races, refused, went_back, forged_and_true];
        assert!(steps < 10_000 || common.iter().all(|count| *count > 0), "{self:?}");
        assert!(steps < 500_000 || remerges > 0 && mended > 0, "{self:?}");
    }
}

/// Everything.
pub(super) struct World {
    pub commits: Vec<Commit>,
    pub lineage: Lineage,
    /// What each document comes after, also under another name.
    pub family: HashMap<Digest, Vec<Digest>>,
    pub sealed: HashMap<Digest, Sealed>,
    /// Of each metadata document the ciphertext.
    pub ciphertexts: HashMap<Digest, Digest>,
    /// Every document that was ever signed.
    pub docs: BTreeMap<SecretPath, Vec<Rc<Doc>>>,
    pub manifests: Vec<(Rc<Manifest>, Digest)>,
    pub people: Vec<Person>,
    pub views: [View; 2],
    pub ledger: Ledger,
    /// Values that no rule can tell from others: two that were set in one second have one number. Times have whole seconds,
    /// and nothing decrypts to decide. Of such the simulation does not ask that none is dropped without a word, nor who
    /// could read them.
    pub alike: BTreeSet<u64>,
    numbers: BTreeMap<(Timestamp, Timestamp, u64), u64>,
    pub told: Told,
    clock: i64,
    nonce: u64,
}

impl World {
    /// A vault that everybody has.
    pub fn new() -> Self {
        let mut world = Self {
            commits: Vec::new(),
            lineage: Lineage::default(),
            family: HashMap::new(),
            sealed: HashMap::new(),
            ciphertexts: HashMap::new(),
            docs: BTreeMap::new(),
            manifests: Vec::new(),
            people: Vec::new(),
            views: [View::new(0), View::new(0)],
            ledger: Ledger::default(),
            alike: BTreeSet::new(),
            numbers: BTreeMap::new(),
            told: Told::default(),
            clock: 1_800_000_000,
            nonce: 0,
        };
        let mut first = Manifest::first(parts().vault, &parts().root);
        first.insert_agent(Agent {
            name: parts().agents[0].clone(),
            public_key: parts().keys[0].clone(),
            groups: vec![parts().groups[0].clone()],
            created: world.now(),
        });
        let (manifest, digest) = world.sign_manifest(first, 0);
        let state = State { manifest, digest, secrets: BTreeMap::new() };
        world.commits.push(Commit {
            parents: Vec::new(),
            state: Rc::new(state),
            broken: None,
            remarks: Vec::new(),
            signed: true,
            before: vec![1],
        });
        world.people = (0..CLONES).map(|who| Person::new((who < OWNERS.len()).then_some(who), 0)).collect();
        world
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Write { who, deed } => self.write(*who, deed),
            Step::Sync { who, killed, race } => drop(self.sync(*who, *killed, *race, false)),
            Step::Tick => self.pass(true),
            Step::Commit { who } => self.commit_other(*who),
            Step::Switch { who } => self.switch(*who),
            Step::GitMerge { who } => self.git_merge(*who),
            Step::Connect { who } => self.people[*who].online ^= true,
            Step::Show { who } => self.people[*who].view ^= 1,
            Step::Rewind { view, branch, to } => self.rewind(*view, *branch, *to),
            Step::Graft { view, branch, picks } => self.graft(*view, *branch, *picks),
            Step::ForgeMerge { view, branch, other, mask } => self.forge_merge(*view, *branch, *other, *mask),
            Step::PullRequest { view, branch } => self.pull_request(*view, *branch),
            Step::Heal { view } => self.heal(*view),
        }
    }

    /// Lets a second pass, or none.
    pub fn pass(&mut self, tick: bool) {
        self.clock += i64::from(tick);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock).unwrap()
    }

    pub fn fresh(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    pub fn state(&self, commit: CommitId) -> Rc<State> {
        self.commits[commit].state.clone()
    }

    /// Encrypts a value; says under which digest it lies.
    pub fn seal(&mut self, value: u64, recipients: Vec<KeyId>) -> Digest {
        let digest = Digest::of(&self.fresh().to_le_bytes());
        self.sealed.insert(digest, Sealed { value, recipients });
        digest
    }

    /// Signs a secret's document.
    pub fn sign(&mut self, record: Record, by: usize) -> Rc<Doc> {
        let (body, name) = match &record {
            Record::Meta(metadata) => (metadata.render(), metadata.name.clone()),
            Record::Gone(gone) => (gone.render(), gone.name.clone()),
        };
        let doc = Doc { digest: Digest::of(format!("{body}signature: {by}\n").as_bytes()), record };
        self.lineage.add(doc.digest, doc.number(), doc.parents());
        self.family.entry(doc.digest).or_default().extend(doc.parents());
        if let Some(metadata) = doc.metadata() {
            assert!(metadata.agents.is_sorted_by(|a, b| a < b), "a reader refuses these agents: {:?}", metadata.agents);
            self.ciphertexts.insert(doc.digest, metadata.digest);
            let value = self.sealed[&metadata.digest].value;
            let numbers = (metadata.created, metadata.rotated, metadata.value_revision);
            let first = *self.numbers.entry(numbers).or_insert(value);
            if first != value {
                self.alike.extend([first, value]);
            }
        }
        let doc = Rc::new(doc);
        self.docs.entry(name).or_default().push(doc.clone());
        doc
    }

    pub fn sign_manifest(&mut self, manifest: Manifest, _by: usize) -> (Rc<Manifest>, Digest) {
        // Its signature lies in a file of its own.
        let digest = Digest::of(manifest.render().as_bytes());
        manifest.check_names().unwrap();
        self.lineage.add(digest, manifest.serial, &manifest.parents);
        self.family.entry(digest).or_default().extend(&manifest.parents);
        let signed = (Rc::new(manifest), digest);
        self.manifests.push(signed.clone());
        signed
    }

    /// Makes a commit, and judges it.
    pub fn commit(&mut self, parents: &[CommitId], state: Rc<State>, signed: bool, remarks: Vec<Remark>) -> CommitId {
        let id = self.commits.len();
        let mut before = vec![0; id / 64 + 1];
        before[id / 64] |= 1 << (id % 64);
        for parent in parents {
            for (all, more) in before.iter_mut().zip(&self.commits[*parent].before) {
                *all |= more;
            }
        }
        let inherited = parents.iter().find_map(|parent| self.commits[*parent].broken.clone());
        let olds: Vec<&State> = parents.iter().map(|parent| &*self.commits[*parent].state).collect();
        let broken = inherited.or_else(|| judge::judge(&self.lineage, &olds, &state, signed).err());
        self.commits.push(Commit { parents: parents.to_vec(), state, broken, remarks, signed, before });
        id
    }

    /// Whether `old` is `new` or lies before it.
    pub fn reaches(&self, new: CommitId, old: CommitId) -> bool {
        self.commits[new].before.get(old / 64).is_some_and(|bits| bits >> (old % 64) & 1 == 1)
    }

    /// The newest commits that lie before both.
    pub fn bases(&self, a: CommitId, b: CommitId) -> Vec<CommitId> {
        let mut bases: Vec<CommitId> = Vec::new();
        for commit in (0..=a.min(b)).rev() {
            if self.reaches(a, commit)
                && self.reaches(b, commit)
                && !bases.iter().any(|base| self.reaches(*base, commit))
            {
                bases.push(commit);
            }
        }
        bases
    }

    /// Whether a document comes after another, under whichever name.
    pub fn descends(&self, new: Digest, old: Digest) -> bool {
        self.ancestors(new, |_| true).contains(&old)
    }

    /// A document and all that it comes after, under whichever names, as far as lines lead through those that `counts`
    /// takes.
    pub fn ancestors(&self, doc: Digest, counts: impl Fn(&Digest) -> bool) -> HashSet<Digest> {
        let (mut open, mut seen) = (vec![doc], HashSet::new());
        while let Some(digest) = open.pop() {
            if counts(&digest) && seen.insert(digest) {
                open.extend(self.family.get(&digest).into_iter().flatten());
            }
        }
        seen
    }

    /// Panics unless all that `old` has is in `new`, or was replaced by what comes after it.
    pub fn check_forward(&self, old: CommitId, new: CommitId, what: &str) {
        let (old, new) = (self.state(old), self.state(new));
        assert!(self.lineage.continues(new.digest, old.digest), "{what}: the policy went back");
        for (path, doc) in &old.secrets {
            let now = new.secrets.get(path).unwrap_or_else(|| panic!("{what}: {path} vanished"));
            assert!(self.lineage.continues(now.digest, doc.digest), "{what}: {path} went back");
        }
    }
}
