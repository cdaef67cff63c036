//! The index of a day: a line for each line of each segment, in the order in which they were written.

use super::line::Window;
use crate::digest::Digest;

/// How much of an index's end a segment's first line vouches for: about 35 lines of other processes.
pub(super) const WINDOW: u64 = 4_096;

/// What the index says of one line of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed<'t> {
    /// The segment's name without its ending.
    pub segment: &'t str,
    /// Which of its lines, from 1 on.
    pub number: usize,
    /// That line's digest.
    pub digest: Digest,
}

impl Listed<'_> {
    /// The line, with its end.
    pub(super) fn render(&self) -> String {
        format!("{} {} {}\n", self.segment, self.number, self.digest.hex())
    }
}

/// Reads one line, without its end; only what renders to the same bytes is one.
pub(super) fn parse(line: &[u8]) -> Option<Listed<'_>> {
    let mut parts = std::str::from_utf8(line).ok()?.split(' ');
    let (segment, number, hex) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    let listed = Listed { segment, number, digest: format!("sha256:{hex}").parse().ok()? };
    (listed.render().trim_end().as_bytes() == line && number > 0).then_some(listed)
}

/// The end of the index of `day`, of which `bytes` were there and `end` are the last.
pub(super) fn window(day: &str, bytes: u64, end: &[u8]) -> Window {
    Window { day: day.to_owned(), bytes, digest: Digest::of(end) }
}

/// Whether an index still has what was its end once.
pub(super) fn holds(index: &[u8], window: &Window) -> bool {
    let Ok(end) = usize::try_from(window.bytes) else { return false };
    let start = window.bytes.saturating_sub(WINDOW) as usize;
    index.get(start..end).is_some_and(|bytes| Digest::of(bytes) == window.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_index_reads_back_and_nothing_else_does() {
        let listed = Listed { segment: "101112-4711-0011223344556677", number: 12, digest: Digest::of(b"x") };
        let text = listed.render();
        let line = text.trim_end();
        assert_eq!(parse(line.as_bytes()), Some(listed));
        for other in [&line[1..line.len() - 1], &line[..40], "", "a 0 ", &line.replace(" 12 ", " 012 ")] {
            assert_ne!(parse(other.as_bytes()).map(|listed| listed.render()), Some(text.clone()), "{other}");
        }
        assert_eq!(parse(format!("{line} ").as_bytes()), None);
        assert_eq!(parse(line.replace(" 12 ", " +12 ").as_bytes()), None);
    }

    #[test]
    fn a_window_holds_until_a_byte_before_its_end_changes() {
        let index = vec![b'a'; 10_000];
        let window = window("2026-11-23", 9_000, &index[9_000 - WINDOW as usize..9_000]);
        assert!(holds(&index, &window));
        let changed = |at: usize| {
            let mut index = index.clone();
            index[at] = b'b';
            holds(&index, &window)
        };
        assert!(!changed(8_999) && !changed(9_000 - WINDOW as usize));
        assert!(changed(9_000) && changed(0));
        assert!(!holds(&index[..8_999], &window));
    }
}
