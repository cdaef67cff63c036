//! What `scan` promises for all bytes: see its documentation.

use agent_vault_core::SecretPath;
use agent_vault_hooks::finding::Marker;
use agent_vault_hooks::fingerprints::{Key, weakness};
use agent_vault_hooks::{Finding, Fingerprints, Rules, scan};
use proptest::prelude::*;
use std::sync::LazyLock;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::new);

fn known(values: &[&[u8]]) -> Fingerprints {
    let name: SecretPath = "a/b".parse().unwrap();
    Fingerprints::of(Key::new([7; 32]), values.iter().map(|value| (&name, *value)))
}

fn look(bytes: &[u8]) -> Vec<Finding> {
    scan(bytes, &RULES, &Fingerprints::none())
}

fn rules_in(bytes: &[u8]) -> Vec<&'static str> {
    look(bytes).iter().map(|finding| finding.rule).collect()
}

/// Text of an alphabet that looks random and is the same each time.
fn noise(alphabet: &[u8], length: usize) -> String {
    let mut state = 88_172_645_463_325_252u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(alphabet[(state % alphabet.len() as u64) as usize])
    };
    (0..length).map(next).collect()
}

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8] = b"0123456789abcdef";

/// A token of each rule, put together here: no test file holds one.
fn tokens() -> Vec<(&'static str, String)> {
    let (l, u, h) = (|n| noise(LETTERS, n), |n| noise(UPPER, n), |n| noise(HEX, n));
    vec![
        ("aws-access-key", format!("AKIA{}", u(16))),
        ("github-token", format!("ghp_{}", l(36))),
        ("github-token", format!("ghs_{}", l(36))),
        ("github-token", format!("github_pat_{}_{}", l(22), l(59))),
        ("gitlab-token", format!("glpat-{}", l(20))),
        ("slack-token", format!("xoxb-{}-{}-{}", 123_456_789_012u64, 210_987_654_321u64, l(24))),
        ("slack-webhook", format!("https://hooks.slack.com/services/T{}/B{}/{}", u(8), u(8), l(24))),
        ("stripe-key", format!("sk_live_{}", l(24))),
        ("stripe-key", format!("rk_test_{}", l(99))),
        ("openai-key", format!("sk-{}T3BlbkFJ{}", l(20), l(20))),
        ("openai-key", format!("sk-proj-{}T3BlbkFJ{}", l(74), l(74))),
        ("anthropic-key", format!("sk-ant-api03-{}AA", l(93))),
        ("google-api-key", format!("AIza{}", l(35))),
        ("google-oauth-secret", format!("GOCSPX-{}", l(28))),
        ("npm-token", format!("npm_{}", l(36))),
        ("pypi-token", format!("pypi-AgEIcHlwaS5vcmc{}", l(120))),
        ("crates-io-token", format!("cio{}", l(32))),
        ("rubygems-key", format!("rubygems_{}", h(48))),
        ("docker-token", format!("dckr_pat_{}", l(27))),
        ("hugging-face-token", format!("hf_{}", l(34))),
        ("digitalocean-token", format!("dop_v1_{}", h(64))),
        ("sendgrid-key", format!("SG.{}.{}", l(22), l(43))),
        ("shopify-token", format!("shpat_{}", h(32))),
        ("databricks-token", format!("dapi{}", h(32))),
        ("hashicorp-vault-token", format!("hvs.{}", l(90))),
        ("terraform-token", format!("{}.atlasv1.{}", l(14), l(67))),
        ("grafana-token", format!("glsa_{}_{}", l(32), h(8))),
        ("azure-storage-key", format!("AccountKey={}==", l(86))),
        ("aws-secret-key", format!("aws_secret_access_key = {}", l(40))),
    ]
}

#[test]
fn every_provider_s_token_is_found_in_code_settings_and_addresses() {
    for (rule, token) in tokens() {
        for text in [
            token.clone(),
            format!("key: \"{token}\"\n"),
            format!("KEY='{token}';"),
            format!("https://x:{token}@host/"),
        ] {
            assert_eq!(rules_in(text.as_bytes()), [rule], "{rule} in a text of {} bytes", text.len());
        }
    }
}

#[test]
fn no_finding_shows_more_than_what_all_of_its_kind_begin_with() {
    for (rule, token) in tokens() {
        let finding = look(token.as_bytes()).remove(0);
        let shown = format!("{finding:?} {} {} {}", finding.excerpt, finding.what, finding.hash);
        let known = finding.excerpt.split('…').next().unwrap();
        let secret = &token.as_bytes()[token.find(known).unwrap() + known.len()..];
        assert!(known.len() < 40 && secret.len() >= 16, "{rule}");
        for piece in secret.windows(8) {
            assert!(!shown.contains(&*String::from_utf8_lossy(piece)), "{rule}");
        }
    }
}

