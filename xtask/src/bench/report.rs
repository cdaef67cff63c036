//! The table: what was measured, beside what, and whether the goal was met.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::failure::{Context as _, Failure};

/// A measured quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A median time.
    Time(Duration),
    /// Bytes of a file or of memory.
    Bytes(u64),
}

impl Figure {
    fn amount(self) -> f64 {
        match self {
            Figure::Time(time) => time.as_secs_f64(),
            #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
            Figure::Bytes(bytes) => bytes as f64,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, unit) = match self {
            Figure::Time(time) => {
                let seconds = time.as_secs_f64();
                if seconds < 0.001 {
                    (seconds * 1e6, "µs")
                } else if seconds < 1.0 {
                    (seconds * 1e3, "ms")
                } else {
                    (seconds, "s")
                }
            }
            Figure::Bytes(_) => (self.amount() / f64::from(1 << 20), "MiB"),
        };
        // Three digits are what a median of such runs carries.
        let decimals = match amount {
            amount if amount < 10.0 => 2,
            amount if amount < 100.0 => 1,
            _ => 0,
        };
        write!(f, "{amount:.decimals$} {unit}")
    }
}

/// What we want of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Ours at most this many times the peer's.
    Ratio(f64),
    /// Ours at most the peer's and this much more.
    Above(Duration),
    /// Ours below this, whatever others do.
    Under(Figure),
    /// To be known; nothing is asked.
    None,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::Ratio(most) => write!(f, "≤ {most:.2} ×"),
            Goal::Above(more) => write!(f, "≤ peer + {}", Figure::Time(*more)),
            Goal::Under(most) => write!(f, "< {most}"),
            Goal::None => f.write_str("–"),
        }
    }
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// How we did.
    pub ours: Figure,
    /// Beside whom, and how they did.
    pub peer: Option<(String, Figure)>,
    /// What we want.
    pub goal: Goal,
}

impl Row {
    /// Ours over the peer's.
    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer.as_ref()?;
        (peer.amount() > 0.0).then(|| self.ours.amount() / peer.amount())
    }

    /// Whether the goal was met; nothing where none was set or the peer is missing.
    fn met(&self) -> Option<bool> {
        match self.goal {
            Goal::Ratio(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::Above(more) => {
                let (_, peer) = self.peer.as_ref()?;
                Some(self.ours.amount() <= peer.amount() + more.as_secs_f64())
            }
            Goal::Under(most) => Some(self.ours.amount() < most.amount()),
            Goal::None => None,
        }
    }
}

/// Everything one run found.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    skipped: Vec<String>,
    sections: Vec<String>,
}

impl Report {
    /// Adds a line, and shows it at once on stderr: a run takes minutes.
    pub fn add(&mut self, row: Row) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// Adds a comparison of two times.
    pub fn compare(
        &mut self,
        what: impl Into<String>,
        ours: Duration,
        (peer, theirs): (impl Into<String>, Duration),
        goal: Goal,
    ) {
        self.add(Row {
            what: what.into(),
            ours: Figure::Time(ours),
            peer: Some((peer.into(), Figure::Time(theirs))),
            goal,
        });
    }

    /// Notes what is not in the table, and why.
    pub fn skip(&mut self, why: impl Into<String>) {
        self.skipped.push(why.into());
    }

    /// Adds a part of its own below the table.
    pub fn section(&mut self, text: &str) {
        self.sections.push(text.trim().to_owned());
    }

    /// The table with what it was measured on above it and what was left out below.
    pub fn markdown(&self, surroundings: &str) -> String {
        let mut text = format!("{}\n\n", surroundings.trim_end());
        text.push_str("| what | ours | beside | theirs | ratio | goal | met |\n");
        text.push_str("|---|---:|---|---:|---:|---|---|\n");
        for row in &self.rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        if !self.skipped.is_empty() {
            text.push('\n');
            for why in &self.skipped {
                let _ = writeln!(text, "- {why}");
            }
        }
        for section in &self.sections {
            let _ = write!(text, "\n{section}\n");
        }
        text
    }
}

