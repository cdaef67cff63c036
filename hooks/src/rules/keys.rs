//! Private keys: PEM (RFC 7468, RFC 1421), OpenSSH, OpenPGP (RFC 9580), ssh.com (RFC 4716's twin), PuTTY, age.

use super::Hit;
use bech32::primitives::decode::CheckedHrpstring;
use std::ops::Range;

/// The names of these rules.
pub const RULES: [&str; 6] = [
    "private-key",
    "openssh-private-key",
    "pgp-private-key",
    "putty-private-key",
    "age-secret-key",
    "age-plugin-identity",
];

/// The literals of private keys.
pub(crate) const ANCHORS: &[(&str, Anchor)] = &[
    ("-----BEGIN ", Anchor::Armor),
    ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY", Anchor::SshCom),
    ("PuTTY-User-Key-File-", Anchor::PuttyFile),
    ("Private-Lines: ", Anchor::PuttyLines),
    ("AGE-SECRET-KEY-1", Anchor::Age),
    ("age-secret-key-1", Anchor::Age),
    ("AGE-SECRET-KEY-PQ-1", Anchor::Age),
    ("age-secret-key-pq-1", Anchor::Age),
    ("AGE-PLUGIN-", Anchor::Plugin),
    ("age-plugin-", Anchor::Plugin),
];

/// What such a literal begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// An encapsulation boundary with a label.
    Armor,
    /// The same in the way of ssh.com.
    SshCom,
    /// The first line of a PuTTY key file, private or not.
    PuttyFile,
    /// The private part of one.
    PuttyLines,
    /// An age identity.
    Age,
    /// An identity of an age plugin.
    Plugin,
}

/// The longest label that is looked at.
const LABEL: usize = 64;
/// How far a key's text may reach: an RSA key of 16,384 bits has 12 KiB.
const REACH: usize = 64 << 10;
/// The shortest private key in base64: Ed25519 in PKCS#8 has 48 bytes.
const SHORTEST: usize = 60;
/// A key's lines have 64 characters or more; one that is split into shorter ones still has runs of these.
const RUN: usize = 16;
/// A single run as long as this is key material even where the end of the key is missing.
const LONG_RUN: usize = 40;
/// The longest age identity that is looked at. Post-quantum and plugin identities are longer than native ones.
const BECH32: usize = 1023;

/// Looks whether a private key stands at a literal. `putty` is where the last PuTTY key file began.
pub(crate) fn look(anchor: Anchor, bytes: &[u8], literal: Range<usize>, putty: &mut Option<usize>) -> Option<Hit> {
    match anchor {
        Anchor::Armor => armor(bytes, literal),
        Anchor::SshCom => {
            let known = String::from_utf8_lossy(&bytes[literal.clone()]).into_owned();
            let body = body(bytes, literal.end + " ----".len(), b"----")?;
            hit("private-key", "encrypted SSH2 private key", literal.start..body.end, known, body)
        }
        Anchor::PuttyFile => {
            *putty = Some(literal.start);
            None
        }
        Anchor::PuttyLines => {
            let start = putty.take().filter(|start| literal.start - start <= REACH)?;
            let body = body(bytes, literal.end, b"PuTTY-User-Key-File-")?;
            hit("putty-private-key", "PuTTY private key", start..body.end, "PuTTY-User-Key-File-".into(), body)
        }
        Anchor::Age => age(bytes, literal, "age-secret-key", "age private key"),
        Anchor::Plugin => age(bytes, literal, "age-plugin-identity", "identity of an age plugin"),
    }
}

fn hit(rule: &'static str, what: &str, span: Range<usize>, known: String, secret: Range<usize>) -> Option<Hit> {
    Some(Hit { rule, what: what.to_owned(), span, known, secret })
}

/// `-----BEGIN <label>-----`, with key material behind it.
fn armor(bytes: &[u8], literal: Range<usize>) -> Option<Hit> {
    let rest = &bytes[literal.end..bytes.len().min(literal.end + LABEL)];
    let label = &rest[..memchr::memmem::find(rest, b"-----")?];
    let label = std::str::from_utf8(label).ok()?;
    let rule = match label {
        "OPENSSH PRIVATE KEY" => "openssh-private-key",
        "PGP PRIVATE KEY BLOCK" => "pgp-private-key",
        _ if label.ends_with("PRIVATE KEY") => "private-key",
        _ => return None,
    };
    let known = format!("-----BEGIN {label}-----");
    let text = literal.start + known.len();
    let body = body(bytes, text, b"-----")?;
    // RFC 1421, section 4.6.1.1: how traditional PEM says that it is encrypted.
    let head = &bytes[body.start..body.end.min(body.start + 256)];
    let encrypted = memchr::memmem::find(head, b"4,ENCRYPTED").is_some();
    let kind = label.trim_end_matches(" BLOCK").trim_end_matches("PRIVATE KEY").trim();
    let what = match (kind, encrypted) {
        ("", _) => "private key (PKCS#8)".to_owned(),
        ("ENCRYPTED", _) => "encrypted private key (PKCS#8)".to_owned(),
        ("OPENSSH", _) => "OpenSSH private key".to_owned(),
        (kind, true) => format!("encrypted {kind} private key"),
        (kind, false) => format!("{kind} private key"),
    };
    hit(rule, &what, literal.start..body.end, known, body)
}

/// The text of a key from `start` to `end`'s next place; none when there is no key material in it, as in prose about keys.
fn body(bytes: &[u8], start: usize, end: &[u8]) -> Option<Range<usize>> {
    let start = start.min(bytes.len());
    let reach = &bytes[start..bytes.len().min(start + REACH)];
    let close = memchr::memmem::find(reach, end);
    let text = &reach[..close.unwrap_or(reach.len())];
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let runs = text.split(|byte| !is_base64(byte)).filter(|run| run.len() >= RUN);
    let real = runs.filter(|run| !crate::entropy::is_filler(run));
    let (mut total, mut longest) = (0, 0);
    for run in real {
        total += run.len();
        longest = longest.max(run.len());
        if longest >= LONG_RUN || total >= SHORTEST {
            break;
        }
    }
    let is_key = longest >= LONG_RUN || close.is_some() && total >= SHORTEST;
    is_key.then(|| start..start + text.len())
}

/// A Bech32 text whose checksum is right: an example that was shortened for a document is none.
fn age(bytes: &[u8], literal: Range<usize>, rule: &'static str, what: &str) -> Option<Hit> {
    if literal.start > 0 && (bytes[literal.start - 1].is_ascii_alphanumeric() || bytes[literal.start - 1] == b'-') {
        return None;
    }
    let reach = &bytes[literal.start..bytes.len().min(literal.start + BECH32)];
    let length = reach.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let text = std::str::from_utf8(&reach[..length]).ok()?;
    let checked = CheckedHrpstring::new::<Long>(text).ok()?;
    let known = format!("{}1", &text[..checked.hrp().len()]);
    let span = literal.start..literal.start + length;
    hit(rule, what, span.clone(), known, span)
}

/// Bech32 (BIP 173) without its limit of 90 characters, which age does not keep either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Long {}

impl bech32::Checksum for Long {
    type MidstateRepr = <bech32::Bech32 as bech32::Checksum>::MidstateRepr;
    const CODE_LENGTH: usize = 4096;
    const CHECKSUM_LENGTH: usize = bech32::Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [Self::MidstateRepr; 5] = bech32::Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: Self::MidstateRepr = bech32::Bech32::TARGET_RESIDUE;
}