#[test]
fn placeholders_and_words_that_only_begin_like_a_token_are_no_findings() {
    let documented = ["AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"];
    for text in documented.map(str::to_owned).into_iter().chain([
        format!("ghp_{}", "x".repeat(36)),
        format!("AKIA{}", "0".repeat(16)),
        format!("ghp_{}", noise(LETTERS, 20)),
        format!("npm_{}", noise(LETTERS, 60)),
        format!("precio{}", noise(LETTERS, 32)),
        "npm_config_registry=https://registry.npmjs.org".into(),
        "-----BEGIN RSA PRIVATE KEY----- is how such a file begins.".into(),
        "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----".into(),
        "-----BEGIN CERTIFICATE-----\n".to_owned() + &noise(LETTERS, 640) + "\n-----END CERTIFICATE-----",
        "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ".into(),
        "AGE-SECRET-KEY-1...".into(),
    ]) {
        assert_eq!(rules_in(text.as_bytes()), Vec::<&str>::new(), "{text:.60}");
    }
}

fn pem(label: &str, lines: usize) -> String {
    let body: Vec<String> = (0..lines).map(|at| noise(LETTERS, 64 + at)[at..].to_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", body.join("\n"))
}

#[test]
fn private_keys_of_every_kind_are_found_also_inside_other_formats() {
    for (rule, label, lines) in [
        ("private-key", "RSA PRIVATE KEY", 25),
        ("private-key", "EC PRIVATE KEY", 3),
        ("private-key", "PRIVATE KEY", 1),
        ("private-key", "ENCRYPTED PRIVATE KEY", 25),
        ("openssh-private-key", "OPENSSH PRIVATE KEY", 5),
        ("pgp-private-key", "PGP PRIVATE KEY BLOCK", 12),
    ] {
        let key = pem(label, lines);
        let escaped = format!("{{\"private_key\": \"{}\"}}", key.replace('\n', "\\n"));
        let indented = key.lines().map(|line| format!("        {line}\r\n")).collect::<String>();
        let quoted = key.lines().map(|line| format!("  \"{line}\" +\n")).collect::<String>();
        let cut = key[..key.len() - 40].to_owned();
        for text in [key.clone(), escaped, indented, quoted, cut] {
            assert_eq!(rules_in(text.as_bytes()), [rule], "{label}\n{text:.200}");
        }
    }
    let traditional =
        pem("RSA PRIVATE KEY", 25).replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1);
    assert_eq!(look(traditional.as_bytes())[0].what, "encrypted RSA private key");
    let putty = format!(
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n{}\nPrivate-Lines: 1\n{}\nPrivate-MAC: 00\n",
        noise(LETTERS, 100),
        noise(LETTERS, 48)
    );
    assert_eq!(rules_in(putty.as_bytes()), ["putty-private-key"]);
    let public = putty.split("Private-Lines").next().unwrap();
    assert!(rules_in(public.as_bytes()).is_empty());
}

#[test]
fn age_identities_are_found_by_their_checksum_in_either_case() {
    let home = tempfile::tempdir().unwrap();
    let context = agent_vault_core::Context::new(agent_vault_core::Home::new(home.path().join("home")));
    let made = agent_vault_core::vault::init(&home.path().join("repo"), None, context, &|_| {}).unwrap();
    let file = std::fs::read_to_string(made.owner_key).unwrap();
    assert_eq!(rules_in(file.as_bytes()), ["age-secret-key"]);
    assert_eq!(rules_in(file.to_lowercase().as_bytes()), ["age-secret-key"]);
    let key = file.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let broken = format!("{}{}", &key[..40], if &key[40..41] == "Q" { "P" } else { "Q" }) + &key[41..];
    assert!(rules_in(broken.as_bytes()).is_empty());
    assert!(rules_in(&key.as_bytes()[..60]).is_empty());
}

#[test]
fn utf_16_is_read_and_a_false_mark_of_it_hides_nothing() {
    let (rule, token) = tokens().remove(1);
    let text = format!("line\nkey = {token}\n");
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(units.iter().flat_map(|unit| unit.to_le_bytes())).collect();
    let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(units.iter().flat_map(|unit| unit.to_be_bytes())).collect();
    for bytes in [little, big] {
        let found = look(&bytes);
        assert_eq!((found[0].rule, found[0].line), (rule, Some(2)));
    }
    let lie: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.bytes()).collect();
    assert_eq!(rules_in(&lie), [rule]);
}

