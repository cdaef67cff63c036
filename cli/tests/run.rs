//! `run`: what a program gets, and what keeps it from being started.
#![cfg(unix)]

mod support;

use support::{PROGRAM, VALUE, World};

/// A story with one more vault, `prod`, of the same owner, and an alias for it.
fn with_prod() -> World {
    let world = World::story();
    let prod = world.within(world.root.join("prod"));
    std::fs::create_dir(&prod.repo).unwrap();
    prod.git("init -q -b main");
    prod.run("init --owner eric").ok();
    prod.set("db/pw", "of-production");
    world.line("config set vaults.prod").arg(&prod.repo).run().ok();
    world
}

/// Runs a shell script as the program, after these options.
fn script<'w>(world: &'w World, options: &str, script: &str) -> support::Call<'w> {
    world.line(&format!("run {options} -- sh -c")).arg(script)
}

#[test]
fn nothing_is_started_when_a_reference_fails_and_every_one_that_fails_is_named() {
    let world = World::story();
    let done = script(&world, "--no-mask --env A=no/such --env B=stripe/api-key", "touch started")
        .env("C", "av://stripe/api-kye")
        .env("D", "postgres://u:${av://@nowhere/x}@h")
        .arg("av://neither/this")
        .run();
    let done = done.fails(3).keeps_silent_about(VALUE);
    for told in [
        "A: av://./no/such: no secret",
        "C: av://stripe/api-kye: no secret \"stripe/api-kye\"; did you mean \"stripe/api-key\"?",
        "D: av://@nowhere/x: no vault alias \"nowhere\"",
        "argument 3: av://neither/this: no secret",
    ] {
        assert!(done.err().contains(told), "{told}\n{done}");
    }
    assert!(!world.repo.join("started").exists());
}

#[test]
fn what_begins_like_a_reference_and_is_none_is_refused() {
    let world = World::story();
    for (options, variable) in [("", "av://a b"), ("", "${av://a"), ("--env A=av://", ""), ("--env A=../b", "")] {
        script(&world, options, "touch started").env("X", variable).run().fails(2);
    }
    world.run("run -- printf %s av://").fails(2).says("argument 2");
    world.run("run --env AGENT_VAULT_KEY=stripe/api-key -- true").fails(2);
    world.run("run").fails(2);
    assert!(!world.repo.join("started").exists());
}

#[test]
fn a_program_gets_what_is_referred_to_in_its_environment_and_arguments() {
    let world = World::story();
    let done = script(&world, "--no-mask --env A=stripe/api-key", "printf '%s ' \"$A\" \"$B\" \"$C\" \"$1\"")
        .arg("sh")
        .arg("av://stripe/api-key")
        .env("B", "b:${av://stripe/api-key}@")
        .env("C", "see av://stripe/api-key")
        .run();
    done.ok()
        .says("argument 4 holds the value of av://stripe/api-key: everybody on this machine can see")
        .prints(format!("{VALUE} b:{VALUE}@ see av://stripe/api-key {VALUE} "));
}

#[test]
fn c5_the_key_never_reaches_the_program() {
    let world = World::story();
    let key = std::fs::read_to_string(world.key("ci")).unwrap();
    for masked in ["--mask", "--no-mask"] {
        let options = format!("{masked} --env A=stripe/api-key");
        let done = script(&world, &options, "env").env("AGENT_VAULT_KEY", &key).home(world.fresh_home(masked)).run();
        done.ok().keeps_silent_about("AGENT-SECRET").keeps_silent_about("AGENT_VAULT_KEY").shows("A=");
    }
}

#[test]
fn a_value_that_reads_like_a_reference_stays_what_it_is() {
    let world = World::story();
    world.set("odd/value", "${av://stripe/api-key} av://stripe/api-key");
    world.set("odd/whole", "av://stripe/api-key");
    let done = script(&world, "--no-mask --env A=odd/value --env B=odd/whole", "printf '%s|' \"$A\" \"$B\"").run();
    done.ok().prints("${av://stripe/api-key} av://stripe/api-key|av://stripe/api-key|");
}

#[test]
fn a_field_of_a_value_is_one_read_and_so_are_two() {
    let world = World::story();
    world.set("db/login", "{\"user\": \"u\", \"pw\": \"secret-pw\"}");
    let before = world.run("audit --path db/login --json").ok().json().as_array().unwrap().len();
    let done =
        script(&world, "--no-mask --env U=av://db/login?field=user --env P=av://db/login?field=pw", "echo $U $P").run();
    done.ok().prints("u secret-pw\n");
    let after = world.run("audit --path db/login --json").ok().json().as_array().unwrap().len();
    assert_eq!(after - before, 1, "each secret is read and recorded once");
    script(&world, "--env U=av://db/login?field=nobody", "true").run().fails(3).keeps_silent_about("secret-pw");
}

#[test]
fn an_alias_is_another_vault_and_a_name_that_is_both_is_neither() {
    let world = with_prod();
    let read = |reference: &str| script(&world, &format!("--no-mask --env A={reference}"), "printf %s \"$A\"").run();
    read("av://@prod/db/pw").ok().prints("of-production");
    read("av://prod/db/pw").ok().prints("of-production");
    read("av://./prod/db/pw").fails(3);
    world.set("prod/other", "of-here");
    read("av://prod/db/pw")
        .fails(7)
        .says("av://@prod/db/pw")
        .says("av://./prod/db/pw")
        .keeps_silent_about("of-production");
    read("av://prod/other").fails(7);
    read("av://./prod/other").ok().prints("of-here");
    read("prod/other").ok().prints("of-here");
    read("av://@prod/db/pw").ok().prints("of-production");
    world.run("config unset vaults.prod").ok();
    read("av://prod/other").ok().prints("of-here");
    read("av://@prod/db/pw").fails(3).says("config set vaults.prod");
}

