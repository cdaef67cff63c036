//! A secret value: zeroised when dropped, never printed.

use crate::error::{Error, Result};
use std::fmt;
use std::io::Read;
use zeroize::Zeroizing;

/// Bytes that must not be seen: wiped on drop, redacted in `Debug`, without `Display`, `Clone` or `Serialize`.
#[derive(Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over `bytes`; they are wiped when the value is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads what there is, `limit` bytes at most, into memory that is wiped.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn read(input: impl Read, limit: u64) -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
        let mut input = input.take(limit);
        let mut chunk = Zeroizing::new([0u8; 16 << 10]);
        loop {
            let count = match input.read(&mut *chunk) {
                Ok(0) => return Ok(Self::new(std::mem::take(&mut *bytes))),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.capacity() - bytes.len() < count {
                // Grown by hand: the old buffer is wiped, which a growing vector would not do.
                let mut larger = Zeroizing::new(Vec::with_capacity(bytes.capacity() * 2));
                larger.extend_from_slice(&bytes);
                bytes = larger;
            }
            bytes.extend_from_slice(&chunk[..count]);
        }
    }

    /// The bytes, for the moment of their use.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text; `name` says in the error whose they are.
    ///
    /// # Errors
    /// [`Error::NotText`].
    pub fn text(&self, name: &str) -> Result<&str> {
        std::str::from_utf8(&self.0).map_err(|_| Error::NotText { name: name.to_owned() })
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none: an empty value is a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops one trailing newline (LF or CR LF), if there is one.
    pub fn trim_newline(&mut self) {
        if self.0.last() == Some(&b'\n') {
            self.0.pop();
            if self.0.last() == Some(&b'\r') {
                self.0.pop();
            }
        }
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes([redacted; {} bytes])", self.len())
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_debug_never_shows_a_value() {
        assert_eq!(format!("{:?}", SecretBytes::new(b"hunter2".to_vec())), "SecretBytes([redacted; 7 bytes])");
    }

    #[test]
    fn what_is_read_is_complete_up_to_the_limit() {
        let text: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
        assert_eq!(SecretBytes::read(&text[..], 1 << 20).unwrap().expose(), text);
        assert_eq!(SecretBytes::read(&text[..], 70_000).unwrap().expose(), &text[..70_000]);
    }

    #[test]
    fn one_newline_is_trimmed_and_no_more() {
        let mut value = SecretBytes::new(b"a\n\r\n".to_vec());
        value.trim_newline();
        assert_eq!(value.expose(), b"a\n");
    }
}
