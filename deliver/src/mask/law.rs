//! The law of masking, for any values, any text and any cuts.

use super::{MASK, Masker, Patterns, forms};
use agent_vault_core::SecretBytes;

/// However a stream is cut, every place of every form of every value is masked, what overlaps as one, and nothing else.
/// The input holds the cuts, the values and the text, apart by zero bytes.
pub fn mask(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let (Some(cuts), Some(count)) = (parts.next(), parts.next()) else { return };
    let count = count.first().map_or(1, |byte| usize::from(*byte) % 4 + 1);
    let values: Vec<SecretBytes> = parts.by_ref().take(count).map(|value| SecretBytes::new(value.to_vec())).collect();
    let mut text = parts.collect::<Vec<_>>().join(&0);
    text.truncate(512);
    let Ok((patterns, _)) = Patterns::of(&values) else { return };
    let mut list = forms::Patterns::default();
    for value in &values {
        forms::add(value.expose(), &mut list);
    }
    let list = list.into_vec();
    // What is encoded, too.
    for pattern in list.iter().step_by(7).take(4) {
        text.extend_from_slice(&pattern[..pattern.len().min(256)]);
    }
    let cuts: Vec<usize> = cuts.iter().map(|byte| usize::from(*byte) + 1).chain([text.len() + 1]).collect();
    let expected = naive(&list, &text);
    assert_eq!(streamed(&patterns, &text, &cuts), expected);
    assert_eq!(streamed(&patterns, &text, &[1]), expected);
}

/// The stream's output when it is cut after so many bytes each time.
pub(super) fn streamed(patterns: &Patterns, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut masker, mut out, mut rest) = (Masker::new(patterns), Vec::new(), text);
    for cut in cuts.iter().cycle().copied() {
        let (chunk, after) = rest.split_at(cut.min(rest.len()));
        masker.push(chunk, &mut out);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    masker.flush(&mut out);
    assert_eq!(masker.patience(), None);
    out
}

/// The same with the whole text at hand: every place of every pattern is looked for, and what overlaps is joined.
pub(super) fn naive(patterns: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for pattern in patterns {
        let at = text.windows(pattern.len()).enumerate().filter(|(_, window)| window == pattern);
        found.extend(at.map(|(at, _)| (at, at + pattern.len())));
    }
    found.sort_unstable();
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found {
        match joined.last_mut().filter(|last| last.1 > start) {
            Some(last) => last.1 = last.1.max(end),
            None => joined.push((start, end)),
        }
    }
    let (mut out, mut at) = (Vec::new(), 0);
    for (start, end) in joined {
        out.extend_from_slice(&text[at..start]);
        out.extend_from_slice(MASK);
        at = end;
    }
    out.extend_from_slice(&text[at..]);
    out
}
