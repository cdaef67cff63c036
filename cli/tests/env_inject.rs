//! `env` and `inject`: what real shells make of what is printed, and files that appear whole or not at all.
#![cfg(target_os = "linux")]

mod support;

use std::os::unix::fs::{PermissionsExt, symlink};
use support::{VALUE, World};

/// Everything that quoting can go wrong with.
const ODD: &[u8] =
    b"it's \"$HOME\" `id` $(id) \\ \\n !! %s ~ * ? [a] {a,b} # ; & | < > ' \xc3\xb6 \xff\x01\x1b[m\n\ttwo\r\n\nlast";

#[test]
fn nothing_is_printed_when_a_reference_fails() {
    let world = World::story();
    let done = world.run("env --env A=stripe/api-key --env B=no/such --env C=nor/this").fails(3);
    let done = done.says("B: av://./no/such").says("C: av://./nor/this").keeps_silent_about(VALUE);
    assert!(done.out.is_empty());
    world.run("env --env A=stripe/api-key --format github").fails(2).says("GITHUB_ENV").keeps_silent_about(VALUE);
}

#[test]
fn shells_read_back_what_was_stored_byte_for_byte() {
    let world = World::story();
    world.set("odd/value", ODD);
    for (shell, script) in [
        ("bash", "eval \"$(cat \"$1\")\"; printf %s \"$A\"; env | grep -c '^A='"),
        ("zsh", "eval \"$(cat \"$1\")\"; printf %s \"$A\"; env | grep -c '^A='"),
        ("fish", "source $argv[1]; printf %s \"$A\"; env | grep -c '^A='"),
    ] {
        let file = world.tmp(shell);
        std::fs::write(&file, world.run(&format!("env --env A=odd/value --format {shell}")).ok().out).unwrap();
        let mut command = std::process::Command::new(shell);
        world.surround(&mut command, &world.home);
        if shell == "fish" {
            command.args(["--no-config", "-c", script]).arg(&file);
        } else {
            command.args(["-c", script, shell]).arg(&file);
        }
        let output = command.output().unwrap();
        assert_eq!(output.stdout, [ODD, b"1\n"].concat(), "{shell}: {output:?}");
    }
}

#[test]
fn an_env_file_that_is_printed_is_read_back() {
    let world = World::story();
    world.set("odd/value", ODD);
    let file = world.tmp("printed.env");
    std::fs::write(&file, world.run("env --env A=odd/value --format dotenv").ok().out).unwrap();
    let line = format!("run --no-mask --env-file {} -- sh -c", file.display());
    world.line(&line).arg("printf %s \"$A\"").run().ok().prints(ODD);
}

#[test]
fn python_reads_json_and_what_a_format_cannot_hold_is_refused() {
    let world = World::story();
    world.set("two/lines", "a\"b\nc");
    world.set("no/text", b"\xff\xfe");
    let json = world.run("env --env A=two/lines --format json").ok().json();
    assert_eq!(json["A"], "a\"b\nc");
    world.run("env --env A=two/lines --format docker").fails(2).says("A: the value has more than one line");
    for format in ["json", "powershell", "github"] {
        world.line(&format!("env --env A=no/text --format {format}")).env("GITHUB_ENV", world.tmp("x")).run().fails(2);
    }
}

#[test]
fn a_step_of_github_masks_every_line_before_it_writes_anything() {
    let world = World::story();
    world.set("two/lines", "  one%\ntwo\n");
    let file = world.tmp("github.env");
    std::fs::write(&file, "BEFORE=1\n").unwrap();
    let done = world.line("env --env A=two/lines --format github").env("GITHUB_ENV", &file).run().ok();
    done.prints("::add-mask::one%25\n::add-mask::two\n");
    let text = std::fs::read_to_string(&file).unwrap();
    let delimiter = text.lines().nth(1).unwrap().strip_prefix("A<<").unwrap();
    assert_eq!(text, format!("BEFORE=1\nA<<{delimiter}\n  one%\ntwo\n\n{delimiter}\n"));
    assert!(delimiter.len() > 40);
}

