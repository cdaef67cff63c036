//! Golden samples of the format: a vault with test keys, and this project's own, whose keys nobody has.
//!
//! Both were made by the program and committed. A change that stops reading them is a new version of the format.

mod common;

use agent_vault_core::check::{Severity, check};
use agent_vault_core::{Context, Error, Home, Vault};
use common::*;
use std::path::{Path, PathBuf};

/// A copy of a committed vault, outside the source tree.
struct Golden {
    temp: tempfile::TempDir,
}

impl Golden {
    fn copy(vault: &Path) -> Self {
        let temp = tempfile::tempdir().unwrap();
        copy_tree(vault, &temp.path().join("copy/.agent-vault"));
        Self { temp }
    }

    fn open(&self) -> Vault {
        let context = Context::new(Home::new(self.temp.path().join("home")));
        Vault::open(&self.temp.path().join("copy"), context, None).unwrap()
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

#[test]
fn the_golden_vault_of_version_1_reads_as_it_did() {
    let golden = Golden::copy(&sample().join("vault"));
    let vault = golden.open();
    assert_eq!(vault.pin().fingerprint(), "SHA256:gIx6XPX1qryDpPkICvDJRKkL/Q1RaM40VnjluNyTc+c");
    let counts = vault.verify().unwrap();
    assert_eq!((counts.roots, counts.signatures, counts.digests, counts.recipient_sets), (1, 7, 3, 3));
    let owner = key_of(&sample().join("owner.test-key"));
    let read = |name: &str, key| vault.get(&path(name), key).map(|secret| secret.value.expose().to_vec());
    assert_eq!(read("stripe/api-key", &owner).unwrap(), b"sk_golden_1");
    assert_eq!(read("true", &owner).unwrap(), b"\0\x01binary\n");
    let ci = key_of(&sample().join("ci.test-key"));
    assert_eq!(read("stripe/api-key", &ci).unwrap(), b"sk_golden_1");
    assert_eq!(read("postgres/primary/password", &ci).unwrap(), b"pw");
    assert!(matches!(read("true", &ci), Err(Error::NotAuthorized { .. })));
    let old = key_of(&sample().join("old.test-key"));
    assert!(matches!(read("stripe/api-key", &old), Err(Error::NotAuthorized { .. })));
    assert!(matches!(read("tmp/removed", &owner), Err(Error::NotFound { .. })));
    let metadata = vault.metadata(&path("stripe/api-key")).unwrap();
    assert_eq!(metadata.description.as_deref(), Some("A golden sample: \"quoted\", größer"));
    assert_eq!(metadata.exposed_to.len(), 1);
    assert_eq!(metadata.exposed_to[0].name.as_str(), "old");
}

#[test]
fn this_projects_own_vault_verifies_and_holds_no_key() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.agent-vault");
    let golden = Golden::copy(&own);
    let vault = golden.open();
    let counts = vault.verify().unwrap();
    assert_eq!((counts.roots, counts.digests, counts.recipient_sets), (1, 2, 2));
    let names: Vec<String> = vault.secrets().unwrap().iter().map(|secret| secret.name.to_string()).collect();
    assert_eq!(names, ["sample/binary", "sample/token"]);
    let exposed = |name: &str| vault.metadata(&path(name)).unwrap().exposed_to.len();
    assert_eq!((exposed("sample/binary"), exposed("sample/token")), (1, 1));
    let errors: Vec<_> =
        check(&vault, 30).unwrap().into_iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for (file, bytes) in files(&own) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("AGE-SECRET-KEY-") && !text.contains("PRIVATE KEY"), "{}", file.display());
    }
}
