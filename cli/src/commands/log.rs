//! `log`

use super::short;
use crate::app::Log;
use crate::exit::{Code, Outcome};
use crate::output::{self, Style, count};
use crate::setting::Setting;
use agent_vault_core::history::{Event, LogEntry, SignatureStatus};

/// So many names are told of a long list, then how many more there are.
const NAMED: usize = 3;
/// The width of a line where it is not known, and the least that is worth wrapping for.
const WIDTH: usize = 100;
const NARROW: usize = 24;

/// Tells the history in the vault's own terms.
pub fn run(setting: &Setting, args: &Log) -> Outcome {
    let vault = setting.vault_to_look_at()?;
    let limit = args.limit.unwrap_or(usize::MAX);
    let entries = match &args.path {
        Some(path) => vault.log_of(path, limit)?,
        None => vault.log(limit)?,
    };
    crate::setting::tell(&vault);
    if args.json.json {
        output::json(&entries)?;
        return Ok(Code::Done);
    }
    let coloured = output::stdout_coloured();
    let width = output::stdout_width().map_or(WIDTH, |columns| columns.max(NARROW));
    let text: String = entries.iter().map(|entry| told(entry, coloured, width)).collect();
    output::print(&text)?;
    if entries.is_empty() {
        output::note("no commit has changed the vault yet");
    }
    Ok(Code::Done)
}

/// One commit: who, when, whose signature; then what happened.
fn told(entry: &LogEntry, coloured: bool, width: usize) -> String {
    let time = entry.time.map_or_else(|| "no time".into(), |time| time.to_string()[..16].replace('T', " "));
    let (signed, style) = match &entry.signature {
        SignatureStatus::Good { owner } => (format!("signed by {owner}"), Style::Plain),
        SignatureStatus::Unsigned => ("not signed".into(), Style::Magenta),
        SignatureStatus::UnknownKey { fingerprint: Some(key) } => {
            (format!("signed by {key}, no owner's key"), Style::Red)
        }
        SignatureStatus::UnknownKey { fingerprint: None } => ("signed by no owner's key".into(), Style::Magenta),
        SignatureStatus::Bad => ("BAD signature: the commit was altered".into(), Style::Red),
    };
    let id = Style::Magenta.paint(short(&entry.commit), coloured);
    let revision = entry.revision.as_ref().map(|revision| format!("  r{}", revision.revision)).unwrap_or_default();
    let author = output::one_line(&entry.author);
    let mut out = format!(
        "{id}{}  {time}  {author}  {}\n",
        Style::Bold.paint(&revision, coloured),
        style.paint(&signed, coloured)
    );
    let mut lines = words(&entry.events);
    // What the program itself says there is said better above; and a message can say anything.
    if !entry.message.starts_with("agent-vault: ") {
        lines.push(format!("message: {:?}", output::one_line(&entry.message)));
    }
    lines.iter().for_each(|line| out.push_str(&wrapped(&output::one_line(line), width)));
    out
}

/// Events in words; many of one kind become one line.
fn words(events: &[Event]) -> Vec<String> {
    let mut groups: Vec<(String, String, Vec<&str>)> = Vec::new();
    for event in events {
        let (verb, subject, rest) = phrase(event);
        match groups.iter_mut().find(|(known, other, _)| *known == verb && *other == rest) {
            Some((_, _, subjects)) => subjects.extend(subject),
            None => groups.push((verb, rest, subject.into_iter().collect())),
        }
    }
    groups
        .into_iter()
        .map(|(verb, rest, subjects)| match subjects.len() {
            0 => format!("{verb}{rest}"),
            many if many > NAMED => {
                format!("{verb} {}{rest} ({}, …)", count(many, "secret"), subjects[..NAMED].join(", "))
            }
            _ => format!("{verb} {}{rest}", subjects.join(", ")),
        })
        .collect()
}

