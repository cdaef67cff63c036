//! The man pages: one for the program, one for each command, as Git has them.

use super::{app, subcommands, top};
use agent_vault_cli::app::GROUPS;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// What the changelog says of a version that nobody has yet, and so does its manual, in place of a date.
pub const UNRELEASED: &str = "unreleased";

/// A page.
pub struct Page {
    /// `agent-vault-get.1`
    pub name: String,
    /// Its source.
    pub roff: Vec<u8>,
}

/// Every page.
pub fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    collect(&app(), &mut pages);
    pages
}

fn collect(command: &Command, pages: &mut Vec<Page>) {
    pages.push(page(command));
    subcommands(command).for_each(|sub| collect(sub, pages));
}

fn page(command: &Command) -> Page {
    let root = command.get_display_name().is_none_or(|name| name == "agent-vault");
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let man =
        Man::new(command.clone()).source(format!("agent-vault {version}")).manual("agent-vault").date(date(version));
    let mut roff = Vec::new();
    let rendered = man
        .render_title(&mut roff)
        .and_then(|()| man.render_name_section(&mut roff))
        .and_then(|()| man.render_synopsis_section(&mut roff))
        .and_then(|()| if root { Ok(()) } else { man.render_description_section(&mut roff) })
        .and_then(|()| overview(command, root).to_writer(&mut roff))
        .and_then(|()| man.render_options_section(&mut roff))
        .and_then(|()| ending(command, root).to_writer(&mut roff));
    rendered.expect("memory takes it");
    // Before a list of values clap_mangen breaks the line twice, and mandoc warns.
    let roff = String::from_utf8(roff).expect("text").replace("\n.br\n\n.br\n", "\n.br\n").into_bytes();
    Page { name: format!("{name}.1"), roff }
}

/// The day of a version, as the changelog has it; [`UNRELEASED`] before.
fn date(version: &str) -> String {
    let changes = std::fs::read_to_string(top().join("CHANGELOG.md")).expect("CHANGELOG.md");
    let heading = format!("## [{version}] - ");
    changes.lines().find_map(|line| line.strip_prefix(&heading)).expect("this version's heading").to_owned()
}

/// The subcommands, by task, with the pages that tell of them.
fn overview(command: &Command, root: bool) -> Roff {
    let mut roff = Roff::new();
    let list = |roff: &mut Roff, subs: Vec<&Command>| {
        for sub in subs {
            let page = format!("{}(1)", sub.get_display_name().unwrap_or(sub.get_name()));
            roff.control("TP", []);
            roff.text([bold(page)]);
            roff.text([roman(sub.get_about().map(ToString::to_string).unwrap_or_default())]);
        }
    };
    if root {
        roff.control("SH", ["COMMANDS"]);
        for (group, names) in GROUPS {
            let subs = names.iter().filter_map(|name| subcommands(command).find(|sub| sub.get_name() == *name));
            roff.control("SS", [*group]);
            list(&mut roff, subs.collect());
        }
    } else if subcommands(command).next().is_some() {
        roff.control("SH", ["COMMANDS"]);
        list(&mut roff, subcommands(command).collect());
    }
    roff
}

/// What stands below the options: notes as text, examples line by line as in `--help`.
fn ending(command: &Command, root: bool) -> Roff {
    let mut roff = Roff::new();
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, notes): (Vec<&str>, Vec<&str>) = text.split("\n\n").partition(|part| part.starts_with("Example"));
    if !notes.is_empty() {
        roff.control("SH", ["NOTES"]);
        for (at, note) in notes.iter().enumerate() {
            if at > 0 {
                roff.control("PP", []);
            }
            roff.text([roman(*note)]);
        }
    }
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in examples.iter().flat_map(|part| part.lines()) {
        let line = line.trim_start_matches("Examples:").trim_start_matches("Example:").trim_start();
        if !line.is_empty() {
            roff.text([roman(line)]);
        }
    }
    roff.control("fi", []);
    if !root {
        roff.control("SH", ["SEE ALSO"]).text([bold("agent-vault"), roman("(1)")]);
    }
    roff
}
