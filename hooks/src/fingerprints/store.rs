//! Where fingerprints lie: one key for the machine, one file of records for each vault.
//!
//! `<home>/fingerprints/key` holds 32 random bytes, `<home>/fingerprints/lock` nothing: whoever writes a set or makes the
//! key holds it. `<home>/vaults/<id>/fingerprints` holds [`HEADER`] and records of 32 bytes each, appended by `set` and
//! replaced whole by `refresh`. A write that was cut short leaves a piece that the next writer removes. A record that was
//! damaged, or made with another key, fails its checksum and counts for nothing.

use super::{Fingerprints, Key, RECORD, Record, SecretTag};
use agent_vault_core::error::{Error, Result};
use agent_vault_core::home::{self, Home};
use agent_vault_core::root::VaultId;
use agent_vault_core::{SecretBytes, SecretPath};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The first bytes of a set, as long as a record.
const HEADER: &[u8; RECORD] = b"agent-vault fingerprints 1     \n";
/// More than any set has: two million records.
const MOST: u64 = 64 << 20;

/// The sets of a home.
#[derive(Default)]
pub struct Loaded {
    /// All of them together.
    pub fingerprints: Fingerprints,
    /// How many records were damaged, or made with a key that is gone. `hook refresh` makes them anew.
    pub damaged: usize,
    /// The vaults whose sets they are.
    pub vaults: Vec<VaultId>,
}

fn folder(home: &Home) -> PathBuf {
    home.dir().join("fingerprints")
}

fn set_file(home: &Home, vault: VaultId) -> PathBuf {
    home.vault(vault).join("fingerprints")
}

/// Every set of a home: a value of one vault is a secret in another's repository too.
///
/// # Errors
/// [`Error::Io`] for what is there and cannot be read. Nobody could then say what would have been recognised.
pub fn load(home: &Home) -> Result<Loaded> {
    let mut texts = Vec::new();
    for vault in home.vaults() {
        if let Some(bytes) = read(&set_file(home, vault))? {
            texts.push((vault, bytes));
        }
    }
    if texts.is_empty() {
        return Ok(Loaded::default());
    }
    let Some(key) = read_key(home)? else {
        let damaged = texts.iter().map(|(_, bytes)| bytes.len() / RECORD).sum();
        return Ok(Loaded { damaged, ..Loaded::default() });
    };
    let (mut records, mut damaged, mut vaults) = (Vec::new(), 0, Vec::new());
    for (vault, bytes) in texts {
        let (found, lost) = parse(&bytes, &key);
        records.extend(found);
        damaged += lost;
        vaults.push(vault);
    }
    Ok(Loaded { fingerprints: Fingerprints::new(key, records), damaged, vaults })
}

/// Adds the fingerprints of a value to its vault's set; as [`append_all`].
///
/// # Errors
/// [`Error::Io`].
pub fn append(home: &Home, vault: VaultId, name: &SecretPath, value: &SecretBytes) -> Result<()> {
    append_all(home, vault, [(name, value)])
}

/// Adds the fingerprints of values to their vault's set. One append; nothing is flushed, for `hook refresh` makes it anew.
///
/// # Errors
/// [`Error::Io`].
pub fn append_all<'v>(
    home: &Home,
    vault: VaultId,
    values: impl IntoIterator<Item = (&'v SecretPath, &'v SecretBytes)>,
) -> Result<()> {
    let (_lock, key) = lock(home)?;
    let records: Vec<u8> = values
        .into_iter()
        .flat_map(|(name, value)| key.records(name, value.expose()))
        .flat_map(|record| record.to_bytes(&key))
        .collect();
    if records.is_empty() {
        return Ok(());
    }
    let path = set_file(home, vault);
    home::make_private_folder(&home.vault(vault))?;
    let written = open_set(&path).and_then(|mut file| {
        let length = file.metadata()?.len();
        let sound = length - length % RECORD as u64;
        file.set_len(sound)?;
        file.seek(SeekFrom::Start(sound))?;
        let header: &[u8] = if sound == 0 { HEADER } else { &[] };
        file.write_all(&[header, &records].concat())
    });
    written.map_err(Error::io("write", &path))
}

/// Replaces a vault's set by the fingerprints of `values`. What the set has of secrets in `unread` stays: this identity
/// could not read them, another one could. Returns how many values are too short or too easily guessed to have one.
///
/// # Errors
/// [`Error::Io`]; the old set stays.
pub fn refresh(
    home: &Home,
    vault: VaultId,
    values: impl Iterator<Item = Result<(SecretPath, SecretBytes)>>,
    unread: &[SecretPath],
) -> Result<usize> {
    let (_lock, key) = lock(home)?;
    let path = set_file(home, vault);
    let kept: BTreeSet<SecretTag> = unread.iter().map(|name| key.secret(name)).collect();
    let old = read(&path)?.map(|bytes| parse(&bytes, &key).0).unwrap_or_default();
    let mut records: Vec<Record> = old.into_iter().filter(|record| kept.contains(&record.secret)).collect();
    let mut weak = 0;
    for value in values {
        let (name, value) = value?;
        records.extend(key.records(&name, value.expose()));
        weak += usize::from(super::weakness(value.expose()).is_some());
    }
    let mut bytes = HEADER.to_vec();
    records.iter().for_each(|record| bytes.extend(record.to_bytes(&key)));
    home::replace_private(&path, &bytes, true)?;
    Ok(weak)
}

