//! `sync` in a big vault with a long past, beside `git fetch` from the same remote.
//!
//! The vault has 10,000 secrets in 100 folders, 1,000 agents and 20,000 commits. Making those takes minutes, so the bare
//! repository is kept under `target/bench-vaults`. Nearly all commits were made while the vault was small, as commits of
//! a vault that has grown are; the last 200 when all was there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context as _, Failure};
use crate::workspace::target_dir;

use super::Bench;
use super::fixture::{self, Shape, count, run};
use super::harness::{Side, in_turn, peak_memory, time};
use super::inprocess::InProcess;
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// The most that `sync` may take beyond `git fetch` when nothing is new.
const NOTHING_NEW: Duration = Duration::from_millis(20);
/// The most that a `sync` of [`INCOMING`] secrets may take beyond `git fetch`, of which their proof is a part.
const VERIFYING: Duration = Duration::from_millis(100);
/// So many secrets come in.
const INCOMING: usize = 100;
/// The most memory of any of it.
const MEMORY: Figure = Figure::Bytes(128 << 20);

/// Measures the rows of `sync`.
///
/// # Errors
///
/// When a measured program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let Some(inprocess) = &bench.inprocess else {
        report.skip("no figures of `sync`: its vault is made in process");
        return Ok(());
    };
    let vault = Big::ready(bench, inprocess)?;
    let reader = vault.first_clone(bench, report)?;
    vault.reading(bench, &reader, report)?;
    vault.nothing_new(bench, &reader, report)?;
    vault.incoming(bench, inprocess, &reader, report)?;
    vault.history(bench, &reader, report)
}

/// The vault and its remote.
struct Big {
    /// As people say it.
    name: String,
    commits: usize,
    hub: PathBuf,
    owner_key: PathBuf,
}

impl Big {
    /// A copy of the kept vault, which is made first where it is not there.
    fn ready(bench: &Bench, inprocess: &InProcess) -> Result<Self, Failure> {
        let [secrets, agents, commits] = [10_000, 1_000, 20_000].map(|full| bench.options.size(full));
        let name = format!("{}, {}, {}", count(secrets, "secret"), count(agents, "agent"), count(commits, "commit"));
        let kept = target_dir().join("bench-vaults").join(format!("lived-in-{secrets}-{agents}-{commits}"));
        if !kept.is_dir() {
            eprintln!("xtask: making a vault of {name}; it is kept as {}", kept.display());
            make(bench, inprocess, &kept, [secrets, agents, commits])?;
        }
        let place = bench.sandbox.place("sync-hub")?;
        run(place.command("cp").arg("-a").arg(kept.join("vault.git")).arg(&place.dir))?;
        Ok(Self { name, commits, hub: place.dir.join("vault.git"), owner_key: kept.join("owner.key") })
    }

    fn url(&self) -> String {
        format!("file://{}", self.hub.display())
    }

    /// A machine of the owner without a clone.
    fn machine(&self, bench: &Bench, name: &str) -> Result<Place, Failure> {
        let place = bench.sandbox.place(name)?;
        let home = place.home.join(".agent-vault");
        run(place.command("mkdir").args(["-m", "700"]).arg(&home))?;
        run(place.command("cp").arg("-p").arg(&self.owner_key).arg(&home))?;
        Ok(place)
    }

    fn clone(&self, bench: &Bench, place: &Place) -> Command {
        let mut command = place.command(&bench.ours);
        command.arg("clone").arg(self.url()).arg(&place.dir).stdin(Stdio::null());
        command
    }

    /// `clone`, which proves the whole history, beside `git clone`.
    fn first_clone(&self, bench: &Bench, report: &mut Report) -> Result<Place, Failure> {
        let (plain, ours) = (bench.sandbox.place("sync-plain")?, self.machine(bench, "sync-timed")?);
        let git = time(plain.command("git").args(["clone", "--quiet"]).arg(self.url()).arg(&plain.dir))?;
        let whole = time(&mut self.clone(bench, &ours))?;
        let what = format!("`clone`, every commit proven: {}", self.name);
        report.compare(what.clone(), whole, ("`git clone`, once", git), Goal::None);
        let reader = self.machine(bench, "sync-reader")?;
        memory(report, &what, &mut self.clone(bench, &reader))?;
        Ok(reader)
    }

    fn reading(&self, bench: &Bench, reader: &Place, report: &mut Report) -> Result<(), Failure> {
        let one = bench.sandbox.place("sync-one")?;
        fixture::vault(bench, &one, Shape { secrets: 1, agents: 2, readers: 2 })?;
        let [ours, small] = in_turn(
            bench.options.short(),
            [&mut || time(&mut get(bench, reader, &lived_in(0))), &mut || {
                time(&mut get(bench, &one, &fixture::secret(0)))
            }],
        )?;
        let what = format!("`get`, no look at the remote due: {}", self.name);
        report.compare(what, ours.median(), ("ours, 1 secret", small.median()), Goal::Ratio(1.1));
        Ok(())
    }

