use super::agents::Names;
use super::moves::Moves;
use super::policy as manifests;
use super::secret::{Outcome, Said, merge};
use super::{Remark, Side, names};
use crate::digest::{Digest, KeyId};
use crate::history::document::{Doc, Record};
use crate::history::rules;
use crate::manifest::Manifest;
use crate::metadata::{Metadata, Tombstone};
use crate::name::{AgentName, SecretPath};
use crate::root::{Root, VaultId};
use crate::yaml::Document;
use proptest::prelude::*;
use std::collections::BTreeSet;

const VAULT: &str = "663c8fc3-a54b-87f6-af61-a85f773c542d";
const META: &str = "version: 1
vault: \"663c8fc3-a54b-87f6-af61-a85f773c542d\"
name: a/b
group: a
revision: 1
value_revision: 1
parents: []
created: 2026-11-22T10:01:00Z
rotated: 2026-11-22T10:01:00Z
authorized_agents: []
agents: []
recipients: [aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb]
exposed_to: []
digest: \"sha256:0000000000000000000000000000000000000000000000000000000000000001\"
";

fn path(text: &str) -> SecretPath {
    text.parse().unwrap()
}

fn signed(metadata: Metadata) -> Doc {
    Doc { digest: Digest::of(metadata.render().as_bytes()), record: Record::Meta(Box::new(metadata)) }
}

fn first() -> Doc {
    signed(Metadata::parse(META.as_bytes(), VAULT.parse().unwrap(), &path("a/b")).unwrap())
}

/// What a writer may do to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Set(u8),
    Reencrypt(u8),
    Describe(u8),
    Remove,
}

/// The next document, as a writer makes it.
fn act(doc: &Doc, act: Act) -> Doc {
    let meta = |number: u8, change: &dyn Fn(&mut Metadata)| {
        let old = match &doc.record {
            Record::Meta(old) => (**old).clone(),
            Record::Gone(_) => Metadata { value_revision: doc.number(), ..first().metadata().unwrap().clone() },
        };
        let mut next = Metadata { revision: doc.number() + 1, parents: vec![doc.digest], ..old };
        change(&mut next);
        next.digest = Digest::of(format!("{} {} {number}", next.revision, next.value_revision).as_bytes());
        signed(next)
    };
    match (act, &doc.record) {
        (Act::Remove, Record::Meta(old)) => {
            let gone = Tombstone::of(old, doc.digest);
            Doc { digest: Digest::of(gone.render().as_bytes()), record: Record::Gone(gone) }
        }
        (Act::Set(number), _) | (Act::Reencrypt(number) | Act::Describe(number), Record::Gone(_)) => {
            meta(number, &|next| {
                next.value_revision = if doc.metadata().is_some() { next.value_revision + 1 } else { next.revision };
                next.exposed_to = Vec::new();
            })
        }
        (Act::Reencrypt(number), _) => meta(number, &|next| {
            next.recipients = vec!["aaaaaaaaaaaaaaaa".parse().unwrap()];
            next.exposed_to = vec!["ci@bbbbbbbbbbbbbbbb".parse().unwrap()];
        }),
        (Act::Describe(number), _) => {
            let old = doc.metadata().unwrap().digest;
            let mut next = doc.metadata().unwrap().clone();
            (next.revision, next.parents) = (doc.number() + 1, vec![doc.digest]);
            next.description = Some(format!("text {number}"));
            next.digest = old;
            signed(next)
        }
        (Act::Remove, Record::Gone(_)) => doc.clone(),
    }
}

/// The document that comes of a merge.
fn merged(bases: &[Option<&Doc>], ours: &Doc, theirs: &Doc) -> (Doc, Option<Said>) {
    let (outcome, said) = merge(bases, Some(ours), Some(theirs), |_| Some("eric".parse().unwrap()));
    let doc = match outcome {
        Outcome::Taken(Side::Ours) => ours.clone(),
        Outcome::Taken(Side::Theirs) => theirs.clone(),
        Outcome::Woven { mut fact, anew, .. } => {
            if anew {
                fact.digest = Digest::of(fact.render().as_bytes());
            }
            signed(*fact)
        }
        Outcome::Buried(gone) => Doc { digest: Digest::of(gone.render().as_bytes()), record: Record::Gone(gone) },
    };
    (doc, said)
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let one = prop_oneof![
        any::<u8>().prop_map(Act::Set),
        any::<u8>().prop_map(Act::Reencrypt),
        any::<u8>().prop_map(Act::Describe),
        Just(Act::Remove),
    ];
    proptest::collection::vec(one, 0..4)
}

