//! The MCP server over its pipes, as a client finds it.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context as _, Failure};
use crate::workspace::{cargo, exe, target_dir};

use super::Bench;
use super::fixture::{self, Shape, secret};
use super::harness::in_turn;
use super::report::{Figure, Goal, Report, Row};
use super::sandbox::Place;

/// Measures the rows of the MCP server.
///
/// # Errors
///
/// When the server does not build or answer.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<(), Failure> {
    let built = cargo().args(["build", "--release", "--locked", "--package", "agent-vault-mcp"]).status();
    if !built.context("cannot run cargo")?.success() {
        return Err(Failure::new("the MCP server does not build").with_hint("the message above says why"));
    }
    let place = bench.sandbox.place("mcp")?;
    fixture::vault(bench, &place, Shape { secrets: 1, agents: 2, readers: 2 })?;
    let [start] = in_turn(
        bench.options.short(),
        [&mut || {
            let begun = Instant::now();
            let mut server = Server::start(&place)?;
            server.begin()?;
            let taken = begun.elapsed();
            server.end().map(|()| taken)
        }],
    )?;
    let mut server = Server::start(&place)?;
    server.begin()?;
    server.get()?;
    let rounds = bench.options.size(2_000).max(11);
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        server.get()?;
        times.push(begun.elapsed());
    }
    server.end()?;
    times.sort_unstable();
    let mut row = |what: &str, time: Duration, most: u64| {
        let (what, ours) = (what.to_owned(), Figure::Time(time));
        report.add(Row { what, ours, peer: None, goal: Goal::Under(Figure::Time(Duration::from_millis(most))) });
    };
    row("MCP: start to first answer", start.median(), 15);
    row("MCP: `agent_vault_get`, there and back", times[times.len() / 2], 1);
    Ok(())
}

/// A server, and a client that waits for each answer.
struct Server {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(place: &Place) -> Result<Self, Failure> {
        let program = target_dir().join("release").join(exe("agent-vault-mcp"));
        let mut command: Command = place.command(&program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context(program.display())?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| Failure::new("the server has no pipes"))?;
        Ok(Self { child, stdin, lines: BufReader::new(stdout).lines() })
    }

    /// Asks, and waits for the answer.
    fn ask(&mut self, message: &str) -> Result<String, Failure> {
        writeln!(self.stdin, "{message}").context("the MCP server")?;
        let answer = self.lines.next().ok_or_else(|| Failure::new("the MCP server ended"))?;
        let answer = answer.context("the MCP server")?;
        if answer.contains("\"error\"") || answer.contains("\"isError\":true") {
            return Err(Failure::new(format!("the MCP server answered {answer}")));
        }
        Ok(answer)
    }

    fn begin(&mut self) -> Result<String, Failure> {
        self.ask(
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#,
        )
    }

    fn get(&mut self) -> Result<String, Failure> {
        let secret = secret(0);
        self.ask(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"agent_vault_get","arguments":{{"secret":"{secret}"}}}}}}"#
        ))
    }

    fn end(self) -> Result<(), Failure> {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        child.wait().map(drop).context("the MCP server")
    }
}
