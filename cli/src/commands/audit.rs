//! `audit`

use crate::app::{Audit, AuditCommand};
use crate::exit::{Code, Outcome};
use crate::output::{self, Style, count};
use crate::setting::{Found, Setting};
use crate::table::{self, Cell};
use agent_vault_core::audit::{self, Actor, Book, Entry, Filter, Process, Report};
use agent_vault_core::{Error, Result, Timestamp};
use serde_json::json;
use std::path::Path;

/// Shows this machine's log of the vault found here, or proves it.
pub fn run(setting: &Setting, args: &Audit) -> Outcome {
    match &args.command {
        None => show(setting, args),
        Some(AuditCommand::Verify { json }) => verify(setting, json.json),
    }
}

/// The log of the vault found here; one of 0.1.0 has one too.
fn book(setting: &Setting) -> Result<Book> {
    Ok(match setting.any_vault_to_look_at()? {
        Found::Signed(vault) => vault.book(),
        Found::Old(old) => old.book(),
    })
}

fn show(setting: &Setting, args: &Audit) -> Outcome {
    let now = (setting.context.clock)();
    let filter = Filter {
        identity: args.agent.clone(),
        path: args.path.clone(),
        since: args.since.as_deref().map(|since| Timestamp::parse_since(since, now)).transpose()?,
    };
    let found = audit::records(&book(setting)?, &filter)?;
    if args.json.json {
        print_json(&found.entries)?;
    } else if found.entries.is_empty() {
        output::note("nothing of that kind was read or written on this machine");
    } else {
        let rows: Vec<Vec<Cell>> = found.entries.iter().map(cells).collect();
        output::print(&table::render(
            &["TIME", "WHO", "DID", "TO", "OUTCOME", "PROCESS", "CALLED BY"],
            &rows,
            output::stdout_coloured(),
        ))?;
    }
    if found.unreadable > 0 {
        let lines = count(found.unreadable, "line");
        output::warn(&format!("{lines} could not be read: see `agent-vault audit verify`"));
    }
    Ok(Code::Done)
}

/// What comes from outside, such as a folder's name, is escaped where a terminal would obey it.
fn print_json(value: &impl serde::Serialize) -> std::io::Result<()> {
    let mut text = audit::to_json(value)?;
    text.push(b'\n');
    output::print(&String::from_utf8_lossy(&text))
}

fn cells(entry: &Entry) -> Vec<Cell> {
    let record = &entry.record;
    let plain = |text: &str| Cell::plain(output::one_line(text));
    let to = [record.path.as_deref(), record.subject.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let style = if matches!(record.outcome.as_str(), "ok" | "unchanged") { Style::Plain } else { Style::Red };
    vec![
        plain(&record.time.to_string()[..19].replace('T', " ")),
        plain(&who(record.identity.as_ref())),
        plain(&record.operation),
        plain(if to.is_empty() { "-" } else { &to }),
        Cell::styled(output::one_line(&record.outcome), style),
        plain(&program(record.process.program.as_deref(), Some(record.process.pid))),
        plain(&caller(&record.process, record.client.as_deref())),
    ]
}

/// A name where a signed document gives one, else what is known of the keys.
fn who(actor: Option<&Actor>) -> String {
    match actor {
        None => "-".into(),
        Some(Actor { name: Some(name), .. }) => name.clone(),
        Some(Actor { keys, .. }) if keys.is_empty() => "unknown key".into(),
        Some(Actor { keys, .. }) => keys.join(" "),
    }
}

/// Who started the process, and for whom it says that it works.
fn caller(process: &Process, client: Option<&str>) -> String {
    let caller = match process.parent {
        None => "-".into(),
        parent => program(process.parent_program.as_deref(), parent),
    };
    match client {
        Some(client) => format!("{caller} for {client:?}"),
        None => caller,
    }
}

/// `bash[4711]`: a program's file without its folder.
fn program(file: Option<&str>, pid: Option<u32>) -> String {
    let name = file.and_then(|file| Path::new(file).file_name()).map(|name| name.to_string_lossy());
    let pid = pid.map(|pid| format!("[{pid}]")).unwrap_or_default();
    format!("{}{pid}", name.as_deref().unwrap_or("?"))
}

fn verify(setting: &Setting, as_json: bool) -> Outcome {
    let book = book(setting)?;
    let report = audit::verify(&book)?;
    if as_json {
        print_json(&json!({
            "ok": report.violations.is_empty(),
            "folder": book.dir().to_string_lossy(),
            "records": report.records,
            "segments": report.segments,
            "days": report.days,
            "begins": report.begins,
            "earlier_removed": report.earlier_removed,
            "torn": report.torn,
            "unlisted": report.unlisted,
            "violations": report.violations,
        }))?;
    } else if report.violations.is_empty() {
        output::print(&proven(&report))?;
    }
    tell(&report);
    match report.violations.first() {
        None => Ok(Code::Done),
        Some(first) => {
            let line = first.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            let more = match report.violations.len() - 1 {
                0 => String::new(),
                more => format!(" (and {}; --json has all)", count(more, "more violation")),
            };
            Err(Error::Altered { file: book.dir().join(&first.file), reason: format!("{line}{}{more}", first.reason) }
                .into())
        }
    }
}

fn proven(report: &Report) -> String {
    let Some(begins) = &report.begins else { return "nothing was read or written on this machine yet\n".into() };
    format!(
        "nothing was altered, removed, inserted or moved: {} in {} since {}\n",
        count(report.records, "record"),
        count(report.segments, "segment"),
        output::one_line(begins),
    )
}

/// What is no violation, and should be known.
fn tell(report: &Report) {
    if report.earlier_removed {
        output::warn("there were days before it that are gone: nothing is known of them");
    }
    for file in &report.torn {
        output::warn(&format!("{}: its last line was cut short, by a kill or a full disk", output::one_line(file)));
    }
    if report.unlisted > 0 {
        output::warn(&format!(
            "{} in no index, as when a process is killed just then",
            match report.unlisted {
                1 => "1 line stands".to_owned(),
                many => format!("{many} lines stand"),
            }
        ));
    }
}
