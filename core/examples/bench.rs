//! What can only be measured inside a process. `cargo xtask bench` builds and calls this, and its
//! `xtask/src/bench/inprocess.rs` says what each call does and prints:
//!
//! ```text
//! bench fixture DIR HOME SECRETS AGENTS READERS
//! bench commits DIR HOME COMMITS
//! bench lived-in DIR HOME SECRETS AGENTS COMMITS
//! bench more DIR HOME SECRETS COMMITS
//! bench read RECIPIENTS
//! bench encrypt SECRETS RECIPIENTS
//! bench reencrypt SECRETS RECIPIENTS
//! bench record SEGMENTS
//! ```

use age::secrecy::ExposeSecret;
use agent_vault_core::audit::{self, Book};
use agent_vault_core::trust::Pin;
use agent_vault_core::vault::{self, SetRequest};
use agent_vault_core::{Context, GroupName, Home, Identities, Owner, SecretBytes, SecretPath, Vault, crypto};
use base64::{Engine, prelude::BASE64_STANDARD};
use rayon::prelude::*;
use ssh_encoding::Decode;
use ssh_key::{PublicKey, SshSig};
use std::error::Error;
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The group of every secret of a fixture.
const GROUP: &str = "bench";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["fixture", dir, home, secrets, agents, readers] => {
            fixture(Path::new(dir), Path::new(home), secrets.parse()?, agents.parse()?, readers.parse()?)
        }
        ["commits", dir, home, commits] => commits_of(Path::new(dir), Path::new(home), commits.parse()?),
        ["lived-in", dir, home, secrets, agents, commits] => {
            lived_in(Path::new(dir), Path::new(home), secrets.parse()?, agents.parse()?, commits.parse()?)
        }
        ["more", dir, home, secrets, commits] => {
            more(Path::new(dir), Path::new(home), secrets.parse()?, commits.parse()?)
        }
        ["read", recipients] => read(recipients.parse()?),
        ["encrypt", secrets, recipients] => encrypt_all(secrets.parse()?, recipients.parse()?),
        ["reencrypt", secrets, recipients] => reencrypt(secrets.parse()?, recipients.parse()?),
        ["record", segments] => record(segments.parse()?),
        _ => {
            Err("usage: bench fixture DIR HOME SECRETS AGENTS READERS | commits DIR HOME COMMITS | lived-in DIR HOME SECRETS AGENTS COMMITS | more DIR HOME SECRETS COMMITS | read RECIPIENTS | encrypt SECRETS RECIPIENTS | reencrypt SECRETS RECIPIENTS | record SEGMENTS"
                .into())
        }
    }
}

/// The same vault that the program makes with `init`, `add-agent`, `grant` and `set`, but for the agents' keys: they
/// bring their own.
fn fixture(dir: &Path, home: &Path, secrets: usize, agents: usize, readers: usize) -> Outcome<()> {
    let context = Context::new(Home::new(home.join(".agent-vault")));
    let made = vault::init(dir, None, context.clone(), &|_| {})?;
    let key = Identities::from_file(&made.owner_key, &context.prompt)?;
    let owner = made.vault.unlock(&key)?;
    add_agents(&owner, agents, readers)?;
    add_secrets(&owner, secrets)
}

/// Adds agents with new keys; the first `readers` of them may read [`GROUP`].
fn add_agents(owner: &Owner<'_>, agents: usize, readers: usize) -> Outcome<Vec<age::x25519::Identity>> {
    let keys: Vec<_> = (0..agents).map(|_| age::x25519::Identity::generate()).collect();
    let group: GroupName = GROUP.parse()?;
    let added = keys
        .iter()
        .enumerate()
        .map(|(number, key)| {
            let groups = if number < readers { vec![group.clone()] } else { Vec::new() };
            Ok((format!("agent-{number:04}").parse()?, key.to_public().to_string().parse()?, groups))
        })
        .collect::<Outcome<Vec<_>>>()?;
    owner.add_many_agents(added)?;
    Ok(keys)
}

fn add_secrets(owner: &Owner<'_>, secrets: usize) -> Outcome<()> {
    let requests = (0..secrets)
        .map(|number| {
            let value = Some(SecretBytes::new(format!("{number:032x}").into_bytes()));
            Ok((secret(number)?, SetRequest { value, ..SetRequest::default() }))
        })
        .collect::<Outcome<Vec<_>>>()?;
    owner.set_many(requests, "fixture", false, &|_, _| {})?;
    Ok(())
}

fn secret(number: usize) -> Outcome<SecretPath> {
    Ok(format!("{GROUP}/s{number:05}").parse()?)
}

/// Sets values, over and over, until the vault that is there has this many commits more.
fn commits_of(dir: &Path, home: &Path, commits: usize) -> Outcome<()> {
    let context = Context::new(Home::new(home.join(".agent-vault")));
    let key = Identities::from_file(&context.home.owner_key(), &context.prompt)?;
    let vault = Vault::open(dir, context, Some(&key))?;
    let owner = vault.unlock(&key)?;
    for number in 0..commits {
        let value = Some(SecretBytes::new(format!("{number:032x}").into_bytes()));
        owner.set(&secret(number % 100)?, SetRequest { value, ..SetRequest::default() }, false)?;
    }
    Ok(())
}

