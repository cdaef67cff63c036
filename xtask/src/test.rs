//! `cargo xtask test`: every test of the workspace, on whatever machine it is started.

use std::env;
use std::process::{Command, ExitCode};

use crate::addon;
use crate::failure::{Context as _, Failure};
use crate::mcp_clients;
use crate::node::{self, Node};
use crate::peers::{Build, Peer};
use crate::programs;
use crate::python;
use crate::wheel::{self, Profile};
use crate::workspace::cargo;

/// Checks what is needed, builds the peer, then runs `cargo test` over the workspace, doctests included.
///
/// `args` go to `cargo test` as they are; naming a package replaces `--workspace`.
///
/// # Errors
///
/// When a program is missing (exit code 2, before anything ran) or the peer cannot be built.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    if matches!(args.first().map(String::as_str), Some("--help" | "-h")) {
        println!(
            "Usage: cargo xtask test [ARGS]...\n\nRuns every test. ARGS go to `cargo test`; \
             what follows `--` goes to the test programs."
        );
        return Ok(ExitCode::SUCCESS);
    }
    programs::check()?;
    let rage = Peer::TEST_RAGE.ensure(Build::Quick)?;
    let pre_commit = python::pre_commit()?;
    let wheel = if needs_wheel(args) { Some(wheel::installed(Profile::Dev)?) } else { None };
    let clients = if needs_wheel(args) { Some(mcp_clients::installed()?) } else { None };
    let addon = if needs_wheel(args) { Some(addon::installed(Profile::Dev)?) } else { None };

    let mut command = cargo();
    command.args(["test", "--locked"]);
    if !names_package(args) {
        command.arg("--workspace");
    }
    command.args(args);
    forget_surroundings(&mut command);
    command.env(Peer::TEST_RAGE.instead, rage);
    command.env(python::PRE_COMMIT, pre_commit);
    if let Some(wheel) = wheel {
        command.env(wheel::PYTHON, wheel.python).env(wheel::TOOLS, wheel.tools);
    }

    if let Some(addon) = addon {
        command.env(addon::PACKAGE, addon.package).env(addon::TOOLS, addon.tools);
    }
    if let Some(clients) = clients {
        command.env(mcp_clients::PYTHON, clients.python).env(mcp_clients::NODE, clients.node);
        if std::env::var_os(node::NODE).is_none() {
            command.env(node::NODE, Node::installed()?.program);
        }
    }

    finish(&mut command)
}

/// Runs cargo to its end. It has said what failed; its exit code is ours.
pub(crate) fn finish(command: &mut Command) -> Result<ExitCode, Failure> {
    let status = command.status().context("cannot run cargo test")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

fn names_package(args: &[String]) -> bool {
    args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "-p" || arg.starts_with("--package"))
}

/// Whether the tests of the Python and Node packages and of the MCP server's clients are among those that run: they are the program's, which
/// makes their vaults.
fn needs_wheel(args: &[String]) -> bool {
    !names_package(args) || args.iter().any(|arg| arg.contains("agent-vault-cli"))
}

/// Takes away what the caller's shell or Git hook set: with `GIT_DIR` or `GIT_INDEX_FILE` a test would act on *this*
/// repository, with `AGENT_VAULT_HOME` or `AGENT_VAULT_KEY` on the caller's own keys.
pub(crate) fn forget_surroundings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_caller_s) {
            command.env_remove(&name);
        }
    }
}

/// `AGENT_VAULT_TEST_…` is addressed to the tests and stays.
fn is_caller_s(name: &str) -> bool {
    name.starts_with("GIT_") || (name.starts_with("AGENT_VAULT_") && !name.starts_with("AGENT_VAULT_TEST_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_see_the_caller_s_keys_or_the_hook_s_repository() {
        assert!(is_caller_s("GIT_INDEX_FILE"));
        assert!(is_caller_s("AGENT_VAULT_KEY"));
        assert!(!is_caller_s("AGENT_VAULT_TEST_RAGE"));
        assert!(!is_caller_s("GITHUB_ACTIONS"));
    }

    #[test]
    fn a_named_package_replaces_the_workspace_but_not_behind_the_dashes() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(names_package(&args("-p agent-vault-core")));
        assert!(names_package(&args("--package=agent-vault-core")));
        assert!(!names_package(&args("--release -- -p")));
    }
}
