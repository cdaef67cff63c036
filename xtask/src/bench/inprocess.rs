//! What can only be measured inside a process: one read, one re-encryption, without starting a program.
//!
//! This program depends on no crate of the vault, so that it builds where the vault does not. The measuring is done by
//! an example of the core crate, [`SOURCE`], built with `--release` and called as
//!
//! | call | does | prints, one `name nanoseconds` a line |
//! |---|---|---|
//! | `fixture DIR HOME SECRETS AGENTS READERS` | makes the vault that [`fixture::vault`] describes | nothing |
//! | `commits DIR HOME COMMITS` | sets values in a vault, a commit each | nothing |
//! | `lived-in DIR HOME SECRETS AGENTS COMMITS` | makes the vault that the rows of `sync` describe | nothing |
//! | `more DIR HOME SECRETS COMMITS` | sets the first secrets of such a vault, in so many commits | nothing |
//! | `read RECIPIENTS` | medians of one secret's read | `plain` the age crate's plain calls; `decrypt` one bare decryption, hinted; `verify` one signature; `first` and `again` the vault's own `get` on a new handle and repeated on it |
//! | `record SEGMENTS` | a line of the log, and a log of so many segments | `begin` the first line of a process, `append` a further one; `show` and `prove` the whole log |
//! | `encrypt SECRETS RECIPIENTS` | encrypts so many on all cores, in memory | `encrypt` |
//! | `reencrypt SECRETS RECIPIENTS` | decrypts and encrypts so many on all cores, in memory | `reencrypt` |
//!
//! Where the example is not there, its rows are left out and vaults are made by the program itself.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context as _, Failure};
use crate::workspace::{cargo, exe, root, target_dir};

use super::Bench;
use super::fixture::{self, Shape};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// The example's source, from the top of the tree.
pub const SOURCE: &str = "core/examples/bench.rs";

/// The built example.
pub struct InProcess {
    program: PathBuf,
}

/// Measures the rows of a read inside a process.
///
/// # Errors
///
/// When the example fails or does not print what it should.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let Some(inprocess) = &bench.inprocess else {
        return Ok(());
    };
    for recipients in [2, 100, 1_000] {
        let times = inprocess.read(bench, recipients)?;
        let of = |name| times.get(name);
        let what = |which: &str| format!("in process, {which}, {recipients} recipients");
        report.compare(
            what("first read"),
            of("first")?,
            ("one decrypt + one verify", of("decrypt")? + of("verify")?),
            Goal::Above(Duration::from_micros(60)),
        );
        report.compare(what("repeated read"), of("again")?, ("one decrypt", of("decrypt")?), Goal::Ratio(1.3));
        report.compare(what("first read"), of("first")?, ("the age crate's plain calls", of("plain")?), Goal::None);
        report.add(Row {
            what: what("one verification"),
            ours: Figure::Time(of("verify")?),
            peer: None,
            goal: Goal::None,
        });
    }
    Ok(())
}

impl InProcess {
    /// Builds the example; nothing where its source is not there.
    ///
    /// # Errors
    ///
    /// When it is there and does not build.
    pub fn build() -> Result<Option<Self>, Failure> {
        if !root().join(SOURCE).is_file() {
            return Ok(None);
        }
        let status = cargo()
            .args(["build", "--release", "--locked", "--package", "agent-vault-core"])
            .args(["--example", "bench"])
            .status()
            .context("cannot run cargo build")?;
        if !status.success() {
            return Err(Failure::new(format!("{SOURCE} does not build")));
        }
        let program = target_dir().join("release").join("examples").join(exe("bench"));
        Ok(Some(Self { program }))
    }

    /// Makes a vault; see [`fixture::vault`].
    ///
    /// # Errors
    ///
    /// When the example fails.
    pub fn fixture(&self, place: &Place, shape: Shape) -> Result<(), Failure> {
        fixture::run(
            place
                .command(&self.program)
                .arg("fixture")
                .args([&place.dir, &place.home])
                .args([shape.secrets, shape.agents, shape.readers].map(|n| n.to_string())),
        )
    }

