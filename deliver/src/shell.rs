//! What a shell does before each prompt, and what it is told to do: which variables to set, and which to put back.
//!
//! Everything that is decided here is decided from what is passed in. What was set, and what stood there before, is kept
//! in a variable of the shell itself ([`STATE`]): so a shell that is started below this one knows it too.

use crate::render::{Format, render};
use crate::variable::Name;
use agent_vault_core::{Result, SecretBytes};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shell_quote::{Bash, Fish};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use zeroize::Zeroizing;

/// The variable in which a shell keeps its [`State`]. No env file can set it.
pub const STATE: &str = "AGENT_VAULT_SHELL";

/// How the variables are called in which a shell keeps, to itself, values that it does not export.
const KEPT: &str = "__agent_vault_was_";

/// A shell that can be hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
        })
    }
}

impl Shell {
    fn format(self) -> Format {
        match self {
            Shell::Bash => Format::Bash,
            Shell::Zsh => Format::Zsh,
            Shell::Fish => Format::Fish,
        }
    }

    fn quote(self, path: &Path) -> String {
        let bytes = path.as_os_str().as_encoded_bytes();
        let quoted = match self {
            Shell::Bash | Shell::Zsh => Bash::quote_vec(bytes),
            Shell::Fish => Fish::quote_vec(bytes),
        };
        // Both escape what is no text.
        String::from_utf8_lossy(&quoted).into_owned()
    }

    /// The lines that an rc file runs, where the program is there and the shell talks to a person.
    pub fn start(self, program: &Path) -> String {
        let program = self.quote(program);
        match self {
            Shell::Bash => {
                format!("if [[ $- == *i* && -x {program} ]]; then eval \"$({program} shell-hook print bash)\"; fi\n")
            }
            Shell::Zsh => {
                format!(
                    "if [[ -o interactive && -x {program} ]]; then eval \"$({program} shell-hook print zsh)\"; fi\n"
                )
            }
            Shell::Fish => format!(
                "if status is-interactive; and test -x {program}\n    {program} shell-hook print fish | source\nend\n"
            ),
        }
    }

    /// The function that runs before each prompt, and what has it run.
    pub fn hook(self, program: &Path) -> String {
        let template = match self {
            Shell::Bash => include_str!("shell/hook.bash"),
            Shell::Zsh => include_str!("shell/hook.zsh"),
            Shell::Fish => include_str!("shell/hook.fish"),
        };
        template.replace("@PROGRAM@", &self.quote(program))
    }
}

/// What stood in a variable before it was set; nothing where the environment had none.
pub type Former = (Name, Option<SecretBytes>);

/// What a shell was told last.
#[derive(Debug, Default)]
pub struct State {
    /// The env file that this is about.
    pub file: Vec<u8>,
    /// How that file was found, and what allows it: where it is as it was, there is nothing to do. Letters, digits, `.`
    /// and `-`.
    pub stamp: String,
    /// What was set, and what stood there before.
    pub former: Vec<Former>,
}

impl State {
    /// The state as one word.
    pub fn render(&self) -> SecretBytes {
        let base64 = |bytes: &[u8]| Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes));
        let mut word = format!("1:{}:{}", *base64(&self.file), self.stamp);
        let values = self.former.iter().filter_map(|(_, value)| value.as_ref()).map(SecretBytes::len);
        word.reserve(values.map(|length| length * 2 + 4).sum::<usize>() + self.former.len() * 257);
        for (name, value) in &self.former {
            word.push(':');
            word.push_str(name.as_str());
            if let Some(value) = value {
                word.push('=');
                word.push_str(&base64(value.expose()));
            }
        }
        SecretBytes::new(word.into_bytes())
    }
}

/// Why a word is no state: somebody else made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoState;

impl FromStr for State {
    type Err = NoState;

    fn from_str(word: &str) -> Result<Self, NoState> {
        let base64 = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| NoState);
        let mut fields = word.split(':');
        let (Some("1"), Some(file), Some(stamp)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(NoState);
        };
        let former = |field: &str| -> Result<Former, NoState> {
            let (name, value) = match field.split_once('=') {
                Some((name, value)) => (name, Some(SecretBytes::new(base64(value)?))),
                None => (field, None),
            };
            let name: Name = name.parse().map_err(|_| NoState)?;
            // None such was ever set.
            if name.runs_code() { Err(NoState) } else { Ok((name, value)) }
        };
        Ok(Self { file: base64(file)?, stamp: stamp.to_owned(), former: fields.map(former).collect::<Result<_, _>>()? })
    }
}

/// What stood in the variables that are to be set, given what stands there now and what was set before.
pub fn former<'n>(
    names: impl IntoIterator<Item = &'n Name>,
    before: &State,
    now: impl Fn(&Name) -> Option<SecretBytes>,
) -> Vec<Former> {
    let copy = |value: &SecretBytes| SecretBytes::new(value.expose().to_vec());
    let of = |name: &Name| match before.former.iter().find(|(other, _)| other == name) {
        Some((_, value)) => value.as_ref().map(copy),
        None => now(name),
    };
    names.into_iter().map(|name| (name.clone(), of(name))).collect()
}

