//! `set`, the whole process, beside what a person would otherwise type: `git add` and `git commit` of one file.

use std::cell::Cell;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context as _, Failure};

use super::Bench;
use super::fixture::{self, Shape, count, secret, value};
use super::harness::{Runs, Side, in_turn, time};
use super::report::{Goal, Report};
use super::sandbox::Place;

/// Measures the rows of `set`.
///
/// # Errors
///
/// When a measured program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    for full in [1, 10_000] {
        let secrets = bench.options.size(full);
        let ours = bench.sandbox.place(&format!("set-{full}"))?;
        fixture::vault(bench, &ours, Shape { secrets, agents: 2, readers: 2 })?;
        let plain = copy(bench, &ours, &format!("set-{full}-git"))?;
        let [set, commit, flushed] = beside_git(bench.options.short(), &bench.ours, &ours, &plain)?;
        let what = format!("`set`, signed, committed and flushed, {} in the vault", count(secrets, "secret"));
        report.compare(
            what.clone(),
            set,
            ("`git add` + `git commit` of one file, not flushed", commit),
            Goal::Ratio(0.8),
        );
        report.compare(what, set, ("the same with `core.fsync=all`", flushed), Goal::None);
    }
    Ok(())
}

fn beside_git(runs: Runs, program: &Path, ours: &Place, plain: &Place) -> Result<[Duration; 3], Failure> {
    // Fresh bytes of the same length each time, or there would be nothing to commit.
    let mut salt = 1 << 40;
    let mut set = || {
        salt += 1;
        let value_file = ours.home.join("value");
        std::fs::write(&value_file, value(salt)).context(value_file.display())?;
        let stdin = std::fs::File::open(&value_file).context(value_file.display())?;
        time(ours.command(program).args(["set", &secret(0)]).stdin(stdin))
    };
    let file = plain.ciphertext(&secret(0));
    let length = std::fs::metadata(&file).context(file.display())?.len();
    let commits = Cell::new(0);
    let by_git = |settings: &[&str]| {
        commits.set(commits.get() + 1);
        scribble(&file, length, commits.get())?;
        commit_by_git(plain, &file, settings)
    };
    let mut commit = || by_git(&[]);
    // Git by itself flushes packs and no loose object (git-config(1), core.fsync).
    let mut flushed = || by_git(&["-c", "core.fsync=all"]);
    let sides: [Side<'_>; 3] = [&mut set, &mut commit, &mut flushed];
    Ok(in_turn(runs, sides)?.map(|sample| sample.median()))
}

/// Copies a vault's repository for Git alone to work on, and lets Git learn the copied files' times beforehand.
///
/// # Errors
///
/// When copying or Git fails.
pub fn copy(bench: &Bench, from: &Place, name: &str) -> Result<Place, Failure> {
    let place = bench.sandbox.place(name)?;
    fixture::run(from.command("cp").arg("-a").arg(from.dir.join(".")).arg(&place.dir))?;
    fixture::run(place.command("git").args(["status", "--short"]))?;
    Ok(place)
}

/// Replaces a file by as many bytes that nobody has seen and zlib cannot press, as ciphertext is.
///
/// # Errors
///
/// When it cannot be written.
pub fn scribble(file: &Path, length: u64, seed: u64) -> Result<(), Failure> {
    // splitmix64: fast, and random enough for a compressor.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let bytes: Vec<u8> = (0..length.div_ceil(8))
        .flat_map(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (word ^ (word >> 31)).to_le_bytes()
        })
        .collect();
    let length = usize::try_from(length).unwrap_or(bytes.len());
    std::fs::write(file, &bytes[..length]).context(file.display())
}

/// Times `git add` of a path and `git commit`, two processes, with settings such as `-c name=value`.
///
/// # Errors
///
/// When Git fails.
pub fn commit_by_git(place: &Place, path: &Path, settings: &[&str]) -> Result<Duration, Failure> {
    let git = |args: &[&str]| -> Command {
        let mut command = place.command("git");
        command.args(settings).args(args).stdin(Stdio::null());
        command
    };
    let mut add = git(&["add", "--"]);
    add.arg(path);
    let mut commit = git(&["commit", "--quiet", "--message", "bench"]);
    let start = Instant::now();
    time(&mut add)?;
    time(&mut commit)?;
    Ok(start.elapsed())
}
