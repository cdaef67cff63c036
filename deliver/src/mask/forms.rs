//! The forms in which a value may be printed.

use super::SHORTEST;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// No more of a value is looked for: who prints more has printed what is masked before it.
pub(super) const LONGEST: usize = 16 << 10;
/// The columns after which programs break what they encode: `base64` and MIME, `openssl`, and `xxd -p`.
const COLUMNS: [usize; 3] = [76, 64, 60];

/// Patterns, without doubles. They are not wiped: the automaton that is made of them is not either.
#[derive(Default)]
pub(super) struct Patterns {
    all: BTreeSet<Vec<u8>>,
    bytes: usize,
}

impl Patterns {
    fn insert(&mut self, pattern: Vec<u8>) {
        let length = pattern.len();
        if self.all.insert(pattern) {
            self.bytes += length;
        }
    }

    /// How many bytes they have together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn into_vec(self) -> Vec<Vec<u8>> {
        self.all.into_iter().collect()
    }
}

/// Adds every form of a value that is long enough to be told from other text. Whether the value itself is.
pub(super) fn add(value: &[u8], patterns: &mut Patterns) -> bool {
    let value = &value[..value.len().min(LONGEST)];
    let whole = value.strip_suffix(b"\n").unwrap_or(value);
    let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
    if whole.len() < SHORTEST {
        return false;
    }
    encoded(value, patterns);
    if whole.len() < value.len() {
        encoded(whole, patterns);
    }
    if whole.contains(&b'\n') {
        let lines = whole.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| line.len() >= super::SHORTEST_LINE).for_each(|line| encoded(line, patterns));
    }
    true
}

fn encoded(value: &[u8], patterns: &mut Patterns) {
    let mut put = |pattern: Vec<u8>| {
        if pattern.len() >= SHORTEST {
            patterns.insert(pattern);
        }
    };
    put(value.to_vec());
    for form in [upper_hex(value), lower_hex(value)] {
        wrapped(&form, &mut put);
        put(form);
    }
    for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        let alone = alphabet.encode(value).into_bytes();
        wrapped(&alone, &mut put);
        put(alone);
        for before in 0..3 {
            put(base64_within(alphabet, value, before));
        }
    }
    urls(value).into_iter().for_each(&mut put);
    json(value).into_iter().for_each(&mut put);
    shells(value).into_iter().for_each(&mut put);
}

/// The lines of an encoding that a program breaks into lines.
fn wrapped(form: &[u8], put: &mut impl FnMut(Vec<u8>)) {
    for columns in COLUMNS.into_iter().filter(|columns| form.len() > *columns) {
        form.chunks(columns).for_each(|line| put(line.to_vec()));
    }
}

/// The characters of base64 that are the value's alone when so many bytes (modulo 3) stand before it, whatever stands
/// around it.
fn base64_within(alphabet: &impl Engine, value: &[u8], before: usize) -> Vec<u8> {
    let bytes = [&[0; 2][..before], value].concat();
    // A character holds six bits: the first whole one of the value, and the last.
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    let encoded = Zeroizing::new(alphabet.encode(bytes).into_bytes());
    encoded[first.min(end)..end].to_vec()
}

fn lower_hex(value: &[u8]) -> Vec<u8> {
    value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn upper_hex(value: &[u8]) -> Vec<u8> {
    value.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()
}

/// What encoders leave as it is besides letters and digits: RFC 3986, JavaScript's `encodeURIComponent` and `encodeURI`,
/// Python's `quote`, and forms (WHATWG URL, 5.2), which write a space as `+`.
const URL_SAFE: [(&[u8], bool); 5] =
    [(b"-._~", false), (b"-._~!'()*", false), (b"-._~!'()*;,/?:@&=+$#", false), (b"-._~/", false), (b"-._*", true)];

fn urls(value: &[u8]) -> Vec<Vec<u8>> {
    let encode = |(safe, plus): (&[u8], bool), upper: bool| {
        let mut out = Vec::with_capacity(value.len() * 3);
        for byte in value {
            match byte {
                b' ' if plus => out.push(b'+'),
                _ if byte.is_ascii_alphanumeric() || safe.contains(byte) => out.push(*byte),
                _ if upper => out.extend(format!("%{byte:02X}").into_bytes()),
                _ => out.extend(format!("%{byte:02x}").into_bytes()),
            }
        }
        out
    };
    URL_SAFE.into_iter().flat_map(|safe| [encode(safe, true), encode(safe, false)]).collect()
}

/// JSON strings without their quotes (RFC 8259, 7): as short as they can be, with `/` escaped as PHP does it, in ASCII
/// alone as Python does it, and with `<`, `>` and `&` escaped as Go does it.
fn json(value: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(value) else { return Vec::new() };
    let unicode = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let escape = |slash: bool, ascii: bool, html: bool| {
        let mut out = String::with_capacity(text.len() * 2);
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '/' if slash => out.push_str("\\/"),
                '<' | '>' | '&' if html => out.push_str(&unicode(c)),
                '\u{2028}' | '\u{2029}' if html => out.push_str(&unicode(c)),
                c if c < ' ' || (ascii && !c.is_ascii()) => out.push_str(&unicode(c)),
                c => out.push(c),
            }
        }
        out.into_bytes()
    };
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for (slash, ascii, html) in
        [(false, false, false), (true, false, false), (false, true, false), (true, true, false), (false, false, true)]
    {
        let form = escape(slash, ascii, html);
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// What shells and their `%q` write: within single quotes (`'\''` and, in fish, `\'`), within double quotes, with a
/// backslash before what is special, and `$'…'`.
fn shells(value: &[u8]) -> Vec<Vec<u8>> {
    let each = |escape: &dyn Fn(u8) -> Option<Vec<u8>>| {
        value.iter().flat_map(|byte| escape(*byte).unwrap_or_else(|| vec![*byte])).collect::<Vec<u8>>()
    };
    let backslash = |special: &'static [u8]| move |byte: u8| special.contains(&byte).then(|| vec![b'\\', byte]);
    let dollar = |ascii: bool| {
        move |byte: u8| match byte {
            b'\n' => Some(b"\\n".to_vec()),
            b'\r' => Some(b"\\r".to_vec()),
            b'\t' => Some(b"\\t".to_vec()),
            0x1b => Some(b"\\E".to_vec()),
            b'\\' | b'\'' => Some(vec![b'\\', byte]),
            0..0x20 | 0x7f => Some(format!("\\{byte:03o}").into_bytes()),
            0x80.. if ascii => Some(format!("\\{byte:03o}").into_bytes()),
            _ => None,
        }
    };
    vec![
        each(&|byte| (byte == b'\'').then(|| b"'\\''".to_vec())),
        each(&|byte| (byte == b'\'').then(|| b"'\"'\"'".to_vec())),
        each(&|byte| (byte == b'\'').then(|| b"''".to_vec())),
        each(&backslash(b"'\\")),
        each(&backslash(b"\"\\$`")),
        each(&backslash(b"\"\\$`!")),
        each(&backslash(b" \t!\"#$&'()*,;<>?[\\]^`{|}~=%")),
        each(&backslash(b" \t!\"#$&'()*,;<>?[\\]^`{|}")),
        each(&backslash(b" \t!\"#$&'()*;<>?[\\]^`{|}~")),
        each(&dollar(true)),
        each(&dollar(false)),
    ]
}