fn line(row: &Row) -> String {
    let (peer, theirs) = row
        .peer
        .as_ref()
        .map_or_else(|| ("–".to_owned(), "–".to_owned()), |(name, figure)| (name.clone(), figure.to_string()));
    let ratio = row.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
    let met = match row.met() {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "–",
    };
    format!("| {} | {} | {peer} | {theirs} | {ratio} | {} | {met} |", row.what, row.ours, row.goal)
}

const BEGIN: &str = "<!-- measured: begin (written by `cargo xtask bench --write`) -->";
const END: &str = "<!-- measured: end -->";

/// Puts the table between its two marks, leaving what people wrote around them; makes the file where there is none.
///
/// # Errors
///
/// When the file cannot be read or written, or has only one of the marks.
pub fn store(file: &Path, table: &str) -> Result<(), Failure> {
    let old = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!(
            "# Benchmarks\n\nMeasured by `cargo xtask bench`: medians of runs that alternate with the peer's, \
             whole processes unless the row says otherwise.\n\n{BEGIN}\n{END}\n"
        ),
        Err(error) => return Err(Failure::new(format!("{}: {error}", file.display()))),
    };
    let new = replace_between_marks(&old, table).ok_or_else(|| {
        Failure::new(format!("{} lacks the marks of the table", file.display()))
            .with_hint(format!("put these two lines where it belongs: {BEGIN} {END}"))
    })?;
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).context(dir.display())?;
    }
    std::fs::write(file, new).context(file.display())
}

fn replace_between_marks(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: u64, theirs: u64, goal: Goal) -> Row {
        Row {
            what: "get".into(),
            ours: Figure::Time(Duration::from_micros(ours)),
            peer: Some(("rage -d".into(), Figure::Time(Duration::from_micros(theirs)))),
            goal,
        }
    }

    #[test]
    fn goals_are_judged_from_what_was_measured() {
        assert_eq!(row(1000, 1000, Goal::Ratio(1.0)).met(), Some(true));
        assert_eq!(row(1001, 1000, Goal::Ratio(1.0)).met(), Some(false));
        let above = Goal::Above(Duration::from_millis(1));
        assert_eq!(row(1900, 1000, above).met(), Some(true));
        assert_eq!(row(2100, 1000, above).met(), Some(false));
        let under = Goal::Under(Figure::Time(Duration::from_millis(40)));
        assert_eq!(row(39_000, 1, under).met(), Some(true));
        assert_eq!(row(1, 1, Goal::None).met(), None);
    }

    #[test]
    fn a_goal_whose_peer_is_missing_is_neither_met_nor_missed() {
        let mut row = row(1, 1, Goal::Ratio(1.3));
        row.peer = None;
        assert_eq!(row.met(), None);
        assert!(line(&row).ends_with("| – |"));
    }

    #[test]
    fn figures_carry_three_digits_and_a_unit() {
        let time = |micros| Figure::Time(Duration::from_micros(micros)).to_string();
        assert_eq!(time(64), "64.0 µs");
        assert_eq!(time(2_104), "2.10 ms");
        assert_eq!(time(412_000), "412 ms");
        assert_eq!(time(12_800_000), "12.8 s");
        assert_eq!(Figure::Bytes(6_500_000).to_string(), "6.20 MiB");
    }

    #[test]
    fn storing_keeps_what_people_wrote_around_the_table() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("docs").join("benchmarks.md");
        store(&file, "first").unwrap();
        let text = std::fs::read_to_string(&file).unwrap() + "\nWritten by a person.\n";
        std::fs::write(&file, text).unwrap();
        store(&file, "second").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# Benchmarks") && text.ends_with("Written by a person.\n"));
        assert!(text.contains("second") && !text.contains("first"));

        std::fs::write(&file, "no marks").unwrap();
        assert!(store(&file, "third").is_err());
    }
}
