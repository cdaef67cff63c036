//! The table of runs.

use std::fmt::Write as _;
use std::time::Duration;

use super::round::Row;

const HEADER: &str = "\
| clones × writes | writes | syncs | too late | gave up | wall time | settling | cost of a write | ÷ clones | processor of a write | ÷ clones | commits | bytes of a write |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// All rows, and what they come to.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(HEADER);
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text.push_str(
        "\nCost of a write: the time of a clone for its writes and syncs, by its writes. Processor: what it and its Git \
         used of it, with the waits and the other clones on this machine's processors left out.\nToo late: pushes that \
         others were ahead of. Gave up: syncs that were beaten forty times in a row.\n",
    );
    if let Some(growth) = growth(rows) {
        let _ = write!(text, "\n{growth}\n");
    }
    text
}

/// One row.
pub fn line(row: &Row) -> String {
    let each = per(row.work, row.writes);
    let told = |time: Option<Duration>| time.map_or_else(|| "–".into(), |time| format!("{} ms", time.as_millis()));
    let of_write = row.processor.map(|time| per(time, row.writes));
    let (processor, processor_each) = (told(of_write), told(of_write.map(|time| per(time, row.size.clones))));
    format!(
        "| {} | {} | {} | {} | {} | {:.1} s | {:.1} s | {} ms | {} ms | {processor} | {processor_each} | {} | {} |",
        row.size,
        row.writes,
        row.syncs,
        row.retries,
        row.gave_up,
        row.wall.as_secs_f64(),
        row.settling.as_secs_f64(),
        each.as_millis(),
        per(each, row.size.clones).as_millis(),
        row.commits,
        row.bytes / (row.writes.max(1) as u64),
    )
}

/// How the cost of a write grew from where competition begins to where there is most of it. More clones than this machine
/// has processors wait for these, which clones on machines of their own do not: so the processor time is told first.
fn growth(rows: &[Row]) -> Option<String> {
    let alike = rows.iter().filter(|row| row.size.transport == rows[0].size.transport && row.size.clones > 1);
    let few = alike.clone().min_by_key(|row| row.size.clones)?;
    let many = alike.max_by_key(|row| row.size.clones).filter(|many| many.size.clones > few.size.clones)?;
    let grew = |of: fn(&Row) -> Option<Duration>| {
        let each = |row: &Row| Some(per(of(row)?, row.writes).as_secs_f64());
        Some(format!("{:.1}-fold", each(many)? / each(few)?))
    };
    Some(format!(
        "From {} to {} clones the processor time of a write grew {} and its time {}; linear growth would be {}-fold.",
        few.size.clones,
        many.size.clones,
        grew(|row| row.processor).unwrap_or_else(|| "(not told here)".into()),
        grew(|row| Some(row.work)).unwrap_or_default(),
        many.size.clones / few.size.clones
    ))
}

fn per(time: Duration, number: usize) -> Duration {
    time / u32::try_from(number.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::round::Size;
    use super::*;
    use agent_vault_test_remotes::Transport;

    fn row(clones: usize, work: u64) -> Row {
        Row {
            size: Size { clones, writes: 8, transport: Transport::File },
            writes: clones * 8,
            syncs: clones * 4,
            gave_up: 0,
            retries: 1,
            wall: Duration::from_secs(2),
            work: Duration::from_millis(work),
            processor: Some(Duration::from_millis(work / 2)),
            settling: Duration::from_secs(1),
            bytes: 8_000,
            commits: 9,
            wrong: Vec::new(),
        }
    }

    #[test]
    fn the_cost_of_a_write_is_the_time_of_its_clone_and_its_growth_begins_with_two() {
        let rows = [row(1, 80), row(2, 320), row(4, 1280)];
        let text = markdown(&rows);
        assert!(
            text.contains(
                "| 4 × 8 over file:// | 32 | 16 | 1 | 0 | 2.0 s | 1.0 s | 40 ms | 10 ms | 20 ms | 5 ms | 9 | 250 |"
            ),
            "{text}"
        );
        assert!(text.contains(
            "From 2 to 4 clones the processor time of a write grew 2.0-fold and its time 2.0-fold; linear growth would be \
             2-fold."
        ));
        assert!(!markdown(&rows[..2]).contains("grew"), "nothing to compare with");
    }
}
