//! agent-vault for Python: thin calls of the core, with Python's lock released around each, and typed errors.
//!
//! The classes that programs use are in `python/agent_vault`; this module is theirs alone. Nothing here decides anything
//! about a vault.

mod convert;
mod failure;
mod gate;
mod mcp;
mod metadata;
mod methods;
mod owner;
mod references;
mod secret;
mod vault;

use pyo3::prelude::*;

/// What `agent_vault` is made of. Not for use by itself.
#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::gate::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use super::mcp::serve_mcp;
    #[pymodule_export]
    use super::metadata::{SecretMetadata, restore_metadata};
    #[pymodule_export]
    use super::secret::Secret;
    #[pymodule_export]
    use super::vault::Vault;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        gate::register(module)
    }
}
