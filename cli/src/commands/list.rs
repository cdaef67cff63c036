//! `list`

use crate::app::List;
use crate::exit::{Code, Outcome, report};
use crate::output::{self, Style};
use crate::setting::{Found, Setting};
use crate::table::{self, Cell};
use agent_vault_core::Timestamp;
use agent_vault_core::time::DAY;
use agent_vault_core::vault::Row;
use serde::Serialize;

/// Days ahead from which an expiry is pointed out.
const SOON: i64 = 30;

/// A secret in `--json`.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    group: &'a str,
    created: Option<Timestamp>,
    rotated: Option<Timestamp>,
    expires: Option<Timestamp>,
    description: Option<&'a str>,
    use_only: bool,
    programs: &'a [String],
    hosts: &'a [String],
    authorized_agents: &'a [String],
    agents: &'a [String],
    /// None in a vault that nobody signed.
    revision: Option<u64>,
    value_revision: Option<u64>,
    exposed_to: &'a [String],
}

/// Lists secrets.
pub fn run(mut setting: Setting, args: &List) -> Outcome {
    setting.context.allow_old = args.looking.allow_old;
    let listing = match setting.any_vault_to_look_at()? {
        Found::Signed(vault) => {
            setting.freshen_for(&vault, &args.looking)?;
            let listing = vault.list(args.group.as_ref());
            crate::setting::tell(&vault);
            listing?
        }
        Found::Old(old) => old.list(args.group.as_ref())?,
    };
    if args.json.json {
        output::json(&listing.rows.iter().map(shown).collect::<Vec<_>>())?;
    } else if !listing.rows.is_empty() {
        let now = (setting.context.clock)();
        let rows: Vec<Vec<Cell>> = listing.rows.iter().map(|row| cells(row, now)).collect();
        output::print(&table::render(
            &["NAME", "GROUP", "ROTATED", "EXPIRES", "READERS", "DUE"],
            &rows,
            output::stdout_coloured(),
        ))?;
    } else if listing.broken.is_empty() {
        output::note(match &args.group {
            Some(_) => "no secret in this group",
            None => "no secrets yet: `agent-vault set NAME` stores one",
        });
    }
    let codes: Vec<Code> = listing.broken.into_iter().map(|error| report(&error.into())).collect();
    Ok(codes.first().copied().unwrap_or(Code::Done))
}

fn shown(row: &Row) -> Shown<'_> {
    Shown {
        name: &row.name,
        group: &row.group,
        created: Timestamp::from_unix(row.created),
        rotated: Timestamp::from_unix(row.rotated),
        expires: row.expires.and_then(Timestamp::from_unix),
        description: row.description.as_deref(),
        use_only: row.use_only,
        programs: &row.programs,
        hosts: &row.hosts,
        authorized_agents: &row.authorized_agents,
        agents: &row.agents,
        revision: Some(row.revision).filter(|revision| *revision > 0),
        value_revision: Some(row.value_revision).filter(|revision| *revision > 0),
        exposed_to: &row.exposed_to,
    }
}

fn cells(row: &Row, now: Timestamp) -> Vec<Cell> {
    let date =
        |seconds: i64| Timestamp::from_unix(seconds).map(|time| time.to_string()[..10].to_owned()).unwrap_or_default();
    let expires = match row.expires.map(|at| (at, (at - now.unix()).div_euclid(DAY))) {
        None => Cell::plain("-"),
        Some((at, _)) if at <= now.unix() => Cell::styled(format!("expired {}", date(at)), Style::Red),
        Some((_, days)) if days < SOON => {
            Cell::styled(format!("in {}", output::count(days as usize, "day")), Style::Magenta)
        }
        Some((at, _)) => Cell::plain(date(at)),
    };
    let due = if row.exposed_to.is_empty() { Cell::plain("") } else { Cell::styled("rotate", Style::Magenta) };
    vec![
        Cell::plain(&row.name),
        Cell::plain(&row.group),
        Cell::plain(date(row.rotated)),
        expires,
        Cell::plain(readers(&row.authorized_agents)),
        due,
    ]
}

/// A few names, and how many more.
fn readers(agents: &[String]) -> String {
    match agents {
        [] => "owners".into(),
        few if few.len() <= 3 => few.join(" "),
        many => format!("{} +{}", many[..2].join(" "), many.len() - 2),
    }
}
