//! What goes where: results to standard output, everything else to standard error; colour on a terminal only.

pub use agent_vault_open::words::{count, one_line, safe, short};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

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
    /// For warnings. Yellow, which others use, is not to be read on a white screen.
    Magenta,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "0",
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "1;31",
            Style::Magenta => "35",
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

/// The columns that standard output has; none where it is no terminal.
pub fn stdout_width() -> Option<usize> {
    if std::io::stdout().is_terminal() { crate::terminal::width() } else { None }
}

/// Whether standard error shows colours.
pub fn stderr_coloured() -> bool {
    coloured(std::io::stderr().is_terminal())
}

/// What is said when everything else was.
static LAST: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps a note for the end of the command.
pub fn note_last(text: String) {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).push(text);
}

/// Says what was kept for the end.
pub fn finish() {
    let notes = std::mem::take(&mut *LAST.lock().unwrap_or_else(PoisonError::into_inner));
    notes.iter().for_each(|text| note(text));
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
        line("warning: ", Style::Magenta, text);
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

/// Writes a value past the line buffer of standard output, which nobody wipes.
///
/// # Errors
/// As [`print()`].
#[cfg(unix)]
pub fn raw(out: &mut std::io::Stdout, bytes: &[u8]) -> std::io::Result<()> {
    out.flush()?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&*out, rest) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = &rest[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Writes a value to standard output.
///
/// # Errors
/// As [`print()`].
#[cfg(not(unix))]
pub fn raw(out: &mut std::io::Stdout, bytes: &[u8]) -> std::io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let luminance = |colour: [u8; 3]| {
            let [red, green, blue] = colour.map(|part| {
                let part = f64::from(part) / 255.0;
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn colours_are_legible_on_white_and_on_black() {
        // xterm's own colours: normal, and bright for terminals that take bold for bright.
        let xterm = |code: &str| match code {
            "31" => [[205, 0, 0], [255, 0, 0]],
            "33" => [[205, 205, 0], [255, 255, 0]],
            "35" => [[205, 0, 205], [255, 0, 255]],
            other => panic!("say what colour {other} is"),
        };
        let least = |code: &str| {
            let on = |colour| contrast(colour, [255; 3]).min(contrast(colour, [0; 3]));
            xterm(code).into_iter().map(on).fold(f64::INFINITY, f64::min)
        };
        for style in [Style::Red, Style::Magenta] {
            let code = style.code().trim_start_matches("1;");
            assert!(least(code) >= 3.0, "{style:?}: {:.1}", least(code));
        }
        assert!(least("33") < 2.0, "why warnings are not yellow");
    }
}
