//! Ways around use-only: programs that run others, files put in the way, variables, documents without an owner's signature.
#![cfg(target_os = "linux")]

mod support;

use agent_vault_test_remotes::{copy_program, executable};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use support::{Call, Clones, VALUE, World};

const NAME: &str = "stripe/api-key";

/// A story whose secret is for `cp` alone.
fn bound() -> World {
    let world = World::story();
    bind(&world, &real("cp"));
    world
}

fn bind(world: &World, program: &Path) {
    world.line("set stripe/api-key --use-only --programs").arg(program).run().ok();
}

/// Where a program of this machine lies, without links.
fn real(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("PATH");
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    found.expect(name).canonicalize().expect("its real path")
}

/// A folder whose programs are ours.
fn ours(world: &World) -> PathBuf {
    let folder = world.tmp("ours");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn run<'w>(world: &'w World, words: &[&Path]) -> Call<'w> {
    words.iter().fold(world.line("run --env TOKEN=stripe/api-key --"), |call, word| call.arg(word))
}

/// `cp` takes what is in its environment to a file.
fn copying<'w>(world: &'w World, program: &Path) -> Call<'w> {
    run(world, &[program, Path::new("/proc/self/environ"), &world.tmp("got")])
}

fn got(world: &World) -> bool {
    let bytes = std::fs::read(world.tmp("got")).unwrap_or_default();
    std::fs::remove_file(world.tmp("got")).ok();
    bytes.windows(VALUE.len()).any(|window| window == VALUE.as_bytes())
}

#[test]
fn what_starts_another_program_gets_nothing_for_it() {
    let world = bound();
    let cp = real("cp");
    for starter in ["env", "xargs", "timeout", "nice", "nohup", "find", "setsid", "bash"] {
        run(&world, &[Path::new(starter), &cp]).run().fails(4).says("use-only").keeps_silent_about(VALUE);
    }
    // Whatever of these this machine lacks: the name is enough.
    for starter in ["sudo", "busybox", "doas", "python3.11", "strace", "npx", "vim"] {
        let file = ours(&world).join(starter);
        copy_program(&real("true"), &file);
        run(&world, &[&file, &cp]).run().fails(4).says("runs whatever it is told");
        world.line("set stripe/api-key --use-only --programs").arg(&file).run().fails(2);
    }
}

#[test]
fn git_whose_arguments_can_name_a_shell_is_no_program_for_it() {
    let world = bound();
    let alias = ["git", "-c", "alias.x=!printenv TOKEN", "x"].map(Path::new);
    run(&world, &alias).run().fails(4).keeps_silent_about(VALUE);
    for git in [PathBuf::from("git"), real("git")] {
        world.line("set stripe/api-key --use-only --programs").arg(git).run().fails(2).says("--hosts");
    }
    let link = ours(&world).join("gh");
    copy_program(&real("cp"), &link);
    bind(&world, &link);
    std::fs::remove_file(&link).unwrap();
    symlink(real("git"), &link).unwrap();
    run(&world, &[&link, alias[1], alias[2], alias[3]]).run().fails(4).keeps_silent_about(VALUE);
}

#[test]
fn a_name_of_a_program_of_many_names_is_that_program() {
    let world = World::story();
    let (busybox, gh) = (ours(&world).join("busybox"), ours(&world).join("gh"));
    copy_program(&real("sh"), &busybox);
    symlink(&busybox, &gh).unwrap();
    world.line("set stripe/api-key --use-only --programs").arg(&gh).run().fails(2).says("busybox");
    std::fs::remove_file(&gh).unwrap();
    copy_program(&real("cp"), &gh);
    bind(&world, &gh);
    std::fs::remove_file(&gh).unwrap();
    symlink(&busybox, &gh).unwrap();
    copying(&world, &gh).run().fails(4).says("busybox runs whatever it is told");
}