/// The text that brings a shell from one state to the next: puts back what is no longer set, and sets the rest.
///
/// # Errors
/// Those of [`render`]; none for values without NUL.
pub fn script(shell: Shell, before: &State, after: Option<(&State, &[(Name, SecretBytes)])>) -> Result<SecretBytes> {
    let (state, variables) = after.unzip();
    let variables = variables.unwrap_or_default();
    let is_set = |name: &Name| variables.iter().any(|(other, _)| other == name);
    let was_set = |name: &Name| before.former.iter().any(|(other, _)| other == name);
    let mut pieces: Vec<SecretBytes> = Vec::new();
    for (name, value) in before.former.iter().filter(|(name, _)| !is_set(name)) {
        pieces.push(put_back(shell, name, value.as_ref())?);
    }
    let former = state.map(|state| &state.former[..]).unwrap_or_default();
    for (name, _) in former.iter().filter(|(name, value)| value.is_none() && !was_set(name)) {
        pieces.push(text(match shell {
            Shell::Bash | Shell::Zsh => format!("if [ -n \"${{{name}+x}}\" ]; then {KEPT}{name}=${name}; fi\n"),
            Shell::Fish => format!("set -qg {name}; and set -g {KEPT}{name} ${name}\n"),
        }));
    }
    let word = state.map(State::render);
    let state = word.as_ref().map(|word| (STATE, word));
    let set: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value)).chain(state).collect();
    pieces.push(render(shell.format(), &set)?);
    if word.is_none() {
        pieces.push(text(match shell {
            Shell::Bash | Shell::Zsh => format!("unset -v {STATE}\n"),
            Shell::Fish => format!("set -eg {STATE}\n"),
        }));
    }
    let mut out = Vec::with_capacity(pieces.iter().map(SecretBytes::len).sum());
    pieces.iter().for_each(|piece| out.extend_from_slice(piece.expose()));
    Ok(SecretBytes::new(out))
}

fn text(text: String) -> SecretBytes {
    SecretBytes::new(text.into_bytes())
}

/// Puts back what stood in a variable.
fn put_back(shell: Shell, name: &Name, value: Option<&SecretBytes>) -> Result<SecretBytes> {
    let kept = format!("{KEPT}{name}");
    let Some(value) = value else {
        // The environment had none; a variable of the shell's own may have been there.
        return Ok(text(match shell {
            Shell::Bash | Shell::Zsh => {
                format!("unset -v {name}; if [ -n \"${{{kept}+x}}\" ]; then {name}=${kept}; unset -v {kept}; fi\n")
            }
            Shell::Fish => {
                format!("set -eg {name}; if set -qg {kept}; set -gu {name} ${kept}; set -eg {kept}; end\n")
            }
        }));
    };
    let set = render(shell.format(), &[(name.as_str(), value)])?;
    Ok(match shell {
        Shell::Bash | Shell::Zsh => set,
        // One that is universal is there again as soon as ours is not.
        Shell::Fish => {
            let before = format!("set -eg {name}; set -q {name}; or ");
            let mut line = Vec::with_capacity(before.len() + set.len());
            line.extend_from_slice(before.as_bytes());
            line.extend_from_slice(set.expose());
            SecretBytes::new(line)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(text.as_bytes().to_vec())
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn state(former: Vec<Former>) -> State {
        State { file: b"/f".to_vec(), stamp: "1".into(), former }
    }

    fn told(before: &State, after: Option<(&State, &[(Name, SecretBytes)])>) -> String {
        String::from_utf8(script(Shell::Bash, before, after).unwrap().expose().to_vec()).unwrap()
    }

    #[test]
    fn what_is_no_state_is_told_from_one() {
        for word in ["", "1", "2:L2Y:1", "1:L2Y", "1:?:1", "1:L2Y:1:A=?", "1:L2Y:1:", "1:L2Y:1:PATH=L2Y", "1:L2Y:1:a b"]
        {
            assert!(word.parse::<State>().is_err(), "{word}");
        }
        assert!("1:L2Y:1".parse::<State>().is_ok());
    }

    #[test]
    fn what_is_no_longer_set_is_put_back_and_the_rest_is_set() {
        let before = state(vec![(name("A"), Some(secret("old a"))), (name("B"), None), (name("C"), None)]);
        let after = state(vec![(name("C"), None), (name("D"), None), (name("E"), Some(secret("e")))]);
        let set = [(name("C"), secret("3")), (name("D"), secret("4")), (name("E"), secret("5"))];
        let script = told(&before, Some((&after, &set)));
        let lines: Vec<&str> = script.lines().collect();
        assert_eq!(lines[0], "export A=$'old a'");
        assert!(lines[1].starts_with("unset -v B; "));
        assert!(lines[2].contains("__agent_vault_was_D=$D"), "{}", lines[2]);
        assert_eq!(lines[3..6], ["export C=3", "export D=4", "export E=5"]);
        assert!(lines[6].starts_with("export AGENT_VAULT_SHELL="));
        assert!(!script.contains("was_E") && !script.contains("was_C"));
        assert!(told(&before, None).ends_with("unset -v AGENT_VAULT_SHELL\n"));
    }

    #[test]
    fn what_stood_there_before_is_what_stood_there_before_the_first_time() {
        let before = state(vec![(name("A"), Some(secret("old")))]);
        let names = [name("A"), name("B")];
        let found = former(&names, &before, |name| Some(secret(&format!("now {name}"))));
        assert_eq!(found[0].1.as_ref().unwrap().expose(), b"old");
        assert_eq!(found[1].1.as_ref().unwrap().expose(), b"now B");
    }

    proptest! {
        #[test]
        fn a_state_is_read_back(
            file in prop::collection::vec(any::<u8>(), 0..20),
            values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 0..4),
        ) {
            let former = values.into_iter().enumerate().map(|(n, value)| (name(&format!("V{n}")), value.map(SecretBytes::new)));
            let state = State { file, stamp: "1.2-3".into(), former: former.collect() };
            let word = state.render();
            let read: State = std::str::from_utf8(word.expose()).unwrap().parse().unwrap();
            prop_assert_eq!(&read.file, &state.file);
            let again = read.render();
            prop_assert_eq!(again.expose(), word.expose());
        }
    }
}