    fn nothing_new(&self, bench: &Bench, reader: &Place, report: &mut Report) -> Result<(), Failure> {
        run(&mut sync(bench, reader, &[]))?;
        let [ours, fetch] = in_turn(
            bench.options.short(),
            [&mut || time(&mut sync(bench, reader, &[])), &mut || time(&mut fetch(reader))],
        )?;
        let what = format!("`sync`, nothing new: {}", self.name);
        report.compare(what.clone(), ours.median(), ("`git fetch`", fetch.median()), Goal::Above(NOTHING_NEW));
        memory(report, &what, &mut sync(bench, reader, &[]))
    }

    /// What another machine has pushed, taken by `sync --pull` and, in other clones, by `git fetch` and by `git pull`. Beyond
    /// the fetch lie the proof, the plan, the files of the work tree and Git's index, and what is remembered; `git pull`
    /// has the files and the index as well.
    fn incoming(
        &self,
        bench: &Bench,
        inprocess: &InProcess,
        reader: &Place,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let writer = self.machine(bench, "sync-writer")?;
        run(&mut self.clone(bench, &writer))?;
        let [fetching, pulling] = ["sync-fetching", "sync-pulling"].map(|name| bench.sandbox.place(name));
        let (fetching, pulling) = (fetching?, pulling?);
        for plain in [&fetching, &pulling] {
            run(plain.command("git").args(["clone", "--quiet"]).arg(self.url()).arg(&plain.dir))?;
        }
        let write = |commits: usize| -> Result<(), Failure> {
            inprocess.more(&writer, INCOMING, commits)?;
            run(&mut sync(bench, &writer, &[]))
        };
        for commits in [1, INCOMING] {
            let mut alone = || {
                write(commits)?;
                time(&mut fetch(&fetching))
            };
            let mut ours = || time(&mut sync(bench, reader, &["--pull"]));
            let mut pull = || time(pulling.command("git").args(["pull", "--quiet", "--ff-only"]).stdin(Stdio::null()));
            let sides: [Side<'_>; 3] = [&mut alone, &mut ours, &mut pull];
            let [fetch, ours, pull] = in_turn(bench.options.long(), sides)?;
            let what = format!("`sync --pull` of {INCOMING} secrets in {}: {}", count(commits, "commit"), self.name);
            let beside = ("`git fetch` of them", fetch.median());
            report.compare(what.clone(), ours.median(), beside, Goal::Above(VERIFYING));
            report.compare(
                what.clone(),
                ours.median(),
                ("`git pull`, which verifies nothing", pull.median()),
                Goal::None,
            );
            write(commits)?;
            memory(report, &what, &mut sync(bench, reader, &["--pull"]))?;
        }
        Ok(())
    }

    fn history(&self, bench: &Bench, reader: &Place, report: &mut Report) -> Result<(), Failure> {
        let verify = || {
            let mut command = reader.command(&bench.ours);
            command.args(["verify", "--history"]).stdin(Stdio::null());
            command
        };
        let [ours] = in_turn(bench.options.long(), [&mut || time(&mut verify())])?;
        let what = format!("`verify --history`: {}", self.name);
        report.add(Row {
            what: what.clone(),
            ours: Figure::Time(ours.median()),
            peer: None,
            // As for 10,000 commits: a millisecond each.
            goal: Goal::Under(Figure::Time(Duration::from_millis(self.commits as u64))),
        });
        memory(report, &what, &mut verify())
    }
}

/// Makes the vault, and keeps what a remote has of it and the owner's key.
fn make(bench: &Bench, inprocess: &InProcess, kept: &Path, shape: [usize; 3]) -> Result<(), Failure> {
    let place = bench.sandbox.place("sync-making")?;
    inprocess.lived_in(&place, shape)?;
    // Under another name until it is whole: a run may be broken off.
    let unfinished = kept.with_extension("unfinished");
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(&unfinished).context(unfinished.display())?;
    let bare = unfinished.join("vault.git");
    run(place.command("git").args(["clone", "--quiet", "--bare", "--no-hardlinks"]).arg(&place.dir).arg(&bare))?;
    run(place.command("git").arg("-C").arg(&bare).args(["gc", "--quiet"]))?;
    run(place.command("cp").arg("-p").arg(place.owner_key()).arg(&unfinished))?;
    std::fs::rename(&unfinished, kept).context(kept.display())
}

/// The name of a secret of the vault, as the example gives it.
fn lived_in(number: usize) -> String {
    format!("{}/f{:03}/s{:02}", fixture::GROUP, number / 100, number % 100)
}

fn get(bench: &Bench, place: &Place, secret: &str) -> Command {
    let mut command = place.command(&bench.ours);
    command.args(["get", secret]).stdin(Stdio::null());
    command
}

fn sync(bench: &Bench, place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(&bench.ours);
    command.arg("sync").args(arguments).stdin(Stdio::null());
    command
}

fn fetch(place: &Place) -> Command {
    let mut command = place.command("git");
    command.args(["fetch", "--quiet", "origin"]).stdin(Stdio::null());
    command
}

/// A row of the most memory that the program held itself; what the user's `git` holds is git's.
fn memory(report: &mut Report, what: &str, command: &mut Command) -> Result<(), Failure> {
    match peak_memory(command)? {
        Some(peak) => report.add(Row {
            what: format!("{what}, peak memory"),
            ours: Figure::Bytes(peak),
            peer: None,
            goal: Goal::Under(MEMORY),
        }),
        None => report.skip("peak memory is measured on Linux only"),
    }
    Ok(())
}
