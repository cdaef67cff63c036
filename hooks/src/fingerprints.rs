//! Fingerprints of values: enough to recognise a value wherever it is pasted, too little to find out what it is.
//!
//! A value is recognised at any place of any bytes, whatever stands around it. Of each value the set holds a 24-bit tag of
//! its most telling twelve bytes (the *anchor*), where they stand in it, its length, and 64 bits of an HMAC-SHA-256 of the
//! whole. One pass over the bytes computes the tag of every window of twelve; only where a tag is in the set is a candidate
//! cut out and hashed whole. So the cost does not grow with the number of values. Tag and HMAC are keyed with a random key
//! of this machine: without it a set says how many values there are and how long they are.
//!
//! Whoever can read this machine's home, set and key together, can test guesses. That is why a value of less than
//! [`LEAST_BITS`] is not in the set: it could be found by trying.

use crate::entropy;
use agent_vault_core::SecretPath;
use base64::Engine as _;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::ops::Range;
use zeroize::{Zeroize, ZeroizeOnDrop};

mod store;

pub use store::{Loaded, append, append_all, load, refresh};

/// Bytes of a window, and the fewest that a value may have.
pub const WINDOW: usize = 12;
/// The fewest bits of estimated entropy that a value may have.
pub const LEAST_BITS: f64 = 48.0;
/// The most lines of one value that have fingerprints of their own.
pub const MOST_LINES: usize = 4096;
/// Bits of a tag.
const TAG_BITS: u32 = 24;
/// Bytes of a record.
pub(crate) const RECORD: usize = 32;

/// The key of this machine, and what is derived from it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Key {
    secret: [u8; 32],
    mix: [u64; 3],
}

/// Which secret of which vault a record belongs to: 64 keyed bits of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretTag([u8; 8]);

/// What is kept of one value, of one of its lines, or of its base64 form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    tag: u32,
    offset: u32,
    length: u32,
    mac: [u8; 8],
    pub(crate) secret: SecretTag,
}

impl Key {
    /// The key that these bytes are.
    pub fn new(secret: [u8; 32]) -> Self {
        let mut key = Self { secret, mix: [0; 3] };
        for at in 0..key.mix.len() {
            // Odd, so that multiplying loses nothing.
            key.mix[at] = u64::from_le_bytes(key.mac(b"window", &[at as u8])) | 1;
        }
        key
    }

    /// The first 64 bits of HMAC-SHA-256 over a purpose and some bytes.
    fn mac(&self, purpose: &[u8], bytes: &[u8]) -> [u8; 8] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"));
        mac.update(&[purpose.len() as u8]);
        mac.update(purpose);
        mac.update(bytes);
        let mut first = [0; 8];
        first.copy_from_slice(&mac.finalize().into_bytes()[..8]);
        first
    }

    /// The tag of a window: two products of secret numbers, mixed. It only has to spread; the HMAC decides.
    #[inline]
    fn tag(&self, window: &[u8; WINDOW]) -> u32 {
        let (low, high) = window.split_at(8);
        let low = u64::from_le_bytes(low.try_into().unwrap_or_default());
        let high = u64::from(u32::from_le_bytes(high.try_into().unwrap_or_default()));
        let sum = low.wrapping_mul(self.mix[0]).wrapping_add(high.wrapping_mul(self.mix[1]));
        ((sum ^ (sum >> 32)).wrapping_mul(self.mix[2]) >> (u64::BITS - TAG_BITS)) as u32
    }

    /// The tag of a secret's name.
    pub fn secret(&self, name: &SecretPath) -> SecretTag {
        SecretTag(self.mac(b"name", name.as_str().as_bytes()))
    }

    /// What a baseline calls a vault's value: nothing that anybody without this machine's key could test a guess with.
    pub(crate) fn baseline(&self, bytes: &[u8]) -> [u8; 8] {
        self.mac(b"baseline", bytes)
    }

    /// The fingerprint of some bytes, if they are not too few.
    fn record(&self, bytes: &[u8], secret: SecretTag) -> Option<Record> {
        let offset = anchor(bytes);
        let window = bytes[offset..].first_chunk::<WINDOW>()?;
        let (offset, length) = (u32::try_from(offset).ok()?, u32::try_from(bytes.len()).ok()?);
        Some(Record { tag: self.tag(window), offset, length, mac: self.mac(b"value", bytes), secret })
    }

    /// The fingerprints of a value: of the whole without its last newline, of its lines without the space around them,
    /// and of its base64 form, which is how other formats carry secrets.
    pub(crate) fn records(&self, name: &SecretPath, value: &[u8]) -> Vec<Record> {
        let secret = self.secret(name);
        let whole = trim_newline(value);
        let mut records = Vec::new();
        if is_strong(whole) {
            records.extend(self.record(whole, secret));
            // Whole groups only: the end of the text depends on what follows the value, such as a newline.
            let groups = &whole[..whole.len() / 3 * 3];
            let mut text = base64::engine::general_purpose::STANDARD.encode(groups).into_bytes();
            records.extend(self.record(&text, secret));
            text.zeroize();
        }
        if whole.contains(&b'\n') {
            let lines = whole.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            // Every PEM file has its first and last line in common with all others.
            let own = lines.filter(|line| !line.starts_with(b"-----") && entropy::bits_of_line(line) >= LEAST_BITS);
            records.extend(own.filter_map(|line| self.record(line, secret)).take(MOST_LINES));
        }
        records.sort_unstable();
        records.dedup();
        records
    }
}

/// A value without newlines at its end: whoever pastes it seldom pastes those.
fn trim_newline(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    &value[..end]
}

