//! A client of the MCP server that writes what it likes: lines on the pipes of the real program.
#![allow(dead_code)] // each test program uses a part of it

use crate::support::{PROGRAM, World};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A server that takes as long as this hangs. A cap that ends a stuck test run, not a measurement.
const HANGS: Duration = Duration::from_secs(120);

/// The server's program, which a build of the workspace leaves beside ours.
pub fn program() -> PathBuf {
    let program = Path::new(PROGRAM).with_file_name("agent-vault-mcp");
    assert!(program.is_file(), "build the whole workspace: {} is not there", program.display());
    program
}

/// The server in a world, as `ci` unless it is told otherwise.
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    next: u64,
}

/// How a server is started.
pub fn command(world: &World, words: &[&str]) -> Command {
    let mut command = Command::new(program());
    world.surround(&mut command, &world.home);
    command.current_dir(&world.repo).args(words);
    command
}

impl Server {
    /// Starts a server with `ci`'s key, and begins the session.
    #[track_caller]
    pub fn of_agent(world: &World, words: &[&str]) -> Self {
        let key = world.key("ci");
        Self::begun(command(world, &[&["--key", &key], words].concat()))
    }

    /// Starts a server, and begins the session.
    #[track_caller]
    pub fn begun(command: Command) -> Self {
        let mut server = Self::started(command);
        server.begin();
        server
    }

    /// Starts a server, and says nothing yet.
    #[track_caller]
    pub fn started(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, next: 0 }
    }

    /// `initialize`, as every client begins; what the server said.
    #[track_caller]
    pub fn begin(&mut self) -> Value {
        let client = json!({"name": "test-client", "version": "1.5"});
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        let answer = self.call("initialize", hello);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"].clone()
    }

    /// Writes bytes as they are; whether somebody takes them.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stdin.as_mut().is_some_and(|stdin| stdin.write_all(bytes).and_then(|()| stdin.flush()).is_ok())
    }

    /// Writes one message.
    #[track_caller]
    pub fn send(&mut self, message: &Value) {
        assert!(self.write(format!("{message}\n").as_bytes()), "the server is gone");
    }

    /// Asks, and does not wait; the request's id.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}));
        self.next
    }

    /// The next message of the server.
    #[track_caller]
    pub fn hear(&mut self) -> Value {
        self.lines.recv_timeout(HANGS).expect("the server answers")
    }

    /// Asks, and hears the answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        let answer = self.hear();
        assert_eq!(answer["id"], json!(id), "{answer}");
        answer
    }

    /// Calls a tool; its result.
    #[track_caller]
    pub fn tool(&mut self, name: &str, arguments: Value) -> Answer {
        let answer = self.call("tools/call", json!({"name": format!("agent_vault_{name}"), "arguments": arguments}));
        assert!(answer["error"].is_null(), "{answer}");
        Answer(answer["result"].clone())
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its input, and waits until it ends: how, and what it wrote to standard error.
    #[track_caller]
    pub fn end(mut self) -> (ExitStatus, String) {
        drop(self.stdin.take());
        let (sender, ended) = channel();
        let mut child = self.child;
        std::thread::spawn(move || {
            let mut err = String::new();
            let _ = child.stderr.take().expect("its errors").read_to_string(&mut err);
            let _ = sender.send((child.wait().expect("it ends"), err));
        });
        let (status, err) = ended.recv_timeout(HANGS).expect("it ends with its input");
        assert!(!err.contains("panicked at"), "{err}");
        (status, err)
    }
}

/// What a tool answered.
pub struct Answer(pub Value);

impl Answer {
    /// Its text.
    #[track_caller]
    pub fn text(&self) -> &str {
        self.0["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {}", self.0))
    }

    /// Its parts.
    pub fn parts(&self) -> &Value {
        &self.0["structuredContent"]
    }

    /// That it is no error.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.0["isError"], json!(false), "{}", self.0);
        self
    }

    /// That it is an error of this code, with a hint.
    #[track_caller]
    pub fn fails(self, code: &str) -> Self {
        assert_eq!((&self.0["isError"], &self.parts()["code"]), (&json!(true), &json!(code)), "{}", self.0);
        assert!(self.text().contains("\nhint: ") && !self.parts()["hint"].as_str().unwrap_or_default().is_empty());
        self
    }

    /// That a text is nowhere in it.
    #[track_caller]
    pub fn keeps_silent_about(self, text: &str) -> Self {
        assert!(!self.0.to_string().contains(text), "{}", self.0);
        self
    }
}
