use super::law::{naive, streamed};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

fn secret(text: &[u8]) -> SecretBytes {
    SecretBytes::new(text.to_vec())
}

fn patterns(values: &[&[u8]]) -> Patterns {
    let values: Vec<SecretBytes> = values.iter().map(|value| secret(value)).collect();
    Patterns::of(&values).unwrap().0
}

fn machine(patterns: &[Vec<u8>]) -> Patterns {
    Patterns(Arc::new(Machine::new(patterns).unwrap()))
}

proptest! {
    #[test]
    fn where_a_stream_is_cut_changes_nothing_and_nothing_is_missed(
        list in prop::collection::vec(prop::collection::vec(prop::sample::select(&b"abc"[..]), 1..6), 1..6),
        text in prop::collection::vec(prop::sample::select(&b"abcd"[..]), 0..60),
        cuts in prop::collection::vec(1usize..9, 1..6),
    ) {
        let expected = naive(&list, &text);
        prop_assert_eq!(streamed(&machine(&list), &text, &cuts), expected);
    }

    #[test]
    fn every_form_of_any_value_is_masked_however_the_stream_is_cut(
        value in prop::collection::vec(any::<u8>(), SHORTEST..80),
        around in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..7), 2),
        cuts in prop::collection::vec(1usize..40, 1..6),
    ) {
        let value = [b"x", &value[..], b"y"].concat();
        let mut list = forms::Patterns::default();
        forms::add(&value, &mut list);
        let list = list.into_vec();
        let found = patterns(&[&value]);
        for form in &list {
            let text = [&around[0][..], form, b" ", form, &around[1][..]].concat();
            let masked = streamed(&found, &text, &cuts);
            prop_assert_eq!(&masked, &naive(&list, &text));
            prop_assert!(!masked.windows(form.len()).any(|window| window == form));
        }
    }

    #[test]
    fn base64_of_a_text_with_a_value_in_it_keeps_nothing_whole(
        value in prop::collection::vec(any::<u8>(), 12..40),
        before in prop::collection::vec(any::<u8>(), 0..5),
        after in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        let text = [&before[..], &value, &after].concat();
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            let masked = streamed(&patterns(&[&value]), encoded.as_bytes(), &[7]);
            // Besides what stands around, two characters on each side may hold bits of the value.
            let left = (before.len() * 8).div_ceil(6) + 1;
            let right = (after.len() * 8).div_ceil(6) + 4;
            prop_assert!(masked.len() <= left + MASK.len() + right, "{:?}", String::from_utf8_lossy(&masked));
        }
    }
}

#[test]
fn values_too_short_are_not_masked_and_named() {
    let values = [secret(b"short"), secret(b"short\r\n"), secret(b"longer"), secret(b"")];
    let (found, short) = Patterns::of(&values).unwrap();
    assert_eq!(short, [0, 1, 3]);
    assert_eq!(streamed(&found, b"short longer", &[3]), b"short ***");
    assert!(Patterns::of(&values[..2]).unwrap().0.is_empty());
}

#[test]
fn what_programs_make_of_a_value_is_masked() {
    let value = "p&ss \"w\u{f6}rd\"/'$x'\n";
    let bare = value.trim_end();
    for printed in [
        value.to_owned(),
        bare.to_owned(),
        serde_json::to_string(bare).unwrap(),
        serde_json::to_string(value).unwrap(),
        "\"p&ss \\\"w\\u00f6rd\\\"\\/'$x'\"".to_owned(),
        "p%26ss%20%22w%C3%B6rd%22%2F%27%24x%27".to_owned(),
        "p%26ss+%22w%c3%b6rd%22%2f%27%24x%27".to_owned(),
        format!("'{}'", bare.replace('\'', "'\\''")),
        "\"p&ss \\\"w\u{f6}rd\\\"/'\\$x'\"".to_owned(),
        "p\\&ss\\ \\\"w\u{f6}rd\\\"/\\'\\$x\\'".to_owned(),
        "$'p&ss \"w\\303\\266rd\"/\\'$x\\''".to_owned(),
        "702673732022".to_owned() + "77c3b672" + "64222f2724782" + "7",
        STANDARD.encode(value),
        STANDARD.encode(bare),
    ] {
        let masked = streamed(&patterns(&[value.as_bytes()]), printed.as_bytes(), &[5]);
        let left = String::from_utf8_lossy(&masked).replace("***", "");
        assert!(left.trim_matches(['"', '\'', '$', '=', '\n']).is_empty(), "{printed}: {left}");
    }
}

