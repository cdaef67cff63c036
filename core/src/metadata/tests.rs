//! Documents: parse(render(x)) = x, one rendering only, nothing hidden.

use super::*;
use crate::manifest::{Agent, Manifest};
use crate::recipient::Recipient;
use crate::root::{Owner, Proof, Root};
use crate::signing::{Namespace, SigningKey};
use proptest::prelude::*;

fn vault() -> VaultId {
    VaultId::of(b"a test's first root")
}

prop_compose! {
    fn metadata()(
        segments in prop::collection::vec("[a-z0-9][a-z0-9_-]{0,9}", 1..4),
        group in "[A-Za-z0-9_]{1,12}",
        numbers in (1..=yaml::GREATEST, 1..=yaml::GREATEST),
        times in (0i64..4_000_000_000, prop::option::of(0i64..250_000_000_000)),
        description in prop::option::of("[ -~äöü€]{0,60}"),
        agents in prop::collection::vec("[a-z0-9]{1,10}", 0..4),
        digests in prop::collection::vec(any::<[u8; 32]>(), 1..4),
        bounds in (any::<bool>(), prop::collection::btree_set("/[a-f0-9]{4,9}q", 0..4), prop::collection::btree_set("[a-z0-9]{1,9}(:8[0-9]{3})?", 0..4)),
    ) -> Option<Metadata> {
        let name = SecretPath::parse(&segments.join("/")).ok()?;
        let agents: Vec<AgentName> = agents.iter().filter_map(|agent| AgentName::parse(agent).ok()).collect();
        let mut metadata = Metadata::new(Draft {
            vault: vault(),
            name,
            group: GroupName::parse(&group).ok()?,
            created: Timestamp::from_unix(times.0)?,
            rotated: Timestamp::from_unix(times.0)?,
            expires: times.1.and_then(Timestamp::from_unix),
            description,
            agents: agents.clone(),
        });
        metadata.revision = numbers.0;
        metadata.value_revision = numbers.1;
        metadata.recipients = (0..=agents.len()).map(|n| KeyId::of(&n.to_string())).collect();
        metadata.exposed_to = agents.iter().map(|name| Exposure { name: name.clone(), key: KeyId::of(name.as_str()) }).collect();
        metadata.authorized_agents = agents;
        metadata.parents = digests.iter().map(|digest| Digest(*digest)).collect();
        metadata.digest = Digest(digests[0]);
        metadata.use_only = bounds.0;
        let programs = bounds.1.iter().filter(|_| bounds.0);
        metadata.programs = purpose::sorted(programs.filter_map(|path| path.parse().ok()).collect());
        metadata.hosts = purpose::sorted(bounds.2.iter().filter_map(|host| host.parse().ok()).collect());
        Some(metadata)
    }
}

#[test]
fn every_number_has_a_next_one() {
    let name: SecretPath = "a/b".parse().unwrap();
    let draft = Draft {
        vault: vault(),
        name: name.clone(),
        group: name.default_group(),
        created: Timestamp::from_unix(0).unwrap(),
        rotated: Timestamp::from_unix(0).unwrap(),
        expires: None,
        description: None,
        agents: Vec::new(),
    };
    let good = Metadata { revision: 1, value_revision: 1, recipients: vec![KeyId::of("a")], ..Metadata::new(draft) };
    let parsed = |metadata: &Metadata| Metadata::parse(metadata.render().as_bytes(), vault(), &name);
    for number in [1, yaml::GREATEST] {
        parsed(&Metadata { revision: number, value_revision: number, ..good.clone() }).unwrap();
    }
    for number in [0, yaml::GREATEST + 1, u64::MAX] {
        parsed(&Metadata { revision: number, ..good.clone() }).unwrap_err();
        parsed(&Metadata { value_revision: number, ..good.clone() }).unwrap_err();
        let gone = Tombstone::new(vault(), name.clone(), number, Vec::new());
        Tombstone::parse(gone.render().as_bytes(), vault(), &name).unwrap_err();
    }
}

