//! Words and numbers as every face tells them.

use agent_vault_core::error::is_printable;
use std::path::Path;

/// How an age private key begins; none has a reason to be shown.
const PRIVATE: &str = "AGE-SECRET-KEY-";

/// `text` without what a terminal would obey or hide (a folder's name may hold anything), and without a private key that
/// somebody gave in place of a name.
pub fn safe(text: &str) -> String {
    let mut out: String = text.chars().map(|c| if c == '\n' || is_printable(c) { c } else { '?' }).collect();
    let mut from = 0;
    while let Some(at) = out[from..].to_ascii_uppercase().find(PRIVATE) {
        let start = from + at + PRIVATE.len();
        let length = out[start..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(out.len() - start);
        out.replace_range(start..start + length, "(hidden)");
        from = start;
    }
    out
}

/// As [`safe`], on one line: what is told cannot pretend to be the next line.
pub fn one_line(text: &str) -> String {
    safe(text).replace('\n', " ")
}

/// `3 secrets`, `1 secret`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A commit's id as it is shown, and as Git takes it.
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// A path as a person would type it: `~` for the home directory.
pub fn pretty(path: &Path) -> String {
    let home = std::env::home_dir().filter(|home| home.as_os_str().len() > 1);
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf)) {
        Some(rest) => one_line(&format!("~/{}", rest.display())),
        None => one_line(&path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_what_is_told_holds_neither_control_characters_nor_private_keys() {
        assert_eq!(safe("a\x1b[31mb\u{202e}c\r\n"), "a?[31mb?c?\n");
        let keys = "no 'AGE-SECRET-KEY-1QQ', no age-secret-key-1zz\nAGE-SECRET-KEY-";
        assert_eq!(safe(keys), "no 'AGE-SECRET-KEY-(hidden)', no age-secret-key-(hidden)\nAGE-SECRET-KEY-(hidden)");
        assert_eq!(safe("é — plain"), "é — plain");
    }
}
