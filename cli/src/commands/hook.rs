//! `hook`

use super::findings::{Looking, how_to_excuse};
use crate::app::{Hook, HookCommand};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Setting, pretty};
use agent_vault_core::prompt::Nobody;
use agent_vault_core::{Error, FirstContact, Identities, Purpose, Result, SecretPath, Vault};
use agent_vault_hooks::fingerprints;
use agent_vault_hooks::install::{self, Installed, Removed};
use agent_vault_hooks::report::Excuses;
use agent_vault_hooks::source::{self, Repo};
use std::path::Path;
use std::sync::Arc;

/// Installs, removes, refreshes or is the hook.
pub fn run(setting: &Setting, args: &Hook) -> Outcome {
    match &args.command {
        HookCommand::Install => {
            install(&setting.dir)?;
            refresh_quietly(setting);
            Ok(Code::Done)
        }
        HookCommand::Uninstall => uninstall(setting),
        HookCommand::Refresh => {
            let identities = setting.identities()?;
            let vault = setting.vault(Some(&identities))?;
            tell_refreshed(&refresh(&vault, &identities)?);
            Ok(Code::Done)
        }
        HookCommand::PreCommit { json } => pre_commit(setting, json.json),
    }
}

/// Looks at what is staged.
fn pre_commit(setting: &Setting, as_json: bool) -> Outcome {
    // Git runs hooks where they belong; only a person says -C.
    let repo = if setting.dir == Path::new(".") { Repo::of_hook() } else { Repo::around(&setting.dir) };
    let looking = Looking::new(setting)?;
    let staged = source::staged(&repo)?;
    let found = repo.look(&staged, &looking.scanner)?;
    if found.is_empty() && !as_json {
        return Ok(Code::Done);
    }
    let git = repo.open()?;
    let excuses = Excuses::read(|name, limit| source::staged_file(&git, name, limit))?;
    let (found, excused) = excuses.part(found);
    let code = looking.tell(setting, &found, excused.len(), as_json)?;
    if !found.is_empty() {
        output::error(&format!("{} staged: the commit is blocked", output::count(found.len(), "secret")));
        output::hint("take it out of the file and `git add` it again; keep the value with `agent-vault set`");
        output::hint(&how_to_excuse(&found));
        output::hint("to commit once without looking: git commit --no-verify");
    }
    Ok(code)
}

/// Installs the hook of the repository around a folder, and says so.
pub fn install(dir: &Path) -> Result<()> {
    let git = Repo::around(dir).open()?;
    let program =
        std::env::current_exe().map_err(|source| Error::Io { action: "find", path: "this program".into(), source })?;
    let (target, done) = install::install(&git, &program)?;
    let place = pretty(&target.folder);
    match done {
        Installed::New { chained: false } => output::note(&format!("commit hook installed: {place}/pre-commit")),
        Installed::New { chained: true } => output::note(&format!(
            "commit hook installed: {place}/pre-commit; the hook that was there is kept and runs first"
        )),
        Installed::Replaced => output::note(&format!("commit hook updated: {place}/pre-commit")),
        Installed::AsItWas => output::note(&format!("commit hook is installed already: {place}/pre-commit")),
    }
    if target.shared {
        output::note("core.hooksPath is set for more than this repository: every one that uses it has the hook now");
    }
    Ok(())
}

fn uninstall(setting: &Setting) -> Outcome {
    let (target, done) = install::uninstall(&Repo::around(&setting.dir).open()?)?;
    let place = pretty(&target.folder);
    output::note(&match done {
        Removed::Gone { restored: false } => format!("commit hook removed: {place}/pre-commit"),
        Removed::Gone { restored: true } => {
            format!("commit hook removed; the one before it is back: {place}/pre-commit")
        }
        Removed::NotThere => format!("there is no hook of agent-vault in {place}"),
    });
    Ok(Code::Done)
}

/// What a refresh did.
struct Refreshed {
    known: usize,
    weak: usize,
    unread: usize,
}

/// Makes the fingerprints of every value that these identities can read.
fn refresh(vault: &Vault, identities: &Identities) -> Result<Refreshed> {
    let listing = vault.list(None)?;
    if let Some(broken) = listing.broken.into_iter().next() {
        return Err(broken);
    }
    let (mut values, mut unread) = (Vec::new(), Vec::new());
    for row in listing.rows {
        let path = SecretPath::parse(&row.name)?;
        match vault.get_for(&path, identities, Purpose::Recognise) {
            Ok(secret) => values.push(Ok((path, secret.value))),
            Err(Error::NotAuthorized { .. }) => unread.push(path),
            // Removed since it was listed.
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let all = values.len();
    let weak = fingerprints::refresh(&vault.context().home, vault.id(), values.into_iter(), &unread)?;
    crate::setting::tell(vault);
    Ok(Refreshed { known: all - weak, weak, unread: unread.len() })
}

fn tell_refreshed(done: &Refreshed) {
    let mut text = format!("the hook recognises {} of this vault", output::count(done.known, "value"));
    if done.weak > 0 {
        text.push_str(&format!("; {} too short or too easily guessed", done.weak));
    }
    if done.unread > 0 {
        text.push_str(&format!("; {} not yours to read", done.unread));
    }
    output::note(&text);
}

/// After an installation: refreshes if there is a vault and its key opens without a question.
fn refresh_quietly(setting: &Setting) {
    let mut context = setting.context.clone();
    context.prompt = Arc::new(Nobody);
    if context.first_contact == FirstContact::Ask {
        context.first_contact = FirstContact::Refuse;
    }
    let done = setting.identities_without_asking().and_then(|identities| {
        let vault = Vault::open(&setting.dir, context, Some(&identities))?;
        crate::setting::tell(&vault);
        refresh(&vault, &identities)
    });
    match done {
        Ok(done) => tell_refreshed(&done),
        Err(Error::VaultNotFound { .. }) => {}
        Err(Error::NoKey { .. } | Error::Locked { .. } | Error::NobodyToAsk { .. } | Error::Untrusted { .. }) => {
            output::note(
                "run `agent-vault hook refresh` with your key, so that the hook recognises the values of this vault, too",
            )
        }
        Err(error) => output::warn(&format!("the values of this vault are not known to the hook: {error}")),
    }
}
