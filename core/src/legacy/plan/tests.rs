use super::*;
use crate::identity::Identities;
use proptest::prelude::*;

fn key() -> Recipient {
    Identities::generate().recipients().next().cloned().unwrap()
}

fn agent(name: &str, groups: &[&str]) -> AgentFact {
    AgentFact {
        name: name.into(),
        listed: true,
        groups: groups.iter().map(ToString::to_string).collect(),
        key: Some(key()),
        unproven: None,
        known_here: None,
        reseal: false,
    }
}

/// A secret listed in `group`, readable to the owner and `readers`.
fn secret(path: &str, group: &str, readers: &[Reader]) -> SecretFact {
    SecretFact {
        path: path.parse().unwrap(),
        digest: Digest::of(path.as_bytes()),
        size: 1,
        readers: [&[Reader::Owner], readers].concat(),
        listed: vec![group.into()],
        metadata: Some(said(path, group, &[])),
    }
}

fn said(path: &str, group: &str, agents: &[&str]) -> Metadata {
    let authorized_agents = agents.iter().map(ToString::to_string).collect();
    Metadata { name: path.into(), group: group.into(), created: None, rotated: None, expires: None, authorized_agents }
}

fn facts(agents: Vec<AgentFact>, secrets: Vec<SecretFact>) -> Facts {
    Facts { owner: Some(key()), agents, secrets, ..Facts::default() }
}

fn names(agents: &[AgentName]) -> Vec<&str> {
    agents.iter().map(AgentName::as_str).collect()
}

fn about<'p>(plan: &'p Plan, code: &str) -> Vec<&'p str> {
    plan.findings.iter().filter(|finding| finding.code == code).map(|finding| finding.subject.as_str()).collect()
}

#[test]
fn what_is_claimed_and_so_stays_as_it_is() {
    let plan = plan(&facts(vec![agent("ci", &["a"])], vec![secret("a/one", "a", &[Reader::Agent(0)])]));
    assert_eq!(plan.agents[0].groups, ["a".parse().unwrap()]);
    let one = &plan.secrets[0];
    assert_eq!((names(&one.readers), one.explicit.len(), one.reencrypt), (vec!["ci"], 0, false));
    assert!(plan.findings.is_empty(), "{:?}", plan.findings);
}

#[test]
fn an_agent_planted_with_broad_groups_is_left_out() {
    let plan = plan(&facts(
        vec![agent("ci", &["a"]), agent("mallory", &["a", "default"])],
        vec![secret("a/one", "a", &[Reader::Agent(0)])],
    ));
    assert!(plan.agents[1].left_out.as_ref().unwrap().contains("opens nothing of what it is said to read"));
    assert_eq!(names(&plan.secrets[0].readers), ["ci"]);
    assert_eq!(plan.secrets[0].refused, ["mallory"]);
    assert!(!plan.secrets[0].reencrypt);
    // ci, who opens all of it, keeps the group.
    assert_eq!(plan.agents[0].groups.len(), 1);
}

#[test]
fn an_agent_whose_key_was_exchanged_is_left_out_and_the_true_key_is_marked() {
    // ci's stanza is there, and opens with no key in hand.
    let mut one = secret("a/one", "a", &[Reader::Unknown]);
    one.metadata = Some(said("a/one", "a", &["ci"]));
    let plan = plan(&facts(vec![agent("ci", &["a"])], vec![one]));
    assert!(plan.agents[0].kept.is_none());
    assert_eq!(plan.secrets[0].loses[0].to_string(), "ci@0000000000000000");
    assert!(plan.secrets[0].reencrypt);
}

