//! The official clients of the Model Context Protocol, from lock files: PyPI's `mcp`, and npm's SDK and Inspector.
//! Kept below `target/peers`.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::node::Node;
use crate::python::Environment;
use crate::workspace::{given, root, target_dir};

/// Names the Python that the client for Python is installed in.
pub const PYTHON: &str = "AGENT_VAULT_TEST_MCP_PYTHON";
/// Names the folder that npm installed the clients into.
pub const NODE: &str = "AGENT_VAULT_TEST_MCP_NODE";

/// Where they are.
pub struct Clients {
    /// A Python.
    pub python: PathBuf,
    /// A folder with `node_modules`.
    pub node: PathBuf,
}

/// Installs them once, unless the environment names both already.
///
/// # Errors
///
/// When PyPI or npm's registry has not what the lock files name.
pub fn installed() -> Result<Clients, Failure> {
    if let (Some(python), Some(node)) = (given(PYTHON), given(NODE)) {
        return Ok(Clients { python, node });
    }
    let python = Environment::locked("mcp-client", "mcp/locks/client.txt")?.program("python");
    let node = target_dir().join("peers").join("mcp-clients");
    Node::installed()?.ci(&root().join("mcp/clients"), &node)?;
    Ok(Clients { python, node })
}
