//! `set`

use super::{pushing, readers, recognise};
use crate::app::{Charset, Set};
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use crate::terminal::Terminal;
use agent_vault_core::metadata::Metadata;
use agent_vault_core::purpose::{Host, Program, ProgramPath};
use agent_vault_core::vault::{SetOutcome, SetRequest};
use agent_vault_core::{AgentName, Error, Result, SecretBytes, Timestamp, Vault};
use rand::Rng;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;

/// More than any vault takes: reading stops there.
const MAX_READ: u64 = (16 << 20) + 1;
/// The most characters of a generated value.
const MAX_GENERATED: u16 = 4096;

/// Stores a value or changes metadata.
pub fn run(setting: &Setting, args: &Set) -> Outcome {
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    let owner = vault.unlock(&identities)?;
    let value = value(args, &vault)?;
    // The request takes the value over, and its fingerprint is for after the change: only then is it a secret of the vault.
    let remembered = value.as_ref().map(|value| SecretBytes::new(value.expose().to_vec()));
    let request = SetRequest {
        value,
        group: args.group.clone(),
        agents: args.agents.as_deref().map(agents).transpose()?,
        expires: args.expires.as_deref().map(|text| expiry(text, (setting.context.clock)())).transpose()?,
        description: args.description.as_ref().map(|text| Some(text.clone()).filter(|text| !text.is_empty())),
        use_only: args.use_only.then_some(true).or(args.no_use_only.then_some(false)),
        programs: args.programs.as_deref().map(programs).transpose()?,
        hosts: args.hosts.as_deref().map(hosts).transpose()?,
        ..SetRequest::default()
    };
    let kept = request.value.is_none();
    let outcome = owner.set(&args.path, request, args.dry_run);
    crate::setting::tell(&vault);
    tell(&outcome?, kept, args.use_only, args.dry_run);
    if let Some(value) = remembered {
        recognise::told(setting, &vault, &args.path, &value, args.dry_run);
    }
    if !args.dry_run {
        pushing::after_write(setting, &vault);
    }
    Ok(Code::Done)
}

/// The new value, from the one place that was named, else a pipe, else a prompt. `None` keeps what is there.
fn value(args: &Set, vault: &Vault) -> Result<Option<SecretBytes>> {
    let mut value = if let Some(value) = &args.value {
        output::warn(
            "a value on the command line stays in the shell's history and is seen by `ps`; pipe it, or leave it out to be asked",
        );
        SecretBytes::new(value.as_encoded_bytes().to_vec())
    } else if let Some(file) = &args.from_file {
        let opened =
            std::fs::File::open(file).map_err(|source| Error::Io { action: "open", path: file.clone(), source })?;
        read(opened).map_err(|source| Error::Io { action: "read", path: file.clone(), source })?
    } else if let Some(length) = args.generate {
        generate(length, args.charset)?
    } else {
        let exists = || vault.metadata(&args.path).is_ok();
        match Input::of_stdin() {
            Input::Data => {
                let piped = read(std::io::stdin().lock()).map_err(|source| Error::Io {
                    action: "read",
                    path: "standard input".into(),
                    source,
                })?;
                if piped.is_empty() && args.changes_metadata() && exists() {
                    return Ok(None);
                }
                piped
            }
            Input::Nothing | Input::Terminal if args.changes_metadata() && exists() => return Ok(None),
            Input::Terminal => Terminal::new_secret(&format!("Value of {}", args.path), NO_VALUE)?,
            Input::Nothing => {
                return Err(Error::NobodyToAsk {
                    question: format!("the value of {}", args.path),
                    answer: NO_VALUE.into(),
                });
            }
        }
    };
    if args.trim {
        value.trim_newline();
    }
    if value.is_empty() {
        output::warn("the value is empty");
    }
    Ok(Some(value))
}

const NO_VALUE: &str = "pipe the value, or use --from-file FILE or --generate";

/// What standard input is.
enum Input {
    /// A person.
    Terminal,
    /// A pipe, file or socket.
    Data,
    /// A device such as /dev/null, or closed.
    Nothing,
}

impl Input {
    fn of_stdin() -> Self {
        if std::io::stdin().is_terminal() {
            return Input::Terminal;
        }
        if Self::carries_data() { Input::Data } else { Input::Nothing }
    }