#[test]
fn a_link_is_what_it_leads_to_and_its_name_says_nothing() {
    let world = bound();
    let link = ours(&world).join("sh");
    symlink(real("cp"), &link).unwrap();
    copying(&world, &link).run().ok();
    assert!(got(&world), "a link to the listed program is that program, under its own name");
    let copy = ours(&world).join("cp");
    copy_program(&real("cp"), &copy);
    copying(&world, &copy).run().fails(4).says(&format!("this is {}", copy.display()));
}

#[test]
fn relative_paths_and_a_path_with_the_current_folder_lead_to_files_and_not_to_names() {
    let world = bound();
    copy_program(&real("cp"), &world.repo.join("cp"));
    copying(&world, Path::new("./cp")).run().fails(4);
    for path in [".:/usr/bin:/bin", ":/usr/bin:/bin"] {
        copying(&world, Path::new("cp")).env("PATH", path).run().fails(4);
    }
    assert!(!got(&world));
    let bin = real("cp").parent().unwrap().to_owned();
    // `..` and `.` of the caller are theirs: what counts is the file.
    let winding = bin.join("..").join(bin.file_name().unwrap()).join(".").join("cp");
    copying(&world, &winding).run().ok();
    assert!(got(&world));
}

#[test]
fn a_library_that_the_caller_preloads_is_not_loaded() {
    let world = bound();
    let (source, library) = (world.tmp("evil.c"), world.tmp("evil.so"));
    let stolen = world.tmp("stolen");
    let code = format!(
        "#include <stdio.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void f(void) {{ char *t = getenv(\"TOKEN\");\
         FILE *o; if (t && (o = fopen(\"{}\", \"w\"))) {{ fputs(t, o); fclose(o); }} }}\n",
        stolen.display()
    );
    std::fs::write(&source, code).unwrap();
    world.sh(&format!("cc -shared -fPIC -o {} {}", library.display(), source.display()));
    let library = library.to_str().unwrap();
    copying(&world, &real("cp")).env("LD_PRELOAD", library).run().ok().says("LD_PRELOAD");
    assert!(got(&world) && !stolen.exists());
    // The library works: the same program loads it where nothing is use-only.
    world.sh(&format!("TOKEN=x LD_PRELOAD={library} cp --version"));
    assert!(stolen.exists());
    for variable in ["LD_PRELOAD", "GIT_TOKEN", "BASH_ENV"] {
        let env = format!("run --env {variable}={NAME} --");
        world.line(&env).arg(real("cp")).run().fails(2).says(variable).keeps_silent_about(VALUE);
        let file = format!("run --file {variable}={NAME} --");
        world.line(&file).arg(real("cp")).run().fails(2).says(variable);
    }
}

#[test]
fn a_program_that_is_replaced_after_it_was_found_gets_nothing() {
    let world = World::story();
    let program = ours(&world).join("tool");
    copy_program(&real("cp"), &program);
    bind(&world, &program);
    // The key comes through a pipe: when it is opened, the program has been.
    let pipe = world.tmp("key");
    world.sh(&format!("mkfifo {}", pipe.display()));
    let key = std::fs::read(world.owner_key()).unwrap();
    let other = ours(&world).join("other");
    executable(&other, "#!/bin/sh\nprintf %s \"$TOKEN\" >\"$2\"\n");
    let (place, written) = (program.clone(), pipe.clone());
    let swap = std::thread::spawn(move || {
        let mut writer = std::fs::OpenOptions::new().write(true).open(&written).expect("a reader");
        std::fs::rename(other, place).expect("another program");
        std::io::Write::write_all(&mut writer, &key).expect("the key");
    });
    let call = world.line("run --env TOKEN=stripe/api-key --key").arg(&pipe).arg("--").arg(&program);
    let done = call.arg("/proc/self/environ").arg(world.tmp("got")).run();
    swap.join().unwrap();
    done.fails(4).says("use-only").keeps_silent_about(VALUE);
    assert!(!got(&world));
}

