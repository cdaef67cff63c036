//! Sealed values within files: where they stand, and the same file with others in their place. The values themselves are
//! [`agent_vault_core::seal`]'s.

use agent_vault_core::seal::Sealed;
use agent_vault_core::{Error, Result};
use std::ops::Range;

/// How a sealed value of the one version begins. Text about sealed values (`avs://…`) is none.
const BEGINNING: &[u8] = b"avs://1/";

/// The sealed values of a file, and where each stands; `file` names it in errors.
///
/// # Errors
/// [`Error::Usage`] with the line, for what begins like one and is none.
pub fn find(text: &[u8], file: &str) -> Result<Vec<(Range<usize>, Sealed)>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = position(&text[from..]).map(|at| from + at) {
        let plain = |byte: &u8| byte.is_ascii_graphic();
        let end = text[at..].iter().position(|byte| !plain(byte)).map_or(text.len(), |length| at + length);
        let candidate = std::str::from_utf8(&text[at..end]).unwrap_or_default();
        let (sealed, length) = Sealed::parse_prefix(candidate).map_err(|error| {
            let line = 1 + text[..at].iter().filter(|byte| **byte == b'\n').count();
            Error::Usage { message: format!("{file}, line {line}: {error}"), hint: error.hint() }
        })?;
        found.push((at..at + length, sealed));
        from = at + length;
    }
    Ok(found)
}

fn position(text: &[u8]) -> Option<usize> {
    text.windows(BEGINNING.len()).position(|window| window == BEGINNING)
}

/// The text with others in place of what stands in these ranges, which rise and do not overlap. Everything else stays, byte
/// for byte.
pub fn replaced(text: &[u8], replacements: &[(Range<usize>, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for (range, replacement) in replacements {
        out.extend_from_slice(&text[from..range.start]);
        out.extend_from_slice(replacement.as_bytes());
        from = range.end;
    }
    out.extend_from_slice(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = "avs://1/5f0c0000-0000-8000-8000-000000000000/db/YWdl";

    #[test]
    fn sealed_values_end_where_their_characters_end() {
        let text = format!("a: \"{ONE}\"\nb: {ONE}, '{ONE}.x'\n\u{e9} avs://… avs://2/x {ONE}");
        let found = find(text.as_bytes(), "x").unwrap();
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|(range, sealed)| text[range.clone()] == *ONE && sealed.to_string() == ONE));
    }

    #[test]
    fn what_is_cut_off_is_told_with_its_line() {
        for cut in [
            "avs://1/",
            "avs://1/5f0c",
            &ONE[..46],
            &ONE[..48],
            &ONE[..ONE.len() - 3],
            "avs://1/5f0c0000-0000-8000-8000-000000000000/.x/YWdl",
        ] {
            let error = find(format!("\n\nx: {cut} y").as_bytes(), "app.yaml").expect_err(cut).to_string();
            assert!(error.starts_with("app.yaml, line 3: "), "{cut}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_not_sealed_stays_as_it_is(parts in prop::collection::vec("[^a]{0,12}", 1..5)) {
            let text = parts.join(&format!(" {ONE} "));
            let found = find(text.as_bytes(), "x").unwrap();
            prop_assert_eq!(found.len(), parts.len() - 1);
            let other: Vec<_> = found.into_iter().map(|(range, _)| (range, "new".to_owned())).collect();
            prop_assert_eq!(replaced(text.as_bytes(), &other), parts.join(" new ").into_bytes());
        }
    }
}
