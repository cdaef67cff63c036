//! Which env files may set variables in a person's shells: a file for each in the home, by its absolute path. It holds for
//! the bytes that were there when it was allowed, and for the vault that was.

use crate::dotenv::Profile;
use agent_vault_core::digest::Digest;
use agent_vault_core::error::printable;
use agent_vault_core::root::VaultId;
use agent_vault_core::{Error, Home, Result, home};
use std::path::{Path, PathBuf};

/// No record that this program writes has more bytes.
const LARGEST: u64 = 64 << 10;

/// What was decided about an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may set variables.
    Allowed(Allowed),
    /// It may not, and nobody is to be asked.
    Denied,
}

/// What may set variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The file's bytes.
    pub digest: Digest,
    /// The vault there; nothing where there is none, and all references name others.
    pub vault: Option<VaultId>,
    /// The profile that holds.
    pub profile: Option<Profile>,
}

/// Where the decision about an env file is kept.
pub fn place(home: &Home, file: &Path) -> PathBuf {
    home.dir().join("allowed").join(Digest::of(file.as_os_str().as_encoded_bytes()).hex())
}

/// What was decided about an env file, if anything was. A record that is none decides nothing.
///
/// # Errors
/// [`Error::Io`].
pub fn load(home: &Home, file: &Path) -> Result<Option<Decision>> {
    use std::io::Read;
    let place = place(home, file);
    let mut text = String::new();
    let read = std::fs::File::open(&place).and_then(|record| record.take(LARGEST).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(Error::io("read", &place))?,
    };
    Ok(parse(&text))
}

/// Keeps a decision, in place of an earlier one.
///
/// # Errors
/// [`Error::Io`].
pub fn save(home: &Home, file: &Path, decision: &Decision) -> Result<()> {
    home::replace_private(&place(home, file), render(file, decision).as_bytes(), true)
}

fn render(file: &Path, decision: &Decision) -> String {
    // For people; the name of the record is what counts.
    let mut text = format!("version: 1\npath: {}\n", printable(&file.to_string_lossy()));
    match decision {
        Decision::Denied => text.push_str("denied: true\n"),
        Decision::Allowed(Allowed { digest, vault, profile }) => {
            text.push_str(&format!("digest: {digest}\n"));
            text.push_str(&vault.map(|vault| format!("vault: {vault}\n")).unwrap_or_default());
            text.push_str(&profile.as_ref().map(|it| format!("profile: {}\n", it.as_str())).unwrap_or_default());
        }
    }
    text
}

fn parse(text: &str) -> Option<Decision> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let mut field = |key: &str| {
        let mut rest = lines.clone();
        let value = rest.next()?.strip_prefix(key)?.strip_prefix(": ")?;
        lines = rest;
        Some(value.to_owned())
    };
    if field("version")? != "1" {
        return None;
    }
    field("path")?;
    let decision = match field("denied") {
        Some(denied) if denied == "true" => Decision::Denied,
        Some(_) => return None,
        None => {
            let digest = field("digest")?.parse().ok()?;
            let vault = field("vault").map(|vault| vault.parse().ok()).map_or(Some(None), |id| id.map(Some))?;
            let profile = field("profile").map(|name| name.parse().ok()).map_or(Some(None), |name| name.map(Some))?;
            Decision::Allowed(Allowed { digest, vault, profile })
        }
    };
    lines.next().is_none().then_some(decision)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions() -> Vec<Decision> {
        let digest = Digest::of(b"A=av://a/b\n");
        let vault = Some(VaultId::of(b"root"));
        let allowed = |vault, profile| Decision::Allowed(Allowed { digest, vault, profile });
        let profile = || Some("staging".parse().unwrap());
        vec![
            Decision::Denied,
            allowed(None, None),
            allowed(vault, None),
            allowed(None, profile()),
            allowed(vault, profile()),
        ]
    }

    #[test]
    fn a_record_that_was_changed_allows_nothing() {
        let text = render(Path::new("/a"), &decisions()[4]);
        for changed in [
            text.replace("version: 1", "version: 2"),
            text.replace("sha256:", "md5:"),
            text.replace("profile: ", "profil: "),
            text.replace("staging", "a b"),
            format!("{text}denied: true\n"),
            text.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(parse(&changed), None, "{changed}");
        }
        assert_eq!(parse("version: 1\npath: /a\ndenied: false\n"), None);
    }

    #[test]
    fn a_decision_is_read_back_and_a_path_begins_no_line_of_its_own() {
        for decision in decisions() {
            assert_eq!(parse(&render(Path::new("/a\nb"), &decision)), Some(decision));
        }
    }

    #[cfg(unix)]
    #[test]
    fn c4_records_are_private_and_the_last_one_counts() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("home"));
        let file = Path::new("/r/.agent-vault.env");
        assert_eq!(load(&home, file).unwrap(), None);
        for decision in decisions() {
            save(&home, file, &decision).unwrap();
            assert_eq!(load(&home, file).unwrap(), Some(decision));
        }
        let mode = place(&home, file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(place(&home, file), "nonsense").unwrap();
        assert_eq!(load(&home, file).unwrap(), None);
    }
}
