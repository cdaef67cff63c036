//! Variables as text that shells and services read.

use crate::dotenv;
use agent_vault_core::{Error, Result, SecretBytes};
use rand::Rng;
use shell_quote::{Bash, Fish};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// A variable and its value.
pub type Variable<'v> = (&'v str, &'v SecretBytes);

/// Who reads the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `export NAME=value`, for `eval`.
    Bash,
    /// The same.
    Zsh,
    /// `set -gx NAME value`.
    Fish,
    /// `$env:NAME = 'value'`.
    PowerShell,
    /// `NAME='value'`, as env files have it.
    Dotenv,
    /// An object.
    Json,
    /// `NAME=value` without quotes, for `docker run --env-file`.
    Docker,
}

/// Renders variables. Their names are letters, digits and `_`.
///
/// # Errors
/// [`Error::Usage`] for a value that the format cannot hold.
pub fn render(format: Format, variables: &[Variable<'_>]) -> Result<SecretBytes> {
    let mut out = Vec::with_capacity(variables.iter().map(|(name, value)| name.len() + value.len() * 4 + 32).sum());
    if format == Format::Json {
        return json(variables);
    }
    for (name, value) in variables {
        let bytes = value.expose();
        let line = Zeroizing::new(match format {
            Format::Bash | Format::Zsh => [b"export ", name.as_bytes(), b"=", &Bash::quote_vec(bytes)].concat(),
            Format::Fish => [b"set -gx ", name.as_bytes(), b" ", &Fish::quote_vec(bytes)].concat(),
            Format::PowerShell => format!("$env:{name} = '{}'", power_shell(text(name, value)?)).into_bytes(),
            Format::Dotenv => {
                let mut line = [name.as_bytes(), b"="].concat();
                line.reserve(bytes.len() * 2 + 2);
                dotenv::quote(bytes, |bytes| line.extend_from_slice(bytes));
                line
            }
            Format::Docker | Format::Json => {
                if bytes.iter().any(|byte| b"\n\r".contains(byte)) {
                    return Err(unfit(name, "has more than one line, and Docker's env files hold one"));
                }
                [name.as_bytes(), b"=", bytes].concat()
            }
        });
        out.extend_from_slice(&line);
        out.push(b'\n');
    }
    Ok(SecretBytes::new(out))
}

fn unfit(name: &str, why: &str) -> Error {
    Error::Usage {
        message: format!("{name}: the value {why}"),
        hint: "choose another format, or hand it over with `agent-vault run`".into(),
    }
}

fn text<'v>(name: &str, value: &'v SecretBytes) -> Result<&'v str> {
    std::str::from_utf8(value.expose()).map_err(|_| unfit(name, "is no text, and this format holds nothing else"))
}

/// Within single quotes, PowerShell takes every kind of single quote for one, and two of them for one of the text
/// (about_Quoting_Rules; its tokenizer takes U+2018 to U+201B for `'`).
fn power_shell(text: &str) -> String {
    text.chars()
        .flat_map(|c| std::iter::repeat_n(c, if matches!(c, '\'' | '\u{2018}'..='\u{201b}') { 2 } else { 1 }))
        .collect()
}

