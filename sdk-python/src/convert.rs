//! Python's values as the core's, and back.

use agent_vault_core::SecretBytes;
use agent_vault_open::Message;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::ffi::OsString;

use crate::secret::Secret;

/// A variable of `os.environ`. Python changes its copy and the process's variables together; only the copy can be read while
/// other threads run.
pub fn variables(py: Python<'_>, names: &[&str]) -> PyResult<Vec<(String, Option<OsString>)>> {
    let environ = py.import("os")?.getattr("environ")?;
    let look = |name: &&str| Ok(((*name).to_owned(), environ.call_method1("get", (*name,))?.extract()?));
    names.iter().map(look).collect()
}

/// A value to store: text, bytes, or a secret.
pub fn value(given: &Bound<'_, PyAny>) -> PyResult<SecretBytes> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(SecretBytes::new(text.extract::<String>()?.into_bytes()));
    }
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(SecretBytes::new(bytes.as_bytes().to_vec()));
    }
    if let Ok(secret) = given.cast::<Secret>() {
        return secret.get().copy();
    }
    // The type alone: the value may be secret.
    Err(PyTypeError::new_err(format!("a value is str, bytes or Secret, not {}", given.get_type().name()?)))
}

/// Tells in Python's way what should be heard of: warnings as warnings, of the line that called the package, and the rest in
/// the log `agent_vault`.
pub fn tell(py: Python<'_>, messages: Vec<Message>) -> PyResult<()> {
    for message in messages {
        let category = match &message {
            Message::Note(text) => {
                py.import("logging")?
                    .call_method1("getLogger", ("agent_vault",))?
                    .call_method1("info", ("%s", text))?;
                continue;
            }
            Message::Stale(_) => "RemoteWarning",
            Message::Unsigned(_) => "UnsignedVaultWarning",
            _ => "VaultWarning",
        };
        let category = py.import("agent_vault.errors")?.getattr(category)?;
        let text = agent_vault_open::words::one_line(message.text());
        // One frame is the package's own.
        py.import("warnings")?.call_method1("warn", (text, category, 2))?;
    }
    Ok(())
}
