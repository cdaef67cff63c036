//! Beside the stock programs: what a vault holds opens with age and rage, verifies with ssh-keygen and Git, and what
//! those make is read here.

mod common;

use age::secrecy::SecretString;
use agent_vault_core::digest::Digest;
use agent_vault_core::prompt::Prompt;
use agent_vault_core::{Class, Error, Identities, Result, SecretBytes, crypto};
use common::*;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Values that a text-minded program would get wrong.
fn awkward_values() -> Vec<(&'static str, Vec<u8>)> {
    let large: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    vec![
        ("app/empty", Vec::new()),
        ("app/zero-bytes", b"a\0b\0".to_vec()),
        ("app/line", b"one line\r\n".to_vec()),
        ("app/latin", vec![0xff, 0xfe, b'\n']),
        ("app/large", large),
    ]
}

#[test]
fn stock_age_and_rage_open_what_the_vault_encrypts_byte_for_byte() {
    let setup = Setup::new();
    let agent = setup.add_agent("billing");
    setup.grant("billing", "app");
    let outsider = setup.add_agent("outsider");
    for (name, value) in awkward_values() {
        setup.set(name, &value);
        let file = setup.file(&format!("secrets/{name}.enc"));
        for program in [OsStr::new("age"), rage().as_os_str()] {
            for key in [&setup.home.owner_key(), &agent] {
                assert!(opens(program, key, &file).as_ref() == Some(&value), "{program:?} of {name}");
            }
            assert_eq!(opens(program, &outsider, &file), None, "{program:?} of {name}");
        }
        assert!(setup.get(name, &agent).unwrap() == value, "{name}");
    }
}

#[test]
fn what_stock_age_and_rage_encrypt_opens_in_the_reading_path() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("key.txt");
    run(stock("age-keygen", temp.path()).arg("-o").arg(&file));
    let recipient = key_of(&file).recipients().next().unwrap().to_string();
    let text = std::fs::read_to_string(&file).unwrap();
    let key: age::x25519::Identity = text.lines().find(|line| line.starts_with("AGE-")).unwrap().parse().unwrap();
    let key: &(dyn age::Identity + Send + Sync) = &key;
    for (name, value) in awkward_values() {
        for program in [OsStr::new("age"), rage().as_os_str()] {
            let ciphertext = encrypt_with(program, std::slice::from_ref(&recipient), &value);
            for first in [None, Some(0), Some(1), Some(7)] {
                let opened = crypto::open_for_test(&ciphertext, [key].into_iter(), first);
                assert!(opened.expect("it opens").expose() == value, "{program:?} of {name}");
            }
        }
    }
}

#[test]
fn a3_a_foreign_ciphertext_to_the_right_keys_opens_with_age_and_is_refused_by_the_vault() {
    let setup = Setup::new();
    setup.set("app/key", b"true");
    let agent = setup.add_agent("billing");
    setup.grant("billing", "app");
    let file = setup.file("secrets/app/key.enc");
    let recipients = [&setup.home.owner_key(), &agent].map(|key| key_of(key).recipients().next().unwrap().to_string());
    for program in [OsStr::new("age"), rage().as_os_str()] {
        std::fs::write(&file, encrypt_with(program, &recipients, b"forged")).unwrap();
        assert_eq!(age_opens(&agent, &file).unwrap(), b"forged");
        let (named, _) = tampered(setup.get("app/key", &agent));
        assert_eq!(named, file.canonicalize().unwrap());
        tampered(setup.vault().get(&path("app/key"), &setup.owner));
        tampered(setup.vault().verify());
    }
}

