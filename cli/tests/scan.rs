//! `scan`: files, histories, ranges, baselines.
#![cfg(unix)]

mod support;

use support::World;

fn token() -> String {
    format!("gh{}_{}", "p", "R7xKq2Lm9TzVb4NcW8sYd3FhJ6gPaE5uXo1Q")
}

fn other() -> String {
    format!("np{}_{}", "m", "T4vBn8KcXw2LqZr9MdYs6HfJg3PaE7uVo1Qi")
}

fn write(world: &World, name: &str, text: &str) {
    let file = world.repo.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

#[test]
fn without_paths_it_looks_at_what_git_has_or_would_take() {
    let world = World::repository();
    write(&world, ".gitignore", "ignored\n");
    write(&world, "ignored", &token());
    write(&world, "tracked", "fine");
    world.sh("git add tracked .gitignore; git commit -q -m x");
    world.run("scan").ok().says("2 files: 0 findings");
    write(&world, "deep/new", &token());
    write(&world, "tracked", &other());
    let done = world.run("scan").code(9).keeps_silent_about(&token()).keeps_silent_about(&other());
    let at: Vec<&str> = done.out().lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(at, ["deep/new", "tracked"], "{done}");
    let json = world.run("scan --json").code(9).json();
    assert_eq!(json["findings"][0]["rule"], "github-token");
    assert_eq!(json["ok"], false);
}

#[test]
fn files_and_folders_can_be_named_also_outside_a_repository() {
    let world = World::bare();
    write(&world, "a/b/c", &token());
    write(&world, "d", "fine");
    world.sh("mkfifo a/pipe; ln -s nowhere a/link");
    world.run("scan").code(9).shows("c:1:1: github-token");
    world.run("scan a d").code(9).shows("a/b/c:1:1: github-token");
    world.run("scan d").ok();
    world.run("scan nowhere").fails(1).says("nowhere");
}

#[test]
fn history_finds_what_was_removed_once_under_the_commit_and_path_that_brought_it() {
    let world = World::repository();
    write(&world, "first", &token());
    world.sh("git add .; git commit -q -m one");
    let brought = world.git("rev-parse HEAD");
    world.sh("git mv first second; git commit -q -m two; git rm -q second; git commit -q -m three");
    world.sh(&format!(
        "git checkout -q -b side; echo {} > b; git add b; git commit -q -m side; git checkout -q main",
        other()
    ));
    world.sh(&format!("git commit -q --allow-empty -m 'use {}'; git tag -a v1 -m 'say {}'", token(), token()));
    let json = world.run("scan --history --json").code(9).json();
    let found = json["findings"].as_array().unwrap();
    let places: Vec<(Option<&str>, &str)> =
        found.iter().map(|f| (f["path"].as_str(), f["rule"].as_str().unwrap())).collect();
    assert_eq!(
        places,
        [(None, "github-token"), (None, "github-token"), (Some("b"), "npm-token"), (Some("first"), "github-token")]
    );
    assert_eq!(found[3]["commit"], brought.as_str());
    world.run("scan").ok();
}

#[test]
fn a_range_finds_what_its_commits_brought_and_nothing_older() {
    let world = World::repository();
    write(&world, "old", &token());
    world.sh("git add .; git commit -q -m one");
    write(&world, "new", &other());
    world.sh("git mv old moved; git add .; git commit -q -m two; git rm -q new; git commit -q -m three");
    let done = world.run("scan --range HEAD~2..HEAD").code(9);
    assert!(done.out().starts_with("new:1:1 in ") && done.out().lines().count() == 1, "{done}");
    world.run("scan --range HEAD~1..").ok();
    world.run("scan --range HEAD").fails(2).says("range");
    world.run("scan --range nowhere..HEAD").fails(3).says("nowhere");
    world.run("scan --range -x..HEAD").fails(3);
}

#[test]
fn a_baseline_accepts_what_is_old_at_its_place_and_nothing_else() {
    let world = World::vault();
    world.set("a/b", "Zk7!q9wPx2Rm");
    write(&world, "f", &format!("{}\nZk7!q9wPx2Rm\n", token()));
    world.run("scan --write-baseline base.json").ok().says("2 findings accepted");
    world.run("scan --baseline base.json").ok().says("2 excused");
    let text = std::fs::read_to_string(world.repo.join("base.json")).unwrap();
    assert!(!text.contains(&token()[8..20]) && !text.contains("Zk7"), "{text}");
    // Moved down in its file: the same. Another token in its place, or the same one elsewhere: not.
    write(&world, "f", &format!("\n\n{}\nZk7!q9wPx2Rm\n", token()));
    world.run("scan --baseline base.json").ok();
    write(&world, "f", &format!("{}\nZk7!q9wPx2Rm\n", token().replace("R7x", "R8x")));
    world.run("scan --baseline base.json").code(9);
    write(&world, "f", "");
    write(&world, "g", &token());
    world.run("scan --baseline base.json").code(9);
    world.sh("rm f g");
    for (broken, why) in [
        ("{", "no baseline"),
        ("{\"version\":2,\"findings\":[]}", "version 2"),
        ("{\"version\":1,\"findings\":[],\"x\":1}", "unknown field"),
    ] {
        write(&world, "base.json", broken);
        world.run("scan --baseline base.json").fails(2).says(why);
    }
    world.run("scan --baseline nowhere.json").fails(1);
}

#[test]
fn the_hook_honours_the_baseline_that_is_staged() {
    let world = World::vault();
    write(&world, "f", &token());
    world.run("scan --write-baseline .agent-vault-baseline.json").ok();
    world.sh("git add f; git commit -q -m x 2>/dev/null && exit 1 || true");
    world.sh("git add .; git commit -q -m x");
}

#[test]
fn an_empty_repository_has_nothing_to_find() {
    let world = World::repository();
    world.run("scan").ok();
    world.run("scan --history").ok().says("0 commits");
    world.run("hook pre-commit").ok();
}
