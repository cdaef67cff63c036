//! The lines of `.env` files: what every loader of such files agrees on, without interpolation.
//!
//! ```text
//! file     = *( blank / comment / heading / assignment ) ; each ends with LF, CRLF or the end of the file
//! heading  = "[" *( any byte but "]", LF ) "]" *WS
//! assignment = [ "export" 1*WS ] NAME *WS "=" *WS value *WS [ comment ]
//! NAME     = ( ALPHA / "_" ) *( ALPHA / DIGIT / "_" / "." / "-" )
//! value    = single / double / plain
//! single   = "'" *( any byte but "'" ) "'"                 ; as it stands, over several lines too
//! double   = DQUOTE *( escape / any byte but DQUOTE ) DQUOTE ; over several lines too
//! escape   = "\" ( "n" / "r" / "t" / "\" / DQUOTE / "$" / "`" ) ; before anything else, "\" stands for itself
//! plain    = *( any byte but LF )                          ; ends before WS "#", without the blanks around it
//! ```

use agent_vault_core::SecretBytes;
use zeroize::Zeroizing;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it; never a value.
    pub what: &'static str,
}

/// What a file holds, one after the other.
#[derive(Debug)]
pub(crate) enum Line {
    /// What stands in the brackets.
    Heading(Vec<u8>),
    /// A name, and what it is set to, without quotes and escapes.
    Assignment(String, SecretBytes),
}

/// Reads a file. Each line comes with its number, counted from 1: where a value has several, the first.
///
/// # Errors
/// A [`Mistake`] for the first line that is not understood.
pub(crate) fn lines(file: &[u8]) -> Result<Vec<(usize, Line)>, Mistake> {
    let mut cursor = Cursor { rest: file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file), line: 1 };
    let mut lines = Vec::new();
    while let Some(line) = cursor.line()? {
        lines.push(line);
    }
    Ok(lines)
}

/// Whether a byte may begin a name.
fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// Whether a byte may stand in a name.
fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// What is still to be read, and on which line it begins.
struct Cursor<'t> {
    rest: &'t [u8],
    line: usize,
}

impl<'t> Cursor<'t> {
    fn fail(&self, what: &'static str) -> Mistake {
        Mistake { line: self.line, what }
    }

    /// Takes the bytes as long as they are of a kind.
    fn take(&mut self, kind: impl Fn(u8) -> bool) -> &'t [u8] {
        let end = self.rest.iter().position(|byte| !kind(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn blanks(&mut self) -> usize {
        self.take(|byte| matches!(byte, b' ' | b'\t')).len()
    }

    /// Takes the end of a line; `false` when something else stands there.
    fn end_of_line(&mut self) -> bool {
        let length = match self.rest {
            [] => 0,
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [b'\r'] => 1,
            _ => return false,
        };
        self.line += usize::from(length > 0);
        self.rest = &self.rest[length..];
        true
    }

    /// Takes a comment, if there is one, and the end of the line.
    fn comment(&mut self) -> bool {
        if self.rest.first() == Some(&b'#') {
            self.take(|byte| byte != b'\n');
        }
        self.end_of_line()
    }

    /// The next heading or assignment, and the line that it begins on.
    fn line(&mut self) -> Result<Option<(usize, Line)>, Mistake> {
        loop {
            self.blanks();
            if self.rest.is_empty() {
                return Ok(None);
            }
            if !self.comment() {
                break;
            }
        }
        if self.rest.first() == Some(&b'[') {
            return self.heading().map(Some);
        }
        let line = self.line;
        let name = self.name()?;
        self.blanks();
        if self.rest.first() != Some(&b'=') {
            return Err(self.fail("there is no '=' after the name"));
        }
        self.rest = &self.rest[1..];
        self.blanks();
        let value = match self.rest.first() {
            Some(b'\'') => self.quoted(b'\'')?,
            Some(b'"') => self.quoted(b'"')?,
            _ => return Ok(Some((line, Line::Assignment(name, self.plain())))),
        };
        self.blanks();
        if !self.comment() {
            return Err(self.fail("something follows the closing quote"));
        }
        Ok(Some((line, Line::Assignment(name, value))))
    }

    fn heading(&mut self) -> Result<(usize, Line), Mistake> {
        let wrong = self.fail("a heading is [profile], on a line of its own");
        let line = self.line;
        let text = self.take(|byte| byte != b'\n').trim_ascii_end();
        self.end_of_line();
        match text[1..].strip_suffix(b"]") {
            Some(name) => Ok((line, Line::Heading(name.to_vec()))),
            None => Err(wrong),
        }
    }

    /// The name, after an `export` if there is one.
    fn name(&mut self) -> Result<String, Mistake> {
        let before = self.rest;
        if self.take(in_name) == b"export" && self.blanks() > 0 && self.rest.first() != Some(&b'=') {
            return self.bare_name();
        }
        self.rest = before;
        self.bare_name()
    }

    fn bare_name(&mut self) -> Result<String, Mistake> {
        if !self.rest.first().is_some_and(|byte| begins_name(*byte)) {
            return Err(self.fail("a name begins with a letter or '_'"));
        }
        let name = self.take(in_name);
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// The rest of the line, without a comment and without the blanks around it.
    fn plain(&mut self) -> SecretBytes {
        let text = self.take(|byte| byte != b'\n');
        let comment = (0..text.len()).find(|at| text[*at] == b'#' && (*at == 0 || text[at - 1].is_ascii_whitespace()));
        let value = text[..comment.unwrap_or(text.len())].trim_ascii_end();
        self.end_of_line();
        SecretBytes::new(value.to_vec())
    }

    /// What stands between two quotes.
    fn quoted(&mut self, quote: u8) -> Result<SecretBytes, Mistake> {
        let text = &self.rest[1..];
        // As long as it can become: the buffer never grows, so no copy of it stays behind.
        let closed = closing(text, quote).ok_or_else(|| self.fail("a quote is not closed"))?;
        let mut value = Zeroizing::new(Vec::with_capacity(closed));
        let mut bytes = text[..closed].iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let escaped = match (byte, bytes.peek()) {
                (b'\\', Some(next)) if quote == b'"' => unescape(*next),
                _ => None,
            };
            if escaped.is_some() {
                bytes.next();
            }
            value.push(escaped.unwrap_or(byte));
        }
        self.line += text[..closed].iter().filter(|byte| **byte == b'\n').count();
        self.rest = &text[closed + 1..];
        Ok(SecretBytes::new(std::mem::take(&mut *value)))
    }
}

/// Where the closing quote stands.
fn closing(text: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            byte if byte == quote => return Some(at),
            b'\\' if quote == b'"' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// What `\` and this byte stand for between double quotes.
fn unescape(byte: u8) -> Option<u8> {
    match byte {
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'\\' | b'"' | b'$' | b'`' => Some(byte),
        _ => None,
    }
}
