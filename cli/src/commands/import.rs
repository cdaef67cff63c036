//! `import`

use super::{Bar, pushing, recognise, short};
use crate::app::{Import, SourceFormat};
use crate::exit::{Code, Outcome};
use crate::output::{self, count};
use crate::setting::{Setting, tell};
use agent_vault_core::error::printable;
use agent_vault_core::{Error, Identities, Result, SecretBytes, SecretPath};
use agent_vault_deliver::import::names::Naming;
use agent_vault_deliver::import::plan::{Action, Existing, Item, Plan};
use agent_vault_deliver::import::store::Store;
use agent_vault_deliver::import::tree::Lists;
use agent_vault_deliver::import::{self, Content, Entry, Format};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The most bytes that a file may have.
const MAX_SOURCE: u64 = 256 << 20;
/// How many lines of a refused plan are told.
const TOLD: usize = 20;

/// Plans, tells, and stores everything or nothing.
pub fn run(setting: &Setting, args: &Import) -> Outcome {
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    let owner = vault.unlock(&identities)?;
    let source = Source::of(args)?;
    let mut entries = source.entries(setting, args)?;
    entries.iter_mut().for_each(|entry| shorten(entry, args));
    let named = naming(args).name(entries)?;
    let plan = Plan::new(&vault, &identities, named, existing(args))?;
    let (items, refusal) = (plan.items().iter().map(told).collect::<Vec<_>>(), plan.refusal());
    let counts = ["create", "change", "unchanged", "keep"].map(|word| plan.count(word));
    let values = if args.dry_run || refusal.is_some() { Vec::new() } else { copied(plan.items()) };
    if let Some(refusal) = refusal {
        if args.json.json {
            output::json(&report(&source, args, &items, None))?;
        } else {
            tell_refused(plan.items());
        }
        return Err(refusal.into());
    }
    let lines = if args.dry_run { plan.items().iter().map(line).collect() } else { String::new() };
    let message = format!("import {} from {}", count(counts[0] + counts[1], "secret"), source.name());
    let bar = Bar::new("encrypting");
    let done = plan.apply(&owner, args.group.as_ref(), &message, args.dry_run, &|done, all| bar.tick(done, all));
    drop(bar);
    tell(&vault);
    let commit = done?.into_iter().find_map(|outcome| outcome.commit);
    if args.json.json {
        output::json(&report(&source, args, &items, commit.as_deref()))?;
    } else {
        output::print(&lines)?;
    }
    tell_done(counts, args.dry_run, commit.as_deref());
    if commit.is_some() {
        recognise::told_all(setting, &vault, &values);
        pushing::after_write(setting, &vault);
    }
    Ok(Code::Done)
}

/// Where values come from.
enum Source {
    File(PathBuf, Format),
    Input(Format),
    Folder(PathBuf, Store),
}

impl Source {
    fn of(args: &Import) -> Result<Self> {
        let format = args.from.and_then(|from| match from {
            SourceFormat::Dotenv => Some(Format::Dotenv),
            SourceFormat::Json => Some(Format::Json),
            SourceFormat::Yaml => Some(Format::Yaml),
            SourceFormat::Pass | SourceFormat::Passage => None,
        });
        let store = match args.from {
            Some(SourceFormat::Pass) => Some(Store::Pass),
            Some(SourceFormat::Passage) => Some(Store::Passage),
            _ => None,
        };
        let unclear = |what: String| Error::Usage {
            message: format!("{what} does not say what it is"),
            hint: "say it: --from dotenv, json, yaml, pass or passage".into(),
        };
        let Some(path) = &args.source else {
            let store = store.ok_or_else(|| Error::Usage {
                message: "no file is named".into(),
                hint: "name it, or - for standard input".into(),
            })?;
            return Ok(Self::Folder(default_folder(store)?, store));
        };
        if let Some(store) = store {
            return Ok(Self::Folder(path.clone(), store));
        }
        let shown = printable(&path.display().to_string());
        if path == Path::new("-") {
            return format.map(Self::Input).ok_or_else(|| unclear("standard input".into()));
        }
        if path.is_dir() {
            let store = if format.is_some() { None } else { Store::recognise(path) };
            return store.map(|store| Self::Folder(path.clone(), store)).ok_or_else(|| unclear(shown));
        }
        let by_name = || Format::of_name(path.file_name()?.to_str()?);
        format.or_else(by_name).map(|format| Self::File(path.clone(), format)).ok_or_else(|| unclear(shown))
    }