#[test]
fn a_step_of_github_masks_the_secret_within_a_text_and_what_is_no_secret_stays_readable() {
    let world = World::story();
    let line = "env --env-file ../tmp/in --format github --env URL=https://u:${av://stripe/api-key}@example.org/";
    std::fs::write(world.tmp("in"), "PORT=8080\n").unwrap();
    let done = world.line(line).env("GITHUB_ENV", world.tmp("github.env")).run().ok();
    done.prints(format!("::add-mask::{VALUE}\n"));
    let text = std::fs::read_to_string(world.tmp("github.env")).unwrap();
    assert!(text.contains("\n8080\n") && text.contains(&format!("\nhttps://u:{VALUE}@example.org/\n")), "{text}");
}

#[test]
fn a_step_of_github_adds_to_a_file_whose_last_line_has_no_end() {
    let world = World::story();
    let file = world.tmp("github.env");
    for (before, kept) in [("BEFORE=1", "BEFORE=1\nA<<"), ("BEFORE=1\n", "BEFORE=1\nA<<"), ("", "A<<")] {
        std::fs::write(&file, before).unwrap();
        world.line("env --env A=stripe/api-key --format github").env("GITHUB_ENV", &file).run().ok();
        assert!(std::fs::read_to_string(&file).unwrap().starts_with(kept), "{before:?}");
    }
}

#[test]
fn text_from_outside_that_reads_like_a_reference_is_left_alone_where_that_is_asked_for() {
    let world = World::story();
    let outside = "see ${av://stripe/api-key}";
    let call = |line: &str| world.line(line).env("TITLE", outside).env("MALFORMED", "av://a b");
    call("env --no-inherit --env A=stripe/api-key --format json")
        .run()
        .ok()
        .prints(format!("{{\n  \"A\": \"{VALUE}\"\n}}\n"));
    call("run --no-inherit -- printenv TITLE").run().ok().prints(format!("{outside}\n"));
    call("run --no-inherit --only TITLE -- true").run().fails(2).says("--only names TITLE");
    call("run -- printenv TITLE").run().fails(2).says("MALFORMED");
}

#[test]
fn b2_a_template_becomes_a_private_file_whole_or_not_at_all() {
    let world = World::story();
    let (template, to) = (world.tmp("in"), world.tmp("out"));
    let line = format!("inject -i {} -o {}", template.display(), to.display());
    for text in
        ["a ${av://stripe/api-key} ${av://no/such}", "${av://stripe/api-key} ${av://a b}", "${av://stripe/api-key"]
    {
        std::fs::write(&template, text).unwrap();
        let done = world.run(&line);
        assert!([2, 3].contains(&done.run_code()));
        done.keeps_silent_about(VALUE);
        assert!(!to.exists(), "{text}");
    }
    std::fs::write(&template, "a ${av://stripe/api-key} $${av://b} av://c \u{f6}\n").unwrap();
    world.run(&line).ok().says("line 1: av:// without braces stays");
    let expected = format!("a {VALUE} ${{av://b}} av://c \u{f6}\n");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), expected);
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    world.run(&line).fails(7).keeps_silent_about(VALUE);
    let (target, link) = (world.tmp("target"), world.tmp("link"));
    std::fs::write(&target, "precious").unwrap();
    symlink(&target, &link).unwrap();
    let line = format!("inject -i {} -o {}", template.display(), link.display());
    world.run(&line).fails(7);
    world.run(&format!("{line} --force")).ok();
    assert_eq!(std::fs::read(&target).unwrap(), b"precious", "the link is replaced, not followed");
    assert_eq!(std::fs::read_to_string(&link).unwrap(), expected);
    world.pipe("x${av://stripe/api-key}", "inject -i - -o -").ok().prints(format!("x{VALUE}"));
}