    /// Makes so many commits more in a vault, each a new value of one of its first 100 secrets.
    ///
    /// # Errors
    ///
    /// When the example fails.
    pub fn commits(&self, place: &Place, commits: usize) -> Result<(), Failure> {
        let mut command = place.command(&self.program);
        fixture::run(command.arg("commits").args([&place.dir, &place.home]).arg(commits.to_string()))
    }

    /// Makes a vault with a past, of so many secrets, agents and commits.
    ///
    /// # Errors
    ///
    /// When the example fails.
    pub fn lived_in(&self, place: &Place, shape: [usize; 3]) -> Result<(), Failure> {
        let mut command = place.command(&self.program);
        command.arg("lived-in").args([&place.dir, &place.home]).args(shape.map(|n| n.to_string()));
        fixture::run(&mut command)
    }

    /// Sets the first so many secrets of such a vault, in so many commits.
    ///
    /// # Errors
    ///
    /// When the example fails.
    pub fn more(&self, place: &Place, secrets: usize, commits: usize) -> Result<(), Failure> {
        let mut command = place.command(&self.program);
        command.arg("more").args([&place.dir, &place.home]).args([secrets, commits].map(|n| n.to_string()));
        fixture::run(&mut command)
    }

    /// How long so many secrets take to encrypt, on all cores and nothing else.
    ///
    /// # Errors
    ///
    /// When the example fails or does not print it.
    pub fn encrypt(&self, secrets: usize, recipients: usize) -> Result<Duration, Failure> {
        self.bare("encrypt", secrets, recipients)
    }

    /// How long so many secrets take to decrypt and encrypt, on all cores and nothing else.
    ///
    /// # Errors
    ///
    /// When the example fails or does not print it.
    pub fn reencrypt(&self, secrets: usize, recipients: usize) -> Result<Duration, Failure> {
        self.bare("reencrypt", secrets, recipients)
    }

    fn bare(&self, what: &str, secrets: usize, recipients: usize) -> Result<Duration, Failure> {
        let mut command = Command::new(&self.program);
        command.arg(what).args([secrets, recipients].map(|n| n.to_string()));
        Times::of(&mut command)?.get(what)
    }

    /// What a line of the log costs, and a log of so many segments.
    ///
    /// # Errors
    ///
    /// When the example fails or does not print it.
    pub fn record(&self, place: &Place, segments: usize) -> Result<Times, Failure> {
        let mut command = place.command(&self.program);
        command.arg("record").arg(segments.to_string());
        Times::of(&mut command)
    }

    fn read(&self, bench: &Bench, recipients: usize) -> Result<Times, Failure> {
        let place = bench.sandbox.place(&format!("read-{recipients}"))?;
        let mut command = place.command(&self.program);
        command.arg("read").arg(recipients.to_string());
        Times::of(&mut command)
    }
}

/// What the example printed.
pub struct Times(Vec<(String, Duration)>);

impl Times {
    /// Runs a program that prints one `name nanoseconds` a line.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn of(command: &mut Command) -> Result<Self, Failure> {
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context(format_args!("cannot run {command:?}"))?;
        if !output.status.success() {
            return Err(Failure::new(format!("{command:?} failed ({})", output.status)));
        }
        Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, nanoseconds) = line.split_once(' ')?;
            let time = Duration::from_nanos(nanoseconds.trim().parse().ok()?);
            Some((name.to_owned(), time))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// When it was not printed.
    pub fn get(&self, name: &str) -> Result<Duration, Failure> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, time)| *time)
            .ok_or_else(|| Failure::new(format!("the measuring program printed no `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_s_lines_are_read_and_a_missing_one_is_named() {
        let times = Times::parse("decrypt 64000\nverify 40000\nnot a time\n");
        assert_eq!(times.get("decrypt").unwrap(), Duration::from_micros(64));
        let failure = times.get("first").unwrap_err();
        assert!(failure.to_string().contains("`first`"));
    }
}