    /// How commits and messages name it: without the folders that lead to it.
    fn name(&self) -> String {
        match self {
            Self::File(path, _) => printable(&path.file_name().unwrap_or_default().to_string_lossy()),
            Self::Input(_) => "standard input".into(),
            Self::Folder(_, Store::Pass) => "pass".into(),
            Self::Folder(_, Store::Passage) => "passage".into(),
        }
    }

    fn entries(&self, setting: &Setting, args: &Import) -> Result<Vec<Entry>> {
        let lists = if args.index_lists { Lists::Indexed } else { Lists::Refused };
        let read = |bytes: SecretBytes, format| {
            if bytes.len() as u64 > MAX_SOURCE {
                return Err(import::malformed(self.name(), None, "it has more than 256 MiB"));
            }
            let identities = || identities(setting, args, &SOPS);
            import::read(bytes.expose(), format, lists, &self.name(), &identities)
        };
        match self {
            Self::File(path, format) => {
                let io = |action, source| Error::Io { action, path: path.clone(), source };
                let file = std::fs::File::open(path).map_err(|error| io("open", error))?;
                read(SecretBytes::read(file, MAX_SOURCE + 1).map_err(|error| io("read", error))?, *format)
            }
            Self::Input(format) => {
                let io = |source| Error::Io { action: "read", path: "standard input".into(), source };
                read(SecretBytes::read(std::io::stdin().lock(), MAX_SOURCE + 1).map_err(io)?, *format)
            }
            Self::Folder(dir, Store::Pass) => Store::Pass.entries(dir, None),
            Self::Folder(dir, Store::Passage) => {
                Store::Passage.entries(dir, Some(&identities(setting, args, &PASSAGE)?))
            }
        }
    }
}

/// Where a program keeps its identities, and the variables that say otherwise.
struct Places {
    /// A variable that holds keys.
    text: Option<&'static str>,
    /// A variable that names a file.
    file: &'static str,
    /// Below HOME.
    default: &'static str,
}

const SOPS: Places =
    Places { text: Some("SOPS_AGE_KEY"), file: "SOPS_AGE_KEY_FILE", default: ".config/sops/age/keys.txt" };
const PASSAGE: Places = Places { text: None, file: "PASSAGE_IDENTITIES_FILE", default: ".passage/identities" };

/// `--identity`, else what the other program would use.
fn identities(setting: &Setting, args: &Import, places: &Places) -> Result<Identities> {
    let prompt = &setting.context.prompt;
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(file) = &args.identity {
        return Identities::from_file(file, prompt);
    }
    if let Some((name, keys)) = places.text.and_then(|name| Some((name, set(name)?))) {
        return Identities::from_bytes(SecretBytes::new(keys.into_encoded_bytes()), name, prompt);
    }
    if let Some(file) = set(places.file) {
        return Identities::from_file(Path::new(&file), prompt);
    }
    let config = set("XDG_CONFIG_HOME").map(PathBuf::from);
    let file = match (config, places.default.strip_prefix(".config/")) {
        (Some(config), Some(rest)) => config.join(rest),
        _ => std::env::home_dir().unwrap_or_default().join(places.default),
    };
    if file.exists() {
        return Identities::from_file(&file, prompt);
    }
    Err(Error::NoKey {
        tried: format!("no --identity, {} is not set, and there is no {}", places.file, file.display()),
    })
}

