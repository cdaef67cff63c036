//! `demo`: the whole story in a temporary directory and home, every command as a person would type it.

use crate::exit::{Code, Outcome};
use crate::output::{self, Style};
use agent_vault_core::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One act: what is shown of it, and what must come of it.
struct Act<'a> {
    /// Said before.
    story: &'a str,
    /// Arguments of agent-vault.
    args: &'a [&'a str],
    /// Piped in.
    input: Option<&'a str>,
    /// The exit code that it must end with.
    code: i32,
}

/// The folder of the demo; gone when it ends.
struct Stage {
    dir: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Runs the story.
pub fn run() -> Outcome {
    let stage = Stage { dir: private_folder()? };
    let home = stage.dir.join("home");
    let repo = stage.dir.join("project");
    for dir in [&home, &repo] {
        std::fs::create_dir(dir).map_err(|source| Error::Io { action: "create", path: dir.clone(), source })?;
    }
    output::print(
        "A vault, an agent, and what the agent can and cannot read. Everything happens in a temporary folder.\n",
    )?;
    let key = "~/.agent-vault/agents/ci.key";
    play(
        &home,
        &repo,
        &Act {
            story: "An owner creates a vault in a new repository.",
            args: &["init", "--owner", "eric"],
            input: None,
            code: 0,
        },
    )?;
    play(&home, &repo, &Act { story: "CI gets a key of its own.", args: &["add-agent", "ci"], input: None, code: 0 })?;
    play(
        &home,
        &repo,
        &Act {
            story: "A secret is stored; its group is the first part of its name.",
            args: &["set", "stripe/api-key"],
            input: Some("sk_demo_8Xq2vL5tHn"),
            code: 0,
        },
    )?;
    play(
        &home,
        &repo,
        &Act {
            story: "Before any grant, the agent is denied.",
            args: &["get", "stripe/api-key", "--key", key],
            input: None,
            code: 4,
        },
    )?;
    play(
        &home,
        &repo,
        &Act {
            story: "The owner grants the group: policy changes, the secret is re-encrypted, one signed commit.",
            args: &["grant", "ci", "stripe"],
            input: None,
            code: 0,
        },
    )?;
    play(
        &home,
        &repo,
        &Act { story: "Now the agent reads it.", args: &["get", "stripe/api-key", "--key", key], input: None, code: 0 },
    )?;
    forge(&home, &repo)?;
    play(
        &home,
        &repo,
        &Act { story: "The owner revokes the group.", args: &["revoke", "ci", "stripe"], input: None, code: 0 },
    )?;
    play(
        &home,
        &repo,
        &Act {
            story: "The agent is denied again.",
            args: &["get", "stripe/api-key", "--key", key],
            input: None,
            code: 4,
        },
    )?;
    play(
        &home,
        &repo,
        &Act {
            story: "The secret is rotated, and the mark goes away.",
            args: &["set", "stripe/api-key"],
            input: Some("sk_demo_Rw7nZk3pBc"),
            code: 0,
        },
    )?;
    play(&home, &repo, &Act { story: "", args: &["list"], input: None, code: 0 })?;
    play(&home, &repo, &Act { story: "Everything in the vault verifies.", args: &["verify"], input: None, code: 0 })?;
    output::print("\nThat was the whole story. `agent-vault init` starts your own.\n")?;
    Ok(Code::Done)
}

/// A new folder that only this user can enter.
fn private_folder() -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("agent-vault-demo-{:016x}", rand::random::<u64>()));
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes"))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&dir).map_err(|source| Error::Io { action: "create", path: dir.clone(), source })?;
    Ok(dir)
}

/// Somebody with write access to the repository, and without a key, replaces the value.
fn forge(home: &Path, repo: &Path) -> std::result::Result<(), crate::exit::Failure> {
    output::print(
        "\nSomebody who can push swaps the ciphertext for one of their own, encrypted to the same public keys.\n",
    )?;
    let file = repo.join(".agent-vault/secrets/stripe/api-key.enc");
    let io = |action| {
        let path = file.clone();
        move |source| Error::Io { action, path, source }
    };
    let genuine = std::fs::read(&file).map_err(io("read"))?;
    let recipients = ["owner.pub", "agents/ci/public.key"].map(|name| repo.join(".agent-vault").join(name));
    let keys: Vec<String> = recipients.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let forged = agent_vault_core::crypto::encrypt_to(&keys, b"sk_attacker")?;
    std::fs::write(&file, forged).map_err(io("write"))?;
    play(
        home,
        repo,
        &Act {
            story: "The agent refuses the forged value.",
            args: &["get", "stripe/api-key", "--key", "~/.agent-vault/agents/ci.key"],
            input: None,
            code: 5,
        },
    )?;
    std::fs::write(&file, genuine).map_err(io("write"))?;
    Ok(())
}

/// Plays one act: prints the command, runs it, and stops the demo if it does not end as told.
fn play(home: &Path, repo: &Path, act: &Act<'_>) -> std::result::Result<(), crate::exit::Failure> {
    let coloured = output::stdout_coloured();
    let pipe = act.input.map(|input| format!("printf {input} | ")).unwrap_or_default();
    let command = format!("$ {pipe}agent-vault {}", act.args.join(" "));
    if !act.story.is_empty() {
        output::print(&format!("\n{}\n", act.story))?;
    }
    output::print(&format!("{}\n", Style::Bold.paint(&command, coloured)))?;
    let program =
        std::env::current_exe().map_err(|source| Error::Io { action: "find", path: "agent-vault".into(), source })?;
    let failed = |source| Error::Io { action: "run", path: "agent-vault".into(), source };
    let expanded =
        act.args.iter().map(|arg| arg.replacen('~', &home.display().to_string(), usize::from(arg.starts_with("~/"))));
    let mut child = Command::new(program)
        .args(expanded)
        .current_dir(repo)
        .env_clear()
        .envs(["PATH", "TERM", "SystemRoot"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(if act.input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let (Some(input), Some(stdin)) = (act.input, child.stdin.take()) {
        std::io::Write::write_all(&mut { stdin }, input.as_bytes()).map_err(failed)?;
    }
    let done = child.wait_with_output().map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    output::print(&out)?;
    if !out.is_empty() && !out.ends_with('\n') {
        output::print("\n")?;
    }
    output::print(&err)?;
    match done.status.code() {
        Some(code) if code == act.code => {
            if code != 0 {
                output::print(&format!("{}\n", Style::Dim.paint(&format!("(exit code {code})"), coloured)))?;
            }
            Ok(())
        }
        other => Err(Error::Conflict {
            message: format!("the demo expected exit code {}, and got {other:?}", act.code),
            hint: "please report this as a bug, with the output above".into(),
        }
        .into()),
    }
}