#[test]
fn a_script_whose_interpreter_somebody_else_chooses_gets_nothing() {
    let world = World::story();
    let script = world.tmp("deploy");
    let body = "printf %s \"$TOKEN\" >\"$2\"\n";
    executable(&script, &format!("#!/bin/sh\n{body}"));
    bind(&world, &script);
    copying(&world, &script).run().ok();
    assert!(got(&world));
    let (env, nested) = (ours(&world).join("x"), ours(&world).join("nested"));
    symlink(real("env"), &env).unwrap();
    executable(&nested, "#!/usr/bin/env sh\n");
    let lines = [
        "#!/usr/bin/env sh".to_owned(),
        "#! /usr/bin/env -S sh".into(),
        format!("#!{} sh", env.display()),
        format!("#!{}", nested.display()),
        "#!/bin/busybox sh".into(),
        "#!sh".into(),
        "#!/no/such/interpreter".into(),
        "#!".into(),
    ];
    for line in lines {
        executable(&script, &format!("{line}\n{body}"));
        copying(&world, &script).run().fails(4).says("is a script").keeps_silent_about(VALUE);
    }
    assert!(!got(&world));
}

#[test]
fn files_and_descriptors_are_for_the_listed_program_too() {
    let world = World::story();
    let script = world.tmp("deploy");
    executable(&script, "#!/bin/sh\ncat \"$F\" >\"$1\"\n");
    bind(&world, &script);
    for how in ["--file", "--fd"] {
        let line = format!("run {how} F={NAME} --");
        world.line(&line).arg(&script).arg(world.tmp("got")).run().ok();
        assert!(got(&world), "{how}");
        world.line(&line).arg("cat").run().fails(4).keeps_silent_about(VALUE);
    }
    // As a reference that was in the environment already, and within a text.
    executable(&script, "#!/bin/sh\nprintf %s \"$F\" >\"$1\"\n");
    world.line("run --").arg(&script).arg(world.tmp("got")).env("F", format!("x${{av://{NAME}}}")).run().ok();
    assert!(got(&world));
    let call = world.line("run -- cat /proc/self/environ").env("X", format!("a ${{av://{NAME}}} b"));
    call.run().fails(4).keeps_silent_about(VALUE);
}

#[test]
fn who_holds_a_key_opens_the_file_with_age_as_the_documentation_says() {
    let world = bound();
    let ci = world.key("ci");
    world.line("get stripe/api-key --key").arg(&ci).run().fails(4).says("hint").keeps_silent_about(VALUE);
    let opened = world.age_opens(&world.file("secrets/stripe/api-key.enc"), Path::new(&ci));
    assert_eq!(opened.as_deref(), Some(VALUE.as_bytes()));
}

