//! A block of lines in a file that belongs to a person: added at the end, taken away as if it had never been there.
//!
//! It is one newline, a line that begins it, its lines, and a line that ends it. The newline ends a last line that has
//! no end, so the file need not be told apart from one that has.

use crate::replacing::Prepared;
use agent_vault_core::{Error, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const BEGIN: &str = "# >>> agent-vault shell-hook >>>";
const END: &str = "# <<< agent-vault shell-hook <<<";
/// Follows the first line where the file was made for the block.
const MADE: &str = "# This file was made with these lines, and goes with them.";

/// What became of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The block is new.
    Added,
    /// It was another one.
    Replaced,
    /// It is gone.
    Removed,
    /// Nothing had to be done.
    AsItWas,
}

/// Why a file is left alone: a block of ours in it begins and does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished;

/// Where a block stands: with the newline before it, if that is its own, and with the one at its end.
fn block(text: &[u8]) -> Result<Option<(usize, usize)>, Unfinished> {
    let Some(begin) = line(text, BEGIN, 0) else {
        return if line(text, END, 0).is_some() { Err(Unfinished) } else { Ok(None) };
    };
    let last = line(text, END, begin).ok_or(Unfinished)?;
    let after_last = last + END.len();
    let end = if after_last < text.len() { after_last + 1 } else { after_last };
    // Somebody may have written below the block, or taken the empty line above it away.
    let before = text[..begin].strip_suffix(b"\n");
    let is_own = before.is_some_and(|before| before.is_empty() || before.ends_with(b"\n") || end == text.len());
    Ok(Some((if is_own { begin - 1 } else { begin }, end)))
}

/// Where a line of exactly this text begins, from a place on.
fn line(text: &[u8], wanted: &str, from: usize) -> Option<usize> {
    let mut at = 0;
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let start = at;
        at += line.len() + 1;
        (start >= from && line == wanted.as_bytes()).then_some(start)
    })
}

/// A file's text with the block in it. `None` stands for no file.
///
/// # Errors
/// [`Unfinished`].
pub fn with(text: Option<&[u8]>, lines: &str) -> Result<(Vec<u8>, Done), Unfinished> {
    let made = |made: bool| if made { format!("{MADE}\n") } else { String::new() };
    let whole = |is_made: bool| format!("{BEGIN}\n{}{lines}{END}\n", made(is_made)).into_bytes();
    let Some(text) = text else { return Ok(([b"\n".to_vec(), whole(true)].concat(), Done::Added)) };
    let Some((start, end)) = block(text)? else {
        return Ok(([text, b"\n", &whole(false)].concat(), Done::Added));
    };
    let found = &text[start..end];
    let newline: &[u8] = if found.starts_with(b"\n") { b"\n" } else { b"" };
    let new = [newline, &whole(line(found, MADE, 0).is_some())].concat();
    if found == new {
        return Ok((text.to_vec(), Done::AsItWas));
    }
    // Only the first counts; a copy of it would do the same.
    Ok(([&text[..start], &new, &text[end..]].concat(), Done::Replaced))
}

/// A file's text without any block. `None` stands for no file.
///
/// # Errors
/// [`Unfinished`].
pub fn without(text: &[u8]) -> Result<(Option<Vec<u8>>, Done), Unfinished> {
    let mut text = text.to_vec();
    let (mut done, mut is_made) = (Done::AsItWas, false);
    while let Some((start, end)) = block(&text)? {
        is_made |= line(&text[start..end], MADE, 0).is_some();
        text.drain(start..end);
        done = Done::Removed;
    }
    Ok((if is_made && text.is_empty() { None } else { Some(text) }, done))
}

/// Puts the block into a file.
///
/// # Errors
/// [`Error::Conflict`] for a block that does not end, [`Error::Io`].
pub fn add(file: &Path, lines: &str) -> Result<Done> {
    let file = target(file)?;
    let text = read(&file)?;
    let (new, done) = with(text.as_deref(), lines).map_err(|Unfinished| unfinished(&file))?;
    if done != Done::AsItWas {
        replace(&file, &new)?;
    }
    Ok(done)
}