/// What was done, to which secret, and the rest of the sentence.
fn phrase(event: &Event) -> (String, Option<&str>, String) {
    let plain = |text: String| (text, None, String::new());
    fn secret<'e>(verb: &str, name: &'e str, rest: String) -> (String, Option<&'e str>, String) {
        (verb.to_owned(), Some(name), rest)
    }
    let to = |readers: &[String]| match readers {
        [] => " (readable by owners only)".to_owned(),
        agents => format!(" (readable by owners, {})", few(agents)),
    };
    match event {
        Event::VaultCreated { vault } => plain(format!("created the vault {vault}")),
        Event::VaultArrived { vault } => plain(format!(
            "brought the vault {vault} into this folder, with a past that is not in this folder's history"
        )),
        Event::VaultSigned { vault } => plain(format!("signed the vault for the first time, as {vault}")),
        Event::VaultUnsigned => plain("changed a vault without signatures: nothing is known of it".into()),
        Event::VaultRemoved => plain("REMOVED the vault".into()),
        Event::Root { number, added, removed, rekeyed } => {
            let part = |what: &str, names: &[String]| match names {
                [] => None,
                names => Some(format!("{what} {}", few(names))),
            };
            let parts =
                [part("added owner", added), part("removed owner", removed), part("new keys for owner", rekeyed)];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            plain(if parts.is_empty() {
                format!("root {number}")
            } else {
                format!("{} (root {number})", parts.join("; "))
            })
        }
        Event::AgentJoined { agent, key, groups } if groups.is_empty() => {
            plain(format!("agent {agent} joined (key {key})"))
        }
        Event::AgentJoined { agent, key, groups } => {
            plain(format!("agent {agent} joined (key {key}), with {}", few(groups)))
        }
        Event::AgentLeft { agent } => plain(format!("agent {agent} left")),
        Event::AgentRekeyed { agent, key } => plain(format!("{agent} got a new key ({key})")),
        Event::Granted { agent, groups } => plain(format!("{agent}: granted {}", few(groups))),
        Event::Revoked { agent, groups } => plain(format!("{agent}: revoked {}", few(groups))),
        Event::GroupsAdded { groups } => plain(format!("made group {}", few(groups))),
        Event::GroupsRemoved { groups } => plain(format!("removed group {}", few(groups))),
        Event::SettingsChanged => plain("changed settings".into()),
        Event::SecretAdded { secret: name, authorized_agents, .. } => secret("added", name, to(authorized_agents)),
        Event::NewValue { secret: name, authorized_agents, exposed_to, .. } if exposed_to.is_empty() => {
            secret("new value for", name, to(authorized_agents))
        }
        Event::NewValue { secret: name, authorized_agents, exposed_to, .. } => {
            let known = format!("{}, which {} could read before", to(authorized_agents), few(exposed_to));
            secret("new value for", name, known)
        }
        Event::Reencrypted { secret: name, gained, lost, .. } => {
            let signed =
                |sign: &str, keys: &[String]| keys.iter().map(|key| format!("{sign} {key}")).collect::<Vec<_>>();
            let keys = [signed("+", gained), signed("-", lost)].concat();
            let rest = if keys.is_empty() { String::new() } else { format!(": {}", few(&keys)) };
            secret("re-encrypted", name, rest)
        }
        Event::Moved { from, secret, .. } => plain(format!("moved {from} → {secret}")),
        Event::SecretRemoved { secret: name, .. } => secret("removed", name, String::new()),
        Event::Expiry { secret: name, expires: None, .. } => secret("no expiry any more for", name, String::new()),
        Event::Expiry { secret: name, expires: Some(at), .. } => {
            secret("changed expiry of", name, format!(" to {}", &at.to_string()[..10]))
        }
        Event::Description { secret: name, .. } => secret("changed description of", name, String::new()),
        Event::Use { secret: name, use_only, programs, hosts, .. } => {
            let bound = if *use_only { "use-only" } else { "not use-only" };
            let part = |what: &str, items: &[String]| {
                if items.is_empty() { String::new() } else { format!(", {what} {}", few(items)) }
            };
            secret("changed use of", name, format!(": {bound}{}{}", part("programs", programs), part("hosts", hosts)))
        }
        Event::Group { secret: name, from, to, .. } => {
            secret("changed group of", name, format!(" from {from} to {to}"))
        }
        Event::Agents { secret: name, agents, .. } if agents.is_empty() => {
            secret("no agents beyond its group for", name, String::new())
        }
        Event::Agents { secret: name, agents, .. } => {
            secret("agents beyond its group for", name, format!(": {}", few(agents)))
        }
        Event::Merged { documents } => {
            plain(format!("merged two histories of the vault ({} differed)", count(*documents, "document")))
        }
        Event::Resigned { subject } => secret("signed anew", subject, String::new()),
        Event::Files { files } => plain(format!("changed {}", few(files))),
        Event::Unproven { file, reason } => plain(format!("UNPROVEN {file}: {reason}")),
        other => plain(format!("{other:?}")),
    }
}

/// A few names, and how many more.
fn few(names: &[String]) -> String {
    match names.len() {
        many if many > NAMED + 1 => format!("{} and {} more", names[..NAMED].join(", "), many - NAMED),
        _ => names.join(", "),
    }
}

/// A line below its commit, broken between words where it is too long.
fn wrapped(line: &str, width: usize) -> String {
    let (mut out, mut used) = (String::from("   "), 3);
    for word in line.split(' ') {
        let length = word.chars().count();
        if used + 1 + length > width && used > 6 {
            out.push_str("\n     ");
            used = 5;
        }
        out.push(' ');
        out.push_str(word);
        used += 1 + length;
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_one_kind_are_one_line_and_long_lines_break_between_words() {
        let lost = vec!["ci@d3d80f3823435e28".to_owned()];
        let event = |number: usize| Event::Reencrypted {
            secret: format!("a/{number}"),
            revision: 2,
            gained: Vec::new(),
            lost: lost.clone(),
        };
        let told = words(&(0..150).map(event).collect::<Vec<_>>());
        assert_eq!(told, ["re-encrypted 150 secrets: - ci@d3d80f3823435e28 (a/0, a/1, a/2, …)"]);
        let lines = wrapped(&told[0], 40);
        assert!(lines.lines().all(|line| line.chars().count() <= 40), "{lines}");
        assert_eq!(words(&[event(1)]), ["re-encrypted a/1: - ci@d3d80f3823435e28"]);
    }
}
