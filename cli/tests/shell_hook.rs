//! `shell-hook`, `allow` and `deny`, in the shells themselves, on a terminal.
#![cfg(target_os = "linux")]

mod support_crash;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use support_crash::{PROGRAM, Screen, World, run};

/// What `a/one` holds in [`World::small`].
const VALUE: &str = "old a/one";
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Prints what a shell has: `look N` prints `N=[A|B|status]`, and keeps the status.
fn look(shell: &str) -> &'static str {
    match shell {
        "fish" => {
            "function look\n set -l s $status\n set -q A; and set -l a $A; or set -l a none\n set -q B; and set -l b $B; or set -l b none\n echo \"$argv[1]=[$a|$b|$s]\"\n return $s\nend\n"
        }
        _ => "look() { local s=$?; echo \"$1=[${A-none}|${B-none}|$s]\"; return $s; }\n",
    }
}

fn rc_file(world: &World, shell: &str) -> PathBuf {
    world.home().join(match shell {
        "bash" => ".bashrc",
        "zsh" => ".zshrc",
        _ => ".config/fish/config.fish",
    })
}

/// A vault and an env file with `A` and, under a heading, `B`; and a shell that is hooked, whose rc file begins with these
/// lines.
fn hooked(shell: &str, lines: &str) -> World {
    let world = World::small();
    let file = rc_file(&world, shell);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, format!("{}{lines}\n", look(shell))).unwrap();
    world.vault(&["shell-hook", "install", shell]).ok();
    std::fs::create_dir_all(world.repo().join("deep/er")).unwrap();
    std::fs::create_dir_all(world.home().join("else")).unwrap();
    // Where this is not there, fish begins to read every manual page when it starts.
    std::fs::create_dir_all(world.home().join(".local/share/fish/generated_completions")).unwrap();
    env_file(&world, "A=av://a/one\n[more]\nB=b:${av://a/two}\n");
    world
}

fn env_file(world: &World, text: &str) {
    std::fs::write(world.repo().join(".agent-vault.env"), text).unwrap();
}

fn shell(world: &World, name: &str) -> Command {
    let mut command = world.command(name);
    command.current_dir(world.home()).env("TERM", "dumb").env("REPO", world.repo()).env("AV", PROGRAM);
    if name == "bash" {
        command.arg("-i");
    }
    command
}

/// A shell at its prompt.
struct Talk {
    screen: Screen,
    asked: usize,
}

impl Talk {
    fn new(command: Command) -> Self {
        Self { screen: Screen::of_width(command, false, 500), asked: 0 }
    }

    /// Types a line.
    fn line(&self, line: &str) {
        self.screen.type_in(&format!("{line}\n"));
    }

    /// Types a line, then looks, after a prompt in between.
    #[track_caller]
    fn shows(&mut self, line: &str, expected: &str) {
        self.asked += 1;
        let n = self.asked;
        self.line(line);
        self.line(&format!("look q{n}"));
        self.screen.expect(&format!("q{n}=[{expected}]"));
    }

    /// Everything that was shown.
    fn end(self) -> String {
        self.line("exit");
        self.screen.end().err
    }
}

#[test]
fn nothing_is_set_before_it_is_allowed_and_after_it_has_changed() {
    for name in SHELLS {
        let world = hooked(name, "");
        let mut talk = Talk::new(shell(&world, name));
        talk.shows("cd $REPO", "none|none|0");
        talk.screen.expect("is not allowed to set variables in your shells");
        talk.shows("cd deep", "none|none|0");
        talk.shows("$AV allow", &format!("{VALUE}|none|0"));
        env_file(&world, "A=av://a/two\n");
        talk.shows("", "none|none|0");
        talk.screen.expect("has changed since it was allowed");
        talk.shows("", "none|none|0");
        talk.shows("$AV allow", "old a/two|none|0");
        talk.shows("$AV deny", "none|none|0");
        talk.shows("cd / && cd $REPO", "none|none|0");
        let shown = talk.end();
        for once in ["is not allowed", "has changed"] {
            assert_eq!(shown.matches(once).count(), 1, "{name}: {once}\n{shown}");
        }
    }
}

