//! How findings are told, for the hook and for `scan`.

use crate::exit::{Code, Outcome};
use crate::output::{self, Style};
use crate::setting::Setting;
use agent_vault_core::Result;
use agent_vault_hooks::finding::Marker;
use agent_vault_hooks::fingerprints::{self, Loaded};
use agent_vault_hooks::report::{Located, Scanner, secret_name};
use agent_vault_hooks::rules::{self, Rules};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many findings of one file are printed; `--json` prints all.
const MOST: usize = 50;

/// What looks, and whose values it knows.
pub struct Looking {
    /// Rules and fingerprints.
    pub scanner: Scanner,
    /// The vaults whose values are known.
    vaults: Vec<agent_vault_core::root::VaultId>,
}

impl Looking {
    /// Loads rules and fingerprints.
    pub fn new(setting: &Setting) -> Result<Self> {
        let Loaded { fingerprints, damaged, vaults } = fingerprints::load(&setting.context.home)?;
        if damaged > 0 {
            output::warn(&format!(
                "{} of known values cannot be used: those values are not recognised; run `agent-vault hook refresh` in their vaults",
                output::count(damaged, "fingerprint")
            ));
        }
        Ok(Self { scanner: Scanner { rules: Rules::new(), fingerprints }, vaults })
    }

    /// Tells what stands; the exit code says whether anything does.
    pub fn tell(&self, setting: &Setting, found: &[Located], excused: usize, as_json: bool) -> Outcome {
        let code = if found.is_empty() { Code::Done } else { Code::Findings };
        let secret = |located: &Located| {
            let tag = located.finding.secret?;
            secret_name(&setting.context.home, &self.vaults, &self.scanner.fingerprints, tag)
                .map(|name| name.to_string())
        };
        if as_json {
            let list: Vec<Value> = found.iter().map(|located| to_json(located, secret(located))).collect();
            output::json(&json!({"ok": found.is_empty(), "excused": excused, "findings": list}))?;
            return Ok(code);
        }
        let mut out = String::new();
        let mut in_file: BTreeMap<&_, usize> = BTreeMap::new();
        for located in found {
            let count = in_file.entry(&located.place).or_default();
            *count += 1;
            if *count <= MOST {
                line(&mut out, located, secret(located));
            }
        }
        for (place, count) in in_file.into_iter().filter(|(_, count)| *count > MOST) {
            let _ = writeln!(out, "{}: and {} more", output::one_line(&place.name()), count - MOST);
        }
        output::print(&out)?;
        Ok(code)
    }
}

/// `path:line:column: rule: what it is (what may be shown)`
fn line(out: &mut String, located: &Located, secret: Option<String>) {
    let Located { place, finding } = located;
    let coloured = output::stdout_coloured();
    let at = match finding.line {
        Some(line) => format!("{line}:{}", finding.column),
        None => format!("byte {}", finding.column),
    };
    let name = output::one_line(&place.name());
    let commit = place.commit.as_ref().map(|id| format!(" in {:.12}", id)).unwrap_or_default();
    let what = match secret {
        Some(name) => format!("{}, {name}", finding.what),
        None => finding.what.clone(),
    };
    let rule = Style::Red.paint(finding.rule, coloured);
    let _ = writeln!(
        out,
        "{}:{at}{commit}: {rule}: {what}: {}",
        Style::Bold.paint(&name, coloured),
        output::one_line(&finding.excerpt)
    );
    if let Marker::Useless(why) = finding.marker {
        let _ = writeln!(out, "  {}", Style::Dim.paint(why, coloured));
    }
}

fn to_json(located: &Located, secret: Option<String>) -> Value {
    let Located { place, finding } = located;
    json!({
        "path": place.path.as_ref().map(|_| place.name()),
        "commit": place.commit,
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule,
        "what": finding.what,
        "excerpt": finding.excerpt,
        "secret": secret,
        "note": match finding.marker { Marker::Useless(why) => Some(why), _ => None },
    })
}

/// How to excuse these findings, in one sentence.
pub fn how_to_excuse(found: &[Located]) -> String {
    let named = found.iter().map(|located| located.finding.rule).find(|rule| rules::must_be_named(rule));
    let (marker, rule) = match named {
        Some(rule) => (format!("agent-vault:allow({rule}) REASON"), rule),
        None => ("agent-vault:allow REASON".into(), found.first().map_or("RULE", |located| located.finding.rule)),
    };
    format!(
        "a false alarm is excused by `{marker}` on its line, or in .agent-vault-allow.yaml with path, rule ({rule}) and reason"
    )
}
