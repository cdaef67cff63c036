//! `export`

use crate::app::{Export, ExportFormat};
use crate::exit::{Code, Outcome};
use crate::output::{self, count};
use crate::setting::{Setting, tell};
use agent_vault_core::error::printable;
use agent_vault_core::name::matches;
use agent_vault_core::{Error, Identities, Result, SecretBytes, SecretPath, Timestamp, Vault, home};
use agent_vault_deliver::export::{self, Form, Object, Writing};
use std::io::IsTerminal;

/// Writes all that was chosen, or nothing.
pub fn run(setting: &Setting, args: &Export) -> Outcome {
    let form = form(args)?;
    if args.output.is_none() && !args.force {
        check_stdout()?;
    }
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    if !args.offline {
        setting.freshen(&vault, args.fresh)?;
    }
    let chosen = choose(&vault, args);
    let read = chosen.and_then(|paths| read(&vault, &identities, &paths, (setting.context.clock)()));
    tell(&vault);
    let secrets = read?;
    let writing = Writing { prefix: args.prefix.clone(), base64: args.base64 };
    let text = export::render(&form, &secrets, &writing)?;
    match &args.output {
        Some(file) if args.force => home::replace_private(file, text.expose(), true)?,
        Some(file) => home::create_private(file, text.expose())?,
        None => output::raw(&mut std::io::stdout(), text.expose())?,
    }
    if let Some(file) = &args.output {
        output::note(&format!("wrote {} to {}, in the clear", count(secrets.len(), "secret"), file.display()));
    }
    Ok(Code::Done)
}

fn form(args: &Export) -> Result<Form> {
    let wrong = |option: &str| Error::Usage {
        message: format!("{option} does not go with this format"),
        hint: "see `agent-vault export --help`".into(),
    };
    let nested = matches!(args.format, ExportFormat::Json | ExportFormat::Yaml);
    if args.flat && !nested {
        return Err(wrong("--flat"));
    }
    let named = args.name.is_some() || args.namespace.is_some();
    if named && args.format != ExportFormat::Kubernetes {
        return Err(wrong("--name or --namespace"));
    }
    Ok(match args.format {
        ExportFormat::Dotenv => Form::Dotenv,
        ExportFormat::Json => Form::Json { flat: args.flat },
        ExportFormat::Yaml => Form::Yaml { flat: args.flat },
        ExportFormat::Kubernetes => {
            Form::Kubernetes(Object::new(args.name.as_deref().unwrap_or_default(), args.namespace.as_deref())?)
        }
    })
}

/// Refuses to show values to whoever looks at the screen, or can read the file.
fn check_stdout() -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::Usage {
            message: format!("standard output is {why}: nothing was written"),
            hint: "write to a private file with -o FILE, or pipe it; --force writes all the same".into(),
        })
    };
    if std::io::stdout().is_terminal() {
        return refuse("a terminal");
    }
    #[cfg(unix)]
    {
        use rustix::fs::FileType;
        let stat = rustix::fs::fstat(std::io::stdout());
        let open = |stat: &rustix::fs::Stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_mode & 0o077 != 0
        };
        if stat.as_ref().is_ok_and(open) {
            return refuse("a file that others can read");
        }
    }
    Ok(())
}

/// The secrets that were asked for, each once.
fn choose(vault: &Vault, args: &Export) -> Result<Vec<SecretPath>> {
    let wild = args.paths.iter().any(|path| path.contains('*'));
    let mut chosen = if args.all || args.group.is_some() || wild {
        let listing = vault.list(args.group.as_ref())?;
        if let Some(broken) = listing.broken.into_iter().next() {
            return Err(broken);
        }
        let (withheld, rows): (Vec<_>, Vec<_>) = listing.rows.into_iter().partition(|row| row.use_only);
        let withheld: Vec<String> =
            withheld.into_iter().map(|row| row.name).filter(|name| is_wide(args, name)).collect();
        if !withheld.is_empty() {
            output::warn(&format!("not exported, because use-only: {}", withheld.join(", ")));
        }
        let rows = rows.into_iter();
        let all = rows.map(|row| row.name.parse()).collect::<Result<Vec<SecretPath>>>()?;
        pick(all, args)?
    } else {
        args.paths.iter().map(|path| path.parse()).collect::<Result<Vec<SecretPath>>>()?
    };
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

/// Whether it is chosen, and not by its own name.
fn is_wide(args: &Export, name: &str) -> bool {
    let mut patterns = args.paths.iter().filter(|path| path.contains('*'));
    args.all || args.group.is_some() || patterns.any(|pattern| matches(pattern, name))
}

/// Of all secrets those that patterns name; a pattern that names none is mistyped.
fn pick(all: Vec<SecretPath>, args: &Export) -> Result<Vec<SecretPath>> {
    if args.all || args.group.is_some() {
        let what = args.group.as_ref().map_or("the vault".into(), |group| format!("group {group}"));
        return if all.is_empty() { Err(nothing(&what)) } else { Ok(all) };
    }
    let mut chosen = Vec::new();
    for pattern in &args.paths {
        if !pattern.contains('*') {
            chosen.push(pattern.parse()?);
            continue;
        }
        let before = chosen.len();
        chosen.extend(all.iter().filter(|path| matches(pattern, path.as_str())).cloned());
        if chosen.len() == before {
            return Err(nothing(&format!("{:?}", printable(pattern))));
        }
    }
    Ok(chosen)
}

fn nothing(what: &str) -> Error {
    Error::Conflict { message: format!("there are no secrets in {what}"), hint: "see `agent-vault list`".into() }
}

fn read(
    vault: &Vault,
    identities: &Identities,
    paths: &[SecretPath],
    now: Timestamp,
) -> Result<Vec<(SecretPath, SecretBytes)>> {
    let mut secrets = Vec::with_capacity(paths.len());
    for path in paths {
        let secret = vault.get(path, identities)?;
        if let Some(expires) = secret.metadata.expires.filter(|expires| *expires <= now) {
            output::warn(&format!("{path} expired at {expires}"));
        }
        secrets.push((path.clone(), secret.value));
    }
    Ok(secrets)
}
