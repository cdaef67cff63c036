//! One run: all machines write and sync at once, then all settle, then it is judged.

use std::fmt;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use agent_vault_test_remotes::Transport;
use agent_vault_test_remotes::writes::{self, Acknowledged, GROUP, QUARREL, Write};

use crate::failure::{Context as _, Failure};
use crate::sandbox::Sandbox;

use super::judge;
use super::machines::{Fleet, Machine, told};

/// A machine syncs after so many writes.
const SYNC_AFTER: usize = 2;
/// How `sync` ends when others were first forty times in a row, or one of them at a bad moment: nothing is lost.
const CONFLICT: i32 = 7;

/// How much load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Clones that compete.
    pub clones: usize,
    /// Writes of each.
    pub writes: usize,
    /// How they reach the host.
    pub transport: Transport,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.transport {
            Transport::File => "file://",
            Transport::Ssh => "ssh",
            Transport::Http => "http",
            Transport::Daemon => "git://",
        };
        write!(f, "{} × {} over {way}", self.clones, self.writes)
    }
}

/// What came of it.
pub struct Row {
    /// How much load it was.
    pub size: Size,
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Syncs that were run while machines competed.
    pub syncs: usize,
    /// Syncs of these that gave up, to be run again.
    pub gave_up: usize,
    /// Pushes that came too late and were made again.
    pub retries: usize,
    /// From the first write to the end of the last machine's last sync.
    pub wall: Duration,
    /// The time of all machines together.
    pub work: Duration,
    /// Processor time of all that they started while they competed, Git and a host on this machine with it; none where
    /// the system does not tell.
    pub processor: Option<Duration>,
    /// Until all had the same, afterwards.
    pub settling: Duration,
    /// What the host's objects came to.
    pub bytes: u64,
    /// Commits of the branch in the end.
    pub commits: usize,
    /// What is lost, or otherwise not as it must be.
    pub wrong: Vec<String>,
}

/// What one machine did.
#[derive(Default)]
pub struct Share {
    /// What must be there.
    pub acknowledged: Acknowledged,
    writes: usize,
    syncs: usize,
    gave_up: usize,
    work: Duration,
    wrong: Vec<String>,
}

/// Runs and judges one size.
///
/// # Errors
///
/// When it cannot be run; what is lost is in the row.
pub fn run(sandbox: &Sandbox, program: &Path, size: Size) -> Result<Row, Failure> {
    let name = format!("load-{}-{}-{:?}", size.clones, size.writes, size.transport);
    let first = [("own/first", "of the founder"), (QUARREL, "of the founder")];
    debug_assert!(first[0].0.starts_with(GROUP), "its group is there to be granted");
    let fleet = Fleet::start(sandbox, program, &name, (size.clones, size.transport), &first)?;
    let (start, before) = (Instant::now(), processor());
    let mut shares = compete(&fleet.machines, size.writes)?;
    let (wall, after) = (start.elapsed(), processor());
    let settling = Instant::now();
    fleet.settle()?;
    let settling = settling.elapsed();
    if let Some(founder) = shares.first_mut() {
        founder.acknowledged.take(&Write::Set(first[0].0.into(), first[0].1.into()));
        founder.acknowledged.take(&Write::Set(QUARREL.into(), first[1].1.into()));
    }
    let mut wrong: Vec<String> = shares.iter_mut().flat_map(|share| std::mem::take(&mut share.wrong)).collect();
    wrong.extend(judge::lost(&fleet, &shares)?);
    let sum = |of: fn(&Share) -> usize| shares.iter().map(of).sum();
    Ok(Row {
        size,
        writes: sum(|share| share.writes),
        syncs: sum(|share| share.syncs),
        gave_up: sum(|share| share.gave_up),
        retries: fleet.machines.iter().map(Machine::late_pushes).sum(),
        wall,
        work: shares.iter().map(|share| share.work).sum(),
        processor: after.zip(before).map(|(after, before)| after.saturating_sub(before)),
        settling,
        bytes: weight(&fleet.host.bare().join("objects"))?,
        commits: fleet.machines.first().map_or(Ok(0), commits)?,
        wrong,
    })
}

/// All machines at once, from one moment on.
fn compete(machines: &[Machine], writes: usize) -> Result<Vec<Share>, Failure> {
    let begin = Barrier::new(machines.len());
    std::thread::scope(|scope| {
        let running: Vec<_> = machines
            .iter()
            .enumerate()
            .map(|(number, machine)| {
                let begin = &begin;
                scope.spawn(move || {
                    begin.wait();
                    share(machine, &writes::writes(number, writes))
                })
            })
            .collect();
        running.into_iter().map(|one| one.join().map_err(|_| Failure::new("a machine's thread panicked"))?).collect()
    })
}

/// One machine's writes and syncs.
fn share(machine: &Machine, writes: &[Write]) -> Result<Share, Failure> {
    let mut share = Share::default();
    let start = Instant::now();
    for (number, write) in writes.iter().enumerate() {
        let line = write.words().join(" ");
        let output = machine.call(&line, write.input())?;
        if output.status.success() {
            share.writes += 1;
            share.acknowledged.take(write);
        } else {
            share.wrong.push(format!("`{line}` was refused: {}", told(&output)));
        }
        if (number + 1).is_multiple_of(SYNC_AFTER) || number + 1 == writes.len() {
            let output = machine.sync()?;
            share.syncs += 1;
            match output.status.code() {
                Some(0) => {}
                Some(CONFLICT) => share.gave_up += 1,
                _ => share.wrong.push(format!("`sync` failed: {}", told(&output))),
            }
        }
    }
    share.work = start.elapsed();
    Ok(share)
}

/// Processor time of the children of this process that have ended, and of theirs (Linux; in ticks of ten milliseconds).
fn processor() -> Option<Duration> {
    children_time(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// `cutime` and `cstime` of a `/proc/<pid>/stat` (proc_pid_stat(5)), whose second field may hold spaces and brackets.
fn children_time(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Bytes of all files below a folder.
fn weight(dir: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).context(dir.display())? {
        let entry = entry.context(dir.display())?;
        let metadata = entry.metadata().context(entry.path().display())?;
        bytes += if metadata.is_dir() { weight(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn commits(machine: &Machine) -> Result<usize, Failure> {
    let count = machine.git("rev-list --count HEAD")?;
    count.parse().context("git rev-list --count")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read_past_a_name_with_brackets() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 130 7 20 0 1 0 4";
        assert_eq!(children_time(stat), Some(Duration::from_millis(1370)));
        assert_eq!(children_time("12 (a"), None);
    }
}
