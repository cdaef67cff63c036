use super::*;
use crate::import::tree::{Lists, entries};
use crate::import::{Content, Entry, dotenv, json, yaml};
use proptest::prelude::*;

fn secrets(all: &[(&str, &[u8])]) -> Vec<(SecretPath, SecretBytes)> {
    all.iter().map(|(path, value)| (path.parse().unwrap(), SecretBytes::new(value.to_vec()))).collect()
}

fn text(form: &Form, all: &[(&str, &[u8])], writing: &Writing) -> Result<String> {
    render(form, &secrets(all), writing).map(|out| String::from_utf8(out.expose().to_vec()).unwrap())
}

fn plain(form: &Form, all: &[(&str, &[u8])]) -> String {
    text(form, all, &Writing::default()).unwrap()
}

fn told(entries: &[Entry]) -> Vec<(String, Vec<u8>)> {
    let value = |entry: &Entry| match &entry.content {
        Content::Value(value) => value.expose().to_vec(),
        Content::NoValue(reason) => panic!("{reason}"),
    };
    entries.iter().map(|entry| (entry.source(), value(entry))).collect()
}

const SOME: [(&str, &[u8]); 4] =
    [("stripe/api-key", b"sk$1"), ("db/prod/url", b"it's \"x\"\n"), ("x", b""), ("2fa/on", b"y")];
const JSON: Form = Form::Json { flat: false };
const YAML: Form = Form::Yaml { flat: false };

#[test]
fn each_form_is_written_as_documented() {
    let dotenv = "DB_PROD_URL=\"it's \\\"x\\\"\n\"\nSTRIPE_API_KEY='sk$1'\nX=''\n_2FA_ON='y'\n";
    assert_eq!(plain(&Form::Dotenv, &SOME), dotenv);
    let json = "{\n  \"2fa\": {\n    \"on\": \"y\"\n  },\n  \"db\": {\n    \"prod\": {\n      \"url\": \"it's \\\"x\\\"\\n\"\n    }\n  },\n  \"stripe\": {\n    \"api-key\": \"sk$1\"\n  },\n  \"x\": \"\"\n}\n";
    assert_eq!(plain(&JSON, &SOME), json);
    let yaml = "\"2fa\":\n  \"on\": \"y\"\ndb:\n  prod:\n    url: \"it's \\\"x\\\"\\n\"\nstripe:\n  api-key: \"sk$1\"\nx: \"\"\n";
    assert_eq!(plain(&YAML, &SOME), yaml);
    let flat = "\"2fa/on\": \"y\"\n\"db/prod/url\": \"it's \\\"x\\\"\\n\"\n\"stripe/api-key\": \"sk$1\"\nx: \"\"\n";
    assert_eq!(plain(&Form::Yaml { flat: true }, &SOME), flat);
    let object = Form::Kubernetes(Object::new("app.prod", Some("web")).unwrap());
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"app.prod\"\n  namespace: \"web\"\ntype: Opaque\ndata:\n  \"2fa.on\": \"eQ==\"\n  \"db.prod.url\": \"aXQncyAieCIK\"\n  \"stripe.api-key\": \"c2skMQ==\"\n  \"x\": \"\"\n";
    assert_eq!(plain(&object, &SOME), secret);
    assert_eq!((plain(&JSON, &[]).as_str(), plain(&YAML, &[]).as_str()), ("{}\n", "{}\n"));
}

#[test]
fn a_prefix_is_taken_off_whole_segments_only() {
    let writing = Writing { prefix: Some("db".parse().unwrap()), ..Writing::default() };
    assert_eq!(text(&Form::Dotenv, &[("db/url", b"v")], &writing).unwrap(), "URL='v'\n");
    for other in ["dbx/url", "db", "stripe/key"] {
        assert!(text(&Form::Dotenv, &[(other, b"v")], &writing).is_err(), "{other}");
    }
}

#[test]
fn two_secrets_never_get_one_name() {
    for (form, one, other) in [
        (Form::Dotenv, "a/b-c", "a/b_c"),
        (Form::Dotenv, "a/b", "a.b"),
        (JSON, "a", "a/b"),
        (YAML, "a/b/c", "a/b"),
        (Form::Kubernetes(Object::new("x", None).unwrap()), "a/b", "a.b"),
    ] {
        let error = text(&form, &[(one, b"sekrit"), (other, b"sekrit")], &Writing::default()).unwrap_err();
        let told = error.to_string();
        assert!(matches!(error, Error::Conflict { .. }) && told.contains(one) && !told.contains("sekrit"), "{told}");
    }
    assert!(text(&Form::Json { flat: true }, &[("a", b"1"), ("a/b", b"2")], &Writing::default()).is_ok());
}

#[test]
fn a_value_that_a_form_cannot_hold_is_an_error_and_base64_holds_all() {
    for (form, value) in [(Form::Dotenv, &b"sek\0rit"[..]), (JSON, b"sek\xff"), (YAML, b"sek\xff")] {
        let all: [(&str, &[u8]); 1] = [("a/b", value)];
        let error = text(&form, &all, &Writing::default()).unwrap_err().to_string();
        assert!(error.contains("a/b") && !error.contains("sek\0") && error.contains("nothing was written"), "{error}");
        let base64 = text(&form, &all, &Writing { base64: true, ..Writing::default() }).unwrap();
        assert!(base64.contains(&STANDARD.encode(value)), "{base64}");
    }
    assert!(text(&Form::Dotenv, &[("a", "é".as_bytes())], &Writing::default()).is_ok());
    let large = vec![b'x'; (1 << 20) + 1];
    assert!(text(&Form::Kubernetes(Object::new("x", None).unwrap()), &[("a", &large)], &Writing::default()).is_err());
}

#[test]
fn names_that_kubernetes_refuses_are_refused() {
    let long = "a".repeat(64);
    for name in ["", "A", "a_b", "-a", "a-", "a..b", "a\nb: c", &long] {
        assert!(Object::new(name, None).is_err(), "{name:?}");
    }
    assert!(Object::new("a", Some("a.b")).is_err());
}

proptest! {
    #[test]
    fn what_is_exported_is_imported_as_it_was(value in prop::collection::vec(1u8..=255, 0..40), other: String) {
        let all: [(&str, &[u8]); 2] = [("A", &value), ("B", other.as_bytes())];
        let expected = |entries: Vec<(String, Vec<u8>)>, value: &[u8]| {
            entries == [("A".to_owned(), value.to_vec()), ("B".to_owned(), other.clone().into_bytes())]
        };
        if !other.contains('\0') {
            let out = render(&Form::Dotenv, &secrets(&all), &Writing::default()).unwrap();
            prop_assert!(expected(told(&dotenv::parse(out.expose(), "x").unwrap()), &value));
        }
        let writing = Writing { base64: true, ..Writing::default() };
        prop_assert!(render(&JSON, &secrets(&all), &writing).is_ok());
        let all: [(&str, &[u8]); 2] = [("A", other.as_bytes()), ("B", other.as_bytes())];
        for (form, parse) in [(JSON, json::parse as fn(&[u8], &str) -> Result<_>), (YAML, yaml::parse)] {
            let out = render(&form, &secrets(&all), &Writing::default()).unwrap();
            let tree = parse(out.expose(), "x").unwrap();
            prop_assert!(expected(told(&entries(tree, Lists::Refused, "x").unwrap()), other.as_bytes()));
        }
    }
}
