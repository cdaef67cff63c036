//! Masking what a program prints, beside what it costs to hand it through one pipe more.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use crate::failure::{Context as _, Failure};

use super::Bench;
use super::fixture::{self, Shape, secret, value};
use super::harness::{in_turn, time};
use super::report::{Figure, Goal, Report, Row};

/// How fast output should be masked, in bytes a second.
const RATE: f64 = 200e6;
/// How much a program prints in a full run, in MiB.
const PRINTED: usize = 1_000;

/// Measures the rows of masking: `cat` of a log in which a value stands now and then, for one value and for many.
///
/// # Errors
///
/// When the program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let place = bench.sandbox.place("mask")?;
    let secrets = 200;
    fixture::vault(bench, &place, Shape { secrets, agents: 0, readers: 0 })?;
    let log = place.dir.join("log");
    let bytes = write_log(&log, bench.options.size(PRINTED) << 20).context(log.display())?;
    for count in [1, secrets] {
        let mut masked = || {
            let mut command = place.command(&bench.ours);
            command.args(["run", "--offline"]);
            for number in 0..count {
                command.arg("--env").arg(format!("V{number}={}", secret(number)));
            }
            time(command.args(["--", "cat"]).arg(&log).stdin(Stdio::null()))
        };
        let mut plain = || {
            let mut command = place.command("sh");
            time(command.args(["-c", "cat \"$1\" | cat >/dev/null", "sh"]).arg(&log).stdin(Stdio::null()))
        };
        let [masked, plain] = in_turn(bench.options.long(), [&mut masked, &mut plain])?;
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let bytes = bytes as f64;
        let rate = |time: Duration| bytes / 1e6 / time.as_secs_f64();
        report.add(Row {
            what: format!(
                "`run`, masking {:.0} MB, {} ({:.0} MB/s)",
                bytes / 1e6,
                fixture::count(count, "value"),
                rate(masked.median())
            ),
            ours: Figure::Time(masked.median()),
            peer: Some((
                format!("`cat` through one pipe more ({:.0} MB/s)", rate(plain.median())),
                Figure::Time(plain.median()),
            )),
            goal: Goal::Under(Figure::Time(Duration::from_secs_f64(bytes / RATE))),
        });
    }
    Ok(())
}

/// Lines as logs have them; every thousandth holds the value of one of the secrets.
fn write_log(file: &std::path::Path, least: usize) -> std::io::Result<usize> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    let (mut written, mut line, mut state) = (0, 0_usize, 1_u64);
    while written < least {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let shown = if line % 1_000 == 0 { value(line / 1_000 % 200) } else { format!("{:x}", state >> 20) };
        let text =
            format!("2026-11-27T12:00:{:02}Z INFO request {line}: id={shown} took {} ms\n", line % 60, state >> 57);
        out.write_all(text.as_bytes())?;
        written += text.len();
        line += 1;
    }
    out.flush()?;
    Ok(written)
}
