//! The Node package, from its tarball as people get it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::addon;
use crate::failure::Failure;
use crate::node::Node;
use crate::wheel::Profile;
use crate::workspace::{root, target_dir};

use super::Bench;
use super::fixture::{self, Shape, secret};
use super::harness::{in_turn, time};
use super::inprocess::Times;
use super::report::{Goal, Report};
use super::resident;
use super::sandbox::Place;

/// What measures inside Node, from the top of the tree.
const SCRIPT: &str = "sdk-node/bench/bench.mjs";

/// Measures the rows of the Node package.
///
/// # Errors
///
/// When the package does not build, or the script fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let (node, age) = (Node::installed()?, target_dir().join("peers").join("node-age"));
    node.ci(&root().join("sdk-node/bench"), &age)?;
    let package = addon::installed(Profile::Wheel)?.package;
    let place = bench.sandbox.place("node")?;
    fixture::vault(bench, &place, Shape { secrets: 1, agents: 1, readers: 1 })?;
    let script = |what: &str| {
        let mut command = place.command(&node.program);
        command.arg(root().join(SCRIPT)).arg(what).arg(&package);
        command
    };
    let rounds = bench.options.size(2_000).max(11).to_string();
    let path = PathBuf::from(secret(0));
    let files = [&age, &place.dir, &path, &place.ciphertext(&secret(0)), &place.owner_key()];
    let times = Times::of(script("get").args(files).arg(rounds))?;
    let beside = ("age-encryption's decrypt", times.get("age")?);
    let what = "Node `get`, warm, 2 recipients";
    report.compare(what, times.get("ours")?, beside, Goal::Ratio(0.1));
    let hop = ("`fs.promises.access`, the same way to a thread and back", times.get("hop")?);
    report.compare(what, times.get("ours")?, hop, Goal::None);
    starts(bench, report, &node, &place, &package)?;
    memory(bench, report, script("memory"), &place)
}

/// `require` and first read, as a process, beside a Node that does nothing.
fn starts(bench: &Bench, report: &mut Report, node: &Node, place: &Place, package: &Path) -> Result<(), Failure> {
    let code = |code: &str| {
        let mut command: Command = place.command(&node.program);
        command.env("NODE_PATH", package.join("node_modules")).args(["-e", code]).stdin(Stdio::null());
        command
    };
    let read = format!(
        "new (require('agent-vault').Vault)({{ repoPath: '.', autoPull: false }}).get('{}').then((value) => value.length)",
        secret(0)
    );
    let [ours, bare] = in_turn(bench.options.short(), [&mut || time(&mut code(&read)), &mut || time(&mut code("0"))])?;
    report.compare(
        "Node: require and first `get`, whole process",
        ours.median(),
        ("the bare interpreter", bare.median()),
        Goal::Above(Duration::from_millis(10)),
    );
    Ok(())
}

fn memory(bench: &Bench, report: &mut Report, mut command: Command, place: &Place) -> Result<(), Failure> {
    let reads = bench.options.size(1_000_000).max(1_000);
    command.arg(&place.dir).arg(secret(0)).arg(reads.to_string());
    resident::flat(report, format!("Node: resident after {reads} `get`"), &mut command)
}
