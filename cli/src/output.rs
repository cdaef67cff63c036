//! What goes where: results to standard output, everything else to standard error; colour on a terminal only.

use agent_vault_core::error::is_printable;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// `--quiet`: only results and errors.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Says whether notes and warnings are wanted.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Whether notes and warnings are unwanted.
pub fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// A style of the terminal (SGR parameters).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// For headings and commands.
    Bold,
    /// For what matters less.
    Dim,
    /// For errors.
    Red,
    /// For warnings.
    Yellow,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "0",
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "1;31",
            Style::Yellow => "33",
        }
    }

    /// `text` in this style, if `coloured`.
    pub fn paint(self, text: &str, coloured: bool) -> String {
        if coloured && self != Style::Plain { format!("\x1b[{}m{text}\x1b[0m", self.code()) } else { text.to_owned() }
    }
}

/// Whether a stream shows colours: a terminal, and no `NO_COLOR` (no-color.org), and not a dumb one.
fn coloured(terminal: bool) -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    terminal && unset("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether standard output shows colours.
pub fn stdout_coloured() -> bool {
    coloured(std::io::stdout().is_terminal())
}

/// Whether standard error shows colours.
pub fn stderr_coloured() -> bool {
    coloured(std::io::stderr().is_terminal())
}

/// How an age private key begins; none has a reason to be shown.
const PRIVATE: &str = "AGE-SECRET-KEY-";

/// `text` without what a terminal would obey or hide (a folder's name may hold anything), and without a private key that
/// somebody gave in place of a name.
pub fn safe(text: &str) -> String {
    let mut out: String = text.chars().map(|c| if c == '\n' || is_printable(c) { c } else { '?' }).collect();
    let mut from = 0;
    while let Some(at) = out[from..].to_ascii_uppercase().find(PRIVATE) {
        let start = from + at + PRIVATE.len();
        let length = out[start..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(out.len() - start);
        out.replace_range(start..start + length, "(hidden)");
        from = start;
    }
    out
}

/// As [`safe`], on one line: what is told cannot pretend to be the next line.
pub fn one_line(text: &str) -> String {
    safe(text).replace('\n', " ")
}

/// One line on standard error. A closed standard error is nobody's loss.
fn line(label: &str, style: Style, text: &str) {
    let label = style.paint(label, stderr_coloured());
    let _ = writeln!(std::io::stderr().lock(), "{label}{}", safe(text));
}

/// Tells an error.
pub fn error(text: &str) {
    line("error: ", Style::Red, &one_line(text));
}

/// Tells an error in the call, which comes with usage and tips on lines of their own.
pub fn usage_error(text: &str) {
    line("error: ", Style::Red, text);
}

/// Tells what to do about it.
pub fn hint(text: &str) {
    line("hint: ", Style::Dim, &one_line(text));
}

/// Warns, unless `--quiet`.
pub fn warn(text: &str) {
    if !quiet() {
        line("warning: ", Style::Yellow, text);
    }
}

/// Says what was done, unless `--quiet`.
pub fn note(text: &str) {
    if !quiet() {
        line("", Style::Plain, text);
    }
}

/// Prints a result.
///
/// # Errors
/// Those of standard output; a closed pipe among them.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a result as indented JSON.
///
/// # Errors
/// As [`print()`].
pub fn json(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// `3 secrets`, `1 secret`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_what_is_told_holds_neither_control_characters_nor_private_keys() {
        assert_eq!(safe("a\x1b[31mb\u{202e}c\r\n"), "a?[31mb?c?\n");
        let keys = "no 'AGE-SECRET-KEY-1QQ', no age-secret-key-1zz\nAGE-SECRET-KEY-";
        assert_eq!(safe(keys), "no 'AGE-SECRET-KEY-(hidden)', no age-secret-key-(hidden)\nAGE-SECRET-KEY-(hidden)");
        assert_eq!(safe("é — plain"), "é — plain");
    }
}
