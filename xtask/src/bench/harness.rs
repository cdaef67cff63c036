//! Timing: processes from start to exit, in pairs, and their medians.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context as _, Failure};

/// How often something runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Runs that fill the caches and are not counted.
    warmup: usize,
    /// Runs that count; odd, so that the median is one of them.
    counted: usize,
}

impl Runs {
    /// `warmup` runs that do not count, then `counted` that do.
    pub const fn new(warmup: usize, counted: usize) -> Self {
        Self { warmup, counted }
    }
}

/// The times of one side of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<Duration>);

impl Sample {
    /// The middle one; of an even number the upper of the two.
    pub fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

/// One side: runs once and says how long the part that counts took.
pub type Side<'a> = &'a mut dyn FnMut() -> Result<Duration, Failure>;

/// Runs all sides in turn, round after round: A B A B for two of them.
///
/// # Errors
///
/// The first failure of a side; a program that fails is not a measurement.
pub fn in_turn<const N: usize>(runs: Runs, mut sides: [Side<'_>; N]) -> Result<[Sample; N], Failure> {
    let mut samples = rounds(runs, &mut sides)?.into_iter();
    Ok(std::array::from_fn(|_| samples.next().unwrap_or_default()))
}

/// As [`in_turn`], for as many sides as there happen to be.
///
/// # Errors
///
/// As [`in_turn`].
pub fn rounds(runs: Runs, sides: &mut [Side<'_>]) -> Result<Vec<Sample>, Failure> {
    let mut samples = vec![Sample::default(); sides.len()];
    for round in 0..runs.warmup + runs.counted {
        for (side, sample) in sides.iter_mut().zip(&mut samples) {
            let time = side()?;
            if round >= runs.warmup {
                sample.0.push(time);
            }
        }
    }
    Ok(samples)
}

/// Runs a program to its end with its output thrown away, and times the whole process.
///
/// # Errors
///
/// When it does not start or does not succeed; its last words are in the message.
pub fn time(command: &mut Command) -> Result<Duration, Failure> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let output = command.output().context(format_args!("cannot run {command:?}"))?;
    let time = start.elapsed();
    if output.status.success() {
        return Ok(time);
    }
    Err(Failure::new(format!(
        "{command:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

/// Runs a program and returns the most memory it held, in bytes. Sampled once a millisecond from the kernel's own
/// high-water mark, so only a rise in the last millisecond can be missed. Nothing where there is no `/proc`.
///
/// # Errors
///
/// When it does not start or does not succeed.
pub fn peak_memory(command: &mut Command) -> Result<Option<u64>, Failure> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context(format_args!("cannot run {command:?}"))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status_file) {
            peak = peak.max(high_water_mark(&text));
        }
        if let Some(status) = child.try_wait().context("cannot wait")? {
            return if status.success() {
                Ok(peak)
            } else {
                Err(Failure::new(format!("{command:?} failed ({status})")))
            };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `VmHWM` of a `/proc/<pid>/status`, in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_alternate_and_warmups_do_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let mut a = || {
            order.borrow_mut().push('a');
            Ok(Duration::from_millis(2))
        };
        let mut b = || {
            order.borrow_mut().push('b');
            Ok(Duration::from_millis(1))
        };
        let [a, b] = in_turn(Runs::new(1, 3), [&mut a, &mut b]).unwrap();
        assert_eq!(order.into_inner(), "abababab");
        assert_eq!((a.0.len(), b.0.len()), (3, 3));
    }

    #[test]
    fn the_median_is_not_moved_by_one_slow_run() {
        let ms = Duration::from_millis;
        assert_eq!(Sample(vec![ms(1), ms(900), ms(2)]).median(), ms(2));
        assert_eq!(Sample::default().median(), Duration::ZERO);
    }

    #[test]
    fn the_high_water_mark_is_read_from_the_kernel_s_text() {
        let text = "Name:\tx\nVmPeak:\t    9999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(high_water_mark(text), Some(2048 * 1024));
        assert_eq!(high_water_mark("Name:\tx\n"), None);
    }
}
