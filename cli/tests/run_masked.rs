//! `run` with masking: what is seen of what a program prints, and that it runs as it would without.
#![cfg(target_os = "linux")]

mod support;
mod support_crash;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use support::{PROGRAM, VALUE, World};
use support_crash::Screen;

/// The program with `--env K=stripe/api-key` and a shell script, ready to be started.
fn script(world: &World, options: &str, script: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("run").args(options.split_whitespace()).args(["--env", "K=stripe/api-key", "--", "sh", "-c", script]);
    command.current_dir(&world.repo);
    world.surround(&mut command, &world.home);
    command
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

#[test]
fn a_value_is_masked_on_both_streams_in_the_forms_that_programs_give_it() {
    let world = World::story();
    let print = "echo $K; echo $K >&2; printf %s $K | base64; printf %s $K | od -An -tx1 -v | tr -d ' \\n'; echo; printf 'x%s' $K | base64; echo \"{\\\"k\\\":\\\"$K\\\"}\"";
    let output = script(&world, "", print).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out.lines().next(), Some("***"));
    assert_eq!(output.stderr, b"***\n");
    assert_eq!(out.lines().nth(2), Some("***"), "{out}");
    assert_eq!(out.lines().last(), Some("{\"k\":\"***\"}"));
    assert!(!out.contains(&VALUE[3..9]) && out.matches("***").count() == 5, "{out}");
    let output = script(&world, "--no-mask", print).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with(VALUE));
}

#[test]
fn a_value_that_is_too_short_is_told() {
    let world = World::story();
    world.set("tiny/pin", "1234");
    let done = world.run("run --env P=tiny/pin -- sh -c true").ok();
    done.says("too short to be masked, with less than 6 bytes: av://./tiny/pin");
    world.run("run --no-mask --env P=tiny/pin -- true").ok().keeps_silent_about("too short");
}

#[test]
fn two_streams_into_one_place_keep_their_order() {
    let world = World::story();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = script(&world, "", "for n in 1 2 3 4 5 6 7 8 9; do echo out $n $K; echo err $n >&2; done");
    let mut child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let expected: String = (1..10).map(|n| format!("out {n} ***\nerr {n}\n")).collect();
    assert_eq!(text, expected);
}

#[test]
fn what_is_printed_without_an_end_of_line_is_seen_while_the_program_waits() {
    let world = World::story();
    // The prompt ends as the value begins.
    let mut child = script(&world, "", "printf 'Ready? s'; read answer; echo got $answer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut prompt = [0; 8];
    child.stdout.as_mut().unwrap().read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"Ready? s");
    child.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"got yes\n");
}

