//! Workflow commands, and the files that steps write.

use super::Texts;

/// The name and the data of a line that is a command.
pub fn command(line: &str) -> Option<(&str, String)> {
    let (command, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let name = command.split(' ').next().unwrap_or_default();
    Some((name, data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")))
}

/// A line with every mask in it replaced; what overlaps is one `***`.
pub fn masked(line: &str, masks: &[String]) -> String {
    let mut hidden = vec![false; line.len()];
    for mask in masks {
        for at in (0..line.len()).filter(|at| line.as_bytes()[*at..].starts_with(mask.as_bytes())) {
            hidden[at..at + mask.len()].fill(true);
        }
    }
    let mut out = Vec::new();
    for (at, byte) in line.bytes().enumerate() {
        match hidden[at] {
            false => out.push(byte),
            true if at == 0 || !hidden[at - 1] => out.extend_from_slice(b"***"),
            true => {}
        }
    }
    String::from_utf8(out).expect("masks are text")
}

/// What a file of `NAME=value` and `NAME<<DELIMITER` says, as the runner reads it.
///
/// # Errors
/// What the runner says, which holds the line that it did not understand.
pub fn assignments(text: &str) -> Result<Texts, String> {
    let mut found = Texts::new();
    let mut rest = text;
    while let Some(line) = next(&mut rest) {
        let (equals, heredoc) = (line.find('='), line.find("<<"));
        let (name, value) = match (equals, heredoc) {
            _ if line.is_empty() => continue,
            (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
                (&line[..equals], line[equals + 1..].to_owned())
            }
            (_, Some(heredoc)) => {
                let delimiter = &line[heredoc + 2..];
                let mut lines = Vec::new();
                loop {
                    match next(&mut rest) {
                        Some(line) if line == delimiter => break,
                        Some(line) => lines.push(line),
                        None => return Err(format!("Invalid value. Matching delimiter not found '{delimiter}'")),
                    }
                }
                (&line[..heredoc], lines.join("\n"))
            }
            _ => return Err(format!("Invalid format '{line}'")),
        };
        if name.is_empty() {
            return Err(format!("Invalid format '{line}'"));
        }
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// The next line, without its end, which is a newline and nothing else.
fn next<'t>(rest: &mut &'t str) -> Option<&'t str> {
    if rest.is_empty() {
        return None;
    }
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    *rest = after;
    Some(line)
}
