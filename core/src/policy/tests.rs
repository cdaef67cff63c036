//! Laws of policy and plan, over arbitrary vaults.

use super::*;
use crate::manifest::Agent;
use crate::metadata::Draft;
use crate::root::{Owner, VaultId};
use crate::signing::SigningKey;
use crate::time::Timestamp;
use proptest::prelude::*;
use std::sync::OnceLock;

const GROUPS: [&str; 4] = ["g0", "g1", "g2", "g3"];

/// Keys are slow to make and any will do.
fn keys() -> &'static [Recipient] {
    static KEYS: OnceLock<Vec<Recipient>> = OnceLock::new();
    KEYS.get_or_init(|| (0..15).map(|_| Recipient::of_x25519(&age::x25519::Identity::generate())).collect())
}

fn root() -> &'static Root {
    static ROOT: OnceLock<Root> = OnceLock::new();
    ROOT.get_or_init(|| {
        let signing_key = SigningKey::generate("").unwrap().verifying_key();
        Root::first(Owner { name: "eric".parse().unwrap(), public_key: keys()[0].clone(), signing_key, proof: None })
    })
}

/// A root of the owners in a bit field: eric, whose key is 0, and those with the keys from 12 on.
fn root_of(number: u64, bits: u8) -> Root {
    let all = [("eric", 0), ("mara", 12), ("bob", 13), ("eve", 14)];
    let owners = all.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, (name, key))| Owner {
        name: name.parse().unwrap(),
        public_key: keys()[*key].clone(),
        // Policy does not look at it.
        signing_key: root().owners[0].signing_key.clone(),
        proof: None,
    });
    let mut root = root().successor(crate::digest::Digest::of(b""), owners.collect());
    root.root = number;
    root
}

fn vault() -> VaultId {
    VaultId::of(b"x")
}

fn agent_name(n: usize) -> AgentName {
    AgentName::parse(&format!("agent{n}")).unwrap()
}

fn group(n: usize) -> GroupName {
    GroupName::parse(GROUPS[n % GROUPS.len()]).unwrap()
}

/// Agents 0 to 9 with the memberships of a bit field each.
fn manifest(memberships: &[u8]) -> Manifest {
    let mut manifest = Manifest::first(vault(), root());
    for (n, bits) in memberships.iter().enumerate() {
        let groups = (0..GROUPS.len()).filter(|bit| bits >> bit & 1 == 1).map(group).collect();
        manifest.insert_agent(Agent {
            name: agent_name(n),
            public_key: keys()[n + 1].clone(),
            groups,
            created: Timestamp::from_unix(0).unwrap(),
        });
    }
    manifest
}

/// A secret that was sealed under a policy.
fn sealed(n: usize, group_of: usize, explicit: Vec<AgentName>, policy: &Policy<'_>) -> Metadata {
    let mut metadata = Metadata::new(Draft {
        vault: vault(),
        name: SecretPath::parse(&format!("s/{n}")).unwrap(),
        group: group(group_of),
        created: Timestamp::from_unix(0).unwrap(),
        rotated: Timestamp::from_unix(0).unwrap(),
        expires: None,
        description: None,
        agents: explicit,
    });
    let readers = policy.readers(&metadata.group, &metadata.agents);
    metadata.recipients = readers.ids();
    metadata.authorized_agents = readers.agents;
    metadata
}

/// What apply writes, without the cryptography.
fn applied(step: &Step) -> Metadata {
    Metadata {
        group: step.group.clone(),
        agents: step.agents.clone(),
        recipients: step.readers.ids(),
        authorized_agents: step.readers.agents.clone(),
        exposed_to: step.exposed_to(),
        ..step.fact.clone()
    }
}

fn membership_sets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..16, 1..10)
}

/// What a key is called in `exposed_to`.
fn exposure(name: AgentName, key: usize) -> Exposure {
    Exposure { name, key: keys()[key].id() }
}

