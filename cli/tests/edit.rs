//! `edit`: what the editor sees, what is stored, and that nothing of it stays behind, whatever ends the program.
#![cfg(target_os = "linux")]

mod support;
mod support_crash;

use agent_vault_test_remotes::executable;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use support::World;

/// A script that serves as the editor; `$1` is the file.
fn editor(world: &World, script: &str) -> PathBuf {
    let file = world.tmp("editor");
    executable(&file, &format!("#!/bin/sh\nset -e\n{script}\n"));
    file
}

/// Runs `edit a/key` with that editor.
fn edit(world: &World, script: &str) -> support::Done {
    world.run_editor("edit a/key", script)
}

trait WithEditor {
    fn run_editor(&self, line: &str, script: &str) -> support::Done;
    fn noted(&self) -> String;
    fn is_gone(&self);
}

impl WithEditor for World {
    fn run_editor(&self, line: &str, script: &str) -> support::Done {
        self.line(line).env("EDITOR", editor(self, script)).run()
    }

    /// What the editor wrote to the file `noted`.
    fn noted(&self) -> String {
        std::fs::read_to_string(self.tmp("noted")).expect("the editor ran")
    }

    /// The folder that the editor saw is not there any more.
    fn is_gone(&self) {
        let dir = PathBuf::from(self.noted().lines().next().expect("a line")).parent().expect("a folder").to_path_buf();
        assert!(dir.is_absolute() && !dir.exists(), "{}", dir.display());
    }
}

/// Notes where the file is, and leaves what editors leave beside it.
fn noting(world: &World) -> String {
    format!(
        "echo \"$1\" > {}; cp \"$1\" \"$1~\"; mkdir \"$1.d\"; cp \"$1\" \"$1.d/.swp\"",
        world.tmp("noted").display()
    )
}

#[test]
fn an_edited_value_is_stored_and_the_newline_that_editors_add_is_not() {
    let world = World::vault();
    world.set("a/key", "old");
    edit(&world, "printf 'new\\n' > \"$1\"").ok().says("changed a/key, revision 2");
    assert_eq!(world.get("a/key"), b"new");
    // Where there was one, it belongs to the value.
    world.set("a/key", "two\nlines\n");
    edit(&world, "sed -i s/two/three/ \"$1\"").ok();
    assert_eq!(world.get("a/key"), b"three\nlines\n");
    // Replacing the file, as many editors do, is as good as writing into it.
    edit(&world, "printf x > \"$1.new\"; mv \"$1.new\" \"$1\"").ok();
    assert_eq!(world.get("a/key"), b"x");
    world.run("verify --history").ok();
}

#[test]
fn c5_the_file_is_private_in_memory_and_gone_afterwards_with_all_that_lay_beside_it() {
    let world = World::vault();
    world.set("a/key.toml", "sk_edit_me");
    let script = format!(
        "{}; stat -c '%a %F' \"$1\" >> {note}; stat -c %a \"$(dirname \"$1\")\" >> {note}; stat -f -c %T \"$1\" >> {note}; printf sk_edited > \"$1\"",
        noting(&world),
        note = world.tmp("noted").display()
    );
    world.run_editor("edit a/key.toml", &script).ok();
    let noted = world.noted();
    let lines: Vec<&str> = noted.lines().collect();
    assert!(lines[0].ends_with(".toml") && !lines[0].contains("key"), "{noted}");
    assert_eq!(&lines[1..], ["600 regular file", "700", "tmpfs"], "{noted}");
    world.is_gone();
    std::fs::remove_file(world.tmp("editor")).unwrap();
    assert!(world.places_of("sk_edit").is_empty());
}

#[test]
fn nothing_is_stored_when_nothing_changed_or_the_editor_failed() {
    let world = World::vault();
    world.set("a/key", "old");
    let before = world.state();
    edit(&world, &noting(&world)).ok().says("nothing is stored");
    world.is_gone();
    edit(&world, "echo >> \"$1\"").ok().says("nothing is stored");
    edit(&world, &format!("{}; echo new > \"$1\"; exit 3", noting(&world))).fails(7).says("ended with code 3");
    world.is_gone();
    world.line("edit a/key").env("EDITOR", "no-such-editor --wait").run().code(7);
    world.run_editor("edit a/none", ":").ok().says("nothing is stored");
    assert_eq!(world.state(), before);
}

