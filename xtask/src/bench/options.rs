//! The command line of `cargo xtask bench`.

use crate::failure::Failure;

use super::GROUPS;
use super::harness::Runs;

/// What `bench --help` prints.
pub const HELP: &str = "\
Measures the release build beside its peers and prints a Markdown table.

Usage: cargo xtask bench [OPTIONS]

Options:
  --quick        A tenth of the size and few runs: to try a change, not to publish
  --only GROUP   Only these rows: get, inprocess, set, grant, list, history, start (may be repeated)
  --write        Store the table in docs/benchmarks.md (a full run only)
  --help         Print this text

Environment:
  AGENT_VAULT_BENCH_RAGE  a release build of rage to use instead of building one
  AGENT_VAULT_BENCH_010   the same for agent-vault 0.1.0
  TMPDIR                  where to work; a disk, since a memory file system makes every fsync free";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Small vaults, few runs.
    pub quick: bool,
    /// Store the table.
    pub write: bool,
    /// The groups named; none means all.
    only: Vec<String>,
}

impl Options {
    /// Reads the arguments; nothing when they ask for help.
    ///
    /// # Errors
    ///
    /// An unknown option or group, or `--write` for a run that is not whole.
    pub fn parse(args: &[String]) -> Result<Option<Self>, Failure> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--quick" => options.quick = true,
                "--write" => options.write = true,
                "--only" => options.only.push(group(args.next())?),
                other => {
                    return Err(Failure::usage(format!("bench knows no `{other}`"))
                        .with_hint("`cargo xtask bench --help` lists its options"));
                }
            }
        }
        if options.write && (options.quick || !options.only.is_empty()) {
            return Err(
                Failure::usage("--write stores a full run only").with_hint("leave out --quick and --only, or --write")
            );
        }
        Ok(Some(options))
    }

    /// Whether a group's rows were asked for.
    pub fn wants(&self, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == group)
    }

    /// `full` secrets or agents, a tenth of it under `--quick`.
    pub fn size(&self, full: usize) -> usize {
        if self.quick { (full / 10).max(1) } else { full }
    }

    /// How often to run what takes milliseconds.
    pub fn short(&self) -> Runs {
        if self.quick { Runs::new(1, 15) } else { Runs::new(5, 101) }
    }

    /// How often to run what takes a second.
    pub fn long(&self) -> Runs {
        if self.quick { Runs::new(0, 3) } else { Runs::new(1, 7) }
    }
}

fn group(name: Option<&String>) -> Result<String, Failure> {
    let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
    match name {
        Some(name) if names.contains(&name.as_str()) => Ok(name.clone()),
        _ => Err(Failure::usage("--only takes the name of a group").with_hint(format!("one of {}", names.join(", ")))),
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
    fn a_partial_run_is_never_stored() {
        assert_eq!(parse("--write --quick").unwrap_err().code(), 2);
        assert_eq!(parse("--write --only get").unwrap_err().code(), 2);
        assert!(parse("--write").is_ok());
    }

    #[test]
    fn unknown_options_and_groups_are_refused() {
        assert!(parse("--fast").is_err());
        assert!(parse("--only").is_err());
        assert!(parse("--only gte").is_err());
        let options = parse("--only set --only get").unwrap().unwrap();
        assert!(options.wants("get") && options.wants("set") && !options.wants("list"));
    }
}
