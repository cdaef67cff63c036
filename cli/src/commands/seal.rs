//! `seal`, `open` and `reseal`

use crate::app::{Open, Reseal, Seal};
use crate::exit::{Code, Outcome};
use crate::output::{self, count};
use crate::replacing::Prepared;
use crate::setting::{Setting, tell};
use crate::terminal::Terminal;
use agent_vault_core::error::printable;
use agent_vault_core::seal::Sealed;
use agent_vault_core::vault::{Opened, Sealer};
use agent_vault_core::{Error, Identities, Result, SecretBytes, Vault, home};
use agent_vault_deliver::seal;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// The most bytes that a file with sealed values may have.
const MAX_FILE: u64 = 64 << 20;

/// Prints a sealed value; an owner's is signed.
pub fn seal(setting: &Setting, args: &Seal) -> Outcome {
    let identities = if args.unsigned { None } else { setting.identities_if_any()? };
    let vault = setting.vault(identities.as_ref())?;
    let owner = match identities.as_ref().map(|identities| vault.unlock(identities)) {
        None | Some(Err(Error::NotOwner { .. })) => None,
        Some(owner) => Some(owner?),
    };
    let mut value = value(args)?;
    if args.trim {
        value.trim_newline();
    }
    let sealed = vault.seal(&args.group, value, owner.as_ref());
    tell(&vault);
    output::print(&format!("{}\n", sealed?))?;
    match owner {
        Some(owner) => output::note(&format!("sealed for group {}, signed by {}", args.group, owner.name())),
        None => output::note(&format!("sealed for group {}, signed by nobody", args.group)),
    }
    Ok(Code::Done)
}

fn value(args: &Seal) -> Result<SecretBytes> {
    let io = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { action, path, source }
    };
    match &args.from_file {
        Some(file) => {
            let opened = File::open(file).map_err(io("open", file))?;
            super::set::read(opened).map_err(io("read", file))
        }
        None if std::io::stdin().is_terminal() => {
            Terminal::new_secret(&format!("Value for group {}", args.group), "pipe the value, or use --from-file FILE")
        }
        None => super::set::read(std::io::stdin().lock()).map_err(io("read", Path::new("standard input"))),
    }
}

/// Writes a value, byte for byte; a newline follows on a terminal only.
pub fn open(setting: &Setting, args: &Open) -> Outcome {
    let sealed: Sealed = given(args)?.trim().parse()?;
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    let opened = vault.unseal(&sealed, &identities);
    tell(&vault);
    let Opened { value, sealer } = opened?;
    let doubt = match &sealer {
        Sealer::Owner(_) => None,
        Sealer::Stranger(fingerprint) => {
            Some(format!("it is signed by {fingerprint}, which is no owner's key (any more)"))
        }
        Sealer::Nobody => Some("nobody signed it: whoever knows the readers' public keys can have made it".to_owned()),
    };
    match doubt {
        Some(doubt) if args.signed => {
            return Err(Error::Refused { what: format!("opening it with --signed: {doubt}") }.into());
        }
        Some(doubt) => output::warn(&doubt),
        None => {}
    }
    match &args.output {
        Some(file) => home::create_private(file, value.expose())?,
        None => {
            let mut out = std::io::stdout();
            output::raw(&mut out, value.expose())?;
            if out.is_terminal() {
                output::raw(&mut out, b"\n")?;
            }
        }
    }
    Ok(Code::Done)
}

fn given(args: &Open) -> Result<String> {
    if let Some(sealed) = &args.sealed {
        return Ok(sealed.clone());
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_FILE).read_to_string(&mut text);
    read.map_err(|source| Error::Io { action: "read", path: "standard input".into(), source })?;
    Ok(text)
}

/// What becomes of one file.
struct Plan {
    file: PathBuf,
    text: Vec<u8>,
    values: usize,
    changed: usize,
}

/// Seals what stands in files anew for those who may read it now: first all of it, then every new file is written beside
/// the old one, and only when all are there do they take their places.
pub fn reseal(setting: &Setting, args: &Reseal) -> Outcome {
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    let mut lost = BTreeSet::new();
    let plans: Result<Vec<Plan>> = args.files.iter().map(|file| plan(&vault, &identities, file, &mut lost)).collect();
    tell(&vault);
    let plans = plans?;
    if !args.dry_run {
        let changed = plans.iter().filter(|plan| plan.changed > 0);
        let prepared = changed.map(|plan| Prepared::new(&plan.file, &plan.text)).collect::<Result<Vec<_>>>()?;
        prepared.into_iter().try_for_each(Prepared::put)?;
    }
    if args.json.json {
        let files: Vec<_> = plans
            .iter()
            .map(|plan| json!({ "file": plan.file.display().to_string(), "values": plan.values, "resealed": plan.changed }))
            .collect();
        output::json(&json!({ "dry_run": args.dry_run, "files": files, "lost": lost }))?;
        return Ok(Code::Done);
    }
    let verb = if args.dry_run { "would reseal" } else { "resealed" };
    for Plan { file, values, changed, .. } in &plans {
        output::note(&format!(
            "{verb} {changed} of {} in {}",
            count(*values, "value"),
            printable(&file.display().to_string())
        ));
    }
    if !lost.is_empty() {
        let keys: Vec<String> = lost.into_iter().collect();
        output::warn(&format!(
            "{} could open some of these values until now, and opens former versions of the files for ever: replace the values at their source",
            keys.join(", ")
        ));
    }
    Ok(Code::Done)
}

fn plan(vault: &Vault, identities: &Identities, file: &Path, lost: &mut BTreeSet<String>) -> Result<Plan> {
    let mut text = Vec::new();
    let read = File::open(file).and_then(|opened| opened.take(MAX_FILE + 1).read_to_end(&mut text));
    read.map_err(Error::io("read", file))?;
    if text.len() as u64 > MAX_FILE {
        return Err(Error::corrupt(file, "it has more than 64 MiB"));
    }
    let found = seal::find(&text, &printable(&file.display().to_string()))?;
    let (values, mut replacements) = (found.len(), Vec::new());
    for (range, sealed) in found {
        let line = 1 + text[..range.start].iter().filter(|byte| **byte == b'\n').count();
        let place = || output::note(&format!("{}, line {line}:", printable(&file.display().to_string())));
        if let Some(resealed) = vault.reseal(&sealed, identities).inspect_err(|_| place())? {
            lost.extend(resealed.loses.iter().map(ToString::to_string));
            replacements.push((range, resealed.sealed.to_string()));
        }
    }
    let changed = replacements.len();
    Ok(Plan { file: file.to_path_buf(), text: seal::replaced(&text, &replacements), values, changed })
}
