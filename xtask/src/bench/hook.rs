//! The commit hook on many staged files, and `scan --history` on many commits.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context as _, Failure};

use super::Bench;
use super::fixture::{self, Shape};
use super::harness::{in_turn, time};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// Bytes of a staged file.
const FILE: usize = 10 << 10;
/// Bytes of the file that each commit of the history brings.
const BLOB: usize = 8 << 10;
/// What `scan --history` should manage on one core, in bytes a second.
const RATE: f64 = 20e6;

/// Measures the rows of the hook, in a repository with a vault of 1,000 secrets, whose values are looked for too.
///
/// # Errors
///
/// When the program or Git fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let place = bench.sandbox.place("hook")?;
    fixture::vault(bench, &place, Shape { secrets: bench.options.size(1_000), agents: 0, readers: 0 })?;
    fixture::run(place.command(&bench.ours).args(["hook", "refresh"]))?;
    let files = bench.options.size(1_000);
    for number in 0..files {
        let path = place.dir.join(format!("file-{number:05}.txt"));
        std::fs::write(&path, text(number, FILE)).context(path.display())?;
    }
    fixture::run(place.command("git").args(["add", "."]))?;
    let [staged] = in_turn(
        bench.options.short(),
        [&mut || time(place.command(&bench.ours).args(["hook", "pre-commit"]).stdin(Stdio::null()))],
    )?;
    report.add(Row {
        what: format!("`hook pre-commit`, {files} staged files of 10 KiB"),
        ours: Figure::Time(staged.median()),
        peer: None,
        goal: Goal::Under(Figure::Time(Duration::from_millis(300))),
    });
    history(bench, report)
}

fn history(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let place = bench.sandbox.place("history")?;
    let commits = bench.options.size(10_000);
    fixture::run(place.command("git").args(["init", "--quiet", "--initial-branch=main"]))?;
    import(&place, commits)?;
    let mut scan = || {
        let mut command = place.command(&bench.ours);
        time(command.args(["scan", "--history"]).env("RAYON_NUM_THREADS", "1").stdin(Stdio::null()))
    };
    let [sample] = in_turn(bench.options.long(), [&mut scan])?;
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let bytes = (commits * BLOB) as f64;
    report.add(Row {
        what: format!(
            "`scan --history` of {commits} commits, {:.0} MB, on one core ({:.0} MB/s)",
            bytes / 1e6,
            bytes / 1e6 / sample.median().as_secs_f64()
        ),
        ours: Figure::Time(sample.median()),
        peer: None,
        goal: Goal::Under(Figure::Time(Duration::from_secs_f64(bytes / RATE))),
    });
    Ok(())
}

/// Commits that each bring a new file, by `git fast-import`.
fn import(place: &Place, commits: usize) -> Result<(), Failure> {
    let mut git: Command = place.command("git");
    let mut child =
        git.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().context("cannot run git fast-import")?;
    let mut stream =
        std::io::BufWriter::new(child.stdin.take().ok_or_else(|| Failure::new("git fast-import has no input"))?);
    for number in 0..commits {
        let body = text(number, BLOB);
        let (time, folder) = (1_700_000_000 + number, number % 100);
        write!(
            stream,
            "commit refs/heads/main\ncommitter bench <bench@localhost> {time} +0000\ndata 6\nchange\n\
             M 100644 inline d{folder:02}/f{number:05}\ndata {}\n{body}\n",
            body.len()
        )
        .context("cannot write to git fast-import")?;
    }
    drop(stream.into_inner().context("cannot write to git fast-import")?);
    let status = child.wait().context("cannot wait for git fast-import")?;
    if status.success() { Ok(()) } else { Err(Failure::new("git fast-import failed")) }
}

/// Text as source code has it, different for each number.
fn text(number: usize, length: usize) -> String {
    let mut out = String::with_capacity(length + 80);
    let mut state = number as u64 * 2_654_435_761 + 1;
    while out.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = writeln!(out, "    let value_{:04x} = compute(\"{:x}\", {});", state >> 48, state >> 20, state % 1_000);
    }
    out.truncate(length);
    out
}
