//! The command line of `cargo xtask load`.

use std::path::PathBuf;

use agent_vault_test_remotes::Transport;

use crate::failure::Failure;

use super::round::Size;
use super::simulate::STEPS;

/// What `load --help` prints.
pub const HELP: &str = "\
Lets many clones write and sync at once over a real remote, and sees that nothing is lost.

Usage: cargo xtask load [OPTIONS]

Without options: a table for 1, 2, 4, 8 and 16 clones with 8 writes each over file://, then 8 clones with 25 writes each
over ssh. Ends with exit code 1 and says what is lost when something is.

Options:
  --size CLONESxWRITES  Only one run, of this size
  --ssh                 That run over ssh, by an sshd of its own on 127.0.0.1
  --program FILE        Use this program instead of building the release
  --simulate [STEPS]    Instead, owners, a reader and a hostile host in memory: a million steps unless you say otherwise
  --help                Print this text

Environment:
  TMPDIR                       where to work
  AGENT_VAULT_SIMULATION_SEED  repeats a simulation

Example:
  cargo xtask load --size 4x16 --ssh";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// One run instead of all.
    pub size: Option<Size>,
    /// The simulation instead, this many steps long.
    pub steps: Option<u64>,
    /// The program under load.
    pub program: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; nothing when they ask for help.
    ///
    /// # Errors
    ///
    /// An unknown option, or a size that is none.
    pub fn parse(args: &[String]) -> Result<Option<Self>, Failure> {
        let mut options = Self::default();
        let (mut ssh, mut args) = (false, args.iter().peekable());
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--ssh" => ssh = true,
                "--simulate" => {
                    let steps = args.next_if(|next| !next.starts_with("--"));
                    options.steps = Some(steps.map_or(Ok(STEPS), |steps| number_of_steps(steps))?);
                }
                "--size" => options.size = Some(size(args.next())?),
                // Absolute: it is called from other folders.
                "--program" => match args.next().map(std::fs::canonicalize) {
                    Some(Ok(program)) if program.is_file() => options.program = Some(program),
                    _ => return Err(Failure::usage("--program takes a program that is there")),
                },
                other => {
                    return Err(Failure::usage(format!("load knows no `{other}`"))
                        .with_hint("`cargo xtask load --help` lists its options"));
                }
            }
        }
        match &mut options.size {
            Some(size) if ssh => size.transport = Transport::Ssh,
            None if ssh => return Err(Failure::usage("--ssh goes with --size").with_hint("such as --size 4x16 --ssh")),
            _ => {}
        }
        Ok(Some(options))
    }
}

fn number_of_steps(text: &str) -> Result<u64, Failure> {
    let steps = text.replace('_', "").parse().ok().filter(|steps| *steps > 0);
    steps.ok_or_else(|| Failure::usage(format!("`{text}` is no number of steps")))
}

fn size(text: Option<&String>) -> Result<Size, Failure> {
    let numbers = text.and_then(|text| text.split_once('x'));
    let numbers = numbers.and_then(|(clones, writes)| Some((clones.parse().ok()?, writes.parse().ok()?)));
    match numbers {
        Some((clones, writes)) if clones > 0 && writes > 0 => Ok(Size { clones, writes, transport: Transport::File }),
        _ => Err(Failure::usage("--size takes clones and writes of each, such as 4x16")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Options>, Failure> {
        let args: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&args)
    }

    #[test]
    fn a_size_is_clones_and_writes_and_may_go_over_ssh() {
        let size = |text| parse(text).unwrap().unwrap().size;
        assert_eq!(size(""), None);
        assert_eq!(size("--size 4x16"), Some(Size { clones: 4, writes: 16, transport: Transport::File }));
        assert_eq!(size("--ssh --size 2x3"), Some(Size { clones: 2, writes: 3, transport: Transport::Ssh }));
    }

    #[test]
    fn a_simulation_takes_a_million_steps_or_as_many_as_are_said() {
        let steps = |text| parse(text).unwrap().unwrap().steps;
        assert_eq!(steps(""), None);
        assert_eq!(steps("--simulate"), Some(1_000_000));
        assert_eq!(steps("--simulate 20_000"), Some(20_000));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "--size",
            "--size 4",
            "--size 0x3",
            "--size axb",
            "--ssh",
            "--fast",
            "--simulate 0",
            "--simulate x",
            "--program /nowhere",
        ] {
            assert_eq!(parse(text).unwrap_err().code(), 2, "{text}");
        }
    }
}
