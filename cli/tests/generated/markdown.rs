//! `docs/cli.md`.

use super::{Schema, app, subcommands};
use agent_vault_cli::app::GROUPS;
use clap::Command;

const HEAD: &str = "\
# The command line

<!-- Written by `cargo xtask docs` from the program's own definitions and from docs/schemas. Do not edit. -->

What `--help` says, and the fields of every command's JSON. `man agent-vault` has the former; `cargo xtask docs` writes the
pages into `target/man`.

Results go to standard output, everything else to standard error. An error is one line that begins with `error: `, the next
step one that begins with `hint: `, also with `--json`: the exit code says what kind of error it is, and the codes are
stable. Colour is for terminals, and for none where `NO_COLOR` is set or `TERM` is `dumb`. On a terminal that is too narrow
for a table, each row is a few short lines; what is piped is always the table.

JSON is printed by the commands that have `--json`. Every call of a command prints the same fields, with null or an empty
list for what does not apply. They are stable: a new version may add some and takes none away. Times are RFC 3339 in UTC; a key is named by the 16 hexadecimal digits of its id. The schemas (JSON Schema, draft
2020-12) name every field, and refuse others, so that ours are checked; a reader of your own should pass over fields that
it does not know.
";

/// The document.
pub fn cli() -> String {
    let app = app();
    let schemas = Schema::all();
    let mut out = HEAD.to_owned();
    out.push_str("\n| to | commands |\n|---|---|\n");
    for (group, names) in GROUPS {
        let links: Vec<String> = shown(&app, names).map(|command| link(command.get_name())).collect();
        out.push_str(&format!("| {group} | {} |\n", links.join(", ")));
    }
    out.push_str(&format!("\n## agent-vault\n\n{}", help(&app)));
    for (group, names) in GROUPS {
        out.push_str(&format!("\n## {group}\n"));
        shown(&app, names).for_each(|command| section(command, command.get_name(), &schemas, &mut out));
    }
    out
}

fn shown<'a>(app: &'a Command, names: &'a [&str]) -> impl Iterator<Item = &'a Command> {
    names.iter().filter_map(|name| subcommands(app).find(|command| command.get_name() == *name))
}

fn link(name: &str) -> String {
    format!("[`{name}`](#agent-vault-{name})")
}

fn section(command: &Command, path: &str, schemas: &[Schema], out: &mut String) {
    out.push_str(&format!("\n### agent-vault {path}\n\n{}", help(command)));
    for schema in schemas.iter().filter(|schema| schema.commands().contains(&path)) {
        out.push_str(&format!(
            "\n`--json` ([schema](schemas/{})): {}\n\n| field | type | meaning |\n|---|---|---|\n",
            schema.file,
            schema.description()
        ));
        for (field, kind, meaning) in schema.fields() {
            out.push_str(&format!("| `{field}` | {kind} | {meaning} |\n"));
        }
    }
    subcommands(command).for_each(|sub| section(sub, &format!("{path} {}", sub.get_name()), schemas, out));
}

fn help(command: &Command) -> String {
    let text = command.clone().term_width(agent_vault_cli::app::WIDTH).render_long_help().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("```text\n{}\n```\n", lines.join("\n").trim_end())
}
