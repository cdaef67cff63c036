//! `run`

use crate::app::{Assigned, Run};
use crate::child::{self, Masking};
use crate::delivery;
use crate::exit::{Code, Failure, Outcome};
use crate::output;
use crate::scratch::Scratch;
use crate::setting::Setting;
use agent_vault_core::purpose::Program;
use agent_vault_core::{Error, Result, home};
use agent_vault_deliver::mask::{self, Patterns};
use agent_vault_deliver::resolve::Wanted;
use agent_vault_deliver::{Text, Values, environment};
use agent_vault_open::receiving;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// Resolves everything or nothing, then becomes the program; or runs it, where there is something to do meanwhile.
pub fn run(mut setting: Setting, args: &Run) -> Outcome {
    setting.context.allow_old = args.delivery.looking.allow_old;
    let variables = environment::variables(&delivery::sources(&args.delivery)?)?;
    let arguments = arguments(&args.command)?;
    let files: Vec<(&Assigned, Kind)> = args
        .file
        .iter()
        .map(|file| (file, Kind::Named))
        .chain(args.fd.iter().map(|file| (file, Kind::Nameless)))
        .collect();
    let of_files = files
        .iter()
        .flat_map(|(file, _)| file.text.references().map(|reference| Wanted { by: file.name.to_string(), reference }));
    let wanted: Vec<Wanted<'_>> = environment::wanted(&variables).chain(of_files).chain(wanted(&arguments)).collect();
    // Found before anything is read: what a use-only value is read for is this file, and this file is what runs.
    let program = Program::find(&args.command[0], std::env::var_os("PATH").as_deref()).ok().map(Arc::new);
    let values = match wanted.is_empty() {
        true => Values::default(),
        false => delivery::values_for(&setting, &args.delivery.looking, wanted, program.clone())?,
    };
    let receiver = program.filter(|_| !values.use_only.is_empty());
    if receiver.is_some() && args.no_mask {
        return Err(unmasked().into());
    }
    if receiver.is_some() {
        let names = variables.iter().map(|variable| variable.name.as_os_str());
        receiving::check_names(names.chain(files.iter().map(|(file, _)| OsStr::new(file.name.as_str()))))?;
    }
    let environment = environment::filled(&variables, &values)?;
    let words = words(&arguments, &values)?;
    let masking = if args.no_mask { None } else { Some(masking(&values, args.mask)?) };
    let mut command = match &receiver {
        Some(program) => receiving::command(program)?,
        None => Command::new(&words[0]),
    };
    command.args(&words[1..]).env_remove("AGENT_VAULT_KEY");
    for (name, value) in environment {
        command.env(name, os_string(value.expose())?);
    }
    if receiver.is_some() {
        for name in receiving::clean(&mut command) {
            output::warn(&format!("{} is not handed on to a program that gets a use-only value", name.display()));
        }
    }
    let files = Files::write(files, &values, &mut command)?;
    output::finish();
    let failed = match masking.filter(Masking::is_needed) {
        None if files.scratch.is_none() => Failure::not_started(&words[0], child::become_it(command)),
        masking => match child::run(command, masking.as_ref()) {
            Ok(end) => {
                drop(files);
                end();
                return Ok(Code::Done);
            }
            Err(source) => Failure::not_started(&words[0], source),
        },
    };
    Err(failed)
}

/// Use-only values are masked.
fn unmasked() -> Error {
    Error::Usage {
        message: "a use-only value is among these, and is not printed".into(),
        hint: "leave --no-mask out".into(),
    }
}

/// What is looked for in what the program prints.
fn masking(values: &Values, all: bool) -> Result<Masking> {
    let (references, values): (Vec<_>, Vec<_>) = values.all().unzip();
    let (patterns, short) = Patterns::of(values).map_err(|error| Error::Usage {
        message: error.to_string(),
        hint: "hand the large ones over in files, or say --no-mask".into(),
    })?;
    let masking = Masking::new(patterns, all);
    let unmasked: Vec<String> = short.into_iter().map(|at| references[at].to_string()).collect();
    if !unmasked.is_empty() && masking.is_wanted() {
        let shortest = mask::SHORTEST;
        output::warn(&format!("too short to be masked, with less than {shortest} bytes: {}", unmasked.join(", ")));
    }
    Ok(masking)
}

/// Whether a file has a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Named,
    Nameless,
}