fn default_folder(store: Store) -> Result<PathBuf> {
    let (variable, below) = match store {
        Store::Pass => ("PASSWORD_STORE_DIR", ".password-store"),
        Store::Passage => ("PASSAGE_DIR", ".passage/store"),
    };
    match std::env::var_os(variable).filter(|dir| !dir.is_empty()) {
        Some(dir) => Ok(PathBuf::from(dir)),
        None => std::env::home_dir().map(|home| home.join(below)).ok_or_else(|| Error::Usage {
            message: "there is no home directory".into(),
            hint: "name the store's folder".into(),
        }),
    }
}

/// `--trim` and `--first-line`.
fn shorten(entry: &mut Entry, args: &Import) {
    let Content::Value(value) = &mut entry.content else { return };
    if args.trim {
        value.trim_newline();
    } else if args.first_line {
        let line = value.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
        *value = SecretBytes::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
    }
}

fn naming(args: &Import) -> Naming {
    let renamed = args.rename.iter().map(|renaming| (renaming.source.clone(), renaming.path.clone()));
    Naming {
        prefix: args.prefix.clone(),
        renamed: renamed.collect(),
        excluded: args.exclude.clone(),
        fix: args.fix_names,
    }
}

fn existing(args: &Import) -> Existing {
    match (args.update, args.keep) {
        (true, _) => Existing::Update,
        (false, true) => Existing::Keep,
        (false, false) => Existing::Refuse,
    }
}

/// The values that will be stored: the plan takes them over, and their fingerprints are for after the change.
fn copied(items: &[Item]) -> Vec<(SecretPath, SecretBytes)> {
    let stored = items.iter().filter_map(|item| match &item.action {
        Action::Create(path, value) | Action::Change(path, value, _) => Some((path, value)),
        _ => None,
    });
    stored.map(|(path, value)| (path.clone(), SecretBytes::new(value.expose().to_vec()))).collect()
}

/// `create     app/KEY  (KEY, line 3)`
fn line(item: &Item) -> String {
    let Item { source, line, action } = item;
    let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
    let word = action.word();
    match action {
        Action::Refused(refusal) => {
            let suggestion = refusal.suggestion.as_ref().map(|path| format!("; suggested: {path}")).unwrap_or_default();
            format!("{word:9}  {source}{place}: {}{suggestion}\n", refusal.reason)
        }
        _ => format!("{word:9}  {}  ({source}{place})\n", action.path().map_or("", SecretPath::as_str)),
    }
}

fn tell_refused(items: &[Item]) {
    let against = |item: &&Item| matches!(item.action, Action::Refused(_) | Action::Exists(_));
    let all = items.iter().filter(against).count();
    items.iter().filter(against).take(TOLD).for_each(|item| output::note(line(item).trim_end()));
    if all > TOLD {
        output::note(&format!("… and {} more; --json has them all", all - TOLD));
    }
}

fn tell_done([created, changed, unchanged, kept]: [usize; 4], dry_run: bool, commit: Option<&str>) {
    let verb = if dry_run { "would import" } else { "imported" };
    let mut text = format!("{verb} {}: {created} new, {changed} changed", count(created + changed, "secret"));
    if unchanged > 0 {
        text.push_str(&format!(", {unchanged} unchanged"));
    }
    if kept > 0 {
        text.push_str(&format!(", {kept} kept"));
    }
    output::note(&text);
    if let Some(commit) = commit {
        output::note(&format!("  commit {}", short(commit)));
    }
}

fn told(item: &Item) -> Value {
    let (reason, suggestion) = match &item.action {
        Action::Refused(refusal) => (Some(&refusal.reason), refusal.suggestion.as_ref()),
        _ => (None, None),
    };
    json!({
        "source": item.source,
        "line": item.line,
        "action": item.action.word(),
        "secret": item.action.path().map(SecretPath::as_str),
        "reason": reason,
        "suggestion": suggestion.map(SecretPath::as_str),
    })
}

fn report(source: &Source, args: &Import, items: &[Value], commit: Option<&str>) -> Value {
    json!({ "source": source.name(), "dry_run": args.dry_run, "commit": commit, "entries": items })
}
