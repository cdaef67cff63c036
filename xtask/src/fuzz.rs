//! `cargo xtask fuzz`: searches for inputs that break a law, one target after the other.
//!
//! What a run learns stays in `target/fuzz/corpus`, and the next one goes on from there. What is worth keeping for
//! everybody goes into `fuzz/corpus` with `--keep`; the tests replay that on any toolchain.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::failure::{Context as _, Failure};
use crate::peers::{Build, Peer};
use crate::programs;
use crate::workspace::{cargo, exe, root, target_dir};

mod options;
mod summary;

use options::{Aim, Options};
use summary::Summary;

/// The most seconds that one input may take.
const TIMEOUT: u32 = 10;
/// The most memory that a target may have.
const MEGABYTES: u32 = 2048;
/// The longest input that `--keep` keeps, in bytes: what is replayed in each test run stays small.
const KEPT: u32 = 192;

/// Builds the targets and runs those that were asked for.
///
/// # Errors
///
/// When a program is missing, a name is no target, or the build fails. A broken law is exit code 1.
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    let Some(options) = Options::parse(args, &targets()?)? else {
        println!("{}", options::HELP);
        return Ok(ExitCode::SUCCESS);
    };
    if !["c++", "g++", "clang++"].iter().any(|name| programs::find(name).is_some()) {
        return Err(Failure::usage("libFuzzer is built with a C++ compiler, and there is none on this machine's PATH")
            .with_hint("on Debian or Ubuntu: sudo apt-get install g++"));
    }
    let programs = build()?;
    let mut broken = Vec::new();
    for target in &options.targets {
        let program = programs.join(exe(target));
        match options.aim {
            Aim::Keep => keep(target, &program)?,
            Aim::Search { seconds } => {
                let summary = search(target, &program, seconds)?;
                println!("{summary}");
                broken.extend(summary.finding.map(|input| (target, input)));
            }
        }
    }
    for (target, input) in &broken {
        println!(
            "\n{target}: {}\n  again:   {} {}\n  as test: copy it into fuzz/corpus/{target}/, then cargo test --workspace --lib laws",
            input.display(),
            programs.join(exe(target)).display(),
            input.display(),
        );
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The names of the targets, sorted.
fn targets() -> Result<Vec<String>, Failure> {
    let dir = root().join("fuzz").join("fuzz_targets");
    let entries = std::fs::read_dir(&dir).context(dir.display())?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Builds every target; returns the folder of the programs.
fn build() -> Result<PathBuf, Failure> {
    let cargo_fuzz = Peer::CARGO_FUZZ.ensure(Build::Tool)?;
    let dir = target_dir().join("fuzz");
    let host = host()?;
    let mut command = Command::new(cargo_fuzz);
    // Sanitizers and coverage are unstable flags: a stable compiler takes them when it is told to, a nightly one anyway.
    command.args(["fuzz", "build", "--target", &host, "--target-dir"]).arg(&dir);
    command.current_dir(root().join("fuzz")).env("RUSTC_BOOTSTRAP", "1");
    if !command.status().context("cannot run cargo-fuzz")?.success() {
        return Err(Failure::new("the fuzz targets do not build").with_hint("look at cargo's message above"));
    }
    Ok(dir.join(host).join("release"))
}

fn host() -> Result<String, Failure> {
    let output = cargo().arg("-vV").output().context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("cargo does not name its host"))
}

/// The folder in which a target's inputs are kept for everybody.
fn kept(target: &str) -> PathBuf {
    root().join("fuzz").join("corpus").join(target)
}

/// A folder of a target below `target/fuzz`, made if it is missing.
fn own(kind: &str, target: &str) -> Result<PathBuf, Failure> {
    let dir = target_dir().join("fuzz").join(kind).join(target);
    std::fs::create_dir_all(&dir).context(dir.display())?;
    std::path::absolute(&dir).context(dir.display())
}

/// Searches for `seconds`.
fn search(target: &str, program: &Path, seconds: u32) -> Result<Summary, Failure> {
    let (corpus, findings) = (own("corpus", target)?, own("findings", target)?);
    let log = own("logs", target)?.join("last.log");
    let mut command = sandboxed(program)?;
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-timeout={TIMEOUT}"));
    command.arg(format!("-rss_limit_mb={MEGABYTES}")).arg("-print_final_stats=1");
    command.arg(format!("-artifact_prefix={}/", findings.display())).arg(corpus).arg(kept(target));
    let file = std::fs::File::create(&log).context(log.display())?;
    let status = command.command.stdout(Stdio::null()).stderr(file).status().context(program.display())?;
    let text = String::from_utf8_lossy(&std::fs::read(&log).context(log.display())?).into_owned();
    let summary = Summary::read(target, &text);
    if !status.success() && summary.finding.is_none() {
        return Err(Failure::new(format!("{target} ended without a finding: {status}"))
            .with_hint(format!("look into {}", log.display())));
    }
    Ok(summary)
}

/// Adds to the kept inputs those of this machine that reach something the kept ones do not.
fn keep(target: &str, program: &Path) -> Result<(), Failure> {
    let log = own("logs", target)?.join("keep.log");
    let mut command = sandboxed(program)?;
    // A small set that reaches the same edges, however often each: an input for each count would be thousands.
    command
        .arg("-merge=1")
        .arg("-use_counters=0")
        .arg(format!("-max_len={KEPT}"))
        .arg(kept(target))
        .arg(own("corpus", target)?);
    let file = std::fs::File::create(&log).context(log.display())?;
    let status = command.command.stdout(Stdio::null()).stderr(file).status().context(program.display())?;
    let inputs = std::fs::read_dir(kept(target)).context(target)?.count();
    println!("{target}: {inputs} inputs are kept");
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{target}: see {}", log.display()))) }
}

/// A target's program, and the folder that its temporary files go with.
struct Sandboxed {
    command: Command,
    _scratch: tempfile::TempDir,
}

impl Sandboxed {
    fn arg(&mut self, arg: impl AsRef<std::ffi::OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }
}

/// A fuzzer ends without tidying up, and one of the laws works on real files: in memory where there is a disk of it.
fn sandboxed(program: &Path) -> Result<Sandboxed, Failure> {
    let builder = tempfile::Builder::new();
    let scratch = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).context("a temporary folder")?;
    let mut command = Command::new(program);
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    // What libgit2 keeps until the process ends is no leak.
    command.env("ASAN_OPTIONS", "detect_leaks=0").env("HOME", scratch.path()).env("TMPDIR", scratch.path());
    command.current_dir(scratch.path());
    Ok(Sandboxed { command, _scratch: scratch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_begins_from_inputs_that_are_kept() {
        let targets = targets().expect("the targets");
        assert!(targets.len() > 10, "{targets:?}");
        for target in targets {
            let inputs = std::fs::read_dir(kept(&target)).map_or(0, Iterator::count);
            assert!(inputs > 0, "fuzz/corpus/{target} is empty");
        }
    }
}