#[test]
fn a_plan_says_who_gains_and_who_loses_and_for_whom_to_encrypt() {
    // Agent 0 is in g0, agent 1 in g1; then it is the other way round.
    let (before, after) = (manifest(&[1, 2]), manifest(&[2, 1]));
    let (before, after) = (Policy::new(root(), &before), Policy::new(root(), &after));
    let secret = sealed(0, 0, vec![], &before);
    assert!(plan(&before, [Subject::unchanged(secret.clone())]).is_empty(), "policy and fact agree");
    let steps = plan(&after, [Subject::unchanged(secret.clone())]);
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!((step.path(), step.reencrypt), (&secret.name, true));
    assert_eq!(step.readers.agents, [agent_name(1)]);
    assert_eq!(step.readers.ids(), [keys()[0].id(), keys()[2].id()], "the owner first, each with its own key");
    assert_eq!(step.gains, [exposure(agent_name(1), 2)]);
    assert_eq!(step.loses, [exposure(agent_name(0), 1)]);
    assert_eq!(step.exposed_to(), [exposure(agent_name(0), 1)]);
}

#[test]
fn a_plan_gives_an_owner_back_what_was_sealed_without_one() {
    let manifest = manifest(&[1]);
    let policy = Policy::new(root(), &manifest);
    let mut secret = sealed(0, 0, vec![], &policy);
    secret.recipients = vec![keys()[11].id(), keys()[1].id()];
    let steps = plan(&policy, [Subject::unchanged(secret)]);
    assert_eq!(steps[0].gains, [exposure(AgentName::parse("eric").unwrap(), 0)]);
    // Whose the other key is, no root says; it is told all the same.
    assert_eq!(steps[0].loses, [exposure(AgentName::parse("owner").unwrap(), 11)]);
}

#[test]
fn what_changes_nobodys_access_is_signed_anew_and_not_encrypted_anew() {
    // Both groups have the same members.
    let manifest = manifest(&[3]);
    let policy = Policy::new(root(), &manifest);
    let secret = sealed(0, 0, vec![], &policy);
    let moved = Subject { group: group(1), ..Subject::unchanged(secret.clone()) };
    let named = Subject { agents: vec![agent_name(0)], ..Subject::unchanged(secret) };
    for subject in [moved, named] {
        let (group, agents) = (subject.group.clone(), subject.agents.clone());
        let steps = plan(&policy, [subject]);
        let [step] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!((&step.group, &step.agents, step.reencrypt), (&group, &agents, false));
        assert!(step.gains.is_empty() && step.loses.is_empty());
    }
}

#[test]
fn a_group_grants_to_its_members_only() {
    let manifest = manifest(&[1, 2]);
    let policy = Policy::new(root(), &manifest);
    assert!(policy.grants(&agent_name(0), &group(0)) && policy.grants(&agent_name(1), &group(1)));
    assert!(!policy.grants(&agent_name(0), &group(1)) && !policy.grants(&agent_name(0), &group(2)));
    assert!(!policy.grants(&agent_name(5), &group(0)), "nobody of that name");
    assert_eq!(policy.readers(&group(0), &[agent_name(5)]).agents, [agent_name(0)], "nor as an explicit one");
}

