//! The golden vault of agent-vault 0.1.0 in a world of its own, as the owner who made it has it. What is in it, and how
//! it was made, stands in `core/tests/golden/v0/README.md`.

use super::World;
use std::path::{Path, PathBuf};

/// Every secret of the golden vault that the new format can name: its path, its value, and the agents who open it.
pub const OLD_SECRETS: &[(&str, &[u8], &[&str])] = &[
    ("deep/er/secret", b"deep_golden_0", &[]),
    ("lone/one", b"one_golden_0", &["ci", "gone"]),
    ("odd/bot", b"bot_golden_0", &[]),
    ("odd/bytes", b"line\n\0\x01 gr\xc3\xb6\xc3\x9fer\r\n", &[]),
    ("odd/empty", b"", &[]),
    ("other", b"other_golden_0", &[]),
    ("postgres/password", b"pw_golden_0", &["deploy", "renewed"]),
    ("stripe/api-key", b"sk_golden_0", &["ci", "deploy"]),
    ("stripe/moved", b"moved_golden_1", &["ci", "deploy", "renewed"]),
    ("stripe/signing", b"sig_golden_0", &["ci", "deploy"]),
    ("stripe/webhook", b"whsec_golden_0", &["ci", "deploy"]),
    ("token", b"token_golden_0", &[]),
    ("web/cookie", b"cookie_golden_0", &["ci", "deploy"]),
];

/// The agents whose key files 0.1.0 left.
pub const OLD_AGENTS: [&str; 4] = ["ci", "deploy", "gone", "renewed"];

/// The folder with the golden vault and its keys.
pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden/v0")
}

impl World {
    /// The golden vault of 0.1.0, committed, and its owner's key in the home, as 0.1.0 left it there.
    pub fn old() -> Self {
        let world = Self::repository();
        let golden = golden();
        world.sh(&format!("cp -R '{}' .agent-vault; chmod -R u+w .agent-vault", golden.join("vault").display()));
        world.take_key(&golden.join("owner.test-key"), &world.owner_key());
        world.commit_all("old");
        world
    }

    /// An agent's key file as 0.1.0 made it, outside the home.
    pub fn old_key(&self, agent: &str) -> String {
        golden().join(format!("{agent}.test-key")).canonicalize().expect("a key").display().to_string()
    }

    /// Puts a key file into the home, private as 0.1.0 made it.
    fn take_key(&self, from: &Path, to: &Path) {
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("its folder");
        std::fs::copy(from, to).expect("a key");
        #[cfg(unix)]
        std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    }

    /// Makes this the machine on which 0.1.0 made an agent.
    pub fn made_here(&self, agent: &str) {
        self.take_key(Path::new(&self.old_key(agent)), Path::new(&self.key(agent)));
    }

    /// Commits whatever the work tree holds, ignored or not.
    pub fn commit_all(&self, message: &str) {
        self.git("add -A -f .");
        self.git(&format!("commit -q -m {message}"));
    }

    /// The recipient of a key file.
    pub fn recipient(&self, key: &str) -> String {
        self.sh(&format!("age-keygen -y '{key}'"))
    }

    /// The ciphertext of a secret, as it is stored.
    pub fn sealed(&self, name: &str) -> PathBuf {
        let name = if name.contains('/') { name.to_owned() } else { format!("default/{name}") };
        self.file(&format!("secrets/{name}.enc"))
    }
}
