//! The log of what was read and written on this machine: who, what, when, how it ended, and which process asked.
//!
//! Every process appends to a file of its own (a *segment*) below `audit/<vault>/<day>/` of the home, one line for each
//! operation, and each line carries the digest of the line before it. For each line, the process also appends one line to
//! the day's `index`, which all processes share without a lock (`O_APPEND`), and a segment's first line carries the digest
//! of the index's end as it was then. So a line that is altered, inserted, moved or removed is found, and so is a segment
//! that is gone, unless everything that was written after it is gone too. See `docs/audit.md` for the format, and for what
//! it cannot prove.
//!
//! `line`, `index` and `verify` are pure; `log` appends; `process` asks the kernel; `read` loads.

mod book;
mod index;
mod line;
mod log;
mod process;
mod read;
#[cfg(test)]
mod tests;
mod verify;

pub use book::Book;
pub(crate) use line::said;
pub use line::{Actor, Moment, Process, Record, Role, to_json};
pub use log::{Log, append_for_test};
pub use read::{Entry, Filter, Found, records, verify};
pub use verify::{Report, Violation};

/// The ending of a segment's file.
const ENDING: &str = ".jsonl";
/// The file of a day that lists every line of its segments.
const INDEX: &str = "index";
/// A segment with so many bytes gets no further line: the process begins another one.
const SEGMENT: u64 = 4 << 20;
/// The most bytes of one line, without its end.
const LINE: usize = 64 << 10;
/// The most bytes of a day's index that are read: 8 million lines.
const INDEX_LIMIT: u64 = 1 << 30;