#[test]
fn lines_of_a_value_are_masked_one_by_one_and_encodings_that_are_broken_into_lines_too() {
    let lines: Vec<String> = (0..9).map(|n| format!("{n} line of a private key")).collect();
    let value = lines.join("\n");
    let found = patterns(&[value.as_bytes()]);
    assert_eq!(streamed(&found, value.as_bytes(), &[9]), MASK, "the whole is one mask");
    assert_eq!(streamed(&found, format!("> {}\r\n", lines[4]).as_bytes(), &[9]), b"> ***\r\n");
    let folded: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
    let masked = streamed(&found, folded.join("\n").as_bytes(), &[9]);
    assert_eq!(masked, [&b"  ***"[..]; 9].join(&b'\n'));
    for columns in [76, 64] {
        let encoded = STANDARD.encode(&value);
        let broken: Vec<&[u8]> = encoded.as_bytes().chunks(columns).collect();
        let masked = streamed(&found, &broken.join(&b'\n'), &[11]);
        let left = String::from_utf8_lossy(&masked).replace(['*', '\n', '='], "");
        assert_eq!(left, "");
    }
}

#[test]
fn what_cannot_be_a_value_is_seen_at_once_and_what_may_be_is_soon() {
    let found = patterns(&[b"sk_live_1234"]);
    let (mut masker, mut out) = (Masker::new(&found), Vec::new());
    masker.push(b"Password: ", &mut out);
    assert_eq!((&out[..], masker.patience()), (&b"Password: "[..], None));
    masker.push(b"s", &mut out);
    let soon = masker.patience().unwrap();
    assert!(out.ends_with(b": ") && soon < Duration::from_millis(101));
    masker.push(b"k_liv", &mut out);
    assert!(masker.patience().unwrap() > soon);
    masker.flush(&mut out);
    masker.push(b"e_1234 and sk_live_1234", &mut out);
    masker.flush(&mut out);
    assert_eq!(out, b"Password: sk_liv*** and ***", "what was let go is gone, the rest is not");
}

#[test]
fn a_value_within_the_beginning_of_another_is_masked_when_the_other_does_not_come() {
    let list = vec![b"abcdef".to_vec(), b"xabcdefyyy".to_vec(), b"defg".to_vec()];
    for cut in 1..8 {
        assert_eq!(streamed(&machine(&list), b"xabcdefyy-abcdefg-", &[cut]), b"x***yy-***-", "{cut}");
    }
}

#[test]
fn many_and_large_values_are_masked_within_bounds() {
    let values: Vec<SecretBytes> = (0..300).map(|n| secret(format!("value number {n} of many").as_bytes())).collect();
    let (found, _) = Patterns::of(&values).unwrap();
    assert!(matches!(found.0.kind, Kind::Small(_)));
    assert_eq!(streamed(&found, b"a value number 299 of many b", &[4]), b"a *** b");
    let large: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let masked = streamed(&patterns(&[&large]), &large, &[4096]);
    assert_eq!(masked.len(), MASK.len() + large.len() - LONGEST);
    let many: Vec<SecretBytes> =
        (0..100u8).map(|n| secret(&large.iter().map(|byte| byte ^ n).collect::<Vec<_>>())).collect();
    assert_eq!(Patterns::of(&many).err(), Some(TooMuch));
}
