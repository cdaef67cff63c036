//! How far long work is: one line on a terminal's standard error, gone at its end; nothing elsewhere.

use crate::output;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// From this many secrets on, work is long.
const LONG: usize = 20;
/// How often the line changes.
const PACE: Duration = Duration::from_millis(100);
/// Back to the first column, and the line is empty (ECMA-48: CR, EL).
const CLEAR: &str = "\r\x1b[K";

/// The line. Many threads may tick it.
pub struct Bar {
    /// When the line was last written; none where nobody watches.
    written: Option<Mutex<Option<Instant>>>,
    /// What is being done.
    what: &'static str,
}

impl Bar {
    /// A line that is not there yet.
    pub fn new() -> Self {
        Self::of("re-encrypting")
    }

    /// The same for other work.
    pub fn of(what: &'static str) -> Self {
        let watched = std::io::stderr().is_terminal() && !output::quiet();
        Self { written: watched.then(Mutex::default), what }
    }

    /// What the core calls after each secret. A count that comes late never replaces a greater one for long: the next
    /// one follows it in [`PACE`].
    pub fn tick(&self, done: usize, all: usize) {
        let Some(Ok(mut written)) = self.written.as_ref().filter(|_| all >= LONG).map(Mutex::try_lock) else { return };
        if written.is_none_or(|at| at.elapsed() >= PACE) {
            *written = Some(Instant::now());
            show(&format!("{CLEAR}{} {done}/{all}", self.what));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let shown = self.written.as_ref().and_then(|written| *written.lock().ok()?);
        if shown.is_some() {
            show(CLEAR);
        }
    }
}

/// A terminal that went away is no reason to stop the work.
fn show(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
