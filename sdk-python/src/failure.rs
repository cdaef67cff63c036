//! The core's errors as exceptions. Which class an error has is said in `python/agent_vault/errors.py`, by its code and
//! class; nobody goes by its text.

use agent_vault_core::Error;
use agent_vault_open::Told;
use pyo3::prelude::*;

/// An error on its way into Python.
pub struct Failure(Told);

impl From<Told> for Failure {
    fn from(told: Told) -> Self {
        Self(told)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for PyErr {
    fn from(Failure(told): Failure) -> Self {
        Python::attach(|py| raise(py, told).unwrap_or_else(|failed| failed))
    }
}

/// The exception.
fn raise(py: Python<'_>, told: Told) -> PyResult<PyErr> {
    let make = py.import("agent_vault.errors")?.getattr("_exception")?;
    Ok(PyErr::from_value(make.call1((told.code, told.class, told.message, told.hint, told.path))?))
}
