//! `install`: the server's place in a client's configuration. What else stands in that file stays, byte for byte.

use crate::options::{Client, Install, Options};
use crate::program::Program;
use crate::rules::{Rules, Tool};
use agent_vault_core::{Error, Result};
use agent_vault_open::words::pretty;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

pub mod merge;

use merge::Entry;

/// What the server is called there.
const NAME: &str = "agent-vault";

/// Changes the file, or shows what it would hold; what to tell on standard output.
///
/// # Errors
/// [`Error::Usage`] for flags that make no sense and for a file that cannot be understood; [`Error::Io`].
pub fn run(options: &Options, wanted: &Install, program: Program) -> Result<String> {
    let file = match &wanted.config {
        Some(file) => file.clone(),
        None => place(wanted.client)?,
    };
    let before = read(&file)?;
    let not_understood = |reason: merge::Unclear| Error::Usage {
        message: format!("{}: {reason}", pretty(&file)),
        hint:
            "nothing was changed; put it right, or print the entry with --print --config /dev/null and add it by hand"
                .into(),
    };
    let table = table(wanted.client);
    if wanted.remove {
        let after = merge::remove(&before, table, NAME).map_err(not_understood)?;
        if after == before {
            return Ok(format!("{} has no server {NAME}\n", pretty(&file)));
        }
        write(&file, &after)?;
        return Ok(format!("{NAME} is taken out of {}\n", pretty(&file)));
    }
    let (entry, tools) = entry(options, wanted, program)?;
    let after = merge::put(&before, table, NAME, &entry).map_err(not_understood)?;
    if wanted.print {
        return Ok(after);
    }
    if after != before {
        write(&file, &after)?;
    }
    let names: Vec<&str> = tools.iter().map(|tool| tool.short()).collect();
    let mut told = format!("{} has {NAME} now, with the tools {}\n", pretty(&file), names.join(", "));
    if !tools.contains(&Tool::Get) {
        told.push_str("The model cannot read values; --with-get lets it.\n");
    }
    if options.key.is_none() {
        told.push_str(
            "No --key: it reads with AGENT_VAULT_KEY, or as the owner. An agent of its own reads less:\n  agent-vault add-agent NAME\n",
        );
    }
    told.push_str("Restart the client to use it.\n");
    Ok(told)
}

/// What stands in the file, and the tools that it offers.
fn entry(options: &Options, wanted: &Install, program: Program) -> Result<(Entry, Vec<Tool>)> {
    let limits = &options.limits;
    let mut tools = match limits.tools.is_empty() {
        true => vec![Tool::List, Tool::Whoami, Tool::Check],
        false => limits.tools.clone(),
    };
    if wanted.with_get {
        tools.push(Tool::Get);
    }
    if limits.tools.is_empty() && !limits.exec_allow.is_empty() {
        tools.push(Tool::Exec);
    }
    let rules = Rules::new(&tools, &limits.allow, &limits.exec_allow)?;
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| Error::Usage {
            message: format!("{} is no text, and JSON holds nothing else", pretty(path)),
            hint: "give it another name".into(),
        })
    };
    let is_local = wanted.client == Client::ClaudeDesktop;
    // What is relative is so to this folder, and the client starts elsewhere; what the client or its shell fills in is theirs.
    let here = |path: &Path| match path.as_os_str().as_encoded_bytes() {
        [b'~' | b'$', ..] => Ok(path.to_path_buf()),
        b"." if !is_local => Ok(path.to_path_buf()),
        _ => std::path::absolute(path).map_err(Error::io("find", path)),
    };
    // A project's file is for everybody who works on it, so it names no place of this machine by itself.
    let (command, mut args) = match is_local {
        true => (text(&program.place.map_err(Error::io("find", "this program"))?)?, vec![]),
        false => {
            let mut words = program.words.iter().map(|word| (*word).to_owned());
            (words.next().unwrap_or_default(), words.collect())
        }
    };
    let repo = match (wanted.client, options.repo == Path::new(".")) {
        (Client::Cursor | Client::Vscode, true) => "${workspaceFolder}".to_owned(),
        _ => text(&here(&options.repo)?)?,
    };
    args.extend(["--repo".to_owned(), repo]);
    if let Some(key) = &options.key {
        args.extend(["--key".to_owned(), text(&here(key)?)?]);
    }
    let names: Vec<&str> = rules.tools().iter().map(|tool| tool.short()).collect();
    args.extend(["--tools".to_owned(), names.join(",")]);
    args.extend(limits.allow.iter().flat_map(|pattern| ["--allow".to_owned(), pattern.clone()]));
    args.extend(rules.programs().flat_map(|program| ["--exec-allow".to_owned(), program.to_owned()]));
    Ok((Entry { is_typed: wanted.client == Client::Vscode, command, args }, rules.tools().to_vec()))
}

/// The member of the file that holds servers.
fn table(client: Client) -> &'static str {
    match client {
        Client::Vscode => "servers",
        Client::ClaudeCode | Client::ClaudeDesktop | Client::Cursor => "mcpServers",
    }
}

/// Where the client looks.
fn place(client: Client) -> Result<PathBuf> {
    let within = match client {
        Client::ClaudeCode => ".mcp.json",
        Client::Cursor => ".cursor/mcp.json",
        Client::Vscode => ".vscode/mcp.json",
        Client::ClaudeDesktop => return desktop(),
    };
    let here = std::env::current_dir().map_err(Error::io("find", "."))?;
    let top = here.ancestors().find(|dir| dir.join(".git").exists()).unwrap_or(&here);
    Ok(top.join(within))
}

/// Claude Desktop's file, in the folder of each system for what programs keep of a user.
fn desktop() -> Result<PathBuf> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let folder = if cfg!(target_os = "macos") {
        home.map(|home| home.join("Library/Application Support"))
    } else if cfg!(windows) {
        std::env::var_os("APPDATA").map(PathBuf::from)
    } else {
        let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        named.or_else(|| home.map(|home| home.join(".config")))
    };
    folder.map(|folder| folder.join("Claude/claude_desktop_config.json")).ok_or_else(|| Error::Usage {
        message: "there is no home directory".into(),
        hint: "name the file with --config".into(),
    })
}

/// The file's text; none is an empty one.
fn read(file: &Path) -> Result<String> {
    match std::fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(Error::io("read", file)),
    }
}

/// Puts the text in place at once: a client that reads meanwhile sees the old or the new one.
fn write(file: &Path, text: &str) -> Result<()> {
    // A link stays one.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let aside = folder.join(format!(".{name}.{}", std::process::id()));
    let before = std::fs::metadata(&file).ok();
    let put = || -> std::io::Result<()> {
        // Nothing that lies there by that name is written through, and nobody else reads what may hold others' tokens.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        private(&mut options, before.is_some());
        let mut new = options.open(&aside)?;
        new.write_all(text.as_bytes())?;
        if let Some(before) = &before {
            new.set_permissions(before.permissions())?;
        }
        new.sync_all()?;
        std::fs::rename(&aside, &file)
    };
    put().map_err(|error| {
        // Unless it is somebody else's.
        if error.kind() != ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&aside);
        }
        Error::io("write", &file)(error)
    })
}

/// A file that takes another's place is nobody else's until it has that one's mode.
#[cfg(unix)]
fn private(options: &mut std::fs::OpenOptions, is_private: bool) {
    use std::os::unix::fs::OpenOptionsExt;
    if is_private {
        options.mode(0o600);
    }
}

#[cfg(not(unix))]
fn private(_options: &mut std::fs::OpenOptions, _is_private: bool) {}