#[test]
fn stock_ssh_keygen_verifies_roots_manifest_and_every_secret() {
    let setup = Setup::new();
    setup.add_agent("billing");
    setup.grant("billing", "app");
    setup.set("app/key", b"one");
    setup.set("x", b"two");
    setup.own(|owner| owner.remove(&path("x"))).unwrap();
    let verifies = |namespace: &str, message: &[u8], signature: &Path| {
        let mut command = stock("ssh-keygen", setup.temp());
        command.args(["-Y", "verify", "-I", "eric", "-n", namespace, "-f"]).arg(setup.file("allowed_signers"));
        feed(command.arg("-s").arg(signature), message);
    };
    let read = |relative: &str| std::fs::read(setup.file(relative)).unwrap();
    verifies("agent-vault.root", &read("roots/1.yaml"), &setup.file("roots/1.sig"));
    verifies("agent-vault.manifest", &read("manifest.yaml"), &setup.file("manifest.sig"));
    let armored = setup.temp().join("secret.sig");
    for document in ["secrets/app/key.meta", "secrets/default/x.gone"] {
        let bytes = read(document);
        let text = std::str::from_utf8(&bytes).unwrap();
        let (body, signature) = text.strip_suffix('\n').unwrap().rsplit_once("\nsignature: ").unwrap();
        let pem = format!("-----BEGIN SSH SIGNATURE-----\n{signature}\n-----END SSH SIGNATURE-----\n");
        std::fs::write(&armored, pem).unwrap();
        verifies("agent-vault.secret", format!("{body}\n").as_bytes(), &armored);
    }
}

#[test]
fn what_stock_ssh_keygen_signs_with_the_escrowed_key_is_accepted() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let key = setup.signing_key();
    let replace = |relative: &str, namespace: &str, bytes: &[u8]| {
        std::fs::write(setup.file(relative), bytes).unwrap();
        let signature = setup.file(relative).with_extension("sig");
        std::fs::write(signature, ssh_sign(&key, namespace, bytes)).unwrap();
    };

    let old = std::fs::read(setup.file("manifest.yaml")).unwrap();
    let text = String::from_utf8(old.clone()).unwrap();
    let next = text
        .replace("serial: 1\n", "serial: 2\n")
        .replace("parents: []\n", &format!("parents: [\"{}\"]\n", Digest::of(&old)));
    replace("manifest.yaml", "agent-vault.manifest", next.as_bytes());
    assert_eq!(setup.vault().manifest().unwrap().serial, 2);

    // One byte beside what was signed, or another purpose: nothing of it counts.
    replace("manifest.yaml", "agent-vault.secret", next.as_bytes());
    tampered(setup.vault().manifest());
    replace("manifest.yaml", "agent-vault.manifest", next.as_bytes());
    std::fs::write(setup.file("manifest.yaml"), next.replace("serial: 2", "serial: 3")).unwrap();
    tampered(setup.vault().manifest());

    let root = std::fs::read(setup.file("roots/1.yaml")).unwrap();
    let next = String::from_utf8(root.clone())
        .unwrap()
        .replace("root: 1\n", &format!("root: 2\nprevious: \"{}\"\n", Digest::of(&root)));
    replace("roots/2.yaml", "agent-vault.root", next.as_bytes());
    assert_eq!(setup.vault().pin().root, 2);
}

#[test]
fn stock_git_verifies_every_commit_and_finds_nothing_to_complain_of() {
    let setup = Setup::new();
    let signers = format!("gpg.ssh.allowedSignersFile={}", setup.file("allowed_signers").display());
    let mut commits = 0;
    let mut looked_at = |setup: &Setup| {
        assert_eq!(setup.git(&["status", "--porcelain"]), "");
        assert_eq!(setup.git(&["fsck", "--strict", "--no-dangling"]), "");
        let all = setup.git(&["log", "--format=%H"]);
        for commit in all.lines() {
            setup.git(&["-c", &signers, "verify-commit", commit]);
        }
        assert!(all.lines().count() > commits, "the operation made no commit");
        commits = all.lines().count();
    };
    looked_at(&setup);
    setup.set("app/deep/key", b"one");
    looked_at(&setup);
    setup.add_agent("billing");
    looked_at(&setup);
    setup.grant("billing", "app");
    looked_at(&setup);
    setup.own(|owner| owner.recover_agent(&agent("billing"), &quiet)).unwrap();
    looked_at(&setup);
    setup.own(|owner| owner.rename(&path("app/deep/key"), &path("other/key"))).unwrap();
    looked_at(&setup);
    setup.own(|owner| owner.remove(&path("other/key"))).unwrap();
    looked_at(&setup);
    let requests = ["a/1", "a/2", "b/1"].map(|name| (path(name), new_value(b"v"))).into();
    setup.own(|owner| owner.set_many(requests, "import 3 secrets", false, &quiet)).unwrap();
    looked_at(&setup);
    setup.revoke("billing", "app");
    looked_at(&setup);
    setup.own(|owner| owner.remove_agent(&agent("billing"), false, &quiet)).unwrap();
    looked_at(&setup);
}

