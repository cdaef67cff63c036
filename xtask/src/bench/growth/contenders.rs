//! The programs, and how each is asked to do the same four things.

mod sops;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context as _, Failure};
use crate::programs;

use super::super::Bench;
use super::super::fixture::{self, GROUP, Shape, agent, secret, value};
use super::super::harness::time;
use super::super::sandbox::Place;

/// A program, and how to fill a store with it.
pub struct Contender {
    /// Its name in tables and drawings.
    pub name: &'static str,
    /// The largest store that it can be made to fill in reasonable time.
    pub most: usize,
    /// What to say when it is not there.
    pub absent: &'static str,
    /// Makes a store; nothing when the program is not there.
    pub fill: fn(&Bench, usize) -> Result<Option<Store>, Failure>,
}

/// Every program. Ours comes first.
pub const CONTENDERS: &[Contender] = &[
    Contender { name: "agent-vault", most: usize::MAX, absent: "it was not built", fill: ours },
    Contender { name: "age", most: usize::MAX, absent: "Debian: apt-get install age", fill: age },
    Contender { name: "fnox", most: usize::MAX, absent: "crates.io: cargo install fnox", fill: fnox },
    Contender { name: "sops", most: usize::MAX, absent: sops::ABSENT, fill: sops::fill },
    Contender { name: "pass", most: 1_000, absent: "Debian: apt-get install pass", fill: pass },
    Contender { name: "agent-vault 0.1.0", most: 1_000, absent: "it could not be built", fill: before },
];

/// One of the four, done once; returns how long the part that counts took.
type Deed = Box<dyn FnMut() -> Result<Duration, Failure>>;

/// A filled store, and what can be done with it.
#[derive(Default)]
pub struct Store {
    /// Reads one value.
    pub get: Option<Deed>,
    /// Stores a value that differs from time to time.
    pub set: Option<Deed>,
    /// Lists all names.
    pub list: Option<Deed>,
    /// Lets one more key read everything; what takes it back is not counted.
    pub reencrypt: Option<Deed>,
}

fn deed(action: impl FnMut() -> Result<Duration, Failure> + 'static) -> Option<Deed> {
    Some(Box::new(action))
}

/// A command in a place, with its arguments and nothing on standard input.
fn call(place: &Place, program: &Path, args: &[&str]) -> Command {
    let mut command = place.command(program);
    command.args(args).stdin(Stdio::null());
    command
}

fn timed(place: &Place, program: &Path, args: &'static [&'static str]) -> Option<Deed> {
    let (place, program) = (place.clone(), program.to_path_buf());
    deed(move || time(&mut call(&place, &program, args)))
}

/// Times a command that takes its value on standard input, another one each time.
fn timed_set(place: &Place, make: impl Fn(&Place) -> Command + 'static) -> Option<Deed> {
    timed_set_of(place, value, make)
}

/// The same, of values in a form of the program's own.
fn timed_set_of(place: &Place, form: fn(usize) -> String, make: impl Fn(&Place) -> Command + 'static) -> Option<Deed> {
    let place = place.clone();
    let mut salt = 1 << 40;
    deed(move || {
        salt += 1;
        let file = place.home.join("value");
        std::fs::write(&file, form(salt)).context(file.display())?;
        time(make(&place).stdin(std::fs::File::open(&file).context(file.display())?))
    })
}

fn ours(bench: &Bench, secrets: usize) -> Result<Option<Store>, Failure> {
    let place = bench.sandbox.place(&format!("growth-ours-{secrets}"))?;
    fixture::vault(bench, &place, Shape { secrets, agents: 2, readers: 1 })?;
    Ok(Some(vault(&place, &bench.ours, |place, program| {
        let mut command = place.command(program);
        command.args(["set", &secret(0)]);
        command
    })))
}