#[test]
fn a_marker_excuses_its_line_only_with_a_reason_and_keys_only_by_name() {
    let (_, token) = tokens().remove(1);
    let marker = |text: String| look(text.as_bytes()).remove(0).marker;
    assert_eq!(marker(format!("{token} # agent-vault:allow revoked, kept for the parser")), Marker::Excused);
    assert_eq!(marker(format!("{token} # agent-vault:allow(github-token) revoked")), Marker::Excused);
    for useless in
        ["agent-vault:allow", "agent-vault:allow -- */", "agent-vault:allow(npm-token) because", "agent-vault:allow()"]
    {
        assert!(matches!(marker(format!("{token} // {useless}")), Marker::Useless(_)), "{useless}");
    }
    assert_eq!(marker(format!("agent-vault:allow revoked\n{token}")), Marker::None);
    let value = b"Zk7!q9wPx2Rm";
    let known = known(&[value]);
    let scan = |text: &str| scan(text.as_bytes(), &RULES, &known).remove(0).marker;
    assert!(matches!(scan("Zk7!q9wPx2Rm agent-vault:allow test value"), Marker::Useless(_)));
    assert_eq!(scan("Zk7!q9wPx2Rm agent-vault:allow(vault-value) test value"), Marker::Excused);
    // Binary data have no lines.
    let binary = format!("\0{token} agent-vault:allow revoked");
    assert_eq!((look(binary.as_bytes())[0].line, marker(binary)), (None, Marker::None));
}

#[test]
fn values_are_known_by_their_lines_and_their_base64_too() {
    let value = b"first = Zk7!q9wPx2Rm\n  second = 8fJd-Lq0Tz5v\nab\n-----BEGIN OPENSSH PRIVATE KEY-----\n";
    let known = known(&[value]);
    let found = |text: &[u8]| scan(text, &RULES, &known).len();
    assert_eq!(found(value), 1, "one finding for a value and its lines");
    assert_eq!(found(b"x\r\nsecond = 8fJd-Lq0Tz5v\r\n"), 1);
    assert_eq!(found(b"-----BEGIN OPENSSH PRIVATE KEY-----"), 0, "what every key begins with is no secret");
    use base64::Engine as _;
    for form in [&value[..], &value[..value.len() - 1]] {
        let text = format!("data: {{key: {}}}", base64::engine::general_purpose::STANDARD.encode(form));
        assert_eq!(found(text.as_bytes()), 1);
    }
}

#[test]
fn hostile_bytes_end_in_time_and_are_no_way_around_a_value() {
    let value: Vec<u8> = noise(LETTERS, 1 << 20).into_bytes();
    let known = known(&[&value]);
    // A part of a long value, over and over: each place is a candidate for the whole.
    let part = value[..8192].repeat(512);
    let found = scan(&part, &RULES, &known);
    assert!(found.is_empty() || found.iter().all(|finding| finding.rule == "vault-value"));
    for text in [
        "-----BEGIN RSA PRIVATE KEY-----",
        "xoxb-",
        "sk-ant-",
        "T3BlbkFJ",
        ".AGE-PLUGIN-",
        "agent-vault:allow x ",
        "PuTTY-User-Key-File-",
        "Private-Lines: ",
        "a",
    ] {
        let _ = scan(&text.as_bytes().repeat((8 << 20) / text.len()), &RULES, &known);
    }
}

/// A value that is strong enough.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 12..200), "[ -~]{12,60}".prop_map(String::into_bytes)]
        .prop_filter("strong", |value| weakness(value).is_none())
}

proptest! {
    #[test]
    fn a_value_is_found_at_any_place_of_any_bytes(
        value in value(),
        others in prop::collection::vec(value(), 0..20),
        before in prop::collection::vec(any::<u8>(), 0..300),
        after in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let all: Vec<&[u8]> = others.iter().chain([&value]).map(Vec::as_slice).collect();
        let end = value.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).unwrap() + 1;
        let span = before.len()..before.len() + end;
        let bytes = [&before[..], &value, &after].concat();
        let found = scan(&bytes, &RULES, &known(&all));
        prop_assert!(found.iter().any(|f| f.rule == "vault-value" && f.span.start <= span.start && f.span.end >= span.end));
        prop_assert!(found.iter().all(|finding| finding.span.end <= bytes.len()));
        prop_assert!(found.iter().all(|finding| !finding.excerpt.contains(&*String::from_utf8_lossy(&bytes[span.clone()]))));
    }

    #[test]
    fn random_bytes_have_no_findings(bytes in prop::collection::vec(any::<u8>(), 0..4096), value in value()) {
        prop_assert_eq!(scan(&bytes, &RULES, &known(&[&value])).len(), 0);
    }

    #[test]
    fn the_same_bytes_give_the_same_findings_in_order(pieces in prop::collection::vec(0usize..29, 0..12)) {
        let tokens = tokens();
        let text: String = pieces.iter().map(|at| format!("{}\n", tokens[*at].1)).collect();
        let found = scan(text.as_bytes(), &RULES, &Fingerprints::none());
        prop_assert_eq!(found.len(), pieces.len());
        prop_assert!(found.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
        prop_assert_eq!(&found, &scan(text.as_bytes(), &RULES, &Fingerprints::none()));
        for (line, finding) in found.iter().enumerate() {
            prop_assert_eq!(finding.line, Some(line + 1));
        }
    }
}
