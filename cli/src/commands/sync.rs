//! `sync`

use super::Bar;
use crate::app::Sync;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::vault::{Asking, News, SyncOptions, Synced, Travel};
use agent_vault_core::{Error, Result};

/// So many names are told of each kind.
const NAMED: usize = 5;

/// Brings this working copy and its remote together, and says what came in and what went out.
pub fn run(setting: &Setting, args: &Sync) -> Outcome {
    let vault = setting.vault_to_look_at()?;
    let options =
        SyncOptions { pull: !args.push, push: !args.pull, branch: args.branch.clone(), rewritten: args.rewritten };
    let bar = Bar::new("verifying and encrypting");
    let asking = Asking {
        identities: &|| setting.identities(),
        travel: &|travel| allow(travel, args.yes),
        progress: &|done, all| bar.tick(done, all),
        telling: super::telling(),
    };
    let synced = vault.sync(&options, &asking);
    drop(bar);
    crate::setting::tell(&vault);
    let synced = synced?;
    if args.json.json {
        output::json(&serde_json::to_value(&synced).map_err(std::io::Error::from)?)?;
    } else {
        print(&synced)?;
    }
    warn(&synced);
    Ok(Code::Done)
}

/// Says what else would travel, and asks.
fn allow(travel: &Travel, yes: bool) -> Result<bool> {
    let told = |commits: &[(String, String)], verb: &str| {
        if commits.is_empty() {
            return;
        }
        let touch = if commits.len() == 1 { "touches" } else { "touch" };
        output::note(&format!("{} that {touch} other files would {verb}:", output::count(commits.len(), "commit")));
        for (id, summary) in commits.iter().take(NAMED) {
            output::note(&format!("  {} {}", super::short(id), output::one_line(summary)));
        }
        if commits.len() > NAMED {
            output::note(&format!("  and {} more", commits.len() - NAMED));
        }
    };
    told(&travel.incoming, "come in");
    told(&travel.outgoing, "go out");
    match super::confirm("Let them travel?", yes) {
        Ok(()) => Ok(true),
        Err(Error::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn print(synced: &Synced) -> std::io::Result<()> {
    let mut out = String::new();
    let whole = format!("{} ({})", synced.branch, output::one_line(&synced.url));
    if synced.came.is_empty() && synced.pushed == 0 && !synced.merged {
        out.push_str(&format!("up to date with {whole}\n"));
    } else {
        out.push_str(&format!("synced with {whole}\n"));
        section(&mut out, "in", &synced.came);
        section(&mut out, "out", &synced.went);
    }
    if synced.unpushed > 0 {
        out.push_str(&format!(
            "{} not pushed yet: `agent-vault sync` pushes\n",
            output::count(synced.unpushed, "commit")
        ));
    }
    output::print(&out)
}

/// What differs, a line for each kind.
fn section(out: &mut String, way: &str, news: &News) {
    for line in agent_vault_open::lines(news) {
        out.push_str(&format!("  {way:<4}{line}\n"));
    }
}

/// Choices that a merge made, and what is left to do.
fn warn(synced: &Synced) {
    for remark in &synced.remarks {
        output::warn(&agent_vault_open::remark(remark));
    }
    if synced.reencrypted > 0 {
        output::note(&format!(
            "{} encrypted anew for those who may read now",
            output::count(synced.reencrypted, "secret")
        ));
    }
    if synced.waiting > 0 {
        output::warn(&format!(
            "{} encrypted to other readers than policy names: an owner's `agent-vault sync` mends that",
            output::count(synced.waiting, "secret")
        ));
    }
}
