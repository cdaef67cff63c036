//! What holds for any bytes whatever, for fuzzing and for replay: a function that panics where it does not hold. Compiled
//! for tests and under the feature `laws`, which only `fuzz/` asks for.

use crate::fingerprints::Key;
use crate::rules::VAULT_VALUE;
use crate::scanner::utf16;
use crate::{Finding, Fingerprints, Rules, scan};
use agent_vault_core::SecretPath;
use std::sync::LazyLock;

/// A value of the vault, made for nothing else.
const VALUE: &[u8] = b"qZ7.wPx2-Rm9/tKd4";

static RULES: LazyLock<Rules> = LazyLock::new(Rules::new);
static FINGERPRINTS: LazyLock<Fingerprints> = LazyLock::new(|| {
    let name: SecretPath = "law/value".parse().unwrap_or_else(|_| unreachable!("a constant name is valid"));
    Fingerprints::of(Key::new([7; 32]), [(&name, VALUE)])
});

/// The same bytes give the same findings; each lies within the bytes and shows nothing of its end; and a value that is
/// known is found wherever it is put into them.
pub fn scanner(input: &[u8]) {
    let findings = look(input);
    assert!(findings == look(input), "two looks differ");
    // UTF-16 becomes at most three bytes of UTF-8 for two of its own.
    let end = input.len() + input.len() / 2 + 3;
    for finding in &findings {
        assert!(finding.span.start < finding.span.end && finding.span.end <= end, "{finding:?}: {:?}", finding.span);
        assert!(finding.column > 0 && finding.line != Some(0), "{finding:?}");
        // What is shown is how it begins (a label, the literal of a token), and nothing of its last eight bytes.
        let shown = finding.excerpt.split('…').next().unwrap_or_default().as_bytes();
        let begins_so = |text: &[u8]| {
            let found = text.get(finding.span.clone());
            found.is_some_and(|found| found.starts_with(shown) && shown.len() + 8 <= found.len())
        };
        let decoded = utf16(input).unwrap_or_default();
        assert!(begins_so(input) || begins_so(decoded.as_bytes()), "{finding:?} shows more than its beginning");
    }
    let at = input.first().map_or(0, |byte| usize::from(*byte) * input.len() / 255);
    let planted = [&input[..at], VALUE, &input[at..]].concat();
    let is_it =
        |found: &Finding| found.rule == VAULT_VALUE && found.span.start <= at && found.span.end >= at + VALUE.len();
    assert!(look(&planted).iter().any(is_it), "a known value at {at} is not found");
}

fn look(bytes: &[u8]) -> Vec<Finding> {
    scan(bytes, &RULES, &FINGERPRINTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_of_the_scanner_holds_for_every_input_of_its_corpus() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/scanner");
        let mut files = 0;
        for entry in std::fs::read_dir(&dir).unwrap() {
            scanner(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} is empty", dir.display());
    }
}
