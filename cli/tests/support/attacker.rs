//! Somebody who can write to the repository and has no key of the vault: stock `age`, `ssh-keygen` and `git`.

use super::World;
use std::path::PathBuf;

/// An attacker's own keys, in a folder of the world.
pub struct Attacker<'w> {
    world: &'w World,
    dir: PathBuf,
    /// The attacker's age recipient.
    pub recipient: String,
    /// The attacker's SSH signing key, public half.
    pub signing: String,
}

impl<'w> Attacker<'w> {
    /// Makes the keys.
    pub fn new(world: &'w World) -> Self {
        let dir = world.root.join("attacker");
        std::fs::create_dir(&dir).expect("a folder");
        let at = dir.display();
        world.sh(&format!(
            "age-keygen -o {at}/age.key 2>/dev/null; ssh-keygen -q -t ed25519 -N '' -C mallory -f {at}/sign"
        ));
        let recipient = world.sh(&format!("age-keygen -y {at}/age.key"));
        let signing = world.sh(&format!("cut -d' ' -f1,2 {at}/sign.pub"));
        Self { world, dir, recipient, signing }
    }

    /// The attacker's age identity file.
    pub fn key(&self) -> PathBuf {
        self.dir.join("age.key")
    }

    /// The attacker's OpenSSH private key file.
    pub fn signing_key(&self) -> PathBuf {
        self.dir.join("sign")
    }

    /// Encrypts bytes to anyone's public keys.
    pub fn encrypt(&self, recipients: &[&str], plaintext: impl AsRef<[u8]>) -> Vec<u8> {
        let file = self.dir.join("plain");
        std::fs::write(&file, plaintext).expect("a file");
        let to: Vec<String> = recipients.iter().map(|recipient| format!("-r '{}'", recipient.trim())).collect();
        let sealed = self.dir.join("sealed");
        self.world.sh(&format!("age {} -o {} {}", to.join(" "), sealed.display(), file.display()));
        std::fs::read(sealed).expect("a ciphertext")
    }

    /// An armored SSHSIG over `text`, made by the attacker's key with stock `ssh-keygen -Y sign`.
    pub fn sign(&self, namespace: &str, text: &str) -> String {
        let file = self.dir.join("text");
        std::fs::write(&file, text).expect("a file");
        let (key, path) = (self.signing_key(), file.display());
        self.world.sh(&format!(
            "rm -f {path}.sig; ssh-keygen -q -Y sign -f {} -n {namespace} {path} 2>/dev/null",
            key.display()
        ));
        std::fs::read_to_string(self.dir.join("text.sig")).expect("a signature")
    }

    /// A document with its signature on the last line, as a `.meta` file has it.
    pub fn sign_inline(&self, body: &str) -> String {
        let armored = self.sign("agent-vault.secret", body);
        let base64: String = armored.lines().filter(|line| !line.starts_with("-----")).collect();
        format!("{body}signature: {base64}\n")
    }

    /// Commits the work tree as the attacker, as a push would bring it.
    pub fn commit(&self) {
        self.world
            .git("add -A -f . && git -c user.name=mallory -c user.email=m@x -c commit.gpgsign=false commit -q -m tidy");
    }
}