fn run(from: &Doc, acts: &[Act]) -> Doc {
    acts.iter().fold(from.clone(), |doc, next| act(&doc, *next))
}

/// Whether a run of acts gave the secret a value of its own that was not removed again.
fn keeps_a_new_value(acts: &[Act]) -> bool {
    let mut new = false;
    let mut gone = false;
    for act in acts {
        match act {
            Act::Set(_) => (new, gone) = (true, false),
            Act::Remove => (new, gone) = (false, true),
            // On a tombstone these make the secret again.
            _ if gone => (new, gone) = (true, false),
            _ => {}
        }
    }
    new
}

proptest! {
    #[test]
    fn whoever_merges_gets_the_same_and_the_proof_of_history_accepts_it(mine in acts(), other in acts()) {
        let base = first();
        let (a, b) = (run(&base, &mine), run(&base, &other));
        let (one, _) = merged(&[Some(&base)], &a, &b);
        let (two, _) = merged(&[Some(&base)], &b, &a);
        prop_assert_eq!(one.digest, two.digest);
        if one.digest != a.digest && one.digest != b.digest {
            let fit = rules::secret(Some(&one), &[&a, &b]);
            prop_assert!(fit.is_ok(), "{:?}", fit);
            prop_assert!(fit.unwrap().after.is_empty());
        }
    }

    #[test]
    fn no_value_is_lost_without_a_word(mine in acts(), other in acts()) {
        let base = first();
        let (a, b) = (run(&base, &mine), run(&base, &other));
        let (doc, said) = merged(&[Some(&base)], &a, &b);
        let value = |doc: &Doc| doc.metadata().map(|metadata| metadata.value_revision);
        let (new_a, new_b) = (keeps_a_new_value(&mine), keeps_a_new_value(&other));
        match (new_a, new_b) {
            (true, true) if a.digest != b.digest => {
                // Values that look alike count as a third one.
                let alike = u64::from(value(&a) == value(&b));
                prop_assert_eq!(value(&doc), value(&a).max(value(&b)).map(|number| number + alike));
                prop_assert!(matches!(said, Some(Said::OtherValue(_))), "{:?}", said);
            }
            (true, false) => prop_assert_eq!(value(&doc), value(&a)),
            (false, true) => prop_assert_eq!(value(&doc), value(&b)),
            (true, true) => {}
            // Nobody set anything that stayed: a removal wins.
            (false, false) => {
                let removed = a.metadata().is_none() || b.metadata().is_none();
                prop_assert_eq!(doc.metadata().is_none(), removed);
            }
        }
    }
}

#[test]
fn a_reencryption_never_resurrects_what_was_removed_and_never_beats_a_rotation() {
    let base = first();
    let reencrypted = run(&base, &[Act::Reencrypt(1), Act::Reencrypt(2), Act::Reencrypt(3)]);
    let (doc, said) = merged(&[Some(&base)], &reencrypted, &act(&base, Act::Remove));
    assert!(doc.metadata().is_none() && said.is_none());
    let rotated = act(&base, Act::Set(9));
    let (doc, said) = merged(&[Some(&base)], &reencrypted, &rotated);
    assert_eq!((doc.metadata().unwrap().value_revision, said), (2, None));
    assert_eq!(doc.metadata().unwrap().digest, rotated.metadata().unwrap().digest);
}

#[test]
fn a_removal_beside_a_new_value_keeps_the_value_and_says_so() {
    let base = first();
    let (set, removed) = (act(&base, Act::Set(1)), act(&base, Act::Remove));
    for (a, b) in [(&set, &removed), (&removed, &set)] {
        let (doc, said) = merged(&[Some(&base)], a, b);
        assert_eq!(said, Some(Said::Kept));
        assert_eq!(doc.metadata().unwrap().digest, set.metadata().unwrap().digest);
    }
}

