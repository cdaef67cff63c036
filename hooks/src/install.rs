//! Puts the hook where Git looks for it, before whatever is there already, and takes it away again.
//!
//! What is there is renamed and run first, as a process of its own, so it does not matter what it is or how it ends. Both
//! it and ours must pass. A hook of plain `sh` is run in a subshell under its own name, because some (husky's) find their
//! parts by `$0`; every other kind is started as Git would start it.

use agent_vault_core::error::{Error, Result, printable};
use git2::{ErrorCode, Repository};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// The hook's name.
const NAME: &str = "pre-commit";
/// What a hook is called that was there before.
const KEPT: &str = "pre-commit.before-agent-vault";
/// How the framework of that name keeps what it finds.
const LEGACY: &str = "pre-commit.legacy";
/// The line that makes a hook ours.
const MARK: &str = "# agent-vault pre-commit hook";
/// The line that says that the folder was made with it.
const MADE: &str = "# folder: made with the hook";
const TEMPLATE: &str = include_str!("install/pre-commit.sh");

/// Where the hook goes, and whom it concerns.
#[derive(Debug, Clone)]
pub struct Target {
    /// The folder.
    pub folder: PathBuf,
    /// Whether other repositories take their hooks from there too (`core.hooksPath` of the user or the system).
    pub shared: bool,
}

/// What an installation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// The hook is new.
    New {
        /// Whether another one was there, which is kept and run first.
        chained: bool,
    },
    /// An older one of ours was replaced.
    Replaced,
    /// It was there.
    AsItWas,
}

/// What an uninstallation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// The hook is gone.
    Gone {
        /// Whether the one before it is back.
        restored: bool,
    },
    /// There was none of ours.
    NotThere,
}

/// Where Git looks for this repository's hooks (git-config(1), `core.hooksPath`): linked work trees share it.
///
/// # Errors
/// [`Error::Git`]; [`Error::Conflict`] for a folder that leads out of the work tree through a link, and for what is no
/// folder.
pub fn target(git: &Repository) -> Result<Target> {
    let config = git.config().map_err(Error::git("read the configuration"))?;
    let configured = match config.get_path("core.hooksPath") {
        Ok(path) if path.as_os_str().is_empty() => None,
        Ok(path) => Some(path),
        Err(error) if error.code() == ErrorCode::NotFound => None,
        Err(error) => return Err(Error::Git { action: "read core.hooksPath", source: error }),
    };
    let Some(path) = configured else {
        return Ok(Target { folder: git.commondir().join("hooks"), shared: false });
    };
    let shared = config.get_entry("core.hooksPath").is_ok_and(|entry| {
        use git2::ConfigLevel::{App, Global, ProgramData, System, XDG};
        matches!(entry.level(), App | Global | ProgramData | System | XDG)
    });
    let top = git.workdir().unwrap_or_else(|| git.path());
    let folder = top.join(&path);
    if path.is_relative() {
        stays_inside(top, &folder)?;
    }
    if folder.exists() && !folder.is_dir() {
        return Err(Error::Conflict {
            message: format!("core.hooksPath names {}, which is no folder", shown(&folder)),
            hint: "set core.hooksPath to a folder, or unset it".into(),
        });
    }
    Ok(Target { folder, shared })
}

/// A folder of the work tree came with the repository, and so may a link in its place have.
fn stays_inside(top: &Path, folder: &Path) -> Result<()> {
    let Ok(top) = top.canonicalize() else { return Ok(()) };
    let there = folder.ancestors().find_map(|part| part.canonicalize().ok());
    let lexical = folder.components().any(|part| part == std::path::Component::ParentDir);
    if lexical || there.is_none_or(|there| there.starts_with(&top)) {
        return Ok(());
    }
    Err(Error::Conflict {
        message: format!("core.hooksPath leads through a link out of the repository ({})", shown(folder)),
        hint: "look at that link; if it is meant, set core.hooksPath to the folder itself".into(),
    })
}