#[test]
fn a_bound_that_nobody_signed_away_is_not_away() {
    let world = bound();
    let meta = world.text("secrets/stripe/api-key.meta");
    let without = |fields: &[&str]| -> String {
        let kept = meta.lines().filter(|line| !fields.iter().any(|field| line.starts_with(field)));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let (stripped, unbound) = (without(&["use_only", "programs"]), without(&["programs"]));
    let widened = meta.replace(real("cp").to_str().unwrap(), real("cat").to_str().unwrap());
    for forged in [stripped, widened, unbound] {
        assert_ne!(forged, meta);
        world.plant("secrets/stripe/api-key.meta", &forged);
        world.run("get stripe/api-key").fails(5).keeps_silent_about(VALUE);
        copying(&world, &real("cp")).run().fails(5);
        run(&world, &[&real("cat"), Path::new("/proc/self/environ")]).run().fails(5).keeps_silent_about(VALUE);
    }
}

#[test]
fn the_state_before_it_was_bound_is_read_by_nobody_who_saw_the_bound() {
    let world = bound();
    world.git("checkout -q HEAD~1");
    world.run("get stripe/api-key").fails(4).keeps_silent_about(VALUE);
}

#[test]
fn nothing_that_rewrites_a_secret_forgets_its_bound() {
    let world = bound();
    let (bound, show) = ("use-only: for", "show stripe/api-key");
    world.run("add-agent bot").ok();
    for line in ["grant bot stripe", "revoke ci stripe", "recover-agent bot", "set stripe/api-key --description x"] {
        world.run(line).ok();
        world.run(show).ok().shows(bound);
    }
    std::fs::write(world.repo.join("in.json"), "{\"stripe\":{\"api-key\":\"anew\"}}").unwrap();
    world.run("import in.json --dry-run").fails(7).keeps_silent_about(VALUE);
    world.run("import in.json --update").ok();
    world.run(show).ok().shows(bound);
    world.run("get stripe/api-key").fails(4).keeps_silent_about("anew");
    world.run("check").ok();
}

#[test]
fn an_export_has_no_use_only_value() {
    let world = bound();
    world.set("stripe/open", "not bound");
    world.run("export stripe/api-key --format json").fails(4).keeps_silent_about(VALUE);
    for what in ["--all", "--group stripe", "stripe/*"] {
        let done = world.run(&format!("export {what} --format json")).ok();
        done.shows("not bound").says("not exported, because use-only: stripe/api-key").keeps_silent_about(VALUE);
    }
    world.run("rm stripe/open --yes").ok();
    world.run("export --all --format json").fails(7).keeps_silent_about(VALUE);
}

#[test]
fn a_restored_value_is_bound_as_it_was_or_as_it_is() {
    let world = bound();
    world.pipe("second", "set stripe/api-key --no-use-only").ok();
    world.run("restore stripe/api-key@HEAD~1").ok().says("use-only: for");
    world.run("get stripe/api-key").fails(4).keeps_silent_about(VALUE);
}

/// Two machines do something at once, one with a value and the other without; both orders of syncing come to the same.
fn at_once(bind: &str, other: (&str, Option<&str>), then: impl Fn(&World)) {
    for first in [0, 1] {
        let clones = Clones::of_one_owner(2);
        clones[0].run(bind).ok();
        match other {
            (line, Some(value)) => clones[1].pipe(value, line).ok(),
            (line, None) => clones[1].run(line).ok(),
        };
        clones[first].run("sync").ok();
        clones[1 - first].run("sync").ok();
        clones.settle();
        clones.all().iter().for_each(&then);
    }
}

#[test]
fn of_two_changes_at_once_the_stricter_stays() {
    let cp = real("cp").display().to_string();
    let bind = format!("set stripe/api-key --use-only --programs {cp}");
    let bound = |world: &World, name: &str| {
        world.run(&format!("get {name}")).fails(4).keeps_silent_about(VALUE).keeps_silent_about("anew");
        world.run(&format!("show {name}")).ok().shows(&format!("use-only: for {cp}"));
    };
    at_once(&bind, ("set stripe/api-key", Some("anew")), |world| bound(world, NAME));
    at_once(&bind, ("mv stripe/api-key stripe/moved --yes", None), |world| bound(world, "stripe/moved"));
    // To another program by each: none is both, and somebody has to say which.
    let other = bind.replace(&cp, &real("cat").display().to_string());
    at_once(&bind, (&other, None), |world| {
        world.run("get stripe/api-key").fails(4);
        copying(world, &real("cp")).run().fails(4);
        world.run("check").ok().shows("for no program and no host");
    });
}

#[test]
fn a_bound_that_one_lifts_while_another_sets_a_value_stays_for_that_value() {
    for first in [0, 1] {
        let world = bound();
        let hub = support::Hub::bare(&world);
        let clones = Clones::around(world, hub, 2);
        clones[0].run("set stripe/api-key --no-use-only").ok();
        clones[1].pipe("anew", "set stripe/api-key").ok();
        clones[first].run("sync").ok();
        clones[1 - first].run("sync").ok();
        clones.settle();
        for machine in clones.all() {
            machine.run("get stripe/api-key").fails(4).keeps_silent_about("anew");
        }
    }
}
