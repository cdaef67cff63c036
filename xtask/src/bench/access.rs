//! `grant` and `revoke`: beside the bare work that they cannot avoid, and beside agent-vault 0.1.0.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context as _, Failure};

use super::Bench;
use super::fixture::{self, GROUP, Shape, agent, count, secret};
use super::harness::{Side, in_turn, peak_memory, time};
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;
use super::write::{commit_by_git, copy, scribble};

/// Peak memory of a grant stays below this.
const MEMORY: u64 = 64 << 20;

/// Measures the rows of `grant` and `revoke`.
///
/// # Errors
///
/// When a measured program fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let size = |full| bench.options.size(full);
    // Recipients with the owner: 5 after the grant of the first, 101 after that of the second.
    for (secrets, agents) in [(size(1_000), 4), (size(100), size(100))] {
        let case = Case::new(bench, secrets, agents)?;
        case.beside_bare_work(bench, report)?;
        case.memory(bench, report)?;
        case.beside_before(bench, report)?;
    }
    Ok(())
}

/// One vault in which one more agent is granted the group, and revoked again.
struct Case {
    shape: Shape,
    place: Place,
}

impl Case {
    fn new(bench: &Bench, secrets: usize, agents: usize) -> Result<Self, Failure> {
        let shape = Shape { secrets, agents, readers: agents - 1 };
        let place = bench.sandbox.place(&format!("grant-{secrets}-{agents}"))?;
        fixture::vault(bench, &place, shape)?;
        Ok(Self { shape, place })
    }

    fn name(&self, verb: &str) -> String {
        format!("`{verb}`, {} × {}", count(self.shape.secrets, "secret"), count(self.recipients(), "recipient"))
    }

    /// All agents, and the owner.
    fn recipients(&self) -> usize {
        self.shape.agents + 1
    }

    fn change(&self, program: &Path, place: &Place, verb: &str) -> Command {
        let mut command = place.command(program);
        command.args([verb, &agent(self.shape.agents - 1), GROUP]).stdin(Stdio::null());
        command
    }

    fn beside_bare_work(&self, bench: &Bench, report: &mut Report) -> Result<(), Failure> {
        let plain = copy(bench, &self.place, &format!("grant-{}-git", self.recipients()))?;
        let files = self.files(&plain)?;
        let mut seed = 0;
        let mut commit = || {
            for (file, length) in &files {
                seed += 1;
                scribble(file, *length, seed)?;
            }
            commit_by_git(&plain, &plain.dir.join(".agent-vault"), &[])
        };
        let mut reencrypt = || match &bench.inprocess {
            Some(inprocess) => inprocess.reencrypt(self.shape.secrets, self.recipients()),
            None => Ok(Duration::ZERO),
        };
        let mut grant = || time(&mut self.change(&bench.ours, &self.place, "grant"));
        let mut revoke = || time(&mut self.change(&bench.ours, &self.place, "revoke"));
        let sides: [Side<'_>; 4] = [&mut grant, &mut reencrypt, &mut revoke, &mut commit];
        let [grant, reencrypt, revoke, commit] = in_turn(bench.options.long(), sides)?;

        let (beside, goal) = if bench.inprocess.is_some() {
            ("bare age on all cores + `git commit`", Goal::Ratio(1.3))
        } else {
            ("`git commit` alone", Goal::None)
        };
        let bare = reencrypt.median() + commit.median();
        for (verb, ours) in [("grant", grant), ("revoke", revoke)] {
            report.compare(self.name(verb), ours.median(), (beside, bare), goal);
        }
        Ok(())
    }

    /// The files that a grant replaces, with their lengths.
    fn files(&self, place: &Place) -> Result<Vec<(PathBuf, u64)>, Failure> {
        let mut files = Vec::new();
        for number in 0..self.shape.secrets {
            let ciphertext = place.ciphertext(&secret(number));
            for file in [ciphertext.with_extension("meta"), ciphertext] {
                let length = std::fs::metadata(&file).context(file.display())?.len();
                files.push((file, length));
            }
        }
        Ok(files)
    }

    fn memory(&self, bench: &Bench, report: &mut Report) -> Result<(), Failure> {
        let peak = peak_memory(&mut self.change(&bench.ours, &self.place, "grant"))?;
        fixture::run(&mut self.change(&bench.ours, &self.place, "revoke"))?;
        match peak {
            Some(peak) => report.add(Row {
                what: format!("{}, peak memory", self.name("grant")),
                ours: Figure::Bytes(peak),
                peer: None,
                goal: Goal::Under(Figure::Bytes(MEMORY)),
            }),
            None => report.skip("peak memory is measured on Linux only"),
        }
        Ok(())
    }

    /// 0.1.0 takes seconds to minutes: once is enough to know it.
    fn beside_before(&self, bench: &Bench, report: &mut Report) -> Result<(), Failure> {
        let Some(before) = bench.before.as_deref() else {
            return Ok(());
        };
        let old = bench.sandbox.place(&format!("grant-{}-before", self.recipients()))?;
        fixture::vault_of_before(before, &old, self.shape)?;
        for verb in ["grant", "revoke"] {
            let ours = time(&mut self.change(&bench.ours, &self.place, verb))?;
            let theirs = time(&mut self.change(before, &old, verb))?;
            report.compare(self.name(verb), ours, ("0.1.0, once", theirs), Goal::None);
        }
        Ok(())
    }
}