#[test]
fn variables_are_set_below_the_folder_and_are_as_before_elsewhere() {
    for name in SHELLS {
        let (keep, exported) = match name {
            "fish" => ("set -g A kept", "set -gx A 'it\\'s\" $x'"),
            _ => ("A=kept", "export A='it'\\''s\" $x'"),
        };
        let world = hooked(name, "");
        world.vault(&["allow", "--profile", "more"]).ok();
        let mut talk = Talk::new(shell(&world, name));
        let both = format!("{VALUE}|b:old a/two|0");
        talk.shows("cd $REPO", &both);
        talk.shows("cd deep/er", &both);
        talk.shows("cd ~/else", "none|none|0");
        // A variable of the shell's own stays its own.
        talk.shows(&format!("{keep}; cd $REPO"), &both);
        talk.shows("env | grep -c '^A='", &both);
        talk.shows("cd ~", "kept|none|0");
        talk.line("echo exported:(env | grep -c '^A=')");
        talk.shows("sh -c 'echo in-env:${A-no}'", "kept|none|0");
        talk.screen.expect("in-env:no");
        talk.shows(&format!("{exported}; cd $REPO"), &both);
        talk.shows("cd ~", "it's\" $x|none|0");
        talk.shows("sh -c 'echo \"again:$A\"'", "it's\" $x|none|0");
        talk.screen.expect("again:it's\" $x");
        let shown = talk.end();
        assert!(shown.contains("agent-vault: set: A, B") && shown.contains("agent-vault: as before: A, B"), "{shown}");
        assert!(!shown.contains("AGE-SECRET-KEY"), "{shown}");
    }
}

#[test]
fn a_shell_below_puts_back_what_the_one_above_has_set() {
    for above in SHELLS {
        let world = hooked(above, "");
        world.vault(&["allow"]).ok();
        for below in SHELLS.into_iter().filter(|below| *below != above || above == "bash") {
            let file = rc_file(&world, below);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, look(below)).unwrap();
            world.vault(&["shell-hook", "install", below]).ok();
            let mut command = shell(&world, above);
            command.env("A", "outer");
            let mut talk = Talk::new(command);
            talk.shows("cd $REPO", &format!("{VALUE}|none|0"));
            let start = if below == "bash" { "bash -i" } else { below };
            talk.shows(start, &format!("{VALUE}|none|0"));
            talk.shows("cd ~", "outer|none|0");
            talk.line("exit");
            talk.shows("", &format!("{VALUE}|none|0"));
            talk.shows("cd ~", "outer|none|0");
            talk.end();
        }
    }
}

#[test]
fn the_status_of_the_last_command_stays_and_so_do_strict_settings() {
    for (name, lines) in [
        ("bash", "set -u"),
        ("bash", "set -u; PROMPT_COMMAND=(': ${A-}' 'P=$?')"),
        ("bash", "set -u; PROMPT_COMMAND='P=$?'"),
        ("bash", "unset PROMPT_COMMAND; set -o posix"),
        ("zsh", "setopt no_unset warn_create_global"),
        ("zsh", "setopt ksh_arrays sh_word_split"),
        ("fish", ""),
    ] {
        let world = hooked(name, lines);
        world.vault(&["allow"]).ok();
        let mut talk = Talk::new(shell(&world, name));
        let fails = "sh -c 'exit 7'";
        talk.shows(fails, "none|none|7");
        talk.shows(&format!("cd $REPO; {fails}"), &format!("{VALUE}|none|7"));
        talk.shows(fails, &format!("{VALUE}|none|7"));
        talk.shows(&format!("cd ~; {fails}"), "none|none|7");
        if lines.contains("P=$?") {
            talk.line("sh -c 'exit 6'");
            talk.line("echo after:$P");
            talk.screen.expect("after:6");
        }
        let shown = talk.end();
        for complaint in ["unbound", "parameter not set", "created globally", "syntax", "not found", "nknown"] {
            assert!(!shown.contains(complaint), "{name} {lines}: {shown}");
        }
    }
}

