//! `cargo xtask bench`: the goals of the project, measured beside the peers in one run.
//!
//! Every figure is a median. What is compared runs in pairs, A B A B, so that a slow minute of the machine falls on
//! both. Everything happens in a temporary directory with a HOME of its own. Nothing here asserts a time: the table
//! says what was met, a person judges it.

mod access;
mod audit;
mod complete;
mod fixture;
mod growth;
mod harness;
mod history;
mod hook;
mod import;
mod inprocess;
mod list;
mod machine;
mod mask;
mod mcp;
mod node;
mod options;
mod python;
mod read;
mod report;
mod resident;
mod start;
mod sync;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::peers::{Build, Peer};
use crate::programs;
use crate::sandbox::{self, Sandbox};
use crate::workspace::{build_ours, root};

use inprocess::InProcess;
use options::Options;
use report::Report;

/// What every group of rows works with.
struct Bench {
    options: Options,
    sandbox: Sandbox,
    /// The release build of this workspace.
    ours: PathBuf,
    rage: PathBuf,
    /// Stock age, where it is installed.
    age: Option<PathBuf>,
    /// agent-vault 0.1.0, where it could be had.
    before: Option<PathBuf>,
    inprocess: Option<InProcess>,
}

/// A group of rows: its name on the command line, and what measures it.
struct Group {
    name: &'static str,
    measure: fn(&Bench, &mut Report) -> Result<(), Failure>,
}

const GROUPS: &[Group] = &[
    Group { name: "get", measure: read::measure },
    Group { name: "inprocess", measure: inprocess::measure },
    Group { name: "set", measure: write::measure },
    Group { name: "grant", measure: access::measure },
    Group { name: "list", measure: list::measure },
    Group { name: "complete", measure: complete::measure },
    Group { name: "history", measure: history::measure },
    Group { name: "start", measure: start::measure },
    Group { name: "growth", measure: growth::measure },
    Group { name: "hook", measure: hook::measure },
    Group { name: "mask", measure: mask::measure },
    Group { name: "import", measure: import::measure },
    Group { name: "audit", measure: audit::measure },
    Group { name: "sync", measure: sync::measure },
    Group { name: "python", measure: python::measure },
    Group { name: "node", measure: node::measure },
    Group { name: "mcp", measure: mcp::measure },
];

/// Measures, prints the table, and with `--write` stores it in docs/benchmarks.md.
///
/// # Errors
///
/// When something does not build, a measured program fails, or the file cannot be written. A goal that is missed is no
/// error.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    let Some(options) = Options::parse(args)? else {
        println!("{}", options::help());
        return Ok(ExitCode::SUCCESS);
    };
    let mut report = Report::default();
    let bench = Bench::prepare(options, &mut report)?;
    for group in GROUPS {
        if bench.options.wants(group.name) {
            eprintln!("xtask: measuring {}", group.name);
            (group.measure)(&bench, &mut report)?;
        }
    }
    let text = report.markdown(&machine::describe(&bench));
    println!("{text}");
    if bench.options.write {
        let file = root().join("docs").join("benchmarks.md");
        report::store(&file, &text)?;
        eprintln!("xtask: wrote {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

impl Bench {
    fn prepare(options: Options, report: &mut Report) -> Result<Self, Failure> {
        let ours = build_ours()?;
        let rage = Peer::BENCH_RAGE.ensure(Build::Release)?;
        let before = match Peer::BENCH_BEFORE.ensure(Build::Release) {
            Ok(program) => Some(program),
            Err(failure) => {
                report.skip(format!("agent-vault 0.1.0 is not in this run: {failure}"));
                None
            }
        };
        let age = programs::find("age");
        if age.is_none() {
            report.skip("age is not in this run: it is not installed (Debian: apt-get install age)");
        }
        let inprocess = InProcess::build()?;
        if inprocess.is_none() {
            report.skip(format!("no in-process figures: {} is not there", inprocess::SOURCE));
        }
        Ok(Self { options, sandbox: Sandbox::new()?, ours, rage, age, before, inprocess })
    }
}
