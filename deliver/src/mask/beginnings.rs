//! Where a pattern may begin: most of what programs print can be passed over without asking the automaton.

/// So many bytes are looked at.
pub(super) const WIDTH: usize = 4;
/// As a power of two, so many bits there are: 16 KiB, which stay in the fastest cache. 10,000 patterns set one in thirteen.
const BITS: u32 = 17;
const WORDS: usize = 1 << (BITS - 6);

/// The first bytes of all patterns, as a set that may hold some more (Bloom, 1970, with one hash).
pub(super) struct Beginnings(Box<[u64; WORDS]>);

impl Beginnings {
    pub(super) fn of(patterns: &[impl AsRef<[u8]>]) -> Self {
        let mut bits = Box::new([0; WORDS]);
        for pattern in patterns {
            match pattern.as_ref().first_chunk() {
                Some(first) => {
                    let bit = hash(first);
                    bits[bit / 64] |= 1 << (bit % 64);
                }
                // A shorter one may begin anywhere.
                None => bits.fill(u64::MAX),
            }
        }
        Self(bits)
    }

    /// The first place from `at` on where a pattern may begin; the last bytes may always be the beginning of one.
    pub(super) fn next(&self, bytes: &[u8], at: usize) -> usize {
        let rest = &bytes[at..];
        let may = |window: &[u8; WIDTH]| {
            let bit = hash(window);
            self.0[bit / 64] >> (bit % 64) & 1 == 1
        };
        let found = rest.windows(WIDTH).position(|window| window.first_chunk().is_some_and(may));
        at + found.unwrap_or_else(|| rest.len().saturating_sub(WIDTH - 1))
    }
}

/// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
fn hash(first: &[u8; WIDTH]) -> usize {
    (u32::from_le_bytes(*first).wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}
