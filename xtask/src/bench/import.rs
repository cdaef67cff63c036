//! `import` of many entries, beside their bare encryption.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use crate::failure::{Context as _, Failure};

use super::Bench;
use super::fixture::{self, Shape, count, value};
use super::harness::{in_turn, time};
use super::report::{Goal, Report};

/// Measures the row of `import`: an env file into a vault that has nothing of it.
///
/// # Errors
///
/// When the program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let Some(inprocess) = &bench.inprocess else {
        return Ok(());
    };
    let entries = bench.options.size(10_000);
    let mut text = String::new();
    for number in 0..entries {
        let _ = writeln!(text, "V{number:05}={}", value(number));
    }
    let file = bench.sandbox.path().join("entries.env");
    std::fs::write(&file, text).context(file.display())?;
    let mut round = 0;
    let mut import = || -> Result<Duration, Failure> {
        round += 1;
        let place = bench.sandbox.place(&format!("import-{round}"))?;
        fixture::vault(bench, &place, Shape { secrets: 1, agents: 0, readers: 0 })?;
        let mut command = place.command(&bench.ours);
        time(command.arg("import").arg(&file).args(["--prefix", "imported"]).stdin(Stdio::null()))
    };
    let mut bare = || inprocess.encrypt(entries, 1);
    let [import, bare] = in_turn(bench.options.long(), [&mut import, &mut bare])?;
    report.compare(
        format!("`import` of {}", count(entries, "entry").replace("entrys", "entries")),
        import.median(),
        ("their encryption on all cores", bare.median()),
        Goal::Ratio(1.5),
    );
    Ok(())
}
