//! What a call leaves behind: states to compare, plaintext to look for, system calls to read.

use super::World;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that a refused or dry call must leave as it was: commit, index, work tree, and the home's keys. The log tells what was tried.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    head: String,
    status: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl World {
    /// The state now.
    #[track_caller]
    pub fn state(&self) -> State {
        let mut files = BTreeMap::new();
        // Git's own files change with every look (and the locks beside them); what they mean is head and status.
        collect(&self.repo, &|path| path.file_name().is_some_and(|name| name == ".git"), &mut files);
        let memory = ["vaults", "places", "cache", "audit"].map(|name| self.keys().join(name));
        collect(&self.keys(), &|path| memory.iter().any(|known| path == known), &mut files);
        State {
            head: self.sh("git rev-parse -q --verify HEAD || true"),
            status: self.sh("git status --porcelain -uall --ignored 2>/dev/null || true"),
            files,
        }
    }

    /// The commits so far.
    #[track_caller]
    pub fn commits(&self) -> usize {
        self.git("rev-list --count --all").parse().expect("a number")
    }

    /// Every file below this world, and every Git object of the repository, that holds `text`.
    #[track_caller]
    pub fn places_of(&self, text: &str) -> Vec<String> {
        let mut files = BTreeMap::new();
        collect(&self.root, &|_| false, &mut files);
        let mut found: Vec<String> = files
            .into_iter()
            .filter(|(_, bytes)| contains(bytes, text.as_bytes()))
            .map(|(path, _)| path.display().to_string())
            .collect();
        if self.repo.join(".git").exists() {
            // Objects lie compressed; here they are as they are.
            let objects = self.tmp("objects");
            self.sh(&format!("git cat-file --batch-all-objects --batch > {}", objects.display()));
            if contains(&std::fs::read(&objects).expect("objects"), text.as_bytes()) {
                found.push("a Git object".into());
            }
            std::fs::remove_file(objects).expect("it goes");
        }
        found
    }
}

/// Every file below `dir` by path, with its bytes; a link counts with its target. `skip` leaves out.
fn collect(dir: &Path, skip: &dyn Fn(&Path) -> bool, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if skip(&path) {
            continue;
        }
        if kind.is_dir() {
            into.insert(path.clone(), Vec::new());
            collect(&path, skip, into);
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&path).expect("a link");
            into.insert(path, target.into_os_string().into_encoded_bytes());
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            into.insert(path, bytes);
        }
    }
}

/// Whether `needle` stands anywhere in `bytes`.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    assert!(!needle.is_empty());
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// One line of strace's.
#[derive(Debug, Clone)]
pub struct Call {
    /// The call's name.
    pub name: String,
    /// The whole line.
    pub line: String,
}

/// The calls in the files `<prefix>*` that strace wrote.
pub fn read_trace(file: &Path) -> Vec<Call> {
    let text = std::fs::read(file).expect("strace's file");
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| {
            let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
            let (name, _) = call.split_once('(')?;
            Some(Call { name: name.to_owned(), line: call.to_owned() })
        })
        .collect()
}
