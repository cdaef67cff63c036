//! What the program costs before it does anything: its start and its size.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::failure::{Context as _, Failure};
use crate::workspace::exe;

use super::Bench;
use super::fixture;
use super::harness::{in_turn, time};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// Measures the start and the size of the release build.
///
/// # Errors
///
/// When it does not run, or rustc does not build the program it is compared with.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let place = bench.sandbox.place("start")?;
    let hello = hello(&place)?;
    let [ours, theirs] = in_turn(
        bench.options.short(),
        [&mut || time(place.command(&bench.ours).arg("--version").stdin(Stdio::null())), &mut || {
            time(place.command(&hello).stdin(Stdio::null()))
        }],
    )?;
    report.compare(
        "`--version`",
        ours.median(),
        ("hello-world in Rust", theirs.median()),
        Goal::Above(Duration::from_millis(1)),
    );

    let size = std::fs::metadata(&bench.ours).context(bench.ours.display())?;
    report.add(Row {
        what: "release binary".to_owned(),
        ours: Figure::Bytes(size.len()),
        peer: None,
        goal: Goal::Under(Figure::Bytes(8 << 20)),
    });
    Ok(())
}

fn hello(place: &Place) -> Result<PathBuf, Failure> {
    let source = place.dir.join("hello.rs");
    std::fs::write(&source, "fn main() {\n    println!(\"hello\");\n}\n").context(source.display())?;
    let program = place.dir.join(exe("hello"));
    let mut rustc = std::process::Command::new("rustc");
    rustc.args(["-C", "opt-level=3", "-C", "strip=symbols", "-o"]).arg(&program).arg(&source);
    fixture::run(&mut rustc)?;
    Ok(program)
}
