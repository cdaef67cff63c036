//! What a libFuzzer run did, out of what it printed.

use std::fmt;
use std::path::PathBuf;

/// One run of one target.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    target: String,
    executions: u64,
    /// For each second.
    rate: u64,
    /// Edges of the code that were reached.
    coverage: u64,
    /// Inputs that reached something new in this run.
    new: u64,
    /// The input that broke a law.
    pub finding: Option<PathBuf>,
}

impl Summary {
    /// Reads the log of a run; what is not there counts as nothing.
    pub fn read(target: &str, log: &str) -> Self {
        let stat = |name: &str| {
            let lines = log.lines().filter_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
            lines.filter_map(|rest| rest.trim_start_matches(':').trim().parse().ok()).next_back().unwrap_or(0)
        };
        let coverage = log.lines().filter_map(|line| line.split_once(" cov: ")?.1.split(' ').next()?.parse().ok());
        let finding =
            log.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, file)| file.into()));
        Self {
            target: target.to_owned(),
            executions: stat("number_of_executed_units"),
            rate: stat("average_exec_per_sec"),
            coverage: coverage.max().unwrap_or(0),
            new: stat("new_units_added"),
            finding,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, executions, rate, coverage, new, finding } = self;
        let law = if finding.is_some() { "BROKEN" } else { "holds" };
        write!(f, "{target:<12} {law:<6} {executions:>12} runs {rate:>8}/s  {coverage:>6} edges  {new:>5} new inputs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_coverage_and_a_finding_are_read_from_the_log() {
        let log = "INFO: Seed: 1\n#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 40Mb\n\
                   #900\tNEW    cov: 40 ft: 50 corp: 2/3b lim: 4 exec/s: 450 rss: 41Mb L: 2/2 MS: 1 InsertByte-\n\
                   artifact_prefix='x/'; Test unit written to x/crash-1\n\
                   stat::number_of_executed_units: 901\nstat::average_exec_per_sec:     450\n\
                   stat::new_units_added:          1\n";
        let summary = Summary::read("names", log);
        let finding = Some(PathBuf::from("x/crash-1"));
        let expected = Summary { target: "names".into(), executions: 901, rate: 450, coverage: 40, new: 1, finding };
        assert_eq!(summary, expected);
        assert!(summary.to_string().contains("BROKEN"), "{summary}");
    }
}
