//! Whether memory stays flat while a script of a binding reads on and on.

use std::process::{Command, Stdio};

use crate::failure::{Context as _, Failure};

use super::report::{Figure, Goal, Report, Row};

/// A row of what is resident in the end, beside what was after 1,000 reads. The script prints both, as `before N` and
/// `after N`, in bytes.
///
/// # Errors
///
/// When the script does not print them.
pub fn flat(report: &mut Report, what: String, command: &mut Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output().context(format_args!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        found.ok_or_else(|| {
            Failure::new(format!("{command:?} printed no `{name}`: {}", String::from_utf8_lossy(&output.stderr)))
        })
    };
    report.add(Row {
        what,
        ours: Figure::Bytes(bytes("after")?),
        peer: Some(("after 1,000".to_owned(), Figure::Bytes(bytes("before")?))),
        goal: Goal::Ratio(1.05),
    });
    Ok(())
}
