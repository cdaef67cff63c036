//! The chores of this workspace, run as `cargo xtask <command>`.
//!
//! - `test` runs every test, and first says plainly which program is missing.
//! - `docs` writes everything that is generated.
//! - `interop` lets agent-vault 0.1.0 read what we write, and the other way round.
//! - `bench` measures the release build beside its peers.
//! - `load` lets many clones write and sync at once, and says what is lost.
//! - `node-package` builds the packages of `sdk-node/` for this platform.
//! - `picture` draws a session on a terminal for the README.
//! - `fuzz` searches for inputs that break a law.
//! - `mutants` searches for changes of the code that no test notices.
//!
//! It depends on no crate of the vault, so that it still builds and explains where the vault does not.

mod addon;
mod bench;
mod docs;
mod failure;
mod fuzz;
mod interop;
#[cfg(unix)]
mod load;
mod mcp_clients;
mod mutants;
mod node;
mod peers;
mod picture;
mod programs;
mod python;
mod sandbox;
mod test;
mod wheel;
mod workspace;

use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
The chores of this workspace.

Usage: cargo xtask <command>

Commands:
  test [ARGS]...     Run every test of the workspace; ARGS go to `cargo test`
  docs               Write docs/cli.md, the man pages and the sessions that show every command
  interop [ARGS]...  Test beside the real agent-vault 0.1.0 from crates.io; ARGS go to `cargo test`
  bench [OPTIONS]    Measure the release build beside its peers (`bench --help`)
  load [OPTIONS]     Let many clones write and sync at once, and see that nothing is lost (`load --help`)
  node-package       Build the packages of sdk-node/ for this platform: two tarballs
  picture            Draw a session on a terminal: docs/terminal.svg
  fuzz [SECONDS]     Search for inputs that break a law (`fuzz --help`)
  mutants [ARGS]     Search for changes of the code that no test notices (`mutants --help`)
  help               Print this text

Examples:
  cargo xtask test
  cargo xtask test -- revoked_agent
  cargo xtask bench --quick";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("xtask: error: {failure}");
            if let Some(hint) = failure.hint() {
                eprintln!("xtask: hint: {hint}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    match command.as_deref() {
        Some("test") => test::run(&rest),
        Some("interop") => interop::run(&rest),
        Some("bench") => bench::run(&rest),
        #[cfg(unix)]
        Some("load") => load::run(&rest),
        Some("node-package") => addon::run(&rest),
        Some("picture") => picture::run(&rest),
        Some("docs") => docs::run(&rest),
        Some("fuzz") => fuzz::run(&rest),
        Some("mutants") => mutants::run(&rest),
        None | Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => Err(Failure::usage(format!("there is no command `{other}`"))
            .with_hint("`cargo xtask help` lists what there is")),
    }
}