fn before(bench: &Bench, secrets: usize) -> Result<Option<Store>, Failure> {
    let Some(program) = &bench.before else { return Ok(None) };
    let place = bench.sandbox.place(&format!("growth-before-{secrets}"))?;
    fixture::vault_of_before(program, &place, Shape { secrets, agents: 2, readers: 1 })?;
    Ok(Some(vault(&place, program, |place, program| {
        // It takes a value as an argument only.
        let mut command = place.command("sh");
        command.args(["-c", "exec \"$0\" set \"$1\" \"$(cat)\""]).arg(program).arg(secret(0));
        command
    })))
}

/// Ours and 0.1.0's commands have the same names.
fn vault(place: &Place, program: &Path, set: fn(&Place, &Path) -> Command) -> Store {
    let change = |verb: &'static str| {
        let (place, program) = (place.clone(), program.to_path_buf());
        move || time(&mut call(&place, &program, &[verb, &agent(1), GROUP]))
    };
    let (grant, revoke) = (change("grant"), change("revoke"));
    let setter = program.to_path_buf();
    Store {
        get: timed(place, program, &["get", "bench/s00000"]),
        set: timed_set(place, move |place| set(place, &setter)),
        list: timed(place, program, &["list"]),
        reencrypt: deed(move || {
            let time = grant()?;
            revoke()?;
            Ok(time)
        }),
    }
}

/// Plain age files in a folder, made by the fixture, and recipients files for one reader more and less.
struct Files {
    place: Place,
    folder: PathBuf,
}

impl Files {
    fn make(bench: &Bench, name: &str, secrets: usize) -> Result<Self, Failure> {
        let made = bench.sandbox.place(&format!("growth-{name}-made-{secrets}"))?;
        fixture::vault(bench, &made, Shape { secrets, agents: 2, readers: 1 })?;
        let place = bench.sandbox.place(&format!("growth-{name}-{secrets}"))?;
        let folder = place.dir.join("store");
        std::fs::create_dir_all(&folder).context(folder.display())?;
        for number in 0..secrets {
            let file = folder.join(format!("s{number:05}.age"));
            std::fs::copy(made.ciphertext(&secret(number)), &file).context(file.display())?;
        }
        std::fs::copy(made.owner_key(), place.home.join("key")).context("the owner's key")?;
        make_recipients(&place)?;
        Ok(Self { place, folder })
    }
}

