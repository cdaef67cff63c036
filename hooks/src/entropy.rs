//! How hard a text is to guess: a simple estimate that says "too little" rather than "enough".
//!
//! A letter or digit counts log2 of the letters and digits that the text draws from, a sign 4 bits, a space 1. Nothing
//! counts where it could be foretold: where it goes on repeating or counting up or down, or ends three bytes that stood
//! before. Letters that stand together as in a word count no more than a word: in a value as one of 16 million words (24
//! bits, for six to eight letters that can be spoken), in a line of a longer value, which is more often prose or
//! configuration, as one of 7,776 (13 bits, the Diceware list; four to twelve letters).

use std::collections::HashSet;

/// What letters that may be a word are worth, and how many of them make one.
struct Words {
    bits: f64,
    letters: std::ops::RangeInclusive<usize>,
}

const IN_A_VALUE: Words = Words { bits: 24.0, letters: 6..=8 };
const IN_A_LINE: Words = Words { bits: 13.0, letters: 4..=12 };
/// Counting ends here: more is enough for everybody, and values may be long.
const ENOUGH: f64 = 1024.0;

/// The estimate for a value, in bits; 1,024 at most.
pub fn bits(value: &[u8]) -> f64 {
    estimate(value, &IN_A_VALUE)
}

/// The estimate for one line of a value, in bits; 1,024 at most.
pub fn bits_of_line(line: &[u8]) -> f64 {
    estimate(line, &IN_A_LINE)
}

fn estimate(text: &[u8], words: &Words) -> f64 {
    let alphabet = alphabet(text).log2();
    let mut foretold = Foretold::default();
    let mut total = 0.0;
    let mut rest = text;
    while let Some(length) = run(rest).filter(|_| total < ENOUGH) {
        let (letters, after) = rest.split_at(length);
        let worth = |byte: &u8| match byte {
            b' ' | b'\t' | b'\r' | b'\n' => 1.0,
            byte if byte.is_ascii_alphanumeric() => alphabet,
            byte if byte.is_ascii() => 4.0,
            _ => 7.0,
        };
        let surprising = letters.iter().filter(|byte| !foretold.next(**byte));
        let plain = surprising.map(worth).sum::<f64>();
        let is_word = can_be_spoken(letters) && length >= *words.letters.start();
        let beyond = length.saturating_sub(*words.letters.end()) as f64 * alphabet;
        total += if is_word { plain.min(words.bits + beyond) } else { plain };
        rest = after;
    }
    total.min(ENOUGH)
}

/// Whether `text` has three different bytes at most, as what is put in a secret's place has: `xxxxxxxx`, `000-000`.
pub fn is_filler(text: &[u8]) -> bool {
    let mut different = [false; 256];
    text.iter().for_each(|byte| different[usize::from(*byte)] = true);
    different.iter().filter(|is| **is).count() <= 3
}

/// How many letters and digits a text seems to draw from.
fn alphabet(text: &[u8]) -> f64 {
    type Class = (fn(&u8) -> bool, f64);
    let classes: [Class; 4] = [
        (|byte| matches!(byte, b'a'..=b'f'), 6.0),
        (|byte| matches!(byte, b'g'..=b'z'), 20.0),
        (u8::is_ascii_uppercase, 26.0),
        (u8::is_ascii_digit, 10.0),
    ];
    let size = classes.iter().filter(|(is, _)| text.iter().any(is)).map(|(_, size)| size).sum::<f64>();
    size.max(2.0)
}

/// The length of what `text` begins with: letters as a word has them (`word`, `Word`, `WORD`), or a single byte.
fn run(text: &[u8]) -> Option<usize> {
    let first = text.first()?;
    let count = |is: fn(&u8) -> bool| text[1..].iter().take_while(|byte| is(byte)).count() + 1;
    Some(match first {
        b'a'..=b'z' => count(u8::is_ascii_lowercase),
        b'A'..=b'Z' if text.get(1).is_some_and(u8::is_ascii_lowercase) => count(u8::is_ascii_lowercase),
        b'A'..=b'Z' => count(u8::is_ascii_uppercase),
        _ => 1,
    })
}