#[test]
fn keys_that_could_read_one_of_two_ciphertexts_stay_marked() {
    let base = first();
    // One side took a key away, the other described the secret anew and still has the key.
    let (revoked, described) = (act(&base, Act::Reencrypt(1)), act(&act(&base, Act::Describe(1)), Act::Describe(2)));
    let (doc, _) = merged(&[Some(&base)], &revoked, &described);
    let metadata = doc.metadata().unwrap();
    let reads = metadata.recipients.contains(&"bbbbbbbbbbbbbbbb".parse().unwrap());
    let marked = metadata.exposed_to.iter().any(|exposure| exposure.key == "bbbbbbbbbbbbbbbb".parse().unwrap());
    assert!(reads != marked, "{metadata:?}");
    assert_eq!(metadata.description.as_deref(), Some("text 2"));
}

const ROOT: &str = "version: 1
root: 1
owners:
  - {name: eric, public_key: age1q9ymcl4tc4slfpmrz8ad7z36js9g6q8j7hmh2d3qdstvxvqz0a6s4gsyqy, signing_key: \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\"}
";

/// A root with a made-up owner: nothing here verifies a signature.
fn root() -> Root {
    let key = crate::identity::Identities::generate();
    let owner = key.recipients().next().unwrap().to_string();
    let at = ROOT.find("age1").unwrap();
    let text = format!("{}{owner}{}", &ROOT[..at], &ROOT[at + ROOT[at..].find(',').unwrap()..]);
    Root::parse(text.as_bytes()).unwrap()
}

struct Policies {
    root: Root,
    base: Manifest,
    keys: Vec<crate::recipient::Recipient>,
}

impl Policies {
    fn new() -> Self {
        let root = root();
        let vault = VaultId::of(b"root");
        let keys = (0..6).map(|_| crate::identity::Identities::generate().recipients().next().unwrap().clone());
        Self { base: Manifest::first(vault, &root), keys: keys.collect(), root }
    }

    fn with(&self, from: &Manifest, agents: &[(&str, usize, &[&str])]) -> Manifest {
        let mut next = from.successor(Digest::of(from.render().as_bytes()));
        next.agents.clear();
        for (name, key, groups) in agents {
            let groups = groups.iter().map(|group| group.parse().unwrap()).collect();
            next.insert_agent(crate::manifest::Agent {
                name: name.parse().unwrap(),
                public_key: self.keys[*key].clone(),
                groups,
                created: crate::Timestamp::now(),
            });
        }
        next
    }

    fn merge(&self, base: &Manifest, a: &Manifest, b: &Manifest) -> manifests::Merged {
        let digest = |manifest: &Manifest| Digest::of(manifest.render().as_bytes());
        let one = manifests::merge(&[base], (a, digest(a)), (b, digest(b)), &self.root);
        let two = manifests::merge(&[base], (b, digest(b)), (a, digest(a)), &self.root);
        assert_eq!(one.manifest.render(), two.manifest.render(), "whoever merges gets the same");
        one.manifest.check_names().unwrap();
        one
    }
}

fn told(manifest: &Manifest) -> Vec<String> {
    let groups = |agent: &crate::manifest::Agent| agent.groups.iter().map(ToString::to_string).collect::<Vec<_>>();
    manifest.agents.iter().map(|agent| format!("{}:{}", agent.name, groups(agent).join("+"))).collect()
}

#[test]
fn f4_agents_and_grants_of_both_sides_stay_and_what_either_took_is_gone() {
    let all = Policies::new();
    let base = all.with(&all.base, &[("ci", 0, &["a", "b"]), ("old", 1, &["a"])]);
    let ours = all.with(&base, &[("ci", 0, &["a", "c"]), ("old", 1, &["a"]), ("ours", 2, &["a"])]);
    let theirs = all.with(&base, &[("ci", 0, &["a", "b", "d"]), ("theirs", 3, &["d"])]);
    let merged = all.merge(&base, &ours, &theirs);
    assert_eq!(told(&merged.manifest), ["ci:a+c+d", "ours:a", "theirs:d"]);
    assert_eq!(merged.remarks, []);
    assert_eq!(merged.manifest.serial, 1 + ours.serial.max(theirs.serial));
    assert_eq!(merged.manifest.parents.len(), 2);
}

#[test]
fn a_new_key_wins_over_the_old_one_and_a_revocation_counts_for_it_too() {
    let all = Policies::new();
    let base = all.with(&all.base, &[("ci", 0, &["a", "b"])]);
    let rekeyed = all.with(&base, &[("ci", 1, &["a", "b"])]);
    let revoked = all.with(&base, &[("ci", 0, &["a"])]);
    let merged = all.merge(&base, &rekeyed, &revoked);
    assert_eq!(told(&merged.manifest), ["ci:a"]);
    assert_eq!(merged.manifest.agents[0].public_key, all.keys[1]);
    let removed = all.with(&base, &[]);
    assert_eq!(told(&all.merge(&base, &removed, &revoked).manifest), Vec::<String>::new());
}

#[test]
fn two_agents_of_one_name_are_both_kept_and_one_key_is_never_two_agents() {
    let all = Policies::new();
    let base = all.with(&all.base, &[]);
    let (ours, theirs) = (all.with(&base, &[("ci", 0, &["a"])]), all.with(&base, &[("CI", 1, &["b"])]));
    let merged = all.merge(&base, &ours, &theirs);
    assert_eq!(merged.manifest.agents.len(), 2);
    assert!(matches!(merged.remarks.as_slice(), [Remark::AgentRenamed { .. }]), "{:?}", merged.remarks);
    let (ours, theirs) = (all.with(&base, &[("x", 0, &["a"])]), all.with(&base, &[("y", 0, &["b"])]));
    let merged = all.merge(&base, &ours, &theirs);
    assert_eq!(told(&merged.manifest), ["x:a+b"]);
    assert!(matches!(merged.remarks.as_slice(), [Remark::AgentRenamed { .. }]), "{:?}", merged.remarks);
}

#[test]
fn d1_two_agents_of_one_name_get_nothing_of_each_other() {
    let all = Policies::new();
    let base = all.with(&all.base, &[("old", 2, &["c", "d"])]);
    let ours = all.with(&base, &[("ci", 0, &["a"]), ("old", 3, &["c", "a"])]);
    let theirs = all.with(&base, &[("ci", 1, &["b"]), ("old", 4, &["d", "b"])]);
    let merged = all.merge(&base, &ours, &theirs).manifest;
    let of = |key: usize| -> Vec<&str> {
        let agent = merged.agents.iter().find(|agent| agent.public_key == all.keys[key]).unwrap();
        agent.groups.iter().map(|group| group.as_str()).collect()
    };
    assert_eq!((of(0), of(1)), (vec!["a"], vec!["b"]));
    // Each took a group of what the agent had: both are gone, whatever key it has now.
    assert_eq!((of(3), of(4)), (vec!["a"], vec!["b"]));
}

#[test]
fn d1_a_new_key_beside_a_removal_reads_nothing_that_the_agent_had() {
    let all = Policies::new();
    let base = all.with(&all.base, &[("ci", 0, &["a", "b"])]);
    let (rekeyed, removed) = (all.with(&base, &[("ci", 1, &["a", "b", "c"])]), all.with(&base, &[]));
    assert_eq!(told(&all.merge(&base, &rekeyed, &removed).manifest), ["ci:c"]);
}

#[test]
fn d1_somebody_s_new_key_that_is_a_new_agent_s_on_the_other_side_has_what_both_gave_it() {
    let all = Policies::new();
    let base = all.with(&all.base, &[("ci", 0, &["b"])]);
    let rekeyed = all.with(&base, &[("ci", 1, &["a", "b"])]);
    // One name or two: `merge` looks from both sides.
    let beside = all.with(&base, &[("bot", 1, &["c"]), ("ci", 0, &["b"])]);
    let merged = all.merge(&base, &rekeyed, &beside).manifest;
    assert_eq!(told(&merged), ["bot:a+b+c"]);
    let names = |sides: [&Manifest; 2]| Names::new(&[&base], sides, &merged);
    let bot: Vec<AgentName> = vec!["bot".parse().unwrap()];
    for (names, rekeyed, beside) in [(names([&rekeyed, &beside]), 0, 1), (names([&beside, &rekeyed]), 1, 0)] {
        // Whichever way a document calls it.
        assert_eq!(names.all(&names.told(rekeyed, &["ci".parse().unwrap()])), bot);
        assert_eq!(names.all(&names.told(beside, &bot)), bot);
    }
    let twin = all.with(&all.with(&base, &[]), &[("ci", 1, &[]), ("ci-2", 0, &["b"])]);
    assert_eq!(told(&all.merge(&base, &rekeyed, &twin).manifest), ["ci:a+b"]);
    let revoked = all.with(&base, &[("bot", 1, &["c"]), ("ci", 0, &[])]);
    assert_eq!(told(&all.merge(&base, &rekeyed, &revoked).manifest), ["bot:a+c"]);
}

#[test]
fn a9_what_one_side_moved_does_not_forget_who_was_given_it_on_the_other() {
    let of = |doc: &Doc| doc.metadata().unwrap().clone();
    let base = first();
    let gone = act(&base, Act::Remove);
    // Moved by one side, encrypted for one more reader by the other.
    let moved = signed(Metadata { name: path("b/b"), revision: 2, parents: Vec::new(), ..of(&base) });
    let more: Vec<KeyId> =
        ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"].map(|key| key.parse().unwrap()).to_vec();
    let given = signed(Metadata { recipients: more, revision: 2, parents: vec![base.digest], ..of(&base) });
    let exposed = |moved: &Doc, others: &[Metadata]| {
        let mut moves = Moves::default();
        moves.add(&[Some(&base)], [Some(&gone), Some(&given)]);
        moves.add(&[None], [Some(moved), None]);
        let live: Vec<Metadata> = [of(moved)].into_iter().chain(others.iter().cloned()).collect();
        moves.carried(live.iter(), |_| None)
    };
    let found = exposed(&moved, &[]);
    let keys: Vec<String> = found[&path("b/b")].exposed_to.iter().map(|exposure| exposure.key.to_string()).collect();
    assert_eq!(keys, ["cccccccccccccccc"]);
    // Where the old name stays, and where the new one only looks alike because it was made in the same second, nobody is.
    assert!(exposed(&moved, &[of(&given)]).is_empty());
    let made = signed(Metadata { name: path("b/b"), parents: Vec::new(), ..of(&base) });
    assert!(exposed(&made, &[]).is_empty());
}

#[test]
fn names_that_differ_only_in_case_are_both_kept_and_the_later_one_is_renamed() {
    let set = |names: &[&str]| names.iter().map(|name| path(name)).collect::<BTreeSet<_>>();
    let renamed = |live: &[&str], held: &[&str]| {
        let found = names::collisions(&set(live), &set(held));
        found.into_iter().map(|(from, to)| format!("{from}>{to}")).collect::<Vec<_>>()
    };
    assert_eq!(renamed(&["a/b", "a/c"], &[]), Vec::<String>::new());
    assert_eq!(renamed(&["a/Key", "a/key"], &[]), ["a/key>a/key-2"]);
    assert_eq!(renamed(&["a/Key", "a/key", "a/key-2"], &[]), ["a/key>a/key-3"]);
    assert_eq!(renamed(&["A/x", "a/y"], &[]), ["a/y>A/y"]);
    assert_eq!(renamed(&["A/x", "a/x"], &[]), ["a/x>A/x-2"]);
    assert_eq!(renamed(&["a/Key", "a/key"], &["a/key-2"]), ["a/key>a/key-3"]);
    // A folder and a secret of one name are different files.
    assert_eq!(renamed(&["a/b", "a/b/c"], &[]), Vec::<String>::new());
}