#[test]
fn a_secret_that_is_not_there_is_made_and_one_that_is_no_text_is_refused() {
    let world = World::vault();
    world.run_editor("edit a/new", "test ! -s \"$1\"; echo hello > \"$1\"").ok().says("added a/new");
    assert_eq!(world.get("a/new"), b"hello");
    world.set("a/key", [0, 159, 146, 150]);
    edit(&world, "echo x > \"$1\"").fails(2).says("is no text");
    world.run_editor("edit ../x", ":").code(2);
}

#[test]
fn visual_comes_first_and_an_editor_may_be_a_command_line() {
    let world = World::vault();
    world.set("a/key", "old");
    world.line("edit a/key").env("EDITOR", "false").env("VISUAL", "sed -i -e s/old/new/").run().ok();
    assert_eq!(world.get("a/key"), b"new");
}

#[test]
fn c5_the_editor_never_sees_the_key() {
    let world = World::vault();
    world.set("a/key", "old");
    let script = format!("env > {}; echo new > \"$1\"", world.tmp("noted").display());
    let key = std::fs::read_to_string(world.owner_key()).unwrap();
    world.line("edit a/key").env("AGENT_VAULT_KEY", &key).env("EDITOR", editor(&world, &script)).run().ok();
    let seen = world.noted();
    assert!(seen.contains("HOME=") && !seen.contains("AGENT_VAULT_KEY") && !seen.contains("AGE-SECRET-KEY"), "{seen}");
}

#[test]
fn a_change_made_meanwhile_is_not_overwritten_and_what_was_typed_is_kept() {
    let world = World::vault();
    world.set("a/key", "old");
    let script = format!("{}; printf theirs | {} set a/key; printf mine > \"$1\"", noting(&world), support::PROGRAM);
    let done = edit(&world, &script).fails(7).says("changed meanwhile").says("in plaintext, in /");
    assert_eq!(world.get("a/key"), b"theirs", "{done}");
    let kept = PathBuf::from(world.noted().lines().next().unwrap());
    assert_eq!(std::fs::read(&kept).unwrap(), b"mine");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    world.run(&format!("set a/key --from-file {} --trim", kept.display())).ok();
    assert_eq!(world.get("a/key"), b"mine");
    std::fs::remove_dir_all(kept.parent().unwrap()).unwrap();
    // Removed meanwhile, made meanwhile, and too large: kept all the same.
    for script in [
        format!("{}; {} rm a/key --yes; printf x > \"$1\"", noting(&world), support::PROGRAM),
        format!("{}; printf y | {} set a/key; printf x > \"$1\"", noting(&world), support::PROGRAM),
        format!("{}; head -c 2000000 /dev/zero | tr '\\0' z > \"$1\"", noting(&world)),
    ] {
        assert_ne!(edit(&world, &script).code, Some(0));
        std::fs::remove_dir_all(PathBuf::from(world.noted().lines().next().unwrap()).parent().unwrap()).unwrap();
    }
}

#[test]
fn e5_a_signal_wipes_the_file_and_ends_the_program_and_ctrl_c_belongs_to_the_editor() {
    for (signal, ends) in [(Signal::TERM, true), (Signal::HUP, true), (Signal::INT, false), (Signal::QUIT, false)] {
        let world = support_crash::World::new();
        world.feed(&["set", "a/key"], b"old").ok();
        let (noted, script) = (world.root().join("noted"), world.root().join("editor"));
        executable(
            &script,
            &format!(
                "#!/bin/sh\ncp \"$1\" \"$1~\"; printf new > \"$1\"; echo \"$1\" > {n}.part; mv {n}.part {n}; echo ready; read line\n",
                n = noted.display()
            ),
        );
        let mut program = world.program(&["edit", "a/key"]);
        program.env("EDITOR", &script);
        let screen = support_crash::Screen::new(program, false);
        screen.expect("ready");
        let file = PathBuf::from(std::fs::read_to_string(&noted).unwrap().trim_end());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        screen.signal(signal);
        if !ends {
            screen.type_in("done\n");
        }
        let done = screen.end();
        assert!(!file.parent().unwrap().exists(), "{signal:?}: {done:?}");
        if ends {
            assert_eq!(done.status.signal(), Some(signal.as_raw()), "{done:?}");
        }
        let stored = world.vault(&["get", "a/key"]).ok().text();
        assert_eq!(stored, if ends { "old" } else { "new" }, "{signal:?}: {done:?}");
        world.vault(&["check"]).ok();
    }
}