/// The files that the program is given.
struct Files {
    scratch: Option<Scratch>,
    /// They have to be open when the program starts.
    #[cfg(target_os = "linux")]
    _open: Vec<std::os::fd::OwnedFd>,
}

impl Files {
    fn write(files: Vec<(&Assigned, Kind)>, values: &Values, command: &mut Command) -> Result<Self> {
        let named = files.iter().any(|(_, kind)| *kind == Kind::Named);
        let scratch = named.then(|| Scratch::new("while the program runs")).transpose()?;
        let mut open = Vec::new();
        for (assigned, kind) in files {
            let value = assigned.text.fill(|reference| values.of(reference));
            let path = match (&scratch, kind) {
                (Some(scratch), Kind::Named) => {
                    let like = assigned.text.references().next().map(ToString::to_string).unwrap_or_default();
                    let file = scratch.file(&like);
                    home::create_private(&file, value.expose())?;
                    file
                }
                _ => {
                    let (fd, path) = nameless(value.expose())?;
                    open.push(fd);
                    path
                }
            };
            command.env(assigned.name.as_str(), path);
        }
        Ok(Self {
            scratch,
            #[cfg(target_os = "linux")]
            _open: open,
        })
    }
}

/// A file in memory that has no name, and what opens it in the program: read-only from here on.
#[cfg(target_os = "linux")]
fn nameless(bytes: &[u8]) -> Result<(std::os::fd::OwnedFd, PathBuf)> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use std::io::{Seek, Write};
    use std::os::fd::AsRawFd;
    // No name of ours: it would be seen in /proc.
    let make = || -> std::io::Result<std::os::fd::OwnedFd> {
        let mut file = std::fs::File::from(memfd_create("secret", MemfdFlags::ALLOW_SEALING)?);
        file.write_all(bytes)?;
        file.rewind()?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(file.into())
    };
    let fd = make().map_err(Error::io("create", "/dev/fd"))?;
    let path = PathBuf::from(format!("/dev/fd/{}", fd.as_raw_fd()));
    Ok((fd, path))
}

#[cfg(not(target_os = "linux"))]
fn nameless(_bytes: &[u8]) -> Result<((), PathBuf)> {
    Err(Error::Usage {
        message: "--fd needs Linux: nothing else has files in memory without a name".into(),
        hint: "use --file VAR=PATH".into(),
    })
}

/// The program and its arguments; an argument may hold references, the program's name may not.
fn arguments(words: &[OsString]) -> Result<Vec<Text>> {
    let text = |(at, word): (usize, &OsString)| match at {
        0 => Ok(Text::literal(word.as_encoded_bytes())),
        _ => Text::of_value(word.as_encoded_bytes())
            .map_err(|error| Error::Usage { message: format!("argument {at}: {error}"), hint: error.hint() }),
    };
    words.iter().enumerate().map(text).collect()
}

fn wanted(arguments: &[Text]) -> impl Iterator<Item = Wanted<'_>> {
    arguments.iter().enumerate().flat_map(|(at, text)| {
        text.references().map(move |reference| Wanted { by: format!("argument {at}"), reference })
    })
}

/// The words of the command line with what their references stand for, and a word of warning: others can see them.
fn words(arguments: &[Text], values: &Values) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    for (at, text) in arguments.iter().enumerate() {
        let word = text.fill(|reference| values.of(reference));
        for reference in text.references() {
            if values.use_only.contains(reference) {
                return Err(receiving::in_argument(at, reference));
            }
            output::warn(&format!(
                "argument {at} holds the value of {reference}: everybody on this machine can see the arguments of programs"
            ));
        }
        if word.expose().contains(&0) {
            return Err(Error::Usage {
                message: format!("argument {at}: the value holds a NUL byte, which no argument can hold"),
                hint: "hand it over in a file: --file VAR=PATH, or --fd VAR=PATH".into(),
            });
        }
        words.push(os_string(word.expose())?);
    }
    Ok(words)
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> Result<OsString> {
    use std::os::unix::ffi::OsStrExt;
    Ok(OsStr::from_bytes(bytes).to_owned())
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> Result<OsString> {
    std::str::from_utf8(bytes).map(|text| OsStr::new(text).to_owned()).map_err(|_| Error::Usage {
        message: "a value is no text, and this system takes nothing else".into(),
        hint: "hand it over in a file: --file VAR=PATH".into(),
    })
}