#[test]
fn agents_with_ssh_keys_read_here_and_with_stock_age() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    for kind in ["ed25519", "rsa"] {
        let private = ssh_key(&setup.temp().join(kind), kind);
        let public = public_half(&private).parse().expect("a recipient");
        let made = setup.own(|owner| owner.add_agent(&agent(kind), Some(public))).unwrap();
        assert_eq!(made.file, None, "its key is its own");
        assert_eq!(setup.get("app/key", &private).unwrap_err().class(), Class::NotAuthorized);
        setup.grant(kind, "app");
        assert_eq!(setup.get("app/key", &private).unwrap(), b"value");
        assert_eq!(age_opens(&private, &setup.file("secrets/app/key.enc")).unwrap(), b"value");
        assert_eq!(opens(rage().as_os_str(), &private, &setup.file("secrets/app/key.enc")).unwrap(), b"value");
        setup.revoke(kind, "app");
        assert_eq!(setup.get("app/key", &private).unwrap_err().class(), Class::NotAuthorized);
        assert_eq!(age_opens(&private, &setup.file("secrets/app/key.enc")), None);
    }
}

/// Somebody who knows one passphrase.
struct Knows(&'static str);

impl Prompt for Knows {
    fn passphrase(&self, _question: &str) -> Result<SecretBytes> {
        Ok(SecretBytes::new(self.0.as_bytes().to_vec()))
    }
}

#[test]
fn an_owner_key_behind_a_passphrase_unlocks_through_the_prompt() {
    let setup = Setup::new();
    let mut recipient = age::scrypt::Recipient::new(SecretString::from("correct horse"));
    recipient.set_work_factor(4);
    let encryptor = age::Encryptor::with_recipients([&recipient as &dyn age::Recipient].into_iter()).unwrap();
    let mut locked = Vec::new();
    let mut writer = encryptor.wrap_output(&mut locked).unwrap();
    writer.write_all(&std::fs::read(setup.home.owner_key()).unwrap()).unwrap();
    writer.finish().unwrap();
    let file = setup.temp().join("owner.age");
    std::fs::write(&file, locked).unwrap();

    let read = |prompt: Arc<dyn Prompt>| Identities::from_file(&file, &prompt);
    let identities = read(Arc::new(Knows("correct horse"))).expect("it unlocks");
    let vault = setup.vault();
    let owner = vault.unlock(&identities).expect("it is the owner's");
    owner.set(&path("app/key"), new_value(b"value"), false).expect("and writes");
    assert_eq!(vault.get(&path("app/key"), &identities).unwrap().value.expose(), b"value");

    for prompt in [Arc::new(Knows("wrong")) as Arc<dyn Prompt>, Arc::new(agent_vault_core::prompt::Nobody)] {
        let Err(error) = read(prompt) else { panic!("it opened without the passphrase") };
        assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    }
}

#[test]
fn an_ssh_key_behind_a_passphrase_unlocks_through_the_prompt() {
    let setup = Setup::new();
    setup.set("app/key", b"value");
    let private = ssh_key(&setup.temp().join("id"), "ed25519");
    let public = public_half(&private).parse().expect("a recipient");
    setup.own(|owner| owner.add_agent(&agent("billing"), Some(public))).unwrap();
    setup.grant("billing", "app");
    run(stock("ssh-keygen", setup.temp()).args(["-q", "-p", "-N", "correct horse", "-f"]).arg(&private));
    let read = |words| Identities::from_file(&private, &(Arc::new(Knows(words)) as Arc<dyn Prompt>));
    let identities = read("correct horse").expect("it unlocks");
    assert_eq!(setup.vault().get(&path("app/key"), &identities).unwrap().value.expose(), b"value");
    assert!(matches!(read("wrong"), Err(Error::Locked { .. })));
}
