//! The command line of `cargo xtask fuzz`.

use crate::failure::Failure;

/// What `fuzz --help` prints.
pub const HELP: &str = "\
Searches for inputs that break a law, with libFuzzer, one target after the other.

Usage: cargo xtask fuzz [SECONDS] [TARGET]...
       cargo xtask fuzz --keep [TARGET]...

Arguments:
  SECONDS   How long to search with each target (60 without it)
  TARGET    A file of fuzz/fuzz_targets; all of them without one

Options:
  --keep    Do not search: add to fuzz/corpus what earlier searches found and what reaches more code
  --help    Print this text

Examples:
  cargo xtask fuzz 600
  cargo xtask fuzz 60 names metadata";

/// How long to search when nobody says.
const SECONDS: u32 = 60;

/// What to do with each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Look for broken laws.
    Search {
        /// For so long.
        seconds: u32,
    },
    /// Keep what was found to reach more code.
    Keep,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// What to do.
    pub aim: Aim,
    /// With which targets.
    pub targets: Vec<String>,
}

impl Options {
    /// Reads the arguments; nothing when they ask for help.
    ///
    /// # Errors
    ///
    /// An unknown option, or a name that is not among `known`.
    pub fn parse(args: &[String], known: &[String]) -> Result<Option<Self>, Failure> {
        let mut aim = Aim::Search { seconds: SECONDS };
        let mut targets = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--keep" if at == 0 => aim = Aim::Keep,
                number if at == 0 && number.parse::<u32>().is_ok_and(|seconds| seconds > 0) => {
                    aim = Aim::Search { seconds: number.parse().unwrap_or(SECONDS) };
                }
                name if known.iter().any(|target| target == name) => targets.push(name.to_owned()),
                other => {
                    return Err(Failure::usage(format!("`{other}` is neither seconds nor a target"))
                        .with_hint(format!("the targets are {}", known.join(", "))));
                }
            }
        }
        if targets.is_empty() {
            targets = known.to_vec();
        }
        Ok(Some(Self { aim, targets }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Options>, Failure> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        Options::parse(&words(text), &words("names root"))
    }

    #[test]
    fn seconds_come_first_and_no_target_is_every_target() {
        let all = Some(Options { aim: Aim::Search { seconds: 60 }, targets: vec!["names".into(), "root".into()] });
        assert_eq!(parse("").expect("options"), all);
        let one = Some(Options { aim: Aim::Search { seconds: 5 }, targets: vec!["root".into()] });
        assert_eq!(parse("5 root").expect("options"), one);
        let kept = Some(Options { aim: Aim::Keep, targets: vec!["names".into()] });
        assert_eq!(parse("--keep names").expect("options"), kept);
        assert_eq!(parse("5 --help").expect("help"), None);
    }

    #[test]
    fn a_name_that_is_no_target_is_refused_with_those_that_are() {
        for wrong in ["nmaes", "0", "root 5", "5 --keep", "-1"] {
            let failure = parse(wrong).expect_err(wrong);
            assert!(failure.hint().expect("a next step").contains("names, root"), "{wrong}");
        }
    }
}
