//! The one error of this program: what happened, what to do next, and the exit code.

use std::fmt;

/// The exit code for a wrong command line and for a missing program: nothing was run.
const USAGE: u8 = 2;
/// The exit code for everything else.
const OTHER: u8 = 1;

/// Why a chore ended early.
#[derive(Debug)]
pub struct Failure {
    what: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Something went wrong while working. Exit code 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, code: OTHER }
    }

    /// Nothing was done, because something about the call or the machine has to change first. Exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { code: USAGE, ..Self::new(what) }
    }

    /// Adds the next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The next step, if there is one to name.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit code of the process.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Puts what was being done before a system's error.
pub trait Context<T> {
    /// Turns an error into a [`Failure`] that begins with `doing`.
    ///
    /// # Errors
    ///
    /// The same as before, told better.
    fn context(self, doing: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{doing}: {error}")))
    }
}
