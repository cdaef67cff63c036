//! A value that is not shown.

use agent_vault_core::{Error, SecretBytes};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;

/// A secret's value, outside Python's own memory, until it is wiped or dropped. Nothing that prints, logs, formats, copies
/// or pickles objects shows it; `expose()` and `expose_bytes()` do.
#[pyclass(frozen, module = "agent_vault")]
pub struct Secret {
    path: String,
    value: Mutex<Option<SecretBytes>>,
}

impl Secret {
    /// A value that was read.
    pub fn new(path: String, value: SecretBytes) -> Self {
        Self { path, value: Mutex::new(Some(value)) }
    }

    /// A copy of the value.
    pub fn copy(&self) -> PyResult<SecretBytes> {
        self.with(|value| Ok(SecretBytes::new(value.expose().to_vec())))
    }

    fn with<T>(&self, work: impl FnOnce(&SecretBytes) -> PyResult<T>) -> PyResult<T> {
        match &*self.value.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(value) => work(value),
            None => Err(Failure::from(Error::Usage {
                message: format!("the value of {:?} was wiped", self.path),
                hint: "read it again".into(),
            })
            .into()),
        }
    }
}

#[pymethods]
impl Secret {
    /// The secret's path.
    #[getter]
    fn path(&self) -> &str {
        &self.path
    }

    /// Whether the value was wiped.
    #[getter]
    fn wiped(&self) -> bool {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The value as text. The str that is returned is Python's: nothing wipes it.
    fn expose<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.with(|value| Ok(PyString::new(py, value.text(&self.path).map_err(Failure::from)?)))
    }

    /// The value, byte for byte. The bytes that are returned are Python's: nothing wipes them.
    fn expose_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(|value| Ok(PyBytes::new(py, value.expose())))
    }

    /// Overwrites the value. Afterwards there is none.
    fn wipe(&self) {
        drop(self.value.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn __repr__(&self) -> String {
        format!("Secret({:?}, redacted)", self.path)
    }

    fn __str__(&self) -> String {
        self.__repr__()
    }

    #[expect(unused_variables, reason = "a width or a sign changes nothing of it")]
    fn __format__(&self, format_spec: &str) -> String {
        self.__repr__()
    }

    #[expect(unused_variables, reason = "no protocol may")]
    fn __reduce_ex__(&self, protocol: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(PyTypeError::new_err("a Secret is not pickled: hand over its path, and read it where it is needed"))
    }

    fn __copy__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[expect(unused_variables, reason = "there is one value, and one place to wipe it")]
    fn __deepcopy__(this: Py<Self>, memo: &Bound<'_, PyAny>) -> Py<Self> {
        this
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[expect(unused_variables, reason = "it is wiped however the block ends")]
    fn __exit__(
        &self,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> bool {
        self.wipe();
        false
    }
}
