//! Against files that sops made: `deliver/tests/golden/sops`.

use super::super::tree::{Lists, entries};
use super::super::{Content, json, yaml};
use super::*;
use agent_vault_core::Class;
use agent_vault_core::prompt::{Nobody, Prompt};
use std::path::PathBuf;
use std::sync::Arc;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sops").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(golden(name)).expect(name)
}

fn key() -> Identities {
    Identities::from_file(&golden("owner.test-key"), &(Arc::new(Nobody) as Arc<dyn Prompt>)).expect("a key")
}

fn open(name: &str, text: &str) -> Result<Vec<(String, String)>> {
    let tree = match name.rsplit_once('.').expect("an ending").1 {
        "yaml" => decrypt(yaml::parse(text.as_bytes(), name)?, &key(), name)?,
        "json" => decrypt(json::parse(text.as_bytes(), name)?, &key(), name)?,
        _ => dotenv::decrypt(text.as_bytes(), &key(), name)?,
    };
    let told = |content: &Content| match content {
        Content::Value(value) => String::from_utf8_lossy(value.expose()).into_owned(),
        Content::NoValue(reason) => format!("({reason})"),
    };
    let found = entries(tree, Lists::Indexed, name)?;
    Ok(found.iter().map(|entry| (entry.source(), told(&entry.content))).collect())
}

fn is(found: &[(String, String)], expected: &[(&str, &str)]) {
    let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
}

const YAML: [(&str, &str); 18] = [
    ("db/password", "sekrit: 1\nline two\n"),
    ("db/port", "5432"),
    ("db/ratio", "1.5"),
    ("db/big", "1000000000000000000000"),
    ("db/on", "true"),
    ("db/off", "false"),
    ("db/empty", ""),
    ("db/nothing", "(it is null)"),
    ("db/unicode", "é😀"),
    ("db/tricky", "ENC[no]"),
    ("hosts/0", "alpha"),
    ("hosts/1/name", "beta"),
    ("hosts/1/port", "8080"),
    ("name_unencrypted", "in the clear"),
    ("number_unencrypted", "31"),
    ("float_unencrypted", "1.5"),
    ("flag_unencrypted", "true"),
    ("when", "2001-12-14T21:59:43Z"),
];

#[test]
fn files_of_sops_give_back_what_sops_was_given() {
    is(&open("plain.yaml", &text("plain.yaml")).unwrap(), &YAML);
    let json = [
        ("db/password", "sekrit \"1\"\n"),
        ("db/port", "5432"),
        ("db/ratio", "1.5"),
        ("db/big", "1000000000000000000000"),
        ("db/on", "true"),
        ("db/nothing", "(it is null)"),
        ("db/empty", ""),
        ("hosts/0", "alpha"),
        ("hosts/1/name", "beta"),
        ("n_unencrypted", "1000"),
        ("t_unencrypted", "clear"),
    ];
    is(&open("plain.json", &text("plain.json")).unwrap(), &json);
    let env = [("PASSWORD", "sekrit $x \"y\""), ("MULTI", "one\ntwo"), ("EMPTY", ""), ("CLEAR_unencrypted", "clear")];
    is(&open("plain.env", &text("plain.env")).unwrap(), &env);
    is(&open("two-recipients.env", &text("two-recipients.env")).unwrap(), &env);
    is(&open("binary.json", &text("binary.json")).unwrap(), &[("data", "\x01binary é\nsekrit\n\n")]);
}

#[test]
fn values_in_the_clear_count_where_the_mac_covers_them_and_only_there() {
    let regex = open("regex.yaml", &text("regex.yaml")).unwrap();
    let expected = YAML.map(|(key, value)| if key == "db/ratio" { (key, "1.5") } else { (key, value) });
    let of = |found: &[(String, String)], key: &str| found.iter().find(|(other, _)| other == key).unwrap().1.clone();
    for (key, value) in
        expected.iter().filter(|(key, _)| ["db/password", "db/port", "db/unicode", "hosts/0"].contains(key))
    {
        assert_eq!(of(&regex, key), *value);
    }
    let only = open("mac-only.yaml", &text("mac-only.yaml")).unwrap();
    assert_eq!(of(&only, "db/password"), "sekrit: 1\nline two\n");
    assert!(of(&only, "name_unencrypted").starts_with("(it is not encrypted"), "{only:?}");
}