/// Whether these are letters of which four in a row are never all vowels or all consonants.
fn can_be_spoken(letters: &[u8]) -> bool {
    let is_vowel = |byte: &u8| matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let mixed = |four: &[u8]| four.iter().any(is_vowel) && !four.iter().all(is_vowel);
    letters[0].is_ascii_alphabetic() && letters.windows(4).all(mixed)
}

/// Whether the next byte could be foretold.
#[derive(Default)]
struct Foretold {
    before: Vec<u8>,
    step: Option<i16>,
    seen: HashSet<[u8; 3]>,
}

impl Foretold {
    fn next(&mut self, byte: u8) -> bool {
        // Counting goes on behind the last digit: 8, 9, 0, 1.
        let step = self.before.last().map(|last| match (last, byte) {
            (b'9', b'0') => 1,
            (b'0', b'9') => -1,
            _ => i16::from(byte) - i16::from(*last),
        });
        let counts = step.is_some() && step == self.step && step.is_some_and(|step| step.abs() <= 1);
        self.step = step;
        let repeats = match self.before[..] {
            [a, b] => !self.seen.insert([a, b, byte]),
            _ => false,
        };
        if self.before.len() == 2 {
            self.before.remove(0);
        }
        self.before.push(byte);
        counts || repeats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn random(alphabet: &[u8], length: usize, random: &mut impl Rng) -> Vec<u8> {
        (0..length).map(|_| alphabet[random.gen_range(0..alphabet.len())]).collect()
    }

    #[test]
    fn random_passwords_of_twelve_letters_and_digits_count_as_48_bits() {
        let letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
        let mut source = rand::rngs::StdRng::seed_from_u64(1);
        let weak = (0..20_000).filter(|_| bits(&random(&letters, 12, &mut source)) < 48.0).count();
        // Very few look like words by chance, and `set` says so.
        assert!(weak <= 60, "{weak} of 20000");
    }

    #[test]
    fn random_hex_and_base64_of_usual_lengths_count_as_48_bits() {
        let mut source = rand::rngs::StdRng::seed_from_u64(2);
        let base64: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
        for _ in 0..5_000 {
            let t = random(b"0123456789abcdef", 20, &mut source);
            assert!(bits(&t) >= 48.0, "{} {}", String::from_utf8_lossy(&t), bits(&t));
            assert!(bits(&random(&base64, 16, &mut source)) >= 48.0);
            let t = random(b"abcdefghijklmnopqrstuvwxyz", 20, &mut source);
            assert!(bits(&t) >= 48.0, "{} {}", String::from_utf8_lossy(&t), bits(&t));
        }
    }

    #[test]
    fn what_repeats_counts_or_is_two_words_is_too_little() {
        for weak in [
            "aaaaaaaaaaaaaaaa",
            "000000000000",
            "123456789012",
            "987654321098",
            "abcdefghijklmnopqrstuvwxyz",
            "abababababababababababab",
            "password1234",
            "",
        ] {
            assert!(bits(weak.as_bytes()) < 48.0, "{weak}: {}", bits(weak.as_bytes()));
        }
        for common in ["apiVersion: v1", "    enabled: true", "DATABASE_HOST=localhost", "kind: ServiceAccount"] {
            assert!(bits_of_line(common.as_bytes()) < 48.0, "{common}: {}", bits_of_line(common.as_bytes()));
        }
        assert!(bits(&[0; 1 << 20]) < 48.0);
        assert!(bits(b"correct horse battery staple") >= 48.0);
    }

    #[test]
    fn filler_is_told_from_random_text() {
        for filler in ["xxxxxxxxxxxxxxxxxxxx", "0000-0000-0000", "...", ""] {
            assert!(is_filler(filler.as_bytes()), "{filler}");
        }
        let mut source = rand::rngs::StdRng::seed_from_u64(3);
        for _ in 0..5_000 {
            assert!(!is_filler(&random(b"0123456789abcdef", 16, &mut source)));
        }
    }
}