/// The sound records of a set, and how many are not.
fn parse(bytes: &[u8], key: &Key) -> (Vec<Record>, usize) {
    let (rows, rest) = bytes.as_chunks::<RECORD>();
    let body = if rows.first() == Some(HEADER) { &rows[1..] } else { rows };
    let records: Vec<Record> = body.iter().filter_map(|row| Record::from_bytes(row, key)).collect();
    let damaged = body.len() - records.len() + usize::from(!rest.is_empty());
    (records, damaged)
}

fn read(path: &std::path::Path) -> Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if metadata.len() > MOST => return Err(Error::corrupt(path, "it is larger than any such file")),
        _ => {}
    }
    std::fs::read(path).map(Some).map_err(Error::io("read", path))
}

/// The machine's key, if it has one.
fn read_key(home: &Home) -> Result<Option<Key>> {
    let path = folder(home).join("key");
    let Some(bytes) = read(&path)?.map(Zeroizing::new) else { return Ok(None) };
    match <[u8; 32]>::try_from(&bytes[..]) {
        Ok(secret) => Ok(Some(Key::new(secret))),
        Err(_) => {
            Err(Error::corrupt(path, "it is not a key of 32 bytes; delete it, then run `agent-vault hook refresh`"))
        }
    }
}

/// Takes the lock of all sets, and the machine's key, which is made where there is none.
fn lock(home: &Home) -> Result<(File, Key)> {
    let folder = folder(home);
    home::make_private_folder(&folder)?;
    let path = folder.join("lock");
    let file = open_set(&path).map_err(Error::io("open", &path))?;
    file.lock().map_err(Error::io("lock", &path))?;
    if let Some(key) = read_key(home)? {
        return Ok((file, key));
    }
    let mut secret = Zeroizing::new([0; 32]);
    rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, &mut *secret);
    home::replace_private(&folder.join("key"), &*secret, true)?;
    Ok((file, Key::new(*secret)))
}

/// Opens a private file, and makes it where there is none.
fn open_set(path: &std::path::Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home, VaultId) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        (dir, home, VaultId::of(b"root"))
    }

    fn name(text: &str) -> SecretPath {
        text.parse().unwrap()
    }

    fn value(number: usize) -> SecretBytes {
        SecretBytes::new(format!("Zk7!q{number:04}wPx2Rm9").into_bytes())
    }

    #[test]
    fn appends_of_many_threads_lose_nothing_and_make_one_key() {
        let (_dir, home, vault) = home();
        std::thread::scope(|scope| {
            for number in 0..32 {
                let home = &home;
                scope.spawn(move || append(home, vault, &name("a/b"), &value(number)).unwrap());
            }
        });
        let loaded = load(&home).unwrap();
        assert_eq!(loaded.damaged, 0);
        for number in 0..32 {
            assert_eq!(loaded.fingerprints.find(value(number).expose()).len(), 1, "{number}");
        }
    }

    #[test]
    fn a_torn_or_damaged_set_loses_no_sound_record_and_is_told() {
        let (_dir, home, vault) = home();
        append(&home, vault, &name("a/b"), &value(1)).unwrap();
        let path = set_file(&home, vault);
        let sound = std::fs::read(&path).unwrap();
        for length in 0..sound.len() {
            std::fs::write(&path, &sound[..length]).unwrap();
            let _ = load(&home).unwrap();
            append(&home, vault, &name("a/c"), &value(2)).unwrap();
            let loaded = load(&home).unwrap();
            assert_eq!(loaded.fingerprints.find(value(2).expose()).len(), 1, "after {length} bytes");
        }
        let mut damaged = sound.clone();
        damaged[RECORD + 3] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(load(&home).unwrap().damaged, 1);
    }

    #[test]
    fn a_refresh_replaces_what_was_read_and_keeps_what_could_not_be() {
        let (_dir, home, vault) = home();
        append(&home, vault, &name("a/old"), &value(1)).unwrap();
        append(&home, vault, &name("b/others"), &value(2)).unwrap();
        append(&home, vault, &name("a/gone"), &value(3)).unwrap();
        let values = [Ok((name("a/old"), value(4))), Ok((name("a/weak"), SecretBytes::new(b"short".to_vec())))];
        assert_eq!(refresh(&home, vault, values.into_iter(), &[name("b/others")]).unwrap(), 1);
        let loaded = load(&home).unwrap();
        let known: Vec<usize> =
            (1..5).filter(|number| !loaded.fingerprints.find(value(*number).expose()).is_empty()).collect();
        assert_eq!(known, [2, 4]);
    }

    #[test]
    fn another_key_makes_a_set_worthless_and_says_so() {
        let (_dir, home, vault) = home();
        append(&home, vault, &name("a/b"), &value(1)).unwrap();
        std::fs::remove_file(folder(&home).join("key")).unwrap();
        assert!(load(&home).unwrap().damaged > 0);
        std::fs::write(folder(&home).join("key"), [7; 32]).unwrap();
        let loaded = load(&home).unwrap();
        assert!(loaded.damaged > 0 && loaded.fingerprints.is_empty());
        std::fs::write(folder(&home).join("key"), [7; 3]).unwrap();
        assert!(matches!(load(&home), Err(Error::Corrupt { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn key_lock_and_set_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, home, vault) = home();
        append(&home, vault, &name("a/b"), &value(1)).unwrap();
        for file in [folder(&home).join("key"), folder(&home).join("lock"), set_file(&home, vault)] {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
}