fn is_strong(bytes: &[u8]) -> bool {
    bytes.len() >= WINDOW && entropy::bits(bytes) >= LEAST_BITS
}

/// Why the hook will not recognise a value; none when it will.
pub fn weakness(value: &[u8]) -> Option<&'static str> {
    let whole = trim_newline(value);
    if whole.len() < WINDOW {
        Some("it has fewer than 12 bytes")
    } else if !is_strong(whole) {
        Some("it is easily guessed (less than 48 bits by estimate)")
    } else {
        None
    }
}

/// Where the window with the most different bytes begins, among the first 4,096. A value's beginning is often what others
/// begin with too.
fn anchor(bytes: &[u8]) -> usize {
    let mut best = (0, 0);
    for (at, window) in bytes.windows(WINDOW).take(4096).enumerate() {
        let mut seen = [0u64; 4];
        window.iter().for_each(|byte| seen[usize::from(byte >> 6)] |= 1 << (byte & 63));
        let different = seen.iter().map(|part| part.count_ones()).sum::<u32>();
        if different > best.1 {
            best = (at, different);
        }
    }
    best.0
}

impl Record {
    pub(crate) fn to_bytes(self, key: &Key) -> [u8; RECORD] {
        let mut out = [0; RECORD];
        out[..4].copy_from_slice(&self.tag.to_le_bytes());
        out[4..8].copy_from_slice(&self.offset.to_le_bytes());
        out[8..12].copy_from_slice(&self.length.to_le_bytes());
        out[12..20].copy_from_slice(&self.mac);
        out[20..28].copy_from_slice(&self.secret.0);
        let check = key.mac(b"record", &out[..28]);
        out[28..].copy_from_slice(&check[..4]);
        out
    }

    /// A record as it was written with this key; none when it was damaged, or written with another.
    pub(crate) fn from_bytes(bytes: &[u8; RECORD], key: &Key) -> Option<Self> {
        if key.mac(b"record", &bytes[..28])[..4] != bytes[28..] {
            return None;
        }
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let eight = |at: usize| bytes[at..].first_chunk::<8>().copied();
        Some(Self {
            tag: number(0),
            offset: number(4),
            length: number(8),
            mac: eight(12)?,
            secret: SecretTag(eight(20)?),
        })
    }
}

/// A value that was found.
pub(crate) struct Found {
    pub span: Range<usize>,
    pub secret: SecretTag,
    /// Whether the bytes were too costly to look at to the end: then this is where the look ended.
    pub gave_up: bool,
}

/// A set of fingerprints, ready to look with. Shared by threads.
#[derive(Default)]
pub struct Fingerprints {
    key: Option<Key>,
    /// By tag.
    records: Vec<Record>,
    /// Whether any record has a tag with these leading bits.
    filter: Vec<u64>,
    shift: u32,
}

impl Fingerprints {
    /// No fingerprints: nothing is recognised.
    pub fn none() -> Self {
        Self::default()
    }

    pub(crate) fn new(key: Key, mut records: Vec<Record>) -> Self {
        records.sort_unstable();
        records.dedup();
        // Sixteen places or more for each record keep the filter nearly empty; 4,096 bits at least, 2 MiB at most.
        let places = (records.len() * 16).next_power_of_two().clamp(1 << 12, 1 << TAG_BITS);
        let shift = TAG_BITS - places.trailing_zeros();
        let mut filter = vec![0u64; places / 64];
        for record in &records {
            let place = (record.tag >> shift) as usize;
            filter[place / 64] |= 1 << (place % 64);
        }
        Self { key: Some(key), records, filter, shift }
    }

    /// The fingerprints of these values, for tests and for fuzzing.
    pub fn of<'v>(key: Key, values: impl IntoIterator<Item = (&'v SecretPath, &'v [u8])>) -> Self {
        let records = values.into_iter().flat_map(|(name, value)| key.records(name, value)).collect();
        Self::new(key, records)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The key that they are made with.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Every value in `bytes`, by where its anchor stands.
    ///
    /// Hashing is bounded, or bytes that repeat a long value's anchor would take for ever. Where the bound is reached, the
    /// bytes hold a part of that value over and over, and that is told as a finding.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let Some(key) = self.key.as_ref().filter(|_| !self.records.is_empty()) else { return found };
        let mut budget = (64 << 20) + bytes.len() * 16;
        for (at, window) in bytes.windows(WINDOW).enumerate() {
            let Some(window) = window.first_chunk::<WINDOW>() else { continue };
            let tag = key.tag(window);
            let place = (tag >> self.shift) as usize;
            if self.filter[place / 64] >> (place % 64) & 1 == 0 {
                continue;
            }
            let first = self.records.partition_point(|record| record.tag < tag);
            let mut hashed: Option<(Range<usize>, [u8; 8])> = None;
            for record in self.records[first..].iter().take_while(|record| record.tag == tag) {
                let Some(start) = at.checked_sub(record.offset as usize) else { continue };
                let span = start..start + record.length as usize;
                let Some(candidate) = bytes.get(span.clone()) else { continue };
                // The same value under several names is hashed once.
                let mac = match &hashed {
                    Some((of, mac)) if *of == span => *mac,
                    _ if budget < candidate.len() => {
                        found.push(Found { span: at..at + WINDOW, secret: record.secret, gave_up: true });
                        return found;
                    }
                    _ => {
                        budget -= candidate.len();
                        key.mac(b"value", candidate)
                    }
                };
                if mac == record.mac {
                    found.push(Found { span: span.clone(), secret: record.secret, gave_up: false });
                }
                hashed = Some((span, mac));
            }
        }
        found
    }
}