/// Takes the block out of a file.
///
/// # Errors
/// As [`add`].
pub fn remove(file: &Path) -> Result<Done> {
    let file = target(file)?;
    let Some(text) = read(&file)? else { return Ok(Done::AsItWas) };
    let (new, done) = without(&text).map_err(|Unfinished| unfinished(&file))?;
    match new {
        _ if done == Done::AsItWas => {}
        Some(new) => replace(&file, &new)?,
        None => std::fs::remove_file(&file).map_err(Error::io("remove", &file))?,
    }
    Ok(done)
}

fn unfinished(file: &Path) -> Error {
    Error::Conflict {
        message: format!("{} has one of the lines that begin and end the hook, without the other", file.display()),
        hint: format!("take the lines from {BEGIN:?} to {END:?} out yourself, then try again"),
    }
}

/// The file itself, where its name is a link: the link stays.
fn target(file: &Path) -> Result<PathBuf> {
    match file.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => file.canonicalize().map_err(Error::io("follow", file)),
        _ => Ok(file.to_path_buf()),
    }
}

fn read(file: &Path) -> Result<Option<Vec<u8>>> {
    match file.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if !metadata.is_file() => Err(std::io::Error::other("it is no file")),
        other => other.map(drop),
    }
    .and_then(|()| std::fs::read(file).map(Some))
    .map_err(Error::io("read", file))
}

fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    Prepared::new(file, bytes)?.put()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "one\ntwo\n";

    fn added(text: Option<&[u8]>) -> Vec<u8> {
        with(text, LINES).unwrap().0
    }

    #[test]
    fn a_block_that_does_not_end_is_left_alone() {
        for text in [format!("x\n{BEGIN}\none\n"), format!("{END}\n"), format!("{END}\n{BEGIN}\n")] {
            assert_eq!(with(Some(text.as_bytes()), LINES), Err(Unfinished));
            assert_eq!(without(text.as_bytes()), Err(Unfinished));
        }
    }

    #[test]
    fn what_was_there_is_there_again_byte_for_byte() {
        for text in ["", "\n", "x", "x\n", "x\n\n", "\n\n\n", "x\r\ny", "# >>> agent-vault shell-hook >>>x\n"] {
            let with_block = added(Some(text.as_bytes()));
            assert_eq!(without(&with_block).unwrap(), (Some(text.as_bytes().to_vec()), Done::Removed), "{text:?}");
            assert_eq!(with(Some(&with_block), LINES).unwrap(), (with_block.clone(), Done::AsItWas));
            let other = with(Some(&with_block), "three\n").unwrap();
            assert_eq!(other.1, Done::Replaced);
            assert_eq!(without(&other.0).unwrap().0.unwrap(), text.as_bytes());
        }
        let made = added(None);
        assert_eq!(without(&made).unwrap(), (None, Done::Removed));
        assert_eq!(without(&with(Some(&made), "three\n").unwrap().0).unwrap().0, None);
        assert_eq!(without(b"x").unwrap(), (Some(b"x".to_vec()), Done::AsItWas));
    }

    #[test]
    fn what_was_written_around_the_block_stays_and_no_two_lines_become_one() {
        for text in ["", "x", "x\n", "x\n\n"] {
            let with_block = [&added(Some(text.as_bytes()))[..], b"after\n"].concat();
            let left = String::from_utf8(without(&with_block).unwrap().0.unwrap()).unwrap();
            let expected = if text == "x" { "x\nafter\n".to_owned() } else { format!("{text}after\n") };
            assert_eq!(left, expected);
            let twice = [&with_block[..], &with_block].concat();
            assert_eq!(without(&twice).unwrap().1, Done::Removed);
            assert!(line(&without(&twice).unwrap().0.unwrap(), BEGIN, 0).is_none());
        }
        let made = [&added(None)[..], b"after\n"].concat();
        assert_eq!(without(&made).unwrap().0.unwrap(), b"after\n");
        let squeezed = format!("x\n{BEGIN}\n{LINES}{END}\ny\n");
        assert_eq!(without(squeezed.as_bytes()).unwrap().0.unwrap(), b"x\ny\n");
    }
}
