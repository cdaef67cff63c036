//! The core's errors as exceptions. Which class an error has is said in `python/agent_vault/errors.py`, by its code and
//! class; nobody goes by its text.

use agent_vault_core::Error;
use agent_vault_open::words::one_line;
use pyo3::prelude::*;

/// An error on its way into Python.
pub struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Failure> for PyErr {
    fn from(Failure(error): Failure) -> Self {
        Python::attach(|py| raise(py, &error).unwrap_or_else(|failed| failed))
    }
}

/// The exception for an error.
fn raise(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let make = py.import("agent_vault.errors")?.getattr("_exception")?;
    let subject = error.subject().map(|subject| one_line(&subject));
    let told = (error.code(), error.class().to_string(), one_line(&error.to_string()), error.hint(), subject);
    Ok(PyErr::from_value(make.call1(told)?))
}

/// The exception for several references that cannot be resolved: of the worst one, with the text of all.
pub fn references(py: Python<'_>, failures: &[agent_vault_deliver::Failure]) -> PyErr {
    let text = agent_vault_open::references::told(failures).map(|line| one_line(&line)).collect::<Vec<_>>().join("; ");
    let Some(worst) = agent_vault_open::references::worst(failures) else {
        return Failure(Error::Usage { message: text, hint: String::new() }).into();
    };
    let raised = || -> PyResult<PyErr> {
        let make = py.import("agent_vault.errors")?.getattr("_exception")?;
        let subject = worst.of.first().map(|(_, reference)| one_line(&reference.to_string()));
        let told = (worst.error.code(), worst.error.class().to_string(), text, worst.error.hint(), subject);
        Ok(PyErr::from_value(make.call1(told)?))
    };
    raised().unwrap_or_else(|failed| failed)
}
