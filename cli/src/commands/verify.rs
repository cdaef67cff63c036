//! `verify`

use super::{Bar, short};
use crate::app::Verify;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::history::{Beginning, History, Violation};
use agent_vault_core::vault::Counts;
use agent_vault_core::{Error, Result, Vault};
use serde_json::json;

/// How many files that no vault has are named.
const NAMED: usize = 5;

/// Verifies everything and counts; with `--history`, every commit too.
pub fn run(setting: &Setting, args: &Verify) -> Outcome {
    let vault = setting.vault_to_look_at()?;
    let counts = vault.verify();
    crate::setting::tell(&vault);
    // What is wrong now may have come in with a commit: the history is asked all the same, and can name it.
    let history = (args.history || args.against.is_some()).then(|| prove(&vault, args)).transpose()?;
    let wrong = history.as_ref().and_then(|history| Some(error(&vault, history.first_violation()?, history)));
    if args.json.json {
        print_json(&vault, counts.as_ref().ok(), history.as_ref())?;
    } else if let Ok(counts) = &counts {
        print_counts(&vault, counts)?;
    }
    if let Some(history) = &history {
        if !args.json.json && wrong.is_none() {
            output::print(&proven(history))?;
        }
        tell(history);
    }
    match wrong {
        Some(wrong) => Err(wrong.into()),
        None => Ok(counts.map(|_| Code::Done)?),
    }
}

fn prove(vault: &Vault, args: &Verify) -> Result<History> {
    let bar = Bar::new("verifying commits");
    if let Some(reference) = &args.against {
        return vault.verify_against(reference, &|done, all| bar.tick(done, all));
    }
    vault.verify_history(args.since.as_deref(), &|done, all| bar.tick(done, all))
}

/// Nothing where there is nothing to print: without `--history`, what is wrong is an error and no result.
fn print_json(vault: &Vault, counts: Option<&Counts>, history: Option<&History>) -> std::io::Result<()> {
    if counts.is_none() && history.is_none() {
        return Ok(());
    }
    output::json(&json!({
        "ok": counts.is_some() && history.is_none_or(|history| history.violations.is_empty()),
        "vault": vault.id(),
        "owner_fingerprint": super::fingerprint(vault),
        "roots": counts.map(|counts| counts.roots),
        "signatures": counts.map(|counts| counts.signatures),
        "digests": counts.map(|counts| counts.digests),
        "recipient_sets": counts.map(|counts| counts.recipient_sets),
        "history": history,
    }))
}

fn print_counts(vault: &Vault, counts: &Counts) -> std::io::Result<()> {
    output::print(&format!(
        "verified: {}, {}, {}, {} ({})\n",
        output::count(counts.roots as usize, "root"),
        output::count(counts.signatures, "signature"),
        output::count(counts.digests, "digest"),
        output::count(counts.recipient_sets, "recipient set"),
        owners(vault),
    ))
}

/// Who could have signed what was verified.
fn owners(vault: &Vault) -> String {
    let pin = vault.pin();
    match pin.owners.as_slice() {
        [_] if pin.root == 1 => format!("owner {}", pin.fingerprint()),
        owners => {
            let names: Vec<&str> = owners.iter().map(|owner| owner.name.as_str()).collect();
            let noun = if names.len() == 1 { "owner" } else { "owners" };
            format!("{noun} {}; first signed by {}", names.join(", "), pin.fingerprint())
        }
    }
}

/// What is proven, and from where on.
fn proven(history: &History) -> String {
    let merges = match history.merges {
        0 => String::new(),
        merges => format!(", {} without a signature that lose nothing", output::count(merges, "merge")),
    };
    let from = match &history.begins {
        Beginning::Creation(commit) => format!("from its first commit {} on", short(commit)),
        Beginning::Shallow(commits) => format!("from {} on, where this shallow clone ends", list(commits)),
        Beginning::Given(commit) => format!("from {} on, whose state is taken as it is", short(commit)),
        Beginning::Nowhere => "(no commit made this vault)".into(),
    };
    format!(
        "history: nothing went back {from}: {}, {} of the vault ({} signed by an owner{merges}), {}\n",
        output::count(history.commits, "commit"),
        output::count(history.changes - history.unsigned_before, "change"),
        history.signed,
        output::count(history.documents, "document"),
    )
}

/// What is no violation, and should be known.
fn tell(history: &History) {
    if history.unsigned_before > 0 {
        output::note(&format!(
            "{} changed the vault before its first root: unsigned, so nothing is known of them",
            output::count(history.unsigned_before, "commit")
        ));
    }
    if let Beginning::Shallow(_) = history.begins {
        output::warn(
            "this clone is shallow: what was before its first commits is not proven (`git fetch --unshallow`)",
        );
    }
    for stranger in history.strangers.iter().take(NAMED) {
        output::warn(&format!(
            "commit {} brought {}, which is no file of a vault",
            short(&stranger.commit),
            stranger.path
        ));
    }
    if history.strangers.len() > NAMED {
        output::warn(&format!("and {} more", output::count(history.strangers.len() - NAMED, "such file")));
    }
}

fn error(vault: &Vault, violation: &Violation, history: &History) -> Error {
    let all = history.violations.len();
    let file = violation.path.as_ref().map_or_else(|| vault.dir().to_path_buf(), |path| vault.dir().join(path));
    let more = if all > 1 {
        format!(" (and {}; --json has all)", output::count(all - 1, "more violation"))
    } else {
        String::new()
    };
    Error::Tampered { file, reason: format!("in commit {}: {}{more}", violation.commit, violation.reason) }
}

fn list(commits: &[String]) -> String {
    match commits {
        [one] => short(one).to_owned(),
        many => format!("{} commits", many.len()),
    }
}
