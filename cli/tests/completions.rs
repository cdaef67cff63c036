//! Completions in the shells themselves: what a person who types and presses Tab gets.
#![cfg(target_os = "linux")]

mod support_crash;

use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use support_crash::{Done, PROGRAM, Screen, World, run};

/// A vault with the agents `ci` and `bob`, the secrets `a/one`, `a/two` and `b/three`, one without a folder, and one
/// whose group no folder is named after.
fn world() -> World {
    let world = World::small();
    world.feed(&["set", "alone"], b"v").ok();
    world.feed(&["set", "stripe/api-key", "--group", "payments"], b"v").ok();
    world
}

/// A command that finds our program first on PATH.
fn shell(world: &World, program: &str) -> Command {
    let bin = Path::new(PROGRAM).parent().expect("a folder");
    let path = std::env::var_os("PATH").expect("PATH");
    let path = std::env::join_paths([bin.to_path_buf()].into_iter().chain(std::env::split_paths(&path))).expect("PATH");
    let mut command = world.command(program);
    command.env("PATH", path).env("TERM", "xterm");
    command
}

/// Types `typed` and Tab into an interactive shell, and waits until its line is `line` and it shows `offered`.
#[track_caller]
fn tab(shell: Command, typed: &str, line: &str, offered: &[&str]) {
    let screen = Screen::new(shell, false);
    screen.expect("ready> ");
    screen.type_in(typed);
    screen.type_in("\t");
    offered.iter().for_each(|name| screen.expect(name));
    // Control-G prints the line as the shell has it.
    screen.type_in("\x07");
    screen.expect(&format!("LINE=[{line}]"));
    screen.signal(Signal::KILL);
    let shown = screen.end().err;
    assert!(!shown.contains("error"), "{shown}");
}

/// What is typed, what it becomes, and what is offered beside.
const TYPED: [(&str, &str, &[&str]); 10] = [
    ("agent-vault get st", "agent-vault get stripe/", &[]),
    ("agent-vault get stripe/a", "agent-vault get stripe/api-key ", &[]),
    ("agent-vault show al", "agent-vault show alone ", &[]),
    ("agent-vault get a/", "agent-vault get a/", &["a/one", "a/two"]),
    ("agent-vault revoke ci --secret b/", "agent-vault revoke ci --secret b/three ", &[]),
    ("agent-vault remove-agent b", "agent-vault remove-agent bob ", &[]),
    ("agent-vault remove-owner e", "agent-vault remove-owner eric ", &[]),
    ("agent-vault grant ci str", "agent-vault grant ci stripe ", &[]),
    ("agent-vault recov", "agent-vault recover-agent ", &[]),
    ("agent-vault list --js", "agent-vault list --json ", &[]),
];

#[test]
fn tab_in_bash_completes_names() {
    let world = world();
    let rc = world.root().join("bashrc");
    let setup = "PS1='ready> '\n\
        for setting in 'enable-bracketed-paste off' 'show-all-if-ambiguous on' 'bell-style none'; do bind \"set $setting\"; done\n\
        bind -x '\"\\C-g\": printf \"LINE=[%s]\\n\" \"$READLINE_LINE\"'\n\
        eval \"$(agent-vault completions bash)\"\n";
    std::fs::write(&rc, setup).unwrap();
    for (typed, line, offered) in TYPED {
        let mut bash = shell(&world, "bash");
        bash.args(["--noprofile", "--rcfile"]).arg(&rc).arg("-i");
        tab(bash, typed, line, offered);
    }
}

#[test]
fn tab_in_zsh_completes_names() {
    let world = world();
    let setup = "PS1='ready> '\nunsetopt prompt_sp\nautoload -Uz compinit\ncompinit -u -D\n\
        dump() { zle -I; print -r -- \"LINE=[$BUFFER]\" }\nzle -N dump\nbindkey '^G' dump\n\
        eval \"$(agent-vault completions zsh)\"\n";
    std::fs::write(world.root().join(".zshrc"), setup).unwrap();
    for (typed, line, offered) in TYPED {
        let mut zsh = shell(&world, "zsh");
        zsh.args(["-o", "no_global_rcs", "-i"]).env("ZDOTDIR", world.root());
        tab(zsh, typed, line, offered);
    }
}