#[test]
fn an_agent_that_opens_a_part_of_a_group_keeps_that_part_and_no_group() {
    let secrets = vec![secret("a/one", "a", &[Reader::Agent(0)]), secret("a/two", "a", &[])];
    let plan = plan(&facts(vec![agent("ci", &["a"])], secrets));
    assert!(plan.agents[0].groups.is_empty());
    assert_eq!(names(&plan.secrets[0].explicit), ["ci"]);
    assert!(plan.secrets[1].readers.is_empty() && !plan.secrets[1].reencrypt);
    assert_eq!(plan.secrets[1].refused, ["ci"]);
    assert_eq!(about(&plan, "claim-refused"), ["agent ci"]);
    assert_eq!(about(&plan, "group-dropped"), ["agent ci"]);
}

#[test]
fn a_key_that_opens_what_nobody_claims_for_it_loses_it() {
    let secrets = vec![secret("a/one", "a", &[Reader::Agent(0)]), secret("b/two", "b", &[Reader::Agent(0)])];
    let plan = plan(&facts(vec![agent("ci", &["a"])], secrets));
    assert!(plan.secrets[1].readers.is_empty() && plan.secrets[1].reencrypt);
    assert_eq!(plan.secrets[1].loses.len(), 1);
    assert!(plan.secrets[1].loses[0].to_string().starts_with("ci@"));
}

#[test]
fn explicit_agents_stay_explicit() {
    let mut one = secret("a/one", "a", &[Reader::Agent(0), Reader::Agent(1)]);
    one.metadata = Some(said("a/one", "a", &["ci", "bob"]));
    let plan = plan(&facts(vec![agent("bob", &[]), agent("ci", &["a"])], vec![one]));
    assert_eq!(names(&plan.secrets[0].explicit), ["bob"]);
    assert_eq!(names(&plan.secrets[0].readers), ["bob", "ci"]);
    assert!(!plan.secrets[0].reencrypt);
}

#[test]
fn a_secret_in_two_groups_gets_the_one_whose_members_open_it() {
    // `set --group b` on a secret of group a: the manifest has it in both, the metadata in the first.
    let mut one = secret("a/one", "a", &[Reader::Agent(1)]);
    one.listed = vec!["a".into(), "b".into()];
    let two = secret("a/two", "a", &[Reader::Agent(0)]);
    let plan = plan(&facts(vec![agent("ann", &["a"]), agent("ben", &["b"])], vec![one, two]));
    assert_eq!(plan.secrets[0].group.as_str(), "b");
    assert_eq!(plan.agents[0].groups, ["a".parse().unwrap()]);
    assert_eq!(plan.agents[1].groups, ["b".parse().unwrap()]);
    assert_eq!(plan.secrets[0].refused, ["ann"]);
}

#[test]
fn agents_that_cannot_be_signed_are_left_out_with_a_reason() {
    let mut found = facts(
        vec![
            agent("my bot", &["a"]),
            agent("CI", &["a"]),
            agent("ci", &["a"]),
            agent("own", &["a"]),
            agent("lost", &["a"]),
            agent("idle", &[]),
            agent("made-here", &[]),
            agent("other", &["a", "b"]),
        ],
        vec![secret("a/one", "a", &[0, 1, 2, 3, 7].map(Reader::Agent)), secret("b/two", "b", &[])],
    );
    found.agents[3].key = found.owner.clone();
    found.agents[4].unproven = Some("its private key is nowhere");
    found.agents[6].known_here = Some(true);
    found.agents[7].known_here = Some(false);
    let plan = plan(&found);
    let reason = |at: usize| plan.agents[at].left_out.as_deref().unwrap_or("kept");
    for (at, part) in [
        (0, "does not take"),
        (1, "kept"),
        (2, "only in case"),
        (3, "the owner's"),
        (4, "nowhere"),
        (5, "nothing shows whose it is"),
        (6, "kept"),
        (7, "another key of that name"),
    ] {
        assert!(reason(at).contains(part), "{at}: {}", reason(at));
    }
    assert_eq!(about(&plan, "left-out").len(), 6);
}

