//! What there is, by what one wants to do: the one table behind `--help`, `docs/cli.md` and `man agent-vault`.

use super::App;
use clap::{Command, CommandFactory};

/// The columns that help is made for; a narrower terminal gets narrower help.
pub const WIDTH: usize = 80;

/// The commands by task, in the order of a story. A test sees that every command stands in exactly one group.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("Begin", &["demo", "init", "upgrade"]),
    ("Secrets", &["set", "get", "list", "show", "edit", "mv", "rm"]),
    ("Your programs", &["run", "env", "inject", "shell-hook", "allow", "deny", "git-credential", "mcp"]),
    ("Files of other programs", &["import", "export", "seal", "open", "reseal"]),
    (
        "Agents and access",
        &["add-agent", "grant", "revoke", "list-agents", "remove-agent", "recover-agent", "restore-agent"],
    ),
    ("Many machines", &["sync", "clone"]),
    ("Owners", &["owner", "add-owner", "remove-owner", "rotate-owner"]),
    ("History", &["log", "restore"]),
    ("Your repository", &["hook", "scan"]),
    ("Trust and audit", &["check", "verify", "audit", "whoami", "trust", "settings"]),
    ("Your machine", &["config", "completions", "help"]),
];

/// What is in no group yet is listed all the same.
const OTHER: &str = "Other";

/// The group of a command.
pub fn group_of(command: &str) -> &'static str {
    GROUPS.iter().find(|(_, names)| names.contains(&command)).map_or(OTHER, |(group, _)| group)
}

/// The whole command line, with an overview by task that fits `width` columns.
pub fn definition(width: usize) -> Command {
    let mut command = App::command();
    // Builds what clap adds by itself, `help` above all.
    command.build();
    let overview = overview(&command, width.min(WIDTH));
    App::command().term_width(width.min(WIDTH)).help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{overview}Options:\n{{options}}{{after-help}}"
    ))
}

/// Every visible command with its line, under the heading of its group.
fn overview(command: &Command, width: usize) -> String {
    let visible: Vec<(&str, String)> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| (command.get_name(), command.get_about().map(ToString::to_string).unwrap_or_default()))
        .collect();
    let longest = visible.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut section = |heading: &str, names: &mut dyn Iterator<Item = &(&str, String)>| {
        let mut names = names.peekable();
        if names.peek().is_none() {
            return;
        }
        out.push_str(&format!("{heading}:\n"));
        names.for_each(|(name, about)| out.push_str(&line(name, about, longest, width)));
        out.push('\n');
    };
    for (heading, names) in GROUPS {
        section(heading, &mut names.iter().filter_map(|name| visible.iter().find(|(visible, _)| visible == name)));
    }
    section(OTHER, &mut visible.iter().filter(|(name, _)| group_of(name) == OTHER));
    out
}

/// One command's line; where the terminal is too narrow for two columns, its text goes below, as clap does it.
fn line(name: &str, about: &str, longest: usize, width: usize) -> String {
    let beside = longest + 4;
    if beside + about.chars().count() <= width {
        return format!("  {name:longest$}  {about}\n");
    }
    let mut out = format!("  {name}\n");
    let mut column = 0;
    for word in about.split(' ') {
        let length = word.chars().count();
        if column == 0 || column + 1 + length > width {
            out.push_str(if column == 0 { "      " } else { "\n      " });
            column = 6 + length;
        } else {
            out.push(' ');
            column += 1 + length;
        }
        out.push_str(word);
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_command_stands_in_exactly_one_group_and_no_group_names_another() {
        let mut command = App::command();
        command.build();
        let mut visible: Vec<&str> =
            command.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        visible.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(visible, grouped, "left: the commands; right: GROUPS in cli/src/app/overview.rs");
    }

    #[test]
    fn a_command_in_no_group_is_listed_at_the_end() {
        let command =
            Command::new("x").subcommand(Command::new("get").about("A")).subcommand(Command::new("new").about("B"));
        assert_eq!(overview(&command, 80), "Secrets:\n  get  A\n\nOther:\n  new  B\n\n");
    }

    #[test]
    fn a_narrow_terminal_has_the_text_below_the_name() {
        assert_eq!(line("get", "one two three", 3, 14), "  get\n      one two\n      three\n");
        assert_eq!(line("get", "one", 3, 14), "  get  one\n");
    }
}