#[test]
fn fish_completes_names() {
    let world = world();
    for (typed, line, offered) in TYPED {
        let mut fish = shell(&world, "fish");
        let script = format!("agent-vault completions fish | source; complete -C '{typed}'");
        let done = run(fish.args(["--no-config", "-c", &script]), None).ok();
        let found: Vec<String> =
            done.text().lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect();
        let word = line.rsplit(' ').find(|word| !word.is_empty()).unwrap();
        let expected: Vec<&str> = if offered.is_empty() { vec![word] } else { offered.to_vec() };
        assert_eq!(found, expected, "{typed}: {done:?}");
    }
}

/// Asks as fish does, with the words so far.
fn ask(world: &World, words: &[&str]) -> Done {
    run(question(world, words).env("HOME", world.home()), None)
}

fn question(world: &World, words: &[&str]) -> Command {
    let mut command = world.program(&["--", "agent-vault"]);
    command.args(words).env("AGENT_VAULT_COMPLETE", "fish");
    command
}

fn offered(world: &World, words: &[&str]) -> Vec<String> {
    let done = ask(world, words).ok();
    assert_eq!(done.err, "", "{words:?}");
    done.text().lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn names_come_before_options_and_only_where_they_fit() {
    let world = world();
    for (words, names) in [
        (&["get", ""][..], &["a/", "alone", "b/", "stripe/"][..]),
        (&["set", "a/"], &["a/one", "a/two"]),
        (&["grant", ""], &["bob", "ci"]),
        (&["grant", "ci", ""], &["a", "b", "default", "stripe"]),
        (&["list", "--group", "s"], &["stripe"]),
        (&["list", "--group=s"], &["--group=stripe"]),
        (&["set", "a/one", "--agents", "bob,c"], &["bob,ci"]),
        (&["mv", "a/one", "b/"], &["b/three"]),
        (&["log", "a/"], &["a/one", "a/two"]),
        (&["restore", "a/"], &["a/one", "a/two"]),
        (&["restore", "a/one@"], &[]),
        (&["completions", ""], &["bash", "zsh", "fish", "powershell"]),
        (&["get", "-- ", "x"], &[]),
    ] {
        assert_eq!(offered(&world, words), names, "{words:?}");
    }
    let fresh = offered(&world, &["add-agent", ""]);
    assert!(fresh.iter().all(|name| name.starts_with('-')), "a new agent has no name yet: {fresh:?}");
}

#[test]
fn a_group_that_only_a_secret_names_is_offered_once_a_listing_remembers_it() {
    let world = world();
    // A listing remembers no file that has only just changed.
    while offered(&world, &["grant", "ci", "p"]) != ["payments"] {
        std::thread::sleep(std::time::Duration::from_millis(250));
        world.vault(&["list"]).ok();
    }
}

#[test]
fn files_and_folders_are_offered_where_files_and_folders_are_taken() {
    let world = world();
    std::fs::create_dir(world.repo().join("keys")).unwrap();
    std::fs::write(world.repo().join("kiosk.key"), "").unwrap();
    assert_eq!(offered(&world, &["get", "a/one", "--key", "k"]), ["keys/", "kiosk.key"]);
    assert_eq!(offered(&world, &["-C", "k"]), ["keys/"]);
}

#[test]
fn the_vault_that_the_line_names_is_the_one_that_is_asked() {
    let world = world();
    let elsewhere = |words: &[&str]| {
        let mut question = question(&world, words);
        run(question.current_dir(world.root()), None).ok().text()
    };
    assert_eq!(elsewhere(&["get", "s"]), "");
    let repo = world.repo().display().to_string();
    assert_eq!(elsewhere(&["-C", &repo, "get", "s"]), "stripe/\n");
    assert_eq!(elsewhere(&["get", &format!("--vault={repo}"), "s"]), "stripe/\n");
}

#[test]
fn c5_nothing_that_a_terminal_or_shell_would_obey_is_offered() {
    let world = world();
    let secrets = world.repo().join(".agent-vault/secrets");
    for name in
        ["a/\x1b]0;owned\x07", "a/$(touch owned)", "a/`id`", "a/x;y", "a/two words", "a/new\nline", "a/-rf", "a/é"]
    {
        std::fs::write(secrets.join(format!("{name}.meta")), "").unwrap();
        std::fs::create_dir(secrets.join(format!("{name}folder"))).unwrap();
    }
    assert_eq!(offered(&world, &["get", "a/"]), ["a/one", "a/two"]);
    // A file's name is as hostile as a secret's: whoever pushes chooses it, and the shell would put it into the line.
    for name in
        ["k\x1b]0;owned\x07", "k$(touch owned)", "k`id`", "k;reboot", "k two", "k\nline", "k|sh", "k&", "k'", "k\\"]
    {
        std::fs::write(world.repo().join(name), "").unwrap();
        std::fs::create_dir(world.repo().join(format!("{name}folder"))).unwrap();
    }
    std::fs::write(world.repo().join("key~1+é.txt"), "").unwrap();
    std::fs::write(world.repo().join("-rf"), "").unwrap();
    assert_eq!(offered(&world, &["get", "a/one", "--key", "k"]), ["key~1+é.txt"]);
    assert_eq!(offered(&world, &["get", "a/one", "--key", ""]), [".", "key~1+é.txt"]);
    assert!(offered(&world, &["-C", "k"]).is_empty());
    std::fs::write(world.repo().join(".agent-vault/manifest.yaml"), "agents: [{name: \"\\e[31m\"}]\n").unwrap();
    assert_eq!(offered(&world, &["grant", ""]).iter().filter(|name| !name.starts_with('-')).count(), 0);
}

#[test]
fn a_question_that_has_no_answer_is_met_with_silence() {
    let world = world();
    let bare = World::new();
    std::fs::remove_dir_all(bare.repo().join(".agent-vault")).unwrap();
    for words in [&["get", ""][..], &["grant", ""], &["nothing-like-this", ""], &["get", "../"], &["get", "//"]] {
        for world in [&world, &bare] {
            assert_eq!(ask(world, words).err, "", "{words:?}");
        }
    }
    // A variable that no script of ours has set is no question.
    for (name, value) in [("AGENT_VAULT_COMPLETE", "tcsh"), ("AGENT_VAULT_COMPLETE", ""), ("COMPLETE", "bash")] {
        let done = run(world.program(&["get", "a/one"]).env(name, value), None).ok();
        assert_eq!(done.text(), "old a/one", "{name}={value}");
    }
    let done = run(world.program(&["get", "a/one"]).env("AGENT_VAULT_COMPLETE", "bash"), None).ok();
    assert_eq!(done.text(), "old a/one", "no words are asked about");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let done = run(world.program(&["--"]).env("AGENT_VAULT_COMPLETE", shell), None).ended(2);
        assert!(done.out.is_empty() && done.err.contains("no command is given"), "{shell}: {}", done.err);
    }
}