#[test]
fn a_file_that_was_altered_is_refused_whole() {
    let plain = text("plain.yaml");
    let swap = |from: &str, to: &str| {
        assert!(plain.contains(from), "{from}");
        plain.replace(from, to)
    };
    let line = |start: &str| plain.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_owned();
    let sealed = |start: &str| line(start).split_once(": ").unwrap().1.to_owned();
    let altered = [
        swap("in the clear", "in the clean"),
        swap("number_unencrypted: 31", "number_unencrypted: 32"),
        swap("flag_unencrypted: true", "flag_unencrypted: false"),
        // One value in another's place, one dropped, one in the clear, two in another order, an older or absent MAC.
        swap(&sealed("password:"), &sealed("unicode:")),
        swap(&format!("{}\n", line("ratio:")), ""),
        swap(&sealed("password:"), "evil"),
        swap(&sealed("password:"), "\"\""),
        swap(
            &format!("{}\n{}\n", line("password:"), line("port:")),
            &format!("{}\n{}\n", line("port:"), line("password:")),
        ),
        swap(&line("mac:"), &format!("    mac: {}", sealed("password:"))),
        swap(&line("mac:"), "    mac: x"),
        swap("db:\n", "added: evil\ndb:\n"),
        swap(&line("lastmodified:"), "    lastmodified: \"2020-01-01T00:00:00Z\""),
        swap("unencrypted_suffix: _unencrypted", "mac_only_encrypted: true"),
        swap("type:int]\n    ratio", "type:int,x:y]\n    ratio"),
    ];
    for text in altered {
        let error = open("plain.yaml", &text).expect_err(&text);
        assert!(matches!(error, Error::Corrupt { .. }), "{error}\n{text}");
        assert!(!error.to_string().contains("evil") && !error.to_string().contains("sekrit"), "{error}");
    }
    let only = text("mac-only.yaml");
    let when = only.lines().find(|line| line.starts_with("when:")).expect("a line");
    assert!(open("mac-only.yaml", &only.replace(when, "when: evil")).is_err(), "a value in the clear took its place");
}

#[test]
fn what_is_not_understood_is_refused_with_a_way_out() {
    for (name, reason) in [("key-groups.json", "key groups"), ("comments.yaml", "comments decide")] {
        let error = open(name, &text(name)).expect_err(name);
        assert!(error.to_string().contains(reason), "{error}");
    }
    let pgp = text("plain.json").replace("\"age\"", "\"pgp\"");
    let error = open("plain.json", &pgp).expect_err("no age recipients");
    assert!(error.to_string().contains("no age recipients"), "{error}");
}

#[test]
fn a_key_that_is_no_recipient_opens_nothing() {
    let other = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"; // agent-vault:allow(age-secret-key) a key of test bytes, made for nothing else
    let bytes = SecretBytes::new(other.as_bytes().to_vec());
    let other = Identities::from_bytes(bytes, "another key", &(Arc::new(Nobody) as Arc<dyn Prompt>)).expect("a key");
    let error = decrypt(yaml::parse(text("plain.yaml").as_bytes(), "x").unwrap(), &other, "plain.yaml");
    assert_eq!(error.err().map(|error| error.class()), Some(Class::NotAuthorized));
}

#[test]
fn sops_files_are_recognised_and_others_are_not() {
    assert!(is_sops(&yaml::parse(text("plain.yaml").as_bytes(), "x").unwrap()));
    assert!(is_sops(&json::parse(text("binary.json").as_bytes(), "x").unwrap()));
    assert!(dotenv::is_sops(text("plain.env").as_bytes()));
    assert!(!is_sops(&yaml::parse(b"sops: {version: 1}\na: b\n", "x").unwrap()));
    assert!(!dotenv::is_sops(b"SOPS_MAC=1\n#sops_mac=1\n"));
}
