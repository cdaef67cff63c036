//! What git says, made fit for a message: one line, no control characters, no credentials. The other side has written a
//! part of it.

use super::Sink;
use super::program::{Ended, FAILED};
use crate::error::is_printable;
use std::borrow::Cow;

/// So many characters of a reason are told.
const LONGEST: usize = 400;
/// So many lines of it, the last ones.
const LAST: usize = 4;

/// An address without user, password, query and fragment, fit for a terminal: for messages, and to know it again.
pub(super) fn without_credentials(url: &str) -> String {
    let url: Cow<'_, str> = match url.split_once("://") {
        Some((_, rest)) => {
            let end = rest.find(['?', '#']).map_or(url.len(), |at| url.len() - rest.len() + at);
            strip(&url[..end], |_| false).into()
        }
        // `user@host:path`, as scp takes it; a slash before the colon makes it a path.
        None => match (url.find('@'), url.find(':')) {
            (Some(at), Some(colon)) if at < colon && !url[..colon].contains('/') => url[at + 1..].into(),
            _ => url.into(),
        },
    };
    clean(&url)
}

/// Why a call failed: the last that was said up to the first `fatal:`, without advice and progress.
pub(super) fn reason(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let mut told = Vec::new();
    for line in lines(&text) {
        let is_advice = ["hint:", "warning:", "error: failed to push some refs"]
            .iter()
            .any(|start| line.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start)));
        if is_advice || line.ends_with(", done.") {
            continue;
        }
        told.push(line.trim_start_matches("fatal: ").trim_start_matches("error: "));
        if line.starts_with("fatal: ") {
            break;
        }
    }
    // The verdict comes last, after whatever the other side had to say.
    short(&told[told.len().saturating_sub(LAST)..].join("; "))
}

/// What a refusing remote gives as its reason, and what its hooks said. Without a reason it was the hook at this end.
pub(super) fn refused(given: &str, said: &[u8]) -> String {
    if given.is_empty() {
        let said = reason(said);
        return if said.is_empty() { "the pre-push hook failed".into() } else { said };
    }
    let text = String::from_utf8_lossy(said);
    let remote = lines(&text).filter_map(|line| line.strip_prefix("remote:")).map(str::trim);
    let remote: Vec<&str> = remote.filter(|line| !line.is_empty() && !line.ends_with(", done.")).collect();
    short(&if remote.is_empty() { given.to_owned() } else { format!("{given}: {}", remote.join("; ")) })
}

/// Whether git found everything in order but the branch. It has no other word for that than this one.
pub(super) fn lacks_branch(said: &[u8], branch: &str) -> bool {
    let verdict = format!("fatal: couldn't find remote ref {branch}");
    lines(&String::from_utf8_lossy(said)).any(|line| line == verdict)
}

/// Why a branch was not updated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal<'o> {
    /// It is not where we took it to be.
    TooLate,
    /// The remote said why.
    ByRemote(&'o str),
    /// The user's pre-push hook, which says why in words of its own, if at all.
    ByHookHere,
}

/// The words of remotes for a branch that another push holds or has moved meanwhile: Git's, of two ages, and JGit's.
const RACES: [&str; 8] = [
    "failed to update ref",
    "cannot lock ref",
    "incorrect old value provided",
    "reference already exists",
    "non-fast-forward",
    "fetch first",
    "failed to lock",
    "lock failure",
];

/// Reads the branch's line of `push --porcelain`: `<flag> TAB <from>:<to> TAB <summary> (<reason>)`. `None` when nobody
/// refused: the connection was not made, or ended before the answer (then the line may even say that all is well).
pub(super) fn refusal<'o>(ended: &'o Ended, branch: &str) -> Option<Refusal<'o>> {
    // A hook at this end stands before the first word of the report, and lets git fail, not give up.
    if ended.out.is_empty() && ended.status.code() == Some(FAILED) {
        let text = String::from_utf8_lossy(&ended.said);
        let gave_up = lines(&text).any(|line| line.starts_with("fatal: ") || line.starts_with("send-pack: "));
        return (!gave_up).then_some(Refusal::ByHookHere);
    }
    let to = format!(":{branch}");
    let mut lines = ended.out.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let summary = lines.find_map(|line| {
        let (names, summary) = line.strip_prefix("!\t")?.split_once('\t')?;
        names.ends_with(&to).then_some(summary)
    })?;
    let (summary, reason) = summary.split_once(" (").unwrap_or((summary, ""));
    let reason = reason.strip_suffix(')').unwrap_or(reason);
    match summary {
        "[remote rejected]" if RACES.iter().any(|race| reason.to_ascii_lowercase().contains(race)) => {
            Some(Refusal::TooLate)
        }
        "[remote rejected]" => Some(Refusal::ByRemote(if reason.is_empty() { "refused" } else { reason })),
        "[rejected]" => Some(Refusal::TooLate),
        // [remote failure]: it did not say.
        _ => None,
    }
}

/// Hands on progress as it comes. What belongs to the verdict is left for the error that will tell it.
pub(super) struct Relay {
    sink: Sink,
    line: Vec<u8>,
}

impl Relay {
    pub fn new(sink: Sink) -> Self {
        Self { sink, line: Vec::new() }
    }