#[test]
fn a_question_reads_files_of_the_vault_and_does_nothing_else() {
    let world = world();
    let home = world.root().join("stranger");
    std::fs::create_dir(&home).unwrap();
    for words in [&["get", "a/"][..], &["grant", ""], &["grant", "ci", ""]] {
        let trace = world.root().join("trace");
        let question = question(&world, words);
        let mut strace = world.command("strace");
        strace.args(["-f", "-e", "trace=%network,%file,%process,write", "-o"]).arg(&trace).arg("--").arg(PROGRAM);
        strace.args(question.get_args()).env("AGENT_VAULT_COMPLETE", "fish").env("HOME", &home);
        assert!(!run(&mut strace, None).ok().out.is_empty(), "{words:?}");
        let trace = std::fs::read_to_string(&trace).unwrap();
        let calls: Vec<&str> =
            trace.lines().filter_map(|line| line.split_once(' ').map(|(_, call)| call.trim())).collect();
        assert!(
            calls
                .iter()
                .any(|call| call.starts_with("openat") && (call.contains("secrets") || call.contains("manifest")))
        );
        for call in &calls {
            let writes =
                ["O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "rename", "unlink"].iter().any(|word| call.contains(word));
            assert!(!writes || call.contains("/dev/null"), "it writes: {call}");
            let network = ["socket(", "connect(", "sendto("].iter().any(|word| call.starts_with(word));
            assert!(!network, "it calls somebody: {call}");
            assert!(!call.contains("owner.key") && !call.contains("agents/"), "it looks at a key: {call}");
            assert!(!call.starts_with("write(2"), "it talks: {call}");
        }
        assert_eq!(calls.iter().filter(|call| call.starts_with("execve(")).count(), 1, "it runs nothing");
    }
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0, "and nothing is remembered");
}
