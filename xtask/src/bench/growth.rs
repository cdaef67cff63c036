//! How the times grow with the store: `get`, `set`, `list` and a change of readers, for every program that is there.
//!
//! Each store holds the same values of 32 bytes. Ours, 0.1.0 and pass make a Git commit of each change, age, fnox
//! and sops only write files. What a program does not do is left out.

mod contenders;
mod plot;

use std::fmt::Write as _;
use std::time::Duration;

use crate::failure::Failure;

use super::Bench;
use super::fixture::count;
use super::harness::{Runs, rounds};
use super::report::{Figure, Report};
use contenders::{CONTENDERS, Store};

/// Values in a store, from one to as many as one repository may come to hold.
const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Get,
    Set,
    List,
    Reencrypt,
}

impl Deed {
    const ALL: [Deed; 4] = [Deed::Get, Deed::Set, Deed::List, Deed::Reencrypt];

    fn title(self) -> &'static str {
        match self {
            Deed::Get => "read one value",
            Deed::Set => "store one value",
            Deed::List => "list all names",
            Deed::Reencrypt => "let one more key read everything",
        }
    }
}

/// One measured time.
#[derive(Clone, Debug)]
struct Point {
    deed: Deed,
    program: &'static str,
    secrets: usize,
    time: Duration,
}

/// Measures all of it; with `--write` also draws `docs/growth.svg`.
///
/// # Errors
///
/// When a measured program fails or the drawing cannot be written.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let most = if bench.options.quick { 100 } else { usize::MAX };
    let mut points = Vec::new();
    for secrets in SIZES.into_iter().filter(|secrets| *secrets <= most) {
        points.extend(measure_size(bench, secrets)?);
    }
    for contender in CONTENDERS {
        if !points.iter().any(|point| point.program == contender.name) {
            report.skip(format!("{} is not in this run: {}", contender.name, contender.absent));
        }
    }
    report.skip("passage is not in this run: no registry of packages that this was made from has it");
    report.section(&tables(&points));
    if bench.options.write {
        plot::draw(&points, &crate::workspace::root().join("docs").join("growth.svg"))?;
    }
    Ok(())
}

fn measure_size(bench: &Bench, secrets: usize) -> Result<Vec<Point>, Failure> {
    eprintln!("xtask: filling stores with {}", count(secrets, "secret"));
    let mut stores = Vec::new();
    for contender in CONTENDERS.iter().filter(|contender| secrets <= contender.most) {
        if let Some(store) = (contender.fill)(bench, secrets)? {
            stores.push((contender.name, store));
        }
    }
    let mut points = Vec::new();
    for deed in Deed::ALL {
        // What takes a second or more need not be repeated to be seen on a logarithmic scale.
        let runs = match deed {
            Deed::Reencrypt if secrets >= 1_000 => Runs::new(0, 1),
            Deed::Reencrypt => Runs::new(0, 3),
            _ => Runs::new(1, 9),
        };
        let (names, mut sides): (Vec<_>, Vec<_>) =
            stores.iter_mut().filter_map(|(name, store)| Some((*name, side(store, deed)?))).unzip();
        let samples = rounds(runs, &mut sides)?;
        for (program, sample) in names.into_iter().zip(samples) {
            let point = Point { deed, program, secrets, time: sample.median() };
            eprintln!("{}, {}: {} {}", deed.title(), count(secrets, "secret"), program, Figure::Time(point.time));
            points.push(point);
        }
    }
    Ok(points)
}

fn side(store: &mut Store, deed: Deed) -> Option<&mut dyn FnMut() -> Result<Duration, Failure>> {
    let deed = match deed {
        Deed::Get => &mut store.get,
        Deed::Set => &mut store.set,
        Deed::List => &mut store.list,
        Deed::Reencrypt => &mut store.reencrypt,
    };
    deed.as_mut().map(|deed| deed.as_mut() as _)
}

/// One table for each deed: a line for each size, a column for each program.
fn tables(points: &[Point]) -> String {
    let mut text = String::from("## Growth\n\n![The four times against the number of secrets](growth.svg)\n");
    for deed in Deed::ALL {
        let of_deed: Vec<&Point> = points.iter().filter(|point| point.deed == deed).collect();
        let programs: Vec<&str> = CONTENDERS
            .iter()
            .map(|contender| contender.name)
            .filter(|name| of_deed.iter().any(|point| point.program == *name))
            .collect();
        let _ = writeln!(text, "\n| {} | {} |", deed.title(), programs.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(programs.len()));
        for secrets in SIZES {
            let time = |program: &&str| {
                let found = of_deed.iter().find(|point| point.secrets == secrets && point.program == *program);
                found.map_or_else(|| "–".to_owned(), |point| Figure::Time(point.time).to_string())
            };
            if of_deed.iter().any(|point| point.secrets == secrets) {
                let times: Vec<String> = programs.iter().map(time).collect();
                let _ = writeln!(text, "| {} | {} |", count(secrets, "secret"), times.join(" | "));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(deed: Deed, program: &'static str, secrets: usize, millis: u64) -> Point {
        Point { deed, program, secrets, time: Duration::from_millis(millis) }
    }

    #[test]
    fn what_was_not_measured_is_a_dash_and_never_a_number() {
        let ours = CONTENDERS[0].name;
        let age = CONTENDERS[1].name;
        let text = tables(&[
            point(Deed::Get, ours, 1, 2),
            point(Deed::Get, age, 1, 3),
            point(Deed::Get, ours, 10, 2),
            point(Deed::List, ours, 1, 5),
        ]);
        assert!(text.contains(&format!("| read one value | {ours} | {age} |")), "{text}");
        assert!(text.contains("| 10 secrets | 2.00 ms | – |"), "{text}");
        assert!(text.contains(&format!("| list all names | {ours} |")), "{text}");
    }

    #[test]
    fn the_drawing_names_every_program_that_was_measured() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("growth.svg");
        let points: Vec<Point> = CONTENDERS
            .iter()
            .flat_map(|contender| {
                Deed::ALL.map(|deed| [point(deed, contender.name, 1, 1), point(deed, contender.name, 100, 9)])
            })
            .flatten()
            .collect();
        plot::draw(&points, &file).unwrap();
        let svg = std::fs::read_to_string(file).unwrap();
        for contender in CONTENDERS {
            assert!(svg.contains(contender.name), "{}", contender.name);
        }
        for deed in Deed::ALL {
            assert!(svg.contains(deed.title()), "{}", deed.title());
        }
    }
}