/// Installs the hook, which calls `program` where no `agent-vault` is on the PATH. Idempotent.
///
/// # Errors
/// [`Error::Io`]; [`Error::Conflict`] when a hook is there *and* one is kept already.
pub fn install(git: &Repository, program: &Path) -> Result<(Target, Installed)> {
    let target = target(git)?;
    let folder = &target.folder;
    let made = !folder.exists();
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let (hook, kept) = (folder.join(NAME), folder.join(KEPT));
    let there = hook.symlink_metadata().is_ok();
    let ours = is_ours(&hook);
    if there && !ours {
        if is_ours(&folder.join(LEGACY)) {
            return Ok((target, Installed::AsItWas));
        }
        if kept.symlink_metadata().is_ok() {
            return Err(Error::Conflict {
                message: format!("{} is there, and {} is kept already", shown(&hook), shown(&kept)),
                hint: "make one hook of the two, or remove the one that is not needed, then install again".into(),
            });
        }
    }
    let made = made || ours && read_head(&hook).contains(MADE);
    let chained = if ours { &kept } else { &hook };
    let text = script(program, chained, made)?;
    if ours && std::fs::read(&hook).is_ok_and(|now| now == text.as_bytes()) && is_executable(&hook) {
        return Ok((target, Installed::AsItWas));
    }
    let new = write_aside(folder, &text)?;
    let put = || {
        if there && !ours {
            std::fs::rename(&hook, &kept)?;
        }
        std::fs::rename(&new, &hook)
    };
    if let Err(error) = put() {
        let _ = std::fs::remove_file(&new);
        if there && !ours && hook.symlink_metadata().is_err() {
            let _ = std::fs::rename(&kept, &hook);
        }
        return Err(Error::Io { action: "write", path: hook, source: error });
    }
    let done = if ours { Installed::Replaced } else { Installed::New { chained: there } };
    Ok((target, done))
}

/// Removes the hook and puts back what was there, as it was.
///
/// # Errors
/// [`Error::Io`]; [`Error::Conflict`] when another hook was put before ours since.
pub fn uninstall(git: &Repository) -> Result<(Target, Removed)> {
    let target = target(git)?;
    let (hook, kept) = (target.folder.join(NAME), target.folder.join(KEPT));
    if !is_ours(&hook) {
        let legacy = target.folder.join(LEGACY);
        if is_ours(&legacy) {
            return Err(Error::Conflict {
                message: format!("the pre-commit framework keeps our hook as {}", shown(&legacy)),
                hint: "run `pre-commit uninstall` first: it puts ours back; then run this again".into(),
            });
        }
        return Ok((target, Removed::NotThere));
    }
    let made = read_head(&hook).contains(MADE);
    let restored = kept.symlink_metadata().is_ok();
    let gone = if restored { std::fs::rename(&kept, &hook) } else { std::fs::remove_file(&hook) };
    gone.map_err(Error::io("remove", &hook))?;
    if made {
        // Only if nothing else is in it.
        let _ = std::fs::remove_dir(&target.folder);
    }
    Ok((target, Removed::Gone { restored }))
}

/// The hook's text.
fn script(program: &Path, chained: &Path, made: bool) -> Result<String> {
    let run = if is_plain_sh(chained) { "( . \"$kept\" )" } else { "\"$kept\" \"$@\"" };
    let program = program.to_str().filter(|path| !path.contains('\n')).ok_or_else(|| Error::Usage {
        message: format!("the program lies at {}, which cannot be written into a hook", shown(program)),
        hint: "put it at a path of plain text".into(),
    })?;
    let folder = if made { MADE } else { "# folder: was there before" };
    let quoted = format!("'{}'", program.replace('\'', "'\\''"));
    Ok(TEMPLATE.replace("@FOLDER@", folder).replace("@RUN@", run).replace("@PROGRAM@", &quoted))
}

/// Whether a hook begins with `#!/bin/sh` or `#!/usr/bin/env sh` and nothing more.
fn is_plain_sh(hook: &Path) -> bool {
    let head = read_head(hook);
    let first = head.lines().next().unwrap_or_default();
    let words: Vec<&str> = first.strip_prefix("#!").unwrap_or_default().split_whitespace().collect();
    matches!(words[..], ["/bin/sh"] | ["/usr/bin/sh"] | ["/usr/bin/env", "sh"])
}

/// Whether a hook is ours: a file, not a link, with our mark.
fn is_ours(hook: &Path) -> bool {
    hook.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
        && read_head(hook).lines().nth(1).is_some_and(|line| line.starts_with(MARK))
}

/// The beginning of a hook; nothing where there is none.
fn read_head(hook: &Path) -> String {
    let is_file = hook.metadata().is_ok_and(|metadata| metadata.is_file());
    let mut head = Vec::new();
    if let Some(file) = is_file.then(|| std::fs::File::open(hook).ok()).flatten() {
        let _ = file.take(1024).read_to_end(&mut head);
    }
    String::from_utf8_lossy(&head).into_owned()
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_file: &Path) -> bool {
    true
}

/// Writes an executable file with a name of its own beside the hook, through no link.
fn write_aside(folder: &Path, text: &str) -> Result<PathBuf> {
    let path = folder.join(format!("{NAME}.new-{}-{:08x}", std::process::id(), rand::random::<u32>()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(path),
        Err(error) => {
            if error.kind() != ErrorKind::AlreadyExists {
                let _ = std::fs::remove_file(&path);
            }
            Err(Error::Io { action: "write", path, source: error })
        }
    }
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}