fn json(variables: &[Variable<'_>]) -> Result<SecretBytes> {
    let texts = variables.iter().map(|(name, value)| Ok((*name, text(name, value)?))).collect::<Result<Vec<_>>>()?;
    let fields: Vec<String> =
        texts.iter().map(|(name, value)| format!("  {}: {}", quoted(name), quoted(value))).collect();
    let body = if fields.is_empty() { "{}\n".to_owned() } else { format!("{{\n{}\n}}\n", fields.join(",\n")) };
    Ok(SecretBytes::new(body.into_bytes()))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What a step of GitHub Actions does with variables.
pub struct GitHub {
    /// For standard output, before anything else: hides every line of every secret in the job's log.
    pub masks: SecretBytes,
    /// For the end of the file that `GITHUB_ENV` names.
    pub file: SecretBytes,
}

/// Variables for the steps of a job that follow (GitHub Actions, "Workflow commands": `add-mask`, and environment files with
/// a delimiter, which is random: no value can end what it stands in). `secrets` are what stands in the variables and is to be
/// hidden, wherever else it is printed: the password of an address, and not the address alone.
///
/// # Errors
/// [`Error::Usage`] for a value or a secret that is no text.
pub fn github(variables: &[Variable<'_>], secrets: &[Variable<'_>]) -> Result<GitHub> {
    let mut file = Vec::with_capacity(variables.iter().map(|(name, value)| name.len() + value.len() + 128).sum());
    for (name, value) in variables {
        let value = text(name, value)?;
        let delimiter = loop {
            let delimiter = format!("agent_vault_{:032x}", rand::rngs::OsRng.r#gen::<u128>());
            if !value.contains(&delimiter) {
                break delimiter;
            }
        };
        for part in [name, "<<", &*delimiter, "\n", value, "\n", &*delimiter, "\n"] {
            file.extend_from_slice(part.as_bytes());
        }
    }
    let mut lines = BTreeSet::new();
    for (name, secret) in secrets {
        // Without the blanks around it, a line is found with and without them.
        lines.extend(text(name, secret)?.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()));
    }
    let mut masks = Vec::with_capacity(lines.iter().map(|line| line.len() * 3 + 16).sum());
    for line in lines {
        masks.extend_from_slice(b"::add-mask::");
        line.bytes().for_each(|byte| escape(byte, &mut masks));
        masks.push(b'\n');
    }
    Ok(GitHub { masks: SecretBytes::new(masks), file: SecretBytes::new(file) })
}

/// The data of a workflow command (actions/toolkit, `escapeData`); it ends with its line.
fn escape(byte: u8, into: &mut Vec<u8>) {
    match byte {
        b'%' => into.extend_from_slice(b"%25"),
        _ => into.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(format: Format, value: &[u8]) -> Result<String> {
        let value = SecretBytes::new(value.to_vec());
        Ok(String::from_utf8(render(format, &[("A", &value)])?.expose().to_vec()).unwrap())
    }

    #[test]
    fn what_a_format_cannot_hold_is_refused() {
        assert!(rendered(Format::Docker, b"a\nb").is_err());
        assert!(rendered(Format::Json, b"\xff").is_err());
        assert!(rendered(Format::PowerShell, b"\xff").is_err());
        let no_text = SecretBytes::new(b"\xff".to_vec());
        assert!(github(&[("A", &no_text)], &[]).is_err() && github(&[], &[("av://a", &no_text)]).is_err());
    }

    #[test]
    fn values_are_quoted_for_who_reads_them() {
        let value = "it's \u{2019}$x %\"".as_bytes();
        assert_eq!(rendered(Format::PowerShell, value).unwrap(), "$env:A = 'it''s \u{2019}\u{2019}$x %\"'\n");
        assert_eq!(rendered(Format::Json, value).unwrap(), "{\n  \"A\": \"it's \u{2019}$x %\\\"\"\n}\n");
        assert_eq!(rendered(Format::Docker, value).unwrap(), "A=it's \u{2019}$x %\"\n");
        assert_eq!(rendered(Format::Dotenv, b"a b").unwrap(), "A='a b'\n");
    }

    #[test]
    fn github_masks_every_line_and_no_value_ends_its_own_text() {
        let value = SecretBytes::new(b"  50%\t\r\n\nEOF\nB=1\n".to_vec());
        let made = github(&[("A", &value)], &[("av://a", &value), ("av://b", &value)]).unwrap();
        assert_eq!(made.masks.expose(), b"::add-mask::50%25\n::add-mask::B=1\n::add-mask::EOF\n");
        let file = std::str::from_utf8(made.file.expose()).unwrap();
        let delimiter = file.lines().next().unwrap().strip_prefix("A<<").unwrap();
        assert_eq!(file, format!("A<<{delimiter}\n  50%\t\r\n\nEOF\nB=1\n\n{delimiter}\n"));
        assert_ne!(github(&[("A", &value)], &[]).unwrap().file.expose(), made.file.expose());
    }

    #[test]
    fn github_masks_the_secret_within_a_text_and_not_the_text() {
        let [address, password] = ["postgres://app:hunter2@db", "hunter2"].map(|text| SecretBytes::new(text.into()));
        let made = github(&[("DB_URL", &address)], &[("av://db/password", &password)]).unwrap();
        assert_eq!(made.masks.expose(), b"::add-mask::hunter2\n");
    }

    /// What a reader makes of the file: it goes by the first line and the first line that repeats its delimiter.
    fn read_back(file: &str) -> (&str, &str, &str) {
        let (head, rest) = file.split_once('\n').unwrap();
        let (name, delimiter) = head.split_once("<<").unwrap();
        let end = rest.find(&format!("\n{delimiter}\n")).unwrap();
        (name, &rest[..end], &rest[end + delimiter.len() + 2..])
    }

    proptest! {
        #[test]
        fn github_reads_back_any_text_and_a_mask_stays_on_its_line(value in "(?s)([a%:=<\r\n \u{85}\u{2028}]|EOF|::|%0A){0,24}") {
            let secret = SecretBytes::new(value.clone().into_bytes());
            let made = github(&[("A", &secret), ("B", &secret)], &[("av://a", &secret)]).unwrap();
            let (name, read, rest) = read_back(std::str::from_utf8(made.file.expose()).unwrap());
            prop_assert_eq!((name, read), ("A", &*value));
            let (name, read, rest) = read_back(rest);
            prop_assert_eq!((name, read, rest), ("B", &*value, ""));
            let masks = std::str::from_utf8(made.masks.expose()).unwrap();
            let told: BTreeSet<String> =
                masks.lines().map(|line| line.strip_prefix("::add-mask::").unwrap().replace("%25", "%")).collect();
            let lines = value.split(['\n', '\r']).map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
            prop_assert_eq!(told, lines.collect::<BTreeSet<_>>());
            prop_assert!(masks.is_empty() || masks.ends_with('\n') && !masks.contains('\r'));
        }
    }
}
