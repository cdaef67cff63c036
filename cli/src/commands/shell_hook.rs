//! `shell-hook`, `allow` and `deny`

use super::prompt;
use crate::app::{Allow, App, Deny, ShellHook, ShellHookCommand};
use crate::delivery;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::rc::{self, Done};
use crate::setting::{Found, Setting, pretty};
use agent_vault_core::digest::Digest;
use agent_vault_core::{Error, Result};
use agent_vault_deliver::allowed::{self, Allowed, Decision};
use agent_vault_deliver::environment::{COMMITTED, EnvFile, Sources, Variable, variables};
use agent_vault_deliver::shell::Shell;
use std::path::{Path, PathBuf};

/// Hooks a shell, or lets it go.
pub fn run(app: &App, args: &ShellHook) -> Outcome {
    output::set_quiet(app.common.quiet);
    match args.command {
        ShellHookCommand::Install { shell } => install(shell.into()),
        ShellHookCommand::Remove { shell } => remove(shell.into()),
        ShellHookCommand::Print { shell } => {
            output::print(&Shell::from(shell).hook(&program()?))?;
            Ok(Code::Done)
        }
        ShellHookCommand::Prompt { shell } => prompt::run(app, shell.into()),
    }
}

fn install(shell: Shell) -> Outcome {
    let file = rc_file(shell)?;
    let shown = pretty(&file);
    output::note(&match rc::add(&file, &shell.start(&program()?))? {
        Done::AsItWas => format!("{shown} has the hook already"),
        Done::Replaced => format!("hook updated in {shown}; every new {shell} has it"),
        _ => format!("hook added at the end of {shown}; every new {shell} has it"),
    });
    output::note("`agent-vault allow`, in a folder with a .agent-vault.env, has its variables set there");
    Ok(Code::Done)
}

fn remove(shell: Shell) -> Outcome {
    let file = rc_file(shell)?;
    let shown = pretty(&file);
    output::note(&match rc::remove(&file)? {
        Done::AsItWas => format!("there is no hook in {shown}"),
        _ => format!("hook removed from {shown}; a {shell} that runs has it until it ends"),
    });
    Ok(Code::Done)
}

/// What the shell reads when it starts for a person: bash(1) "INVOCATION", zsh(1) "STARTUP/SHUTDOWN FILES", fish(1).
fn rc_file(shell: Shell) -> Result<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = || {
        std::env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .ok_or_else(|| Error::Usage { message: "there is no home directory".into(), hint: "set HOME".into() })
    };
    Ok(match shell {
        Shell::Bash => home()?.join(".bashrc"),
        Shell::Zsh => folder("ZDOTDIR").map_or_else(home, Ok)?.join(".zshrc"),
        Shell::Fish => {
            let config = folder("XDG_CONFIG_HOME").filter(|it| it.is_absolute());
            config.map_or_else(|| home().map(|home| home.join(".config")), Ok)?.join("fish/config.fish")
        }
    })
}

/// This program as it is found on `PATH`, where an update puts the next one; else where it lies.
fn program() -> Result<PathBuf> {
    let own =
        std::env::current_exe().map_err(|source| Error::Io { action: "find", path: "this program".into(), source })?;
    let real = own.canonicalize().unwrap_or_else(|_| own.clone());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = own.file_name().unwrap_or_default().to_os_string();
    let found = std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|found| found.canonicalize().is_ok_and(|found| found == real));
    Ok(found.unwrap_or(own))
}

/// Remembers that an env file may set variables, as it is now.
pub fn allow(mut setting: Setting, args: &Allow) -> Outcome {
    let file = env_file(args.folder.as_deref())?;
    let bytes = delivery::read(&file)?;
    let shown = pretty(&file);
    let sources = Sources {
        files: vec![EnvFile::parse(&shown, &bytes, true)?],
        profile: args.profile.clone(),
        ..Sources::default()
    };
    let names: Vec<String> = variables(&sources)?.iter().map(Variable::shown).collect();
    setting.dir = file.parent().unwrap_or(Path::new("/")).to_path_buf();
    let vault = match setting.any_vault_to_look_at() {
        Ok(Found::Signed(vault)) => Some(vault.id()),
        Ok(Found::Old(_)) | Err(Error::VaultNotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let allowed = Allowed { digest: Digest::of(&bytes), vault, profile: args.profile.clone() };
    allowed::save(&setting.context.home, &file, &Decision::Allowed(allowed))?;
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    output::note(&format!("{shown} may set {names}, as long as it stays as it is"));
    Ok(Code::Done)
}

/// Remembers that an env file may not set variables.
pub fn deny(setting: &Setting, args: &Deny) -> Outcome {
    let file = env_file(args.folder.as_deref())?;
    allowed::save(&setting.context.home, &file, &Decision::Denied)?;
    output::note(&format!("{} may set nothing", pretty(&file)));
    Ok(Code::Done)
}

/// The env file that a prompt in this folder would find.
fn env_file(folder: Option<&Path>) -> Result<PathBuf> {
    let folder = folder.unwrap_or(Path::new("."));
    let real = folder.canonicalize().map_err(Error::io("find", folder))?;
    delivery::committed(&real).ok_or_else(|| Error::Usage {
        message: format!("there is no {COMMITTED} in {}, or above it up to the vault's folder", pretty(&real)),
        hint: "write one, with a line such as DB_PASSWORD=av://postgres/password; docs/run.md says how".into(),
    })
}
