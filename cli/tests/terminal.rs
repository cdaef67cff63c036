//! E5 and the terminal's etiquette: on a real terminal, without one, and when it goes away.
#![cfg(target_os = "linux")]

mod support_crash;

use rustix::process::Signal;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use support_crash::{Done, PROGRAM, Screen, World, finish, run};

/// A value that is nowhere to be seen.
const HIDDEN: &str = "correct-horse-battery";

/// Whether a secret is there, and that everything else is as it should be.
#[track_caller]
fn is_absent(world: &World, name: &str) {
    world.vault(&["get", name]).ended(3);
    world.vault(&["check"]).ok();
    world.tidy().unwrap();
}

/// Runs the program with its standard output into a pipe that nobody reads any more.
fn into_closed_pipe(world: &World, args: &[&str]) -> Done {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    finish(world.program(args).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn e5_a_closed_pipe_is_quiet() {
    let world = World::small();
    world.feed(&["set", "big/one"], &vec![b'x'; 1 << 20]).ok();
    for text in [
        "get a/one",
        "get big/one",
        "list",
        "list --json",
        "list-agents",
        "list-agents --json",
        "show a/one",
        "whoami",
        "verify",
        "check -q",
        "check -q --json",
        "trust show",
        "completions bash",
        "--help",
        "--version",
    ] {
        let done = into_closed_pipe(&world, &text.split(' ').collect::<Vec<_>>());
        assert_eq!((done.code(), done.err.as_str()), (Some(0), ""), "{text}");
    }
}

#[test]
fn e5_a_reader_that_leaves_in_the_middle_is_quiet() {
    let world = World::new();
    world.feed(&["set", "big/one"], &vec![b'x'; 1 << 20]).ok();
    let mut command = world.program(&["get", "big/one"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let done = finish(child);
    assert_eq!((done.code(), done.err.as_str(), &first), (Some(0), "", b"xxxxxxxxxx"));
    let script = format!("set -o pipefail; {PROGRAM} list | head -1; {PROGRAM} get big/one | true");
    let done = run(world.command("bash").args(["-c", &script]), None).ok();
    assert!(done.text().starts_with("NAME") && done.err.is_empty(), "{}{}", done.text(), done.err);
}

#[test]
fn e5_a_closed_standard_error_stops_no_change() {
    let world = World::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = world.program(&["set", "a/one", "--generate"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(world.vault(&["get", "a/one"]).ok().out.len(), 32);
}

#[test]
fn e5_set_on_a_terminal_asks_twice_and_shows_nothing_of_the_value() {
    let world = World::new();
    let screen = world.on_screen(&["set", "a/one"]);
    screen.expect("Value of a/one: ");
    assert!(!screen.echoes());
    screen.type_in(&format!("{HIDDEN}\n"));
    screen.expect("Again: ");
    assert!(!screen.echoes());
    screen.type_in(&format!("{HIDDEN}\n"));
    let done = screen.end().ok();
    assert!(!done.err.contains(HIDDEN), "{}", done.err);
    assert_eq!(world.vault(&["get", "a/one"]).ok().text(), HIDDEN);
}

#[test]
fn e5_set_on_a_terminal_with_two_different_values_stores_none() {
    let world = World::new();
    let screen = world.on_screen(&["set", "a/one"]);
    screen.expect("Value of a/one: ");
    screen.type_in(&format!("{HIDDEN}\n"));
    screen.expect("Again: ");
    screen.type_in("another\n");
    let done = screen.end().ended(10);
    assert!(done.err.contains("differ") && !done.err.contains(HIDDEN), "{}", done.err);
    is_absent(&world, "a/one");
}

#[test]
fn e5_the_end_of_input_in_a_prompt_is_a_refusal() {
    let world = World::new();
    let screen = world.on_screen(&["set", "a/one"]);
    screen.expect("Value of a/one: ");
    screen.type_in("\x04");
    screen.end().ended(10);
    is_absent(&world, "a/one");
}

#[test]
fn e5_a_signal_in_a_prompt_ends_the_program_and_gives_the_terminal_back() {
    let world = World::new();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        for prompt in ["Value of a/one: ", "Again: "] {
            let screen = world.on_screen(&["set", "a/one"]);
            screen.expect("Value of a/one: ");
            if prompt == "Again: " {
                screen.type_in(&format!("{HIDDEN}\n"));
                screen.expect(prompt);
            }
            assert!(!screen.echoes());
            screen.signal(signal);
            let (done, echoes) = screen.end_and_echoes();
            assert_eq!(done.status.signal(), Some(signal.as_raw()), "{signal:?} at {prompt}: {done:?}");
            assert!(echoes, "{signal:?} at {prompt} leaves the terminal silent");
            assert!(!done.err.contains(HIDDEN), "{}", done.err);
        }
    }
    is_absent(&world, "a/one");
}

#[test]
fn e5_control_c_in_a_prompt_ends_the_program_and_gives_the_terminal_back() {
    let world = World::new();
    let screen = world.on_screen(&["set", "a/one"]);
    screen.expect("Value of a/one: ");
    screen.type_in("\x03");
    let (done, echoes) = screen.end_and_echoes();
    assert_eq!((done.status.signal(), echoes), (Some(Signal::INT.as_raw()), true));
    is_absent(&world, "a/one");
}

#[test]
fn e5_a_signal_after_a_prompt_still_ends_the_program() {
    for signal in [Signal::INT, Signal::TERM] {
        let world = World::new();
        let lock = std::fs::File::open(world.repo().join(".git/agent-vault/lock")).unwrap();
        lock.lock().unwrap();
        let screen = world.on_screen(&["set", "a/one"]);
        for prompt in ["Value of a/one: ", "Again: "] {
            screen.expect(prompt);
            screen.type_in(&format!("{HIDDEN}\n"));
        }
        // The second answer was taken, and the program waits for the vault, which is held here.
        while !screen.echoes() {
            std::thread::yield_now();
        }
        screen.signal(signal);
        let done = screen.end();
        assert_eq!(done.status.signal(), Some(signal.as_raw()), "{done:?}");
        drop(lock);
        is_absent(&world, "a/one");
    }
}

#[test]
fn e5_a_terminal_that_vanishes_in_a_prompt_ends_the_program_with_nothing_stored() {
    let world = World::new();
    let (mut terminal, line) = pty_process::blocking::open().unwrap();
    let mut child = pty_process::blocking::Command::from(world.program(&["set", "a/one"])).spawn(line).unwrap();
    let mut shown = Vec::new();
    while !shown.ends_with(b"Value of a/one: ") {
        let mut byte = [0];
        terminal.read_exact(&mut byte).unwrap();
        shown.push(byte[0]);
    }
    drop(terminal);
    let status = child.wait().unwrap();
    assert!(status.signal() == Some(Signal::HUP.as_raw()) || status.code() == Some(10), "{status:?}");
    is_absent(&world, "a/one");
}

#[test]
fn e5_rm_and_mv_on_a_terminal_ask_and_take_only_yes_for_yes() {
    let world = World::small();
    let before = world.commits();
    for (args, question) in
        [(&["rm", "a/one"][..], "Remove a/one? [y/N] "), (&["mv", "a/one", "c/new"], "Rename a/one to c/new? [y/N] ")]
    {
        for answer in ["n\n", "\n", "maybe\n", "\x04"] {
            let screen = world.on_screen(args);
            screen.expect(question);
            assert!(screen.echoes());
            screen.type_in(answer);
            screen.end().ended(10);
        }
    }
    assert_eq!(world.commits(), before);
    assert_eq!(world.vault(&["get", "a/one"]).ok().text(), "old a/one");
    let screen = world.on_screen(&["rm", "a/one"]);
    screen.expect("Remove a/one?");
    screen.type_in("y\n");
    screen.end().ok();
    is_absent(&world, "a/one");
}

#[test]
fn e5_without_a_terminal_a_question_is_an_error_that_names_the_flag() {
    let world = World::small();
    let before = world.commits();
    for (text, flag) in [
        ("rm a/one", "--yes"),
        ("mv a/one c/new", "--yes"),
        ("set c/new", "--from-file"),
        ("set c/new", "--generate"),
        ("trust forget", "--yes"),
    ] {
        let done = world.vault(&text.split(' ').collect::<Vec<_>>()).ended(12);
        assert!(done.err.contains(flag), "{text}: {}", done.err);
        assert!(done.out.is_empty());
    }
    assert_eq!(world.commits(), before);
    assert_eq!(world.vault(&["get", "a/one"]).ok().text(), "old a/one");
}

#[test]
fn a7_add_owner_on_a_terminal_shows_the_fingerprint_and_takes_only_yes_for_yes() {
    let world = World::small();
    let (key, card) = (world.root().join("ada.key"), world.root().join("ada.card").display().to_string());
    run(Command::new("age-keygen").arg("-o").arg(&key), None).ok();
    let made = world.vault(&["owner", "card", "--name", "ada", "--key", key.to_str().unwrap(), "-o", &card]).ok();
    let fingerprint = made.text().trim().rsplit(' ').next().unwrap().to_owned();
    let before = world.commits();
    let ask = || {
        let screen = world.on_screen(&["add-owner", "--card", &card]);
        screen.expect(&fingerprint);
        screen.expect("[y/N] ");
        screen
    };
    let screen = ask();
    screen.type_in("maybe\n");
    screen.end().ended(10);
    assert_eq!(world.commits(), before);
    let screen = ask();
    screen.type_in("yes\n");
    screen.end().ok();
    assert_eq!(world.commits(), before + 1);
    for (text, flag) in [("remove-owner ada", "--yes"), (&*format!("add-owner --card {card}"), "already exists")] {
        let done = world.vault(&text.split(' ').collect::<Vec<_>>());
        assert!(matches!(done.code(), Some(7 | 12)) && done.err.contains(flag), "{text}: {}", done.err);
    }
}

/// The same repository, seen by somebody who knows nothing of it.
fn stranger(world: &World, name: &str, args: &[&str]) -> Command {
    let home = world.root().join(name);
    std::fs::create_dir_all(&home).unwrap();
    let mut command = world.program(args);
    command.env("HOME", home);
    command
}

#[test]
fn a7_first_contact_on_a_terminal_asks_once_and_remembers_a_yes_only() {
    let world = World::small();
    let ask = || Screen::new(stranger(&world, "stranger", &["list", "--json"]), true);
    for _ in 0..2 {
        let screen = ask();
        screen.expect("Trust this vault? [y/N] ");
        screen.type_in("no\n");
        let done = screen.end().ended(10);
        assert!(done.err.contains("SHA256:") && done.out.is_empty(), "{done:?}");
    }
    let screen = ask();
    screen.expect("Trust this vault?");
    screen.type_in("yes\n");
    let done = screen.end().ok();
    assert!(done.text().starts_with('['), "the question is not in the result: {}", done.text());
    let done = ask().end().ok();
    assert!(!done.err.contains("Trust"), "it is known now: {}", done.err);
}

#[test]
fn a7_first_contact_elsewhere_is_one_warning_once() {
    let world = World::small();
    let list = || run(&mut stranger(&world, "stranger", &["list"]), None).ok().err;
    let first = list();
    assert_eq!(first.lines().count(), 1, "{first}");
    assert!(first.starts_with("warning: ") && first.contains("AGENT_VAULT_OWNER=SHA256:"), "{first}");
    assert_eq!(list(), "");
}

#[test]
fn a7_first_contact_under_strict_trust_is_refused_on_a_terminal_as_well() {
    let world = World::small();
    let strict = || {
        let mut command = stranger(&world, "stranger", &["list"]);
        command.env("AGENT_VAULT_TRUST", "strict");
        command
    };
    for done in [run(&mut strict(), None), Screen::new(strict(), false).end()] {
        let done = done.ended(5);
        assert!(done.err.contains("SHA256:") && !done.err.contains("[y/N]"), "{}", done.err);
    }
    assert!(!world.root().join("stranger/.agent-vault").exists(), "nothing is remembered");
}

#[test]
fn e5_colours_are_for_terminals_that_want_them() {
    let world = World::small();
    let list = |variables: &[(&str, &str)], piped| {
        let mut command = world.program(&["list"]);
        command.envs(variables.iter().copied());
        let done = Screen::new(command, piped).end().ok();
        if piped { done.text() } else { done.err }
    };
    assert!(list(&[], false).contains("\x1b["));
    assert!(list(&[("TERM", "xterm")], false).contains("\x1b["));
    for plain in [list(&[("NO_COLOR", "1")], false), list(&[("TERM", "dumb")], false), list(&[], true)] {
        assert!(plain.contains("NAME") && !plain.contains('\x1b'), "{plain:?}");
    }
    let refused = |no_color: &str| {
        let mut command = world.program(&["get", "a/nothing"]);
        command.env("NO_COLOR", no_color);
        Screen::new(command, true).end().ended(3).err
    };
    assert!(refused("").contains("\x1b[1;31merror: "), "an empty NO_COLOR is none");
    assert!(refused("1").starts_with("error: "));
    assert!(world.vault(&["get", "a/nothing"]).ended(3).err.starts_with("error: "));
}

#[test]
fn e5_get_ends_the_line_on_a_terminal_and_nowhere_else() {
    let world = World::small();
    assert_eq!(world.on_screen(&["get", "a/one"]).end().ok().err, "old a/one\r\n");
    assert_eq!(world.on_screen_with_piped_output(&["get", "a/one"]).end().ok().out, b"old a/one");
    assert_eq!(world.vault(&["get", "a/one"]).ok().out, b"old a/one");
}

#[test]
fn e5_progress_is_shown_on_a_terminal_and_nowhere_else() {
    let world = World::small();
    for n in 0..25 {
        world.feed(&["set", &format!("many/{n}")], b"x").ok();
    }
    let mut grant = world.program(&["grant", "bob", "many"]);
    grant.env("TERM", "xterm");
    let shown = Screen::new(grant, false).end().ok().err;
    assert!(shown.contains("re-encrypting"), "{shown:?}");
    let told = world.vault(&["revoke", "bob", "many"]).ok().err;
    assert!(!told.contains("re-encrypting") && !told.contains('\x1b') && !told.contains('\r'), "{told:?}");
}

/// What a terminal of so many columns shows of a command, and each of its lines without colours.
fn shown(world: &World, args: &[&str], columns: u16) -> (String, Vec<String>) {
    let shown = Screen::of_width(world.program(args), false, columns).end().ok().err;
    let mut plain = String::new();
    let mut rest = shown.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').expect("the end of a colour").1;
    }
    plain.push_str(rest);
    (shown, plain.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect())
}

#[test]
fn tables_are_of_use_on_a_narrow_terminal_and_on_a_wide_one() {
    let world = World::small();
    let long = "team/service/production/eu-central/database-password";
    world.feed(&["set", long, "--expires", "2099-01-31", "--agents", "ci,bob"], b"v").ok();
    for columns in [40, 80, 200] {
        for args in [&["list"][..], &["list-agents"]] {
            let (_, lines) = shown(&world, args, columns);
            let wide = lines.iter().find(|line| line.chars().count() > usize::from(columns) && *line != long);
            assert_eq!(wide, None, "{args:?} in {columns} columns: {lines:#?}");
            assert!(lines.iter().any(|line| line.contains(if args[0] == "list" { long } else { "ci" })), "{lines:#?}");
        }
    }
    let (_, narrow) = shown(&world, &["list"], 40);
    assert!(
        narrow.contains(&long.to_owned()) && narrow.contains(&"  expires 2099-01-31, readers bob ci".to_owned()),
        "{narrow:#?}"
    );
    let (_, wide) = shown(&world, &["list"], 200);
    assert!(wide[0].starts_with("NAME ") && wide.len() == 5, "{wide:#?}");
    // What is piped is for programs, and they have no columns.
    let piped = Screen::of_width(world.program(&["list"]), true, 40).end().ok().text();
    assert!(piped.starts_with("NAME "), "{piped}");
}

#[test]
fn help_fits_a_narrow_terminal() {
    let world = World::new();
    for args in [&["--help"][..], &["help"], &["set", "--help"], &["trust", "--help"]] {
        for columns in [40, 60, 80, 200] {
            let (_, lines) = shown(&world, args, columns);
            let most = usize::from(columns).min(80);
            // A word is never cut, and clap keeps usage and examples as they stand.
            let wide = lines.iter().find(|line| {
                let example = line.contains("agent-vault ") || line.trim_start().starts_with("[");
                line.chars().count() > most && !example
            });
            assert_eq!(wide, None, "{args:?} in {columns} columns: {lines:#?}");
        }
    }
}

#[test]
fn no_color_means_none_in_any_command() {
    let world = World::small();
    world.feed(&["set", "a/old", "--expires", "2001-01-31"], b"v").ok();
    for args in [&["list"][..], &["show", "a/old"], &["check"], &["list-agents"], &["get", "a/old"], &["--help"]] {
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let mut command = world.program(args);
            command.env("TERM", "xterm").env(name, value);
            let shown = Screen::new(command, false).end().ok().err;
            assert!(!shown.contains('\x1b'), "{args:?} with {name}={value}: {shown:?}");
        }
    }
}
