//! `shell-hook prompt`: what a shell is to set and to put back, before each prompt.
//!
//! Where nothing has changed, that is a look for the env file and two calls of stat. Whatever goes wrong is told in one
//! line, once, and the prompt comes all the same: the shell remembers what it was told, until a file changes or it is in
//! another folder.

use crate::app::{App, Looking};
use crate::delivery;
use crate::exit::{Code, Failure, Outcome};
use crate::output;
use crate::setting::{Setting, home, pretty};
use agent_vault_core::digest::Digest;
use agent_vault_core::prompt::Nobody;
use agent_vault_core::{Error, FirstContact, Home, Result, SecretBytes, Vault};
use agent_vault_deliver::allowed::{self, Allowed, Decision};
use agent_vault_deliver::environment::{self, EnvFile, Sources};
use agent_vault_deliver::shell::{STATE, Shell, State, former, script};
use agent_vault_deliver::{Name, Values};
use std::path::Path;
use std::sync::Arc;

/// Prints what the shell evaluates, if there is anything to do.
pub fn run(app: &App, shell: Shell) -> Outcome {
    let home = Home::new(home()?);
    let word = std::env::var_os(STATE);
    // One that is none was made by somebody else.
    let state: Option<State> = word.as_ref().and_then(|word| word.to_str()?.parse().ok());
    // In a folder that was removed there is nothing to find.
    let file = std::env::current_dir().ok().and_then(|here| delivery::committed(&here));
    let Some(file) = file else {
        if word.is_some() {
            let state = state.unwrap_or_default();
            output::raw(&mut std::io::stdout(), script(shell, &state, None)?.expose())?;
            tell_names("as before", state.former.iter().map(|(name, _)| name));
        }
        return Ok(Code::Done);
    };
    let stamp = format!("{}-{}", stamp(&file), stamp(&allowed::place(&home, &file)));
    let path = file.as_os_str().as_encoded_bytes();
    if state.as_ref().is_some_and(|state| state.file == path && state.stamp == stamp) {
        return Ok(Code::Done);
    }
    let before = state.unwrap_or_default();
    let set = match load(app, &home, &file) {
        Ok(Loaded::Set(set)) => set,
        Ok(Loaded::Not(why)) => {
            why.into_iter().for_each(|why| output::note(&format!("agent-vault: {why}")));
            Vec::new()
        }
        Err(failure) => {
            let why = output::one_line(&reason(&failure));
            output::note(&format!("agent-vault: {} sets nothing: {why}", pretty(&file)));
            Vec::new()
        }
    };
    let names = || set.iter().map(|(name, _)| name);
    let former = former(names(), &before, now);
    let after = State { file: path.to_vec(), stamp, former };
    let text = script(shell, &before, Some((&after, &set)))?;
    output::raw(&mut std::io::stdout(), text.expose())?;
    let put_back = before.former.iter().map(|(name, _)| name).filter(|name| !names().any(|other| other == *name));
    tell_names("as before", put_back);
    tell_names("set", names());
    Ok(Code::Done)
}

/// What an env file sets, or why it does not; nothing where nobody is to be told.
enum Loaded {
    Set(Vec<(Name, SecretBytes)>),
    Not(Option<String>),
}

fn load(app: &App, home: &Home, file: &Path) -> Result<Loaded, Failure> {
    let shown = pretty(file);
    let not = |why: &str| Ok(Loaded::Not(Some(format!("{shown} {why}, then `agent-vault allow`"))));
    let bytes = delivery::read(file)?;
    let Allowed { digest, vault, profile } = match allowed::load(home, file)? {
        None => return not("is not allowed to set variables in your shells: read it"),
        Some(Decision::Denied) => return Ok(Loaded::Not(None)),
        Some(Decision::Allowed(allowed)) => allowed,
    };
    if Digest::of(&bytes) != digest {
        return not("has changed since it was allowed: read it");
    }
    let files = vec![EnvFile::parse(&shown, &bytes, true)?];
    let variables = environment::variables(&Sources { files, profile, ..Sources::default() })?;
    let mut setting = Setting::new(app)?;
    setting.dir = file.parent().unwrap_or(Path::new("/")).to_path_buf();
    // A question would stand where a command is to be typed.
    setting.context.prompt = Arc::new(Nobody);
    if setting.context.first_contact == FirstContact::Ask {
        setting.context.first_contact = FirstContact::Refuse;
    }
    let here = match Vault::open(&setting.dir, setting.context.clone(), None) {
        Ok(vault) => Some(vault.id()),
        Err(Error::VaultNotFound { .. } | Error::UnsignedVault { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if here != vault {
        return not("was allowed with another vault than the one that is here now: read it");
    }
    // Nor is the remote looked at. A shell is none of the programs that a secret may be meant for alone: what is set here
    // is what `env` prints.
    let looking = Looking { allow_old: false, fresh: false, offline: true };
    let wanted: Vec<_> = environment::wanted(&variables).collect();
    let values = match wanted.is_empty() {
        true => Values::default(),
        false => delivery::values(&setting, &looking, wanted)?,
    };
    let filled = environment::filled(&variables, &values)?;
    let named = |(name, value): (std::ffi::OsString, SecretBytes)| -> Result<_> {
        Ok((name.to_str().unwrap_or_default().parse()?, value))
    };
    Ok(Loaded::Set(filled.into_iter().map(named).collect::<Result<_>>()?))
}

/// What the environment holds. The shell exports it to us.
fn now(name: &Name) -> Option<SecretBytes> {
    std::env::var_os(name.as_str()).map(|value| SecretBytes::new(value.into_encoded_bytes()))
}

fn tell_names<'n>(what: &str, names: impl IntoIterator<Item = &'n Name>) {
    let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
    if !names.is_empty() {
        output::note(&format!("agent-vault: {what}: {}", names.join(", ")));
    }
}

/// The first reason, and how many more there are.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Vault(error) => error.to_string(),
        Failure::References(failures) => {
            let more = failures.iter().map(|failure| failure.of.len()).sum::<usize>().saturating_sub(1);
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            let first = failures.iter().find_map(|failure| Some((failure.of.first()?, &failure.error)));
            first.map(|((by, reference), error)| format!("{by}: {reference}: {error}{more}")).unwrap_or_default()
        }
        Failure::Output(source) | Failure::NotStarted { source, .. } => source.to_string(),
    }
}

/// How a file is found: as long as that stays, so does what is in it.
fn stamp(file: &Path) -> String {
    file.metadata().map_or_else(|_| "none".to_owned(), |metadata| system::stamp(&metadata))
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::MetadataExt;

    pub fn stamp(found: &std::fs::Metadata) -> String {
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        let [changed, changed_ns, made, made_ns] = times.map(|time| format!("{time:x}"));
        format!("{:x}.{:x}.{:x}.{changed}.{changed_ns}.{made}.{made_ns}", found.dev(), found.ino(), found.size())
    }
}

#[cfg(not(unix))]
mod system {
    pub fn stamp(found: &std::fs::Metadata) -> String {
        let changed = found.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        format!("{:x}.{:x}", found.len(), changed.unwrap_or_default().as_nanos())
    }
}
