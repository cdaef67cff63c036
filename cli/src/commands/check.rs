//! `check`

use crate::app::Check;
use crate::exit::{Code, Outcome};
use crate::output::{self, Style};
use crate::setting::{Found, Setting};
use agent_vault_core::check::{self, Finding, Severity};
use agent_vault_core::{Error, OldVault, Result};
use serde_json::json;
use std::fmt::Write;

/// Says what is wrong and what to do.
pub fn run(setting: &Setting, args: &Check) -> Outcome {
    let findings = match setting.any_vault_to_look_at()? {
        Found::Signed(vault) => {
            let findings = check::check(&vault, args.within)?;
            crate::setting::tell(&vault);
            findings
        }
        Found::Old(old) => {
            return match finished(setting, &old)? {
                true => run(setting, args),
                false => told(&old.check(args.within)?, args),
            };
        }
    };
    told(&findings, args)
}

/// Finishes an upgrade that was interrupted; whether there was one.
fn finished(setting: &Setting, old: &OldVault) -> Result<bool, Error> {
    // Where there is nothing to finish, a repository that cannot be opened is no reason not to look.
    let half = old.is_half_upgraded();
    let finished = match old.finish_upgrade() {
        Err(error) if half => return Err(error),
        done => done.unwrap_or(false),
    };
    if finished {
        output::note(&format!("finished an interrupted upgrade of {}", crate::setting::pretty(&setting.dir)));
    }
    Ok(finished)
}

/// Tells what was found; errors among it are a code of their own.
pub(super) fn told(findings: &[Finding], args: &Check) -> Outcome {
    let ok = findings.iter().all(|finding| finding.severity != Severity::Error);
    let code = if ok { Code::Done } else { Code::Findings };
    if args.json.json {
        output::json(&json!({"ok": ok, "findings": findings}))?;
        return Ok(code);
    }
    output::print(&lines(findings, output::stdout_coloured()))?;
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let summary = format!(
        "{}, {}",
        output::count(count(Severity::Error), "error"),
        output::count(count(Severity::Warning), "warning")
    );
    output::note(&if findings.is_empty() { "nothing to report".to_owned() } else { summary });
    Ok(code)
}

/// Two lines for each finding: what is so, and what to do.
pub(super) fn lines(findings: &[Finding], coloured: bool) -> String {
    let mut out = String::new();
    for finding in findings {
        let (word, style) = match finding.severity {
            Severity::Error => ("error", Style::Red),
            Severity::Warning => ("warning", Style::Magenta),
            Severity::Info => ("info", Style::Dim),
        };
        let word = style.paint(word, coloured);
        let (subject, message) = (output::one_line(&finding.subject), output::one_line(&finding.message));
        // An error of a file begins with the file.
        let what = if message.starts_with(&subject) { message } else { format!("{subject}: {message}") };
        let _ = writeln!(
            out,
            "{word} [{}] {what}\n  {}",
            finding.code,
            Style::Dim.paint(&output::one_line(&finding.remedy), coloured)
        );
    }
    out
}