#[test]
fn a_shell_that_ends_at_the_first_failure_does_not_end_of_the_hook() {
    for name in ["bash", "zsh"] {
        let world = hooked(name, "set -e");
        world.vault(&["allow"]).ok();
        let mut talk = Talk::new(shell(&world, name));
        talk.shows("cd $REPO", &format!("{VALUE}|none|0"));
        talk.line("! true");
        talk.line("look || true");
        talk.shows("cd ~", "none|none|0");
        talk.end();
    }
}

#[test]
fn c5_a_trace_of_the_shell_shows_no_value() {
    for name in SHELLS {
        let world = hooked(name, "");
        world.vault(&["allow"]).ok();
        let talk = Talk::new(shell(&world, name));
        talk.line(if name == "fish" { "set -g fish_trace 1" } else { "set -xv" });
        talk.line("cd $REPO");
        talk.line("cd ~");
        talk.line("echo at-the-'end'");
        talk.screen.expect("at-the-end");
        let shown = talk.end();
        assert!(shown.contains("agent-vault: set: A"), "{shown}");
        assert!(!shown.contains(VALUE), "{name}: {shown}");
    }
}

#[test]
fn a_vault_that_cannot_be_read_is_one_line_and_the_prompt_comes() {
    for name in SHELLS {
        let world = hooked(name, "");
        world.vault(&["allow"]).ok();
        let file = world.repo().join(".agent-vault/secrets/a/one.enc");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&bytes[..], b"x"].concat()).unwrap();
        let mut talk = Talk::new(shell(&world, name));
        talk.shows("cd $REPO", "none|none|0");
        talk.shows("cd deep", "none|none|0");
        // A removed folder, then an absent program.
        talk.shows("cd er && rmdir $REPO/deep/er", "none|none|0");
        std::fs::write(&file, bytes).unwrap();
        talk.shows("cd ~ && cd $REPO", &format!("{VALUE}|none|0"));
        let shown = talk.end();
        assert_eq!(shown.matches("agent-vault:").count(), 2, "{shown}");
        assert!(shown.contains(".agent-vault.env sets nothing: A: av://a/one: "), "{shown}");
    }
}

#[test]
fn what_decides_which_code_runs_and_the_key_are_set_by_no_env_file() {
    let world = hooked("bash", "");
    for name in ["PATH", "LD_PRELOAD", "GIT_SSH_COMMAND", "BASH_ENV", "AGENT_VAULT_KEY", "AGENT_VAULT_SHELL"] {
        env_file(&world, &format!("{name}=av://a/one\n"));
        let done = world.vault(&["allow"]).ended(2);
        assert!(done.err.contains(&format!("no env file may set {name}")), "{}", done.err);
    }
    env_file(&world, "A=plain\n");
    world.vault(&["allow"]).ended(2);
    std::fs::remove_file(world.repo().join(".agent-vault.env")).unwrap();
    world.vault(&["allow"]).ended(2);
    world.vault(&["deny"]).ended(2);
}

#[test]
fn control_c_while_variables_are_looked_for_leaves_a_prompt() {
    for name in SHELLS {
        let world = hooked(name, "");
        world.vault(&["allow"]).ok();
        let mut talk = Talk::new(shell(&world, name));
        talk.shows("", "none|none|0");
        for n in 0..3 {
            talk.line("cd $REPO");
            talk.screen.type_in("\x03");
            talk.line("cd ~");
            talk.line(&format!("echo still:'{n}'"));
            talk.screen.expect(&format!("still:{n}"));
        }
        talk.shows("true", "none|none|0");
        talk.end();
    }
}

