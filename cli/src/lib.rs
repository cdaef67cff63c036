//! The definition of the command line, for the program and for what is generated from it: `docs/cli.md`, man pages and
//! the checks of both (`cargo xtask docs`). No interface to build on: programs use `agent-vault-core` or `--json`.

#![doc(hidden)]

pub mod app;