#[test]
fn an_alias_works_where_there_is_no_vault() {
    let world = with_prod();
    let call = script(&world, "--no-mask --env A=av://prod/db/pw", "printf %s \"$A\"").dir(world.root.join("tmp"));
    call.run().ok().prints("of-production");
}

#[test]
fn the_committed_env_file_holds_references_only_and_is_found_from_below() {
    let world = World::story();
    let below = world.repo.join("src/deep");
    std::fs::create_dir_all(&below).unwrap();
    let file = world.repo.join(".agent-vault.env");
    let run = |options: &str| script(&world, options, "printf '%s %s' \"$A\" \"$B\"").dir(&below).run();
    for (text, told) in [
        ("A=av://stripe/api-key\nPORT=80\n", "~/../repo/.agent-vault.env, line 2"),
        ("PATH=av://stripe/api-key\n", "no env file may set PATH"),
        ("GIT_SSH_COMMAND=sh ${av://stripe/api-key}\n", "GIT_SSH_COMMAND"),
        ("A=av://stripe/api-key\nnonsense\n", "line 2"),
    ] {
        std::fs::write(&file, text).unwrap();
        let done = run("").fails(2).keeps_silent_about(VALUE);
        let told = told.trim_start_matches("~/../repo/");
        assert!(done.err().contains(told), "{told}\n{done}");
    }
    std::fs::write(&file, "A=av://stripe/api-key\n[other]\nB=x${av://stripe/api-key}\n").unwrap();
    run("--no-mask").ok().prints(format!("{VALUE} "));
    run("--no-mask --profile other").ok().prints(format!("{VALUE} x{VALUE}"));
    run("--no-mask --profile other --only B").ok().prints(format!(" x{VALUE}"));
    run("--profile othr").fails(2).says("did you mean \"other\"?");
    run("--only C").fails(2).says("--only names C");
    let plain = world.tmp("plain.env");
    std::fs::write(&plain, "A=1\nB='two words'\n").unwrap();
    run(&format!("--env-file {}", plain.display())).ok().prints("1 two words");
    std::fs::write(world.root.join(".agent-vault.env"), "A=av://a/b\n").unwrap();
    std::fs::remove_file(&file).unwrap();
    run("").ok().prints(" ");
}

#[test]
fn a_program_that_cannot_be_started_is_told_as_shells_tell_it() {
    let world = World::story();
    for options in ["--no-mask", "--mask --env A=stripe/api-key"] {
        world.run(&format!("run {options} -- no-such-program")).fails(127);
        world.run(&format!("run {options} -- /etc/passwd")).fails(126);
    }
}

#[test]
fn without_masking_the_program_takes_our_place() {
    let world = World::story();
    let line = format!("echo $$; exec {PROGRAM} run --no-mask --env A=stripe/api-key -- sh -c 'echo $$ >&2; echo $$'");
    let pids = world.sh(&line);
    let pids: Vec<&str> = pids.lines().collect();
    assert_eq!(pids[0], pids[1]);
}

#[test]
fn it_ends_as_the_program_ends_and_standard_input_is_the_programs() {
    let world = World::story();
    for options in ["--no-mask", "--mask --env A=stripe/api-key", "--no-mask --file A=stripe/api-key"] {
        script(&world, options, "exit 7").run().code(7);
        assert_eq!(script(&world, options, "kill -TERM $$").run().code, None, "{options}: of its signal");
        assert_eq!(script(&world, options, "kill -KILL $$").run().code, None, "{options}");
        world.pipe("typed", &format!("run {options} -- cat")).ok().prints("typed");
        let line = format!("{PROGRAM} run {options} -- sh -c 'kill -INT $$' || echo $?");
        assert_eq!(world.sh(&line), "130", "{options}");
    }
}

#[test]
fn files_are_private_hold_the_value_and_are_gone_afterwards() {
    let world = World::story();
    world.set("tls/key.pem", b"one\0two\n");
    let look = "echo \"$F\"; stat -c %a \"$F\" \"$(dirname \"$F\")\"; od -An -c \"$F\"";
    for end in ["", "; kill -TERM $$", "; exit 3"] {
        let done = script(&world, "--file F=tls/key.pem", &format!("{look}{end}")).run();
        let lines: Vec<&str> = done.out().lines().collect();
        assert!(lines[0].ends_with(".pem"), "{done}");
        assert_eq!(lines[1..3], ["600", "700"]);
        assert!(lines[3].contains("o   n   e  \\0   t   w   o  \\n"), "{done}");
        let file = std::path::Path::new(lines[0]);
        assert!(!file.exists() && !file.parent().unwrap().exists());
    }
    script(&world, "--env F=tls/key.pem", "true").run().fails(2).says("NUL").says("--file");
    script(&world, "--file F=no/such", "true").run().fails(3);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_name_can_be_read_again_and_not_be_written() {
    let world = World::story();
    let look = "cat $F $F; echo; echo \"$F\"; echo x > $F || echo refused";
    let done = script(&world, "--no-mask --fd F=stripe/api-key", look).run();
    let lines: Vec<&str> = done.out().lines().collect();
    assert_eq!(lines[0], format!("{VALUE}{VALUE}"));
    assert!(lines[1].starts_with("/dev/fd/"));
    assert_eq!(lines[2], "refused");
}