proptest! {
    #[test]
    fn metadata_reads_back_as_it_was_written(metadata in metadata()) {
        if let Some(metadata) = metadata {
            let text = metadata.render();
            prop_assert_eq!(Metadata::parse(text.as_bytes(), vault(), &metadata.name).unwrap(), metadata);
        }
    }

    #[test]
    fn one_changed_byte_never_gives_the_same_document(metadata in metadata(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        if let Some(metadata) = metadata {
            let mut text = metadata.render().into_bytes();
            let at = at.index(text.len());
            prop_assume!(text[at] != byte);
            text[at] = byte;
            if let Ok(other) = Metadata::parse(&text, vault(), &metadata.name) {
                prop_assert_ne!(other, metadata);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let name = SecretPath::parse("a/b").unwrap();
        let _ = Metadata::parse(&bytes, vault(), &name);
        let _ = Tombstone::parse(&bytes, vault(), &name);
        let _ = Root::parse(&bytes);
        let _ = split_signed(&bytes);
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written(names in prop::collection::btree_set("[a-z][a-z0-9]{0,8}", 0..6), serial in 1..=yaml::GREATEST) {
        let root = root();
        let mut manifest = Manifest::first(vault(), &root);
        manifest.serial = serial;
        for (n, name) in names.iter().enumerate() {
            let Ok(name) = AgentName::parse(name) else { continue };
            manifest.insert_agent(Agent { name, public_key: recipient(), groups: vec![GroupName::parse(&format!("g{n}")).unwrap()], created: Timestamp::from_unix(0).unwrap() });
            manifest.insert_group(&GroupName::parse(&format!("g{n}")).unwrap());
        }
        prop_assert_eq!(Manifest::parse(manifest.render().as_bytes(), vault(), &root).unwrap(), manifest);
    }
}

fn recipient() -> Recipient {
    Recipient::of_x25519(&age::x25519::Identity::generate())
}

fn root() -> Root {
    let signing_key = SigningKey::generate("").unwrap().verifying_key();
    Root::first(Owner {
        name: "eric".parse().unwrap(),
        public_key: recipient(),
        signing_key,
        proof: Some(Proof([7; 32])),
    })
}

#[test]
fn a_root_reads_back_as_it_was_written() {
    let root = root();
    assert_eq!(Root::parse(root.render().as_bytes()).unwrap(), root);
}

#[test]
fn a8_appended_hidden_and_repeated_fields_are_refused() {
    let mut metadata = Metadata::new(Draft {
        vault: vault(),
        name: "a/b".parse().unwrap(),
        group: "a".parse().unwrap(),
        created: Timestamp::from_unix(0).unwrap(),
        rotated: Timestamp::from_unix(0).unwrap(),
        expires: None,
        description: Some("plain".into()),
        agents: vec![],
    });
    metadata.revision = 1;
    metadata.value_revision = 1;
    metadata.recipients = vec![KeyId::of("x")];
    let text = metadata.render();
    let name: SecretPath = "a/b".parse().unwrap();
    assert!(Metadata::parse(text.as_bytes(), vault(), &name).is_ok());
    for hostile in [
        text.replace("group: a\n", "group: a\ngroup: b\n"),
        text.replace("group: a\n", "group: a # b\n"),
        text.replace("group: a\n", "group: &x a\n"),
        text.replace("group: a\n", "group: !!str a\n"),
        text.replace("group: a\n", "group: \"a\"\n"),
        text.replace("group: a\n", "group:  a\n"),
        text.replace("group: a\n", "group: a\nextra: b\n"),
        text.replace("group: a\n", "group: a\u{85}extra: b\n"),
        text.replace('\n', "\r\n"),
        text.replace("plain", "pl\u{202e}ain"),
        text.replace("version: 1", "version: 2"),
        format!("{text}---\nversion: 1\n"),
        format!("{text}\n"),
        format!("\u{feff}{text}"),
    ] {
        assert!(Metadata::parse(hostile.as_bytes(), vault(), &name).is_err(), "accepted {hostile}");
    }
    let crlf = Metadata::parse(text.replace('\n', "\r\n").as_bytes(), vault(), &name).unwrap_err();
    assert!(crlf.contains("line endings changed by Git"), "{crlf}");
}

#[test]
fn what_a_secret_may_be_used_for_has_one_rendering_and_nothing_where_there_is_nothing_to_say() {
    let mut plain = Metadata::new(Draft {
        vault: vault(),
        name: "a/b".parse().unwrap(),
        group: "a".parse().unwrap(),
        created: Timestamp::from_unix(0).unwrap(),
        rotated: Timestamp::from_unix(0).unwrap(),
        expires: None,
        description: None,
        agents: vec![],
    });
    (plain.revision, plain.value_revision, plain.recipients) = (1, 1, vec![KeyId::of("x")]);
    let with = |bounds: &str| plain.render().replace("authorized_agents:", &format!("{bounds}authorized_agents:"));
    let parse = |bounds: &str| Metadata::parse(with(bounds).as_bytes(), vault(), &"a/b".parse().unwrap());
    for bounds in [
        "",
        "use_only: true\n",
        "use_only: true\nprograms: [\"/usr/bin/curl\", \"/usr/bin/gh\"]\nhosts: [github.com, \"localhost:8080\"]\n",
        "hosts: [github.com/acme]\n",
    ] {
        assert_eq!(parse(bounds).expect(bounds).render(), with(bounds));
    }
    for bounds in [
        "use_only: false\n",
        "programs: [\"/usr/bin/gh\"]\n",
        "use_only: true\nprograms: []\n",
        "hosts: []\n",
        "use_only: true\nprograms: [gh]\n",
        "use_only: true\nprograms: [\"/bin/sh\"]\n",
        "use_only: true\nprograms: [\"/usr/bin/gh\", \"/usr/bin/curl\"]\n",
        "use_only: true\nprograms: [\"/usr/bin/gh\", \"/usr/bin/gh\"]\n",
        "programs: [\"/usr/bin/gh\"]\nuse_only: true\n",
        "hosts: [\"*.example.org\"]\n",
        "hosts: [b.org, a.org]\n",
    ] {
        assert!(parse(bounds).is_err(), "accepted {bounds}");
    }
    let many: Vec<String> = (100..100 + purpose::MAX_ENTRIES + 1).map(|number| format!("h{number}")).collect();
    assert!(parse(&format!("hosts: [{}]\n", many[1..].join(", "))).is_ok());
    assert!(parse(&format!("hosts: [{}]\n", many.join(", "))).is_err());
}

#[test]
fn a6_yaml_bombs_and_deep_nesting_are_refused_quickly() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n";
    let deep = "[".repeat(100_000);
    let name: SecretPath = "a/b".parse().unwrap();
    for hostile in [bomb, &deep, "version: 99\n", "\0\0\0"] {
        assert!(Metadata::parse(hostile.as_bytes(), vault(), &name).is_err());
        assert!(Root::parse(hostile.as_bytes()).is_err());
    }
}

#[test]
fn a8_text_after_the_signature_is_refused() {
    let key = SigningKey::generate("").unwrap();
    let body = "version: 1\n";
    let signed = join_signed(body, &key.sign(Namespace::Secret, body.as_bytes()).unwrap());
    assert_eq!(split_signed(&signed).unwrap().0, body.as_bytes());
    for tail in ["x", "\n", "extra: 1\n", "\r\n"] {
        let mut more = signed.clone();
        more.extend_from_slice(tail.as_bytes());
        assert!(split_signed(&more).is_err(), "accepted {tail:?}");
    }
}