/// Beside the reader's own key, `key`: recipients files of the two readers there are, and of one more.
fn make_recipients(place: &Place) -> Result<(), Failure> {
    let script = "age-keygen -o \"$HOME/second\" 2>/dev/null && age-keygen -o \"$HOME/third\" 2>/dev/null
        for key in key second; do age-keygen -y \"$HOME/$key\"; done > \"$HOME/two\"
        { cat \"$HOME/two\"; age-keygen -y \"$HOME/third\"; } > \"$HOME/three\"";
    fixture::run(place.command("sh").args(["-euc", script]))
}

fn recipients(place: &Place, file: &str) -> Result<Vec<String>, Failure> {
    let file = place.home.join(file);
    let text = std::fs::read_to_string(&file).context(file.display())?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn age(bench: &Bench, secrets: usize) -> Result<Option<Store>, Failure> {
    let Some(program) = bench.age.clone() else { return Ok(None) };
    let Files { place, folder } = Files::make(bench, "age", secrets)?;
    let file = folder.join("s00000.age");
    let key = place.home.join("key");
    let read = {
        let (place, program, key, file) = (place.clone(), program.clone(), key, file.clone());
        move || time(place.command(&program).args(["-d", "-i"]).arg(&key).arg(&file).stdin(Stdio::null()))
    };
    let loop_over_all = "for file in store/*.age; do
        age -d -i \"$HOME/key\" \"$file\" | age -R \"$HOME/$1\" > \"$file.new\" && mv \"$file.new\" \"$file\"
        done";
    let change = move |place: &Place, to: &str| time(place.command("sh").args(["-euc", loop_over_all, "sh", to]));
    Ok(Some(Store {
        get: deed(read),
        set: timed_set(&place, move |place| {
            let mut command = place.command(&program);
            command.arg("-R").arg(place.home.join("two")).arg("-o").arg(&file);
            command
        }),
        list: None,
        reencrypt: deed(move || {
            let time = change(&place, "three")?;
            change(&place, "two")?;
            Ok(time)
        }),
    }))
}

/// One `fnox.toml` with every value in it.
fn fnox(bench: &Bench, secrets: usize) -> Result<Option<Store>, Failure> {
    let Some(program) = programs::find("fnox") else { return Ok(None) };
    let files = Files::make(bench, "fnox", secrets)?;
    let place = files.place.clone();
    let config = place.dir.join("fnox.toml");
    let provider = |recipients: Vec<String>| {
        format!("root = true\n[providers.age]\ntype = \"age\"\nrecipients = {recipients:?}\n\n")
    };
    let (two, three) = (provider(recipients(&place, "two")?), provider(recipients(&place, "three")?));
    // `base64` of the same age files is what fnox itself would have written.
    let script = "for file in store/*.age; do name=${file#store/}; \
                  printf '[secrets.%s]\\nprovider = \"age\"\\nvalue = \"%s\"\\n' \"${name%.age}\" \"$(base64 -w0 \"$file\")\"; done";
    let output = place.command("sh").args(["-euc", script]).output().context("cannot run sh")?;
    let values = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::write(&config, format!("{two}{values}")).context(config.display())?;
    let with_key = {
        let program = program.clone();
        move |place: &Place, args: &[&str]| {
            let mut command = call(place, &program, &["--age-key-file"]);
            command.arg(place.home.join("key")).args(args);
            command
        }
    };
    let (get, set, list, again) = (with_key.clone(), with_key.clone(), with_key.clone(), with_key);
    let (reader, lister) = (place.clone(), place.clone());
    let head = move |text: &str| {
        let all = std::fs::read_to_string(&config).context(config.display())?;
        let at = all.find("[secrets").unwrap_or(all.len());
        std::fs::write(&config, format!("{text}{}", &all[at..])).context(config.display())
    };
    Ok(Some(Store {
        get: deed(move || time(&mut get(&reader, &["get", "s00000"]))),
        set: timed_set(&place, move |place| set(place, &["set", "s00000", "--provider", "age"])),
        list: deed(move || time(&mut list(&lister, &["list"]))),
        reencrypt: deed(move || {
            head(&three)?;
            let time = time(&mut again(&place, &["reencrypt", "--force"]))?;
            head(&two)?;
            Ok(time)
        }),
    }))
}

/// One file a value, encrypted by GnuPG, in a Git repository.
fn pass(bench: &Bench, secrets: usize) -> Result<Option<Store>, Failure> {
    let Some(program) = programs::find("pass") else { return Ok(None) };
    let place = bench.sandbox.place(&format!("growth-pass-{secrets}"))?;
    let script = "umask 077; mkdir -p \"$HOME/.gnupg\"
        for name in one two; do gpg --batch --quiet --passphrase '' --quick-gen-key \"$name@example.org\" future-default; done
        pass init one@example.org; pass git init -q
        mkdir -p \"$HOME/.password-store/bench\"; n=0
        while [ $n -lt $1 ]; do
            printf '%032x' $n | gpg --batch --quiet -e -r one@example.org -o \"$(printf '%s/.password-store/bench/s%05d.gpg' \"$HOME\" $n)\"
            n=$((n + 1))
        done
        pass git add -A; pass git commit -q -m fill";
    fixture::run(place.command("sh").args(["-euc", script, "sh", &secrets.to_string()]))?;
    let change = {
        let (place, program) = (place.clone(), program.clone());
        move |keys: &[&str]| time(&mut call(&place, &program, &[&["init"], keys].concat()))
    };
    let setter = program.clone();
    Ok(Some(Store {
        get: timed(&place, &program, &["show", "bench/s00000"]),
        set: timed_set(&place, move |place| {
            let mut command = place.command(&setter);
            command.args(["insert", "--multiline", "--force", "bench/s00000"]);
            command
        }),
        list: timed(&place, &program, &["ls"]),
        reencrypt: deed(move || {
            let time = change(&["one@example.org", "two@example.org"])?;
            change(&["one@example.org"])?;
            Ok(time)
        }),
    }))
}
