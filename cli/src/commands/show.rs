//! `show`

use super::{readers, texts};
use crate::app::Show;
use crate::exit::{Code, Outcome};
use crate::output::{self, Style};
use crate::setting::{Found, Setting};
use std::fmt::Write;

/// Shows one secret's metadata.
pub fn run(mut setting: Setting, args: &Show) -> Outcome {
    setting.context.allow_old = args.looking.allow_old;
    let vault = match setting.any_vault_to_look_at()? {
        Found::Signed(vault) => vault,
        Found::Old(old) => return super::old::show(&old, args),
    };
    setting.freshen_for(&vault, &args.looking)?;
    let metadata = vault.show(&args.path);
    crate::setting::tell(&vault);
    let metadata = metadata?;
    if args.json.json {
        let mut fields = serde_json::to_value(&*metadata).map_err(std::io::Error::from)?;
        fields["signed"] = true.into();
        output::json(&fields)?;
        return Ok(Code::Done);
    }
    let now = (setting.context.clock)();
    let coloured = output::stdout_coloured();
    let mut out = String::new();
    let mut line = |key: &str, value: String, style: Style| {
        let _ = writeln!(out, "{key:<12} {}", style.paint(&value, coloured));
    };
    line("name", metadata.name.to_string(), Style::Bold);
    line("group", metadata.group.to_string(), Style::Plain);
    if let Some(description) = &metadata.description {
        line("description", description.clone(), Style::Plain);
    }
    line("readable by", readers(&metadata.authorized_agents), Style::Plain);
    if !metadata.agents.is_empty() {
        line("explicitly", texts(&metadata.agents).join(", "), Style::Plain);
    }
    if let Some(uses) = super::uses(&metadata) {
        line("use", uses, Style::Plain);
    }
    line("created", metadata.created.to_string(), Style::Plain);
    line("rotated", metadata.rotated.to_string(), Style::Plain);
    if let Some(expires) = metadata.expires {
        let (word, style) = if metadata.expired(now) { (" (expired)", Style::Red) } else { ("", Style::Plain) };
        line("expires", format!("{expires}{word}"), style);
    }
    line("revision", format!("{} (value {})", metadata.revision, metadata.value_revision), Style::Plain);
    if metadata.rotation_due() {
        let keys = texts(&metadata.exposed_to).join(", ");
        line("rotate", format!("due: {keys} could read this value"), Style::Magenta);
    }
    output::print(&out)?;
    Ok(Code::Done)
}