    #[cfg(unix)]
    fn carries_data() -> bool {
        use rustix::fs::FileType;
        rustix::fs::fstat(std::io::stdin())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice)
    }

    #[cfg(not(unix))]
    fn carries_data() -> bool {
        true
    }
}

/// Reads a value whole.
pub(super) fn read(input: impl Read) -> std::io::Result<SecretBytes> {
    SecretBytes::read(input, MAX_READ)
}

/// A random value.
fn generate(length: u16, charset: Charset) -> Result<SecretBytes> {
    if length == 0 || length > MAX_GENERATED {
        return Err(Error::Usage {
            message: format!("a generated value has 1 to {MAX_GENERATED} characters"),
            hint: "--generate=32".into(),
        });
    }
    let letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    let characters: Vec<u8> = match charset {
        Charset::Alphanumeric => letters,
        Charset::Hex => b"0123456789abcdef".to_vec(),
        Charset::Digits => (b'0'..=b'9').collect(),
        Charset::Urlsafe => [letters, b"-_".to_vec()].concat(),
        Charset::Ascii => (b'!'..=b'~').collect(),
    };
    let mut random = rand::rngs::OsRng;
    Ok(SecretBytes::new((0..length).map(|_| characters[random.gen_range(0..characters.len())]).collect()))
}

/// `a,b`
fn agents(text: &str) -> Result<Vec<AgentName>> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(AgentName::parse).collect()
}

/// `gh,/usr/bin/curl`: a name is looked up on the owner's own PATH, here and now, and what is found there is signed. Where
/// the value is used nobody's PATH decides.
fn programs(named: &[PathBuf]) -> Result<Vec<ProgramPath>> {
    let found = |named: &PathBuf| -> Result<ProgramPath> {
        let search = std::env::var_os("PATH");
        let program = Program::find(named.as_os_str(), search.as_deref());
        if named.as_os_str().as_encoded_bytes().contains(&b'/') {
            let listed: ProgramPath = named.to_string_lossy().parse()?;
            // It may be there on other machines only; what it leads to here must be fit, too.
            if let Ok(program) = program {
                program.path().to_string_lossy().parse::<ProgramPath>()?;
            }
            return Ok(listed);
        }
        program?.path().to_string_lossy().parse()
    };
    named.iter().map(found).collect()
}

/// `github.com,git.example.org:8443`
fn hosts(text: &str) -> Result<Vec<Host>> {
    text.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::parse).collect()
}

/// A date, a span, or `never`.
fn expiry(text: &str, now: Timestamp) -> Result<Option<Timestamp>> {
    if text == "never" { Ok(None) } else { Timestamp::parse_expiry(text, now).map(Some) }
}

/// Says what was done, and to whom it is readable.
fn tell(outcome: &SetOutcome, kept: bool, use_only: bool, dry_run: bool) {
    let SetOutcome { created, metadata, gains, loses, commit } = outcome;
    let Metadata { name, revision, authorized_agents, .. } = metadata;
    let done = match (dry_run, created, commit.is_some()) {
        (true, true, _) => "would add",
        (true, false, _) => "would change",
        (false, true, _) => "added",
        (false, false, true) => "changed",
        (false, false, false) => "nothing to change in",
    };
    let what = if kept { " (value kept)" } else { "" };
    output::note(&format!("{done} {name}{what}, revision {revision}, group {}", metadata.group));
    output::note(&format!("  readable by {}", readers(authorized_agents)));
    if let Some(uses) = super::uses(metadata) {
        output::note(&format!("  {uses}"));
    }
    if !*created {
        gains.iter().for_each(|key| output::note(&format!("  + {key}")));
        loses.iter().for_each(|key| output::note(&format!("  - {key}")));
    }
    if kept && metadata.use_only && use_only && !dry_run {
        output::note(
            "  the value was kept: history shows it to whoever could read it before. A new one is use-only from its beginning",
        );
    }
    if kept && !loses.is_empty() && !dry_run {
        output::warn(&format!(
            "{name} is marked for rotation: who lost it may have read its value; rotate it at its source, then set it anew"
        ));
    }
}