    /// Takes the next bytes; lines are handed on when they are whole.
    pub fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') || self.line.len() == 4096 {
                self.hand_on(if byte == b'\r' { '\r' } else { '\n' });
            }
            if !matches!(byte, b'\n' | b'\r') {
                self.line.push(byte);
            }
        }
    }

    fn hand_on(&mut self, end: char) {
        let line = String::from_utf8_lossy(&self.line);
        let is_verdict = ["fatal:", "error:", "hint:"].iter().any(|start| line.starts_with(start));
        if !line.trim().is_empty() && !is_verdict {
            (self.sink)(&format!("{}{end}", clean(&strip(&line, ends_word))));
        }
        self.line.clear();
    }
}

/// The lines that remain to be seen on a terminal, without what a carriage return replaces.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let seen = text.split('\n').map(|line| line.trim_end().rsplit('\r').next().unwrap_or_default());
    seen.map(str::trim_end).filter(|line| !line.is_empty())
}

fn short(text: &str) -> String {
    let text = clean(&strip(text, ends_word));
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { '?' }).collect()
}

/// Where an address ends within a sentence.
fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '<' | '>')
}

/// Takes user and password out of every `scheme://user:password@host`.
fn strip(text: &str, ends: impl Fn(char) -> bool) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let word = &after[..after.find(&ends).unwrap_or(after.len())];
        let authority = &word[..word.find(['/', '?', '#']).unwrap_or(word.len())];
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let whole_host = authority.rsplit_once(':').is_none_or(|(_, port)| is_port(port)) || authority.ends_with(']');
        // What is no port behind a colon is the beginning of a password that nobody encoded.
        let secret = if authority.contains('@') || whole_host { authority } else { word };
        kept.push_str(before);
        kept.push_str("://");
        rest = &after[secret.rfind('@').map_or(0, |at| at + 1)..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_credentials() {
        for (url, told) in [
            ("https://host/a.git", "https://host/a.git"),
            ("https://ann@host:8443/a@v1", "https://host:8443/a@v1"),
            ("https://ann:pass@word@host/a", "https://host/a"),
            ("https://ann:to/ken@host/a", "https://host/a"),
            ("https://host/a?private_token=x#y", "https://host/a"),
            ("ssh://git@[::1]:22/a", "ssh://[::1]:22/a"),
            ("git@host:a/b@c", "host:a/b@c"),
            ("/srv/a@b:c", "/srv/a@b:c"),
            ("file:///srv/a", "file:///srv/a"),
            ("https://host/\u{1b}[2J\n", "https://host/?[2J?"),
        ] {
            assert_eq!(without_credentials(url), told, "{url}");
        }
    }

    #[test]
    fn a_reason_is_one_short_line_without_credentials_or_control_characters() {
        let said = b"Warning: Permanently added\nremote: x\x1b[31m\r\nCounting\rgit@host: Permission denied.\n\
            fatal: unable to access 'https://ann:pw@host/a b': no\n\nPlease make sure\n";
        assert_eq!(
            reason(said),
            "remote: x?[31m; git@host: Permission denied.; unable to access 'https://host/a b': no"
        );
        assert_eq!(reason(&b"x".repeat(5000)).chars().count(), LONGEST + 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_porcelain_line_tells_a_race_from_a_refusal() {
        use std::os::unix::process::ExitStatusExt;
        let told = |code: i32, out: &str, said: &str| {
            let status = std::process::ExitStatus::from_raw(code << 8);
            let ended = Ended { status, out: out.into(), said: said.into() };
            refusal(&ended, "refs/heads/main").map(|refusal| format!("{refusal:?}"))
        };
        let line = |summary: &str| told(1, &format!("To url\n!\t0a:refs/heads/main\t{summary}\nDone\n"), "");
        assert_eq!(line("[rejected] (fetch first)").unwrap(), "TooLate");
        assert_eq!(line("[remote rejected] (cannot lock ref 'x': is at 1)").unwrap(), "TooLate");
        assert_eq!(line("[remote rejected] (hook (a) declined)").unwrap(), "ByRemote(\"hook (a) declined\")");
        assert_eq!(line("[remote failure] (remote failed to report status)"), None);
        assert_eq!(told(1, "!\t0a:refs/heads/other\t[rejected] (x)\n", ""), None);
        assert_eq!(told(1, "To url\n \t0a:refs/heads/main\t0..1\n", "send-pack: unexpected disconnect"), None);
        assert_eq!(told(1, "", "no\nerror: failed to push some refs to 'x'").unwrap(), "ByHookHere");
        assert_eq!(told(1, "", "fatal: the remote end hung up unexpectedly"), None);
        assert_eq!(told(128, "", "fatal: no"), None);
    }

    #[test]
    fn what_a_hook_says_cannot_begin_a_line_of_its_own() {
        let said = b"remote: Counting, done.\nremote: no: \x1b]0;x\x07 \rhint: y\nremote: \nremote: see policy   \n";
        let told = refused("pre-receive hook declined", said);
        assert_eq!(told, "pre-receive hook declined: see policy");
    }

    #[test]
    fn progress_comes_line_by_line_and_clean() {
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = std::sync::Arc::clone(&heard);
        let mut relay = Relay::new(std::sync::Arc::new(move |line| sink.lock().unwrap().push(line.to_owned())));
        relay.pass(b"Receiving: 1%\rReceiv");
        relay.pass(b"ing: 2%\rFrom https://u:p@h/\x1b[2J\nfatal: held back\nhint: so is this\n");
        assert_eq!(*heard.lock().unwrap(), ["Receiving: 1%\r", "Receiving: 2%\r", "From https://h/?[2J\n"]);
    }
}