/// So many commits of a lived-in vault are made when all its secrets and agents are there; the others before, while it
/// is small: each then takes milliseconds.
const LATE: usize = 200;

/// A vault with a past: so many commits in all, and so many secrets and agents at the end, a hundred secrets a folder.
fn lived_in(dir: &Path, home: &Path, secrets: usize, agents: usize, commits: usize) -> Outcome<()> {
    fixture(dir, home, 1, 2, 2)?;
    // The fixture's own are three, the agents and the secrets one each.
    commits_of(dir, home, commits.saturating_sub(LATE + 5))?;
    let context = Context::new(Home::new(home.join(".agent-vault")));
    let key = Identities::from_file(&context.home.owner_key(), &context.prompt)?;
    let vault = Vault::open(dir, context, Some(&key))?;
    let owner = vault.unlock(&key)?;
    let others: Vec<_> = (2..agents)
        .map(|number| {
            let key = age::x25519::Identity::generate().to_public().to_string();
            Ok((format!("agent-{number:04}").parse()?, key.parse()?, Vec::new()))
        })
        .collect::<Outcome<_>>()?;
    owner.add_many_agents(others)?;
    set_all(&owner, 0..secrets)?;
    for number in 0..LATE {
        set_all(&owner, number..number + 1)?;
    }
    Ok(())
}

/// New values for the first secrets of a lived-in vault, in so many commits: what another machine brings.
fn more(dir: &Path, home: &Path, secrets: usize, commits: usize) -> Outcome<()> {
    let context = Context::new(Home::new(home.join(".agent-vault")));
    let key = Identities::from_file(&context.home.owner_key(), &context.prompt)?;
    let vault = Vault::open(dir, context, Some(&key))?;
    let owner = vault.unlock(&key)?;
    let each = secrets.div_ceil(commits.max(1));
    (0..commits).try_for_each(|at| set_all(&owner, at * each..secrets.min((at + 1) * each)))
}

/// Sets secrets of a lived-in vault, in one commit.
fn set_all(owner: &Owner<'_>, numbers: std::ops::Range<usize>) -> Outcome<()> {
    let requests = numbers
        .map(|number| {
            let path = format!("{GROUP}/f{:03}/s{:02}", number / 100, number % 100).parse()?;
            let value = Some(SecretBytes::new(format!("{number:032x}").into_bytes()));
            Ok((path, SetRequest { value, ..SetRequest::default() }))
        })
        .collect::<Outcome<Vec<_>>>()?;
    owner.set_many(requests, "fixture", false, &|_, _| {})?;
    Ok(())
}

/// One secret that the owner and `recipients - 1` agents can read, read by the last of them: without the hint it would
/// try every stanza before its own.
fn read(recipients: usize) -> Outcome<()> {
    let temp = tempfile::tempdir()?;
    let repo = temp.path().join("repo");
    let context = Context::new(Home::new(temp.path().join("owner")));
    let made = vault::init(&repo, None, context.clone(), &|_| {})?;
    let owner_key = Identities::from_file(&made.owner_key, &context.prompt)?;
    let owner = made.vault.unlock(&owner_key)?;
    let agents = recipients.checked_sub(1).filter(|agents| *agents > 0).ok_or("at least two recipients")?;
    let keys = add_agents(&owner, agents, agents)?;
    add_secrets(&owner, 1)?;

    let path = secret(0)?;
    let key = &keys[agents - 1];
    let text = SecretBytes::new(key.to_string().expose_secret().as_bytes().to_vec());
    let reader = Identities::from_bytes(text, "the bench", &context.prompt)?;
    let context = Context::new(Home::new(temp.path().join("reader")));
    let open = || Vault::open(&repo, context.clone(), Some(&reader));
    let ciphertext = std::fs::read(repo.join(format!(".agent-vault/secrets/{path}.enc")))?;
    let signed = Signed::read(&repo.join(format!(".agent-vault/secrets/{path}.meta")), made.vault.pin())?;

    report("plain", || (), |()| used(decrypt(&ciphertext, key)?))?;
    let identity: &(dyn age::Identity + Send + Sync) = key;
    report("decrypt", || (), |()| used(crypto::open_for_test(&ciphertext, [identity].into_iter(), Some(agents))?))?;
    report("verify", || (), |()| signed.verify())?;
    report("first", || open().expect("it opened before"), |vault| used(vault.get(&path, &reader)?))?;
    let vault = open()?;
    vault.get(&path, &reader)?;
    report("again", || (), |()| used(vault.get(&path, &reader)?))
}

/// Keeps the compiler from leaving out what nobody looks at.
fn used<T>(value: T) -> Outcome<()> {
    black_box(value);
    Ok(())
}

/// Metadata and the signature at its end, parsed: what is left is the verification itself.
struct Signed {
    body: Vec<u8>,
    signature: SshSig,
    key: PublicKey,
}

