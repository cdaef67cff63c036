//! The beginning and the end of what a program prints, however much that is.

use std::collections::VecDeque;

/// Keeps the first and the last bytes of a stream, and counts those between.
#[derive(Debug)]
pub struct Capped {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Capped {
    /// Keeps `limit` bytes at most.
    pub fn new(limit: usize) -> Self {
        Self { half: limit / 2, head: Vec::new(), tail: VecDeque::new(), left_out: 0 }
    }

    /// Takes more of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let skipped = rest.len().saturating_sub(self.half);
        self.left_out += skipped as u64;
        let rest = &rest[skipped..];
        let over = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.left_out += over as u64;
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    /// How many bytes are left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What is kept, as text; where something is left out, that stands between.
    pub fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.left_out == 0 {
            return String::from_utf8_lossy(&[&self.head[..], &tail].concat()).into_owned();
        }
        let between = format!("\n[… {} bytes left out …]\n", self.left_out);
        String::from_utf8_lossy(&self.head).into_owned() + &between + &String::from_utf8_lossy(&tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept_however_the_stream_is_cut() {
        let whole: Vec<u8> = (0..1_000u32).map(|at| b'a' + (at % 26) as u8).collect();
        for cut in [1, 2, 7, 99, 100, 101, 999, 1_000] {
            let mut capped = Capped::new(100);
            whole.chunks(cut).for_each(|chunk| capped.push(chunk));
            assert_eq!(capped.left_out(), 900, "{cut}");
            let text = capped.text();
            let (first, last) =
                (std::str::from_utf8(&whole[..50]).unwrap(), std::str::from_utf8(&whole[950..]).unwrap());
            assert_eq!(text, format!("{first}\n[… 900 bytes left out …]\n{last}"), "{cut}");
        }
    }

    #[test]
    fn what_fits_is_kept_as_it_is_and_other_bytes_than_text_are_shown_as_such() {
        let mut capped = Capped::new(10);
        for chunk in ["é", "é", "é", "é", "é"] {
            capped.push(&chunk.as_bytes()[..1]);
            capped.push(&chunk.as_bytes()[1..]);
        }
        assert_eq!((capped.text(), capped.left_out()), ("ééééé".into(), 0));
        let mut capped = Capped::new(10);
        capped.push(b"a\xffb");
        assert_eq!(capped.text(), "a\u{fffd}b");
    }
}