#[test]
fn two_agents_with_one_key_are_one_reader_with_what_both_may_read() {
    let mut found = facts(
        vec![agent("ann", &["a"]), agent("ben", &["b"])],
        vec![secret("a/one", "a", &[Reader::Agent(0)]), secret("b/two", "b", &[Reader::Agent(1)])],
    );
    found.agents[1].key = found.agents[0].key.clone();
    let plan = plan(&found);
    assert_eq!(plan.agents[0].groups.len(), 2);
    assert!(plan.agents[1].left_out.as_ref().unwrap().contains("also that of ann"));
    assert!(plan.secrets.iter().all(|secret| names(&secret.readers) == ["ann"] && !secret.reencrypt));
}

/// Any vault: agents with any claims, secrets with any readers.
fn any_facts() -> impl Strategy<Value = Facts> {
    let group = || prop::sample::subsequence(vec!["a", "b", "c d", "default"], 0..=3);
    let agent_fact = (group(), any::<bool>(), prop::option::of(any::<bool>()), prop::bool::weighted(0.9));
    let reader = prop_oneof![(0usize..4).prop_map(Reader::Agent), Just(Reader::Unknown), Just(Reader::Owner)];
    let authorized = prop::sample::subsequence(vec!["n0", "n1", "n2", "n3", "gone"], 0..=4);
    let secret_fact = (prop::collection::vec(reader, 0..5), group(), prop::option::of((group(), authorized)));
    (prop::collection::vec(agent_fact, 4), prop::collection::vec(secret_fact, 0..6)).prop_map(|(agents, secrets)| {
        let agents = agents.into_iter().enumerate().map(|(at, (groups, listed, known_here, proven))| AgentFact {
            listed: listed || at == 0,
            known_here,
            unproven: (!proven).then_some("unproven"),
            ..agent(&format!("n{at}"), &groups)
        });
        let agents: Vec<AgentFact> = agents.collect();
        let proven: Vec<bool> = agents.iter().map(|agent| agent.unproven.is_none()).collect();
        let secrets = secrets.into_iter().enumerate().map(|(at, (readers, listed, metadata))| {
            let path = format!("a/s{at}");
            let readers: Vec<Reader> = readers
                .into_iter()
                .map(|reader| match reader {
                    Reader::Agent(at) if !proven[at] => Reader::Unknown,
                    other => other,
                })
                .collect();
            SecretFact {
                listed: listed.iter().map(ToString::to_string).collect(),
                metadata: metadata.map(|(groups, agents)| said(&path, groups.first().unwrap_or(&"x"), &agents)),
                ..secret(&path, "a", &readers)
            }
        });
        let secrets = secrets.collect();
        facts(agents, secrets)
    })
}

proptest! {
    #[test]
    fn nobody_gains_and_everybody_who_loses_is_named(found in any_facts()) {
        let plan = plan(&found);
        for (secret, fact) in plan.secrets.iter().zip(&found.secrets) {
            let members = plan.agents.iter().filter(|agent| agent.groups.contains(&secret.group));
            let members = members.filter_map(|agent| agent.kept.as_ref()).map(|(name, _)| name.clone());
            let policy: BTreeSet<AgentName> = members.chain(secret.explicit.iter().cloned()).collect();
            // The policy that is signed gives exactly what is shown.
            prop_assert_eq!(&policy, &secret.readers.iter().cloned().collect::<BTreeSet<_>>());
            for (at, agent) in plan.agents.iter().enumerate() {
                let opens = fact.readers.contains(&Reader::Agent(at));
                let keeps = agent.kept.as_ref().is_some_and(|(name, _)| policy.contains(name));
                prop_assert!(opens || !keeps, "{} gains {}", agent.name, secret.path);
                let named = secret.loses.iter().any(|exposure| Some(exposure.key) == agent.key);
                prop_assert_eq!(opens && !keeps, named);
            }
            let unknown = fact.readers.contains(&Reader::Unknown);
            prop_assert!(!unknown || secret.loses.iter().any(|exposure| exposure.key == KeyId::UNKNOWN));
            prop_assert!(secret.reencrypt || secret.loses.is_empty());
        }
    }
}
