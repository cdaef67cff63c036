use super::*;
use proptest::prelude::*;

fn read(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let value = |content: &Content| match content {
        Content::Value(value) => value.expose().to_vec(),
        Content::NoValue(reason) => panic!("{reason}"),
    };
    let entries = parse(text, "x.env").expect("a .env file");
    entries.iter().map(|entry| (entry.source(), value(&entry.content))).collect()
}

fn one(text: &[u8]) -> Vec<u8> {
    let entries = read(text);
    assert_eq!(entries.len(), 1, "{:?}", String::from_utf8_lossy(text));
    entries.into_iter().next().unwrap().1
}

#[test]
fn values_are_read_as_the_dialect_says() {
    for (text, value) in [
        ("A=b", "b"),
        ("A=", ""),
        ("A=\r\n", ""),
        (" export  A = b c \t\r\n", "b c"),
        ("export=b", "b"),
        ("A=b#c", "b#c"),
        ("A=b #c", "b"),
        ("A=#c", ""),
        ("A=b=c==", "b=c=="),
        ("A=b\\nc", "b\\nc"),
        ("A=$HOME/${X}`id`$(id)", "$HOME/${X}`id`$(id)"),
        ("A=b\"c'd", "b\"c'd"),
        ("A='b\\n\"$c' # d", "b\\n\"$c"),
        ("A='b\r\n c'", "b\r\n c"),
        ("A=\"b\\n\\r\\t\\\\\\\"\\$\\`\\d\" #x", "b\n\r\t\\\"$`\\d"),
        ("A=\"b\n  # c\n\"\n", "b\n  # c\n"),
        ("A=\"\\\\\"", "\\"),
        ("\u{feff}A=b", "b"),
        ("A=é", "é"),
    ] {
        assert_eq!(String::from_utf8_lossy(&one(text.as_bytes())), value, "{text:?}");
    }
    assert_eq!(one(b"A=\xff\0b"), b"\xff\0b");
}

#[test]
fn blank_lines_and_comments_are_passed_over() {
    let text = "\n# c\n  # A=1\r\n\t\nA.b-c=1\n\n_B=2 # A=3";
    assert_eq!(read(text.as_bytes()), [("A.b-c".into(), b"1".to_vec()), ("_B".into(), b"2".to_vec())]);
    assert!(read(b"").is_empty());
}

#[test]
fn mistakes_name_their_line_and_no_value() {
    for (text, line, reason) in [
        ("A=1\nB\n", 2, "no '='"),
        ("A=\"x\ny\nsecret", 1, "not closed"),
        ("A=\"x\ny\"\nB='secret\n", 3, "not closed"),
        ("A='secret' secret", 1, "follows the closing quote"),
        ("1A=secret", 1, "begins with a letter"),
        ("[prod]\nA=secret", 1, "a heading"),
        ("A secret=1", 1, "no '='"),
        ("A=1\n\nA=secret", 3, "in line 1 already"),
        ("A=\"secret\\\"", 1, "not closed"),
    ] {
        let error = parse(text.as_bytes(), "x.env").expect_err(text).to_string();
        assert!(error.contains(&format!("x.env, line {line}: ")) && error.contains(reason), "{text:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

/// What `quoted` undoes.
fn quote(value: &[u8]) -> Vec<u8> {
    let mut out = b"A=\"".to_vec();
    for byte in value {
        if matches!(byte, b'\\' | b'"') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.extend(b"\" # end\nB=2");
    out
}

proptest! {
    #[test]
    fn any_bytes_survive_double_quotes(value: Vec<u8>) {
        let read = read(&quote(&value));
        prop_assert_eq!(&read[0].1, &value);
        prop_assert_eq!(&read[1].1, b"2");
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(text in "[A-B=\"'\\\\ #\r\n\t$x]{0,40}") {
        let _ = parse(text.as_bytes(), "x");
    }
}