proptest! {
    #[test]
    fn grant_then_revoke_is_identity_on_recipients(bits in membership_sets(), who in 0usize..10, which in 0usize..4) {
        let who = who % bits.len();
        prop_assume!(bits[who] >> which & 1 == 0);
        let before = manifest(&bits);
        let mut granted = bits.clone();
        granted[who] |= 1 << which;
        let granted = manifest(&granted);
        let (policy, wider) = (Policy::new(root(), &before), Policy::new(root(), &granted));
        let secrets: Vec<Metadata> = (0..8).map(|n| sealed(n, n, vec![], &policy)).collect();
        for secret in secrets {
            let mut there = secret.clone();
            if let Some(step) = step(&wider, Subject::unchanged(secret.clone())) {
                prop_assert!(step.loses.is_empty());
                there = applied(&step);
            }
            if let Some(step) = step(&policy, Subject::unchanged(there.clone())) {
                prop_assert!(step.gains.is_empty());
                there = applied(&step);
                prop_assert!(there.exposed_to.iter().any(|exposure| exposure.name == agent_name(who)));
            }
            prop_assert_eq!(there.recipients, secret.recipients);
        }
    }

    #[test]
    fn an_applied_plan_leaves_an_empty_plan(before in membership_sets(), after in membership_sets(), explicit in 0usize..12) {
        let (old, new) = (manifest(&before), manifest(&after));
        let (old, new) = (Policy::new(root(), &old), Policy::new(root(), &new));
        let secrets: Vec<Metadata> = (0..8).map(|n| sealed(n, n, vec![agent_name(explicit)], &old)).collect();
        let steps = plan(&new, secrets.into_iter().map(Subject::unchanged));
        let again = plan(&new, steps.iter().map(|step| Subject::unchanged(applied(step))));
        prop_assert!(again.is_empty());
    }

    #[test]
    fn a_plan_never_names_a_recipient_that_policy_does_not(before in membership_sets(), after in membership_sets(), explicit in 0usize..12) {
        let (old, new) = (manifest(&before), manifest(&after));
        let (was, now) = (Policy::new(root(), &old), Policy::new(root(), &new));
        let secrets: Vec<Metadata> = (0..8).map(|n| sealed(n, n, vec![agent_name(explicit)], &was)).collect();
        for step in plan(&now, secrets.into_iter().map(Subject::unchanged)) {
            for recipient in &step.readers.recipients {
                let owner = root().owners.iter().any(|owner| owner.public_key == *recipient);
                let allowed = new.agents.iter().any(|agent| {
                    agent.public_key == *recipient && (agent.groups.contains(&step.group) || step.agents.contains(&agent.name))
                });
                prop_assert!(owner || allowed);
            }
        }
    }

    #[test]
    fn d0_exposed_are_exactly_the_keys_that_could_read_and_no_longer_may(history in prop::collection::vec(membership_sets(), 2..6)) {
        let first = manifest(&history[0]);
        let mut secret = sealed(0, 0, vec![], &Policy::new(root(), &first));
        let mut ever: BTreeSet<KeyId> = secret.recipients.iter().copied().collect();
        for bits in &history[1..] {
            let manifest = manifest(bits);
            if let Some(step) = step(&Policy::new(root(), &manifest), Subject::unchanged(secret.clone())) {
                secret = applied(&step);
            }
            ever.extend(&secret.recipients);
            let now: BTreeSet<KeyId> = secret.recipients.iter().copied().collect();
            let exposed: BTreeSet<KeyId> = secret.exposed_to.iter().map(|exposure| exposure.key).collect();
            prop_assert_eq!(exposed, &ever - &now);
        }
    }

    #[test]
    fn d0_of_owners_too_exactly_the_keys_are_exposed_and_each_by_its_owners_name(
        history in prop::collection::vec((membership_sets(), 1u8..16), 2..6)
    ) {
        let roots: Vec<Root> = (1..).zip(&history).map(|(number, (_, bits))| root_of(number, *bits)).collect();
        let first = manifest(&history[0].0);
        let mut secret = sealed(0, 0, vec![], &Policy::new(&roots[0], &first));
        let mut ever: BTreeSet<KeyId> = secret.recipients.iter().copied().collect();
        for (roots, (bits, _)) in roots.windows(2).zip(&history[1..]) {
            let manifest = manifest(bits);
            let policy = Policy::new(&roots[1], &manifest).in_place_of(&roots[0]);
            let [step] = plan_anew(&policy, [Subject::unchanged(secret.clone())]).try_into().unwrap();
            secret = applied(&step);
            ever.extend(&secret.recipients);
            let now: BTreeSet<KeyId> = secret.recipients.iter().copied().collect();
            let exposed: BTreeSet<KeyId> = secret.exposed_to.iter().map(|exposure| exposure.key).collect();
            prop_assert_eq!(exposed, &ever - &now);
        }
        let everybody = root_of(1, 15);
        for exposure in &secret.exposed_to {
            if let Some(owner) = everybody.by_key(exposure.key) {
                prop_assert_eq!(owner.name.as_str(), exposure.name.as_str());
            }
        }
    }
}
