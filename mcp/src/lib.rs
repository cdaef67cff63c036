//! A server of the Model Context Protocol (<https://modelcontextprotocol.io>) over standard input and output: a model uses
//! secrets of an agent-vault, or reads them where that was allowed.
//!
//! The model is not trusted. What it may do is said when the server is started ([`rules::Rules`]) and cannot be changed by
//! what it sends; a secret's name is checked by the core; each call stands in this machine's log with what the client
//! calls itself. The identity stays in this process.
//!
//! `rules`, `capped` and `install::merge` are pure; `program`, `stdio`, `process` and `vault` have the side effects.

mod answer;
mod capped;
mod exec;
mod install;
mod options;
mod process;
pub mod program;
pub mod rules;
mod server;
mod stdio;
mod tools;
mod vault;
