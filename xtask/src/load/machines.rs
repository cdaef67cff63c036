//! Machines with a HOME and a clone each, and the host where they meet.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use agent_vault_test_remotes::{Credentials, Host, Transport};

use crate::failure::{Context as _, Failure};
use crate::sandbox::{Place, Sandbox};

/// A machine of the vault's owner.
pub struct Machine {
    program: PathBuf,
    place: Place,
}

/// The host and its machines; the vault is on all of them.
pub struct Fleet {
    /// Where they meet.
    pub host: Host,
    /// Each with a clone.
    pub machines: Vec<Machine>,
}

impl Fleet {
    /// Makes a vault with the values of `first` in it, and brings it to so many machines.
    ///
    /// # Errors
    ///
    /// When one of them cannot be made.
    pub fn start(
        sandbox: &Sandbox,
        program: &Path,
        name: &str,
        (clones, transport): (usize, Transport),
        first: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let host = Host::start(transport);
        let mut machines = Vec::new();
        for number in 0..clones {
            let place = sandbox.place(&format!("{name}-{number}"))?;
            machines.push(Machine { program: program.to_owned(), place });
        }
        let (founder, others) = machines.split_first().ok_or_else(|| Failure::usage("no clone at all"))?;
        founder.git("init -q -b main")?;
        founder.must("init --owner owner", None)?;
        for (path, value) in first {
            founder.must(&format!("set {path}"), Some(value))?;
        }
        host.connect(&founder.place.dir, Credentials::Right);
        founder.must("sync", None)?;
        for machine in others {
            machine.git("init -q -b main")?;
            host.connect(&machine.place.dir, Credentials::Right);
            machine.git("fetch -q origin")?;
            machine.git("checkout -q --track origin/main")?;
            machine.take_key(founder)?;
            machine.must("sync", None)?;
        }
        Ok(Self { host, machines })
    }

    /// Syncs one after the other until a round moves nothing.
    ///
    /// # Errors
    ///
    /// The sync that fails.
    pub fn settle(&self) -> Result<(), Failure> {
        let tips = || -> Result<Vec<String>, Failure> { self.machines.iter().map(Machine::head).collect() };
        for _ in 0..4 {
            let before = tips()?;
            for machine in &self.machines {
                machine.must("sync", None)?;
            }
            if tips()? == before {
                break;
            }
        }
        Ok(())
    }
}

impl Machine {
    /// Calls the program with the words of a line.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn call(&self, line: &str, input: Option<&str>) -> Result<Output, Failure> {
        self.run(self.place.command(&self.program).args(line.split_whitespace()), input)
    }

    /// The same, which has to succeed; what it printed.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn must(&self, line: &str, input: Option<&str>) -> Result<String, Failure> {
        let output = self.call(line, input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure::new(format!("`{line}`: {}", told(&output))))
    }

    /// Syncs, with a trace of what its `git` did in a folder of its own.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn sync(&self) -> Result<Output, Failure> {
        let traces = self.traces();
        std::fs::create_dir_all(&traces).context(traces.display())?;
        self.run(self.place.command(&self.program).arg("sync").env("GIT_TRACE2_EVENT", &traces), None)
    }

    /// How many pushes of the traced syncs came too late.
    pub fn late_pushes(&self) -> usize {
        let files = std::fs::read_dir(self.traces()).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).filter(|text| is_failed_push(text)).count()
    }

    /// Calls Git in the clone; what it printed.
    ///
    /// # Errors
    ///
    /// When it does not succeed.
    pub fn git(&self, line: &str) -> Result<String, Failure> {
        let output = self.run(self.place.command("git").args(line.split_whitespace()), None)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(Failure::new(format!("`git {line}`: {}", told(&output))))
    }

    /// The commit of the clone.
    ///
    /// # Errors
    ///
    /// When Git cannot tell.
    pub fn head(&self) -> Result<String, Failure> {
        self.git("rev-parse HEAD")
    }

    /// The key files of an agent that this machine made: the current one, and the one that `recover-agent` took every
    /// access from.
    pub fn agent_keys(&self, agent: &str) -> (PathBuf, Option<PathBuf>) {
        let folder = self.place.home.join(".agent-vault/agents");
        let first = folder.join(format!("{agent}.key"));
        let names = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let recovered = names.map(|file| file.path()).find(|file| is_recovered(file, agent));
        match recovered {
            Some(recovered) => (recovered, Some(first)),
            None => (first, None),
        }
    }

    /// The clone.
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    fn traces(&self) -> PathBuf {
        self.place.home.join("traces")
    }

    fn take_key(&self, owner: &Machine) -> Result<(), Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let (from, to) = (owner.place.owner_key(), self.place.owner_key());
        let folder = self.place.home.join(".agent-vault");
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder).context(folder.display())?;
        std::fs::copy(from, &to).map(drop).context(to.display())
    }

    fn run(&self, command: &mut Command, input: Option<&str>) -> Result<Output, Failure> {
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(format_args!("cannot run {command:?}"))?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // A program that ends without reading says why on its own.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output().context("cannot wait")
    }
}

/// Whether a key file is the one of `recover-agent`: the agent's name and the beginning of the key's id.
fn is_recovered(file: &Path, agent: &str) -> bool {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let id = stem.and_then(|stem| stem.strip_prefix(agent)?.strip_prefix('-'));
    id.is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// How a program ended, and its last words.
pub fn told(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
}

/// Whether a trace is one of a `git push` that did not succeed.
fn is_failed_push(trace: &str) -> bool {
    let event = |name: &str| {
        let name = format!("\"event\":\"{name}\"");
        trace.lines().find(move |line| line.contains(&name)).unwrap_or_default()
    };
    event("start").contains("\"push\",\"--no-progress\"") && !event("exit").contains("\"code\":0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovered_agents_key_is_told_from_that_of_another() {
        let is = |name: &str| is_recovered(Path::new(name), "agent-1-0");
        assert!(is("/home/agents/agent-1-0-a574344e.key"));
        assert!(!is("/home/agents/agent-1-0.key") && !is("/home/agents/agent-1-01-a574344e.key"));
    }

    #[test]
    fn a_push_that_came_too_late_is_told_from_its_trace() {
        let trace = |argv: &str, code: u8| {
            format!("{{\"event\":\"start\",\"argv\":[{argv}]}}\n{{\"event\":\"exit\",\"t_abs\":0.1,\"code\":{code}}}\n")
        };
        let push = "\"git\",\"-C\",\"/tmp\",\"push\",\"--no-progress\",\"--porcelain\"";
        assert!(is_failed_push(&trace(push, 1)));
        assert!(!is_failed_push(&trace(push, 0)));
        assert!(!is_failed_push(&trace("\"git\",\"fetch\"", 1)));
    }
}