#[test]
fn what_a_forked_child_prints_later_is_masked_and_waited_for() {
    let world = World::story();
    let fifo = world.tmp("fifo");
    world.sh(&format!("mkfifo {}", fifo.display()));
    let text = format!("(read x < {}; echo later $K) & echo first; exit 4", fifo.display());
    let mut child = script(&world, "", &text).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    std::fs::write(&fifo, "go\n").unwrap();
    line.clear();
    out.read_to_string(&mut line).unwrap();
    assert_eq!(line, "later ***\n");
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

#[test]
fn a_signal_sent_to_us_alone_reaches_the_program() {
    let world = World::story();
    for name in ["TERM", "INT", "HUP", "USR1"] {
        let text = format!("trap 'echo heard; exit 3' {name}; echo ready; while :; do read x; done");
        let mut child = script(&world, "", &text).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        signal(child.id(), name);
        // The shell looks at its traps between commands.
        let _ = child.stdin.as_mut().unwrap().write_all(b"\n");
        line.clear();
        out.read_to_string(&mut line).unwrap();
        assert_eq!((line.as_str(), child.wait().unwrap().code()), ("heard\n", Some(3)), "{name}");
    }
}

#[test]
fn a_signal_that_nobody_catches_ends_both_and_what_is_ignored_stays_ignored() {
    let world = World::story();
    let mut child = script(&world, "", "echo ready; exec sleep 1000").stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    let line = format!("trap '' INT; {PROGRAM} run --env K=stripe/api-key -- sh -c 'kill -INT $$; echo alive'");
    assert_eq!(world.sh(&line), "alive");
}

#[test]
fn a_reader_that_leaves_is_felt_by_the_program() {
    let world = World::story();
    let line = format!("{PROGRAM} run --env K=stripe/api-key -- sh -c 'yes $K; echo \"yes: $?\" >&2' | head -n 1");
    let output = {
        let mut command = Command::new("bash");
        command.args(["-c", &line]).current_dir(&world.repo);
        world.surround(&mut command, &world.home);
        command.output().unwrap()
    };
    assert_eq!(output.stdout, b"***\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("yes: 141"), "{output:?}");
}

#[test]
fn a_gibibyte_goes_through_whole_and_no_more_of_it_is_held_than_of_a_line() {
    let world = World::story();
    let memory = world.tmp("memory");
    for (options, end) in [("", &b"***\n"[..]), ("--no-mask --file F=stripe/api-key", b"sk_live_8f3a2c91d7\n")] {
        // The kernel's own high-water mark of whoever stands between, when all but the end was printed.
        let print = "head -c 1073741824 /dev/zero; grep VmHWM /proc/$PPID/status > \"$MEMORY\"; echo $K";
        let mut command = script(&world, options, print);
        let mut child = command.env("MEMORY", &memory).stdout(Stdio::piped()).spawn().unwrap();
        let (mut out, mut buffer) = (child.stdout.take().unwrap(), vec![0; 1 << 20]);
        let (mut zeros, mut rest) = (0, Vec::new());
        while let Ok(count @ 1..) = out.read(&mut buffer) {
            let first = buffer[..count].iter().position(|byte| *byte != 0).unwrap_or(count);
            zeros += if rest.is_empty() { first } else { 0 };
            rest.extend_from_slice(if rest.is_empty() { &buffer[first..count] } else { &buffer[..count] });
        }
        assert_eq!((zeros, &rest[..]), (1 << 30, end), "{options}");
        assert!(child.wait().unwrap().success());
        let text = std::fs::read_to_string(&memory).unwrap();
        let kibibytes: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(kibibytes < 64 << 10, "{options}: {kibibytes} KiB");
    }
}

/// An interactive shell on a terminal.
fn shell(world: &World) -> Screen {
    let mut command = Command::new("bash");
    command.args(["--norc", "-i"]).current_dir(&world.repo);
    world.surround(&mut command, &world.home);
    command.env("PS1", "[$?]$ ").env("TERM", "dumb").env("AV", PROGRAM);
    Screen::new(command, false)
}

#[test]
fn on_a_terminal_nothing_is_masked_unless_it_is_asked_for() {
    let world = World::story();
    let screen = shell(&world);
    screen.type_in("$AV run --env K=stripe/api-key -- sh -c 'test -t 1 && echo plain:$K'\n");
    screen.expect(&format!("plain:{VALUE}"));
    screen.type_in("$AV run --mask --env K=stripe/api-key -- sh -c 'test -t 0 && echo masked:$K'\n");
    screen.expect("masked:***");
    screen.type_in("exit\n");
    screen.end();
}

#[test]
fn job_control_works_with_and_without_masking() {
    let world = World::story();
    for options in ["--mask", "--no-mask"] {
        let screen = shell(&world);
        screen.type_in(&format!(
            "$AV run {options} --env K=stripe/api-key -- sh -c 'echo run$((20+3)); read x; echo got:$x:$K; read y'\n"
        ));
        screen.expect("run23");
        screen.type_in("\x1a");
        screen.expect("Stopped");
        screen.type_in("echo shell$((30+4))\n");
        screen.expect("shell34");
        screen.type_in("fg\n");
        screen.type_in("typed\n");
        screen.expect(if options == "--mask" { "got:typed:***" } else { "got:typed:sk_live" });
        screen.type_in("\x03");
        screen.expect("[130]$");
        screen.type_in("exit\n");
        screen.end();
    }
}

#[test]
fn in_tmux_the_program_has_the_terminal_and_ctrl_c_is_its_own() {
    let world = World::story();
    let socket = world.tmp("tmux");
    let tmux = |args: &[&str]| {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&socket).args(["-f", "/dev/null"]).args(args).current_dir(&world.repo);
        world.surround(&mut command, &world.home);
        let output = command.env("AV", PROGRAM).env("TERM", "xterm").output().expect("tmux runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let program = "trap 'echo heard:$K; exit 5' INT; stty size <&0; tmux wait-for -S ready; while :; do read x; done";
    let line = format!(
        "$AV run --mask --env K=stripe/api-key -- sh -c '{}'; echo code:$?; tmux wait-for -S done; exec cat",
        program.replace('\'', "'\\''")
    );
    tmux(&["new-session", "-d", "-x", "80", "-y", "24", "bash", "--norc", "-c", &line]);
    tmux(&["wait-for", "ready"]);
    tmux(&["send-keys", "C-c"]);
    tmux(&["wait-for", "done"]);
    let shown = tmux(&["capture-pane", "-p"]);
    tmux(&["kill-server"]);
    assert!(shown.contains("24 80") && shown.contains("heard:***") && shown.contains("code:5"), "{shown}");
}