impl Signed {
    fn read(file: &Path, pin: Pin) -> Outcome<Self> {
        let text = std::fs::read_to_string(file)?;
        let (body, signature) = text.trim_end().rsplit_once("signature: ").ok_or("no signature")?;
        let signature = SshSig::decode(&mut BASE64_STANDARD.decode(signature)?.as_slice())?;
        let key = PublicKey::from_openssh(pin.owners[0].signing_key.as_str())?;
        Ok(Self { body: body.as_bytes().to_vec(), signature, key })
    }

    fn verify(&self) -> Outcome<()> {
        Ok(self.key.verify(self.signature.namespace(), black_box(&self.body), &self.signature)?)
    }
}

/// One line of the log, as the first of a process and as one of many; then a log of so many segments, shown and proven.
fn record(segments: usize) -> Outcome<()> {
    let temp = tempfile::tempdir()?;
    let book = Book::unsigned(&Home::new(temp.path()), Path::new("bench"));
    report("begin", audit::Log::default, |log| Ok(audit::append_for_test(&log, &book)?))?;
    let log = audit::Log::default();
    report("append", || (), |()| Ok(audit::append_for_test(&log, &book)?))?;

    let book = Book::unsigned(&Home::new(temp.path()), Path::new("another"));
    (0..segments).try_for_each(|_| audit::append_for_test(&audit::Log::default(), &book))?;
    let start = Instant::now();
    let shown = audit::records(&book, &audit::Filter::default())?.entries.len();
    print("show", start.elapsed());
    let start = Instant::now();
    let proven = audit::verify(&book)?;
    print("prove", start.elapsed());
    if shown != segments || !proven.violations.is_empty() { Err("the log does not verify".into()) } else { Ok(()) }
}

/// Encrypts on all cores, in memory: what storing values cannot avoid.
fn encrypt_all(secrets: usize, recipients: usize) -> Outcome<()> {
    let to: Vec<_> = (0..recipients).map(|_| age::x25519::Identity::generate().to_public()).collect();
    let start = Instant::now();
    let sealed = (0..secrets).into_par_iter().map(|number| encrypt(&to, format!("{number:032x}").as_bytes()));
    let sealed = sealed.collect::<Result<Vec<_>, age::DecryptError>>()?;
    print("encrypt", start.elapsed());
    drop(black_box(sealed));
    Ok(())
}

/// Decrypts and encrypts on all cores, in memory: what a change of access cannot avoid.
fn reencrypt(secrets: usize, recipients: usize) -> Outcome<()> {
    let keys: Vec<_> = (0..recipients).map(|_| age::x25519::Identity::generate()).collect();
    let owner = keys.first().ok_or("at least one recipient")?;
    let to: Vec<_> = keys.iter().map(age::x25519::Identity::to_public).collect();
    let sealed: Vec<Vec<u8>> = (0..secrets)
        .into_par_iter()
        .map(|number| encrypt(&to, format!("{number:032x}").as_bytes()))
        .collect::<Result<_, age::DecryptError>>()?;
    let start = Instant::now();
    let anew = sealed.par_iter().map(|ciphertext| encrypt(&to, &decrypt(ciphertext, owner)?));
    let anew = anew.collect::<Result<Vec<_>, age::DecryptError>>()?;
    print("reencrypt", start.elapsed());
    drop(black_box(anew));
    Ok(())
}

/// The age crate's plain calls.
fn decrypt(ciphertext: &[u8], key: &age::x25519::Identity) -> Result<Vec<u8>, age::DecryptError> {
    let mut value = Vec::new();
    let decryptor = age::Decryptor::new_buffered(ciphertext)?;
    decryptor.decrypt(std::iter::once(key as &dyn age::Identity))?.read_to_end(&mut value)?;
    Ok(value)
}

fn encrypt(to: &[age::x25519::Recipient], value: &[u8]) -> Result<Vec<u8>, age::DecryptError> {
    let mut sealed = Vec::new();
    let encryptor = age::Encryptor::with_recipients(to.iter().map(|recipient| recipient as &dyn age::Recipient))
        .map_err(std::io::Error::other)?;
    let mut writer = encryptor.wrap_output(&mut sealed)?;
    writer.write_all(value)?;
    writer.finish()?;
    Ok(sealed)
}

/// Prints the median of many runs: as many as fit in a while, and an odd number of at least eleven. What `prepare`
/// makes for each run is not counted.
fn report<T>(name: &str, prepare: impl Fn() -> T, run: impl Fn(T) -> Outcome<()>) -> Outcome<()> {
    const WHILE: Duration = Duration::from_millis(500);
    let begin = Instant::now();
    let mut times = Vec::new();
    run(prepare())?;
    while times.len() < 11 || times.len() % 2 == 0 || (begin.elapsed() < WHILE && times.len() < 1_001) {
        let prepared = prepare();
        let start = Instant::now();
        run(prepared)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    print(name, times[times.len() / 2]);
    Ok(())
}

fn print(name: &str, time: Duration) {
    println!("{name} {}", time.as_nanos());
}