#[test]
fn what_a_prompt_says_is_nothing_where_nothing_changed() {
    let world = hooked("bash", "");
    world.vault(&["allow"]).ok();
    let prompt = |state: Option<&str>| {
        let mut command = world.program(&["shell-hook", "prompt", "bash"]);
        if let Some(state) = state {
            command.env("AGENT_VAULT_SHELL", state);
        }
        run(&mut command, None).ok()
    };
    let first = prompt(None).text();
    let state = first.lines().find_map(|line| line.strip_prefix("export AGENT_VAULT_SHELL=")).unwrap();
    let again = prompt(Some(state));
    assert_eq!((again.text().as_str(), again.err.as_str()), ("", ""));
    // No vault, no key: nothing of it is looked at.
    std::fs::rename(world.repo().join(".agent-vault"), world.repo().join("away")).unwrap();
    std::fs::create_dir(world.repo().join(".agent-vault")).unwrap();
    assert_eq!(prompt(Some(state)).text(), "");
    assert!(prompt(Some("nonsense")).text().contains("export AGENT_VAULT_SHELL="));
}

#[test]
fn another_vault_in_the_place_of_the_one_that_was_there_is_asked_about() {
    let world = hooked("bash", "");
    world.vault(&["allow"]).ok();
    let records = world.home().join(".agent-vault/allowed");
    let record = records.read_dir().unwrap().next().unwrap().unwrap().path();
    assert_eq!(record.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&record).unwrap();
    let vault = text.lines().find_map(|line| line.strip_prefix("vault: ")).unwrap();
    std::fs::write(&record, text.replace(vault, "00000000-0000-8000-8000-000000000000")).unwrap();
    let done = world.vault(&["shell-hook", "prompt", "bash"]).ok();
    assert!(done.err.contains("allowed with another vault"), "{}", done.err);
    assert!(!done.text().contains(VALUE));
}

#[test]
fn the_hook_comes_and_goes_and_the_file_is_as_it_was() {
    for name in SHELLS {
        let world = World::new();
        let file = rc_file(&world, name);
        // A file that is not there comes with the hook, and goes with it.
        world.vault(&["shell-hook", "install", name]).ok();
        assert!(file.exists());
        world.vault(&["shell-hook", "remove", name]).ok();
        assert!(!file.exists());
        // A link stays one, a mode stays.
        let real = world.home().join("dotfiles");
        std::fs::write(&real, "# mine, without an end").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &file).unwrap();
        world.vault(&["shell-hook", "install", name]).ok();
        let once = std::fs::read(&real).unwrap();
        world.vault(&["shell-hook", "install", name]).ok();
        assert_eq!(std::fs::read(&real).unwrap(), once);
        assert!(file.is_symlink());
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        let check = if name == "fish" { "--no-execute" } else { "-n" };
        run(world.command(name).arg(check).arg(&real), None).ok();
        world.vault(&["shell-hook", "remove", name]).ok();
        world.vault(&["shell-hook", "remove", name]).ok();
        assert_eq!(std::fs::read(&real).unwrap(), b"# mine, without an end");
        assert!(file.is_symlink());
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        let beside: Vec<_> = world.home().read_dir().unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert!(!beside.iter().any(|name| name.to_string_lossy().contains("dotfiles.")), "{beside:?}");
    }
}

#[test]
fn the_folders_that_shells_are_told_to_use_are_used() {
    let world = World::new();
    for (name, variable, file) in [("zsh", "ZDOTDIR", ".zshrc"), ("fish", "XDG_CONFIG_HOME", "fish/config.fish")] {
        let folder = world.home().join(variable);
        let call = |what: &str| run(world.program(&["shell-hook", what, name]).env(variable, &folder), None).ok();
        call("install");
        assert!(folder.join(file).exists());
        call("remove");
        assert!(!folder.join(file).exists());
    }
    std::fs::create_dir(world.home().join(".bashrc")).unwrap();
    world.vault(&["shell-hook", "install", "bash"]).ended(1);
}
