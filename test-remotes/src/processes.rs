//! Stopping a server with all that it started: sshd gives every connection a session of its own, so that no process group
//! is all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

/// Kills a child and its descendants, and reaps it. The child is stopped first, so that it starts nothing meanwhile.
pub fn kill_all(mut child: Child) {
    let root = child.id();
    signal("STOP", &BTreeSet::from([root]));
    let mut killed = BTreeSet::new();
    loop {
        let found: BTreeSet<u32> = descendants(root).difference(&killed).copied().collect();
        if found.is_empty() {
            break;
        }
        signal("KILL", &found);
        killed.extend(found);
    }
    child.kill().expect("our own child");
    child.wait().expect("our own child");
}

fn descendants(root: u32) -> BTreeSet<u32> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat="]).output().expect("ps");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(Ok(pid)), Some(Ok(parent)), Some(state)) =
            (words.next().map(str::parse), words.next().map(str::parse), words.next())
        else {
            continue;
        };
        if !state.starts_with('Z') {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut left = vec![root];
    while let Some(parent) = left.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            if found.insert(child) {
                left.push(child);
            }
        }
    }
    found
}

fn signal(name: &str, processes: &BTreeSet<u32>) {
    // One that has ended meanwhile is no failure.
    let _ = Command::new("kill")
        .arg(format!("-{name}"))
        .args(processes.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}
